"""YCbCr to RGB, and chrominance for every pixel (PS3.3 section C.7.6.3.1.2).

One strided copy per sample: NumPy walks a short last axis ten times slower.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_BITS: Final = 16
_HALF: Final = 1 << (_BITS - 1)
_RED_OF_CR: Final = round(1.402 * (1 << _BITS))
_BLUE_OF_CB: Final = round(1.772 * (1 << _BITS))
_GREEN_OF_CB: Final = round(-0.114 * 1.772 / 0.587 * (1 << _BITS))
_GREEN_OF_CR: Final = round(-0.299 * 1.402 / 0.587 * (1 << _BITS))
_BLOCK: Final = 1 << 17
"""Pixels, or pairs, converted at a time."""


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
    for start in range(0, len(pixels), _BLOCK):
        block = pixels[start : start + _BLOCK]
        colors = _add_luma(block[:, 0], _chroma(block[:, 1], block[:, 2]))
        for sample, color in enumerate(colors):
            block[:, sample] = color


def ybr_422_to_rgb(frame: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """Expand pairs and convert them to RGB; chrominance is converted once per pair.

    The six bytes of a pair are written as three words: half the strided copies.
    """
    pairs, words = frame.reshape(-1, 4), out.reshape(-1, 6).view("<u2")
    for start in range(0, len(pairs), _BLOCK):
        block = pairs[start : start + _BLOCK]
        chroma = _chroma(block[:, 2], block[:, 3])
        red, green, blue = _add_luma(block[:, 0], chroma)
        red_2, green_2, blue_2 = _add_luma(block[:, 1], chroma)
        halves = ((red, green), (blue, red_2), (green_2, blue_2))
        for word, (low, high) in enumerate(halves):
            np.left_shift(high, 8, out=high)
            np.bitwise_or(high, low, out=high)
            words[start : start + _BLOCK, word] = high.view(np.uint16)


def _chroma(
    cb: NDArray[np.uint8], cr: NDArray[np.uint8]
) -> tuple[NDArray[np.int16], ...]:
    """Return what chrominance adds to luminance in red, green and blue."""
    blue, red = cb.astype(np.int32), cr.astype(np.int32)
    blue -= 128
    red -= 128
    green = blue * _GREEN_OF_CB
    green += red * _GREEN_OF_CR
    blue *= _BLUE_OF_CB
    red *= _RED_OF_CR
    return tuple(_rounded(one) for one in (red, green, blue))


def _rounded(scaled: NDArray[np.int32]) -> NDArray[np.int16]:
    scaled += _HALF
    scaled >>= _BITS
    return scaled.astype(np.int16)


def _add_luma(
    luma: NDArray[np.uint8], chroma: tuple[NDArray[np.int16], ...]
) -> tuple[NDArray[np.int16], ...]:
    """Return red, green and blue, from 0 to 255."""
    wide = luma.astype(np.int16)
    colors = tuple(wide + one for one in chroma)
    for color in colors:
        np.clip(color, 0, 255, out=color)
    return colors
