"""Slides: a tile, a region and a level cost little more than reading and decoding tiles."""

from __future__ import annotations

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import openslide
import pytest
import zarr
from pydicom.encaps import encapsulate
from pydicom.uid import UID
from ratios import best_seconds, hold
from slide_files import make_slide
from wsidicom import WsiDicom
from wsidicom.config import Settings

import lazydicom

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from lazydicom import DicomArray

pytestmark = pytest.mark.benchmark

TILE, SIDE = 256, 24
WHOLE = TILE * SIDE
JPEG = UID("1.2.840.10008.1.2.4.50")
ITEM = 8
"""Bytes of the header of an item."""
CORNER = 1000
"""Row and column where the region of 1024² pixels begins, inside a tile."""


def tiles() -> list[bytes]:
    """Return JPEG tiles that look like tissue: smooth, with some noise."""
    random = np.random.default_rng(0)
    encoded = []
    for _ in range(8):
        coarse = random.integers(60, 230, (17, 17, 3)).astype(np.float64)
        steps = np.linspace(0, 15.99, TILE)
        low, part = steps.astype(int), (steps % 1)[:, None, None]
        rows = coarse[low] * (1 - part) + coarse[low + 1] * part
        part = (steps % 1)[None, :, None]
        smooth = rows[:, low] * (1 - part) + rows[:, low + 1] * part
        noisy = smooth + random.normal(0, 6, smooth.shape)
        pixels = noisy.clip(0, 255).astype(np.uint8)
        encoded.append(bytes(imagecodecs.jpeg8_encode(pixels, level=85)))
    return encoded


def write_slide(place: Path, side: int) -> None:
    """Write a slide of so many JPEG tiles along each side."""
    (dataset,) = make_slide(matrix=(TILE, TILE), tile=(TILE, TILE)).datasets
    whole = TILE * side
    dataset.TotalPixelMatrixRows = dataset.TotalPixelMatrixColumns = whole
    dataset.PhotometricInterpretation = "YBR_FULL_422"
    dataset.ImagedVolumeHeight, dataset.ImagedVolumeWidth = whole / 2000, whole / 1000
    dataset.ImagedVolumeDepth = 0.001
    (shared,) = dataset.SharedFunctionalGroupsSequence
    shared.PixelMeasuresSequence[0].SliceThickness = 0.001
    known = tiles()
    dataset.NumberOfFrames = side**2
    dataset.PixelData = encapsulate([known[k * k % 8] for k in range(side**2)])
    dataset.file_meta.TransferSyntaxUID = JPEG
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(place, enforce_file_format=True)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("slide") / "a.dcm"
    write_slide(made, SIDE)
    return made


@pytest.fixture(scope="module")
def level(path: Path) -> DicomArray:
    return lazydicom.open_slide(path)[0]


def memory_of_tile() -> NDArray[np.uint8]:
    """Return memory for a tile where libjpeg-turbo is fastest: between lines of 32 bytes.

    Elsewhere a tile takes 30 % longer, and NumPy gives either by chance: the floor would take
    1.0 or 1.2 of itself, run by run.
    """
    length = 3 * TILE**2
    memory = np.empty(length + 32, np.uint8)
    skip = (16 - memory.ctypes.data) % 32
    return memory[skip : skip + length].reshape(TILE, TILE, 3)


MEMORY = memory_of_tile()
"""Used for one tile after the other, by the floor alone."""
OTHER_MEMORY = memory_of_tile()
"""The same of its other thread."""


def bare_tile(
    level: DicomArray,
    descriptor: int,
    number: int,
    memory: NDArray[np.uint8] = MEMORY,
) -> NDArray[np.uint8]:
    """Read and decode a tile, and nothing else; its memory is used again for the next."""
    (image,) = level.images
    span = image.index.span(number)
    data = os.pread(descriptor, span.length, span.offset)
    return imagecodecs.jpeg8_decode(data[ITEM:], out=memory)


def bare_region(
    level: DicomArray, descriptor: int, corner: tuple[int, int], side: int
) -> NDArray[np.uint8]:
    """Decode each tile of a region once, one after the other, and copy what is asked."""
    out = np.empty((side, side, 3), np.uint8)
    places = tiles_of_region(corner, side)
    fill_region(level, descriptor, corner, out, places=places, memory=MEMORY)
    return out


