"""Native frames: bits, bytes, byte order, planes and subsampling (PS3.5 section 8, annex D).

Most frames need no decoding: their bytes are the stored values, and are read straight into
the result, where byte order and unused bits are mended in place. The others pass through
`decode_native`. A region of frames whose bytes are their values needs the bytes from its first
to its last pixel alone: their rows follow each other.
"""

import sys
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._bytes.deferred import deferred
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.source import BytesLike
from lazydicom._decode.format import FrameFormat
from lazydicom._header.image_pixel import ImagePixel
from lazydicom.errors import DecodeError

if TYPE_CHECKING:
    from lazydicom._decode import color
else:
    color = deferred("lazydicom._decode.color")

_WORTH: Final = 0.75
"""A region of more of the frame than that is read as the frame."""
_TWELVE: Final = 12
_LITTLE_MACHINE: Final = sys.byteorder == "little"


def finish_in_place(values: NDArray[Any], format_: FrameFormat) -> None:
    """Make stored values of bytes just read: native byte order, no unused bits."""
    if (
        format_.transfer_syntax.pixels_little_endian != _LITTLE_MACHINE
        and values.dtype.itemsize > 1
    ):
        values.byteswap(inplace=True)
    clear_unused_bits(values, format_.pixel)


def clear_unused_bits(values: NDArray[Any], pixel: ImagePixel) -> None:
    """Mask, or sign-extend, the bits above BitsStored; shift away those below.

    Raises
    ------
    DecodeError
        If HighBit says that values stand higher, and bits below them are in use.
    """
    if pixel.low_bits:
        shift_down(values, pixel)
    spare = pixel.dtype.itemsize * 8 - pixel.bits_stored
    if pixel.bits_allocated == 1 or spare == 0 or pixel.dtype.kind == "f":
        return
    if pixel.pixel_representation == 0:
        mask = (1 << pixel.bits_stored) - 1
        np.bitwise_and(values, pixel.dtype.type(mask), out=values)
    else:
        np.left_shift(values, spare, out=values)
        np.right_shift(values, spare, out=values)


def shift_down(values: NDArray[Any], pixel: ImagePixel) -> None:
    """Shift values that stand above other bits, as ACR-NEMA had them."""
    low = pixel.low_bits
    below = (1 << low) - 1
    if np.bitwise_and(values, values.dtype.type(below)).any():
        raise DecodeError(
            f"HighBit is {pixel.high_bit} with {pixel.bits_stored} bits stored, and the"
            f" {low} bits below are in use: nothing tells which bits are the values"
        )
    np.right_shift(values, low, out=values)


def decode_native(
    data: BytesLike, frame: int, format_: FrameFormat, out: NDArray[Any]
) -> None:
    """Decode the bytes that frame number `frame` touches into `out`.

    Parameters
    ----------
    data : bytes or memoryview
        The spanned bytes, as the frame index gives them.
    frame : int
        Frame number: it tells the bit, or the half of a pair, where the frame begins.
    format_ : FrameFormat
        How values lie in the file.
    out : ndarray, shape `frame_shape`, dtype of the stored values
        C-contiguous.
    """
    _unpack_values(data, frame, format_, out)
    if format_.converts_to_rgb and not format_.pixel.subsampled:
        color.ybr_to_rgb(out)


