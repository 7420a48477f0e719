"""Where frames lie in the patient (PS3.3 section C.7.6.2): planes, their order, the affine.

Positions decide: never Slice Thickness, Slice Location or Instance Number.
"""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.frame_table import FrameTable
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom.errors import InvalidDicomError, LimitError, warn

SAME_DIRECTION: Final = 1e-3
"""Direction cosines that differ less are equal: 0.06 degrees."""
SAME_SPACING: Final = 1e-4
"""Pixels whose sizes differ by a smaller part are equal."""
SAME_PLANE: Final = 0.01
"""Positions that differ less are equal, in pixels."""
SIDE_BY_SIDE: Final = 1.0
"""Frames of one plane that lie so far apart, in pixels, are no movement of the patient."""
_JITTER: Final = 0.1
"""What moves planes of one place apart is less, in pixels."""
_FAR_SMALLER: Final = 10.0
"""A jitter is this many times smaller than the gaps."""
_ROUNDING: Final = 1e-6
"""Millimetres: what floating point does to decimals."""
_ROUNDED: Final = 0.25
"""Rounding explains uneven gaps where it is less than this part of one."""
_MOST_DECIMALS: Final = 5
_RUN: Final = 3
"""As many planes show a gap that is no accident."""
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
_SHORTEST: Final = 0.1
_LONGEST: Final = 10.0
"""A direction cosine beyond is none, whatever its length is meant to be."""
_TILTED: Final = 0.1
"""Degrees."""
_MOST_SKEWED: Final = 1.0
"""Degrees; rounding of direction cosines gives less."""
_NO_UNITS: Final = "Directions of rows and columns are no unit vectors, made so"


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """The distinct planes of frames of one orientation, in the order of the normal."""

    index: NDArray[np.int64]
    """Plane of each frame."""
    positions: NDArray[np.float64]
    """Centre of the first pixel of each plane, in mm: (planes, 3)."""
    z: NDArray[np.float64]
    """Position of each plane on the normal, in mm."""
    fields: NDArray[np.int64]
    """Field of view of each frame, where some lie side by side in one plane; else 0."""


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
    known = np.where(np.abs(known) < _LONGEST, known, 0.0)
    lengths = np.linalg.norm(known.reshape(-1, 2, 3), axis=2).repeat(3, axis=1)
    known = known / np.where(lengths > _SHORTEST, lengths, np.inf)
    normals = np.cross(known[:, :3], known[:, 3:])
    right: NDArray[np.bool_] = np.linalg.norm(normals, axis=1) > _SPANNED
    return right & np.isfinite(orientation).all(axis=1)


