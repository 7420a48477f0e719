"""How an array lies in a Zarr store: its ``zarr.json``, its objects and their chunks.

An *object* is a file of the store: a chunk, or a shard that holds several. A *unit* is all
objects of the same frames; its frames are read once, some of them (a *slab*) at a time.
"""

import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, runtime_checkable

import numpy as np
import zarr
from zarr.buffer import default_buffer_prototype
from zarr.codecs import TransposeCodec
from zarr.storage import MemoryStore

from lazydicom._array.lazy_array import LazyArray
from lazydicom._array.work.parallel import apart
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._views.zarr_metadata import JPEG_NAME, array_metadata, grouped_frames
from lazydicom._views.zarr_metadata import METADATA as METADATA  # noqa: PLC0414 (handed on)

if TYPE_CHECKING:
    from lazydicom._views.zarr_codec import JpegCodec

Position: TypeAlias = tuple[int, ...]
Region: TypeAlias = tuple[slice, ...]
Axes: TypeAlias = int | Sequence[int] | None
"""Frames, or lengths of all axes, -1 for a whole one."""

RUN_NBYTES: Final = 4 << 20
"""Small units, or small slabs of a shard, are read and handed over together, up to this size.

Handing a unit over costs 0.2 ms, and a slab 0.05, as much as writing a small chunk.
"""


@runtime_checkable
class HoldsTiles(Protocol):
    """An array whose chunks may be tiles of a file as they are."""

    @property
    def tile_codec(self) -> "JpegCodec | None":
        """What decodes a tile; ``None``: values are encoded anew."""
        ...

    @property
    def tile_order(self) -> tuple[int, ...]:
        """The axes as they lie in a tile: samples come last."""
        ...

    def encoded_tile(self, chunk: Position) -> bytes:
        """Read the tile that a chunk is."""
        ...


