"""Encoding a chunk in the thread that read it, as zarr's codecs would, byte for byte.

`zarr.json` names the codecs. Those that zarr itself builds on numcodecs stand in a table
here (gzip without its time); a chain with any other codec is left to zarr. Why:
``docs/decisions/0007-zarr-writing.md``.
"""

import struct
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

import numcodecs
import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.storage import MemoryStore

from lazydicom._export.store.folder import Part, as_bytes
from lazydicom._export.store.layout import HoldsTiles, Position, ZarrLayout
from lazydicom._export.store.manifest import ChunkRecord, checksum

Step: TypeAlias = Callable[[Any], Any]

_GZIP_BITS: Final = zlib.MAX_WBITS | 16
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


def make_encoder(layout: ZarrLayout, array: object) -> ChunkEncoder:
    """Return what does each codec of a layout, up to a closing checksum."""
    if layout.keeps_tiles:
        assert isinstance(array, HoldsTiles), "it planned the layout"
        return ChunkEncoder(layout, None, array.encoded_tile)
    codecs = layout.codecs[:-1] if layout.closes_with_checksum else layout.codecs
    return ChunkEncoder(layout, _steps(codecs))


def is_recorded(data: memoryview, record: ChunkRecord, layout: ZarrLayout) -> bool:
    """Return whether stored bytes are those of a record."""
    if len(data) != record.length:
        return False
    if not layout.closes_with_checksum:
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
