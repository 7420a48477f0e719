"""What files get wrong about their frames, and how many native ones there are all the same.

Native frames follow each other without gaps (PS3.5 section 8.1.1); some writers pad each to a
whole byte (1-bit pixels) or word (8-bit pixels, odd lengths). A caller may let a value stand
for what the last one lacks.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Final, Literal, TypeAlias

import numpy as np

from lazydicom._bytes.location import Version
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.ranges import read_many
from lazydicom._bytes.source import (
    ByteRange,
    BytesLike,
    ByteSource,
    check_span,
    is_distant,
)
from lazydicom._header.header import Header
from lazydicom._header.image_pixel import ImagePixel, contradicts_pairs
from lazydicom.errors import InvalidDicomError, UnsupportedError, warn

OnExtraFrames: TypeAlias = Literal["warn", "keep"]
"""What to do with frames behind the declared ones."""
FramePadding: TypeAlias = Literal["auto", "none", "byte", "word"]
"""To what each native frame is padded by itself; ``"auto"``: as its length tells."""

_FILL: Final = (
    "fill_truncated=value lets a value of yours stand for what the last one lacks"
)
_BITS: Final = {"byte": 8, "word": 16}
_WORDS: Final = {8: "byte", 16: "word"}
_AT_ONCE: Final = 1024
_FEW: Final = 16
"""Frames of a distant file whose padding is looked at."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a caller lets a file get wrong."""

    allow_truncated: bool = False
    """Take the complete frames where fewer are stored than declared."""
    on_extra_frames: OnExtraFrames = "warn"
    frame_padding: FramePadding = "auto"
    fill_truncated: float | None = None
    """What stands for the values that the last native frame lacks."""


def tolerated_frames(
    header: Header, stored: int, *, unit: int, tolerance: Tolerance
) -> tuple[int, int]:
    """Return how many frames are taken, and how many bits each takes with its padding.

    Parameters
    ----------
    header : Header
        Of a native file whose length is another than that of its frames.
    stored : int
        Bytes of Pixel Data that are there.
    unit : int
        Bytes that a frame spans whole ones of.
    tolerance : Tolerance
        What the file may get wrong.

    Raises
    ------
    InvalidDicomError
        If fewer bytes are stored than the declared frames need.
    """
    pixel, declared = header.image_pixel, header.image_pixel.number_of_frames
    if pixel.subsampled:
        _check_subsampling(header, stored)
    bits = _padded_bits(header, stored, unit=unit, padding=tolerance.frame_padding)
    needed = -(-bits * declared // (8 * unit)) * unit
    if stored < needed:
        return _complete_frames(header, stored, bits, tolerance), bits
    if header.pixel_data.length > stored + 1 and not tolerance.allow_truncated:
        raise _invalid(header, "The file ends inside Pixel Data", stored)
    if stored <= needed + needed % 2:
        return declared, bits
    whole, keep = stored * 8 // bits, tolerance.on_extra_frames
    _say_excess(header, pixel, whole, stored - needed, keep=keep)
    return whole if keep == "keep" else declared, bits


def _complete_frames(
    header: Header, stored: int, bits: int, tolerance: Tolerance
) -> int:
    """Return how many frames of a file that ends too early are taken."""
    declared, whole = header.image_pixel.number_of_frames, stored * 8 // bits
    message = (
        f"Expected {-(-bits * declared // 8)} bytes for {declared} frames, found"
        f" {stored}, enough for {whole}"
    )
    rest = stored - -(-bits * whole // 8)
    filled = tolerance.fill_truncated is not None and rest > 0
    if not (tolerance.allow_truncated or tolerance.fill_truncated is not None):
        hint = "which allow_truncated=True takes" if whole else _FILL
        raise _invalid(header, f"{message}, {hint}", stored)
    if whole + filled == 0:
        hint = _FILL if rest > 0 else "there is nothing to show"
        raise _invalid(header, f"{message}, {hint}", stored)
    if filled:
        lacking_bits = bits * (whole + 1) - 8 * stored
        lacking = -(-lacking_bits // header.image_pixel.bits_allocated)
        message += f"; fill_truncated stands for {lacking} values of the last one"
    warn(message, url=header.url)
    return whole + filled


def _check_subsampling(header: Header, stored: int) -> None:
    """Refuse what contradicts pairs of pixels (PS3.3 section C.7.6.3.1.2)."""
    pixel = header.image_pixel
    contradiction = contradicts_pairs(pixel)
    if contradiction is not None:
        raise _invalid(header, contradiction, 0)
    if stored * 16 >= 3 * pixel.frame_bits * pixel.number_of_frames:
        message = "Frames of YBR_FULL_422 have the length of three samples per pixel"
        raise _invalid(header, message, 0)


def _invalid(header: Header, message: str, stored: int) -> InvalidDicomError:
    element = header.pixel_data
    return InvalidDicomError(
        message, url=header.url, offset=element.offset + stored, tag=element.tag
    )


def _say_excess(
    header: Header, pixel: ImagePixel, whole: int, excess: int, *, keep: OnExtraFrames
) -> None:
    declared = pixel.number_of_frames
    if whole > declared:
        done = "all are kept" if keep == "keep" else f"{declared} are taken"
        text = f"{whole} frames are stored, {declared} are declared; {done}"
    else:
        text = f"{excess} bytes of excess padding follow {declared} frames"
    warn(text, url=header.url)


def _padded_bits(
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

    @property
    def version(self) -> Version:
        """That of the file, and this padding."""
        file = self.file.version
        return replace(file, part=(*file.part, self.begin, self.pattern.hex()))

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
