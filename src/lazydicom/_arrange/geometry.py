"""Where frames lie in the patient (PS3.3 section C.7.6.2): planes, their order, the affine.

Positions decide: never Slice Thickness, Slice Location or Instance Number.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lazydicom.errors import LimitError

SAME_DIRECTION: Final = 1e-3
"""Direction cosines that differ less are equal: 0.06 degrees."""
SAME_SPACING: Final = 1e-4
"""Pixels whose sizes differ by a smaller part are equal."""
SAME_PLANE: Final = 0.01
"""Positions that differ less are equal, in pixels."""
SAME_GAP: Final = 0.05
"""Gaps between planes may differ by this part of a gap."""
_MOST_GROUPS: Final = 1000
"""Orientations of one series; each is an array by itself."""
_EMPTIEST: Final = 0.01
"""Of a stack, this part is there at least; a plane a mile away is none of it."""
_FARTHEST: Final = 1e9
"""Millimetres: a position beyond is none."""
_SPANNED: Final = 0.5
"""Sine of the angle between rows and columns; it is 1 but for rounding."""
_TILTED: Final = 0.1
"""Degrees."""


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """The distinct planes of frames of one orientation, in the order of the normal."""

    index: NDArray[np.int64]
    """Plane of each frame."""
    positions: NDArray[np.float64]
    """Centre of the first pixel of each plane, in mm: (planes, 3)."""
    z: NDArray[np.float64]
    """Position of each plane on the normal, in mm."""


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """Planes at equal distances."""

    slots: NDArray[np.int64]
    """Place of each plane; a place that is left out is a hole."""
    origin: NDArray[np.float64]
    """Centre of the first pixel of the first plane."""
    step: NDArray[np.float64]
    """From one plane to the next, in mm; the unit normal where there is one plane."""


def group_orientations(orientation: NDArray[np.float64]) -> NDArray[np.int64]:
    """Group the frames by orientation, -1 where there is none."""
    return _group(orientation, spans_plane(orientation), SAME_DIRECTION)


def group_spacings(pixel_spacing: NDArray[np.float64]) -> NDArray[np.int64]:
    """Group the frames by Pixel Spacing, -1 where there is none.

    >>> group_spacings(np.array([[0.488281, 0.488281], [0.48828125] * 2, [1, 1]]))
    array([0, 0, 1])
    """
    known = has_spacing(pixel_spacing)
    sizes = np.where(known[:, None], pixel_spacing, 1.0)
    return _group(np.log(sizes), known, SAME_SPACING)


def has_spacing(pixel_spacing: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return where the size of a pixel is given, and is one."""
    if pixel_spacing.shape[1] != 2:
        return np.zeros(len(pixel_spacing), np.bool_)
    sizes = np.isfinite(pixel_spacing) & (pixel_spacing > 0)
    return np.logical_and(sizes[:, 0], sizes[:, 1])


def _group(
    values: NDArray[np.float64], known: NDArray[np.bool_], tolerance: float
) -> NDArray[np.int64]:
    """Group the rows that are known and differ by less than `tolerance`.

    Raises
    ------
    LimitError
        If that would take a pass over all rows for each of very many groups.
    """
    groups = np.full(len(values), -1)
    waiting = np.flatnonzero(known)
    number = 0
    while len(waiting):
        if number == _MOST_GROUPS:
            message = f"More than {_MOST_GROUPS} orientations or pixel spacings"
            raise LimitError(message)
        first = values[waiting[0]]
        same = (np.abs(values[waiting] - first) < tolerance).all(axis=1)
        groups[waiting[same]] = number
        waiting, number = waiting[~same], number + 1
    return groups


