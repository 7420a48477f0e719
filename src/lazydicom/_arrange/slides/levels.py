"""From tiles that have found their place to the levels of one image, with coordinates in mm."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lazydicom._arrange.frame_table import tabulate_images
from lazydicom._arrange.slides.alike import check_alike, turned
from lazydicom._arrange.slides.background import background_of
from lazydicom._arrange.slides.facts import SlideFacts, with_unit_orientation
from lazydicom._arrange.slides.focal_planes import (
    FocalPlanes,
    find_focal_planes,
    geometry_of,
)
from lazydicom._arrange.slides.stated import height_of
from lazydicom._arrange.slides.tiles import PlacedTiles, join_parts, place_tiles
from lazydicom._array.array import DicomArray
from lazydicom._array.coordinate import SAME_HEIGHT, Coordinate, crop_coordinates
from lazydicom._array.fill import FillValue
from lazydicom._array.grid import HOLE, FrameGrid, Tiles, empty_places
from lazydicom._array.image import DicomImage
from lazydicom._array.table_loader import FrameTableLoader
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._header.values import technical_attributes
from lazydicom.errors import InvalidDicomError, warn

Fill: TypeAlias = FillValue | Literal["auto"]
_SAME_SIZE: Final = 0.01
"""Imaged volumes that differ by a smaller part are as large as the matrix."""


@dataclass(frozen=True, slots=True)
class SlideChoices:
    """What the caller decided."""

    fill_value: Fill = "auto"
    fills: bool = False
    """Let parts of a concatenation be missing."""
    squeeze: bool = True
    """Leave out axes of length 1."""


@dataclass(frozen=True, slots=True, eq=False)
class _Level:
    """All tiles of one total pixel matrix."""

    tiles: list[PlacedTiles]
    paths: list[str]
    planes: FocalPlanes

    @property
    def first(self) -> SlideFacts:
        return self.tiles[0].parts[0]

    @property
    def images(self) -> tuple[DicomImage, ...]:
        return tuple(one.image for placed in self.tiles for one in placed.parts)


def make_levels(facts: Sequence[SlideFacts], choices: SlideChoices) -> list[DicomArray]:
    """Return an array for each total pixel matrix, the largest first.

    Raises
    ------
    InvalidDicomError
        If tiles are missing, stand twice, or contradict, or axes are skewed.
    """
    by_matrix: dict[tuple[int, int], list[SlideFacts]] = {}
    for one in facts:
        by_matrix.setdefault(one.matrix, []).append(with_unit_orientation(one))
    order = sorted(by_matrix, key=lambda matrix: (-matrix[0] * matrix[1], matrix))
    levels = [_level(by_matrix[matrix], choices) for matrix in order]
    levels = [levels[0], *(_in_order_of(levels[0], level) for level in levels[1:])]
    outer = tuple(
        name
        for name, most in (
            ("path", max(len(level.paths) for level in levels)),
            ("z", max(len(level.planes.heights) for level in levels)),
        )
        if most > 1 or not choices.squeeze
    )
    coords = (*outer, *_squeezed_but_different(levels, outer))
    _warn_of_turned(levels)
    return [_array(level, levels[0].first, outer, coords, choices) for level in levels]


def _in_order_of(finest: _Level, level: _Level) -> _Level:
    """Put optical paths in the order of the finest level; those it has not come last."""
    places = {name: place for place, name in enumerate(finest.paths)}
    paths = sorted(level.paths, key=lambda name: places.get(name, len(places)))
    return level if paths == level.paths else replace(level, paths=paths)


def _warn_of_turned(levels: Sequence[_Level]) -> None:
    """Warn of levels that no shift and scale lays on the finest one."""
    for number, level in enumerate(levels):
        if turned(levels[0].first, level.first):
            message = (
                f"Level {number} has rows and columns in other directions than level 0"
            )
            warn(message, url=level.first.image.url)


def _squeezed_but_different(
    levels: Sequence[_Level], outer: tuple[str, ...]
) -> list[str]:
    """Return the axes of length 1 at which levels are at other places, and say so."""
    named = {level.paths[0] for level in levels}
    heights = [float(level.planes.heights[0]) for level in levels]
    different = []
    if "path" not in outer and len(named) > 1 and "" not in named:
        different.append("path")
    if (
        "z" not in outer
        and np.ptp(heights) > SAME_HEIGHT
        and all(height_of(level.images) is not None for level in levels)
    ):
        different.append("z")
    return different


def _level(facts: Sequence[SlideFacts], choices: SlideChoices) -> _Level:
    ordered = sorted(facts, key=lambda one: (one.first_frame, one.image.url))
    check_alike(ordered)
    joined = join_parts(ordered, fills=choices.fills)
    tiles = [place_tiles(parts, fills=choices.fills) for parts in joined]
    named = [name for placed in tiles for one in placed.parts for name in one.paths]
    used = {
        name
        for placed in tiles
        for name, count in zip(
            placed.paths,
            np.bincount(placed.path, minlength=len(placed.paths)),
            strict=True,
        )
        if count
    }
    paths = [name for name in dict.fromkeys([*named, *sorted(used)]) if name in used]
    z = np.concatenate([placed.z for placed in tiles])
    known = {placed.has_heights for placed in tiles}
    if len(known) > 1:
        text = "Some instances of a level say how far focal planes are apart, not all"
        raise InvalidDicomError(text, url=tiles[-1].parts[0].image.url)
    return _Level(tiles, paths, find_focal_planes(z, has_heights=known.pop()))


def _array(
    level: _Level,
    finest: SlideFacts,
    outer: tuple[str, ...],
    named: tuple[str, ...],
    choices: SlideChoices,
) -> DicomArray:
    facts = level.first
    numbers = _numbers(level)
    missing = int((numbers == HOLE).sum())
    lengths = {"path": len(level.paths), "z": len(level.planes.heights)}
    if missing == 0:
        numbers = numbers.astype(np.int64)
    grid = numbers.reshape(*(lengths[name] for name in outer), *facts.tiles)
    images = level.images
    shape = images[0].format.pixel.frame_shape
    dims = (*outer, *("y", "x", "sample")[: len(shape)])
    fill_value, declared = background_of(
        facts, choices.fill_value, has_holes=missing > 0
    )
    attrs = technical_attributes(facts.image.header.elements, url=facts.image.url)
    if facts.image.format.converts_to_rgb:
        attrs["photometric_interpretation"] = "RGB"
    coords = _coordinates(level, finest, named)
    coords = crop_coordinates(coords, {name: 0 for name in named if name not in outer})
    attrs |= _geometry(level, finest)
    attrs |= {"image_type": facts.kind, "missing_tiles": missing}
    if declared is not None:
        attrs["absent_pixel"] = declared
    return DicomArray(
        images,
        FrameGrid(grid, Tiles(facts.tile, facts.matrix)),
        dims,
        coords=coords,
        attrs=attrs,
        fill_value=fill_value,
        load_frames=FrameTableLoader(images, tabulate_images),
    )


def _numbers(level: _Level) -> NDArray[np.int64]:
    """Return the frame at each place: (path, z, row, column).

    Raises
    ------
    InvalidDicomError
        If two tiles stand at one place.
    LimitError
        If the matrix claims more places than any slide has.
    """
    down, across = level.first.tiles
    shape = (len(level.paths), len(level.planes.heights), down, across)
    numbers = empty_places(shape, url=level.first.image.url)
    flat = numbers.reshape(-1)
    sources: list[tuple[SlideFacts, int]] = []
    for placed in level.tiles:
        place = np.ravel_multi_index(_index(level, placed), shape)
        first = sum(len(one.image) for one, _ in sources)
        firsts = [first]
        for one in placed.parts:
            sources.append((one, firsts[-1]))
            firsts.append(firsts[-1] + len(one.image))
        own = np.array(firsts)[placed.part] + placed.frame
        counts = np.bincount(place)
        if counts.max() > 1:
            again = np.flatnonzero(place == counts.argmax())[:2]
            _refuse_twice(sources, own[again].tolist(), int(place[again[0]]), shape)
        taken = np.flatnonzero(flat[place] != HOLE)
        if taken.size:
            k = int(taken[0])
            pair = [int(flat[place[k]]), int(own[k])]
            _refuse_twice(sources, pair, int(place[k]), shape)
        flat[place] = own
    return numbers


def _index(level: _Level, placed: PlacedTiles) -> tuple[NDArray[np.int64], ...]:
    places = [
        level.paths.index(one) if one in level.paths else 0 for one in placed.paths
    ]
    path = np.array(places, np.int64)[placed.path]
    return path, level.planes.index(placed.z), placed.row, placed.column


def _refuse_twice(
    sources: Sequence[tuple[SlideFacts, int]],
    numbers: Sequence[int],
    place: int,
    shape: tuple[int, ...],
) -> None:
    """Name the two tiles that stand at one place."""
    named = []
    for number in numbers:
        facts, first = [one for one in sources if one[1] <= number][-1]
        named.append((facts, number - first))
    (one, frame), (other, again) = named
    *_, row, column = (int(k) for k in np.unravel_index(place, shape))
    message = (
        f"Two tiles in row {row}, column {column} of tiles: frame {frame} of {one.name} "
        f"and frame {again}"
    )
    raise InvalidDicomError(message, url=other.image.url, frame=again)


def _coordinates(
    level: _Level, finest: SlideFacts, named: tuple[str, ...]
) -> dict[str, Coordinate]:
    """Return y and x in mm from the centre of the first pixel of the finest level."""
    facts, coords = level.first, {}
    if "path" in named:
        coords["path"] = Coordinate(("path",), np.array(level.paths))
    if "z" in named:
        coords["z"] = level.planes.coordinate()
    if facts.spacing is None:
        return coords
    starts = _start(facts, finest)
    for name, start, step, length in zip(
        "yx", starts, facts.spacing, facts.matrix, strict=True
    ):
        coords[name] = Coordinate((name,), start + step * np.arange(length), "mm")
    return coords


def _start(facts: SlideFacts, finest: SlideFacts) -> tuple[float, float]:
    """Return where the first pixel is, down and across, from that of the finest level."""
    known = facts.origin and finest.origin and facts.orientation
    if not known or not facts.origin or not finest.origin or not facts.orientation:
        return 0.0, 0.0
    moved = np.subtract(facts.origin, finest.origin)
    down, across = np.array(facts.orientation[3:]), np.array(facts.orientation[:3])
    return float(moved @ down), float(moved @ across)


def _geometry(level: _Level, finest: SlideFacts) -> dict[str, Any]:
    facts = level.first
    pairs = zip(finest.matrix, facts.matrix, strict=True)
    down, across = (whole / own for whole, own in pairs)
    if facts.spacing is not None:
        _warn_of_size(facts)
    return {"downsample": (down + across) / 2, **geometry_of(facts, level.planes)}


def _warn_of_size(facts: SlideFacts) -> None:
    """Warn where the imaged volume is of another size than the pixels together."""
    if facts.volume is None or facts.spacing is None:
        return
    own = np.multiply(facts.matrix, facts.spacing)
    if (np.abs(np.array(facts.volume) / own - 1) > _SAME_SIZE).any():
        size = " × ".join(f"{one:.4g}" for one in own)
        volume = " × ".join(f"{one:.4g}" for one in facts.volume)
        message = f"Pixels make {size} mm, Imaged Volume says {volume} mm: pixels hold"
        warn(message, url=facts.image.url)
