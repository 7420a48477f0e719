"""Where the planes of an array lie: focal planes of tiles by height, others by the affine."""

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.computed import FrameArray
from lazydicom._array.grid import Tiles


def heights_of(array: FrameArray) -> NDArray[np.float64] | None:
    """Return the heights of focal planes in mm, where tiles have some that are known."""
    z = array.coords.get("z")
    if not isinstance(array.grid.layout, Tiles) or z is None or z.units != "mm":
        return None
    return np.atleast_1d(np.asarray(z.values, np.float64))


def is_by_height(like: FrameArray) -> bool:
    """Return whether focal planes are found by their heights, not by one distance.

    A part may keep one where its level does not. Where every other one was left out, the
    distance tells what lies between.
    """
    if not isinstance(like.grid.layout, Tiles):
        return False
    known = heights_of(like) is not None and like.coords["z"].step == 1
    return known or not np.isfinite(like.attrs.get("spacing", [np.nan])[0])


def smallest_gap(*arrays: FrameArray) -> float:
    """Return the distance of the nearest focal planes, infinity where there are none."""
    gaps = [np.inf]
    for one in arrays:
        heights = heights_of(one)
        if heights is not None:
            gaps += np.abs(np.diff(heights)).tolist()
            gaps += [gap for gap in one.attrs.get("spacing", ())[:1] if gap > 0]
    return min(gaps)


def plane_positions(
    array: FrameArray, affine: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return where the first pixel of each plane lies: (planes, 3)."""
    count = array.shape[array.dims.index("z")] if "z" in array.dims else 1
    positions = affine[:3, 3] + np.arange(count)[:, None] * affine[:3, 2]
    heights = heights_of(array)
    if heights is not None:
        positions[:, 2] = heights
    return positions


def nearest_planes(
    positions: NDArray[np.float64],
    planes: NDArray[np.float64],
    normal: NDArray[np.float64],
    most: float,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the nearest of planes, -1 for what is beyond the last by `most`, and its place."""
    heights, own = positions @ normal, planes @ normal
    plane = np.abs(heights[:, None] - own).argmin(axis=1)
    away = heights - own[plane]
    outside = (heights < own.min() - most) | (heights > own.max() + most)
    first = planes[plane] + np.where(outside, away, 0.0)[:, None] * normal
    return np.where(outside, -1, plane), first


def has_all_planes(like: FrameArray) -> bool:
    """Return whether an array has all focal planes of its level, as far as it tells."""
    if "z" not in like.coords:
        return True
    frames = sum(map(len, like.images))
    return like.grid.crop is None and int((like.grid.numbers >= 0).sum()) == frames
