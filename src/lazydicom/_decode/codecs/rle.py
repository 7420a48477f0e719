"""RLE Lossless: PackBits, one segment per byte of a pixel (PS3.5 annex G)."""

import struct
import sys
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._bytes.source import BytesLike
from lazydicom._decode.codec import Codec, Elsewhere
from lazydicom._decode.format import FrameFormat
from lazydicom._decode.native import clear_unused_bits, unpack_bits
from lazydicom._decode.samples import call_codec, to_rgb
from lazydicom._header.image_pixel import ImagePixel
from lazydicom.errors import DecodeError, UnsupportedError

_ROOM: Final = 1 << 16
"""Bytes of a segment that decode to nothing."""
_HEADER: Final = struct.Struct("<16I")
_MOST_SEGMENTS: Final = 15
"""The header has room for no more: colour of 64 bits would need 24."""
_MOST_PER_BYTE: Final = 64
"""A run of 128 bytes takes two."""
_PADDING: Final = b"\x00\x80"


def decode_rle(
    data: BytesLike, offsets: tuple[int, ...], format_: FrameFormat, out: NDArray[Any]
) -> None:
    """Decode one frame. 1-bit pixels are packed, each frame from a byte of its own."""
    pixel = format_.pixel
    if pixel.bits_allocated == 1:
        packed = np.empty(_plane_bytes(pixel), np.uint8)
        edges = (len(packed), -(-pixel.columns // 8))
        _decode_segments(data, offsets, packed.dtype, packed, edges)
        out[...] = unpack_bits(packed, 0, out.size).reshape(out.shape)
        return
    flat = out.reshape(-1).view(np.uint8)
    edges = (pixel.rows, pixel.columns)
    if pixel.samples_per_pixel == 1:
        _decode_segments(data, offsets, out.dtype, flat, edges)
    else:  # all bytes of a pixel, most significant first: interleaved on the way
        item = np.dtype((np.void, pixel.samples_per_pixel * out.itemsize))
        _decode_segments(data, offsets, item, flat, edges)
        _to_native(out)
    clear_unused_bits(out, pixel)
    if format_.converts_to_rgb:
        to_rgb(out)


def preflight_rle(data: BytesLike, format_: FrameFormat) -> tuple[int, ...]:
    """Check the RLE header; return where each segment begins, and the last one ends.

    Raises
    ------
    DecodeError
        If the segments are not those of such a pixel, do not follow each other within the
        frame, or are too short to hold a plane.
    UnsupportedError
        If RLE cannot hold such pixels.
    """
    pixel = format_.pixel
    if len(data) < _HEADER.size:
        raise DecodeError(f"Expected an RLE header of 64 bytes, found {len(data)}")
    count, *starts = _HEADER.unpack_from(data)
    expected = pixel.samples_per_pixel * max(pixel.bits_allocated // 8, 1)
    packed_color = pixel.bits_allocated == 1 < pixel.samples_per_pixel
    if expected > _MOST_SEGMENTS or packed_color:
        raise UnsupportedError(
            f"RLE holds no pixels of {pixel.samples_per_pixel} samples of"
            f" {pixel.bits_allocated} bits"
        )
    if count != expected:
        raise DecodeError(f"Expected {expected} RLE segments, found {count}")
    offsets = (*starts[:count], len(data))
    shortest = -(-_plane_bytes(pixel) // _MOST_PER_BYTE)
    if offsets[0] < _HEADER.size or any(b - a < shortest for a, b in pairwise(offsets)):
        raise DecodeError(
            f"Expected RLE segments of {shortest} or more bytes from byte 64 on, found"
            f" them at {offsets[:-1]} in {len(data)} bytes"
        )
    return offsets


def _plane_bytes(pixel: ImagePixel) -> int:
    """Bytes of one decoded segment."""
    pixels = pixel.rows * pixel.columns
    return -(-pixels // 8) if pixel.bits_allocated == 1 else pixels


def _decode_segments(
    data: BytesLike,
    offsets: tuple[int, ...],
    dtype: np.dtype[Any],
    flat: NDArray[np.uint8],
    edges: tuple[int, int],
) -> None:
    """Decode all segments into items of `dtype`, of as many bytes as there are segments."""
    if not _is_decoded(data, dtype, flat):
        _decode_padded(data, offsets, flat, edges)
        if dtype.kind != "V":
            _to_native(flat.view(dtype))


def _is_decoded(data: BytesLike, dtype: np.dtype[Any], flat: NDArray[np.uint8]) -> bool:
    """Decode with imagecodecs; return whether it could."""
    import imagecodecs

    try:
        got = call_codec(imagecodecs.dicomrle_decode, data, dtype, out=flat)
    except DecodeError:
        return False
    return bool(got.nbytes == flat.nbytes)


def _decode_padded(
    data: BytesLike,
    offsets: tuple[int, ...],
    flat: NDArray[np.uint8],
    edges: tuple[int, int],
) -> None:
    """Decode segments with more behind them than the standard's one byte of padding."""
    planes = flat.reshape(-1, len(offsets) - 1)
    for number, (start, stop) in enumerate(pairwise(offsets)):
        segment = bytes(data[start:stop])
        planes[:, number] = _unpack_bits(segment, len(planes), edges)


def _to_native(values: NDArray[Any]) -> None:
    if sys.byteorder == "little":
        values.byteswap(inplace=True)


def _unpack_bits(
    segment: bytes, size: int, edges: tuple[int, int]
) -> NDArray[np.uint8]:
    """Decode PackBits until a plane of `size` bytes is full.

    What stands behind it is of no importance, as little as what its last run has too much;
    but runs that make another row or column are a plane of another image.
    """
    longest = 2 * size + _ROOM
    if len(segment) > longest:  # runs of one byte take two of them
        length = len(segment.rstrip(b"\0"))
        if length > longest:
            raise DecodeError(f"An RLE segment of {length} bytes for {size}")
        segment = segment[:longest]
    decoded, at = _runs(segment, 0, size)
    if len(decoded) < size:
        raise DecodeError(
            f"Expected {size} bytes of an RLE segment, found {len(decoded)}"
        )
    rest = segment[at:]
    more, end = _runs(rest, 0, len(rest) * _MOST_PER_BYTE)
    extra = len(decoded) - size + len(more)
    exact = any(extra % edge == 0 for edge in edges)
    runs = not rest[end:].strip(_PADDING) and extra >= min(edges)
    if runs and (more or exact):
        raise DecodeError(f"Expected {size} bytes of an RLE segment, found more")
    return np.frombuffer(decoded[:size], np.uint8)


def _runs(segment: bytes, at: int, size: int) -> tuple[bytearray, int]:
    """Decode whole runs up to `size` bytes or the end; return where the next one begins."""
    decoded = bytearray()
    while len(decoded) < size and at + 1 < len(segment):
        head = segment[at]
        stop = at + (2 + head if head < 128 else 2 if head > 128 else 1)
        if stop > len(segment):
            break
        if head < 128:
            decoded += segment[at + 1 : stop]
        elif head > 128:
            decoded += segment[at + 1 : stop] * (257 - head)
        at = stop
    return decoded, at


def _elsewhere(data: BytesLike, format_: FrameFormat) -> Elsewhere | None:
    offsets, pixel = preflight_rle(data, format_), format_.pixel
    used = pixel.bits_stored == 8 * pixel.dtype.itemsize
    if pixel.samples_per_pixel > 1 or not used or offsets[0] != _HEADER.size:
        return None
    flat = np.empty(pixel.rows * pixel.columns * pixel.dtype.itemsize, np.uint8)
    if not _is_decoded(data, pixel.dtype, flat):
        return None  # more padding than imagecodecs alone takes
    dtype = pixel.dtype.newbyteorder("<").str
    return Elsewhere({"id": "imagecodecs_dicomrle", "dtype": dtype})


RLE: Final = Codec(
    "rle",
    preflight_rle,
    decode_rle,
    first_bytes=tuple(struct.pack("<II", segments, 64) for segments in range(1, 16)),
    one_fragment=True,  # PS3.5 A.4.2
    elsewhere=_elsewhere,
    media_types={"image/dicom-rle": "1.2.840.10008.1.2.5"},
)