def tiles_of_region(corner: tuple[int, int], side: int) -> list[tuple[int, int]]:
    """Return row and column of each tile that a region touches."""
    rows, columns = (
        range(start // TILE, (start + side - 1) // TILE + 1) for start in corner
    )
    return [(row, column) for row in rows for column in columns]


def fill_region(
    level: DicomArray,
    descriptor: int,
    corner: tuple[int, int],
    out: NDArray[np.uint8],
    *,
    places: list[tuple[int, int]],
    memory: NDArray[np.uint8],
) -> None:
    """Decode some tiles of a region, and copy what is asked of them."""
    (top, left), side = corner, len(out)
    for row, column in places:
        tile = bare_tile(level, descriptor, row * SIDE + column, memory)
        y, x = row * TILE - top, column * TILE - left
        inside = tile[max(-y, 0) : side - y, max(-x, 0) : side - x]
        y, x = max(y, 0), max(x, 0)
        out[y : y + inside.shape[0], x : x + inside.shape[1]] = inside


@pytest.fixture(scope="module")
def descriptor(path: Path) -> int:
    return os.open(path, os.O_RDONLY)


def test_a_tile_costs_little_more_than_pread_and_the_codec(
    level: DicomArray, descriptor: int
) -> None:
    """Guards 1.3 × of the floor, in the work of one thread."""
    key = np.s_[TILE : 2 * TILE, 3 * TILE : 4 * TILE]
    assert np.array_equal(level[key], bare_tile(level, descriptor, SIDE + 3))

    best = best_seconds(
        {
            "ours": lambda: [level[key] for _ in range(50)],
            "pread + imagecodecs": lambda: [
                bare_tile(level, descriptor, SIDE + 3) for _ in range(50)
            ],
        },
        rounds=31,
        clock=time.thread_time,
    )

    title = "level[tile], JPEG of 256², 50 times"
    hold(title, best, floor="pread + imagecodecs", limit=1.35)


def test_a_region_inside_tiles_costs_its_tiles(
    level: DicomArray, descriptor: int
) -> None:
    """Guards 1.3 × of the bare loop on one thread (its own time), and 1.45 × of two on two.

    Two take 0.7 × of one bare loop where the second core is free: that is for neither to say.
    """
    key = np.s_[CORNER : CORNER + 1024, CORNER : CORNER + 1024]
    corner = (CORNER, CORNER)
    assert np.array_equal(level[key], bare_region(level, descriptor, corner, 1024))

    def floor() -> object:
        return bare_region(level, descriptor, corner, 1024)

    def one() -> object:
        return level.read(key, threads=1)

    def two() -> object:
        return level.read(key, threads=2)

    alone = best_seconds(
        {"ours": one, "its tiles, one by one": floor}, rounds=31, clock=time.thread_time
    )
    places, halves = tiles_of_region(corner, 1024), ((0, MEMORY), (1, OTHER_MEMORY))

    def by_two(executor: ThreadPoolExecutor) -> NDArray[np.uint8]:
        out = np.empty((1024, 1024, 3), np.uint8)

        def fill(half: tuple[int, NDArray[np.uint8]]) -> None:
            first, memory = half
            mine = places[first::2]
            fill_region(level, descriptor, corner, out, places=mine, memory=memory)

        list(executor.map(fill, halves))
        return out

    with ThreadPoolExecutor(2) as executor:
        assert np.array_equal(level[key], by_two(executor))
        ways: dict[str, Callable[[], object]] = {
            "ours": two,
            "its tiles, by two threads": partial(by_two, executor),
            "its tiles, one by one": floor,
        }
        best = best_seconds(ways, rounds=61)

        title = "1024² pixels, not aligned"
        why = "a thread is woken, and both share one interpreter"
        floor_name = "its tiles, by two threads"
        hold(f"{title}: by two threads", best, floor=floor_name, limit=1.45, why=why)

    why = "1.2 wished: 40 µs a tile, where the floor has the memory that is fastest"
    title, floor_name = f"{title}: work of one thread", "its tiles, one by one"
    hold(title, alone, floor=floor_name, limit=1.3, why=why)


def test_random_regions_are_read_faster_than_by_others(
    level: DicomArray, path: Path
) -> None:
    """Guards 0.8 × of wsidicom's and 0.35 × of OpenSlide's time.

    Nobody remembers decoded tiles: what is timed is reading and decoding them.
    """
    corners = np.random.default_rng(1).integers(0, WHOLE - 512, (200, 2)).tolist()
    size = (512, 512)

    plain = Settings(decoded_frame_cache_size=0, encoded_frame_cache_size=0)
    with (
        WsiDicom.open(path, settings=plain) as wsi,
        openslide.OpenSlide(path) as other,
    ):
        other.set_cache(openslide.OpenSlideCache(0))
        best = best_seconds(
            {
                "ours": lambda: [level[y : y + 512, x : x + 512] for y, x in corners],
                "wsidicom": lambda: [
                    np.asarray(wsi.read_region((x, y), 0, size)) for y, x in corners
                ],
                "OpenSlide": lambda: [
                    np.asarray(other.read_region((x, y), 0, size)) for y, x in corners
                ],
            },
            rounds=3,
        )

        title = "200 random regions of 512²"
        hold(title, best, floor="wsidicom", limit=0.8)
        hold(f"{title} of an OpenSlide", best, floor="OpenSlide", limit=0.35)


def test_a_level_to_zarr_costs_little_more_than_its_codecs(
    level: DicomArray, descriptor: int, tmp_path: Path
) -> None:
    """Guards 1.3 × of the work of decoding each tile and writing it raw with zarr."""

    def bare() -> None:
        shutil.rmtree(tmp_path / "bare", ignore_errors=True)
        store = zarr.create_array(
            tmp_path / "bare",
            shape=level.shape,
            chunks=(512, 512, 3),
            dtype="uint8",
            compressors=None,
        )
        for row in range(0, WHOLE, 512):
            for column in range(0, WHOLE, 512):
                block = bare_region(level, descriptor, (row, column), 512)
                store[row : row + 512, column : column + 512] = block

    def ours() -> None:
        lazydicom.to_zarr(
            level,
            tmp_path / "ours",
            chunks=4,
            workers=1,
            overwrite=True,
            compressors=(),
        )

    best = best_seconds(
        {"ours": ours, "decoding, and zarr": bare}, rounds=3, clock=time.process_time
    )

    title = f"a level of {WHOLE:,}² to Zarr, work of all threads"
    hold(title, best, floor="decoding, and zarr", limit=1.3)
