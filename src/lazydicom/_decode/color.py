"""YCbCr to RGB, and chrominance for every pixel (PS3.3 section C.7.6.3.1.2).

One strided copy per sample: NumPy walks a short last axis ten times slower.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

_BITS: Final = 16
_HALF: Final = 1 << (_BITS - 1)
_RED_OF_CR: Final = round(1.402 * (1 << _BITS))
_BLUE_OF_CB: Final = round(1.772 * (1 << _BITS))
_GREEN_OF_CB: Final = round(-0.114 * 1.772 / 0.587 * (1 << _BITS))
_GREEN_OF_CR: Final = round(-0.299 * 1.402 / 0.587 * (1 << _BITS))
_BLOCK: Final = 1 << 15
"""Pixels, or pairs, converted at a time, in memory that is used again: four times as many
take twice as long, a quarter of them a third longer."""


def expand_422(frame: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """Write the chrominance of a pair (Y1 Y2 Cb Cr) to both of its pixels.

    Parameters
    ----------
    frame : ndarray of uint8
        Flat, two samples per pixel.
    out : ndarray of uint8, shape (rows, columns, 3)
        C-contiguous; rows x columns is even.
    """
    pairs, pixels = frame.reshape(-1, 4), out.reshape(-1, 6)
    for target, source in enumerate((0, 2, 3, 1, 2, 3)):
        pixels[:, target] = pairs[:, source]


def interleave(planes: NDArray[np.generic], out: NDArray[np.generic]) -> None:
    """Put the samples of a pixel side by side: (samples, ...) to (..., samples)."""
    for sample, plane in enumerate(planes):
        out[..., sample] = plane


def ybr_to_rgb(frame: NDArray[np.uint8]) -> None:
    """Convert 8-bit YBR_FULL to RGB in place, in integers, rounded to the nearest.

    Parameters
    ----------
    frame : ndarray of uint8, shape (..., 3)
        C-contiguous.
    """
    pixels = frame.reshape(-1, 3)
    for part, memory in _parts(len(pixels)):
        block = pixels[part]
        memory.products[2], memory.products[0] = block[:, 1], block[:, 2]
        memory.luma[0] = block[:, 0]
        colors = memory.colors[:3]
        _convert_chroma(memory)
        np.add(memory.chroma, memory.luma[0], out=colors)
        np.clip(colors, 0, 255, out=colors)
        for sample, color in enumerate(colors):
            block[:, sample] = color


def ybr_422_to_rgb(frame: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """Expand pairs and convert them to RGB; chrominance is converted once per pair.

    Pairs are read as words of 32 and 16 bits, and their six bytes written as three words:
    fewer strided copies.
    """
    pairs, lumas = frame.view("<u4"), frame.view("<u2")[::2]
    words = out.reshape(-1, 6).view("<u2")
    for part, memory in _parts(len(pairs)):
        colors = memory.colors
        _split_pairs(pairs[part], lumas[part], memory)
        _convert_chroma(memory)
        np.add(memory.chroma, memory.luma[0], out=colors[:3])
        np.add(memory.chroma, memory.luma[1], out=colors[3:])
        np.clip(colors, 0, 255, out=colors)
        low, high = colors[0::2], colors[1::2]
        np.left_shift(high, 8, out=high)
        np.bitwise_or(low, high, out=low)
        for word, values in enumerate(low.view(np.uint16)):
            words[part, word] = values


class _Memory(NamedTuple):
    """What the pixels, or pairs, of a block become on the way, each a row of numbers."""

    products: NDArray[np.int32]
    """What chrominance adds to red, green and blue, scaled, and some of green; Cr and Cb first
    stand in the rows of red and blue."""
    chroma: NDArray[np.int16]
    """The first three, rounded."""
    luma: NDArray[np.int16]
    """Of pixels, or of the first and the second one of pairs."""
    colors: NDArray[np.int16]
    """Red, green and blue; of pairs also those of the second pixel."""


def _parts(length: int) -> Iterator[tuple[slice, _Memory]]:
    """Yield some pixels, or pairs, at a time, and memory that stays in the cache."""
    most = min(_BLOCK, length)
    memory = _Memory(
        np.empty((4, most), np.int32),
        np.empty((3, most), np.int16),
        np.empty((2, most), np.int16),
        np.empty((6, most), np.int16),
    )
    for start in range(0, length, _BLOCK):
        part = slice(start, min(start + _BLOCK, length))
        if part.stop - start < most:
            memory = _Memory._make(one[:, : part.stop - start] for one in memory)
        yield part, memory


def _split_pairs(
    pairs: NDArray[np.uint32], lumas: NDArray[np.uint16], memory: _Memory
) -> None:
    """Take Y1 Y2 Cb Cr out of words, whose lower halves are `lumas`."""
    cr, _, cb, _ = memory.products.view(np.uint32)
    first, second = memory.luma.view(np.uint16)
    np.right_shift(pairs, 24, out=cr)
    np.right_shift(pairs, 16, out=cb)
    np.bitwise_and(cb, 255, out=cb)
    second[...] = lumas
    np.bitwise_and(second, 255, out=first)
    np.right_shift(second, 8, out=second)


def _convert_chroma(memory: _Memory) -> None:
    """Compute what chrominance adds to luminance in red, green and blue."""
    red, green, blue, more_green = memory.products
    np.multiply(blue, _GREEN_OF_CB, out=green)
    np.multiply(red, _GREEN_OF_CR, out=more_green)
    green += more_green
    red *= _RED_OF_CR
    blue *= _BLUE_OF_CB
    red += _HALF - 128 * _RED_OF_CR
    green += _HALF - 128 * (_GREEN_OF_CB + _GREEN_OF_CR)
    blue += _HALF - 128 * _BLUE_OF_CB
    colors = memory.products[:3]
    np.right_shift(colors, _BITS, out=colors)
    memory.chroma[...] = colors
