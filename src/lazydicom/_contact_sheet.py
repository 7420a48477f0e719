"""A picture of a whole file: evenly spaced frames side by side, small and windowed."""

import math
from typing import Any, TypeAlias

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from lazydicom._array import DicomArray

Picture: TypeAlias = NDArray[np.uint8]


def contact_sheet(array: DicomArray, *, frames: int, tile: int) -> Picture:
    """Show up to `frames` evenly spaced frames, each at most `tile` pixels wide and high.

    Large frames are averaged down, small ones magnified by a whole number. Values between
    the 1st and the 99th percentile of what is shown become grey levels; 8-bit colour stays
    as it is. Only these frames are read.

    Returns
    -------
    ndarray of uint8, shape (height, width) or (height, width, 3)
    """
    shape = array.grid.shape
    positions = np.unravel_index(_evenly_spaced(math.prod(shape), frames), shape)
    side = max(array.frame_shape[:2])
    step, zoom = -(-side // tile), max(tile // side, 1)
    tiles = np.stack([_shrink(array[at], step) for at in zip(*positions, strict=True)])
    if array.dtype != np.uint8 or tiles.ndim == 3:
        tiles = _window(tiles)
    if array.attrs.get("photometric_interpretation") == "MONOCHROME1":
        tiles = 255 - tiles  # the lowest value is white (PS3.3 C.7.6.3.1.2)
    magnified = tiles.astype(np.uint8).repeat(zoom, axis=1).repeat(zoom, axis=2)
    return _side_by_side(magnified)


def encode_png(picture: Picture) -> bytes:
    """Encode a picture as PNG."""
    return bytes(imagecodecs.png_encode(picture))


def _evenly_spaced(count: int, wanted: int) -> NDArray[np.intp]:
    """Choose positions from the first to the last one.

    >>> _evenly_spaced(100, 4)
    array([ 0, 33, 66, 99])
    """
    return np.linspace(0, count - 1, min(count, wanted)).round().astype(np.intp)


def _shrink(frame: NDArray[Any], step: int) -> NDArray[np.float64]:
    """Average blocks of `step` × `step` pixels; those at the edge may be smaller."""
    for axis in (0, 1):
        starts = np.arange(0, frame.shape[axis], step)
        counts = np.diff(starts, append=frame.shape[axis])
        with np.errstate(invalid="ignore"):  # infinities of both signs in one block
            sums = np.add.reduceat(frame, starts, axis=axis, dtype=np.float64)
        others = [a for a in range(sums.ndim) if a != axis]
        frame = sums / np.expand_dims(counts, others)
    return frame


def _window(tiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Spread values between two percentiles over 0 to 255; what is no number becomes 0."""
    values = np.where(np.isfinite(tiles), tiles, np.nan)
    if np.isnan(values).all():
        return np.zeros_like(tiles)
    low, high = np.nanpercentile(values, (1, 99))
    if low == high:
        low, high = np.nanmin(values), np.nanmax(values)
    if low == high:
        return np.zeros_like(tiles)
    scaled: NDArray[np.float64] = ((values - low) / (high - low)).clip(0, 1)
    return np.nan_to_num(scaled * 255)


def _side_by_side(tiles: Picture) -> Picture:
    count, height, width = tiles.shape[:3]
    columns = math.ceil(math.sqrt(count))
    rows = -(-count // columns)
    sheet = np.zeros((rows * columns, *tiles.shape[1:]), np.uint8)
    sheet[:count] = tiles
    grid = sheet.reshape(rows, columns, height, width, -1).swapaxes(1, 2)
    return grid.reshape(rows * height, columns * width, *tiles.shape[3:])
