"""A leased map of a local file: whoever would cut the file waits meanwhile (Linux)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lazydicom._bytes.ends import compare_ends, read_ends
from lazydicom._bytes.local.leased import take_lease
from lazydicom._bytes.local.mapped import map_file
from lazydicom._bytes.local.source import open_local
from lazydicom._bytes.source import MemorySource, lend
from lazydicom.errors import SourceChangedError

if TYPE_CHECKING:
    from pathlib import Path

BYTES = bytes(range(256)) * 64


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Write a file whose file system grants leases."""
    path = tmp_path / "a.dcm"
    path.write_bytes(BYTES)
    descriptor = os.open(path, os.O_RDONLY)
    granted = take_lease(descriptor)
    os.close(descriptor)
    if not granted:
        pytest.skip("no leases here")
    return path


def test_nobody_cuts_or_writes_a_file_while_it_is_lent(path: Path) -> None:
    heard = []
    before = signal.signal(signal.SIGURG, lambda *_: heard.append(1))
    with lend(open_local(str(path))) as lent:
        assert lent is not None
        for flags in (os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC):
            with pytest.raises(BlockingIOError):
                os.open(path, flags | os.O_NONBLOCK)
        lent.load(np.array([5]), 9000)
        assert bytes(lent.memory[5:9005]) == BYTES[5:9005]
    signal.signal(signal.SIGURG, before)

    assert heard  # a signal that is ignored where nobody asks for it
    os.truncate(path, 10)
    assert path.stat().st_size == 10


def test_readers_do_not_disturb_each_other(path: Path) -> None:
    source = open_local(str(path))
    with lend(source) as one, lend(source) as other, path.open("rb") as file:
        assert one is not None
        assert other is not None
        assert file.read() == BYTES


def test_a_file_that_somebody_writes_is_not_lent(path: Path) -> None:
    source = open_local(str(path))
    with path.open("r+b"), lend(source) as lent:
        assert lent is None
    with lend(source) as lent:
        assert lent is not None


@pytest.mark.parametrize("length", [0, 10, len(BYTES) + 1])
def test_a_file_of_another_length_is_an_error_before_it_is_mapped(
    path: Path, length: int
) -> None:
    source = open_local(str(path))
    os.truncate(path, length)

    with pytest.raises(SourceChangedError), lend(source):
        pass


def test_a_file_that_is_gone_is_an_error(path: Path) -> None:
    source = open_local(str(path))
    path.unlink()

    with pytest.raises(SourceChangedError), lend(source):
        pass


def test_an_empty_file_is_not_lent(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()

    with lend(open_local(str(path))) as lent:
        assert lent is None


def test_file_systems_of_other_machines_get_no_lease(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mounts = tmp_path / "mountinfo"
    device = path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    monkeypatch.setattr("lazydicom._bytes.local.leased._MOUNTS", mounts)
    monkeypatch.setattr("lazydicom._bytes.local.leased._kind_of_disk", kind_of)
    descriptor = os.open(path, os.O_RDONLY)
    for kind, granted in {"nfs4": False, "fuse.sshfs": False, "ext4": True}.items():
        mounts.write_text(f"1 0 {number} / /a\\040b rw,x shared:1 - {kind} /dev/a rw\n")
        assert take_lease(descriptor) is granted
    mounts.write_text("1 0 9999:9 / / rw - ext4 /dev/a rw\n")
    assert not take_lease(descriptor)
    mounts.unlink()
    assert not take_lease(descriptor)
    os.close(descriptor)


def kind_of(device: int) -> str:
    from lazydicom._bytes.local.leased import _kind_of

    return _kind_of(device)


def test_a_map_that_was_asked_for_is_lent_and_others_lend_nothing(path: Path) -> None:
    mapped = map_file(open_local(str(path)))

    with lend(mapped) as lent:
        assert lent is not None
        lent.load(np.array([0]), 10)
        assert bytes(lent.memory) == BYTES
    with lend(MemorySource(BYTES)) as lent:
        assert lent is None


def test_a_compared_file_is_compared_before_it_is_lent(path: Path) -> None:
    source = open_local(str(path))
    ends = read_ends(source, 100, 1000)

    with lend(compare_ends(source, ends)) as lent:
        assert lent is not None
    other = ends._replace(digest="0" * 32)
    with pytest.raises(SourceChangedError), lend(compare_ends(source, other)):
        pass


CUT_WHILE_READ = """
import os, sys, threading
import numpy as np
import lazydicom
from lazydicom.errors import SourceChangedError
path, data = sys.argv[1], open(sys.argv[1], "rb").read()
array = lazydicom.open_image(path, on_change="size")
whole = array[:, 3, 5]
def cut():
    while not done.is_set():
        os.truncate(path, len(data) // 2)
        with open(path, "r+b") as file:
            file.write(data)
done = threading.Event()
thread = threading.Thread(target=cut)
thread.start()
seen = {"right": 0, "error": 0}
try:
    for _ in range(150):
        try:
            assert np.array_equal(array[:, 3, 5], whole)
            seen["right"] += 1
        except lazydicom.errors.SourceError:
            seen["error"] += 1
finally:
    done.set()
    thread.join()
print(sum(seen.values()))
"""


def test_a_file_that_is_cut_again_and_again_kills_nobody(tmp_path: Path) -> None:
    from dicom_files import make_native

    path = tmp_path / "a.dcm"
    path.write_bytes(make_native(rows=64, columns=64, number_of_frames=400))

    done = subprocess.run(
        [sys.executable, "-c", CUT_WHILE_READ, str(path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "150"
