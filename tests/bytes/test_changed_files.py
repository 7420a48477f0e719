"""A file that changes under an open array raises; it never gives other pixels."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pytest
from dicom_files import DEFLATED, EXPLICIT_BIG, make_native, stored_pixels
from encapsulated_files import make_encapsulated

import lazydicom
from lazydicom._bytes import location
from lazydicom.errors import LazyDicomError, SourceChangedError

if TYPE_CHECKING:
    from collections.abc import Callable

GEOMETRY: Final[dict[str, Any]] = {"number_of_frames": 40, "rows": 64, "columns": 64}
FILE: Final = make_native(**GEOMETRY)
PIXELS: Final = stored_pixels(**GEOMETRY)

TRUNCATE: Final = """
import os, sys
import numpy as np
import lazydicom

array = lazydicom.open_image(sys.argv[1], local=sys.argv[2])
array[0]
os.truncate(sys.argv[1], 5000)
for read in (lambda: array[30], lambda: array[10:20], lambda: np.asarray(array)):
    try:
        read()
    except lazydicom.errors.SourceChangedError:
        print("changed")
try:
    lazydicom.open_image(sys.argv[1])
except lazydicom.errors.InvalidDicomError:
    print("short")
"""


def _replace(path: Path) -> None:
    other = path.with_name("other.dcm")
    other.write_bytes(FILE[:-2] + b"zz")
    other.replace(path)


def _replace_as_copied(path: Path) -> None:
    """Put another file in its place with size and time kept, as `cp -p` and `rsync -t`."""
    other, times = path.with_name("other.dcm"), path.stat()
    other.write_bytes(FILE[:-2] + b"zz")
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    other.replace(path)


def _replace_as_unpacked(path: Path) -> None:
    """Delete it first, as `tar` does: the inode may be the same again."""
    times = path.stat()
    path.unlink()
    time.sleep(0.05)  # more than a tick of the file system's clock
    path.write_bytes(FILE[:-2] + b"zz")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _write_in_place(path: Path) -> None:
    """Change bytes and set the time back, as `rsync --inplace -t`."""
    times = path.stat()
    time.sleep(0.05)
    with path.open("r+b") as file:
        file.seek(-2, os.SEEK_END)
        file.write(b"zz")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


CHANGES: Final[dict[str, Callable[[Path], None]]] = {
    "truncated": lambda path: os.truncate(path, 5000),
    "emptied": lambda path: os.truncate(path, 0),
    "grown": lambda path: os.truncate(path, len(FILE) + 4096),
    "replaced by one of the same size": _replace,
    "replaced by one of the same size and time": _replace_as_copied,
    "unpacked again with the same size and time": _replace_as_unpacked,
    "written in place with its time set back": _write_in_place,
    "deleted": Path.unlink,
    "touched": lambda path: os.utime(path, (1, 1)),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "some.dcm"
    path.write_bytes(FILE)
    return path


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("local", ["pread", "mmap"])
def test_a_file_that_changed_under_an_open_array_raises(
    path: Path, local: Literal["pread", "mmap"], change: str
) -> None:
    array = lazydicom.open_image(path, local=local)
    assert np.array_equal(array[3], PIXELS[3])

    CHANGES[change](path)

    for key in (3, slice(2, 9), (3, 5), ...):
        with pytest.raises(SourceChangedError, match=r"some\.dcm"):
            array[key]


@pytest.mark.parametrize("change", CHANGES)
def test_a_deflated_file_is_read_from_what_was_inflated_of_it(
    tmp_path: Path, change: str
) -> None:
    path = tmp_path / "some.dcm"
    path.write_bytes(make_native(transfer_syntax=DEFLATED, **GEOMETRY))
    array = lazydicom.open_image(path)

    CHANGES[change](path)

    assert np.array_equal(array, PIXELS)


@pytest.mark.parametrize("local", ["pread", "mmap"])
def test_a_truncated_file_never_kills_the_process(path: Path, local: str) -> None:
    command = [sys.executable, "-c", TRUNCATE, str(path), local]

    done = subprocess.run(command, check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["changed"] * 3 + ["short"]


def test_a_map_gives_views_that_nobody_can_write(path: Path) -> None:
    array = lazydicom.open_image(path, local="mmap")

    frame = array[7]

    assert np.array_equal(frame, PIXELS[7])
    assert np.shares_memory(frame, array[7])
    assert np.shares_memory(frame, array.images[0].frame(7))
    assert not frame.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        frame[0] = 0


def test_a_map_gives_copies_where_bytes_are_not_the_values(tmp_path: Path) -> None:
    path = tmp_path / "big.dcm"
    path.write_bytes(make_native(transfer_syntax=EXPLICIT_BIG, **GEOMETRY))
    array = lazydicom.open_image(path, local="mmap")

    frame = array[7]

    assert np.array_equal(frame, PIXELS[7])
    assert not np.shares_memory(frame, array[7])
    assert np.array_equal(array, PIXELS)


def test_a_frame_that_was_read_is_the_readers_own(path: Path) -> None:
    array = lazydicom.open_image(path)

    frame = array[7]
    frame[...] = 0

    assert np.array_equal(array[7], PIXELS[7])


@pytest.mark.parametrize("local", ["pread", "mmap"])
@pytest.mark.parametrize("transfer_syntax", ["1.2.840.10008.1.2.1", DEFLATED])
def test_no_descriptor_is_left_open(
    tmp_path: Path, local: Literal["pread", "mmap"], transfer_syntax: str
) -> None:
    good, bad = tmp_path / "good.dcm", tmp_path / "bad.dcm"
    good.write_bytes(make_native(transfer_syntax=transfer_syntax))
    bad.write_bytes(good.read_bytes()[:-70])

    def use() -> None:
        np.asarray(lazydicom.open_image(good, local=local))
        with pytest.raises(LazyDicomError):
            lazydicom.open_image(bad, local=local)

    use()
    before = _descriptors()
    for _ in range(10):
        use()

    assert _descriptors() <= before


def test_on_another_machine_size_and_time_count(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = lazydicom.open_image(path)
    times = path.stat()
    other = path.with_name("other.dcm")
    other.write_bytes(FILE)
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    monkeypatch.setattr(location, "THIS_MACHINE", "another")

    other.replace(path)  # the same file, but other numbers, as in another mount
    travelled = pickle.loads(pickle.dumps(array))

    assert np.array_equal(travelled[3], PIXELS[3])
    os.utime(path, (1, 1))
    with pytest.raises(SourceChangedError):
        travelled[3]


def test_a_replaced_file_has_another_identity(path: Path) -> None:
    before = lazydicom.open_image(path)
    _replace_as_copied(path)
    after = lazydicom.open_image(path)

    assert before.identity() != after.identity()
    assert repr(before.identity()) == repr(after.identity()), "inodes are not exported"


def test_many_open_arrays_hold_no_descriptor(path: Path) -> None:
    before = _descriptors()

    arrays = [lazydicom.open_image(path) for _ in range(50)]
    for array in arrays:
        array[5]

    assert _descriptors() <= before


def _descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - iterdir holds one open


CUT_WHILE_OPENING: Final = """
import os, shutil, sys, threading, time, warnings
import lazydicom

warnings.simplefilter("ignore")
path, start = sys.argv[1], float(sys.argv[2])
answers = set()
for number in range(20):
    def cut():
        time.sleep(start + number * start / 4)
        os.truncate(path, 4096)
    thread = threading.Thread(target=cut)
    thread.start()
    try:
        answers.add(str(len(lazydicom.open_image(path))))
    except lazydicom.errors.LazyDicomError as error:
        answers.add(type(error).__name__)
    thread.join()
    shutil.copy(path + ".whole", path)
print(sorted(answers))
"""


@pytest.mark.parametrize("start_s", [0.0005, 0.005])
def test_a_file_cut_while_it_is_opened_never_kills_the_process(
    tmp_path: Path, start_s: float
) -> None:
    path = tmp_path / "a.dcm"
    fragments = [bytes((1, 0, 0, 0)) + bytes(260)] * 20_000
    data = make_encapsulated(fragments, table="empty")
    path.write_bytes(data)
    path.with_name("a.dcm.whole").write_bytes(data)
    command = [sys.executable, "-c", CUT_WHILE_OPENING, str(path)]

    done = subprocess.run(
        [*command, str(start_s)], check=False, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    assert "Changed" in done.stdout or "Invalid" in done.stdout
