"""Writing a unit: read its frames once, encode their chunks, write its objects.

One unit is written by one thread; no two threads ever write into the same object. The thread
that read a chunk encodes it, as zarr's codecs would, byte for byte: `zarr.json` names them,
those that zarr itself builds on numcodecs stand in a table here (gzip without its time), and a
chain with any other codec is left to zarr. See ``docs/decisions/0007-zarr-writing.md``.
"""

import math
import struct
import sys
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import field
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias, TypeGuard

import numcodecs
import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.storage import MemoryStore

from lazydicom._array.array import DicomArray
from lazydicom._array.lazy_array import LazyArray
from lazydicom._array.work.native_runs import memory_of_thread
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._export.store.folder import Folder, Part, Write, as_bytes
from lazydicom._export.store.layout import (
    RUN_NBYTES,
    HoldsTiles,
    Position,
    Region,
    ZarrLayout,
)
from lazydicom._export.store.manifest import ChunkRecord, Records, checksum
from lazydicom._export.store.stored import are_whole, shard_index
from lazydicom._frames.index import is_lending

Step: TypeAlias = Callable[[Any], Any]

_GZIP_BITS: Final = zlib.MAX_WBITS | 16
_SHUFFLES: Final = {"noshuffle": 0, "shuffle": 1, "bitshuffle": 2}


_KEPT: Final = threading.local()
"""Memory of each thread that writes."""


@dataclass(frozen=True, slots=True)
class WrittenUnit:
    """What came of a unit."""

    records: Records
    kept: bool
    """It was there already, and whole."""


class EncodedChunk(NamedTuple):
    """The bytes of a chunk, and what to remember of them."""

    parts: tuple[Part, ...]
    record: ChunkRecord


@dataclass(frozen=True, slots=True)
class ChunkEncoder:
    """Encodes the chunks of one layout."""

    layout: ZarrLayout
    steps: tuple[Step, ...] | None
    """How to do each codec; ``None`` where only zarr knows."""
    tile_of: Callable[[Position], bytes] | None = None
    """Reads the tile that a chunk is, where tiles are kept."""

    def encode(self, values: NDArray[Any], chunk: Position) -> EncodedChunk:
        """Encode what a chunk holds of the array; the rest of it is fill value."""
        inside = np.ascontiguousarray(_little_endian(values))
        pixels = checksum(inside)
        if self.tile_of is not None:
            tile = self.tile_of(chunk)
            return EncodedChunk((tile,), ChunkRecord(len(tile), checksum(tile), pixels))
        whole = self._pad(inside)
        body = self._body(whole)
        stored = pixels if body is inside else checksum(body)
        closing = struct.pack("<I", stored) if self.layout.closes_with_checksum else b""
        length = len(as_bytes(body)) + len(closing)
        return EncodedChunk((body, closing), ChunkRecord(length, stored, pixels))

    def _body(self, whole: NDArray[Any]) -> Part:
        """Return the stored bytes, up to a closing checksum."""
        if self.steps is None:
            data = _encode_by_zarr(whole, self.layout)
            return data[:-4] if self.layout.closes_with_checksum else data
        body: Part = whole
        for step in self.steps:
            body = step(body)
        return body

    def _pad(self, inside: NDArray[Any]) -> NDArray[Any]:
        if inside.shape == self.layout.chunks:
            return inside
        whole = np.full(self.layout.chunks, self.layout.fill_value, inside.dtype)
        whole[tuple(map(slice, inside.shape))] = inside
        return whole


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
    values = _read(array, layout, layout.region_of_run(first, len(run)))
    records = {}
    for unit, part in zip(run, _slabs_in(values, layout), strict=True):
        slab = next(layout.slabs_of(unit))
        records[unit] = _write_chunks(encoder, folder, unit, (slab, part))
    return records


