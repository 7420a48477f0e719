"""Writing Zarr against `cp`, and against writing the same files raw.

On a disk that catches up with earlier writes run it in memory, with
``--basetemp=/dev/shm/bench``: ratios are somewhat higher there, where reading is a copy.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numcodecs
import numpy as np
import pytest
import zarr
from enhanced_files import write_enhanced
from ratios import best_seconds, hold
from zarr.codecs import Crc32cCodec, ZstdCodec

import lazydicom

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray
    from zarr.abc.codec import BytesBytesCodec

pytestmark = pytest.mark.benchmark

FRAMES: Final = 600
ENCODED: Final = 300
"""Fewer frames where each is encoded: that takes 5 ms."""
SIDE: Final = 512
THREADS: Final = 2


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write 600 frames of 512 x 512 in 16 bits, smooth with noise as of a CT: 315 MB."""
    path = tmp_path_factory.mktemp("zarr") / "volume.dcm"
    rows, columns = np.mgrid[:SIDE, :SIDE]
    noise = np.random.default_rng(0).integers(0, 16, (SIDE, SIDE))
    image = (1000 + 500 * np.sin(rows / 20) + 500 * np.cos(columns / 30)) + noise
    write_enhanced(
        path,
        frame=lambda number: np.roll(image.astype(np.uint16), number),
        undefined=False,
        number_of_frames=FRAMES,
        rows=SIDE,
        columns=SIDE,
    )
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def clear(out: Path) -> None:
    """Delete what the way before has written: that is no part of the time of the next."""
    shutil.rmtree(out, ignore_errors=True)
    out.with_suffix(".cp").unlink(missing_ok=True)


def memory_map(path: Path) -> NDArray[np.uint16]:
    offset = int(lazydicom.open_image(path).images[0].index.offsets[0])
    return np.memmap(path, np.uint16, "r", offset, (FRAMES, SIDE, SIDE))


def write_raw(
    pixels: NDArray[np.uint16], out: Path, encode: Callable[[Any], Any]
) -> None:
    """Write each frame into the file that its chunk would be, by hand."""

    def write(number: int) -> None:
        folder = f"{out}/c/{number}/0"
        os.makedirs(folder)  # noqa: PTH103 (the fastest there is)
        with open(f"{folder}/0", "wb", buffering=0) as file:  # noqa: PTH123
            file.write(encode(pixels[number]))

    with ThreadPoolExecutor(THREADS) as executor:
        list(executor.map(write, range(len(pixels))))


def write_by_zarr(
    pixels: NDArray[np.uint16],
    out: Path,
    compressors: list[BytesBytesCodec],
    shards: int | None = None,
) -> None:
    """Loop over chunks, or shards, as everybody does."""
    step = shards or 1
    array = zarr.create_array(
        out,
        shape=pixels.shape,
        dtype=pixels.dtype,
        chunks=(1, SIDE, SIDE),
        shards=None if shards is None else (shards, SIDE, SIDE),
        compressors=compressors,
    )
    for start in range(0, len(pixels), step):
        array[start : start + step] = pixels[start : start + step]


def measure(
    title: str,
    out: Path,
    ways: dict[str, Callable[[], Any]],
    *,
    rounds: int,
    limit: float,
    why: str = "",
) -> None:
    """Compare ours with the way behind it in turn, and once with the others: they are slow."""
    ours, floor, *others = ways
    before = partial(clear, out)
    pair = {name: ways[name] for name in (ours, floor)}
    best = best_seconds(pair, rounds=rounds, before=before)
    best |= best_seconds({n: ways[n] for n in others}, rounds=1, before=before)
    hold(title, best, floor=floor, limit=limit, why=why)


def test_shards_cost_little_more_than_a_copy(volume: Path, out: Path) -> None:
    array, pixels = lazydicom.open_image(volume), memory_map(volume)
    options: dict[str, Any] = {"chunks": 1, "compressors": "none", "workers": THREADS}

    measure(
        "315 MB, shards of 100 frames, uncompressed with crc32c",
        out,
        {
            "ours": lambda: lazydicom.to_zarr(array, out, shards=100, **options),
            "cp": lambda: subprocess.check_call(["cp", volume, out.with_suffix(".cp")]),
            "memmap loop into zarr": lambda: write_by_zarr(
                pixels, out, [Crc32cCodec()], 100
            ),
        },
        rounds=11,
        limit=1.3,
    )


def test_frames_cost_little_more_than_raw_files(volume: Path, out: Path) -> None:
    array, pixels = lazydicom.open_image(volume), memory_map(volume)
    options: dict[str, Any] = {"chunks": 1, "compressors": "none", "workers": THREADS}

    measure(
        "315 MB, a chunk per frame, uncompressed with crc32c",
        out,
        {
            "ours": lambda: lazydicom.to_zarr(array, out, **options),
            "raw files": lambda: write_raw(pixels, out, lambda frame: frame),
            "memmap loop into zarr": lambda: write_by_zarr(
                pixels, out, [Crc32cCodec()]
            ),
        },
        rounds=7,
        limit=1.6,
    )


def test_zstd_costs_little_more_than_encoding(volume: Path, out: Path) -> None:
    array = lazydicom.open_image(volume).isel(frame=slice(ENCODED))
    pixels = memory_map(volume)[:ENCODED]
    encode = numcodecs.Zstd(0).encode

    measure(
        "157 MB, a chunk per frame, zstd with crc32c",
        out,
        {
            "ours": lambda: lazydicom.to_zarr(array, out, chunks=1, workers=THREADS),
            "encoding and raw files": lambda: write_raw(pixels, out, encode),
            "memmap loop into zarr": lambda: write_by_zarr(
                pixels, out, [ZstdCodec(), Crc32cCodec()]
            ),
        },
        rounds=9,
        limit=1.15,
        why="1.0 wished: checksums, and the names that make it all or nothing",
    )
