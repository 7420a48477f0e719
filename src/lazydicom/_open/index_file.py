"""The saved index: a zip file of a directory and of records, and the folder that caches it.

``index.json`` names the format and counts the instances. ``directory`` has a row of 36 bytes
for each, sorted by the hash of its name: where its record stands in ``records``, how long it
is, and how long the lengths of its frames behind it. Record (JSON) and lengths (integers) are
compressed one by one, so that one instance of a million is read without the others. Nothing
is executed. Why not Parquet: ``docs/decisions/0008-saved-index.md``.
"""

import json
import os
import struct
import zipfile
import zlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from struct import Struct
from typing import BinaryIO, Final, NamedTuple
from uuid import uuid4

from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._open.index_record import IndexRecord, from_record, to_record
from lazydicom.errors import (
    InvalidDicomError,
    LazyDicomError,
    LimitError,
    source_error,
)

SUFFIX: Final = ".lazydicom-index"
_FORMAT: Final = "lazydicom index"
_VERSION: Final = 2
_ABOUT: Final = "index.json"
_DIRECTORY: Final = "directory"
_RECORDS: Final = "records"
_ROW: Final = Struct("<16sQQQ")
"""Hash of the name; offset and length of the record, length of the frame lengths."""
_LOCAL_HEADER: Final = Struct("<4s22xHH")
"""Of a zip member; its name and an extra field follow, then its data."""
_NO_INDEX: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What a damaged zip file, JSON of another shape and damaged columns raise."""
_LONGEST_RECORD: Final = 1 << 24
"""16 MiB of JSON for one instance."""


def write_index(path: Path, instances: Iterable[IndexRecord]) -> None:
    """Write an index file in one step: a reader sees the old one or the new one.

    Raises
    ------
    OSError
        If the disk refuses.
    """
    beside = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with zipfile.ZipFile(beside, "x") as archive:
            _write(archive, instances)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def read_index(path: str | os.PathLike[str]) -> dict[str, IndexRecord]:
    """Read all instances of an index file, by the hash of their names.

    Raises
    ------
    InvalidDicomError
        If it is no index, or one of another version.
    """
    with _open_index(path) as index:
        rows = map(index.row, range(index.instances))
        instances = list(map(index.instance, rows))
    return {instance.name: instance for instance in instances}


def read_instance(path: str | os.PathLike[str], name: str) -> IndexRecord | None:
    """Read one instance of an index file, ``None`` if the file does not have it.

    Raises
    ------
    InvalidDicomError
        If it is no index, or one of another version.
    """
    key = bytes.fromhex(name)
    with _open_index(path) as index:
        row = index.find(key)
        return None if row is None else index.instance(row)


def may_be_replaced(path: Path) -> bool:
    """Return whether an index or an empty file stands there, or nothing.

    A slip of the hand must not cost a DICOM file.
    """
    if not path.exists():
        return True
    if not path.is_file():
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return _ABOUT in archive.namelist()
    except (OSError, *_NO_INDEX):
        return path.stat().st_size == 0


def cached_index(name: str) -> Path:
    """Return where the index of an instance is cached; the file may not exist yet."""
    import platformdirs  # deferred: 2 ms, for a cache that few ask for

    folder = platformdirs.user_cache_path("lazydicom") / f"index-{_VERSION}"
    return folder / f"{name}{SUFFIX}"


class _Row(NamedTuple):
    """A row of the directory."""

    key: bytes
    offset: int
    record_length: int
    lengths_length: int


@dataclass(frozen=True, slots=True)
class _Index:
    """An open index file."""

    file: BinaryIO
    instances: int
    """How many there are."""
    directory: int
    """Where the directory begins."""
    start: int
    """Where the records begin."""
    length: int
    """How long they are."""

    def row(self, place: int) -> _Row:
        """Read one row of the directory."""
        data = _read_at(self.file, self.directory + place * _ROW.size, _ROW.size)
        return _Row(*_ROW.unpack(data))

    def find(self, key: bytes) -> _Row | None:
        """Return the row of an instance: rows are sorted, so some of them are read."""
        places = range(self.instances)
        place = bisect_left(places, key, key=lambda place: self.row(place).key)
        row = self.row(place) if place < self.instances else None
        return row if row is not None and row.key == key else None

    def instance(self, row: _Row) -> IndexRecord:
        """Read one instance."""
        whole = row.record_length + row.lengths_length
        if row.offset + whole > self.length:
            raise ValueError("offset")
        data = _read_at(self.file, self.start + row.offset, whole)
        record = json.loads(_unpack(data[: row.record_length], _LONGEST_RECORD))
        instance = from_record(record, partial(_unpack, data[row.record_length :]))
        if instance.name != row.key.hex():
            raise ValueError("name")
        return instance


@contextmanager
def _open_index(path: str | os.PathLike[str]) -> Iterator[_Index]:
    """Open an index file; whatever is wrong with it names it."""
    name = os.fspath(path)
    try:
        with open(path, "rb") as file, zipfile.ZipFile(file) as archive:  # noqa: PTH123
            yield _index_of(file, archive)
    except LazyDicomError as error:
        raise error.locate(url=name) from None
    except (FileNotFoundError, PermissionError) as error:
        message = f"No index: {error.strerror}"
        raise source_error(message, number=error.errno, url=name) from error
    except (OSError, *_NO_INDEX) as error:
        message = f"Expected an index of lazydicom: {type(error).__name__}"
        raise InvalidDicomError(message, url=name) from error


def _index_of(file: BinaryIO, archive: zipfile.ZipFile) -> _Index:
    about = archive.getinfo(_ABOUT)
    if about.compress_type != zipfile.ZIP_STORED or about.file_size > _LONGEST_RECORD:
        raise ValueError(_ABOUT)
    facts = json.loads(archive.read(about))
    if facts["format"] != _FORMAT:
        raise ValueError(_FORMAT)
    if facts["version"] != _VERSION:
        version = facts["version"] if isinstance(facts["version"], int) else "another"
        raise InvalidDicomError(
            f"Expected an index of version {_VERSION}, found {version}"
        )
    start, length = _place_of(file, archive.getinfo(_DIRECTORY))
    count = facts["instances"]
    if type(count) is not int or count * _ROW.size != length:
        raise ValueError(_DIRECTORY)
    return _Index(file, count, start, *_place_of(file, archive.getinfo(_RECORDS)))


def _place_of(file: BinaryIO, member: zipfile.ZipInfo) -> tuple[int, int]:
    """Return where the bytes of a stored member begin, and how many they are."""
    if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
        raise ValueError(member.filename)
    header = _read_at(file, member.header_offset, _LOCAL_HEADER.size)
    _, name, extra = _LOCAL_HEADER.unpack(header)
    return member.header_offset + len(header) + name + extra, member.file_size


def _read_at(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(0, os.SEEK_END)
    if offset + length > file.tell():
        raise EOFError
    file.seek(offset)
    return file.read(length)


def _unpack(data: bytes, most: int) -> bytes:
    """Inflate what was compressed by itself, if it is whole and not too long."""
    inflater = zlib.decompressobj()
    values = inflater.decompress(data, most + 1)
    if len(values) > most:
        raise LimitError(f"A record is longer than {most} bytes")
    if not inflater.eof or inflater.unused_data:
        raise EOFError
    return values


def _write(archive: zipfile.ZipFile, instances: Iterable[IndexRecord]) -> None:
    rows: dict[bytes, _Row] = {}
    offset = 0
    with archive.open(_RECORDS, "w", force_zip64=True) as file:
        for instance in instances:
            record, lengths = to_record(instance)
            text = zlib.compress(json.dumps(record).encode())
            values = zlib.compress(lengths) if lengths else b""
            key = bytes.fromhex(instance.name)
            rows[key] = _Row(key, offset, len(text), len(values))
            file.write(text + values)
            offset += len(text) + len(values)
    directory = b"".join(_ROW.pack(*rows[key]) for key in sorted(rows))
    archive.writestr(_DIRECTORY, directory)
    facts = {"format": _FORMAT, "version": _VERSION, "instances": len(rows)}
    archive.writestr(_ABOUT, json.dumps(facts))
