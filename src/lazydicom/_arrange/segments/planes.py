"""Where the frames of a segmentation lie: planes at equal distances, or tiles of planes.

Empty frames are left out by most writers, so planes may be missing: they are empty. Nothing
here looks at segments.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._arrange.geometry import (
    Stack,
    affine_of,
    find_planes,
    has_position,
    has_spacing,
    normal_of,
    spans_plane,
    with_unit_directions,
)
from lazydicom._arrange.slides.facts import (
    SlideFacts,
    read_facts,
    with_unit_orientation,
)
from lazydicom._arrange.slides.focal_planes import find_focal_planes, geometry_of
from lazydicom._arrange.slides.tiles import place_tiles, read_heights
from lazydicom._array.coordinate import Coordinate
from lazydicom._array.frame_table import FrameTable
from lazydicom._array.grid import Tiles
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom.errors import InvalidDicomError

_SAME_DIRECTION: Final = 1e-4
_SAME_SPACING: Final = 1e-3
_UNEVEN: Final = 0.01
"""Part of the distance by which planes may lie elsewhere."""
_MOST_PLANES: Final = 1 << 20
_COLUMNS: Final = ("tile_row", "tile_column", "slide_z", "segment_number")
"""What functional groups say of the place of a tile."""


@dataclass(frozen=True, slots=True, eq=False)
class FramePlaces:
    """The place of each frame of a table, but for its segment."""

    z: NDArray[np.int64]
    planes: int
    tile: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None
    """Row and column of each frame among the tiles; ``None``: a frame is a plane."""
    layout: Tiles | None = None
    tiles: tuple[int, int] = (1, 1)
    """Tiles below each other, and side by side."""
    coords: dict[str, Coordinate] | None = None
    attrs: dict[str, Any] | None = None


def place_frames(table: FrameTable, numbers: Sequence[int]) -> FramePlaces:
    """Find the place of each frame.

    Parameters
    ----------
    table : FrameTable
        Of all instances, in the order of their frames.
    numbers : sequence of int
        Of the segments that have frames of their own; none in a label map.

    Raises
    ------
    InvalidDicomError
        If frames are turned to each other, lie at uneven distances, or are tiles of a
        matrix without pixels.
    """
    if _has_tiles(table):
        return _tiles(table, numbers)
    table = with_unit_directions(table)
    position, orientation = table.numbers("position"), table.numbers("orientation")
    flat = ~spans_plane(orientation)
    if flat.all() or not has_position(position).all():
        return _without_positions(table)
    if flat.any():
        raise _error(table, "Frame has no orientation, others have one", flat)
    turned = np.abs(orientation - orientation[0]).max(axis=1) > _SAME_DIRECTION
    if turned.any():
        raise _error(table, "Frame has another orientation than the first", turned)
    spacing = table.numbers("pixel_spacing")
    resized = ~np.isclose(spacing, spacing[0], _SAME_SPACING, 0, equal_nan=True)
    if resized.any():
        message = "Frame has pixels of another size than the first"
        raise _error(table, message, np.asarray(resized.any(axis=1)))
    return _stacked(table, position, orientation[0])


def _has_tiles(table: FrameTable) -> bool:
    """Return whether frames are tiles, be the matrix whole or not."""
    sides = [table.instances[name] for name in ("total_rows", "total_columns")]
    kind = str(table.instances["dimension_organization_type"][0])
    return bool(np.isfinite(sides).any()) or kind.startswith("TILED")


def _stacked(
    table: FrameTable, position: NDArray[np.float64], orientation: NDArray[np.float64]
) -> FramePlaces:
    normal = normal_of(orientation)
    spacing = table.numbers("pixel_spacing")[:1]
    known = bool(has_spacing(spacing).all())
    planes = find_planes(position, normal, float(spacing.min()) if known else 1.0)
    step, slots = _slots(table, planes.z)
    origin = planes.positions[0]
    distance = step or float("nan")
    along = normal * (step or 1.0)
    if len(slots) > 1:
        along = (planes.positions[-1] - origin) / slots[-1]
    expected = origin + slots[planes.index][:, None] * along
    moved = np.linalg.norm(position - expected, axis=1) > max(_UNEVEN * step, 0.01)
    if moved.any():
        raise _error(table, "Frame does not lie in line with the others", moved)
    stack = Stack(slots, origin, along)
    heights = planes.z[0] + (step or 1.0) * np.arange(int(slots[-1]) + 1)
    coords = {"z": Coordinate(("z",), heights, "mm")}
    attrs: dict[str, Any] = {"orientation": orientation.tolist()}
    if known:
        rows, columns = table.images[0].plane_shape[:2]
        for name, direction, length, pixel in (
            ("y", orientation[3:], rows, float(spacing[0, 0])),
            ("x", orientation[:3], columns, float(spacing[0, 1])),
        ):
            values = float(origin @ direction) + pixel * np.arange(length)
            coords[name] = Coordinate((name,), values, "mm")
        attrs["spacing"] = [distance, *spacing[0].tolist()]
        attrs["affine"] = affine_of(orientation, spacing[0], stack)
    count = int(slots[-1]) + 1
    return FramePlaces(slots[planes.index], count, coords=coords, attrs=attrs)


def _slots(
    table: FrameTable, z: NDArray[np.float64]
) -> tuple[float, NDArray[np.int64]]:
    """Return the distance of planes, 0 for one plane, and the place of each."""
    declared = table.numbers("spacing_between_slices")[:, 0]
    known = declared[np.isfinite(declared) & (np.abs(declared) > 0)]
    if len(z) == 1:
        return float(abs(known[0])) if known.size else 0.0, np.zeros(1, np.int64)
    gaps = np.diff(z)
    for step in (*np.abs(known[:1]).tolist(), float(gaps.min())):
        places = (z - z[0]) / step
        even = np.abs(gaps / step - np.rint(gaps / step)).max() <= _UNEVEN
        if even and (np.rint(gaps / step) >= 1).all() and places[-1] < _MOST_PLANES:
            counts = np.concatenate([[0], np.cumsum(np.rint(gaps / step))])
            slots = counts.astype(np.int64)
            return float((z[-1] - z[0]) / counts[-1]), slots
    smallest, largest = gaps.min(), gaps.max()
    message = (
        f"Planes lie {smallest:.4g} to {largest:.4g} mm apart, and no distance divides"
        " all of the gaps"
    )
    raise InvalidDicomError(message, url=table.images[0].url)


def _without_positions(table: FrameTable) -> FramePlaces:
    """Take frames without a place for planes in the order of the file, if all have none."""
    if np.isfinite(table.numbers("position")).any():
        missing = np.asarray(np.isnan(table.numbers("position")).any(axis=1))
        if missing.any():
            raise _error(table, "Frame has no position, others have one", missing)
        message = "Frame has a position and no orientation that spans a plane"
        raise _error(table, message, ~missing)
    segment = table.numbers("segment_number")[:, 0]
    numbers, counts = np.unique(segment, return_counts=True)
    if len(set(counts.tolist())) > 1:
        message = "Frames have no position, and segments have several numbers of them"
        raise InvalidDicomError(message, url=table.images[0].url)
    z = np.empty(len(table), np.int64)
    for number in numbers:
        of_segment = np.isnan(segment) if np.isnan(number) else segment == number
        z[of_segment] = np.arange(int(of_segment.sum()))
    return FramePlaces(z, int(z.max()) + 1, coords={}, attrs={})


def _tiles(table: FrameTable, numbers: Sequence[int]) -> FramePlaces:
    """Find the place of each frame in the total pixel matrix (PS3.3 section C.7.6.17)."""
    parts = _parts(table, numbers)
    first = parts[0]
    if first.is_full:
        placed = place_tiles(parts, fills=False)
        at, heights, known = (placed.row, placed.column), placed.z, placed.has_heights
    else:
        at, known = _sparse(table, first.tile), True
        heights = np.concatenate([read_heights(one, one.columns()) for one in parts])
    outside: NDArray[np.bool_] = (at[0] >= first.tiles[0]) | (at[1] >= first.tiles[1])
    if outside.any():
        raise _error(table, "Tile lies outside of the Total Pixel Matrix", outside)
    planes = find_focal_planes(heights, has_heights=known)
    return FramePlaces(
        planes.index(heights),
        len(planes.heights),
        at,
        Tiles(first.tile, first.matrix),
        first.tiles,
        {"z": planes.coordinate()},
        geometry_of(first, planes),
    )


def _parts(table: FrameTable, numbers: Sequence[int]) -> list[SlideFacts]:
    """Return what the instances say of their tiles, in the order of their frames.

    Planes are repeated for segments, by number, as for optical paths.
    """
    images, first = np.unique(table.image, return_index=True)
    names = [name for name in _COLUMNS if name in table.columns]
    if not numbers:
        names = [name for name in names if name != "segment_number"]
    parts = []
    for k in images[np.argsort(first)].tolist():
        rows = table.image == k
        parts.append(
            replace(
                with_unit_orientation(read_facts(table.images[k])),
                paths=tuple(map(str, numbers)),
                path_column="segment_number",
                read_columns={name: table.columns[name][rows] for name in names},
            )
        )
    return parts


def _sparse(
    table: FrameTable, tile: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    places = [table.numbers(name)[:, 0] - 1 for name in ("tile_row", "tile_column")]
    known = np.isfinite(places[0]) & np.isfinite(places[1])
    if not known.all():
        raise _error(table, "Tile has no position in the Total Pixel Matrix", ~known)
    off = [
        (place % length != 0) | (place < 0)
        for place, length in zip(places, tile, strict=True)
    ]
    wrong: NDArray[np.bool_] = off[0] | off[1]
    if wrong.any():
        raise _error(table, "Tile does not stand on the grid of tiles", wrong)
    down, across = (
        (place // length).astype(np.int64)
        for place, length in zip(places, tile, strict=True)
    )
    return down, across


def _error(
    table: FrameTable, message: str, wrong: NDArray[np.bool_]
) -> InvalidDicomError:
    row = int(np.flatnonzero(wrong)[0])
    image = table.images[table.image[row]]
    return InvalidDicomError(message, url=image.url, frame=int(table.frame[row]))
