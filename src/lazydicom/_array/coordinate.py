"""What an axis or a frame is at: time, position, echo, the instance it came from."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lazydicom._bytes.quick_dataclass import dataclass

SAME_HEIGHT: Final = 1e-5
"""Focal planes that differ less, in mm, are one; so are gaps between them."""


@dataclass(frozen=True, slots=True, eq=False)
class Coordinate:
    """Values along one axis or several.

    >>> Coordinate(("z",), np.array([0.0, 2.5]), "mm").units
    'mm'
    """

    dims: tuple[str, ...]
    """The axes of `values`."""
    values: NDArray[Any]
    units: str = ""
    """Empty for numbers that only count, and for text."""
    step: int = 1
    """Every how many-th position was taken along the first axis, whichever way it runs."""

    def __len__(self) -> int:
        """Return the length of the first axis."""
        return len(self.values)

    def __array__(
        self,
        dtype: DTypeLike | None = None,
        copy: bool | None = None,  # noqa: FBT001 (NumPy's own signature)
    ) -> NDArray[Any]:
        """Return the values."""
        return np.array(self.values, dtype, copy=copy)


def crop_coordinates(
    coords: Mapping[str, Coordinate], keys: Mapping[str, int | range]
) -> dict[str, Coordinate]:
    """Return the coordinates at some positions of each axis, by its name.

    >>> z = Coordinate(("z",), np.array([0.0, 2.5, 5.0]), "mm")
    >>> crop_coordinates({"z": z}, {"z": range(1, 3)})["z"].values
    array([2.5, 5. ])
    """
    cropped = {}
    for name, one in coords.items():
        index = tuple(_index(keys.get(dim, slice(None))) for dim in one.dims)
        kept = tuple(dim for dim in one.dims if not isinstance(keys.get(dim), int))
        values = np.asarray(np.asarray(one.values)[index])
        step = abs(_first_and_step(keys.get(next(iter(one.dims), "")))[1])
        cropped[name] = Coordinate(kept, values, one.units, one.step * step)
    return cropped


def crop_geometry(
    attrs: Mapping[str, Any],
    keys: Mapping[str, int | range],
    coords: Mapping[str, Coordinate],
) -> dict[str, Any]:
    """Return the attributes with affine and spacing those of some positions.

    The directions stay: coordinates count along them, backwards where a step is negative.
    Focal planes without one step lie where the coordinate ``z`` says.

    >>> whole = {"affine": np.diag([2.0, 2, 5, 1])}
    >>> crop_geometry(whole, {"z": range(3, 9, 2)}, {})["affine"][2]
    array([ 0.,  0., 10., 15.])
    """
    cropped = dict(attrs)
    if "affine" in attrs:
        affine = np.array(attrs["affine"], np.float64)
        for column, name in enumerate("xyz"):
            first, step = _first_and_step(keys.get(name))
            affine[:3, 3] += first * affine[:3, column]
            affine[:3, column] *= step
        cropped["affine"] = affine
    if "spacing" in attrs:
        steps = [abs(_first_and_step(keys.get(name))[1]) for name in "zyx"]
        pairs = zip(attrs["spacing"], steps, strict=True)
        cropped["spacing"] = [one * step for one, step in pairs]
    if "affine" in attrs and "z" in keys and not affine[:3, 2].any():
        _place_focal_planes(affine, keys["z"], coords.get("z"))
    return cropped


def _place_focal_planes(
    affine: NDArray[np.float64], key: int | range, z: Coordinate | None
) -> None:
    """Lead to the first of some focal planes, and to the next if one step leads to all.

    Beside a single plane positions count in mm. Heights are those of the slide. The spacing
    stays unknown, which tells that planes beyond those of the part keep no step.
    """
    planes = range(key, key + 1) if isinstance(key, int) else key
    if len(planes) == 1:
        affine[2, 2] = 1.0
    if z is None or z.units != "mm" or not planes:
        return
    heights = np.asarray(z.values)
    kept = heights[list(planes)]
    affine[2, 3] += kept[0] - heights[0]
    affine[2, 2] = one_gap(kept) or affine[2, 2]


def one_gap(heights: NDArray[np.float64]) -> float:
    """Return the gap between focal planes, 0 where there is no one gap.

    >>> one_gap(np.array([0.0, 0.25, 0.5])), one_gap(np.array([0.0, 0.25, 0.75]))
    (0.25, 0.0)
    """
    gaps = np.diff(heights)
    if not gaps.size or np.ptp(gaps) > SAME_HEIGHT:
        return 0.0
    return float(gaps[0])


def _first_and_step(key: int | range | None) -> tuple[int, int]:
    """Return the first position, and what lies between it and the next one."""
    if isinstance(key, int):
        return key, 1
    if not key:
        return 0, 1
    return key[0], key.step if len(key) > 1 else 1


def _index(key: int | range | slice) -> int | slice:
    if not isinstance(key, range):
        return key
    if not key:
        return slice(0)  # what counts down from before the first one starts at -1
    stop = key.stop  # two slices cut each its own axis; two arrays would be paired
    return slice(key.start, None if stop < 0 else stop, key.step)
