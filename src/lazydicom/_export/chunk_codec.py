"""Encoding a chunk in the thread that read it, as zarr's codecs would, byte for byte.

`zarr.json` names the codecs. Those that zarr itself builds on numcodecs stand in a table
here; a chain with any other codec is left to zarr (``docs/decisions``, writing Zarr).
"""

import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

import numcodecs
import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.storage import MemoryStore

from lazydicom._export.folder import Part, as_bytes
from lazydicom._export.layout import ZarrLayout
from lazydicom._export.manifest import ChunkRecord, checksum

Step: TypeAlias = Callable[[Any], Any]

_EMPTY: Final = 2**64 - 1
_SHUFFLES: Final = {"noshuffle": 0, "shuffle": 1, "bitshuffle": 2}


class EncodedChunk(NamedTuple):
    """The bytes of a chunk, and what to remember of them."""

    parts: tuple[Part, ...]
    record: ChunkRecord


@dataclass(frozen=True, slots=True)
class ChunkEncoder:
    """Encodes the chunks of one layout."""

    layout: ZarrLayout

    def encode(self, values: NDArray[Any]) -> EncodedChunk:
        """Encode what a chunk holds of the array; the rest of it is fill value."""
        inside = np.ascontiguousarray(_little_endian(values))
        pixels = checksum(inside)
        whole = self._pad(inside)
        steps = _steps(self.layout.codecs)
        if steps is None:
            return _encoded((_encode_by_zarr(whole, self.layout),), pixels)
        *before, last = steps
        closing = last is _with_checksum
        body = whole
        for step in before if closing else steps:
            body = step(body)
        if not closing:
            return _encoded((body,), pixels)
        stored = pixels if body is inside else checksum(body)
        record = ChunkRecord(len(as_bytes(body)) + 4, stored, pixels)
        return EncodedChunk((body, struct.pack("<I", stored)), record)

    def _pad(self, inside: NDArray[Any]) -> NDArray[Any]:
        if inside.shape == self.layout.chunks:
            return inside
        whole = np.full(self.layout.chunks, self.layout.fill_value, inside.dtype)
        whole[tuple(map(slice, inside.shape))] = inside
        return whole


def is_recorded(
    data: memoryview, record: ChunkRecord, codecs: Sequence[Mapping[str, Any]]
) -> bool:
    """Tell whether stored bytes are those of a record."""
    if len(data) != record.length:
        return False
    if codecs[-1]["name"] != "crc32c":
        return checksum(data) == record.stored
    closing = struct.pack("<I", record.stored)
    return checksum(data[:-4]) == record.stored and data[-4:] == closing


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


def _encoded(parts: tuple[Part, ...], pixels: int) -> EncodedChunk:
    data = as_bytes(parts[0])
    return EncodedChunk(parts, ChunkRecord(len(data), checksum(data), pixels))


def _little_endian(values: NDArray[Any]) -> NDArray[Any]:
    if sys.byteorder == "little":
        return values
    return values.astype(values.dtype.newbyteorder("<"))


def _steps(codecs: Sequence[Mapping[str, Any]]) -> list[Step] | None:
    """Find how to do each codec, ``None`` where only zarr knows."""
    steps: list[Step] = []
    for codec in codecs:
        configuration = codec.get("configuration", {})
        if codec["name"] == "bytes" and configuration.get("endian") != "big":
            continue
        if codec["name"] not in _STEPS:
            return None
        steps.append(_STEPS[codec["name"]](configuration))
    return steps or [_as_it_is]


def _as_it_is(data: Part) -> Part:
    return data


def _with_checksum(data: Part) -> bytes:
    return bytes(data) + struct.pack("<I", checksum(data))


def _zstd(configuration: Mapping[str, Any]) -> Step:
    step: Step = numcodecs.Zstd(**configuration).encode
    return step


def _gzip(configuration: Mapping[str, Any]) -> Step:
    step: Step = numcodecs.GZip(**configuration).encode
    return step


def _blosc(configuration: Mapping[str, Any]) -> Step:
    shuffle = _SHUFFLES[configuration["shuffle"]]
    codec = numcodecs.Blosc(**{**configuration, "shuffle": shuffle})
    return lambda data: codec.encode(np.frombuffer(data, np.uint8))


_STEPS: Final[dict[str, Callable[[Mapping[str, Any]], Step]]] = {
    "zstd": _zstd,
    "gzip": _gzip,
    "blosc": _blosc,
    "crc32c": lambda _: _with_checksum,
}


def _encode_by_zarr(values: NDArray[Any], layout: ZarrLayout) -> bytes:
    """Let zarr write an array of this one chunk, and take the bytes from its store."""
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
