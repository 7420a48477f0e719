"""`pieces`: which part of which frame goes where in what an index expression touches.

Pure: nothing is read here. Reading, planning and counting are functions of pieces.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.grid import FrameGrid, Parts, Tiles, numbers_of
from lazydicom._array.selection import Positions, Selection, as_slice
from lazydicom._bytes.quick_dataclass import dataclass


class Cut(NamedTuple):
    """The positions along one axis of a plane that lie in one frame."""

    tile: int
    """Row, or column, of tiles; 0 where frames are no tiles."""
    source: Positions
    """Where they are in the frame."""
    target: slice
    """Where they go in the result."""
    whole: bool
    """Whether they are all positions of the frame, in order."""
    view: slice | None
    """`source` as a slice, where it is one."""


class Move(NamedTuple):
    """Where a piece goes."""

    target: tuple[Any, ...]
    """Its place in the result."""
    source: tuple[Any, ...]
    """Its place in the frame."""
    whole: bool
    """Whether it is the frame, in its own order."""


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Parts of frames, and their places in a result of shape (planes, y, x[, sample])."""

    frames: NDArray[np.int64]
    """Frame of each piece, (planes, rows of tiles, columns of tiles); `-1` for a hole, `-2`
    where nobody asks for it."""
    rows: Sequence[Cut]
    columns: Sequence[Cut]
    samples: Cut | None
    """What is taken of the samples; ``None`` where frames have no such axis."""
    parts: NDArray[np.int64] | None
    """Place in its frame of each plane, where a frame holds several."""
    layout: Parts | None
    box_shape: tuple[int, ...]
    """Shape of the result."""

    @property
    def are_alike(self) -> bool:
        """Whether each piece is the same part of another frame, and a plane of its own."""
        return self.frames.shape[1:] == (1, 1) and self.layout is None

    @property
    def are_frames(self) -> bool:
        """Whether each piece is a whole frame."""
        return self.are_alike and self.is_frame(0, 0)

    def source(self, plane: int, row: int, column: int) -> tuple[Any, ...]:
        """Return the index expression that takes a piece out of its frame."""
        cuts = [self.rows[row], self.columns[column]]
        cuts += [] if self.samples is None else [self.samples]
        if self.layout is None and None not in (index := [cut.view for cut in cuts]):
            return tuple(index)
        positions = [cut.source for cut in cuts]
        if self.layout is not None and self.parts is not None:
            corner = divmod(int(self.parts[plane]), self.layout.across)
            steps = zip(corner, self.layout.part_shape, strict=True)
            moves = [place * length for place, length in steps]
            positions[:2] = map(_moved, positions[:2], moves)
        if all(isinstance(one, range) for one in positions):
            return tuple(map(as_slice, positions))
        return np.ix_(*(np.asarray(one, np.intp) for one in positions))

    def target(self, plane: int, row: int, column: int) -> tuple[Any, ...]:
        """Return where a piece goes in the result."""
        return (plane, self.rows[row].target, self.columns[column].target)

    def moves(self, flat: NDArray[np.intp]) -> list[Move]:
        """Return where some pieces go, by their places in `frames` as one row."""
        planes, rows, columns = np.unravel_index(flat, self.frames.shape)
        places = zip(planes.tolist(), rows.tolist(), columns.tolist(), strict=True)
        return [
            Move(self.target(*place), self.source(*place), self.is_frame(*place[1:]))
            for place in places
        ]

    def is_frame(self, row: int, column: int) -> bool:
        """Return whether a piece is a whole frame in its own order."""
        colors = self.samples is None or self.samples.whole
        whole = self.rows[row].whole and self.columns[column].whole
        return colors and whole and self.layout is None


