"""What an export wrote: a checksum per chunk, kept in ``lazydicom.json``.

While an export runs, the same records grow line by line in a journal, so that an
interrupted one can be continued. Checksums are CRC-32C. The one of the stored bytes leaves
out the four bytes of a closing `crc32c` codec: with them every chunk has the same sum.
"""

import itertools
import json
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from lazydicom._export.store.folder import Folder
from lazydicom._views.zarr_metadata import METADATA, structure
from lazydicom.errors import ExportError

MANIFEST: Final = "lazydicom.json"
JOURNAL: Final = "lazydicom.journal"
_VERSION: Final = 1
_MALFORMED: Final = (ValueError, TypeError, KeyError, AttributeError)
"""What reading JSON raises that is not as we write it."""
_LARGEST_CHECKSUM: Final = 2**32 - 1
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
        return json.dumps(value, separators=(",", ":")).encode()


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
        raise ExportError(f"{MANIFEST} is no manifest: {error!r}", url=url) from error
    return Manifest(plan, records)


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
            message = f"{JOURNAL} is no journal ({error!r}); overwrite=True begins anew"
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
    records = {
        str(key): [ChunkRecord(*map(int, one)) for one in chunks]
        for key, chunks in objects.items()
    }
    for one in itertools.chain.from_iterable(records.values()):
        if min(one) < 0 or max(one.stored, one.pixels) > _LARGEST_CHECKSUM:
            raise ValueError(f"no record of a chunk: {one}")
    return records


def _head(plan: ExportPlan) -> dict[str, Any]:
    return {"lazydicom_manifest": _VERSION, "checksum": "crc32c", **asdict(plan)}


def _plan(value: Mapping[str, Any]) -> ExportPlan:
    if value["lazydicom_manifest"] != _VERSION:
        raise ValueError(f"version {value['lazydicom_manifest']}")
    names = ExportPlan.__slots__  # a manifest of before the last ones has them not
    plan = ExportPlan(**{name: value[name] for name in names if name in value})
    lengths = (plan.shape, plan.chunks, plan.shards or plan.chunks)
    fit = all(len(one) == len(plan.shape) for one in lengths)
    fit &= all(isinstance(n, int) for n in itertools.chain(*lengths))
    fit &= plan.frame_axes in range(1, len(plan.shape))
    if not fit or not isinstance(plan.labels, dict):
        raise ValueError(f"no plan of an array: {lengths}, {plan.frame_axes}")
    return plan


def count_chunks(records: Iterable[list[ChunkRecord]]) -> int:
    """Count the chunks of some objects."""
    return sum(len(chunks) for chunks in records)
