"""What is checked before a decoder is called: that codestream and header agree.

A decoder in C that is handed a codestream of another size, or one that is cut, may crash,
take gigabytes, or make up pixels. The few bytes that tell are read here, in microseconds.
"""

from typing import Final, NamedTuple

from lazydicom._bytes.source import BytesLike
from lazydicom._header.image_pixel import ImagePixel
from lazydicom.errors import DecodeError

END_OF_IMAGE: Final = b"\xff\xd9"
"""EOI of the JPEG family and EOC of JPEG 2000."""
_TAIL: Final = 64


class Codestream(NamedTuple):
    """What the codestream's own header says of the frame."""

    rows: int
    columns: int
    samples: int
    bits: int
    """Bits of one sample: the precision."""


def check_codestream(codestream: Codestream, pixel: ImagePixel) -> None:
    """Compare a codestream with the Image Pixel module.

    Raises
    ------
    DecodeError
        If rows, columns or samples differ, or a sample has more bits than are allocated.
    """
    expected = (pixel.rows, pixel.columns, pixel.samples_per_pixel)
    if codestream[:3] != expected:
        raise DecodeError(
            f"Expected {_shape(*expected)}, found a codestream of {_shape(*codestream[:3])}"
        )
    if not 1 <= codestream.bits <= pixel.bits_allocated:
        raise DecodeError(
            f"Expected at most {pixel.bits_allocated} bits per sample, found a"
            f" codestream of {codestream.bits}"
        )


def check_end(data: BytesLike, start: int, name: str) -> int:
    """Find the marker that ends a codestream; behind it may follow padding.

    Parameters
    ----------
    data : bytes
        The codestream.
    start : int
        Where compressed data begins: they never hold the marker.
    name : str
        What the marker is called.

    Raises
    ------
    DecodeError
        If it is not there: the codestream is cut.
    """
    end = find_last(data, END_OF_IMAGE, start)
    if end < 0:
        raise DecodeError(
            f"Expected {name} (FFD9) at the end of the codestream, found none in"
            f" {len(data)} bytes: it is cut"
        )
    return end


def find_last(data: BytesLike, mark: bytes, start: int) -> int:
    """Find the last `mark` behind `start`, -1 without one: first where it should be."""
    tail = max(len(data) - _TAIL, start)
    at = bytes(data[tail:]).rfind(mark)
    return bytes(data).rfind(mark, start) if at < 0 else tail + at


def check_least(length: int, least: int, name: str) -> None:
    """Refuse a codestream that is shorter than such a frame can be.

    A few bytes that claim a large frame would cost its memory and time, and nothing but
    made-up pixels would come of it.

    Raises
    ------
    DecodeError
        If there are fewer bytes than the smallest code of every pixel takes.
    """
    if length < least:
        raise DecodeError(
            f"Expected {least} or more bytes of {name} for a frame of this size, found"
            f" {length}: it is cut, or claims too much"
        )


def _shape(rows: int, columns: int, samples: int) -> str:
    return f"{rows} rows, {columns} columns, {samples} samples"
