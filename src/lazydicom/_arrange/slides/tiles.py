"""The place of every tile (PS3.3 section C.7.6.17): counted, or read from functional groups.

TILED_FULL tiles follow each other: along a row, row by row, focal plane by focal plane,
optical path by optical path. Others say where they are.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from lazydicom._arrange.slides.facts import SlideFacts
from lazydicom._array.coordinate import SAME_HEIGHT
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._header.columns.functional_groups import has_frame_groups
from lazydicom.errors import InvalidDicomError, warn

_PATHS: Final = {"optical_path": "optical paths", "segment_number": "segments"}
"""What planes are repeated for, as messages say it."""


@dataclass(frozen=True, slots=True, eq=False)
class PlacedTiles:
    """The tiles of one instance, or of the parts of a concatenation."""

    parts: tuple[SlideFacts, ...]
    """In the order of their frames."""
    part: NDArray[np.int64]
    """Which part each tile is of."""
    frame: NDArray[np.int64]
    """Its frame there."""
    row: NDArray[np.int64]
    column: NDArray[np.int64]
    """Row and column of tiles, counted from 0."""
    path: NDArray[np.int64]
    """Its optical path, counted in `paths`."""
    paths: tuple[str, ...]
    """Identifiers of optical paths."""
    z: NDArray[np.float64]
    """Height of its focal plane in mm, or its number where heights are unknown."""
    has_heights: bool = True


def join_parts(facts: Sequence[SlideFacts], *, fills: bool) -> list[list[SlideFacts]]:
    """Return the instances of one level, those of a concatenation together and in order.

    Raises
    ------
    InvalidDicomError
        If a part is missing, and holes are not filled, or stands twice.
    """
    objects: dict[str, list[SlideFacts]] = {}
    known: dict[str, SlideFacts] = {}
    for one in facts:
        if one.instance in known:
            text = f"The same instance as {known[one.instance].name}, taken once"
            warn(text, url=one.image.url)
            continue
        known[one.instance] = one
        objects.setdefault(one.concatenation or one.instance, []).append(one)
    joined = [sorted(parts, key=lambda p: p.first_frame) for parts in objects.values()]
    for parts in joined:
        _check_parts(parts, fills=fills)
    return joined


def place_tiles(parts: Sequence[SlideFacts], *, fills: bool) -> PlacedTiles:
    """Find the place of every tile of an instance, or of the parts of a concatenation.

    Raises
    ------
    InvalidDicomError
        If tiles are too few or too many, off the grid, beyond the matrix, or lie elsewhere
        than their order says.
    """
    counts = [len(one.image) for one in parts]
    part = np.repeat(np.arange(len(parts)), counts)
    frame = np.concatenate([np.arange(count) for count in counts])
    place = _count_tiles if parts[0].is_full else _read_tiles
    return PlacedTiles(tuple(parts), part, frame, *place(parts, fills))


def _check_parts(parts: Sequence[SlideFacts], *, fills: bool) -> None:
    first = parts[0]
    for before, one in pairwise(parts):
        if one.first_frame < before.first_frame + len(before.image):
            text = f"Frame {one.first_frame} of a concatenation stands in two parts: "
            _refuse(one, f"{text}{before.name} and this", frame=0)
        if (one.tile, one.matrix) != (first.tile, first.matrix):
            _refuse(one, f"Expected tiles as in {first.name}, found other ones")
        if one.is_full != first.is_full:
            text = f"Expected tiles organized as in {first.name}: one is TILED_FULL"
            _refuse(one, f"{text}, one is not", frame=0)
    if not first.concatenation or fills:
        return
    expected = 0
    for one in parts:
        if one.first_frame != expected:
            text = (
                f"Expected frame {expected} of a concatenation, found {one.first_frame}"
            )
            _refuse(one, text, frame=0)
        expected += len(one.image)
    if first.parts is not None and first.parts != len(parts):
        _refuse(
            parts[-1],
            f"Expected {first.parts} parts of a concatenation, found {len(parts)}",
        )


class _Places(NamedTuple):
    """Where tiles lie, as `PlacedTiles` has it."""

    row: NDArray[np.int64]
    column: NDArray[np.int64]
    path: NDArray[np.int64]
    paths: tuple[str, ...]
    z: NDArray[np.float64]
    has_heights: bool


def _count_tiles(parts: Sequence[SlideFacts], fills: bool) -> _Places:  # noqa: FBT001
    """Count tiles in their order, and compare with functional groups where there are any."""
    first = parts[0]
    down, across = first.tiles
    paths = first.paths or ("",)
    planes = _focal_planes(parts, down * across * len(paths))
    frames = sum(len(one.image) for one in parts)
    expected = down * across * planes * len(paths)
    if frames != expected and not (fills and first.concatenation):
        one, frame = _part_of(parts, min(frames, expected))
        text = (
            f"Expected {expected} tiles: {down}×{across}, {planes} focal planes, "
            f"{len(paths)} {_PATHS[first.path_column]}; found {frames}"
        )
        _refuse(one, text, frame=frame)  # the first that is missing, or too many
    order = np.concatenate(
        [np.arange(len(one.image)) + one.first_frame for one in parts]
        if first.concatenation
        else [np.arange(frames)]
    )
    if order[-1] >= expected:
        _refuse(parts[-1], f"Expected {expected} tiles, found frame {order[-1]}")
    shape = (len(paths), planes, down, across)
    indices = np.unravel_index(order, shape)
    path, plane, row, column = (one.astype(np.int64) for one in indices)
    z, known = _counted_heights(parts, plane, planes)
    places = _Places(row, column, path, paths, z, known)
    _compare_with_groups(parts, places)
    return places


def _focal_planes(parts: Sequence[SlideFacts], tiles: int) -> int:
    """Return how many there are; real files may not say so."""
    first = parts[0]
    if first.focal_planes:
        return first.focal_planes
    frames = sum(len(one.image) for one in parts)
    return max(frames // tiles, 1) if frames % tiles == 0 else 1


def _counted_heights(
    parts: Sequence[SlideFacts], plane: NDArray[np.int64], planes: int
) -> tuple[NDArray[np.float64], bool]:
    """Return heights in mm; numbers of planes where nobody tells their distance.

    Raises
    ------
    InvalidDicomError
        If functional groups place a tile at another height than its plane.
    """
    first = parts[0]
    start = first.origin[2] if first.origin else 0.0
    if planes == 1:
        return np.full(len(plane), start), True
    if first.focal_distance:
        counted = np.asarray(start + plane * first.focal_distance, np.float64)
        _check_heights(parts, _group_heights(parts), counted)
        return counted, True
    declared = _group_heights(parts)
    if np.isfinite(declared).all():
        heights = np.zeros(planes)
        heights[plane[::-1]] = declared[::-1]  # that of the first tile of each plane
        _check_heights(parts, declared, heights[plane])
        return heights[plane], True
    text = "No element says how far focal planes are apart: z counts them, in no unit"
    warn(text, url=first.image.url)
    return plane.astype(np.float64), False


def _group_heights(parts: Sequence[SlideFacts]) -> NDArray[np.float64]:
    """Return Z Offset of each tile in mm, NaN where functional groups have none."""
    declared = []
    for one in parts:
        heights = np.full(len(one.image), np.nan)
        if has_frame_groups(one.image.header):
            column = one.columns().get("slide_z")
            if column is not None:
                heights = np.asarray(column[: len(heights), 0], np.float64) / 1000
        declared.append(heights)
    return np.concatenate(declared)


def _check_heights(
    parts: Sequence[SlideFacts],
    declared: NDArray[np.float64],
    counted: NDArray[np.float64],
) -> None:
    far = np.abs(declared - counted) > SAME_HEIGHT  # NaN, not declared, is never far
    wrong = np.flatnonzero(far)
    if wrong.size:
        number = int(wrong[0])
        one, frame = _part_of(parts, number)
        text = "TILED_FULL counts another focal plane than the functional groups"
        found = f"{counted[number]:.6g} mm, not {declared[number]:.6g} mm"
        _refuse(one, f"{text}: {found}", frame=frame)


def _part_of(parts: Sequence[SlideFacts], number: int) -> tuple[SlideFacts, int]:
    """Return the part of which a tile is, or would be, and its frame there."""
    for one in parts[:-1]:
        if number < len(one.image):
            return one, number
        number -= len(one.image)
    return parts[-1], number


def _compare_with_groups(parts: Sequence[SlideFacts], counted: _Places) -> None:
    """Refuse tiles whose functional groups say that they lie elsewhere.

    Raises
    ------
    InvalidDicomError
        If one does: which of the two is true, nobody knows.
    """
    stop = 0
    for one in parts:
        start, stop = stop, stop + len(one.image)
        if not has_frame_groups(one.image.header):
            continue
        columns, frames = one.columns(), slice(len(one.image))
        span = slice(start, stop)
        expected = {
            "tile_row": counted.row[span] * one.tile[0] + 1,
            "tile_column": counted.column[span] * one.tile[1] + 1,
            one.path_column: _path_names(one, counted)[counted.path[span]],
        }
        for name in columns.keys() & expected.keys():
            declared = columns[name][frames]
            declared = declared if declared.ndim == 1 else declared[:, 0]
            known = declared == declared  # noqa: PLR0124 (no text is NaN)
            wrong = np.flatnonzero((declared != expected[name]) & known)
            if wrong.size:
                frame = int(wrong[0])
                text = f"TILED_FULL counts another {name} than the functional groups"
                if declared.dtype.kind == "f":
                    text += f": {expected[name][frame]:.0f}, not {declared[frame]:.0f}"
                else:  # numbers: identifiers are free text
                    numbers = {path: k for k, path in enumerate(counted.paths)}
                    other = numbers.get(str(declared[frame]), "an unknown one")
                    text += f": path {numbers[str(expected[name][frame])]}, not {other}"
                _refuse(one, text, frame=frame)


def _path_names(facts: SlideFacts, counted: _Places) -> NDArray[Any]:
    """Return identifiers of optical paths, or numbers of segments."""
    names = np.array(counted.paths, np.str_)
    if facts.path_column == "optical_path":
        return names
    return np.where(names == "", "nan", names).astype(np.float64)


def _read_tiles(parts: Sequence[SlideFacts], fills: bool) -> _Places:  # noqa: FBT001
    """Read the positions of tiles from the functional groups."""
    del fills
    places = [_positions(one) for one in parts]
    row, column, named, z = (np.concatenate(one) for one in zip(*places, strict=True))
    names, path = _numbered(named)
    return _Places(row, column, path, names, z, has_heights=True)


def _numbered(names: NDArray[np.str_]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the names that there are, and which of them each is."""
    if (names == names[0]).all():  # to sort 100,000 of them takes 5 ms
        return (str(names[0]),), np.zeros(len(names), np.int64)
    unique, numbers = np.unique(names, return_inverse=True)
    return tuple(map(str, unique)), numbers.astype(np.int64)


