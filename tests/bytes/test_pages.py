"""Pages of many places come into memory by one call, or by one each; a failure is an error."""

from __future__ import annotations

import errno
import mmap
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lazydicom._bytes.local import pages
from lazydicom._bytes.local.pages import load_pages

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has it")
PAGES = 3000
SIZE = PAGES * mmap.PAGESIZE - 100


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[mmap.mmap]:
    path = tmp_path / "a"
    path.write_bytes(bytes(SIZE))
    descriptor = os.open(path, os.O_RDWR)
    mapped = mmap.mmap(descriptor, SIZE, access=mmap.ACCESS_READ)
    probe = np.array([0])
    try:
        load_pages(mapped, probe, 1)
    except OSError:
        pytest.skip("no MADV_POPULATE_READ here")
    yield mapped
    os.truncate(descriptor, SIZE)
    os.close(descriptor)


@pytest.fixture(params=["together", "one by one"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    refused = [] if request.param == "together" else [errno.ENOSYS]
    monkeypatch.setattr(pages, "_refusals", lambda: refused)
    return str(request.param)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 1024, 1025, 2500])
@pytest.mark.parametrize("length", [1, 100, 5000])
def test_pages_of_any_number_of_places_come(
    memory: mmap.mmap, count: int, length: int
) -> None:
    offsets = np.linspace(0, SIZE - length, count).astype(np.int64)

    load_pages(memory, offsets, length)
    load_pages(memory, offsets[::-1], length)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("place", [0, 500, 1023, 1024, 1999])
def test_a_page_that_is_not_there_is_an_error(
    memory: mmap.mmap, place: int, tmp_path: Path
) -> None:
    os.truncate(tmp_path / "a", 2000 * mmap.PAGESIZE)
    offsets = np.arange(2000, dtype=np.int64) * mmap.PAGESIZE
    load_pages(memory, offsets, 10)
    offsets[place] = 2500 * mmap.PAGESIZE

    with pytest.raises(OSError):  # noqa: PT011 (which one is the system's word)
        load_pages(memory, offsets, 10)


@pytest.mark.parametrize("reason", [errno.ENOSYS, errno.EPERM, errno.EINVAL])
def test_a_system_that_refuses_is_asked_once(
    memory: mmap.mmap, reason: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, refused = [], list[int]()

    def call(process: int, places: object) -> tuple[int, int]:
        del places
        asked.append(process)
        return -1, reason

    monkeypatch.setattr(pages, "_process_madvise", lambda: call)
    monkeypatch.setattr(pages, "_refusals", lambda: refused)
    for _ in range(3):
        load_pages(memory, np.arange(100) * 4096, 10)

    assert len(asked) == 1
    assert refused == [reason]


def test_a_system_that_names_no_process_is_asked_once(
    memory: mmap.mmap, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = list[int]()

    def pidfd_open(process: int) -> int:
        del process
        raise PermissionError(errno.EPERM, "not here")

    monkeypatch.setattr(os, "pidfd_open", pidfd_open)
    monkeypatch.setattr(pages, "_refusals", lambda: refused)
    for _ in range(3):
        load_pages(memory, np.arange(100) * 4096, 10)

    assert refused == [errno.EPERM]


def test_no_descriptor_is_left(memory: mmap.mmap) -> None:
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir()))
    for _ in range(20):
        load_pages(memory, np.arange(100) * 4096, 10)

    assert len(list(descriptors.iterdir())) == before
