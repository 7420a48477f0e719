"""The saved index: a zip file of JSON and NumPy columns, and the folder that caches it.

``index.json`` holds one record per instance, ``<k>.lengths.npy`` and ``<k>.steps.npy`` the
frames of instance `k` where they are not evenly spaced. Nothing in it is executed when it
is read. Why not Parquet: ``docs/decisions/0008-saved-index.md``.
"""

import json
import os
import threading
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import numpy as np
import platformdirs
from numpy.typing import NDArray

from lazydicom._bytes.per_process import per_process
from lazydicom._open.index_record import SavedInstance, from_record, to_record
from lazydicom.errors import InvalidDicomError, LazyDicomError, LimitError

SUFFIX: Final = ".lazydicom-index"
_FORMAT: Final = "lazydicom index"
_VERSION: Final = 1
_RECORDS: Final = "index.json"
_COLUMNS: Final = ("lengths", "steps")
_METHODS: Final = frozenset((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
_NO_INDEX: Final = (
    zipfile.BadZipFile,
    zlib.error,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What a damaged zip file, JSON of another shape and NumPy's columns raise."""
_PARSING: Final = per_process(threading.Lock)
"""NumPy reads its headers with `ast`, which Python 3.11 must not use in two threads."""
_MAX_BYTES: Final = 1 << 31
"""2 GiB unpacked: an index of 100 million frames."""


def write_index(path: Path, instances: Iterable[SavedInstance]) -> None:
    """Write an index file in one step: a reader sees the old one or the new one.

    Raises
    ------
    OSError
        If the disk refuses.
    """
    beside = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with zipfile.ZipFile(beside, "x", zipfile.ZIP_DEFLATED) as archive:
            _write(archive, instances)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def read_index(path: str | os.PathLike[str]) -> dict[str, SavedInstance]:
    """Read an index file; gives its instances by the hash of their names.

    Raises
    ------
    InvalidDicomError
        If it is no index, or one of another version.
    """
    name = os.fspath(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive)
    except LazyDicomError as error:
        raise error.locate(url=name) from None
    except OSError as error:
        raise InvalidDicomError(f"No index: {error.strerror}", url=name) from error
    except _NO_INDEX as error:
        message = f"Expected an index of lazydicom: {type(error).__name__}"
        raise InvalidDicomError(message, url=name) from error


def may_be_replaced(path: Path) -> bool:
    """Tell an index, or an empty file, from whatever else stands there.

    A slip of the hand must not cost a DICOM file.
    """
    if not path.exists():
        return True
    if not path.is_file():
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return _RECORDS in archive.namelist()
    except (OSError, *_NO_INDEX):
        return path.stat().st_size == 0


def cached_index(name: str) -> Path:
    """Return where the index of an instance is cached; the file may not exist yet."""
    folder = platformdirs.user_cache_path("lazydicom") / f"index-{_VERSION}"
    return folder / f"{name}{SUFFIX}"


def _write(archive: zipfile.ZipFile, instances: Iterable[SavedInstance]) -> None:
    records: list[dict[str, Any]] = []
    for number, instance in enumerate(instances):
        record, columns = to_record(instance)
        records.append(record)
        for column, values in columns.items():
            with archive.open(f"{number}.{column}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, values, allow_pickle=False)
    whole = {"format": _FORMAT, "version": _VERSION, "instances": records}
    archive.writestr(_RECORDS, json.dumps(whole, indent=1))


def _read(archive: zipfile.ZipFile) -> dict[str, SavedInstance]:
    if any(info.compress_type not in _METHODS for info in archive.infolist()):
        raise ValueError("compress_type")
    unpacked = sum(info.file_size for info in archive.infolist())
    if unpacked > _MAX_BYTES:
        raise LimitError(f"An index of {unpacked} bytes is larger than {_MAX_BYTES}")
    whole = json.loads(archive.read(_RECORDS))
    if whole["format"] != _FORMAT:
        raise ValueError(whole["format"])
    if whole["version"] != _VERSION:
        message = f"Expected an index of version {_VERSION}, found {whole['version']}"
        raise InvalidDicomError(message)
    found = [
        from_record(record, _columns(archive, number, record))
        for number, record in enumerate(whole["instances"])
    ]
    return {instance.name: instance for instance in found}


def _columns(
    archive: zipfile.ZipFile, number: int, record: Mapping[str, Any]
) -> dict[str, NDArray[Any]]:
    if record["stride"] is not None:
        return {}
    columns: dict[str, NDArray[Any]] = {}
    for column in _COLUMNS:
        with archive.open(f"{number}.{column}.npy") as file, _PARSING():
            values = np.lib.format.read_array(file, allow_pickle=False)
        if values.ndim != 1 or values.dtype.kind not in "iu":
            raise ValueError(column)
        columns[column] = values
    return columns