@dataclass(frozen=True, slots=True)
class ZarrLayout:
    """Where each value of an array is stored."""

    metadata: bytes = field(repr=False)
    """``zarr.json``."""
    shape: Position
    dtype: np.dtype[Any]
    """In native byte order."""
    chunks: Position
    shards: Position | None
    grid_axes: int
    """Leading axes that count frames; 0 where the array is one plane."""
    codecs: tuple[Mapping[str, Any], ...]
    """The codecs of a chunk, as ``zarr.json`` has them."""
    compressors: tuple[Mapping[str, Any], ...]
    """Those behind the one that makes bytes."""
    fill_value: float
    name: str | None = None
    """What the array is called in its group; ``None``: it is the store."""

    @property
    def metadata_key(self) -> str:
        """Name the object that describes the array."""
        return self._prefix + METADATA

    @property
    def _prefix(self) -> str:
        return "" if self.name is None else f"{self.name}/"

    @property
    def objects(self) -> Position:
        """Shape of a chunk, or shard."""
        return self.shards or self.chunks

    @property
    def closes_with_checksum(self) -> bool:
        """Whether a chunk ends in the CRC-32C of what precedes it."""
        return bool(self.codecs[-1]["name"] == "crc32c")

    @property
    def keeps_tiles(self) -> bool:
        """Whether a chunk is a tile of the file."""
        return any(codec["name"] == JPEG_NAME for codec in self.codecs)

    @property
    def index_nbytes(self) -> int:
        """Bytes of the index of a shard with its checksum; 0 without shards."""
        return 16 * math.prod(self.chunks_per_shard) + 4 if self.shards else 0

    @property
    def nbytes(self) -> int:
        """Bytes of all pixels, decoded."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def chunk_nbytes(self) -> int:
        """Bytes of a whole decoded chunk."""
        return math.prod(self.chunks) * self.dtype.itemsize

    @property
    def unit_nbytes(self) -> int:
        """Bytes of the decoded frames of a whole unit."""
        return self._nbytes_of_frames(self.objects)

    @property
    def slab_nbytes(self) -> int:
        """Bytes of the decoded frames that are read together."""
        return self._nbytes_of_frames(self.chunks)

    def _nbytes_of_frames(self, lengths: Position) -> int:
        frames = math.prod(lengths[: self.grid_axes])
        plane = math.prod(self.shape[self.grid_axes :])
        return frames * plane * self.dtype.itemsize

    @property
    def number_of_chunks(self) -> int:
        """Chunks that hold pixels."""
        return math.prod(map(_ceil, self.shape, self.chunks))

    @property
    def number_of_units(self) -> int:
        """Units in all."""
        return math.prod(self._counts_of_units())

    def units(self) -> Iterator[Position]:
        """Return the position of each unit among the frames."""
        return _positions(*map(range, self._counts_of_units()))

    def _counts_of_units(self) -> Iterator[int]:
        counts = map(_ceil, self.shape, self.objects)
        return itertools.islice(counts, self.grid_axes)

    def runs_of(self, units: Iterable[Position]) -> Iterator[list[Position]]:
        """Join units whose frames follow each other and are a slab each.

        Their slabs follow each other in memory too, when all are read at once.
        """
        axis = self.grid_axes - 1
        joins = (
            self.grid_axes > 0
            and math.prod(self.objects[:axis]) == 1
            and self.objects[axis] == self.chunks[axis]
        )
        run: list[Position] = []
        for unit in units:
            if run and not (joins and unit == (*run[-1][:-1], run[-1][-1] + 1)):
                yield run
                run = []
            run.append(unit)
        if run:
            yield run

    def objects_of(self, unit: Position) -> Iterator[Position]:
        """Return the position of each object of a unit."""
        axes = range(self.grid_axes, len(self.shape))
        counts = [range(_ceil(self.shape[a], self.objects[a])) for a in axes]
        return (unit + plane for plane in _positions(*counts))

    def chunks_of(self, position: Position) -> Iterator[Position]:
        """Return the chunks of an object that hold pixels, in the order they lie there."""
        return _positions(*self._chunk_ranges(position))

    def chunks_in_object(self, position: Position) -> int:
        """Return how many chunks of an object hold pixels."""
        return math.prod(map(len, self._chunk_ranges(position)))

    def slabs_of(self, unit: Position) -> Iterator[Position]:
        """Return the positions, among the chunks, whose frames are read together."""
        return _positions(*self._chunk_ranges(unit))

    def runs_of_slabs(self, unit: Position, most: int) -> Iterator[list[Position]]:
        """Join up to so many slabs of a unit that follow each other in memory, too."""
        axis = self.grid_axes - 1
        joins = axis >= 0 and math.prod(self.chunks[:axis]) == 1
        run: list[Position] = []
        for slab in self.slabs_of(unit):
            follows = bool(run) and slab == (*run[-1][:-1], run[-1][-1] + 1)
            if run and not (joins and follows and len(run) < most):
                yield run
                run = []
            run.append(slab)
        yield run

    def planes_of(self, position: Position) -> Iterator[tuple[Position, Region]]:
        """Return which chunks of an object a slab holds: ends of positions, and places."""
        axes = self.grid_axes
        for behind in _positions(*self._chunk_ranges(position)[axes:]):
            yield behind, self.region((*position[:axes], *behind))[axes:]

    def region(self, chunk: Position) -> Region:
        """Return what a chunk, or a slab, covers of the array."""
        lengths = zip(chunk, self.chunks, self.shape, strict=False)
        return tuple(slice(i * c, min((i + 1) * c, n)) for i, c, n in lengths)

    def region_of_run(self, slab: Position, length: int) -> Region:
        """Return what a slab and those behind it cover of the array."""
        last = (*slab[:-1], slab[-1] + length - 1)
        *leading, along = self.region(slab)
        return (*leading, slice(along.start, self.region(last)[-1].stop))

    def key(self, position: Position) -> str:
        """Name an object."""
        return self._prefix + "/".join(("c", *map(str, position)))

    def place_in_shard(self, chunk: Position) -> int:
        """Count the chunks that stand before one in the index of its shard."""
        place = 0
        for number, count in zip(chunk, self.chunks_per_shard, strict=True):
            place = place * count + number % count
        return place

    @property
    def chunks_per_shard(self) -> Position:
        """Chunks of an object along each axis."""
        pairs = zip(self.objects, self.chunks, strict=True)
        return tuple(whole // part for whole, part in pairs)

    def _chunk_ranges(self, position: Position) -> list[range]:
        lengths = zip(
            position, self.chunks_per_shard, self.shape, self.chunks, strict=False
        )
        return [
            range(i * n, min((i + 1) * n, _ceil(length, chunk)))
            for i, n, length, chunk in lengths
        ]


def plan_layout(
    array: LazyArray,
    *,
    chunks: Axes,
    shards: Axes,
    compressors: Sequence[Any],
    attributes: Mapping[str, Any],
    name: str | None = None,
) -> ZarrLayout:
    """Decide where each value goes, and let zarr write its metadata.

    Raises
    ------
    ValueError
        If chunks or shards do not fit the array, or each other.
    """
    wanted = grouped_frames(array) if chunks is None else chunks
    chunk = _lengths("chunks", wanted, array)
    shard = None if shards is None else _lengths("shards", shards, array)
    if shard is not None:
        shard = _whole_chunks(shard, chunk, array.shape)
    codecs: dict[str, Any] = {"compressors": compressors}
    if isinstance(array, HoldsTiles) and array.tile_codec is not None:
        filters = [TransposeCodec(order=array.tile_order)]
        plain = tuple(array.tile_order) == tuple(range(len(array.shape)))
        codecs = {"serializer": array.tile_codec, "filters": () if plain else filters}
        chunk = tuple(chunks) if isinstance(chunks, Sequence) else chunk
    metadata = array_metadata(
        array.shape,
        array.dtype,
        chunks=chunk,
        shards=shard,
        dims=array.dims,
        attributes=attributes,
        **codecs,
    )
    return read_layout(metadata, array.grid_axes, name)


def read_layout(metadata: bytes, grid_axes: int, name: str | None = None) -> ZarrLayout:
    """Read the layout back from ``zarr.json``."""
    store = memory_store({METADATA: metadata})
    array = apart(partial(zarr.open_array, store, mode="r"))
    if 0 in (*array.chunks, *(array.shards or ())):  # zarr takes it
        raise ValueError("Expected chunks of a length of 1 or more")
    codecs = json.loads(metadata)["codecs"]
    sharded = codecs[0]["name"] == "sharding_indexed"
    if sharded:
        codecs = codecs[0]["configuration"]["codecs"]
    return ZarrLayout(
        metadata=metadata,
        shape=array.shape,
        dtype=array.dtype.newbyteorder("="),
        chunks=array.chunks,
        shards=array.shards,
        grid_axes=grid_axes,
        codecs=tuple(codecs),
        compressors=tuple(codecs[1:]),
        fill_value=array.fill_value,
        name=name,
    )


def memory_store(objects: Mapping[str, bytes]) -> MemoryStore:
    """Return a store of zarr with these objects."""
    buffer = default_buffer_prototype().buffer
    return MemoryStore({key: buffer.from_bytes(data) for key, data in objects.items()})


def _lengths(name: str, wanted: int | Sequence[int], array: LazyArray) -> Position:
    """Write out the length of each axis; a number counts frames."""
    shape = array.shape
    lengths = tuple(wanted) if isinstance(wanted, Iterable) else (wanted,)
    if isinstance(wanted, int | np.integer):
        all_frames = max(math.prod(shape[: array.grid_axes]), 1)
        frames = all_frames if wanted == -1 else int(wanted)
        lengths = array.chunk_frames(frames) if frames > 0 else (frames,)
    numbers = all(isinstance(n, int | np.integer) for n in lengths)
    numbers = numbers and all(n > 0 or n == -1 for n in lengths)
    if len(lengths) != len(shape) or not numbers:
        message = f"Expected {name} for {len(shape)} axes, each 1 or more, or -1"
        raise ValueError(f"{message}; found {wanted!r}")
    pairs = zip(lengths, shape, strict=True)
    return tuple(max(n if w == -1 else min(int(w), n), 1) for w, n in pairs)


def _whole_chunks(shard: Position, chunk: Position, shape: Position) -> Position:
    """Return a shard that ends with a chunk where it reaches the end of an axis."""
    lengths = zip(shard, chunk, shape, strict=True)
    whole = tuple(_ceil(s, c) * c if s == n else s for s, c, n in lengths)
    if any(s % c for s, c in zip(whole, chunk, strict=True)):
        raise ValueError(f"Expected shards of whole chunks {chunk}, found {shard}")
    return whole


def _positions(*ranges: range) -> Iterator[Position]:
    """Yield all positions in C order; `itertools.product` would keep each range as a tuple."""
    if not ranges:
        yield ()
        return
    first, *others = ranges
    for position in first:
        for rest in _positions(*others):
            yield (position, *rest)


def _ceil(length: int, part: int) -> int:
    return -(-length // part)
