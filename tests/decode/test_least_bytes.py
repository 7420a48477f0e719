"""A frame needs a least of bytes: claims are refused before a decoder sees them."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Final

import imagecodecs
import numpy as np
import pytest
from codec_frames import CASES, KINDS, Kind, decode, encode_rle, format_of, make_frame
from encapsulated_files import make_encapsulated
from noting import noting

import lazydicom
from lazydicom._decode.codecs.registry import CODECS
from lazydicom.errors import DecodeError, LimitError

if TYPE_CHECKING:
    from collections.abc import Callable

JPEG: Final = "1.2.840.10008.1.2.4."
SIDE: Final = 16_000
GRAY: Final = Kind("u1", 8, 8, shape=(SIDE, SIDE))
SMALL: Final = np.zeros((8, 8), np.uint8)


def _claiming(data: bytes, marker: bytes, place: int) -> bytes:
    """Write a large size into a small codestream."""
    at = data.index(marker) + place
    return data[:at] + struct.pack(">HH", SIDE, SIDE) + data[at + 4 :]


def _lossless_with_restarts() -> bytes:
    frame = struct.pack(">HHBBBBBB", SIDE, SIDE, 1, 1, 0x11, 0, 0, 0)[:-2]
    return (
        b"\xff\xd8\xff\xc3\x00\x0b\x08" + frame
        + b"\xff\xc4\x00\x14\x00" + bytes([1] + [0] * 15) + b"\x00"
        + b"\xff\xdd\x00\x04\x00\x01"
        + b"\xff\xda\x00\x08\x01\x01\x00\x01\x00\x00" + bytes(300) + b"\xff\xd9"
    )  # fmt: skip


def _layers() -> bytes:
    data = bytes(imagecodecs.jpeg2k_encode(SMALL, level=0, codecformat="j2k"))
    at = data.index(b"\xff\x52") + 6
    return data[:at] + b"\xff\xff" + data[at + 2 :]


def _tiles() -> bytes:
    data = bytearray(imagecodecs.jpeg2k_encode(SMALL, level=0, codecformat="j2k"))
    struct.pack_into(">II", data, 8, 200, 200)
    struct.pack_into(">II", data, 24, 1, 1)
    return bytes(data)


def _progressive() -> bytes:
    at = b"\xff\xc2"
    frame = make_frame(f"{JPEG}55 8 bits")
    return _claiming(frame.data, at, 5)


def _jpeg_xl() -> bytes:
    data = imagecodecs.jpegxl_encode(
        np.zeros((4096 * 4, 4096 * 2), np.uint8), lossless=True, effort=1
    )
    return bytes(data)[:30]


CLAIMS: Final[dict[str, tuple[str, Kind, Callable[[], bytes]]]] = {
    "JPEG": (
        f"{JPEG}50",
        GRAY,
        lambda: _claiming(bytes(imagecodecs.jpeg8_encode(SMALL)), b"\xff\xc0", 5),
    ),
    "JPEG, progressive": (f"{JPEG}55", GRAY, _progressive),
    "JPEG, lossless": (
        f"{JPEG}70",
        GRAY,
        lambda: _claiming(
            bytes(imagecodecs.jpeg8_encode(SMALL, lossless=True)), b"\xff\xc3", 5
        ),
    ),
    "JPEG, a restart for each pixel": (f"{JPEG}70", GRAY, _lossless_with_restarts),
    "JPEG-LS": (
        f"{JPEG}80",
        GRAY,
        lambda: _claiming(bytes(imagecodecs.jpegls_encode(SMALL)), b"\xff\xf7", 5),
    ),
    "JPEG 2000, layers": (f"{JPEG}90", Kind("u1", 8, 8, shape=(8, 8)), _layers),
    "JPEG 2000, tiles": (f"{JPEG}90", Kind("u1", 8, 8, shape=(200, 200)), _tiles),
    "JPEG XL": (f"{JPEG}110", Kind("u1", 8, 8, shape=(16384, 8192)), _jpeg_xl),
    "RLE": (
        "1.2.840.10008.1.2.5",
        GRAY,
        lambda: encode_rle(SMALL, KINDS["8 bits"]),
    ),
    "deflate": (
        "1.2.840.10008.1.2.8.1",
        GRAY,
        lambda: zlib.compress(bytes(1000), wbits=-15),
    ),
    "uncompressed": ("1.2.840.10008.1.2.1.98", GRAY, lambda: bytes(1000)),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_is_refused_before_a_decoder_sees_it(name: str) -> None:
    uid, kind, make = CLAIMS[name]
    data, format_ = make(), format_of(uid, kind)
    codec = CODECS[format_.transfer_syntax.codec or ""]

    tracemalloc.start()
    try:
        with pytest.raises(DecodeError):
            codec.preflight(data, format_)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(data) < 5000
    assert peak < 1 << 17  # no work grows with the claim


@pytest.mark.parametrize("case", [case for case in CASES if "8 bits" in case])
@pytest.mark.parametrize(
    "sides", [(1, 3, 8, 100, 700), pytest.param((1500,), marks=pytest.mark.heavy)]
)
def test_a_flat_frame_is_as_small_as_it_gets_and_is_read(
    case: str, sides: tuple[int, ...]
) -> None:
    syntax, name = CASES[case]
    for side, value in product(sides, (0, 128, 255)):
        kind = replace(KINDS[name], shape=(side, side))
        values = np.full((side, side), value, np.uint8).view(kind.dtype)

        with noting(side=side, value=value):
            back = decode(syntax.encode(values, kind), format_of(syntax.uid, kind))

            assert not syntax.lossless or np.array_equal(back, values)


def test_frames_beyond_256_mib_are_asked_for() -> None:
    stream = _claiming(bytes(imagecodecs.jpeg8_encode(SMALL)), b"\xff\xc0", 5)
    file = make_encapsulated(
        [stream],
        rows=20_000,
        columns=20_000,
        bits_allocated=8,
        transfer_syntax=f"{JPEG}50",
    )

    with pytest.raises(LimitError, match=r"max_frame_bytes=400000000 or more"):
        lazydicom.open_image(file)
    array = lazydicom.open_image(file, max_frame_bytes=400_000_000)
    with pytest.raises(DecodeError, match="frame 0"):
        _ = array[0]


@pytest.mark.parametrize("subsampling", ["444", "422", "420", "411"])
def test_subsampled_colour_needs_less(subsampling: str) -> None:
    values = np.full((257, 301, 3), 200, np.uint8)
    data = bytes(imagecodecs.jpeg8_encode(values, level=50, subsampling=subsampling))
    kind = Kind("u1", 8, 8, samples=3, shape=(257, 301))

    back = decode(data, format_of(f"{JPEG}50", kind, "YBR_FULL_422"))

    assert np.abs(back.astype(int) - 200).max() <= 2
