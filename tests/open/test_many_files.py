"""What a file that is merely open costs does not grow with their number."""

from __future__ import annotations

import ctypes
import gc
import os
import subprocess
import sys
import tracemalloc
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from series_files import write_instance

import lazydicom
from lazydicom._open import series
from lazydicom._open.many import freed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

UID = "1.2.826.0.1.3680043.8.498.12345678901234567890123456789012"
FEW, MANY = 100, 600
"""More than one batch of headers, and not so many that the test is slow."""


def write_folder(folder: Path, files: int, *, copies: bool) -> Path:
    folder.mkdir()
    for k in range(files):
        texts = {0x00080018: ("UI", f"{UID}.1")} if copies else {}
        path = folder / f"{k:05d}"
        write_instance(path, z=0.5 * k, number=k, series=UID, texts=texts)
    return folder


def kept_bytes(work: Callable[[], Any]) -> int:
    """Return how much memory the result of some work takes, as Python counts it."""
    gc.collect()
    tracemalloc.start()
    try:
        result = work()
        gc.collect()
        kept = tracemalloc.get_traced_memory()[0]
        del result
    finally:
        tracemalloc.stop()
    return kept


@pytest.mark.parametrize("copies", [False, True])
def test_each_file_more_takes_less_than_a_kilobyte(
    tmp_path: Path, *, copies: bool
) -> None:
    few = write_folder(tmp_path / "few", FEW, copies=copies)
    many = write_folder(tmp_path / "many", MANY, copies=copies)
    work = lazydicom.open_series if copies else lazydicom.open_study
    for _ in range(
        2
    ):  # what a process keeps once: data classes compile at their second
        work(few)

    more = kept_bytes(lambda: work(many)) - kept_bytes(lambda: work(few))

    assert more / (MANY - FEW) <= 1000, more / (MANY - FEW)


@pytest.mark.parametrize("opener", [lazydicom.open_series, lazydicom.open_study])
@pytest.mark.parametrize(("files", "calls"), [(9, 0), (10, 1), (11, 1)])
def test_memory_is_given_back_where_many_files_were_opened(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    opener: Callable[[Any], Any],
    files: int,
    calls: int,
) -> None:
    folder = write_folder(tmp_path / "some", files, copies=False)
    given: list[None] = []
    monkeypatch.setattr(series, "_MANY", 10)
    counting = SimpleNamespace(give_back=lambda: given.append(None))
    monkeypatch.setattr(series, "freed", counting)

    opener(folder)

    assert len(given) == calls


@pytest.mark.parametrize(
    "library", [SimpleNamespace(), SimpleNamespace(malloc_trim=len)]
)
def test_a_system_that_cannot_give_memory_back_opens_files_as_well(
    monkeypatch: pytest.MonkeyPatch, library: object
) -> None:
    freed._trim.cache_clear()
    monkeypatch.setattr(ctypes, "CDLL", lambda _: library)
    monkeypatch.setattr(sys, "platform", "linux" if vars(library) == {} else "win32")

    freed.give_back()

    freed._trim.cache_clear()


RESIDENT = """
import os, sys
import lazydicom

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

files = sorted(os.path.join(sys.argv[1], name) for name in os.listdir(sys.argv[1]))
kept = lazydicom.open_series(files[:1000])
before = resident()
series = lazydicom.open_series(files)
print((resident() - before) / len(files))
"""


@pytest.mark.heavy  # 20,000 files: of fewer, the steps of memory would be measured
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_grows_by_less_than_a_kilobyte_for_each_file(tmp_path: Path) -> None:
    one = write_instance(
        tmp_path / "one", z=555555.5, number=777777, series="1.2.840.1"
    )
    data = one.read_bytes()
    one.unlink()
    for k in range(20_000):
        number, z = b"%06d" % (100_000 + k), b"%08.1f" % (100_000 + k / 2)
        changed = data.replace(b"777777", number).replace(b"555555.5", z)
        (tmp_path / f"{k:06d}").write_bytes(changed)

    done = subprocess.run(
        [sys.executable, "-c", RESIDENT, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
    )

    assert float(done.stdout) <= 1000, done.stdout


def test_what_all_files_say_is_kept_once(tmp_path: Path) -> None:
    for k in range(40):
        write_instance(tmp_path / f"{k * 7 % 40:02d}", z=0.5 * k, number=k, series=UID)

    table = lazydicom.open_series(tmp_path).frames

    kept = {name for name, one in table.instances.items() if one.strides[0]}
    assert kept == {"sop_instance_uid", "instance_number"}
    assert table.instances["series_instance_uid"].tolist() == [UID] * 40


def test_each_file_is_opened_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_folder(tmp_path / "many", MANY, copies=False)
    opened: list[str] = []
    really = os.open

    def counting(path: Any, *arguments: Any) -> int:  # noqa: ANN401
        opened.append(os.path.basename(path))  # noqa: PTH119
        return really(path, *arguments)

    monkeypatch.setattr(os, "open", counting)
    array = lazydicom.open_series(folder)

    assert array.shape[0] == MANY
    counts = {name: opened.count(name) for name in set(opened)}
    first = [name for name, count in counts.items() if count > 1]
    assert len(first) <= 1, "the first file tells how the others are framed"
    assert len(counts) == MANY