def _unpack_values(
    data: BytesLike, frame: int, format_: FrameFormat, out: NDArray[Any]
) -> None:
    pixel = format_.pixel
    flat = np.frombuffer(data, np.uint8)
    if format_.swapped_pairs:
        flat = swap_pairs(flat)
    first_bit = 0 if format_.padded else frame * pixel.frame_bits
    skip = first_bit % (16 if format_.swapped_pairs else 8)
    if pixel.bits_allocated == _TWELVE:
        flat = unpack_twelve(flat, skip, pixel.frame_values).view(np.uint8)
    elif pixel.bits_allocated == 1:
        flat = unpack_bits(flat, skip, pixel.frame_bits)
    else:
        flat = flat[skip // 8 : (skip + pixel.frame_bits) // 8]
    if pixel.subsampled:
        if pixel.bits_stored < pixel.bits_allocated:
            flat = flat.copy()
            clear_unused_bits(flat, pixel)
        expand = color.ybr_422_to_rgb if format_.converts_to_rgb else color.expand_422
        expand(flat, out)
        return
    values = flat if pixel.bits_allocated == 1 else flat.view(pixel.dtype)
    if pixel.planar_configuration == 1 and pixel.samples_per_pixel > 1:
        planes = values.reshape(pixel.samples_per_pixel, pixel.rows, pixel.columns)
        color.interleave(planes, out)
    else:
        out[...] = values.reshape(pixel.frame_shape)
    if pixel.bits_allocated == _TWELVE:
        clear_unused_bits(out, pixel)  # in the order of this machine already
    else:
        finish_in_place(out, format_)


def unpack_bits(packed: NDArray[np.uint8], skip: int, count: int) -> NDArray[np.uint8]:
    """Unpack 1-bit pixels, the first one in the least significant bit."""
    bits = np.unpackbits(packed, count=skip + count, bitorder="little")
    return bits[skip:]


def frame_of_bits(data: BytesLike, frame: int, pixel: ImagePixel) -> NDArray[np.uint8]:
    """Unpack a frame of 1-bit pixels into fresh memory, without a copy of what is unpacked."""
    skip = frame * pixel.frame_bits % 8
    bits = unpack_bits(np.frombuffer(data, np.uint8), skip, pixel.frame_bits)
    return bits.reshape(pixel.frame_shape)


def unpack_twelve(
    packed: NDArray[np.uint8], skip: int, count: int
) -> NDArray[np.uint16]:
    """Unpack 12-bit values, two in three bytes, the first one in the lowest bits."""
    nibbles = np.empty(2 * len(packed), np.uint16)
    nibbles[::2] = packed & 15
    nibbles[1::2] = packed >> 4
    first = skip // 4
    parts = nibbles[first : first + 3 * count].reshape(count, 3)
    middle = np.left_shift(parts[:, 1], 4, dtype=np.uint16)
    high = np.left_shift(parts[:, 2], 8, dtype=np.uint16)
    return np.bitwise_or(parts[:, 0], np.bitwise_or(middle, high))


def swap_pairs(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Swap the bytes of each 16-bit word into fresh memory; the length must be even."""
    return data.view(np.uint16).byteswap().view(np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """The same region of each of some native frames."""

    skip: int
    """Bytes before its first pixel."""
    length: int
    """Bytes from its first pixel to its last one."""
    shape: tuple[int, ...]
    """Rows, columns and samples of the bytes."""
    strides: tuple[int, ...]
    """Bytes from one to the next."""
    index: tuple[Any, ...]
    """What is wanted of them."""

    dtype: np.dtype[Any]
    """Type of the values."""

    def put(
        self,
        data: BytesLike,
        planes: NDArray[Any],
        *,
        offset: int = 0,
        step: int = 0,
    ) -> None:
        """Put the values of regions into `planes`, as they lie in `data`.

        Parameters
        ----------
        data : bytes or memoryview
            What holds the regions.
        planes : ndarray
            One for each region.
        offset : int
            Where the first region begins.
        step : int
            Bytes from one region to the next.
        """
        values: NDArray[Any] = np.ndarray(
            (len(planes), *self.shape),
            self.dtype,
            buffer=data,
            offset=offset,
            strides=(step, *self.strides),
        )
        planes[...] = values[(slice(None), *self.index)]

    def finish(self, planes: NDArray[Any], format_: FrameFormat) -> None:
        """Make stored values of bytes in place."""
        finish_in_place(planes, format_)


def region_of(format_: FrameFormat, index: tuple[Any, ...]) -> Region | None:
    """Return what part of frames is to be read for a region, ``None`` for whole frames.

    Parameters
    ----------
    format_ : FrameFormat
        How the frames lie in the file.
    index : tuple
        Slices, or arrays as of `numpy.ix_`, of rows, columns and samples.
    """
    pixel = format_.pixel
    if not format_.in_place or pixel.low_bits:  # which a whole frame proves
        return None
    rows, columns = index[:2]
    vertical, horizontal = _ends(rows, pixel.rows), _ends(columns, pixel.columns)
    if vertical is None or horizontal is None:
        return None
    size = pixel.dtype.itemsize
    width = size * pixel.samples_per_pixel
    row = width * pixel.columns
    (top, bottom), (left, right) = vertical, horizontal
    length = (bottom - top) * row + (right - left + 1) * width
    if length > _WORTH * pixel.frame_nbytes:
        return None
    shape = (bottom - top + 1, right - left + 1, *pixel.frame_shape[2:])
    strides = (row, width, size)[: len(shape)]
    moved = (_moved(rows, top), _moved(columns, left), *index[2:])
    skip = top * row + left * width
    return Region(skip, length, shape, strides, moved, pixel.dtype)


def _ends(key: Any, length: int) -> tuple[int, int] | None:  # noqa: ANN401
    """Return the least and the largest position of a key, ``None`` where it has none."""
    if isinstance(key, slice):
        positions: range | NDArray[np.intp] = range(length)[key]
    else:
        positions = np.asarray(key).reshape(-1)
    if not len(positions):
        return None
    first, last = int(positions[0]), int(positions[-1])  # arrays are sorted
    return (first, last) if first <= last else (last, first)


def _moved(key: Any, by: int) -> Any:  # noqa: ANN401
    if not isinstance(key, slice):
        return key - by
    stop = None if key.stop is None else key.stop - by
    if stop is not None and stop < 0:
        stop = None
    return slice(key.start - by, stop, key.step)
