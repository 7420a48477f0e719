"""From the frames of a series to arrays: grouped, cut where allowed, placed on a grid."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lazydicom._arrange.dimensions import Axis, find_axes
from lazydicom._arrange.frames import FrameTable
from lazydicom._arrange.geometry import (
    Planes,
    Stack,
    even_runs,
    find_planes,
    group_orientations,
    normal_of,
    stack_planes,
)
from lazydicom._arrange.labels import axis_labels, frame_labels, geometry_labels
from lazydicom._array import DicomArray
from lazydicom._coordinate import Coordinate
from lazydicom._grid import HOLE, FrameGrid
from lazydicom.errors import InvalidDicomError, redact_url, warn

OnGap: TypeAlias = Literal["error", "fill", "split"]
Rows = NDArray[np.int64]

_NAMED: Final = 5
"""Files that an error names."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What the caller decided."""

    on_gap: OnGap = "error"
    fill_value: float | None = None
    source: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Placed:
    """Frames of one orientation, and what was found about them."""

    table: FrameTable
    planes: Planes
    stack: Stack | None
    axes: list[Axis]


def uniform_parts(table: FrameTable) -> list[FrameTable]:
    """Cut frames into those of one orientation, size and type."""
    kinds: dict[tuple[object, ...], int] = {}
    orientation = group_orientations(table.numbers("orientation"))
    formats = [image.format.pixel for image in table.images]
    looks = [(one.frame_shape, one.dtype) for one in formats]
    keys = [
        kinds.setdefault((group, *looks[image]), len(kinds))
        for group, image in zip(orientation.tolist(), table.image.tolist(), strict=True)
    ]
    parts = [table.take(np.flatnonzero(np.array(keys) == k)) for k in range(len(kinds))]
    return sorted(parts, key=_first_instance)


def arrange(table: FrameTable, choices: Choices) -> list[DicomArray]:
    """Arrange frames of one orientation, size and type; several arrays if cut.

    Raises
    ------
    InvalidDicomError
        If frames are missing, stand twice or lie at uneven distances, and the caller
        chose nothing that helps.
    """
    table = table.take(_in_order(table))
    if not _has_geometry(table):
        return [_without_geometry(table, choices)]
    placed = _place(table)
    pieces = _pieces(placed, choices)
    if pieces is not None:
        return [array for piece in pieces for array in arrange(piece, choices)]
    return [_on_grid(placed, choices)]


def _in_order(table: FrameTable) -> Rows:
    """Order frames in a way that does not depend on the names of files."""
    uid = np.unique(table.instances["sop_instance_uid"], return_inverse=True)[1]
    number = table.numbers("instance_number")[:, 0]
    return np.lexsort((table.frame, uid[table.image], number))


def _first_instance(table: FrameTable) -> tuple[float, int]:
    number = table.numbers("instance_number")[:, 0]
    return (float(np.nan_to_num(number, nan=np.inf).min()), -len(table))


def _has_geometry(table: FrameTable) -> bool:
    position, orientation = table.numbers("position"), table.numbers("orientation")
    known = position.shape[1] == 3 and orientation.shape[1] == 6
    return known and bool(
        np.isfinite(position).all() and np.isfinite(orientation).all()
    )


def _place(table: FrameTable) -> _Placed:
    position, normal = (
        table.numbers("position"),
        normal_of(table.numbers("orientation")[0]),
    )
    spacing = table.numbers("pixel_spacing")[0]
    pixel_mm = float(spacing.min()) if np.isfinite(spacing).all() else 1.0
    planes = find_planes(position, normal, pixel_mm)
    stack = stack_planes(planes, normal, pixel_mm)
    return _Placed(table, planes, stack, find_axes(table, planes.index))


def _pieces(placed: _Placed, choices: Choices) -> list[FrameTable] | None:
    """Cut what is no full grid, or say why it is none; ``None`` where it is one."""
    for fault, cut in _faults(placed):
        if choices.on_gap == "split":
            parts = [np.flatnonzero(cut == k) for k in np.unique(cut)]
            if len(parts) > 1:
                return [placed.table.take(rows) for rows in parts]
        elif choices.on_gap == "error" or not fault.can_be_filled:
            raise InvalidDicomError(fault.message)
        else:
            warn(fault.message, url=placed.table.images[0].url)
    return None


@dataclass(frozen=True, slots=True)
class _Fault:
    message: str
    can_be_filled: bool


def _faults(placed: _Placed) -> Iterator[tuple[_Fault, Rows]]:
    """Say what keeps frames from being a full grid, and how to cut them."""
    table, planes, axes = placed.table, placed.planes, placed.axes
    cells = np.stack([planes.index, *(axis.codes for axis in axes)])
    occurrence = _occurrence(cells)
    if occurrence.max():
        twice = np.flatnonzero(
            (cells[:, None] == cells[:, occurrence > 0][..., None]).all(0).any(0)
        )
        text = f"Several frames stand at one place: {_name(placed, twice)}"
        yield (
            _Fault(f"{text}. Take one of them, or on_gap='split'", can_be_filled=False),
            occurrence,
        )
    if placed.stack is None:
        runs = even_runs(planes.z)[planes.index]
        text = f"Gaps between planes are uneven: {_gaps(placed)}"
        yield _Fault(f"{text}. Choose on_gap='split'", can_be_filled=False), runs
        return
    if placed.stack.slots[-1] + 1 > len(planes.z):
        text = f"Planes are missing: {_gaps(placed)}"
        borders = np.cumsum(np.diff(placed.stack.slots, prepend=0) > 1)
        runs = borders[planes.index]
        yield (
            _Fault(f"{text}. Choose on_gap='fill' or 'split'", can_be_filled=True),
            runs,
        )
    expected = len(planes.z) * int(np.prod([axis.length for axis in axes]))
    if not occurrence.max() and expected > len(table):
        text = f"{expected - len(table)} of {expected} frames are missing: "
        text += _missing(placed)
        slow = axes[0].codes
        filled = np.bincount(slow)[slow]
        yield (
            _Fault(f"{text}. Choose on_gap='fill' or 'split'", can_be_filled=True),
            filled,
        )


