"""YCbCr to RGB (PS3.3 section C.7.6.3.1.2), in integers that never leave the cache."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_BITS: Final = 16
_HALF: Final = 1 << (_BITS - 1)
_CHROMA: Final = np.arange(256, dtype=np.int32) - 128
_BLOCK_ROWS: Final = 1 << 15


def _table(factor: float, *, rounding: int = 0) -> NDArray[np.int32]:
    scaled = np.rint(_CHROMA * (factor * (1 << _BITS))) + rounding
    table: NDArray[np.int32] = scaled.astype(np.int32)
    return table


_CR_TO_RED: Final = (_table(1.402, rounding=_HALF) >> _BITS).astype(np.int16)
_CB_TO_BLUE: Final = (_table(1.772, rounding=_HALF) >> _BITS).astype(np.int16)
_CB_TO_GREEN: Final = _table(-0.114 * 1.772 / 0.587, rounding=_HALF)
_CR_TO_GREEN: Final = _table(-0.299 * 1.402 / 0.587)


def expand_422(frame: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """Give both pixels of a pair (Y1 Y2 Cb Cr) the chrominance of the pair.

    Parameters
    ----------
    frame : ndarray of uint8
        Flat, two samples per pixel.
    out : ndarray of uint8, shape (rows, columns, 3)
        C-contiguous; rows x columns is even.
    """
    pairs = frame.reshape(-1, 4)
    pixels = out.reshape(-1, 2, 3)
    pixels[:, :, 0] = pairs[:, :2]
    pixels[:, :, 1:] = pairs[:, np.newaxis, 2:]


def ybr_to_rgb(frame: NDArray[np.uint8]) -> None:
    """Convert 8-bit YBR_FULL to RGB in place.

    Parameters
    ----------
    frame : ndarray of uint8, shape (..., 3)
        C-contiguous.
    """
    flat = frame.reshape(-1, 3)
    for start in range(0, len(flat), _BLOCK_ROWS):
        _convert_block(flat[start : start + _BLOCK_ROWS])


def _convert_block(block: NDArray[np.uint8]) -> None:
    luma = block[:, 0].astype(np.int16)
    cb, cr = np.ascontiguousarray(block[:, 1]), np.ascontiguousarray(block[:, 2])
    green = (_CB_TO_GREEN[cb] + _CR_TO_GREEN[cr]) >> _BITS
    np.clip(luma + _CR_TO_RED[cr], 0, 255, out=block[:, 0], casting="unsafe")
    np.clip(luma + green, 0, 255, out=block[:, 1], casting="unsafe")
    np.clip(luma + _CB_TO_BLUE[cb], 0, 255, out=block[:, 2], casting="unsafe")
