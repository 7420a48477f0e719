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
from ratios import best_seconds, hold

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

    title = (
        f"{FRAGMENTS:,} fragments of {length:,} bytes, {per_frame} a frame, no table"
    )
    hold(title, best, floor="bare pread walk", limit=2)


def test_a_table_of_20_000_frames_opens_faster_than_a_bare_walk(
    tmp_path: Path,
) -> None:
    path = write(tmp_path, table="basic", per_frame=1, length=20_000)
    start = read_header(open_local(str(path))).pixel_data.offset

    best = best_seconds(
        {
            "ours": lambda: encapsulated_index(read_header(open_local(str(path)))),
            "bare pread walk": partial(bare_walk, path, start),
        },
        rounds=9,
    )

    title = f"table of {FRAGMENTS:,} frames, header included"
    hold(title, best, floor="bare pread walk", limit=1)


def test_encoded_frames_come_faster_than_from_pydicom(tmp_path: Path) -> None:
    path = write(tmp_path, table="basic", per_frame=1, length=20_000)
    header = read_header(open_local(str(path)))
    reader = open_fragments(header, allow_truncated=False, on_extra_frames="warn")
    value = pydicom.dcmread(path).PixelData
    numbers = np.random.default_rng(0).integers(0, len(reader), 200).tolist()

    best = best_seconds(
        {
            "ours": lambda: [reader.read([k]) for k in numbers],
            "pydicom, from memory": lambda: [
                get_frame(value, k, number_of_frames=len(reader)) for k in numbers
            ],
        },
        rounds=3,
    )

    title = "200 random encoded frames, from the file"
    hold(title, best, floor="pydicom, from memory", limit=1)


@pytest.mark.parametrize("table", ["basic", "empty"])
def test_a_slide_of_20_000_tiles_opens_at_the_speed_of_a_bare_walk(
    tmp_path: Path, shared_data: Path, table: Table
) -> None:
    path = _slide(shared_data / "13_wsi" / "sm_image_jpegls.dcm", tmp_path, table)
    start = read_header(open_local(str(path))).pixel_data.offset

    ways: dict[str, Callable[[], object]] = {
        "ours": lambda: lazydicom.open_image(path)[1003],
        "bare pread walk": partial(bare_walk, path, start),
    }
    if find_spec("wsidicom"):
        ways["wsidicom"] = partial(_tile_of_wsidicom, path)
    best = best_seconds(ways, rounds=9)

    title = f"slide of {FRAGMENTS:,} tiles, {table} table: open, and a tile"
    hold(title, best, floor="bare pread walk", limit=1.2)


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

    title = "100 random frames of 10,000 without a table"
    hold(title, best, floor="pydicom, by index", limit=1 / 20)
