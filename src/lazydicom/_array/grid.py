"""Which frame stands at each position of an array, and how frames fill its planes.

Frames fill planes in one of three ways. In a *stack* each frame is a plane. *Tiles* are
frames that lie side by side in one large plane (PS3.3 section C.7.6.17). *Parts* are planes
that lie side by side in one frame (mosaics of Siemens).
"""

import math
from collections.abc import Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lazydicom._bytes.cached import cached
from lazydicom._bytes.deferred import deferred
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom.errors import LimitError

if TYPE_CHECKING:
    from lazydicom._array import selection as selections
    from lazydicom._array.selection import Selection
else:
    selections = deferred("lazydicom._array.selection")

HOLE: Final = -1
"""No frame stands here."""
NOT_READ: Final = -2
"""A frame may stand here, nobody asks for it."""
MAX_PLACES: Final = 1 << 24
"""16,777,216: no object is known with a tenth of that, and a few bytes claim more."""

AxisCrop: TypeAlias = int | range
"""Positions of an axis that an array has; an integer: the axis is gone."""


def empty_places(shape: Sequence[int], *, url: str) -> NDArray[np.int64]:
    """Return a grid of holes, to put frames into.

    Raises
    ------
    LimitError
        If it has more than `MAX_PLACES`: positions, sizes and counts are mere claims.
    """
    count = math.prod(map(int, shape))
    if count > MAX_PLACES:
        message = f"Expected at most {MAX_PLACES} places of frames, found {count}"
        raise LimitError(message, url=url)
    return np.full(tuple(shape), HOLE, np.int64)


@dataclass(frozen=True, slots=True)
class Tiles:
    """The last two axes of the grid count the tiles of one plane, down and across."""

    tile_shape: tuple[int, int]
    """Rows and columns of a frame."""
    plane_shape: tuple[int, int]
    """Rows and columns of the plane; tiles at the edges may go beyond."""


@dataclass(frozen=True, slots=True)
class Parts:
    """A frame is a square of planes, row by row.

    The grid numbers planes: plane `p` of frame `f` is ``f * per_frame + p``.
    """

    part_shape: tuple[int, int]
    """Rows and columns of a plane."""
    across: int
    """Planes side by side in a frame, and below each other."""

    @property
    def per_frame(self) -> int:
        """Planes that fit into a frame."""
        return self.across**2


@dataclass(frozen=True, eq=False)
class FrameGrid:
    """The frame at each grid position; frames of all images are numbered in one row."""

    numbers: NDArray[np.int64]
    """Number per position, `-1` for a hole; any number of axes."""
    layout: Tiles | Parts | None = None
    """How frames fill planes; ``None``: each is one."""
    crop: tuple[AxisCrop, ...] | None = None
    """What the array has of rows, columns and samples; ``None``: all."""
    is_stack_of_frames: bool = field(init=False, repr=False)
    """Whether each plane of the array is a whole frame."""

    def __post_init__(self) -> None:
        whole = self.layout is None and self.crop is None
        object.__setattr__(self, "is_stack_of_frames", whole)

    @cached
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes before the plane."""
        tiled = isinstance(self.layout, Tiles)
        return self.numbers.shape[:-2] if tiled else self.numbers.shape

    @cached
    def first_of_run(self) -> int:
        """First frame of a stack of whole frames that follow each other, else `-1`."""
        numbers = self.numbers
        if not self.is_stack_of_frames or numbers.ndim != 1 or not numbers.size:
            return -1
        return int(numbers[0]) if (np.diff(numbers) == 1).all() else -1

    @property
    def frames(self) -> NDArray[np.int64]:
        """Number of the frame at each position, `-1` for a hole."""
        if isinstance(self.layout, Parts):
            return self.numbers // self.layout.per_frame  # of a hole: itself
        return self.numbers

    def whole_plane(self, frame_shape: Sequence[int]) -> tuple[int, ...]:
        """Return rows, columns and samples of a plane, before the crop."""
        if isinstance(self.layout, Tiles):
            return (*self.layout.plane_shape, *frame_shape[2:])
        if isinstance(self.layout, Parts):
            return (*self.layout.part_shape, *frame_shape[2:])
        return tuple(frame_shape)

    def plane_crop(self, frame_shape: Sequence[int]) -> tuple[AxisCrop, ...]:
        """Return what the array has of rows, columns and samples."""
        return self.crop or tuple(map(range, self.whole_plane(frame_shape)))

    def plane_shape(self, frame_shape: Sequence[int]) -> tuple[int, ...]:
        """Return the lengths of the axes of the array that are in a plane."""
        if self.crop is None:
            return self.whole_plane(frame_shape)
        return tuple(len(one) for one in self.crop if isinstance(one, range))

    def digest(self) -> str:
        """Return what tells this grid from others: NumPy prints the ends of a long one."""
        from hashlib import blake2b  # deferred: OpenSSL costs 5 ms of import

        digest = blake2b(self.numbers.tobytes(), digest_size=16)
        if not self.is_stack_of_frames:
            digest.update(repr((self.layout, self.crop)).encode())
        return digest.hexdigest()

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle as a length where frames stand in their own order."""
        flat, more = self.numbers.reshape(-1), (self.layout, self.crop)
        if not np.array_equal(flat, np.arange(flat.size)):
            return (FrameGrid, (self.numbers, *more))
        if self.is_stack_of_frames:
            return (stack_grid, self.numbers.shape)
        return (_in_order, (self.numbers.shape, *more))