def pieces(
    grid: FrameGrid, selection: Selection, frame_shape: tuple[int, ...]
) -> Pieces:
    """Return the parts of frames that a selection touches.

    Parameters
    ----------
    grid : FrameGrid
        Which frame stands where, and how frames fill planes.
    selection : Selection
        Positions on each axis of the array.
    frame_shape : tuple of int
        Rows, columns and samples of a frame.

    Examples
    --------
    Of 2 × 2 tiles of 4 × 4 pixels, the lower left one is touched:

    >>> from lazydicom._array.grid import Tiles
    >>> from lazydicom._array.selection import select
    >>> grid = FrameGrid(np.array([[0, 1], [2, 3]]), Tiles((4, 4), (7, 7)))
    >>> found = pieces(grid, select(np.s_[5:7, 0:2], (7, 7)), (4, 4))
    >>> found.frames.tolist(), found.rows[0].source, found.rows[0].target
    ([[[2]]], range(1, 3), slice(0, 2, None))
    """
    axes, layout = len(grid.shape), grid.layout
    plane = _plane_positions(grid, selection.positions[axes:])
    numbers = numbers_of(grid, selection)
    planes, parts = math.prod(numbers.shape[:axes]), None
    if isinstance(layout, Tiles):
        rows, columns = map(_cuts, plane[:2], layout.tile_shape)
        numbers = _touched(numbers, rows, columns)
    else:
        lengths = grid.whole_plane(frame_shape)
        rows, columns = ([one] for one in map(_only_cut, plane[:2], lengths[:2]))
    if isinstance(layout, Parts):
        parts = numbers.reshape(-1) % layout.per_frame
        numbers = np.where(numbers < 0, numbers, numbers // layout.per_frame)
    samples = _only_cut(plane[2], frame_shape[2]) if len(plane) > 2 else None
    return Pieces(
        frames=numbers.reshape(planes, len(rows), len(columns)),
        rows=rows,
        columns=columns,
        samples=samples,
        parts=parts,
        layout=layout if isinstance(layout, Parts) else None,
        box_shape=(planes, *map(len, plane)),
    )


def _plane_positions(
    grid: FrameGrid, positions: tuple[Positions, ...]
) -> tuple[Positions, ...]:
    """Return the positions in the whole plane, of axes that are gone too."""
    if grid.crop is None:
        return positions
    inner = iter(positions)
    return tuple(
        range(one, one + 1) if isinstance(one, int) else _in_crop(one, next(inner))
        for one in grid.crop
    )


def _in_crop(crop: range, positions: Positions) -> Positions:
    if not isinstance(positions, range):
        return crop.start + crop.step * positions
    cropped = crop[as_slice(positions)]
    assert isinstance(cropped, range)
    return cropped


def _touched(
    numbers: NDArray[np.int64], rows: Sequence[Cut], columns: Sequence[Cut]
) -> NDArray[np.int64]:
    """Return the numbers of the rows and columns of tiles that are cut."""
    if len(rows) == len(columns) == 1:
        row, column = rows[0].tile, columns[0].tile
        return numbers[..., row : row + 1, column : column + 1]
    near = [[cut.tile for cut in cuts] for cuts in (rows, columns)]
    runs = [range(tiles[0], tiles[0] + len(tiles)) for tiles in near if tiles]
    index: tuple[Any, ...]
    if near == [list(run) for run in runs]:  # as ever: it takes a tenth of the time
        index = tuple(slice(run.start, run.stop) for run in runs)
    else:
        index = np.ix_(*(np.array(tiles, np.intp) for tiles in near))
    found: NDArray[np.int64] = numbers[(..., *index)]
    return found


def _cuts(positions: Positions, tile: int) -> list[Cut]:
    """Cut positions where another tile begins."""
    if isinstance(positions, range):
        cuts = _cuts_of_run if positions.step == 1 else _cuts_of_range
        return list(cuts(positions, tile))
    tiles = np.asarray(positions, np.int64) // tile
    edges = [0, *(np.flatnonzero(np.diff(tiles)) + 1).tolist(), len(tiles)]
    return [
        _cut(positions[start:stop], int(tiles[start]), tile, slice(start, stop))
        for start, stop in pairwise(edges)
    ]


def _cuts_of_run(positions: range, tile: int) -> Iterator[Cut]:
    start, stop = positions.start, positions.stop
    for edge in range(start // tile * tile, stop, tile):
        first, last = max(start - edge, 0), min(stop - edge, tile)
        target = slice(edge + first - start, edge + last - start)
        source, whole = range(first, last), last - first == tile
        yield Cut(edge // tile, source, target, whole, slice(first, last))


def _cuts_of_range(positions: range, tile: int) -> Iterator[Cut]:
    start = 0
    while start < len(positions):
        number = positions[start] // tile
        step = positions.step
        left = number * tile if step < 0 else (number + 1) * tile - 1
        stop = min((left - positions.start) // step + 1, len(positions))
        target = slice(start, stop)
        yield _cut(positions[start:stop], number, tile, target)
        start = stop


def _cut(positions: Positions, tile: int, length: int, target: slice) -> Cut:
    source = _moved(positions, -tile * length)
    return Cut(tile, source, target, _is_all(source, length), _view(source))


def _only_cut(positions: Positions, length: int) -> Cut:
    whole = _is_all(positions, length)
    return Cut(0, positions, slice(0, len(positions)), whole, _view(positions))


def _view(positions: Positions) -> slice | None:
    index = as_slice(positions)
    return index if isinstance(index, slice) else None


def _is_all(positions: Positions, length: int) -> bool:
    return isinstance(positions, range) and positions == range(length)


def _moved(positions: Positions, by: int) -> Positions:
    if isinstance(positions, range):
        return range(positions.start + by, positions.stop + by, positions.step)
    return positions + by


def places_of(numbers: Sequence[int]) -> dict[int, list[int]]:
    """Return where each number stands.

    >>> places_of([5, 6, 5])
    {5: [0, 2], 6: [1]}
    """
    places: dict[int, list[int]] = {}
    for place, number in enumerate(numbers):
        places.setdefault(number, []).append(place)
    return places
