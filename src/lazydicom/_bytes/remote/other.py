"""Ranges of filesystems that show nothing but bytes: SFTP, memory, caches and others.

The length is exact, and the object looks the same after the read as when it was opened.
An object that is replaced twice within its clock's resolution is not noticed.
"""

import errno
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from lazydicom._bytes.location import Version, is_same
from lazydicom._bytes.remote.response import TransientError
from lazydicom._bytes.source import ByteRange
from lazydicom.errors import SourceChangedError, SourceError, source_error

T = TypeVar("T")

_TRIES: Final = 3
_WAIT_S: Final = 0.2
_VERSION_NAMES: Final = (
    "generation",
    "ETag",
    "etag",
    "LastModified",
    "last_modified",
    "mtime",
    "modified",
    "created",
    "CRC",
)
_PERMANENT: Final = (FileNotFoundError, PermissionError, IsADirectoryError)
_NUMBERS: Final[Mapping[type[OSError], int]] = {
    FileNotFoundError: errno.ENOENT,
    PermissionError: errno.EACCES,
    IsADirectoryError: errno.EISDIR,
}


def open_rest(filesystem: Any, path: str) -> Version:  # noqa: ANN401
    """Ask once for size and version of an object."""
    return _ask(lambda: _look(filesystem, path))


def fetch_rest(
    filesystem: Any,  # noqa: ANN401 (fsspec has no types)
    path: str,
    span: ByteRange,
    known: Version,
) -> bytes:
    """Fetch one range and look whether the object is still the same."""
    try:
        data = _ask(lambda: _cat(filesystem, path, span))
    except SourceError:
        _check_same(filesystem, path, known)
        raise
    _check_same(filesystem, path, known)
    return data


def _cat(filesystem: Any, path: str, span: ByteRange) -> bytes:  # noqa: ANN401
    data = bytes(filesystem.cat_file(path, start=span.offset, end=span.stop))
    if len(data) < span.length:
        raise TransientError(f"Expected {span.length} bytes, got {len(data)}")
    if len(data) > span.length:
        raise SourceError(f"Expected {span.length} bytes, got {len(data)}")
    return data


def _look(filesystem: Any, path: str) -> Version:  # noqa: ANN401
    info: dict[str, Any] = filesystem.info(path)
    if info.get("type") == "directory" or info.get("size") is None:
        raise SourceError("Expected a file of known size")
    tags = (info.get(name) for name in _VERSION_NAMES)
    return Version(int(info["size"]), next((str(tag) for tag in tags if tag), ""))


def _check_same(filesystem: Any, path: str, known: Version) -> None:  # noqa: ANN401
    filesystem.invalidate_cache()
    try:
        now = _look(filesystem, path)
    except FileNotFoundError:
        now = None
    if now is None or not is_same(known, now):
        raise SourceChangedError("The object changed since it was opened")


def _permanent(error: OSError) -> SourceError:
    kinds = (number for kind, number in _NUMBERS.items() if isinstance(error, kind))
    number = error.errno or next(kinds)
    return source_error(f"Could not read: {os.strerror(number)}", number=number)


def _ask(attempt: Callable[[], T]) -> T:
    """Ask up to three times; errors name their class only, texts may hold secrets."""
    for number in range(_TRIES):
        try:
            return attempt()
        except TransientError as error:
            fault = SourceError(error.message)
        except SourceError:
            raise
        except _PERMANENT as error:
            fault = _permanent(error)
            break
        except Exception as error:  # noqa: BLE001 (each filesystem has a tree of its own)
            fault = SourceError(f"Could not read: {type(error).__name__}")
        time.sleep(_WAIT_S * number)
    raise fault
