"""Native frames: bits, bytes, byte order, planes and subsampling (PS3.5 section 8, annex D).

Most frames need no decoding: their bytes are the stored values, and are read straight into
the result, where byte order and unused bits are mended in place. The others pass through
`decode_native`.
"""

import sys
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._bytes.source import BytesLike
from lazydicom._decode.color import (
    expand_422,
    interleave,
    ybr_422_to_rgb,
    ybr_to_rgb,
)
from lazydicom._decode.format import FrameFormat
from lazydicom._header.image_pixel import ImagePixel
from lazydicom.errors import DecodeError

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
        ybr_to_rgb(out)


def _unpack_values(
    data: BytesLike, frame: int, format_: FrameFormat, out: NDArray[Any]
) -> None:
    pixel = format_.pixel
    flat = np.frombuffer(data, np.uint8)
    if format_.swapped_pairs:
        flat = swap_pairs(flat)
    first_bit = 0 if format_.padded else frame * pixel.frame_bits
    skip = first_bit % (16 if format_.swapped_pairs else 8)
    if pixel.bits_allocated == 1:
        flat = unpack_bits(flat, skip, pixel.frame_bits)
    else:
        flat = flat[skip // 8 : (skip + pixel.frame_bits) // 8]
    if pixel.subsampled:
        if pixel.bits_stored < pixel.bits_allocated:
            flat = flat.copy()
            clear_unused_bits(flat, pixel)
        expand = ybr_422_to_rgb if format_.converts_to_rgb else expand_422
        expand(flat, out)
        return
    values = flat if pixel.bits_allocated == 1 else flat.view(pixel.dtype)
    if pixel.planar_configuration == 1 and pixel.samples_per_pixel > 1:
        planes = values.reshape(pixel.samples_per_pixel, pixel.rows, pixel.columns)
        interleave(planes, out)
    else:
        out[...] = values.reshape(pixel.frame_shape)
    finish_in_place(out, format_)


def unpack_bits(packed: NDArray[np.uint8], skip: int, count: int) -> NDArray[np.uint8]:
    """Unpack 1-bit pixels, the first one in the least significant bit."""
    bits = np.unpackbits(packed, count=skip + count, bitorder="little")
    return bits[skip:]


def swap_pairs(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Swap the bytes of each 16-bit word into fresh memory; the length must be even."""
    return data.view(np.uint16).byteswap().view(np.uint8)
