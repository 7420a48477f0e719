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
        _decode_segments(data, offsets, packed.dtype, packed)
        out[...] = unpack_bits(packed, 0, out.size).reshape(out.shape)
        return
    flat = out.reshape(-1).view(np.uint8)
    if pixel.samples_per_pixel == 1:
        _decode_segments(data, offsets, out.dtype, flat)
    else:  # all bytes of a pixel, most significant first: interleaved on the way
        item = np.dtype((np.void, pixel.samples_per_pixel * out.itemsize))
        _decode_segments(data, offsets, item, flat)
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
    if offsets[0] != _HEADER.size or any(
        b - a < shortest for a, b in pairwise(offsets)
    ):
        raise DecodeError(
            f"Expected RLE segments of {shortest} or more bytes from byte 64 on, found"
            f" them at {offsets[:-1]} in {len(data)} bytes"
        )
    return offsets


def _is_plainly_padded(
    data: BytesLike, offsets: tuple[int, ...], format_: FrameFormat
) -> bool:
    """Return whether imagecodecs alone decodes a gray frame, as readers without us do.

    It refuses more padding than the standard's one byte; only a frame with a segment that
    ends as if it had more is decoded to know.
    """
    tails = (bytes(data[stop - 2 : stop]) for stop in offsets[1:])
    if all(tail.strip(_PADDING) for tail in tails):
        return True
    pixel = format_.pixel
    flat = np.empty(pixel.rows * pixel.columns * pixel.dtype.itemsize, np.uint8)
    return _is_decoded(data, pixel.dtype, flat)


def _plane_bytes(pixel: ImagePixel) -> int:
    """Bytes of one decoded segment."""
    pixels = pixel.rows * pixel.columns
    return -(-pixels // 8) if pixel.bits_allocated == 1 else pixels


def _decode_segments(
    data: BytesLike,
    offsets: tuple[int, ...],
    dtype: np.dtype[Any],
    flat: NDArray[np.uint8],
) -> None:
    """Decode all segments into items of `dtype`, of as many bytes as there are segments."""
    if not _is_decoded(data, dtype, flat):
        _decode_padded(data, offsets, flat)
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
    data: BytesLike, offsets: tuple[int, ...], flat: NDArray[np.uint8]
) -> None:
    """Decode segments with more behind them than the standard's one byte of padding."""
    planes = flat.reshape(-1, len(offsets) - 1)
    for number, (start, stop) in enumerate(pairwise(offsets)):
        segment = bytes(data[start:stop])
        planes[:, number] = _unpack_bits(segment, len(planes))


def _to_native(values: NDArray[Any]) -> None:
    if sys.byteorder == "little":
        values.byteswap(inplace=True)


def _unpack_bits(segment: bytes, size: int) -> NDArray[np.uint8]:
    """Decode PackBits that gives `size` bytes, with nothing but padding behind."""
    decoded = bytearray()
    at = 0
    while len(decoded) < size and at + 1 < len(segment):
        head = segment[at]
        if head < 128:
            decoded += segment[at + 1 : at + 2 + head]
            at += 2 + head
        elif head > 128:
            decoded += segment[at + 1 : at + 2] * (257 - head)
            at += 2
        else:
            at += 1
    if len(decoded) != size or segment[at:].strip(_PADDING):
        found = "more" if len(decoded) >= size else str(len(decoded))
        raise DecodeError(f"Expected {size} bytes of an RLE segment, found {found}")
    return np.frombuffer(decoded, np.uint8)


def _elsewhere(data: BytesLike, format_: FrameFormat) -> Elsewhere | None:
    offsets, pixel = preflight_rle(data, format_), format_.pixel
    used = pixel.bits_stored == 8 * pixel.dtype.itemsize
    plain = pixel.samples_per_pixel == 1 and used
    if not plain or not _is_plainly_padded(data, offsets, format_):
        return None
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
