"""Native frames that are padded: one by one by their writer, or the last one by the caller.

PS3.5 section 8.1.1 lets frames follow each other without gaps; some writers pad each to a whole
byte (1-bit pixels) or word (8-bit pixels, odd lengths).
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from lazydicom._bytes.ranges import ByteRange
from lazydicom._bytes.source import (
    BytesLike,
    ByteSource,
    check_span,
    is_distant,
    read_many,
)
from lazydicom._frames.index import FramePadding
from lazydicom._header.header import Header
from lazydicom._header.image_pixel import ImagePixel
from lazydicom.errors import UnsupportedError, warn

_BITS: Final = {"byte": 8, "word": 16}
_WORDS: Final = {8: "byte", 16: "word"}
_AT_ONCE: Final = 1024
_FEW: Final = 16
"""Frames of a distant file whose padding is looked at."""


def padded_bits(
    header: Header, stored: int, *, unit: int, padding: FramePadding
) -> int:
    """Return how many bits each frame takes, its own padding included.

    Parameters
    ----------
    header : Header
        Of a native file.
    stored : int
        Bytes of Pixel Data that are there.
    unit : int
        Bytes that a frame spans whole ones of.
    padding : {"auto", "none", "byte", "word"}
        ``"auto"``: padded where the length is exactly that of padded frames, and all padding
        is zero.
    """
    pixel = header.image_pixel
    bits, frames = pixel.frame_bits, pixel.number_of_frames
    if padding in ("byte", "word"):
        return -(-bits // _BITS[padding]) * _BITS[padding]
    if padding == "none" or frames < 2:
        return bits
    for width in (8, 16):
        padded = -(-bits // width) * width
        length = padded * frames // 8
        plain = -(-bits * frames // (8 * unit)) * unit
        fits = padded > bits and width >= 8 * unit and plain + plain % 2 < stored
        fits = fits and stored in {length, length + length % 2}
        if fits and _is_zero(header, bits, padded, unit=unit):
            text = f"Each frame is padded to a {_WORDS[width]}; frame_padding decides"
            warn(text, url=header.url)
            return padded
    return bits


def _is_zero(header: Header, bits: int, padded: int, *, unit: int) -> bool:
    """Return whether all padding behind each frame is zero."""
    begin = bits // (8 * unit) * unit
    skip = bits - 8 * begin
    order: Literal["little", "big"] = "big" if unit == 2 else "little"  # a swapped pair
    for data in _paddings(header, begin, padded // 8):
        if int.from_bytes(data, order) >> skip:
            return False
    return True


def _paddings(header: Header, begin: int, step: int) -> Iterator[BytesLike]:
    """Read the last bytes of each frame, from `begin` on."""
    start, frames = header.pixel_data.offset, header.image_pixel.number_of_frames
    places = range(start + begin, start + step * frames, step)
    if is_distant(header.source):
        places = places[:: -(-frames // _FEW)]
    for first in range(0, len(places), _AT_ONCE):
        some = places[first : first + _AT_ONCE]
        spans = [ByteRange(place, step - begin) for place in some]
        yield from read_many(header.source, spans)


def pad_source(header: Header, last: ByteRange, value: float) -> "PaddedSource":
    """Return the file with a value that stands for what its last frame lacks.

    Raises
    ------
    UnsupportedError
        If values of the file are no whole bytes, and the value is not 0.
    """
    pixel, source = header.image_pixel, header.source
    pattern = _pattern(
        pixel, value, little_endian=header.transfer_syntax.pixels_little_endian
    )
    if pattern is None:
        message = f"Pixels of {pixel.bits_allocated} bits are filled with 0 alone"
        raise UnsupportedError(message, url=header.url)
    begin = source.size() - (source.size() - last.offset) % len(pattern)
    return PaddedSource(source, begin, last.stop, pattern)


def _pattern(pixel: ImagePixel, value: float, *, little_endian: bool) -> bytes | None:
    """Return the bytes of a value in the file, ``None`` where they are not whole ones."""
    if pixel.bits_allocated == 1 and value in {0, 1}:
        return b"\xff" if value else b"\0"
    if pixel.bits_allocated != 8 * pixel.dtype.itemsize:
        return b"\0" if value == 0 else None
    dtype = pixel.dtype.newbyteorder("<" if little_endian else ">")
    if dtype.kind == "f":
        return np.array(value, dtype).tobytes()
    signed = pixel.pixel_representation
    least = -signed << pixel.bits_stored - 1
    if value != int(value) or not 0 <= value - least < 1 << pixel.bits_stored:
        kind = "signed" if signed else "unsigned"
        message = f"fill_truncated is no {kind} number of {pixel.bits_stored} bits"
        raise ValueError(message)
    return np.array(int(value), dtype).tobytes()


@dataclass(frozen=True, slots=True, eq=False)
class PaddedSource:
    """A file that ends too early, and a pattern that goes on where it ends."""

    file: ByteSource
    begin: int
    """Where the pattern begins."""
    stop: int
    """Where it ends."""
    pattern: bytes

    @property
    def url(self) -> str:
        """Name of the file."""
        return self.file.url

    def size(self) -> int:
        """Length in bytes, padding included."""
        return self.stop

    def read(self, span: ByteRange) -> BytesLike:
        """Read `span`, what is not there as the pattern."""
        check_span(self, span)
        there = max(min(span.stop, self.begin) - span.offset, 0)
        if there == span.length:
            return self.file.read(span)
        data = self.file.read(ByteRange(span.offset, there)) if there else b""
        shift = max(span.offset - self.begin, 0) % len(self.pattern)
        many = (span.length - there + shift) // len(self.pattern) + 1
        return bytes(data) + (self.pattern * many)[shift : shift + span.length - there]

    def read_into(self, offset: int, out: memoryview) -> None:
        """Fill `out` with the bytes from `offset` on."""
        view = out.cast("B")
        view[:] = self.read(ByteRange(offset, view.nbytes))

    def mapped(self) -> AbstractContextManager[memoryview | None]:
        """Lend nothing."""
        return nullcontext(None)

    def identity(self) -> tuple[object, ...]:
        """Return what tells this version of the file, and this padding, from any other."""
        return (*self.file.identity(), self.begin, self.pattern)
