"""Frames of a near file are read one after the other, by one opening for some of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from encapsulated_files import make_encapsulated

import lazydicom
from lazydicom._bytes.local.source import LocalSource, open_local
from lazydicom._bytes.ranges import LARGEST_SHARE, read_in_turn, together
from lazydicom._bytes.source import ByteRange, MemorySource
from lazydicom.errors import SourceChangedError, SourceError

if TYPE_CHECKING:
    from lazydicom._bytes.source import BytesLike, ByteSource

SPANS = [ByteRange(place * 5000, 4096 + place) for place in (3, 0, 2, 2, 5)]


@pytest.mark.parametrize("near", [True, False])
@pytest.mark.parametrize("shrunk", [1, 1000])
def test_each_range_comes_in_its_turn(
    tmp_path: Path, *, near: bool, shrunk: int
) -> None:
    data = np.random.default_rng(0).bytes(40_000)
    path = tmp_path / "a"
    path.write_bytes(data)
    source: ByteSource = open_local(str(path)) if near else MemorySource(data)
    spans = [ByteRange(offset, length // shrunk) for offset, length in SPANS]
    came: list[tuple[int, bytes]] = []

    read_in_turn(source, spans, lambda place, part: came.append((place, bytes(part))))

    expected = [data[span.offset : span.stop] for span in spans]
    assert came == list(enumerate(expected))


@pytest.mark.parametrize("length", [100, 5000, LARGEST_SHARE // 4])
def test_one_thread_opens_a_file_once_for_ranges_that_lie_apart(
    tmp_path: Path, length: int
) -> None:
    path = tmp_path / "a"
    with path.open("wb") as file:
        file.truncate(40 * length)
    spans = [ByteRange(2 * place * length, length) for place in (3, 0, 19, 7, 4, 1)]
    worth = length >= 4096

    alone = together(open_local(str(path)), spans, alone=True)

    assert sorted(place for places in alone for place in places) == list(range(6))
    assert len(alone) == (-(-6 * length // LARGEST_SHARE) if worth else 6)
    assert len(together(open_local(str(path)), spans)) == 6
    assert len(together(MemorySource(bytes(40 * length)), spans, alone=True)) == 6


@pytest.mark.parametrize("how", ["longer", "cut", "other bytes", "gone"])
def test_a_file_that_changes_between_two_ranges_is_an_error(
    tmp_path: Path, how: str
) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(40_000))
    source, descriptors = open_local(str(path)), _descriptors()
    came = []

    def use(place: int, _: BytesLike) -> None:
        came.append(place)
        if how == "gone":
            path.unlink()
        elif how == "cut":
            os.truncate(path, 100)
        else:
            path.write_bytes(bytes(40_001) if how == "longer" else b"1" * 40_000)
            os.utime(path, ns=(1, 1))

    def read() -> None:
        read_in_turn(source, SPANS, use)

    with pytest.raises((SourceChangedError, SourceError)):
        read()
    if (
        how == "gone"
    ):  # what was opened can be read to its end, unless names are counted
        return
    assert came == [0]
    assert _descriptors() == descriptors


def test_an_error_of_who_uses_a_range_closes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(40_000))
    source, descriptors = open_local(str(path)), _descriptors()

    def use(*_: object) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        read_in_turn(source, SPANS, use)

    assert _descriptors() == descriptors


@pytest.mark.parametrize(("threads", "most"), [(None, 10), (2, 10), (1, 1)])
def test_many_frames_take_few_openings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int | None, most: int
) -> None:
    frames = [bytes([k]) * 64 * 64 for k in range(64)]
    path = tmp_path / "a.dcm"
    path.write_bytes(
        make_encapsulated(
            [_uncompressed(frame) for frame in frames],
            rows=64,
            columns=64,
            transfer_syntax="1.2.840.10008.1.2.5",
            bits_allocated=8,
        )
    )
    array = lazydicom.open_image(path)
    opened, open_ = [], LocalSource.open

    def note(source: LocalSource) -> int:
        opened.append(source.path)
        return open_(source)

    monkeypatch.setattr(LocalSource, "open", note)

    values = array.read(..., threads=threads)

    assert len(opened) <= most
    assert [frame.tobytes() for frame in values] == frames


def _uncompressed(frame: bytes) -> bytes:
    """Return an RLE frame of literal runs: as long as its pixels, nearly."""
    runs = b"".join(
        b"\x7f" + frame[start : start + 128] for start in range(0, len(frame), 128)
    )
    header = np.zeros(16, "<u4")
    header[:2] = 1, 64
    return header.tobytes() + runs


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
