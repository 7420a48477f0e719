"""Whether objects of a store are those that were recorded, and the index of a shard."""

import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import numpy as np

from lazydicom._export.store.folder import Folder
from lazydicom._export.store.layout import Position, ZarrLayout
from lazydicom._export.store.manifest import ChunkRecord, checksum

_EMPTY: Final = 2**64 - 1


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
        if folder.size(key) != _object_nbytes(layout, records):
            return False
        if folder.appends and differing_chunk(layout, folder, position, records):
            return False
    return True


def differing_chunk(
    layout: ZarrLayout, folder: Folder, position: Position, records: list[ChunkRecord]
) -> Position | None:
    """Find the first chunk of an object whose stored bytes are not the recorded ones."""
    read, offset = _reader(folder, layout.key(position)), 0
    for chunk, record in zip(layout.chunks_of(position), records, strict=True):
        stored = memoryview(read(offset, offset + record.length))
        if not _is_recorded(stored, record, layout):
            return chunk
        offset += record.length
    if layout.shards:
        index = shard_index(layout, _spans_in_shard(layout, position, records))
        if read(offset, offset + len(index)) != index:
            return next(layout.chunks_of(position))
    return None


def _reader(folder: Folder, key: str) -> Callable[[int, int], bytes]:
    """Read from a disk what is asked for, from a network an object at once."""
    if folder.appends:
        return lambda start, stop: folder.get(key, start, stop) or b""
    data = folder.get(key) or b""
    return lambda start, stop: data[start:stop]


def _is_recorded(data: memoryview, record: ChunkRecord, layout: ZarrLayout) -> bool:
    """Return whether stored bytes are those of a record."""
    if len(data) != record.length:
        return False
    if not layout.closes_with_checksum:
        return checksum(data) == record.stored
    closing = struct.pack("<I", record.stored)
    return checksum(data[:-4]) == record.stored and data[-4:] == closing


def _object_nbytes(layout: ZarrLayout, records: list[ChunkRecord]) -> int:
    """Return the length of a whole object."""
    return sum(record.length for record in records) + layout.index_nbytes


def _spans_in_shard(
    layout: ZarrLayout, position: Position, records: list[ChunkRecord]
) -> dict[int, tuple[int, int]]:
    """Return offset and length of the chunks of a shard by their place in its index."""
    spans: dict[int, tuple[int, int]] = {}
    offset = 0
    for chunk, record in zip(layout.chunks_of(position), records, strict=True):
        spans[layout.place_in_shard(chunk)] = (offset, record.length)
        offset += record.length
    return spans


def shard_index(layout: ZarrLayout, lengths: Mapping[int, tuple[int, int]]) -> bytes:
    """Write the index of a shard: offset and length of each chunk, and a checksum.

    Parameters
    ----------
    layout : ZarrLayout
        A sharded one, whose index stands at the end of a shard.
    lengths : mapping
        Offset and length by `ZarrLayout.place_in_shard`; others are empty.
    """
    index = np.full((int(np.prod(layout.chunks_per_shard)), 2), _EMPTY, "<u8")
    for place, span in lengths.items():
        index[place] = span
    data = index.tobytes()
    return data + struct.pack("<I", checksum(data))