def _occurrence(cells: NDArray[np.int64]) -> Rows:
    """Count, for each frame, the earlier ones in the same cell."""
    order = np.lexsort(cells)
    ordered = cells[:, order]
    new = np.concatenate([[True], (np.diff(ordered, axis=1) != 0).any(axis=0)])
    starts = np.flatnonzero(new)
    count = np.empty(cells.shape[1], np.int64)
    count[order] = np.arange(len(order)) - np.repeat(
        starts, np.diff([*starts, len(order)])
    )
    return count


def _name(placed: _Placed, rows: Rows) -> str:
    """Name frames by position and file."""
    table = placed.table
    names = []
    for row in rows[:_NAMED].tolist():
        image = table.images[table.image[row]]
        frame = f" frame {table.frame[row]}" if len(image) > 1 else ""
        z = placed.planes.z[placed.planes.index[row]]
        names.append(f"{redact_url(image.url)}{frame} (z = {z:.2f} mm)")
    more = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
    return ", ".join(names) + more


def _gaps(placed: _Placed) -> str:
    """Name the planes on both sides of gaps that are not like the smallest one."""
    z = placed.planes.z
    gaps = np.diff(z)
    odd = np.flatnonzero(gaps > 1.1 * gaps.min())
    texts = []
    for k in odd[:_NAMED].tolist():
        below, above = (
            np.flatnonzero(placed.planes.index == plane)[:1] for plane in (k, k + 1)
        )
        text = f"{gaps[k]:.2f} mm instead of {gaps.min():.2f} mm between "
        texts.append(f"{text}{_name(placed, below)} and {_name(placed, above)}")
    more = f" and {len(odd) - _NAMED} more" if len(odd) > _NAMED else ""
    return "; ".join(texts) + more


def _missing(placed: _Placed) -> str:
    """Name the empty places of the grid."""
    axes = placed.axes
    shape = (*(axis.length for axis in axes), len(placed.planes.z))
    there = np.zeros(shape, np.bool_)
    there[(*(axis.codes for axis in axes), placed.planes.index)] = True
    empty = np.argwhere(~there)
    texts = []
    for *codes, plane in empty[:_NAMED].tolist():
        at = [f"{axis.name} {code}" for axis, code in zip(axes, codes, strict=True)]
        texts.append(" ".join([*at, f"z = {placed.planes.z[plane]:.2f} mm"]))
    more = f" and {len(empty) - _NAMED} more" if len(empty) > _NAMED else ""
    folder = redact_url(placed.table.images[0].url).rpartition("/")[0]
    return (
        ", ".join(texts) + more + (f" beside the files of {folder}" if folder else "")
    )


def _on_grid(placed: _Placed, choices: Choices) -> DicomArray:
    """Put every frame into its place."""
    table, stack, axes = placed.table, placed.stack, placed.axes
    assert stack is not None, "uneven gaps were cut or refused"
    dims = (*(axis.name for axis in axes), "z")
    shape = (*(axis.length for axis in axes), int(stack.slots[-1]) + 1)
    places = np.full(shape, HOLE, np.int64)
    slot = stack.slots[placed.planes.index]
    places[(*(axis.codes for axis in axes), slot)] = np.arange(len(table))
    frame_shape = table.images[0].format.pixel.frame_shape
    coords, attrs = frame_labels(table, places, dims, source=choices.source)
    for axis in axes:
        coords |= axis_labels(axis, table)
        if axis.name == "repeat":
            message = "Nothing but Instance Number tells frames of one plane apart"
            warn(message, url=table.images[0].url)
    where, geometry = geometry_labels(table, placed.planes, stack, frame_shape)
    holes = int((places == HOLE).sum())
    if holes:
        attrs["number_of_holes"] = holes
    coords, attrs = coords | where, attrs | geometry
    fill_value = choices.fill_value
    return _array(table, places, dims, coords, attrs, fill_value=fill_value)


def _without_geometry(table: FrameTable, choices: Choices) -> DicomArray:
    """Line up frames that no position orders."""
    seconds = table.numbers("acquisition_time")[:, 0]
    cine = len(table.images) == 1 and (np.diff(seconds) > 0).all() and len(table) > 1
    name = "time" if cine else "frame"
    places = np.arange(len(table))
    coords, attrs = frame_labels(table, places, (name,), source=choices.source)
    if cine:
        coords["time"] = Coordinate(("time",), seconds - seconds[0], "s")
    return _array(table, places, (name,), coords, attrs, fill_value=None)


def _array(
    table: FrameTable,
    places: NDArray[np.int64],
    dims: tuple[str, ...],
    coords: dict[str, Coordinate],
    attrs: dict[str, Any],
    *,
    fill_value: float | None,
) -> DicomArray:
    firsts = np.cumsum([0, *(len(image) for image in table.images[:-1])])
    numbers = np.append(firsts[table.image] + table.frame, HOLE)[places]
    frame_shape = table.images[0].format.pixel.frame_shape
    return DicomArray(
        table.images,
        FrameGrid(numbers),
        (*dims, *("y", "x", "sample")[: len(frame_shape)]),
        coords=coords,
        attrs=attrs,
        fill_value=fill_value,
    )
