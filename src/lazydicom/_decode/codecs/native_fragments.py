"""Native frames in items: as they are, or deflated one by one (PS3.5 annexes A.4.11, A.6)."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._bytes.source import BytesLike
from lazydicom._decode.codec import Codec
from lazydicom._decode.format import FrameFormat
from lazydicom._decode.native import decode_native, finish_in_place
from lazydicom._decode.preflight import check_least
from lazydicom._decode.samples import call_codec
from lazydicom._header.image_pixel import contradicts_pairs
from lazydicom.errors import DecodeError

_MOST_PER_BYTE: Final = 1032
"""Deflate gives 258 bytes for two bits (RFC 1951)."""


def preflight_uncompressed(data: BytesLike, format_: FrameFormat) -> int:
    """Check the length of a native frame; return it without padding."""
    length = frame_length(data, format_)
    if not length <= len(data) <= length + 1:
        raise DecodeError(f"Expected {length} bytes, found {len(data)}")
    return length


def decode_uncompressed(
    data: BytesLike, length: int, format_: FrameFormat, out: NDArray[Any]
) -> None:
    """Decode a native frame that stands in items of its own."""
    decode_native(memoryview(data)[:length], 0, format_, out)


def frame_length(_: BytesLike, format_: FrameFormat) -> int:
    """Return the bytes of a native frame; 1-bit pixels end with a byte of their own.

    Raises
    ------
    DecodeError
        If it cannot be the pairs of pixels that it is said to be.
    """
    pixel = format_.pixel
    if pixel.subsampled and (contradiction := contradicts_pairs(pixel)):
        raise DecodeError(contradiction)
    return -(-pixel.frame_bits // 8)


def decode_deflated(
    data: BytesLike, length: int, format_: FrameFormat, out: NDArray[Any]
) -> None:
    """Inflate a native frame; 1-bit pixels begin at a byte of their own."""
    if format_.in_order and length % 2 == 0:
        _inflate(data, length, out.reshape(-1).view(np.uint8))
        finish_in_place(out, format_)
        return
    padded = np.empty(length + length % 2, np.uint8)
    _inflate(data, length, padded)
    decode_native(padded[:length].data, 0, format_, out)


def _inflate(data: BytesLike, length: int, out: NDArray[np.uint8]) -> None:
    """Inflate `length` bytes into `out`, which has room for one of padding."""
    import imagecodecs

    try:
        got = call_codec(imagecodecs.deflate_decode, data, raw=True, out=out)
    except DecodeError as error:
        message = f"Expected {length} bytes inflated: {error.message}"
        raise DecodeError(message) from error
    if not length <= got.nbytes <= len(out):
        raise DecodeError(f"Expected {length} bytes inflated, found {got.nbytes}")


def preflight_deflated(data: BytesLike, format_: FrameFormat) -> int:
    """Check that such a frame can come of so few bytes; return its length."""
    length = frame_length(data, format_)
    check_least(len(data), length // _MOST_PER_BYTE, "a deflated stream")
    return length


UNCOMPRESSED: Final = Codec(
    "uncompressed",
    preflight_uncompressed,
    decode_uncompressed,
    one_fragment=True,  # PS3.5 A.4.11
)
DEFLATE: Final = Codec(
    "deflate",
    preflight_deflated,
    decode_deflated,
    one_fragment=True,  # PS3.5 A.4.13
)
