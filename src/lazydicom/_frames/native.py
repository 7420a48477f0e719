"""How many frames native Pixel Data really holds, and where (PS3.5 section 8.1.1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lazydicom._bytes.ranges import ByteRange
from lazydicom._bytes.source import BytesLike, ByteSource, read_many
from lazydicom._frames.index import (
    FrameIndex,
    OnExtraFrames,
    Tolerance,
    index_native,
    spans_of,
)
from lazydicom._frames.padding import pad_source, padded_bits
from lazydicom._header.header import Header
from lazydicom._header.image_pixel import ImagePixel, contradicts_pairs
from lazydicom._header.walker import UNDEFINED
from lazydicom.errors import InvalidDicomError, warn

_FILL: Final = (
    "fill_truncated=value lets a value of yours stand for what the last one lacks"
)


def open_native(
    header: Header, *, swapped_pairs: bool, lends: bool, tolerance: Tolerance
) -> "NativeReader":
    """Index the frames of native Pixel Data, and read them.

    Parameters
    ----------
    header : Header
        Of a native file.
    swapped_pairs : bool
        Bytes lie in pairs, so that a frame spans whole ones.
    lends : bool
        Whether the caller asked for views of the file.
    tolerance : Tolerance
        What the file may get wrong.

    Raises
    ------
    InvalidDicomError
        If fewer bytes are stored than the declared frames need.
    """
    index = native_index(header, swapped_pairs=swapped_pairs, tolerance=tolerance)
    source, last = header.source, index.span(len(index) - 1)
    if last.stop > source.size():
        source = pad_source(header, last, tolerance.fill_truncated or 0)
    return NativeReader(source, index, lends=lends)


def native_index(
    header: Header, *, swapped_pairs: bool, tolerance: Tolerance
) -> FrameIndex:
    """Index the frames of native Pixel Data, checked against the bytes that are there.

    Raises
    ------
    InvalidDicomError
        If fewer bytes are stored than the declared frames need.
    """
    pixel, declared = header.image_pixel, header.image_pixel.number_of_frames
    unit = 2 if swapped_pairs else 1
    stored = _stored_bytes(header) // unit * unit
    if pixel.subsampled:
        _check_subsampling(header, stored)
    bits = padded_bits(header, stored, unit=unit, padding=tolerance.frame_padding)
    needed = -(-bits * declared // (8 * unit)) * unit
    frames, truncated = declared, tolerance.allow_truncated
    if stored < needed:
        frames = _complete_frames(header, stored, bits, tolerance)
    elif header.pixel_data.length > stored + 1 and not truncated:
        raise _invalid(header, "The file ends inside Pixel Data", stored)
    elif stored > needed + needed % 2:
        whole = stored * 8 // bits
        keep = tolerance.on_extra_frames
        _say_excess(header, pixel, whole, stored - needed, keep=keep)
        frames = whole if keep == "keep" else declared
    return index_native(header.pixel_data.offset, frames, bits, 8 * unit)


@dataclass(frozen=True, slots=True, eq=False)
class NativeReader:
    """Frames as byte ranges of one file."""

    source: ByteSource
    index: FrameIndex
    lends: bool = False
    """Whether the caller asked for views of the file."""

    @property
    def url(self) -> str:
        """Name of the file."""
        return self.source.url

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.index)

    def version(self) -> tuple[object, ...]:
        """Return what tells this version of the file from any other."""
        return self.source.identity()

    def spans(self, frames: Sequence[int]) -> list[ByteRange]:
        """Return the byte ranges of some frames."""
        return spans_of(self.index, frames, url=self.url)

    def read(self, frames: Sequence[int]) -> list[BytesLike]:
        """Read the bytes of some frames, neighbours with one request."""
        return read_many(self.source, self.spans(frames))


def _stored_bytes(header: Header) -> int:
    element = header.pixel_data
    if element.length == UNDEFINED:
        message = (
            f"Native Pixel Data of undefined length ({header.transfer_syntax.name})"
        )
        raise InvalidDicomError(
            message, url=header.url, offset=element.start, tag=element.tag
        )
    return min(element.length, header.source.size() - element.offset)


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
