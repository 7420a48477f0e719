"""What an export wrote: a checksum per chunk, kept in ``lazydicom.json``.

While an export runs, the same records grow line by line in a journal, so that an
interrupted one can be continued. Checksums are CRC-32C. The one of the stored bytes leaves
out the four bytes of a closing `crc32c` codec: with them every chunk has the same sum.
"""

import itertools
import json
import re
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, field
from hashlib import blake2b
from typing import Any, Final, NamedTuple, TypeAlias

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from lazydicom._array.lazy_array import LazyArray
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._export.store.folder import Folder
from lazydicom._export.store.layout import ZarrLayout
from lazydicom._views.zarr_metadata import METADATA, structure
from lazydicom.errors import ExportError

MANIFEST: Final = "lazydicom.json"
JOURNAL: Final = "lazydicom.journal"
_VERSION: Final = 1
_MARKER: Final = "lazydicom_multiscales"
_MALFORMED: Final = (ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What reading JSON raises that is not as we write it."""
_LARGEST_CHECKSUM: Final = 2**32 - 1
_LARGEST_LENGTH: Final = 2**62
_MOST_AXES: Final = 32
_MOST_LEVELS: Final = 64
_DIGEST: Final = re.compile(r"[0-9a-f]{32}")
_LABEL: Final = re.compile(r"(?:(?P<name>[^/\\\0]+)/)?(?:zarr\.json|c(?:/0)*)")
"""What stands in a store beside chunks of pixels: metadata, and coordinates of one chunk."""
_CHUNK: Final = re.compile(r"(?:(?P<name>[^/\\\0]+)/)?c(?:/\d{1,18})*")
_FLUSH_S: Final = 2.0
"""A killed export to an object store repeats at most this much work."""


class ChunkRecord(NamedTuple):
    """One chunk as it was written."""

    length: int
    """Stored bytes."""
    stored: int
    """Checksum of the stored bytes."""
    pixels: int
    """Checksum of the decoded pixels inside the array: C order, little endian."""


Records: TypeAlias = dict[str, list[ChunkRecord]]
"""The chunks of each object of a store, in the order in which they lie there."""


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """What an export is going to write; only the same plan continues an export."""

    source: str
    """Digest of the identity of the source, how it is decoded, and what fills its holes."""
    metadata: str
    """Digest of ``zarr.json``."""
    frame_axes: int
    """Leading axes that count frames."""
    shape: list[int]
    dtype: str
    chunks: list[int]
    shards: list[int] | None
    frame_lengths: list[int] = field(default_factory=list)
    """What a frame covers of each axis that counts frames; empty where that is 1."""
    name: str | None = None
    """What the array is called in its group; ``None``: it is the store."""
    labels: dict[str, int] = field(default_factory=dict)
    """Checksum of the values of each coordinate, and of what describes each array."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The plan and all that came of it."""

    plan: ExportPlan
    records: Records

    def encode(self) -> bytes:
        """Write as JSON, the same bytes for the same export."""
        objects = {key: self.records[key] for key in sorted(self.records)}
        value = {**_head(self.plan), "objects": objects}
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def make_plan(
    array: LazyArray, layout: ZarrLayout, labels: Mapping[str, bytes]
) -> ExportPlan:
    """Return what an export is going to write."""
    source = blake2b(repr(array.identity()).encode(), digest_size=16)
    return ExportPlan(
        source=source.hexdigest(),
        metadata=blake2b(layout.metadata, digest_size=16).hexdigest(),
        frame_axes=layout.grid_axes,
        frame_lengths=_frame_lengths(array),
        shape=list(layout.shape),
        dtype=layout.dtype.str,
        chunks=list(layout.chunks),
        shards=None if layout.shards is None else list(layout.shards),
        name=layout.name,
        labels={
            key: label_checksum(key, data)
            for key, data in {**labels, layout.metadata_key: layout.metadata}.items()
        },
    )


def _frame_lengths(array: LazyArray) -> list[int]:
    """Return what a frame covers of each axis that counts frames; empty where it is 1."""
    lengths = list(array.chunk_frames(1)[: array.grid_axes])
    return lengths if max(lengths, default=1) > 1 else []


def decode_manifest(data: bytes, url: str) -> Manifest:
    """Read JSON.

    Raises
    ------
    ExportError
        If it is no manifest.
    """
    try:
        value = json.loads(data)
        plan = _plan(value)
        records = _records(value["objects"])
    except _MALFORMED as error:
        raise ExportError(
            f"{MANIFEST} is no manifest: {_why(error)}", url=url
        ) from error
    return Manifest(plan, records)


@dataclass(frozen=True, slots=True)
class ImageMarker:
    """What stands in the place of a manifest where levels have one each."""

    source: str
    """Digest of the identity of the source and of what describes the levels."""
    levels: int
    attributes: int
    """Checksum of the attributes of the group."""
    chunks: list[int] | None
    compressors: str

    def encode(self) -> bytes:
        """Write as JSON."""
        return json.dumps({_MARKER: asdict(self)}).encode()


def decode_marker(data: bytes, url: str) -> ImageMarker | None:
    """Read JSON; ``None`` where it is the manifest of one array, or nothing.

    Raises
    ------
    ExportError
        If it is a marker that nobody writes.
    """
    try:
        value = json.loads(data or b"{}")
        if not isinstance(value, dict) or _MARKER not in value:
            return None
        marker = ImageMarker(**value[_MARKER])
        _check(type(marker.levels) is int and 1 <= marker.levels <= _MOST_LEVELS)
    except _MALFORMED as error:
        raise ExportError(
            f"{MANIFEST} is no manifest: {_why(error)}", url=url
        ) from error
    return marker


def checksum(data: bytes | memoryview | NDArray[Any], start: int = 0) -> int:
    """Return the CRC-32C of bytes.

    >>> hex(checksum(b"123456789"))
    '0xe3069283'
    """
    flat = np.frombuffer(data, np.uint8)
    return int(google_crc32c.extend(start, flat))


def label_checksum(key: str, data: bytes) -> int:
    """Return the checksum of an object that is no chunk of pixels.

    Of metadata it leaves out attributes, which may be added later on.
    """
    return checksum(structure(data) if key.endswith(METADATA) else data)


def attributes_checksum(metadata: bytes) -> int:
    """Return the checksum of the attributes of a group, whoever spaced its JSON."""
    attributes = json.loads(metadata)["attributes"]
    return checksum(json.dumps(attributes, sort_keys=True).encode())


@dataclass(slots=True)
class Journal:
    """Records as they come, kept beside the chunks until the manifest replaces them."""

    folder: Folder
    _waiting: list[str] = field(default_factory=list)
    _parts: int = 0
    _flushed: float = field(default_factory=time.monotonic)

    def begin(self, plan: ExportPlan, records: Records) -> None:
        """Write down the plan before the first chunk, and what is known to be written."""
        lines = [json.dumps(_head(plan))]
        lines += [_line({key: chunks}) for key, chunks in records.items()]
        data = "".join(f"{line}\n" for line in lines).encode()
        self.folder.put(self._part(0), data)
        self._delete_parts(behind=0)

    def add(self, records: Records) -> None:
        """Note chunks that are written."""
        self._waiting.append(_line(records))
        due = time.monotonic() - self._flushed >= _FLUSH_S
        if self.folder.appends or due:
            self.flush()

    def flush(self) -> None:
        """Bring what is noted to where it outlives this process."""
        data = "".join(f"{line}\n" for line in self._waiting).encode()
        if self.folder.appends:
            self.folder.append(self._part(0), data)
        elif data:
            self.folder.put(self._part(self._parts), data)
            self._parts += 1
        self._waiting, self._flushed = [], time.monotonic()

    def load(self) -> Manifest | None:
        """Read what an interrupted export noted; ``None`` where it noted nothing.

        Lines that a kill or a full disk has torn do not count; their chunks are redone.

        Raises
        ------
        ExportError
            If it does not begin with a plan.
        """
        first, *others = self._read().split(b"\n")
        if not first:
            return None
        try:
            plan = _plan(json.loads(first))
        except _MALFORMED as error:
            message = (
                f"{JOURNAL} is no journal ({_why(error)}); overwrite=True begins anew"
            )
            raise ExportError(message, url=self.folder.url) from error
        records: Records = {}
        for line in others:
            with suppress(*_MALFORMED):
                records |= _records(json.loads(line))
        return Manifest(plan, records)

    def remove(self) -> None:
        """Delete it: the manifest is written."""
        self._delete_parts(behind=-1)

    def _delete_parts(self, *, behind: int) -> None:
        """Delete from the end, so that a kill leaves no gap."""
        for number in range(self._parts - 1, behind, -1):
            self.folder.delete(self._part(number))
        self._parts = behind + 1

    def _read(self) -> bytes:
        data = b""
        while (part := self.folder.get(self._part(self._parts))) is not None:
            data += part
            self._parts += 1
        return data

    def _part(self, number: int) -> str:
        return f"{JOURNAL}/{number:06d}"


def _line(records: Records) -> str:
    return json.dumps(records, separators=(",", ":"))


def _records(objects: Mapping[str, Any]) -> Records:
    """Check every field: a store does not testify for itself."""
    records = {}
    for key, chunks in objects.items():
        _check(_CHUNK.fullmatch(key) is not None)
        records[key] = [ChunkRecord(*one) for one in chunks]
    for one in itertools.chain.from_iterable(records.values()):
        _check(all(type(number) is int and number >= 0 for number in one))
        _check(one.length <= _LARGEST_LENGTH)
        _check(max(one.stored, one.pixels) <= _LARGEST_CHECKSUM)
    return records


def _head(plan: ExportPlan) -> dict[str, Any]:
    return {"lazydicom_manifest": _VERSION, "checksum": "crc32c", **asdict(plan)}


def _plan(value: Mapping[str, Any]) -> ExportPlan:
    """Check every field by type, size and range."""
    _check(value["lazydicom_manifest"] == _VERSION)
    names = ExportPlan.__slots__  # a manifest of before the last ones has them not
    plan = ExportPlan(**{name: value[name] for name in names if name in value})
    _check(all(map(_DIGEST.fullmatch, (plan.source, plan.metadata))))
    for lengths, least in ((plan.shape, 0), (plan.chunks, 1), (plan.shards, 1)):
        _check(lengths is None or _are_lengths(lengths, least, len(plan.shape)))
    _check(type(plan.frame_axes) is int and 0 <= plan.frame_axes <= len(plan.shape))
    _check(
        plan.frame_lengths == [] or _are_lengths(plan.frame_lengths, 1, plan.frame_axes)
    )
    _check(None not in (plan.shape, plan.chunks))
    _check(np.dtype(plan.dtype).kind in "iuf")
    _check(plan.name is None or _is_plain(plan.name))
    for key, label in plan.labels.items():
        named = _LABEL.fullmatch(key)
        _check(
            named is not None and (named["name"] is None or _is_plain(named["name"]))
        )
        _check(type(label) is int and 0 <= label <= _LARGEST_CHECKSUM)
    return plan


def _are_lengths(lengths: Any, least: int, axes: int) -> bool:  # noqa: ANN401 (JSON)
    numbers = isinstance(lengths, list) and len(lengths) == axes <= _MOST_AXES
    return numbers and all(
        type(one) is int and least <= one <= _LARGEST_LENGTH for one in lengths
    )


def _is_plain(name: str) -> bool:
    return (
        name not in {".", ".."} and name.isprintable() and not set(name) & set("/\\:")
    )


def _check(holds: bool) -> None:  # noqa: FBT001 (an assertion about data)
    if not holds:
        raise ValueError("a field has a value that nobody writes")


def _why(error: Exception) -> str:
    """Name the kind of error; its text may quote the store."""
    ours = isinstance(error, ValueError) and not isinstance(error, json.JSONDecodeError)
    return (
        str(error)
        if ours and str(error).startswith("a field")
        else type(error).__name__
    )


def count_chunks(records: Iterable[list[ChunkRecord]]) -> int:
    """Count the chunks of some objects."""
    return sum(len(chunks) for chunks in records)
