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
    for block, memory in _blocks(pixels):
        colors = memory.colors[:3]
        _convert_chroma(block[:, 1], block[:, 2], memory)
        _add_luma(block[:, 0], memory, colors)
        np.clip(colors, 0, 255, out=colors)
        for sample, color in enumerate(colors):
            block[:, sample] = color


def ybr_422_to_rgb(frame: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """Expand pairs and convert them to RGB; chrominance is converted once per pair.

    The six bytes of a pair are written as three words: half the strided copies.
    """
    words, start = out.reshape(-1, 6).view("<u2"), 0
    for block, memory in _blocks(frame.reshape(-1, 4)):
        colors = memory.colors
        _convert_chroma(block[:, 2], block[:, 3], memory)
        _add_luma(block[:, 0], memory, colors[:3])
        _add_luma(block[:, 1], memory, colors[3:])
        np.clip(colors, 0, 255, out=colors)
        low, high = colors[0::2], colors[1::2]
        np.left_shift(high, 8, out=high)
        np.bitwise_or(low, high, out=low)
        for word, values in enumerate(low.view(np.uint16)):
            words[start : start + len(block), word] = values
        start += len(block)


class _Memory(NamedTuple):
    """What the pixels, or pairs, of a block become on the way, each a row of numbers."""

    products: NDArray[np.int32]
    """What chrominance adds to red, green and blue, scaled; and some of green."""
    chroma: NDArray[np.int16]
    """The first three, rounded."""
    luma: NDArray[np.int16]
    colors: NDArray[np.int16]
    """Red, green and blue; of pairs also those of the second pixel."""


def _blocks(
    samples: NDArray[np.uint8],
) -> Iterator[tuple[NDArray[np.uint8], _Memory]]:
    """Yield some pixels, or pairs, at a time, and memory that stays in the cache."""
    length = min(_BLOCK, len(samples))
    memory = _Memory(
        np.empty((4, length), np.int32),
        np.empty((3, length), np.int16),
        np.empty(length, np.int16),
        np.empty((6, length), np.int16),
    )
    for start in range(0, len(samples), _BLOCK):
        block = samples[start : start + _BLOCK]
        if len(block) < length:
            memory = _Memory._make(one[..., : len(block)] for one in memory)
        yield block, memory


def _convert_chroma(
    cb: NDArray[np.uint8], cr: NDArray[np.uint8], memory: _Memory
) -> None:
    """Compute what chrominance adds to luminance in red, green and blue."""
    red, green, blue, more_green = memory.products
    red[...], blue[...] = cr, cb
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


def _add_luma(
    luma: NDArray[np.uint8], memory: _Memory, colors: NDArray[np.int16]
) -> None:
    memory.luma[...] = luma
    np.add(memory.chroma, memory.luma, out=colors)
