"""Writing a unit: read its frames once, encode their chunks, write its objects.

One unit is written by one thread; no two threads ever write into the same object.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.array import DicomArray
from lazydicom._array.lazy_array import LazyArray
from lazydicom._export.store.chunk_codec import (
    ChunkEncoder,
    EncodedChunk,
    is_recorded,
    make_encoder,
    shard_index,
)
from lazydicom._export.store.folder import Folder, Part, Write
from lazydicom._export.store.layout import (
    RUN_NBYTES,
    Position,
    Region,
    ZarrLayout,
)
from lazydicom._export.store.manifest import ChunkRecord, Records
from lazydicom._frames.reader import is_lending


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
        return {run[0]: _write_shards(array, encoder, folder, run[0])}
    values = array.read(layout.region_of_run(first, len(run)), threads=1)
    records = {}
    for unit, part in zip(run, _slabs_in(values, layout), strict=True):
        slab = next(layout.slabs_of(unit))
        records[unit] = _write_chunks(encoder, folder, unit, (slab, part))
    return records


def _read_slabs(
    array: LazyArray, layout: ZarrLayout, unit: Position
) -> Iterator[Iterator[tuple[Position, NDArray[Any]]]]:
    """Yield the slabs of a unit, some at a time, until the next ones: all lie in one memory.

    The first touch of fresh memory costs more than the copy into it, and two threads that
    come by memory and let it go wait for each other.
    """
    memory = np.empty(0, np.uint8)
    for run in layout.runs_of_slabs(unit, max(RUN_NBYTES // layout.slab_nbytes, 1)):
        region = layout.region_of_run(run[0], len(run)) if run[0] else ()
        lengths = (part.stop - part.start for part in region)
        shape = (*lengths, *layout.shape[len(region) :])
        nbytes = math.prod(shape) * layout.dtype.itemsize
        if _takes_memory(array):
            memory = memory if memory.size >= nbytes else np.empty(nbytes, np.uint8)
            out = memory[:nbytes].view(layout.dtype).reshape(shape)
            values = array.read(region, out=out, threads=1)
        else:
            values = array.read(region, threads=1)
        yield zip(run, _slabs_in(values, layout), strict=True)


def _slabs_in(values: NDArray[Any], layout: ZarrLayout) -> list[NDArray[Any]]:
    """Cut slabs that follow each other on the last axis of frames apart."""
    if not layout.grid_axes:
        return [values]
    axis = layout.grid_axes - 1
    before, length = (slice(None),) * axis, layout.chunks[axis]
    starts = range(0, values.shape[axis], length)
    return [values[(*before, slice(start, start + length))] for start in starts]


def _takes_memory(array: LazyArray) -> TypeGuard[DicomArray]:
    """Return whether an array reads into memory of ours; a map of the file needs none."""
    return isinstance(array, DicomArray) and not any(
        is_lending(image.reader) for image in array.images
    )


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
            writer = _ObjectWriter(encoder, position, write)
            writer.add_from(*slab)
            writer.finish()
        records[layout.key(position)] = writer.records
    return records


def _write_shards(
    array: LazyArray, encoder: ChunkEncoder, folder: Folder, unit: Position
) -> Records:
    """Write the objects of a unit side by side: each takes chunks of every slab."""
    layout = encoder.layout
    with ExitStack() as open_objects:
        writers = {
            position: _ObjectWriter(
                encoder,
                position,
                open_objects.enter_context(folder.writing(layout.key(position))),
            )
            for position in layout.objects_of(unit)
        }
        for slabs in _read_slabs(array, layout, unit):
            for slab, frames in slabs:
                for writer in writers.values():
                    writer.add_from(slab, frames)
            for writer in writers.values():
                writer.flush()
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
    position: Position
    write: Write
    records: list[ChunkRecord] = field(default_factory=list)
    _planes: list[tuple[Position, Region]] = field(init=False)
    """What a slab holds of the object: the end of each chunk's position, and its place."""
    _spans: dict[int, tuple[int, int]] = field(default_factory=dict)
    _offset: int = 0
    _waiting: list[Part] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._planes = list(self.encoder.layout.planes_of(self.position))

    def add_from(self, slab: Position, frames: NDArray[Any]) -> None:
        """Take what the frames of a slab hold of the object; they are needed until `flush`."""
        for behind, region in self._planes:
            key: tuple[Any, ...] = (..., *region)
            chunk = slab + behind
            self._add(chunk, self.encoder.encode(frames[key], chunk))

    def flush(self) -> None:
        """Write what waits."""
        self.write(self._waiting)
        self._waiting = []

    def finish(self) -> None:
        """Write the rest of the object."""
        if self.encoder.layout.shards:
            self._waiting.append(shard_index(self.encoder.layout, self._spans))
        self.flush()

    def _add(self, chunk: Position, encoded: EncodedChunk) -> None:
        self._waiting += encoded.parts
        self.records.append(encoded.record)
        layout = self.encoder.layout
        if layout.shards:
            length = encoded.record.length
            self._spans[layout.place_in_shard(chunk)] = (self._offset, length)
            self._offset += length


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
