"""How many frames native Pixel Data really holds, and where (PS3.5 section 8.1.1)."""

from collections.abc import Sequence
from dataclasses import dataclass

from lazydicom._bytes.ranges import ByteRange
from lazydicom._bytes.source import BytesLike, ByteSource, read_many
from lazydicom._frames.index import FrameIndex, OnExtraFrames, index_native, spans_of
from lazydicom._header.header import Header
from lazydicom._header.image_pixel import ImagePixel, contradicts_pairs
from lazydicom._header.walker import UNDEFINED
from lazydicom.errors import InvalidDicomError, warn


def native_index(
    header: Header,
    *,
    swapped_pairs: bool,
    allow_truncated: bool,
    on_extra_frames: OnExtraFrames,
) -> FrameIndex:
    """Index the frames of native Pixel Data, checked against the bytes that are there.

    Parameters
    ----------
    header : Header
        Of a native file.
    swapped_pairs : bool
        Bytes lie in pairs, so that a frame spans whole ones.
    allow_truncated : bool
        Take the complete frames where fewer bytes are stored than declared.
    on_extra_frames : {"warn", "keep"}
        What to do with whole frames behind the declared ones.

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
    needed = -(-pixel.frame_bits * declared // (8 * unit)) * unit
    frames = declared
    if stored < needed:
        frames = _complete_frames(header, stored, needed, allow=allow_truncated)
    elif header.pixel_data.length > stored + 1 and not allow_truncated:
        raise _invalid(header, "The file ends inside Pixel Data", stored)
    elif stored > needed + needed % 2:
        whole = stored * 8 // pixel.frame_bits
        _say_excess(header, pixel, whole, stored - needed, keep=on_extra_frames)
        frames = whole if on_extra_frames == "keep" else declared
    return index_native(header.pixel_data.offset, frames, pixel.frame_bits, 8 * unit)


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


def _complete_frames(header: Header, stored: int, needed: int, *, allow: bool) -> int:
    pixel = header.image_pixel
    whole = stored * 8 // pixel.frame_bits
    message = (
        f"Expected {needed} bytes for {pixel.number_of_frames} frames, found {stored}, "
        f"enough for {whole}"
    )
    if not allow:
        raise _invalid(header, message, stored)
    warn(message, url=header.url)
    return whole


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
