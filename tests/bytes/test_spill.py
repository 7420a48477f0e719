"""Inflated files lie on disk by name: what is open costs nothing, what is gone is freed."""

from __future__ import annotations

import errno
import gc
import os
import pickle
import subprocess
import sys
import tempfile
import zipfile
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import pytest
import warm_process
from dicom_files import DEFLATED, make_native

import lazydicom
from lazydicom._bytes.containers import spill
from lazydicom.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

PIXELS = np.arange(4 * 64 * 64, dtype=np.uint16).reshape(4, 64, 64)
FILE = make_native(PIXELS, transfer_syntax=DEFLATED)


@pytest.fixture
def spills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let this test have a temporary folder of its own."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    spill._folder.forget()
    return folder


@pytest.fixture(autouse=True)
def afterwards() -> object:
    yield
    spill._folder.forget()


def files_in(folder: Path) -> list[Path]:
    return [
        path for path in folder.rglob("*") if path.is_file() and path.name != "in-use"
    ]


def open_deflated(folder: Path) -> lazydicom.DicomArray:
    path = folder / "a.dcm"
    path.write_bytes(FILE)
    return lazydicom.open_image(path)


def open_member(folder: Path) -> lazydicom.DicomArray:
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.dcm", make_native(PIXELS))
    return lazydicom.open_image(f"zip://a.dcm::{folder / 'a.zip'}")


OPENERS = {"deflated": open_deflated, "member": open_member}


@pytest.mark.parametrize("kind", OPENERS)
def test_a_spill_goes_with_the_last_array_that_reads_it(
    spills: Path, tmp_path: Path, kind: str
) -> None:
    array = OPENERS[kind](tmp_path)
    part = array[1:3] if kind == "member" else array
    assert len(files_in(spills)) == 1

    del array
    gc.collect()
    assert np.array_equal(part[-1], PIXELS[2 if kind == "member" else 3])
    del part
    gc.collect()

    assert files_in(spills) == []


@pytest.mark.parametrize("kind", OPENERS)
def test_two_arrays_of_one_file_share_a_spill(
    spills: Path, tmp_path: Path, kind: str
) -> None:
    first, second = (OPENERS[kind](tmp_path) for _ in range(2))
    if kind == "member":  # it was written twice, with another time
        second = pickle.loads(pickle.dumps(second))

    np.asarray(first), np.asarray(second)

    assert len(files_in(spills)) <= 2


def test_an_array_of_many_tasks_is_inflated_once(spills: Path, tmp_path: Path) -> None:
    pickled = pickle.dumps(open_deflated(tmp_path))
    gc.collect()
    names = set()

    for _ in range(3):
        assert np.array_equal(pickle.loads(pickled)[2], PIXELS[2])
        gc.collect()
        names |= set(files_in(spills))

    assert len(names) == 1


def test_a_spill_that_somebody_tidied_up_is_made_again(
    spills: Path, tmp_path: Path
) -> None:
    array = open_deflated(tmp_path)

    for path in files_in(spills):
        path.unlink()

    assert np.array_equal(array, PIXELS)


def test_a_folder_that_somebody_tidied_up_is_made_again(
    spills: Path, tmp_path: Path
) -> None:
    array = open_deflated(tmp_path)
    for folder in spills.iterdir():
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()

    assert np.array_equal(array, PIXELS)
    assert np.array_equal(open_member(tmp_path), PIXELS)


@pytest.mark.parametrize("share", [2, 7, 1000])
def test_a_disk_that_takes_a_part_only_gets_the_rest(
    spills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: int
) -> None:
    write = os.write

    def short(descriptor: int, data: memoryview) -> int:
        whole = memoryview(data)
        return write(descriptor, whole[: max(len(whole) // share, 64)])

    monkeypatch.setattr(os, "write", short)

    assert np.array_equal(open_deflated(tmp_path), PIXELS)


@pytest.mark.parametrize("kind", OPENERS)
@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_is_full_is_an_error_that_names_file_and_folder(
    spills: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reason: int,
    kind: str,
) -> None:
    def full(descriptor: int, data: memoryview) -> int:
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(os, "write", full)

    with pytest.raises(SourceError, match=os.strerror(reason)) as raised:
        OPENERS[kind](tmp_path)

    assert raised.value.errno == reason
    assert str(spills) in str(raised.value)
    assert "a.dcm" in str(raised.value)
    assert files_in(spills) == []


def test_a_temporary_folder_that_is_absent_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    spill._folder.forget()

    with pytest.raises(SourceError, match=r"gone.*a\.dcm"):
        open_deflated(tmp_path)


MANY = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
arrays = [lazydicom.open_image(f"zip://{k}.dcm::{sys.argv[1]}") for k in range(100)]
arrays += [lazydicom.open_image(f"{sys.argv[1]}.{k}") for k in range(100)]
print(sum(int(array[3].sum() > 0) for array in arrays))
"""


def test_open_files_hold_no_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    member = make_native(PIXELS)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for k in range(100):
            archive.writestr(f"{k}.dcm", member)
            (tmp_path / f"many.zip.{k}").write_bytes(FILE)

    assert warm_process.run(MANY, path).strip() == "200"


def test_what_a_killed_process_left_is_deleted_by_the_next(spills: Path) -> None:
    code = (
        "import os, sys, lazydicom\n"
        "array = lazydicom.open_image(sys.stdin.buffer.read())\n"
        "os.kill(os.getpid(), 9)\n"
    )
    environment = {**os.environ, "TMPDIR": str(spills)}
    command = [sys.executable, "-c", code]
    subprocess.run(command, check=False, input=FILE, env=environment)
    assert len(files_in(spills)) == 1

    array = lazydicom.open_image(BytesIO(FILE).getvalue())

    assert len(files_in(spills)) == 1  # its own
    assert len(array) == 4
