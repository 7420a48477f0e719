"""Writing a unit: read its frames once, encode their chunks, write its objects.

One unit is written by one thread; no two threads ever write into the same object.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.lazy_array import LazyArray
from lazydicom._export.store.chunk_codec import (
    ChunkEncoder,
    EncodedChunk,
    is_recorded,
    make_encoder,
    shard_index,
)
from lazydicom._export.store.folder import Folder, Write
from lazydicom._export.store.layout import Position, ZarrLayout
from lazydicom._export.store.manifest import ChunkRecord, Records


@dataclass(frozen=True, slots=True)
class WrittenUnit:
    """What came of a unit."""

    records: Records
    kept: bool
    """It was there already, and whole."""


def write_units(
    array: LazyArray,
    layout: ZarrLayout,
    folder: Folder,
    units: Sequence[Position],
    known: Sequence[Records],
) -> list[WrittenUnit]:
    """Write the objects of some units, except those that are known and still whole."""
    whole = {
        unit: records
        for unit, records in zip(units, known, strict=True)
        if records and are_whole(layout, folder, layout.objects_of(unit), records)
    }
    encoder = make_encoder(layout, array)
    fresh: dict[Position, Records] = {}
    for run in layout.runs_of(unit for unit in units if unit not in whole):
        fresh |= _write_run(array, encoder, folder, run)
    return [
        WrittenUnit(whole[unit] if unit in whole else fresh[unit], kept=unit in whole)
        for unit in units
    ]


def _write_run(
    array: LazyArray, encoder: ChunkEncoder, folder: Folder, run: Sequence[Position]
) -> dict[Position, Records]:
    """Write units that are read at once, or the one that is read slab by slab."""
    layout = encoder.layout
    first, *others = layout.slabs_of(run[0])
    if others or not layout.grid_axes:
        slabs = (first, *others)
        frames = ((slab, array.read(layout.region(slab), threads=1)) for slab in slabs)
        return {run[0]: _write_shards(encoder, folder, run[0], frames)}
    values = array.read(layout.region_of_run(first, len(run)), threads=1)
    axis = layout.grid_axes - 1
    starts = range(layout.chunks[axis], values.shape[axis], layout.chunks[axis])
    records = {}
    for unit, part in zip(run, np.split(values, starts, axis), strict=True):
        slab = next(layout.slabs_of(unit))
        records[unit] = _write_chunks(encoder, folder, unit, (slab, part))
    return records


def _write_chunks(
    encoder: ChunkEncoder,
    folder: Folder,
    unit: Position,
    slab: tuple[Position, NDArray[Any]],
) -> Records:
    """Write the objects of a unit of one slab, one after the other."""
    layout = encoder.layout
    records: Records = {}
    for position in layout.objects_of(unit):
        with folder.writing(layout.key(position)) as write:
            writer = _ObjectWriter(encoder, write)
            writer.add_from(*slab, position)
            writer.finish()
        records[layout.key(position)] = writer.records
    return records


def _write_shards(
    encoder: ChunkEncoder,
    folder: Folder,
    unit: Position,
    slabs: Iterable[tuple[Position, NDArray[Any]]],
) -> Records:
    """Write the objects of a unit side by side: each takes chunks of every slab."""
    layout = encoder.layout
    with ExitStack() as open_objects:
        writers = {
            position: _ObjectWriter(
                encoder,
                open_objects.enter_context(folder.writing(layout.key(position))),
            )
            for position in layout.objects_of(unit)
        }
        for slab, frames in slabs:
            for position, writer in writers.items():
                writer.add_from(slab, frames, position)
        for writer in writers.values():
            writer.finish()
    return {layout.key(at): writer.records for at, writer in writers.items()}


def unit_records(layout: ZarrLayout, unit: Position, records: Records) -> Records:
    """Pick what is known about all objects of a unit; nothing where one is missing."""
    keys = [layout.key(position) for position in layout.objects_of(unit)]
    if any(key not in records for key in keys):
        return {}
    return {key: records[key] for key in keys}


def spans_in_shard(
    layout: ZarrLayout, position: Position, records: list[ChunkRecord]
) -> dict[int, tuple[int, int]]:
    """Return offset and length of the chunks of a shard by their place in its index."""
    spans: dict[int, tuple[int, int]] = {}
    offset = 0
    for chunk, record in zip(layout.chunks_of(position), records, strict=True):
        spans[layout.place_in_shard(chunk)] = (offset, record.length)
        offset += record.length
    return spans


def object_nbytes(layout: ZarrLayout, records: list[ChunkRecord]) -> int:
    """Return the length of a whole object."""
    return sum(record.length for record in records) + layout.index_nbytes


def differing_chunk(
    layout: ZarrLayout, folder: Folder, position: Position, records: list[ChunkRecord]
) -> Position | None:
    """Find the first chunk of an object whose stored bytes are not the recorded ones."""
    read, offset = _reader(folder, layout.key(position)), 0
    for chunk, record in zip(layout.chunks_of(position), records, strict=True):
        stored = memoryview(read(offset, offset + record.length))
        if not is_recorded(stored, record, layout):
            return chunk
        offset += record.length
    if layout.shards:
        index = shard_index(layout, spans_in_shard(layout, position, records))
        if read(offset, offset + len(index)) != index:
            return next(layout.chunks_of(position))
    return None


def _reader(folder: Folder, key: str) -> Callable[[int, int], bytes]:
    """Read from a disk what is asked for, from a network an object at once."""
    if folder.appends:
        return lambda start, stop: folder.get(key, start, stop) or b""
    data = folder.get(key) or b""
    return lambda start, stop: data[start:stop]


@dataclass(slots=True)
class _ObjectWriter:
    """The chunks of one object, written as they come, and the index of a shard."""

    encoder: ChunkEncoder
    write: Write
    records: list[ChunkRecord] = field(default_factory=list)
    _spans: dict[int, tuple[int, int]] = field(default_factory=dict)
    _offset: int = 0

    def add_from(
        self, slab: Position, frames: NDArray[Any], position: Position
    ) -> None:
        """Write what the frames of a slab hold of the object."""
        layout = self.encoder.layout
        for chunk in layout.chunks_in(slab, position):
            values = _cut(frames, layout, chunk)
            self._add(chunk, self.encoder.encode(values, chunk))

    def finish(self) -> None:
        layout = self.encoder.layout
        if layout.shards:
            self.write((shard_index(layout, self._spans),))

    def _add(self, chunk: Position, encoded: EncodedChunk) -> None:
        self.write(encoded.parts)
        self.records.append(encoded.record)
        layout = self.encoder.layout
        if layout.shards:
            length = encoded.record.length
            self._spans[layout.place_in_shard(chunk)] = (self._offset, length)
            self._offset += length


def _cut(frames: NDArray[Any], layout: ZarrLayout, chunk: Position) -> NDArray[Any]:
    """Cut a chunk out of the frames of its slab."""
    plane = layout.region(chunk)[layout.grid_axes :]
    key: tuple[Any, ...] = (..., *plane)
    values: NDArray[Any] = frames[key]
    return values


def are_whole(
    layout: ZarrLayout,
    folder: Folder,
    positions: Iterable[Position],
    known: Mapping[str, list[ChunkRecord]],
) -> bool:
    """Check known objects: on a disk their bytes, behind a network their lengths.

    An object of a network is whole or absent.
    """
    for position in positions:
        key = layout.key(position)
        records = known[key]
        if folder.size(key) != object_nbytes(layout, records):
            return False
        if folder.appends and differing_chunk(layout, folder, position, records):
            return False
    return True
