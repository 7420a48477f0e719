"""Comparing the objects of a store with its manifest, or with what it was made from."""

import itertools
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.storage import LocalStore

from lazydicom._array.lazy_array import LazyArray
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._export.store.folder import Folder, LocalFolder
from lazydicom._export.store.layout import (
    METADATA,
    Position,
    Region,
    ZarrLayout,
    memory_store,
)
from lazydicom._export.store.manifest import (
    ChunkRecord,
    Manifest,
    checksum,
    label_checksum,
)
from lazydicom._export.store.stored import differing_chunk
from lazydicom._views.zarr_metadata import consolidated_metadata, structure
from lazydicom.errors import ExportError


@dataclass(frozen=True, slots=True)
class Difference:
    """A chunk that does not hold what it should."""

    key: str
    """Object of the store."""
    frame: int
    """First frame that differs or, without a source, the first one of the chunk."""
    region: tuple[slice, ...]
    """What the chunk covers of the array."""
    reason: str

    def __str__(self) -> str:
        """Return what is wrong, in one line."""
        return f"frame {self.frame}: {self.reason} ({self.key})"


@dataclass(frozen=True, slots=True)
class StoreCheck:
    """A store, and what to compare it with."""

    folder: Folder
    layout: ZarrLayout
    manifest: Manifest | None
    source: LazyArray | None

    @property
    def nbytes(self) -> int:
        """Bytes of all pixels, decoded."""
        return self.layout.nbytes

    @property
    def compared_with(self) -> tuple[str, ...]:
        """Name what is there to compare with."""
        others = {"manifest": self.manifest, "source": self.source}
        return tuple(name for name, value in others.items() if value is not None)

    def objects(self) -> Iterator[Position]:
        """Return the positions of all objects."""
        return itertools.chain.from_iterable(
            self.layout.objects_of(unit) for unit in self.layout.units()
        )

    def wrong_metadata(self) -> Difference | None:
        """Return whether ``zarr.json`` describes another array."""
        stored = (self.layout.shape, self.layout.dtype.str)
        if self.manifest is not None:
            plan = self.manifest.plan
            if (tuple(plan.shape), plan.dtype) != stored:
                return self._other_array(stored, "manifest")
            if (plan.chunks, plan.shards) != _as_lists(self.layout):
                return self._other_array(_as_lists(self.layout), "manifest")
        if (
            self.source is not None
            and (self.source.shape, self.source.dtype.str) != stored
        ):
            return self._other_array(stored, "source")
        return None

    def _other_array(self, found: object, whose: str) -> Difference:
        reason = f"the metadata ({found}) are not those of the {whose}"
        return Difference(self.layout.metadata_key, 0, (), reason)

    def wrong_labels(self) -> Iterator[Difference]:
        """Check what describes the array, and the coordinates beside it."""
        labels = self.manifest.plan.labels if self.manifest is not None else {}
        stored = {key: self.folder.get(key) for key in labels}
        for key, data in stored.items():
            if data is None or label_checksum(key, data) != labels[key]:
                reason = "it is gone" if data is None else "stored bytes differ"
                yield Difference(key, 0, (), reason)
        if self.layout.name is not None:
            yield from self._contradictions(stored)

    def _contradictions(
        self, found: Mapping[str, bytes | None]
    ) -> Iterator[Difference]:
        """Compare arrays with what the group says of them, which readers believe."""
        try:
            said = consolidated_metadata(self.folder.get(METADATA) or b"")
        except (ValueError, TypeError, RecursionError):
            yield Difference(METADATA, 0, (), "it describes no group")
            return
        for key, data in found.items():
            name, _, last = key.rpartition("/")
            if said is None or last != METADATA or data is None:
                continue
            if structure(said.get(name, b"")) != structure(data):
                reason = f"the group says something else of {name}"
                yield Difference(METADATA, 0, (), reason)

    def wrong_object(self, position: Position) -> Difference | None:
        """Check one object: it is there, its stored bytes, its pixels."""
        try:
            return self._wrong_object(position)
        except ExportError as error:
            if not isinstance(error.__cause__, zipfile.BadZipFile):
                raise
            first = next(self.layout.chunks_of(position))
            return self._difference(position, first, str(error.__cause__))

    def _wrong_object(self, position: Position) -> Difference | None:
        key = self.layout.key(position)
        if self.folder.size(key) is None:
            first = next(self.layout.chunks_of(position))
            return self._difference(position, first, "the chunk is gone")
        if self.manifest is None:
            return self._wrong_pixels(position, None)
        records = self.manifest.records.get(key, [])
        wrong = self._wrong_bytes(position, records)
        if wrong is not None and self.source is None:
            return wrong
        return self._wrong_pixels(position, None if wrong else records) or wrong

    def _wrong_bytes(
        self, position: Position, records: list[ChunkRecord]
    ) -> Difference | None:
        first = next(self.layout.chunks_of(position))
        if len(records) != self.layout.chunks_in_object(position):
            reason = "the manifest does not know the chunk"
            return self._difference(position, first, reason)
        stored = self.folder.size(self.layout.key(position)) or 0
        if stored < self.layout.index_nbytes:
            return self._difference(position, first, "stored bytes differ")
        chunk = differing_chunk(self.layout, self.folder, position, records)
        if chunk is None:
            return None
        return self._difference(position, chunk, "stored bytes differ")

    def _wrong_pixels(
        self, position: Position, records: list[ChunkRecord] | None
    ) -> Difference | None:
        array = self._open_object(self.layout.key(position))
        for number, chunk in enumerate(self.layout.chunks_of(position)):
            try:
                values = _little_endian(array[self.layout.region(chunk)])
            except Exception as error:  # noqa: BLE001 (each codec has errors of its own)
                reason = f"the chunk does not decode: {type(error).__name__}: {error}"
                return self._difference(position, chunk, reason)
            wrong = self._differing_frame(values, chunk)
            if wrong is not None:
                reason = "pixels differ from those of the source"
                return self._difference(position, chunk, reason, frame=wrong)
            if records is not None and checksum(values) != records[number].pixels:
                return self._difference(position, chunk, "pixels differ")
        return None

    def _open_object(self, key: str) -> Any:  # noqa: ANN401 (zarr.Array has no parameter here)
        """Return an array of zarr that decodes it: from a disk directly, else from memory."""
        path = self.layout.name or ""
        if isinstance(self.folder, LocalFolder):
            local = LocalStore(self.folder.path, read_only=True)
            return zarr.open_array(local, path=path, mode="r")
        data = self.folder.get(key) or b""
        objects = {self.layout.metadata_key: self.layout.metadata, key: data}
        return zarr.open_array(memory_store(objects), path=path, mode="r")

    def _differing_frame(self, values: NDArray[Any], chunk: Position) -> int | None:
        if self.source is None:
            return None
        region = self.layout.region(chunk)
        expected = _little_endian(self.source.read(region, threads=1))
        bits = f"u{values.dtype.itemsize}"
        different = values.view(bits) != expected.view(bits)  # NaN equals itself
        axes = self.layout.grid_axes
        frames = different.any(axis=tuple(range(axes, different.ndim)))
        if not frames.any():
            return None
        return self._frame_number(region, np.argwhere(frames)[0])

    def _difference(
        self, position: Position, chunk: Position, reason: str, frame: int | None = None
    ) -> Difference:
        region = self.layout.region(chunk)
        if frame is None:
            frame = self._frame_number(region, np.zeros(self.layout.grid_axes, int))
        return Difference(self.layout.key(position), frame, region, reason)

    def _frame_number(self, region: Region, inside: NDArray[np.int_]) -> int:
        axes = self.layout.grid_axes
        if not axes:
            return 0  # the only plane
        starts = [span.start for span in region[:axes]]
        lengths = np.array(self._frame_lengths())
        place = tuple(((np.array(starts) + inside) // lengths).tolist())
        counts = -(-np.array(self.layout.shape[:axes]) // lengths)
        return int(np.ravel_multi_index(place, tuple(counts.tolist())))

    def _frame_lengths(self) -> Sequence[int]:
        """Return what a frame covers of each axis that counts frames."""
        axes = self.layout.grid_axes
        if self.source is not None:
            return self.source.chunk_frames(1)[:axes]
        plan = None if self.manifest is None else self.manifest.plan
        return (plan and plan.frame_lengths) or [1] * axes


def _as_lists(layout: ZarrLayout) -> tuple[list[int], list[int] | None]:
    shards = None if layout.shards is None else list(layout.shards)
    return list(layout.chunks), shards


def _little_endian(values: Any) -> NDArray[Any]:  # noqa: ANN401 (what zarr gives)
    array = np.ascontiguousarray(values)
    return array.astype(array.dtype.newbyteorder("<"), copy=False)
