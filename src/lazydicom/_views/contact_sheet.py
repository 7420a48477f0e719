"""A picture of a whole file: evenly spaced frames side by side, small and windowed."""

import math

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.computed import FrameArray
from lazydicom._array.picture import Picture, is_inverted, shrink, to_picture


def contact_sheet(array: FrameArray, *, frames: int, tile: int) -> Picture:
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
    tiles = np.stack([shrink(array[at], step) for at in zip(*positions, strict=True)])
    color, inverted = tiles.ndim == 4, is_inverted(array.attrs)
    picture = to_picture(tiles, array.dtype, color=color, inverted=inverted)
    return _side_by_side(picture.repeat(zoom, axis=1).repeat(zoom, axis=2))


def _evenly_spaced(count: int, wanted: int) -> NDArray[np.intp]:
    """Choose positions from the first to the last one.

    >>> _evenly_spaced(100, 4)
    array([ 0, 33, 66, 99])
    """
    return np.linspace(0, count - 1, min(count, wanted)).round().astype(np.intp)


def _side_by_side(tiles: Picture) -> Picture:
    count, height, width = tiles.shape[:3]
    columns = math.ceil(math.sqrt(count))
    rows = -(-count // columns)
    sheet = np.zeros((rows * columns, *tiles.shape[1:]), np.uint8)
    sheet[:count] = tiles
    grid = sheet.reshape(rows, columns, height, width, -1).swapaxes(1, 2)
    return grid.reshape(rows * height, columns * width, *tiles.shape[3:])