def spans_plane(orientation: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return where two directions are given, and are not one and the same."""
    if orientation.shape[1] != 6:
        return np.zeros(len(orientation), np.bool_)
    known = np.nan_to_num(orientation, nan=0.0, posinf=0.0, neginf=0.0)
    normals = np.cross(known[:, :3], known[:, 3:])
    right: NDArray[np.bool_] = np.linalg.norm(normals, axis=1) > _SPANNED
    return right & np.isfinite(orientation).all(axis=1)


def normal_of(orientation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the unit normal of a plane.

    >>> normal_of(np.array([1.0, 0, 0, 0, 1, 0]))
    array([0., 0., 1.])
    """
    normal = np.cross(orientation[:3], orientation[3:])
    unit: NDArray[np.float64] = normal / np.linalg.norm(normal)
    return unit


def has_position(position: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return where a position is given that a patient may have."""
    if position.shape[1] != 3:
        return np.zeros(len(position), np.bool_)
    near: NDArray[np.bool_] = np.abs(position).max(axis=1) < _FARTHEST  # NaN is not
    return near


def find_planes(
    position: NDArray[np.float64], normal: NDArray[np.float64], pixel_mm: float
) -> Planes:
    """Return which frames lie in one plane."""
    heights = position @ normal
    order = np.argsort(heights, kind="stable")
    apart = np.diff(heights[order]) > SAME_PLANE * pixel_mm
    index = np.empty(len(heights), np.int64)
    index[order] = np.concatenate([[0], np.cumsum(apart)])
    counts = np.bincount(index)
    sums = [np.bincount(index, weights=axis) for axis in position.T]
    positions = np.stack(sums, axis=1) / counts[:, None]
    return Planes(index, positions, positions @ normal)


def stack_planes(
    planes: Planes, normal: NDArray[np.float64], pixel_mm: float
) -> Stack | None:
    """Find the equal distance that all planes keep, ``None`` where there is none."""
    first, last = planes.positions[0], planes.positions[-1]
    if len(planes.z) == 1:
        return Stack(np.zeros(1, np.int64), first, normal)
    gaps = np.diff(planes.z)
    gap = gaps[gaps < gaps.min() * (1 + 2 * SAME_GAP)].mean()
    slots = np.rint(np.concatenate([[0.0], np.cumsum(np.rint(gaps / gap))]))
    if len(slots) < _EMPTIEST * slots[-1]:
        return None
    step = (last - first) / slots[-1]
    apart = np.abs(first + slots[:, None] * step - planes.positions).max()
    uneven = np.abs(gaps / gap - np.rint(gaps / gap)).max()
    if uneven > SAME_GAP or apart > max(SAME_GAP * gap, 10 * SAME_PLANE * pixel_mm):
        return None
    return Stack(slots.astype(np.int64), first, step)


def even_runs(z: NDArray[np.float64]) -> NDArray[np.int64]:
    """Cut the planes into runs of even gaps.

    >>> even_runs(np.array([0.0, 5, 10, 20, 25]))
    array([0, 0, 0, 1, 1])
    """
    runs = np.zeros(len(z), np.int64)
    gap = 0.0
    for k in range(1, len(z)):
        here = z[k] - z[k - 1]
        goes_on = gap == 0.0 or abs(here - gap) <= SAME_GAP * gap
        runs[k] = runs[k - 1] + (not goes_on)
        gap = (gap or here) if goes_on else 0.0
    return runs


def affine_of(
    orientation: NDArray[np.float64],
    pixel_spacing: NDArray[np.float64],
    stack: Stack,
) -> NDArray[np.float64]:
    """Return the matrix from (x, y, z, 1), counted in pixels, to mm in LPS."""
    affine = np.eye(4)
    affine[:3, 0] = orientation[:3] * pixel_spacing[1]  # along a row, column by column
    affine[:3, 1] = orientation[3:] * pixel_spacing[0]
    affine[:3, 2] = stack.step
    affine[:3, 3] = stack.origin
    return affine


def gantry_tilt(step: NDArray[np.float64], normal: NDArray[np.float64]) -> float | None:
    """Return the angle between the step and the normal in degrees, ``None`` without tilt."""
    cosine = float(step @ normal / np.linalg.norm(step))
    angle = float(np.degrees(np.arccos(min(1.0, cosine))))
    return angle if angle > _TILTED else None