def _read_slabs(
    array: LazyArray, layout: ZarrLayout, unit: Position
) -> Iterator[Iterator[tuple[Position, NDArray[Any]]]]:
    """Yield the slabs of a unit, some at a time, until the next ones: all lie in one memory."""
    for run in layout.runs_of_slabs(unit, max(RUN_NBYTES // layout.slab_nbytes, 1)):
        region = layout.region_of_run(run[0], len(run)) if run[0] else ()
        values = _read(array, layout, region)
        yield zip(run, _slabs_in(values, layout), strict=True)


def _read(array: LazyArray, layout: ZarrLayout, region: Region) -> NDArray[Any]:
    """Read whole frames into memory that holds them until this thread reads others."""
    if not _takes_memory(array):
        return np.asarray(array.read(region, threads=1))
    lengths = (part.stop - part.start for part in region)
    shape = (*lengths, *layout.shape[len(region) :])
    nbytes = math.prod(shape) * layout.dtype.itemsize
    memory = memory_of_thread(_KEPT, nbytes, most=RUN_NBYTES)
    out = memory.view(layout.dtype).reshape(shape)
    array.read(region, out=out, threads=1)
    return out


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


def make_encoder(layout: ZarrLayout, array: object) -> ChunkEncoder:
    """Return what does each codec of a layout, up to a closing checksum."""
    if layout.keeps_tiles:
        assert isinstance(array, HoldsTiles), "it planned the layout"
        return ChunkEncoder(layout, None, array.encoded_tile)
    codecs = layout.codecs[:-1] if layout.closes_with_checksum else layout.codecs
    return ChunkEncoder(layout, _steps(codecs))


def _little_endian(values: NDArray[Any]) -> NDArray[Any]:
    if sys.byteorder == "little":
        return values
    return values.astype(values.dtype.newbyteorder("<"))


def _steps(codecs: Sequence[Mapping[str, Any]]) -> tuple[Step, ...] | None:
    """Find how to do each codec, ``None`` where only zarr knows."""
    first, *others = codecs
    little = first.get("configuration", {}).get("endian") != "big"
    if first["name"] != "bytes" or not little:
        return None
    if any(codec["name"] not in _STEPS for codec in others):
        return None
    return tuple(_STEPS[one["name"]](one.get("configuration", {})) for one in others)


def _with_checksum(data: Part) -> bytes:
    return bytes(data) + struct.pack("<I", checksum(data))


def _zstd(configuration: Mapping[str, Any]) -> Step:
    step: Step = numcodecs.Zstd(**configuration).encode
    return step


def _gzip(configuration: Mapping[str, Any]) -> Step:
    """Leave out the time, which numcodecs writes: a resumed export has the same bytes."""
    return partial(zlib.compress, level=configuration["level"], wbits=_GZIP_BITS)


def _blosc(configuration: Mapping[str, Any]) -> Step:
    shuffle = _SHUFFLES[configuration["shuffle"]]
    step: Step = numcodecs.Blosc(**{**configuration, "shuffle": shuffle}).encode
    return step


_STEPS: Final[dict[str, Callable[[Mapping[str, Any]], Step]]] = {
    "zstd": _zstd,
    "gzip": _gzip,
    "blosc": _blosc,
    "crc32c": lambda _: _with_checksum,
}


def _encode_by_zarr(values: NDArray[Any], layout: ZarrLayout) -> bytes:
    """Return what zarr writes as an array of this one chunk."""
    store: dict[str, Any] = {}
    array = zarr.create_array(
        MemoryStore(store),
        shape=values.shape,
        dtype=layout.dtype,
        chunks=values.shape,
        serializer=dict(layout.codecs[0]),
        compressors=[dict(codec) for codec in layout.compressors],
        fill_value=layout.fill_value,
        zarr_format=3,
        config={"write_empty_chunks": True},
    )
    array[...] = values
    data: bytes = store["/".join(("c", *"0" * values.ndim))].to_bytes()
    return data