def unit_directions(orientation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return directions of unit length (PS3.3 section C.7.6.2.1.1).

    >>> unit_directions(np.array([[2.0, 0, 0, 0, 2, 0]])).tolist()
    [[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]]
    """
    pairs = orientation.reshape(-1, 2, 3)
    lengths = np.linalg.norm(pairs, axis=2, keepdims=True)
    units: NDArray[np.float64] = (pairs / lengths).reshape(orientation.shape)
    return units


def skew_degrees(orientation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by how many degrees rows and columns are not at right angles."""
    sines = np.einsum("ij,ij->i", orientation[:, :3], orientation[:, 3:])
    skew: NDArray[np.float64] = np.degrees(np.arcsin(np.clip(np.abs(sines), 0, 1)))
    return skew


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
    """Return which frames lie in one plane, and where planes lie side by side."""
    heights = position @ normal
    order = np.argsort(heights, kind="stable")
    steps = np.diff(heights[order])
    apart = steps > _same_plane(steps, pixel_mm)
    index = np.empty(len(heights), np.int64)
    index[order] = np.concatenate([[0], np.cumsum(apart)])
    first = np.unique(index, return_index=True)[1]
    positions = position[first]  # never a mean: no frame lies there
    sideways = position - np.outer(heights, normal)
    moved = np.linalg.norm(sideways - sideways[first][index], axis=1)
    fields = np.zeros(len(index), np.int64)
    if moved.max() >= SIDE_BY_SIDE * pixel_mm:
        fields = _fields(sideways, index, SIDE_BY_SIDE * pixel_mm)
    return Planes(index, positions, positions @ normal, fields)


def _same_plane(steps: NDArray[np.float64], pixel_mm: float) -> float:
    """Return the distance up to which frames lie in one plane.

    Where a jitter between volumes is far smaller than the gaps, it parts no planes: the
    distance lies between the two.
    """
    least = SAME_PLANE * pixel_mm
    distances = np.unique(np.maximum(steps, _ROUNDING))
    small = distances[:-1] <= _JITTER * pixel_mm
    if not small.any():
        return least
    ratios = (distances[1:] / distances[:-1])[small]
    widest = int(ratios.argmax())
    if ratios[widest] < _FAR_SMALLER:
        return least
    return max(least, float(np.sqrt(distances[widest] * distances[widest + 1])))


def _fields(
    sideways: NDArray[np.float64], planes: NDArray[np.int64], apart: float
) -> NDArray[np.int64]:
    """Return the number of the field of view of each frame.

    Frames of one field lie above each other; in a tilted stack, they have the same rank
    within their planes.
    """
    directions = np.linalg.svd(sideways - sideways.mean(axis=0), full_matrices=False)[2]
    along = sideways @ directions[0]
    order = np.argsort(along, kind="stable")
    fields = np.empty(len(along), np.int64)
    fields[order] = np.concatenate([[0], np.cumsum(np.diff(along[order]) > apart)])
    most = max(len(np.unique(fields[planes == k])) for k in np.unique(planes))
    if fields.max() < most:
        return fields
    for plane in np.unique(planes):
        rows = np.flatnonzero(planes == plane)
        steps = np.diff(np.sort(along[rows]))
        edges = np.sort(along[rows])[1:][steps > apart]
        fields[rows] = np.searchsorted(edges, along[rows], side="right")
    return fields


def stack_planes(
    planes: Planes, normal: NDArray[np.float64], pixel_mm: float
) -> Stack | None:
    """Find the equal distance that all planes keep, ``None`` where there is none.

    Planes may be off by a part of it, or by what rounding to the decimals that are written
    explains.
    """
    first, last = planes.positions[0], planes.positions[-1]
    if len(planes.z) == 1:
        return Stack(np.zeros(1, np.int64), first, normal)
    gaps = np.diff(planes.z)
    gap = gaps[gaps < gaps.min() * (1 + 2 * SAME_GAP)].mean()
    rounding = 2 * _last_digit(planes.positions)
    if rounding < _ROUNDED * gap:
        gap = gaps[gaps <= gaps.min() + rounding + _ROUNDING].mean()
    else:
        rounding = 0.0
    slots = np.rint(np.concatenate([[0.0], np.cumsum(np.rint(gaps / gap))]))
    if len(slots) < _EMPTIEST * slots[-1]:
        return None
    step = (last - first) / slots[-1]
    apart = np.abs(first + slots[:, None] * step - planes.positions).max()
    uneven = np.abs(gaps - np.rint(gaps / gap) * gap).max()
    tolerance = max(SAME_GAP * gap, rounding + _ROUNDING)
    if uneven > tolerance or apart > max(tolerance, 10 * SAME_PLANE * pixel_mm):
        return None
    return Stack(slots.astype(np.int64), first, step)


def _last_digit(positions: NDArray[np.float64]) -> float:
    """Return half of the last decimal in which positions are written, 0 for many decimals.

    >>> _last_digit(np.array([[0.0, -80.0, 1.3]]))
    0.05
    """
    for decimals in range(_MOST_DECIMALS):
        if np.abs(positions - np.round(positions, decimals)).max() < _ROUNDING:
            return float(0.5 * 10.0**-decimals)
    return 0.0


def has_several_gaps(planes: Planes) -> bool:
    """Return whether planes lie in runs of different even gaps, as of two scans in one.

    >>> z = np.array([0.0, 2, 4, 8, 12, 16])
    >>> none = np.zeros(6, np.int64)
    >>> has_several_gaps(Planes(np.arange(6), np.outer(z, [0, 0, 1]), z, none))
    True
    """
    runs = even_runs(planes.z)
    gaps = [
        float(np.diff(planes.z[runs == run]).mean())
        for run in np.unique(runs)
        if (runs == run).sum() >= _RUN
    ]
    return len(gaps) > 1 and max(gaps) > (1 + 2 * SAME_GAP) * min(gaps)


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


def with_unit_directions(table: FrameTable) -> FrameTable:
    """Return the table with directions of unit length, with a warning where they had none.

    Raises
    ------
    InvalidDicomError
        If rows and columns are not at right angles: no affine of equal pixels describes it.
    """
    orientation = table.numbers("orientation")
    rows = np.flatnonzero(spans_plane(orientation))
    if not len(rows):
        return table
    directions = orientation[rows]
    units = unit_directions(directions)
    skewed = skew_degrees(units)
    worst = int(skewed.argmax())
    image = table.images[table.image[rows[worst]]]
    _check_right_angle(float(skewed[worst]), image.url)
    odd = np.abs(directions - units).max(axis=1) > SAME_DIRECTION
    if not odd.any():
        return table
    image = table.images[table.image[rows[int(odd.argmax())]]]
    warn(_NO_UNITS, url=image.url)
    whole = orientation.copy()
    whole[rows[odd]] = units[odd]
    return replace(table, columns={**table.columns, "orientation": whole})


def unit_orientation(
    orientation: NDArray[np.float64], *, url: str
) -> NDArray[np.float64] | None:
    """Return two directions as `with_unit_directions`, ``None`` where they span no plane.

    Raises
    ------
    InvalidDicomError
        If they are not at right angles.
    """
    directions = orientation[None]
    if not spans_plane(directions).all():
        return None
    units = unit_directions(directions)
    _check_right_angle(float(skew_degrees(units)[0]), url)
    if np.abs(directions - units).max() <= SAME_DIRECTION:
        return orientation
    warn(_NO_UNITS, url=url)
    return units.reshape(6)


def _check_right_angle(skew: float, url: str) -> None:
    if skew > _MOST_SKEWED:
        message = f"Rows and columns are {90 - skew:.1f} degrees apart, expected 90"
        raise InvalidDicomError(message, url=url)
