"""Finding frames: against a bare walk over item headers, and against pydicom."""

from __future__ import annotations

import os
import struct
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import imagecodecs
import numpy as np
import pydicom
import pytest
from codestream_samples import JPEG, codestream
from encapsulated_files import make_encapsulated
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels.utils import pixel_array as pydicom_array
from ratios import best_seconds, report

import lazydicom
from lazydicom._bytes.local.source import open_local
from lazydicom._frames.encapsulated import encapsulated_index
from lazydicom._frames.fragment_reader import open_fragments
from lazydicom._header.header import read_header

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from encapsulated_files import Table

pytestmark = pytest.mark.benchmark

FRAGMENTS: Final = 20_000
JPEG_LS: Final = "1.2.840.10008.1.2.4.80"
_HEADER: Final = struct.Struct("<HHI")


def write(folder: Path, *, table: Table, per_frame: int, length: int) -> Path:
    frames = [codestream(JPEG, bytes(length * per_frame))] * (FRAGMENTS // per_frame)
    path = folder / f"{table}-{per_frame}-{length}.dcm"
    path.write_bytes(
        make_encapsulated(
            frames, transfer_syntax=JPEG, table=table, fragments_per_frame=per_frame
        )
    )
    return path


def bare_walk(path: Path, position: int) -> int:
    """Read item headers one after the other, and nothing else."""
    descriptor = os.open(path, os.O_RDONLY)
    count = 0
    while True:
        _, element, length = _HEADER.unpack(os.pread(descriptor, 8, position))
        if element != 0xE000:
            break
        count += 1
        position += 8 + length
    os.close(descriptor)
    return count


@pytest.mark.parametrize("per_frame", [1, 2])
@pytest.mark.parametrize("length", [2_000, 20_000])
def test_indexing_without_a_table_costs_at_most_two_bare_walks(
    tmp_path: Path, per_frame: int, length: int
) -> None:
    path = write(tmp_path, table="empty", per_frame=per_frame, length=length)
    header = read_header(open_local(str(path)))

    best = best_seconds(
        {
            "ours": partial(encapsulated_index, header),
            "bare pread walk": partial(bare_walk, path, header.pixel_data.offset),
        },
        rounds=9,
    )

    report(f"{FRAGMENTS} fragments of {length}, {per_frame} a frame", best, ours="ours")
    assert best["ours"] <= 2 * best["bare pread walk"]


def test_a_table_of_20_000_frames_opens_faster_than_a_bare_walk(
    tmp_path: Path,
) -> None:
    path = write(tmp_path, table="basic", per_frame=1, length=20_000)
    start = read_header(open_local(str(path))).pixel_data.offset

    best = best_seconds(
        {
            "ours, header included": lambda: encapsulated_index(
                read_header(open_local(str(path)))
            ),
            "bare pread walk": partial(bare_walk, path, start),
        },
        rounds=9,
    )

    report(f"table of {FRAGMENTS} frames", best, ours="ours, header included")
    assert best["ours, header included"] <= best["bare pread walk"]


def test_encoded_frames_come_faster_than_from_pydicom(tmp_path: Path) -> None:
    path = write(tmp_path, table="basic", per_frame=1, length=20_000)
    header = read_header(open_local(str(path)))
    reader = open_fragments(header, allow_truncated=False, on_extra_frames="warn")
    value = pydicom.dcmread(path).PixelData
    numbers = np.random.default_rng(0).integers(0, len(reader), 200).tolist()

    best = best_seconds(
        {
            "ours, from the file": lambda: [reader.read([k]) for k in numbers],
            "pydicom, from memory": lambda: [
                get_frame(value, k, number_of_frames=len(reader)) for k in numbers
            ],
        },
        rounds=3,
    )

    report("200 random encoded frames", best, ours="ours, from the file")
    assert best["ours, from the file"] < best["pydicom, from memory"]


@pytest.mark.parametrize("table", ["basic", "empty"])
def test_a_slide_of_20_000_tiles_opens_at_the_speed_of_a_bare_walk(
    tmp_path: Path, shared_data: Path, table: Table
) -> None:
    path = _slide(shared_data / "13_wsi" / "sm_image_jpegls.dcm", tmp_path, table)
    start = read_header(open_local(str(path))).pixel_data.offset

    ways: dict[str, Callable[[], object]] = {
        "ours, one tile included": lambda: lazydicom.open_image(path)[1003],
        "bare pread walk": partial(bare_walk, path, start),
    }
    if find_spec("wsidicom"):
        ways["wsidicom, one tile included"] = partial(_tile_of_wsidicom, path)
    best = best_seconds(ways, rounds=9)

    report(f"slide of {FRAGMENTS} tiles, {table} table", best, ours=next(iter(best)))
    assert best["ours, one tile included"] <= 1.2 * best["bare pread walk"]


def _slide(model: Path, folder: Path, table: Table) -> Path:
    """Make 200 x 100 tiles out of a real slide of a few."""
    slide = pydicom.dcmread(model)
    rng = np.random.default_rng(0)
    tiles = rng.integers(0, 40, (4, 64, 64, 3), dtype=np.uint8)
    encoded = [bytes(imagecodecs.jpegls_encode(tile)) for tile in tiles]
    frames = encoded * (FRAGMENTS // 4)
    slide.Rows = slide.Columns = 64
    slide.NumberOfFrames = FRAGMENTS
    slide.TotalPixelMatrixColumns, slide.TotalPixelMatrixRows = 200 * 64, 100 * 64
    slide.PixelData = encapsulate(frames, has_bot=table == "basic")
    path = folder / f"{table}.dcm"
    slide.save_as(path)
    return path


def _tile_of_wsidicom(path: Path) -> object:
    from wsidicom import WsiDicom

    with WsiDicom.open(path) as slide:
        return slide.read_tile(0, (3, 5))


def test_random_frames_without_a_table_come_faster_than_from_pydicom(
    tmp_path: Path,
) -> None:
    values = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) % 4096
    frame = bytes(imagecodecs.jpegls_encode(values))
    path = tmp_path / "many.dcm"
    path.write_bytes(
        make_encapsulated(
            [frame] * 10_000,
            transfer_syntax=JPEG_LS,
            table="empty",
            rows=64,
            columns=64,
            bits_stored=12,
        )
    )
    numbers = np.random.default_rng(0).integers(0, 10_000, 100).tolist()

    def ours() -> None:
        array = lazydicom.open_image(path)
        for number in numbers:
            array[number]

    def theirs() -> None:
        for number in numbers:
            pydicom_array(path, index=number)

    best = best_seconds({"ours": ours, "pydicom, by index": theirs}, rounds=1)

    report("100 random frames of 10,000 without a table", best, ours="ours")
    assert best["pydicom, by index"] >= 20 * best["ours"]
