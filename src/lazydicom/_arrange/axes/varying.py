"""Coordinates of what varies and is no axis: times, places, weightings of every frame.

A coordinate holds for every frame that it labels: what differs along an axis has that axis.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._arrange.axes.find import Axis, combine, determined
from lazydicom._arrange.geometry import SAME_PLANE, Planes, Stack
from lazydicom._array.coordinate import Coordinate
from lazydicom._array.frame_table import FrameTable
from lazydicom._array.grid import HOLE

_VARYING: Final = {
    "inversion_time": "ms",
    "trigger_time": "ms",
    "flip_angle": "deg",
    "repetition_time": "ms",
    "kvp": "kV",
    "x_ray_tube_current": "mA",
    "exposure": "mAs",
    "b_value": "s/mm2",
    "positioner_primary_angle": "deg",
    "positioner_secondary_angle": "deg",
    "table_vertical": "mm",
    "table_longitudinal": "mm",
    "table_lateral": "mm",
}
"""Columns that are a coordinate where frames differ in them, with their units."""
_CLOCKS: Final = {
    "temporal_offset": 1.0,
    "acquisition_time": 1.0,
    "reference_time": 1.0,
    "trigger_time": 1e-3,
    "frame_reference_time": 1e-3,
    "content_time": 1.0,
}
"""Columns that tell the time of a frame, and how long their unit is."""
_SAME_TIME: Final = 1e-3
"""Seconds."""
_SAME_PART: Final = 0.01
"""Of an interval."""


def spread(
    values: NDArray[Any], places: NDArray[np.int64], dims: tuple[str, ...], units: str
) -> Coordinate:
    """Spread values of frames over the grid, along those axes only on which they vary."""
    grid = values[places]
    if (places == HOLE).any():
        grid[places == HOLE] = "" if values.dtype.kind == "U" else np.nan
        return Coordinate(dims, grid, units)
    kept = list(dims)
    for axis in reversed(range(len(dims))):
        first = grid.take([0], axis=axis)
        same = (grid == first) | ((grid != grid) & (first != first))  # noqa: PLR0124
        if len(kept) > 1 and same.all():
            grid = first.squeeze(axis)
            del kept[axis]
    return Coordinate(tuple(kept), grid, units)


def varying_labels(
    table: FrameTable, places: NDArray[np.int64], dims: tuple[str, ...]
) -> dict[str, Coordinate]:
    """Return coordinates of the columns in which frames differ."""
    coords = {
        name: spread(table.numbers(name)[:, 0], places, dims, units)
        for name, units in _VARYING.items()
        if name not in dims and _varies(table.numbers(name))
    }
    seconds = table.numbers("acquisition_time")[:, 0]
    if np.isfinite(seconds).all() and np.ptp(seconds) > 0:
        since_first = np.round(seconds - seconds.min(), 6)
        coords["acquisition_time"] = spread(since_first, places, dims, "s")
    return coords


def moved_origins(
    table: FrameTable,
    planes: Planes,
    stack: Stack,
    grid: tuple[NDArray[np.int64], tuple[str, ...]],
    *,
    pixel_mm: float,
) -> dict[str, Coordinate]:
    """Return the origin of each volume, where volumes moved by a fraction of a pixel.

    `grid` is the row of the frame at each position, and the names of the axes.
    """
    moves = table.numbers("position") - planes.positions[planes.index]
    if np.abs(moves).max() <= SAME_PLANE * pixel_mm:
        return {}
    origins = np.round(stack.origin + moves, 6)
    return {
        f"origin_{name}": spread(origins[:, k], *grid, "mm")
        for k, name in enumerate("xyz")
    }


def time_label(axis: Axis, axes: list[Axis], table: FrameTable) -> Coordinate:
    """Return seconds from the first position, a count where other axes tell other times."""
    for column, unit in _CLOCKS.items():
        seconds = _times(axis, axes, table.numbers(column)[:, 0] * unit)
        if seconds is not None:
            relative = np.round(seconds - seconds[0], 6)
            return Coordinate((axis.name,), relative, "s")
    return Coordinate((axis.name,), np.arange(axis.length))


def _times(
    axis: Axis, axes: list[Axis], seconds: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Return the time of each position, ``None`` where it does not hold or does not rise."""
    if np.isnan(seconds).any():
        return None
    shape = tuple(one.length for one in axes)
    begins = np.full(shape, np.inf)
    np.minimum.at(begins, tuple(one.codes for one in axes), seconds)
    number = [one.name for one in axes].index(axis.name)
    by_position = np.moveaxis(begins, number, 0).reshape(axis.length, -1)
    known = np.isfinite(by_position)
    if not known.any(axis=1).all():
        return None
    first = by_position.min(axis=1)
    last = np.where(known, by_position, -np.inf).max(axis=1)
    intervals = np.diff(first)
    if (intervals <= 0).any():
        return None
    tolerance = max(_SAME_TIME, _SAME_PART * intervals.min(initial=np.inf))
    return first if (last - first).max() <= tolerance else None


def is_of_volumes(codes: NDArray[np.int64], axes: list[Axis]) -> bool:
    """Return whether `codes` is the same for all planes of a volume, and varies."""
    volumes = combine(np.zeros(len(codes), np.int64), *(axis.codes for axis in axes))
    return codes.max() > 0 and determined(volumes, codes)


def _varies(column: NDArray[np.float64]) -> bool:
    values = column[:, 0]
    known = values[~np.isnan(values)]
    return known.size > 0 and bool(
        known.size < values.size or (known != known[0]).any()
    )
