"""Which parts of all levels are made together, so that the finest one is read once.

A *brick* is a part of the finest level which is whole objects of the store on that level and
on some coarser ones: one thread reads it, reduces it and writes all of them. Levels behind
these, if they are small, are made in memory of what all bricks have left.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate, product
from typing import Final

from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._export.levels.level import Level
from lazydicom._export.store.layout import Position, Region, ZarrLayout

_BRICK_NBYTES: Final = 32 << 20
"""What a worker holds of coarser levels; of large frames, half a frame."""
_IN_MEMORY_NBYTES: Final = 64 << 20
"""Levels behind those in bricks are kept whole up to so many bytes."""
_BRICKS_PER_WORKER: Final = 2
"""With fewer of them, workers would wait for the last one."""


@dataclass(frozen=True, slots=True)
class Bricks:
    """How some levels are cut into parts that are made together."""

    layouts: tuple[ZarrLayout, ...]
    """Of the levels, the finest first."""
    steps: tuple[Position, ...]
    """Pixels of the finest level in one of each level, along each axis."""
    in_bricks: int
    """Levels whose objects each brick writes; those behind are made in memory."""

    @property
    def lengths(self) -> Position:
        """Length of a brick along each axis of the finest level."""
        units = [
            tuple(n * step for n, step in zip(_unit(layout), steps, strict=True))
            for layout, steps in zip(self.layouts, self.steps, strict=True)
        ]
        behind = [self.steps[self.in_bricks]] if self.behind else []
        return _least_multiples(
            [*units[: self.in_bricks], *behind], self.layouts[0].shape
        )

    @property
    def slabs(self) -> Position:
        """Length of what is read at once, of whole frames and whole blocks of pixels."""
        steps = self.steps[1:2]
        return _least_multiples([_unit(self.layouts[0]), *steps], self.layouts[0].shape)

    @property
    def behind(self) -> tuple[ZarrLayout, ...]:
        """Levels that are made in memory."""
        return self.layouts[self.in_bricks :]

    @property
    def number(self) -> int:
        """How many bricks there are."""
        return _count(self.layouts[0].shape, self.lengths)

    @property
    def nbytes(self) -> int:
        """Bytes of the coarser levels of a brick."""
        return sum(
            math.prod(
                -(-n // step) for n, step in zip(self.lengths, steps, strict=True)
            )
            * self.layouts[0].dtype.itemsize
            for steps in self.steps[1 : self.in_bricks]
        )

    @property
    def nbytes_behind(self) -> int:
        """Bytes of the levels that are kept in memory."""
        return sum(_nbytes(layout) for layout in self.behind)

    @property
    def nbytes_of_worker(self) -> int:
        """Bytes that each worker holds besides what it writes: sums are twice as wide."""
        return 2 * self.slab_nbytes + self.nbytes

    @property
    def slab_nbytes(self) -> int:
        """Bytes that are read at once."""
        return math.prod(self.slabs) * self.layouts[0].dtype.itemsize

    def regions(self) -> Iterator[Region]:
        """Yield what each brick covers of the finest level."""
        shape = self.layouts[0].shape
        return cut_region(tuple(slice(0, n) for n in shape), self.lengths)

    def on_level(self, region: Region, number: int) -> Region:
        """Return what a part of the finest level covers of another one."""
        lengths = zip(
            region, self.steps[number], self.layouts[number].shape, strict=True
        )
        return tuple(
            slice(part.start // step, min(-(-part.stop // step), n))
            for part, step, n in lengths
        )


def plan_bricks(
    levels: Sequence[Level], layouts: Sequence[ZarrLayout], workers: int
) -> Bricks | None:
    """Choose how many levels are made of one reading, ``None`` where that is one."""
    ones = (1,) * levels[0].ndim
    factors = [ones, *(level.factors for level in levels[1:])]
    steps = tuple(accumulate(factors, _times))
    least = min(_BRICKS_PER_WORKER * workers, Bricks((layouts[0],), (ones,), 1).number)
    most_nbytes = max(_BRICK_NBYTES, layouts[0].slab_nbytes // 2)
    for in_bricks in range(len(levels), 0, -1):
        count = in_bricks + _fit_in_memory(layouts[in_bricks:])
        bricks = Bricks(tuple(layouts[:count]), steps[:count], in_bricks)
        if bricks.number >= least and bricks.nbytes <= most_nbytes:
            return bricks if count > 1 else None
    return None


def positions_in(region: Region, layout: ZarrLayout) -> Iterator[Position]:
    """Yield the positions of the objects in a part of a level that is whole objects."""
    parts = zip(region, layout.chunks, strict=True)
    return product(*(range(p.start // n, -(-p.stop // n)) for p, n in parts))


def cut_region(region: Region, lengths: Position) -> Iterator[Region]:
    """Yield the parts of a region, in C order."""
    axes = [
        [slice(at, min(at + n, part.stop)) for at in range(part.start, part.stop, n)]
        for part, n in zip(region, lengths, strict=True)
    ]
    return product(*axes)


def inside(part: Region, whole: Region) -> Region:
    """Return where a part lies in what a whole covers.

    >>> inside((slice(6, 8),), (slice(4, 12),))
    (slice(2, 4, None),)
    """
    return tuple(
        slice(own.start - around.start, own.stop - around.start)
        for own, around in zip(part, whole, strict=True)
    )


def _unit(layout: ZarrLayout) -> Position:
    """Return the lengths of all objects of the same frames."""
    return layout.chunks[: layout.grid_axes] + layout.shape[layout.grid_axes :]


def _least_multiples(lengths: Sequence[Position], shape: Position) -> Position:
    """Return lengths that are multiples of all, or the whole axis where that is shorter."""
    multiples = (math.lcm(*along) for along in zip(*lengths, strict=True))
    pairs = zip(multiples, shape, strict=True)
    return tuple(max(min(n, whole), 1) for n, whole in pairs)


def _fit_in_memory(layouts: Sequence[ZarrLayout]) -> int:
    """Count the levels that may be kept whole."""
    sums = accumulate(map(_nbytes, layouts))
    return sum(nbytes <= _IN_MEMORY_NBYTES for nbytes in sums)


def _nbytes(layout: ZarrLayout) -> int:
    return math.prod(layout.shape) * layout.dtype.itemsize


def _count(shape: Position, lengths: Position) -> int:
    return math.prod(-(-n // own) for n, own in zip(shape, lengths, strict=True))


def _times(steps: Position, factors: Position) -> Position:
    return tuple(a * b for a, b in zip(steps, factors, strict=True))