class Chunked(Protocol):
    """What is asked of an array to know how large chunks of it are."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        ...

    def chunk_frames(self, frames: int) -> tuple[int, ...]:
        """Return the lengths of a chunk of so many whole frames."""
        ...


def stack_grid(*shape: int) -> FrameGrid:
    """Let frames stand in their own order, the last axis varying fastest.

    >>> stack_grid(2, 3).numbers
    array([[0, 1, 2],
           [3, 4, 5]])
    """
    count = math.prod(shape)
    return FrameGrid(np.arange(count, dtype=np.int64).reshape(shape))


def numbers_of(grid: FrameGrid, selection: "Selection") -> NDArray[np.int64]:
    """Return the frame number at each grid position of the box.

    `NOT_READ` stands where an expression with several lists asks for nothing.
    """
    axes = len(grid.shape)
    if axes == 0:
        return grid.numbers
    if axes == 1:
        one: NDArray[np.int64] = grid.numbers[
            selections.as_slice(selection.positions[0])
        ]
        return one
    outer = np.ix_(*(np.asarray(p, np.intp) for p in selection.positions[:axes]))
    numbers: NDArray[np.int64] = grid.numbers[outer]
    in_grid = selection.by_axis[:axes]
    if sum(isinstance(key, np.ndarray) for key in in_grid) > 1:
        wanted = np.zeros(numbers.shape, dtype=bool)
        wanted[in_grid] = True
        numbers = np.where(wanted, numbers, NOT_READ)
    return numbers


def without_unused(
    grid: FrameGrid, firsts: Sequence[int]
) -> tuple[Sequence[int], NDArray[np.int64]]:
    """Return the images of which a frame is in a grid, and its numbers without others.

    Parameters
    ----------
    grid : FrameGrid
        Numbers of frames of images in a row.
    firsts : sequence of int
        Number of the first frame of each image.
    """
    per_frame = grid.layout.per_frame if isinstance(grid.layout, Parts) else 1
    numbers = grid.numbers
    there = numbers >= 0
    if len(firsts) == 1 or not there.any():
        return range(len(firsts)), numbers
    starts = np.array(firsts) * per_frame
    which = np.searchsorted(starts, numbers[there], side="right") - 1
    used, new = np.unique(which, return_inverse=True)
    lengths = np.diff(starts)[used[:-1]]  # the last one is nobody's neighbour
    kept = np.concatenate([[0], np.cumsum(lengths)])
    moved = numbers.copy()
    moved[there] += kept[new.reshape(-1)] - starts[which]
    return used.tolist(), moved


def _in_order(
    shape: tuple[int, ...],
    layout: Tiles | Parts | None,
    crop: tuple[AxisCrop, ...] | None,
) -> FrameGrid:
    return FrameGrid(stack_grid(*shape).numbers, layout, crop)


def chunk_lengths(
    grid: FrameGrid, frame_shape: Sequence[int], frames: int
) -> tuple[int, ...]:
    """Return the lengths of a chunk of so many whole frames: of tiles, a square.

    >>> chunk_lengths(stack_grid(2, 9), (8, 8), 4)
    (1, 4, 8, 8)
    """
    plane = grid.plane_shape(frame_shape)
    if isinstance(grid.layout, Tiles):
        return (*(1 for _ in grid.shape), *_square(grid, frame_shape, frames))
    if not grid.shape:
        return plane
    *outer, last = grid.shape
    return (*(1 for _ in outer), min(frames, max(last, 1)), *plane)


def chunk_nbytes(array: Chunked, frames: int = 1) -> int:
    """Return the bytes of a chunk of so many frames."""
    values = 1
    for length in array.chunk_frames(frames):
        values *= max(length, 1)
    return values * array.dtype.itemsize


def frames_within(array: Chunked, nbytes: int) -> int:
    """Return how many frames a chunk of so many bytes holds, at least one."""
    return max(nbytes // chunk_nbytes(array), 1)


def _square(
    grid: FrameGrid, frame_shape: Sequence[int], frames: int
) -> tuple[int, ...]:
    """Return the lengths of tiles below each other and side by side."""
    assert isinstance(grid.layout, Tiles)
    down = math.isqrt(frames)
    counts = (down, frames // down)
    crop = grid.plane_crop(frame_shape)
    lengths = []
    for one, tile, count in zip(crop, grid.layout.tile_shape, counts, strict=False):
        if isinstance(one, range):
            steps = -(-tile * count // abs(one.step))
            lengths.append(max(min(steps, len(one)), 1))
    return (*lengths, *(len(one) for one in crop[2:] if isinstance(one, range)))


def tile_blocks(grid: FrameGrid, frames: int) -> list[tuple[int, ...]]:
    """Return the lengths of squares of so many tiles along rows and columns of a plane.

    A crop that begins inside a tile has a shorter first one, so that no tile is in two.

    >>> whole = FrameGrid(np.zeros((2, 2), np.int64), Tiles((8, 8), (12, 16)))
    >>> tile_blocks(replace(whole, crop=(range(5, 12), range(16))), 1)
    [(3, 4), (8, 8)]
    """
    layout = grid.layout
    if not isinstance(layout, Tiles):
        return []
    down = math.isqrt(frames)
    crop = grid.crop or tuple(map(range, layout.plane_shape))
    sides = zip(crop, layout.tile_shape, (down, frames // down), strict=False)
    return [
        _runs(np.asarray(one) // (tile * count))
        for one, tile, count in sides
        if isinstance(one, range)
    ]


def _runs(numbers: NDArray[np.int64]) -> tuple[int, ...]:
    """Return how often each number stands before the next one."""
    ends = np.flatnonzero(np.diff(numbers)) + 1
    return tuple(np.diff([0, *ends, len(numbers)]).tolist())


def crop_grid(
    grid: FrameGrid, keys: Sequence[AxisCrop], frame_shape: Sequence[int]
) -> FrameGrid:
    """Return the grid of some positions of each axis of the array.

    >>> crop_grid(stack_grid(9), [range(4, 6), range(8), range(2, 3)], (8, 8)).numbers
    array([4, 5])
    """
    axes = len(grid.shape)
    numbers = np.asarray(grid.numbers[tuple(map(_index, keys[:axes]))])
    inner = iter(keys[axes:])
    crop = tuple(
        one if isinstance(one, int) else _within(one, next(inner))
        for one in grid.plane_crop(frame_shape)
    )
    whole = tuple(map(range, grid.whole_plane(frame_shape)))
    cropped = FrameGrid(numbers, grid.layout, None if crop == whole else crop)
    return _without_far_tiles(cropped)


def _without_far_tiles(grid: FrameGrid) -> FrameGrid:
    """Leave out the rows and columns of tiles that the crop does not touch."""
    layout, crop = grid.layout, grid.crop
    if not isinstance(layout, Tiles) or crop is None:
        return grid
    spans = [_span(one) for one in crop[:2]]
    firsts, stops, lengths, moved = [], [], [], []
    for (low, high), tile, whole, one in zip(
        spans, layout.tile_shape, layout.plane_shape, crop, strict=False
    ):
        first, stop = low // tile, max(-(-high // tile), low // tile + 1)
        firsts.append(first)
        stops.append(stop)
        lengths.append(min(stop * tile, whole) - first * tile)
        moved.append(_shifted(one, first * tile))
    near: tuple[Any, ...] = tuple(map(slice, firsts, stops))
    plane = (lengths[0], lengths[1])
    return FrameGrid(
        np.ascontiguousarray(grid.numbers[(..., *near)]),
        replace(layout, plane_shape=plane),
        (*moved, *crop[2:]),
    )


def _index(key: AxisCrop) -> int | slice:
    if isinstance(key, int):
        return key
    if not key:
        return slice(0)  # what counts down from before the first one starts at -1
    stop = key.stop
    return slice(key.start, None if stop < 0 else stop, key.step)


def _within(crop: range, key: AxisCrop) -> AxisCrop:
    """Return the positions of a crop that a key names.

    >>> _within(range(10, 20, 2), range(3, 0, -1)), _within(range(10, 20, 2), 4)
    (range(16, 10, -2), 18)
    """
    return crop[key] if isinstance(key, int) else crop[_index(key)]


def _span(one: AxisCrop) -> tuple[int, int]:
    """Return the first position and the one behind the last."""
    if isinstance(one, int):
        return one, one + 1
    return (min(one), max(one) + 1) if one else (0, 0)


def _shifted(one: AxisCrop, by: int) -> AxisCrop:
    if isinstance(one, int):
        return one - by
    return range(one.start - by, one.stop - by, one.step)
