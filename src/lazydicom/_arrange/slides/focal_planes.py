"""The focal planes of a slide, or of a segmentation of one: their heights, and the affine."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lazydicom._arrange.slides.facts import SlideFacts
from lazydicom._array.coordinate import SAME_HEIGHT, Coordinate, one_gap
from lazydicom._bytes.quick_dataclass import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class FocalPlanes:
    """The distinct focal planes of tiles, the lowest first."""

    heights: NDArray[np.float64]
    """In mm, or numbers where nobody tells."""
    has_heights: bool

    @property
    def distance(self) -> float:
        """From each plane to the next in mm, 0 where there is no one distance."""
        return one_gap(self.heights) if self.has_heights else 0.0

    def index(self, z: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the plane of each tile by its height."""
        return np.searchsorted(self.heights, z, side="right") - 1

    def coordinate(self) -> Coordinate:
        """Return the heights in mm, or numbers without a unit."""
        if self.has_heights:
            return Coordinate(("z",), self.heights, "mm")
        return Coordinate(("z",), np.arange(len(self.heights)))


def find_focal_planes(z: NDArray[np.float64], *, has_heights: bool) -> FocalPlanes:
    """Return the focal planes of tiles by their heights.

    >>> find_focal_planes(np.array([0.004, 0.0, 0.002, 0.0]), has_heights=True).distance
    0.002
    """
    heights = z[:1] if (z == z[0]).all() else np.unique(z)
    apart = np.diff(heights, prepend=-np.inf) > SAME_HEIGHT
    return FocalPlanes(heights[apart], has_heights)


def geometry_of(facts: SlideFacts, planes: FocalPlanes) -> dict[str, Any]:
    """Return orientation, spacing and affine, as far as an instance tells them."""
    attrs: dict[str, Any] = {}
    if facts.orientation is not None:
        attrs["orientation"] = list(facts.orientation)
    if facts.spacing is None:
        return attrs
    attrs["spacing"] = [planes.distance or float("nan"), *facts.spacing]
    if facts.origin is not None and facts.orientation is not None:
        affine = np.eye(4)
        affine[:3, 0] = np.multiply(facts.orientation[:3], facts.spacing[1])
        affine[:3, 1] = np.multiply(facts.orientation[3:], facts.spacing[0])
        affine[2, 2] = 1.0 if len(planes.heights) == 1 else planes.distance
        lowest = planes.heights[0] if planes.has_heights else facts.origin[2]
        affine[:3, 3] = (*facts.origin[:2], lowest)
        attrs["affine"] = affine
    return attrs
