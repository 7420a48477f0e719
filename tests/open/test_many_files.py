"""What a file that is merely open costs does not grow with their number."""

from __future__ import annotations

import gc
import os
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from series_files import write_instance

import lazydicom

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
    work(few)  # what a process keeps once

    more = kept_bytes(lambda: work(many)) - kept_bytes(lambda: work(few))

    assert more / (MANY - FEW) <= 1000, more / (MANY - FEW)


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