def _positions(
    facts: SlideFacts,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.str_], NDArray[np.float64]]:
    """Return row, column, optical path and focal plane of each tile."""
    columns, frames = facts.columns(), len(facts.image)
    tiles = []
    for name, axis in (("tile_row", 0), ("tile_column", 1)):
        if name not in columns:
            if frames == 1 and facts.tiles == (1, 1):
                tiles.append(np.zeros(1, np.int64))
                continue
            _refuse(facts, "Tiles do not say where they are in the total pixel matrix")
        tiles.append(_tile_numbers(facts, columns[name][:frames, 0], axis))
    return tiles[0], tiles[1], _paths(facts, columns), read_heights(facts, columns)


def _tile_numbers(
    facts: SlideFacts, position: NDArray[np.float64], axis: int
) -> NDArray[np.int64]:
    """Return rows, or columns, of tiles; positions count pixels from 1."""
    tile, length = facts.tile[axis], facts.matrix[axis]
    word = ("Row", "Column")[axis]
    wrong = np.flatnonzero(~np.isfinite(position))
    if wrong.size:
        _refuse(facts, f"{word} Position is missing", frame=int(wrong[0]))
    wrong = np.flatnonzero((position < 1) | (position > length))
    if wrong.size:
        text = f"{word} Position {position[wrong[0]]:.0f} is beyond the {length} pixels"
        _refuse(facts, f"{text} of the matrix", frame=int(wrong[0]))
    wrong = np.flatnonzero((position - 1) % tile != 0)
    if wrong.size:
        text = f"{word} Position {position[wrong[0]]:.0f} is off the grid of tiles of"
        _refuse(facts, f"{text} {tile} pixels", frame=int(wrong[0]))
    return ((position - 1) // tile).astype(np.int64)


def _paths(facts: SlideFacts, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.str_]:
    frames = len(facts.image)
    if "optical_path" in columns:
        path = columns["optical_path"][:frames].astype(np.str_)
        unknown = np.flatnonzero(~np.isin(path, facts.paths or path))
        if unknown.size:
            frame = int(unknown[0])
            count = len(facts.paths)
            text = (
                f"The optical path of a tile is none of the {count} that are described"
            )
            _refuse(facts, text, frame=frame)
        return path
    if len(facts.paths) > 1:
        _refuse(facts, f"Tiles of {len(facts.paths)} optical paths do not name theirs")
    return np.full(frames, facts.paths[0] if facts.paths else "")


def read_heights(
    facts: SlideFacts, columns: Mapping[str, NDArray[Any]]
) -> NDArray[np.float64]:
    """Return Z Offset, which is in µm, in mm; 0 where no tile has one.

    Raises
    ------
    InvalidDicomError
        If some have one, and others none.
    """
    frames = len(facts.image)
    if "slide_z" not in columns:
        return np.zeros(frames)
    heights = np.asarray(columns["slide_z"][:frames, 0], np.float64) / 1000
    unknown = np.flatnonzero(~np.isfinite(heights))
    if 0 < unknown.size < frames:
        _refuse(facts, "Z Offset is missing", frame=int(unknown[0]))
    return np.zeros(frames) if unknown.size else heights


def _refuse(facts: SlideFacts, message: str, *, frame: int | None = None) -> NoReturn:
    raise InvalidDicomError(message, url=facts.image.url, frame=frame)
