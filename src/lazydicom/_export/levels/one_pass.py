"""Writing several levels while the finest one is read once, brick by brick."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import field
from functools import partial
from typing import Any, Final

import numpy as np
import zarr
from numpy.typing import NDArray

from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._export.levels.bricks import (
    Bricks,
    cut_region,
    inside,
    positions_in,
)
from lazydicom._export.levels.level import Level
from lazydicom._export.levels.reduce import reduce_values
from lazydicom._export.store.folder import Folder
from lazydicom._export.store.layout import (
    METADATA,
    Position,
    Region,
    ZarrLayout,
    memory_store,
)
from lazydicom._export.store.manifest import ExportPlan, Records, make_plan
from lazydicom._export.store.objects import ChunkEncoder, WrittenUnit, make_encoder
from lazydicom._export.store.run import (
    Copy,
    Job,
    Known,
    Progress,
    prepare,
    written,
)
from lazydicom._export.store.stored import are_whole
from lazydicom._export.store.target import Target

_AHEAD: Final = 2
"""Bricks that wait or are written, for each worker."""


@dataclass(slots=True, eq=False)
class _LevelCopy:
    """A level on its way into a store of its own."""

    level: Level
    target: Target
    plan: ExportPlan
    copy: Copy
    known: Known
    check_alone: Callable[[], None]
    encoder: ChunkEncoder = field(init=False)

    def __post_init__(self) -> None:
        self.encoder = make_encoder(self.layout, self.level)

    @property
    def layout(self) -> ZarrLayout:
        return self.copy.layout

    @property
    def folder(self) -> Folder:
        """Where its objects are."""
        published = self.target.published() if self.known.finished else None
        return self.copy.folder if published is None else published

    @property
    def everything(self) -> Region:
        """All of the level."""
        return tuple(slice(0, length) for length in self.layout.shape)

    def regions(self) -> Iterator[Region]:
        """Yield what each object covers."""
        return cut_region(self.everything, self.layout.chunks)

    def whole(self, region: Region) -> Records:
        """Return what is known of all objects in a region, if they are there and whole."""
        known, positions = self.known.records, list(positions_in(region, self.layout))
        keys = [self.layout.key(position) for position in positions]
        if any(key not in known for key in keys):
            return {}
        records = {key: known[key] for key in keys}
        if self.known.finished:
            return records
        whole = are_whole(self.layout, self.copy.folder, positions, records)
        return records if whole else {}

    def read_and_write(self, region: Region, *, records: Records) -> NDArray[Any]:
        """Read a region from frames, and write its objects."""
        values = np.ascontiguousarray(self.level.read(region, threads=1))
        records |= self.write(region, values)
        return values

    def write(self, region: Region, values: NDArray[Any]) -> Records:
        """Write the objects in a region, which `values` are."""
        records: Records = {}
        for position in positions_in(region, self.layout):
            part = values[inside(self.layout.region(position), region)]
            encoded = self.encoder.encode(part, position)
            key = self.layout.key(position)
            with self.copy.folder.writing(key) as write:
                write(encoded.parts)
            records[key] = [encoded.record]
        return records

    def stored(self, region: Region) -> NDArray[Any]:
        """Read back what is written already."""
        objects = {METADATA: self.layout.metadata}
        for position in positions_in(region, self.layout):
            key = self.layout.key(position)
            objects[key] = self.folder.get(key) or b""
        array: Any = zarr.open_array(memory_store(objects), mode="r")
        return np.asarray(array[region])

    def note(self, unit: WrittenUnit) -> None:
        """Note what is written; of a finished store everything is."""
        if not self.known.finished:
            self.copy.note(unit)

    def publish(self) -> None:
        """Make a whole copy a store."""
        if not self.known.finished:
            self.copy.finish(self.plan)
            self.check_alone()
            self.target.publish(self.layout.metadata)


@dataclass(frozen=True, slots=True, eq=False)
class _Pass:
    """Levels that are written together."""

    copies: list[_LevelCopy]
    bricks: Bricks
    behind: NDArray[Any] | None
    """The first level that is made in memory, where one of these has to be written."""

    def write_brick(self, brick: Region) -> list[WrittenUnit]:
        """Write what a brick holds of each level, except what is there and whole."""
        copies = self.copies[: self.bricks.in_bricks]
        regions = [self.bricks.on_level(brick, k) for k in range(len(copies))]
        pairs = zip(copies, regions, strict=True)
        written = [WrittenUnit(copy.whole(region), kept=True) for copy, region in pairs]
        begin = next(
            (k for k, one in enumerate(written) if not one.records), len(copies)
        )
        if begin == len(copies) and self.behind is None:
            return written
        read: Callable[[Region], NDArray[Any]]
        if begin == 0:
            written[0] = WrittenUnit({}, kept=False)
            read = partial(copies[0].read_and_write, records=written[0].records)
        else:
            read = copies[begin - 1].stored
        values = self._reduced(brick, max(begin - 1, 0), read)
        for number in range(max(begin, 1), len(copies)):
            region = regions[number]
            if not written[number].records:
                records = copies[number].write(region, values)
                written[number] = WrittenUnit(records, kept=False)
            values = self._coarser(values, number)
        if self.behind is not None:
            self.behind[self.bricks.on_level(brick, len(copies))] = values
        return written

    def jobs_behind(self) -> Iterator[Job]:
        """Return what writes the levels that are in memory, object by object."""
        values = self.behind
        for number in range(self.bricks.in_bricks, len(self.copies)):
            if values is None:
                return
            copy = self.copies[number]
            for region in copy.regions():
                yield self._write_behind, number, region, values[region]
            values = self._coarser(values, number)

    def _write_behind(
        self, number: int, region: Region, values: NDArray[Any]
    ) -> tuple[int, WrittenUnit]:
        copy = self.copies[number]
        known = copy.whole(region)
        records = known or copy.write(region, values)
        return number, WrittenUnit(records, kept=bool(known))

    def _reduced(
        self, brick: Region, number: int, read: Callable[[Region], NDArray[Any]]
    ) -> NDArray[Any]:
        """Read a level of a brick, of the finest a slab after the other, one level coarser."""
        around = self.bricks.on_level(brick, number + 1)
        coarser = np.empty(_lengths(around), self.copies[0].layout.dtype)
        slabs = cut_region(brick, self.bricks.slabs) if number == 0 else [brick]
        for slab in slabs:
            values = read(self.bricks.on_level(slab, number))
            place = inside(self.bricks.on_level(slab, number + 1), around)
            coarser[place] = self._coarser(values, number)
        return coarser

    def _coarser(self, values: NDArray[Any], number: int) -> NDArray[Any]:
        """Make the next level of values; of the last one they are what they are."""
        if number + 1 == len(self.copies):
            return values
        level = self.copies[number + 1].level
        return reduce_values(values, level.factors, level.method)


def write_levels(
    levels: Sequence[Level],
    targets: Sequence[Target],
    bricks: Bricks,
    *,
    workers: int,
    progress: Progress,
) -> None:
    """Write levels, each into a store of its own, or continue to do so.

    Raises
    ------
    ExportError
        If a store cannot be written, or another export stands there.
    """
    with ExitStack() as alone:
        copies = [
            _begin(level, target, layout, progress, alone)
            for level, target, layout in zip(
                levels, targets, bricks.layouts, strict=True
            )
        ]
        with _nothing_left(copies), ExitStack() as journals:
            for copy in copies:
                if not copy.known.finished:
                    noting = copy.copy.noting(copy.plan, copy.known.records)
                    journals.enter_context(noting)
            _write(copies, bricks, workers)
        for copy in copies:
            copy.publish()


def _begin(
    level: Level,
    target: Target,
    layout: ZarrLayout,
    progress: Progress,
    alone: ExitStack,
) -> _LevelCopy:
    plan = make_plan(level, layout, {})
    copy = Copy(level, layout, target.staging, progress)
    check_alone = alone.enter_context(target.alone())
    known = prepare(target, plan, copy.journal, overwrite=False, resume=True)
    return _LevelCopy(level, target, plan, copy, known, check_alone)


def _write(copies: list[_LevelCopy], bricks: Bricks, workers: int) -> None:
    """Write all bricks, then what is behind them."""
    behind = copies[bricks.in_bricks :]
    missing = any(not copy.whole(copy.everything) for copy in behind)
    layout = bricks.behind[0] if missing else None
    values = None if layout is None else np.empty(layout.shape, layout.dtype)
    work = _Pass(copies, bricks, values)
    jobs = ((work.write_brick, brick) for brick in bricks.regions())
    with closing(written(jobs, workers, _AHEAD * workers)) as bricks_written:
        for units in bricks_written:
            for copy, unit in zip(copies, units, strict=False):
                copy.note(unit)
    with closing(written(work.jobs_behind(), workers, _AHEAD * workers)) as others:
        for number, unit in others:
            copies[number].note(unit)
    for copy in () if missing else behind:
        copy.note(WrittenUnit(copy.known.records, kept=True))


@contextmanager
def _nothing_left(copies: Sequence[_LevelCopy]) -> Iterator[None]:
    """Discard what is begun where an error comes before anything is written."""
    try:
        yield
    except BaseException:
        if not any(copy.copy.records or copy.known.records for copy in copies):
            for copy in copies:
                with suppress(OSError):
                    copy.target.discard()
        raise


def _lengths(region: Region) -> Position:
    return tuple(part.stop - part.start for part in region)
