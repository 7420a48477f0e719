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
_BLOCK: Final = 1 << 16
"""Pixels converted at a time: five columns of them stay in the cache."""


def expand_422(frame: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """Give both pixels of a pair (Y1 Y2 Cb Cr) the chrominance of the pair.

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
    work = np.empty((5, min(_BLOCK, len(pixels))), np.int32)
    for start in range(0, len(pixels), _BLOCK):
        block = pixels[start : start + _BLOCK]
        _convert(block, work[:, : len(block)])


def _convert(block: NDArray[np.uint8], work: NDArray[np.int32]) -> None:
    luma, cb, cr, value, term = work
    luma[...], cb[...], cr[...] = block.T
    luma <<= _BITS
    luma += _HALF
    cb -= 128
    cr -= 128
    np.multiply(cr, _RED_OF_CR, out=value)
    _store(value, luma, block[:, 0])
    np.multiply(cb, _GREEN_OF_CB, out=value)
    np.multiply(cr, _GREEN_OF_CR, out=term)
    value += term
    _store(value, luma, block[:, 1])
    np.multiply(cb, _BLUE_OF_CB, out=value)
    _store(value, luma, block[:, 2])


def _store(
    chroma: NDArray[np.int32], luma: NDArray[np.int32], out: NDArray[np.uint8]
) -> None:
    chroma += luma
    chroma >>= _BITS
    np.clip(chroma, 0, 255, out=chroma)
    out[...] = chroma
