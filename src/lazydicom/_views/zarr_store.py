"""The Zarr view: a read-only store whose chunks are decoded when they are asked for."""

import asyncio
import math
from collections.abc import AsyncIterator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from zarr.abc.buffer import Buffer, BufferPrototype
from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.buffer import default_buffer_prototype

from lazydicom._array.lazy_array import LazyArray, check_lazy
from lazydicom._array.work.cores import default_threads
from lazydicom._bytes.per_process import per_process
from lazydicom._frames.index import is_distant
from lazydicom._views.zarr_metadata import (
    check_name,
    chunk_lengths,
    grouped_frames,
    view_objects,
)

Position: TypeAlias = tuple[int, ...]

_THREADS: Final = 64
"""Distant chunks under way at once at the most: they wait, so cores say nothing.
How many zarr really asks for says its option ``async.concurrency``."""

_MOST_DIGITS: Final = 18


class ZarrStore(Store):
    """A DICOM array as a Zarr v3 store; nothing is copied, nothing can be written.

    Parameters
    ----------
    array : DicomArray or ComputedArray
        Any array: native, compressed, packed or deflated, of one or many files.
    frames_per_chunk : int or "auto"
        Whole frames per chunk along the last grid axis. ``"auto"`` groups small frames
        up to 1 MiB, as `to_zarr` does; larger ones have a chunk each.
    name : str, optional
        Without it the array is the root of the store, which `zarr.open_array` reads.
        With it the root is a group that holds the array under this name and its
        numeric coordinates beside, which `xarray.open_zarr` reads.

    Notes
    -----
    A chunk that cannot be read raises the error that the array raises; it is never
    missing, so that no fill value is taken for pixels. Attributes are technical ones:
    nothing of a patient, no UID, no text.

    Examples
    --------
    >>> import zarr
    >>> from pydicom.data import get_testdata_file
    >>> import lazydicom
    >>> path = get_testdata_file("rtdose.dcm", download=False)
    >>> store = lazydicom.ZarrStore(lazydicom.open_image(path), frames_per_chunk=4)
    >>> view = zarr.open_array(store, mode="r")
    >>> view.shape, view.chunks, view.metadata.dimension_names
    ((15, 10, 10), (4, 10, 10), ('frame', 'y', 'x'))
    >>> view[7, 2:4, 0].shape
    (2,)
    """

    supports_writes: bool = False
    supports_deletes: bool = False
    supports_listing: bool = True

    def __init__(
        self,
        array: LazyArray,
        *,
        frames_per_chunk: int | Literal["auto"] = "auto",
        name: str | None = None,
    ) -> None:
        super().__init__(read_only=True)
        check_lazy(array, "ZarrStore")
        if name is not None:
            check_name(array, name)
        if frames_per_chunk == "auto":
            frames_per_chunk = grouped_frames(array)
        self.array = array
        self.name = name
        self._chunks = chunk_lengths(array, frames_per_chunk)
        self._prefix = "" if name is None else f"{name}/"
        self._objects = view_objects(array, self._chunks, name)

    def __eq__(self, other: object) -> bool:
        """Whether both give the same bytes for every key."""
        return isinstance(other, ZarrStore) and self._identity() == other._identity()

    def __hash__(self) -> int:
        """Go with `__eq__`."""
        return hash(self._identity())

    def __repr__(self) -> str:
        """Return what is looked at."""
        return f"ZarrStore({self.array!r}, chunks={self._chunks}, name={self.name!r})"

    def __str__(self) -> str:
        """Return the same as `repr`."""
        return repr(self)

    def with_read_only(self, read_only: bool = False) -> Store:  # noqa: FBT001, FBT002 (zarr's)
        """Return this store; there is no writable one."""
        return self if read_only else super().with_read_only(read_only)

    async def get(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """Return an object, decoded now if it is a chunk; ``None`` where there is none.

        Raises
        ------
        LazyDicomError
            If a frame of the chunk cannot be read or decoded.
        """
        await self._ensure_open()
        buffer = (prototype or default_buffer_prototype()).buffer
        if (data := self._objects.get(key)) is not None:
            values = np.frombuffer(data, np.uint8)
            return buffer.from_array_like(values[_part(byte_range, values.size)])
        position = self._position(key)
        if position is None:
            return None
        wanted = _part(byte_range, self._chunk_nbytes)
        loop, pool = asyncio.get_running_loop(), self._pool()
        part = await loop.run_in_executor(pool, self._read_chunk, position, wanted)
        return buffer.from_array_like(part)

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        """Return parts of objects, all read at once."""
        wanted = [self.get(key, prototype, span) for key, span in key_ranges]
        return list(await asyncio.gather(*wanted))

    async def exists(self, key: str) -> bool:
        """Return whether there is such an object; nothing is read."""
        return key in self._objects or self._position(key) is not None

    async def getsize(self, key: str) -> int:
        """Return the length of an object; nothing is read.

        Raises
        ------
        FileNotFoundError
            If there is none.
        """
        if key in self._objects:
            return len(self._objects[key])
        if self._position(key) is None:
            raise FileNotFoundError(key)
        return self._chunk_nbytes

    async def set(self, key: str, value: Buffer) -> None:
        """Refuse."""
        del key, value
        self._check_writable()

    async def delete(self, key: str) -> None:
        """Refuse."""
        del key
        self._check_writable()

    async def list(self) -> AsyncIterator[str]:
        """Name every object."""
        for key in self._keys():
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Name the objects that begin so."""
        for key in self._keys():
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Name what stands right below."""
        below = prefix.rstrip("/") + "/" if prefix.rstrip("/") else ""
        names = (key[len(below) :] for key in self._keys() if key.startswith(below))
        for name in dict.fromkeys(name.split("/")[0] for name in names):
            yield name

    def _keys(self) -> Iterator[str]:
        yield from self._objects
        for position in product(*map(range, self._counts)):
            yield f"{self._prefix}c/" + "/".join(map(str, position))

    @property
    def _counts(self) -> Position:
        """Chunks along each axis."""
        pairs = zip(self.array.shape, self._chunks, strict=True)
        return tuple(-(-length // chunk) for length, chunk in pairs)

    def _position(self, key: str) -> Position | None:
        """Read the key of a chunk, ``None`` where it is none."""
        words = key.removeprefix(f"{self._prefix}c/").split("/")
        if not all(_is_count(word) for word in words):
            return None
        position = tuple(map(int, words))
        known = f"{self._prefix}c/" + "/".join(map(str, position)) == key
        counts = self._counts
        inside = len(position) == len(counts) and all(map(int.__lt__, position, counts))
        return position if known and inside else None

    @property
    def _chunk_nbytes(self) -> int:
        return math.prod(self._chunks) * self.array.dtype.itemsize

    def _read_chunk(self, position: Position, wanted: slice) -> NDArray[np.uint8]:
        """Return some bytes of a chunk: of native frames, only their rows are read.

        Behind the end of the array a chunk is padded.
        """
        start, stop, _ = wanted.indices(self._chunk_nbytes)
        if start >= stop:
            return np.empty(0, np.uint8)
        itemsize = self.array.dtype.itemsize
        box, first = _box(self._chunks, start // itemsize, -(-stop // itemsize))
        region, shape = [], []
        for place, chunk, length, inside in zip(
            position, self._chunks, self.array.shape, box, strict=True
        ):
            origin = place * chunk
            low, high = (
                min(origin + edge, length) for edge in (inside.start, inside.stop)
            )
            region.append(slice(low, high))
            shape.append(inside.stop - inside.start)
        values = self.array.read(tuple(region), threads=1)
        missing = [(0, n - m) for n, m in zip(shape, values.shape, strict=True)]
        if any(after for _, after in missing):
            values = np.pad(values, missing)
        little = values.astype(values.dtype.newbyteorder("<"), order="C", copy=False)
        flat: NDArray[np.uint8] = little.reshape(-1).view(np.uint8)
        return flat[start - first * itemsize : stop - first * itemsize]

    def _pool(self) -> ThreadPoolExecutor:
        """Return the threads that read: they wait for a network, or compute."""
        waits = any(is_distant(image.reader) for image in self.array.images[:1])
        return _waiting() if waits else _computing()

    def _identity(self) -> tuple[object, ...]:
        return (self.array.identity(), tuple(sorted(self._objects.items())))


def _is_count(word: str) -> bool:
    """Return whether a word is a number that an axis can have."""
    return word.isdecimal() and word.isascii() and len(word) <= _MOST_DIGITS


def _box(shape: Position, start: int, stop: int) -> tuple[tuple[slice, ...], int]:
    """Return the smallest box that holds the values from `start` to `stop`, in C order.

    And the number of its first value: from that one on, its values follow each other.

    >>> _box((2, 8, 8), 67, 70)
    ((slice(1, 2, None), slice(0, 1, None), slice(3, 6, None)), 67)
    >>> _box((2, 8, 8), 67, 80)
    ((slice(1, 2, None), slice(0, 2, None), slice(0, 8, None)), 64)
    """
    box, first = [slice(0, length) for length in shape], 0
    for axis in range(len(shape)):
        step = math.prod(shape[axis + 1 :])
        low, last = (start - first) // step, (stop - 1 - first) // step
        box[axis] = slice(low, last + 1)
        first += low * step
        if low != last:
            break
    return tuple(box), first


def _part(wanted: ByteRequest | None, length: int) -> slice:
    """Turn a request of zarr into a slice."""
    match wanted:
        case None:
            return slice(None)
        case RangeByteRequest(start, end):
            return slice(start, end)
        case OffsetByteRequest(offset):
            return slice(offset, None)
        case SuffixByteRequest(suffix):
            return slice(max(length - suffix, 0), None)
    raise TypeError(f"Unexpected byte_range, got {wanted!r}")


@per_process
def _waiting() -> ThreadPoolExecutor:
    """Keep the pool outside: a store holds no handle."""
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="lazydicom-zarr")


@per_process
def _computing() -> ThreadPoolExecutor:
    """Keep as many threads as may compute, however many chunks zarr asks for at once."""
    return ThreadPoolExecutor(default_threads(), thread_name_prefix="lazydicom-chunk")
