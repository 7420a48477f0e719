"""A region of native frames costs its rows, and one call little more than its system calls."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import imagecodecs
import numpy as np
import pytest
from dicom_files import make_native
from encapsulated_files import make_encapsulated
from peers import dicomsdl_frame
from pydicom.pixels.utils import pixel_array
from ratios import best_seconds, hold

import lazydicom

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.benchmark

CALLS: Final = 500
FOUR: Final = 4
"""Openings, reads and closings that take some 15 µs."""
_jpeg_2000: Final = partial(imagecodecs.jpeg2k_encode, level=0, codecformat="j2k")
REGIONS: Final[dict[str, tuple[tuple[int, int, int], Any, float, str]]] = {
    "a pixel of 20,000 frames of 64²": ((20_000, 64, 64), np.s_[:, 30, 30], 3, ""),
    "a row of 20,000 frames of 64²": ((20_000, 64, 64), np.s_[:, 30], 3, ""),
    "64 × 64 of 500 frames of 512²": (
        (500, 512, 512),
        np.s_[:, 100:164, 200:264],
        1.3,
        "",
    ),
}


@pytest.mark.parametrize("name", REGIONS)
def test_a_region_of_many_frames_costs_little_more_than_a_memory_map(
    name: str, tmp_path: Path
) -> None:
    shape, key, limit, why = REGIONS[name]
    pixels = np.random.default_rng(0).integers(0, 4096, shape, np.uint16)
    path = tmp_path / "many.dcm"
    path.write_bytes(make_native(pixels))
    array = lazydicom.open_image(path)
    start = int(array.images[0].index.offsets[0])

    def mapped() -> object:
        return np.memmap(path, np.uint16, "r", start, shape)[key].copy()

    ways = {"ours": lambda: array[key], "numpy.memmap, made anew": mapped}
    best = best_seconds(ways, rounds=15)

    floor = "numpy.memmap, made anew"
    hold(name, best, floor=floor, limit=limit, why=why)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write some native frames of 64 × 64."""
    pixels = np.random.default_rng(0).integers(0, 4096, (CALLS + 1, 64, 64), np.uint16)
    path = tmp_path_factory.mktemp("small") / "some.dcm"
    path.write_bytes(make_native(pixels))
    return path


@pytest.mark.parametrize(
    ("call", "limit"),
    [
        ("array[k]", 2.8),
        ("array[k:k+1]", 2.8),
        ("array.read(slice(k, k+1), out=)", 5),
        ("array[k, a:b, c:d]", 4.3),
    ],
)
def test_one_call_costs_little_more_than_open_fstat_preadv_close(
    small: Path, call: str, limit: float
) -> None:
    array, out = lazydicom.open_image(small), np.empty((1, 64, 64), np.uint16)
    start = int(array.images[0].index.offsets[0])
    calls: dict[str, Callable[[int], object]] = {
        "array[k]": lambda k: array[k],
        "array[k:k+1]": lambda k: array[k : k + 1],
        "array.read(slice(k, k+1), out=)": lambda k: array.read(
            slice(k, k + 1), out=out
        ),
        "array[k, a:b, c:d]": lambda k: array[k, 10:20, 10:20],
    }

    def bare() -> None:
        for number in range(CALLS):
            descriptor = os.open(small, os.O_RDONLY | os.O_CLOEXEC)
            os.fstat(descriptor)
            os.preadv(descriptor, [out.data.cast("B")], start + 8192 * number)
            os.close(descriptor)

    def ours() -> None:
        work = calls[call]
        for number in range(CALLS):
            work(number)

    def by_pydicom() -> None:
        for number in range(0, CALLS, 25):
            pixel_array(small, index=number)

    def by_dicomsdl() -> None:
        for number in range(0, CALLS, 25):
            dicomsdl_frame(small, number)

    best = best_seconds({"ours": ours, "open, fstat, preadv, close": bare}, rounds=9)
    peers = {"pydicom": by_pydicom, "dicomsdl": by_dicomsdl}
    others = best_seconds(peers, rounds=2)
    best["pydicom.pixels.pixel_array(path, index=k)"] = 25 * others["pydicom"]
    best["dicomsdl.open(path).pixelData(k)"] = 25 * others["dicomsdl"]

    title = f"{call} of native frames of 64², {CALLS} times"
    hold(title, best, floor="open, fstat, preadv, close", limit=limit)


SHORT_CODECS: Final[dict[str, tuple[str, Any, Any, str, float, str]]] = {
    "JPEG of 256²": (
        "50",
        imagecodecs.jpeg8_encode,
        imagecodecs.jpeg8_decode,
        "u1",
        1.05,
        "",
    ),
    "JPEG-LS of 256²": (
        "80",
        imagecodecs.jpegls_encode,
        imagecodecs.jpegls_decode,
        "u2",
        1.05,
        "",
    ),
    "JPEG of 16²": (
        "50",
        imagecodecs.jpeg8_encode,
        imagecodecs.jpeg8_decode,
        "u1",
        1,
        "",
    ),
    "JPEG-LS of 16²": (
        "80",
        imagecodecs.jpegls_encode,
        imagecodecs.jpegls_decode,
        "u2",
        1,
        "",
    ),
    "HTJ2K of 16²": (
        "201",
        imagecodecs.htj2k_encode,
        imagecodecs.htj2k_decode,
        "u2",
        1,
        "",
    ),
    "JPEG 2000 of 16²": ("90", _jpeg_2000, imagecodecs.jpeg2k_decode, "u2", 1, ""),
}
"""End of the transfer syntax, encoder, decoder, type of pixels, bar, and why it is not 1."""


@pytest.mark.parametrize("name", SHORT_CODECS)
def test_a_compressed_frame_costs_its_codec_and_15_us(
    name: str, tmp_path: Path
) -> None:
    """In the work of this thread, whoever else is busy.

    The 15 µs are four more openings and reads, which take as long where this core has its full
    clock: a wait would stay as it is in an hour in which Python takes longer.
    """
    syntax, encode, decode, dtype, limit, why = SHORT_CODECS[name]
    side, turns = (16, 5) if name.endswith("16²") else (256, 1)
    ramp = np.add.outer(np.arange(side), np.arange(side)).astype(np.uint16) * 7
    values = (ramp >> 4).astype(np.uint8) if dtype == "u1" else ramp
    stream = bytes(encode(values))
    path = tmp_path / "a.dcm"
    path.write_bytes(
        make_encapsulated(
            [stream] * 60,
            rows=side,
            columns=side,
            bits_allocated=8 * values.itemsize,
            transfer_syntax=f"1.2.840.10008.1.2.4.{syntax}",
        )
    )
    array = lazydicom.open_image(path)
    offsets = (array.images[0].index.offsets + 8).tolist()

    def read(offset: int) -> bytes:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        data = os.pread(descriptor, len(stream), offset)
        os.close(descriptor)
        return data

    def bare_and_15_us() -> None:
        for offset in offsets * turns:
            decode(read(offset), out=np.empty(values.shape, values.dtype))
            for _ in range(FOUR):
                read(offset)

    def ours() -> None:
        for number in [*range(60)] * turns:
            array[number]

    floor = "open, pread, close, codec, and 15 µs"
    ways = {"ours": ours, floor: bare_and_15_us}
    best = best_seconds(ways, rounds=61, clock=time.thread_time)

    title = f"array[k], {name}, {60 * turns} times"
    hold(title, best, floor=floor, limit=limit, why=why)
