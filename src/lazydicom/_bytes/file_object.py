"""File objects: a cursor that threads must take turns to move.

What knows its filesystem, as fsspec's files and `UPath` do, is read by ranges instead.
"""

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from itertools import count
from typing import Any, BinaryIO, Final, TypeAlias, TypeGuard
from weakref import WeakKeyDictionary

from lazydicom._bytes.location import Version
from lazydicom._bytes.per_process import per_process
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.source import (
    ByteRange,
    BytesLike,
    ByteSource,
    MemorySource,
    check_span,
    read_fresh,
)
from lazydicom.errors import SourceError

_UNNAMED: Final = "<file object>"
_numbers: Final = count()
_Fits: TypeAlias = Callable[[object], bool]
_Opens: TypeAlias = Callable[[Any], ByteSource]
_locks: Final = per_process(WeakKeyDictionary[Any, threading.Lock])


@dataclass(frozen=True, slots=True, eq=False)
class FileObjectSource:
    """A seekable binary file object of the caller, read by position."""

    file: BinaryIO
    lock: threading.Lock
    """One for each file object; its cursor is put back after each read."""
    version: Version
    url: str

    def size(self) -> int:
        """Length in bytes, as it was at first."""
        return self.version.size

    def read(self, span: ByteRange) -> BytesLike:
        """Read `span` into fresh memory."""
        return read_fresh(self, span)

    def read_into(self, offset: int, out: memoryview) -> None:
        """Fill `out`; a raw file may give a part at a time."""
        view = out.cast("B")
        check_span(self, ByteRange(offset, view.nbytes))
        try:
            with self.lock:
                self._fill(offset, view)
        except SourceError:
            raise
        except (OSError, ValueError) as error:  # it is closed, for instance
            message = f"Could not read a file object: {type(error).__name__}"
            raise SourceError(message, url=self.url) from None

    def mapped(self) -> AbstractContextManager[memoryview | None]:
        """Lend nothing."""
        return nullcontext(None)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by value: a cursor does not travel."""
        data = self.read(ByteRange(0, self.size()))
        return (MemorySource, (bytes(data), self.url))

    def _fill(self, offset: int, out: memoryview) -> None:
        before = self.file.tell()
        self.file.seek(offset)
        try:
            while out:
                data = self.file.read(out.nbytes)
                if not data:
                    message = f"The file object ended {out.nbytes} bytes too early"
                    raise SourceError(message, url=self.url, offset=offset)
                out[: len(data)] = data
                out = out[len(data) :]
        finally:
            self.file.seek(before)


def is_file_object(value: object) -> TypeGuard[BinaryIO]:
    """Return whether a value can be read as a file."""
    return hasattr(value, "read") and hasattr(value, "seek")


def is_placed(value: object) -> bool:
    """Return whether a value names a file of an fsspec filesystem."""
    plain = isinstance(value, str | os.PathLike)
    return not plain and hasattr(value, "fs") and hasattr(value, "path")


def filesystem_of(value: Any) -> tuple[str, str, Mapping[str, Any], bool]:  # noqa: ANN401
    """Return URL, path and options of a file that knows its filesystem; is it local."""
    filesystem, path = value.fs, value.path
    protocol = filesystem.protocol
    names = {protocol} if isinstance(protocol, str) else set(protocol)
    if names & {"file", "local"}:
        return path, path, {}, True
    name = protocol if isinstance(protocol, str) else protocol[0]
    url = path if "://" in path else f"{name}://{path.lstrip('/')}"
    return url, path, dict(filesystem.storage_options), False


def open_file_object(file: BinaryIO) -> ByteSource:
    """Read a file object of the caller by position.

    Raises
    ------
    TypeError
        If it gives text, or cannot be read anywhere but at its cursor.
    SourceError
        If it is closed.
    """
    name = getattr(file, "name", None)
    url = name if isinstance(name, str) else _UNNAMED
    try:
        size = _size_of(file)
    except (OSError, ValueError) as error:
        message = f"Could not read a file object: {error}"
        raise SourceError(message, url=url) from None
    tag = f"object {next(_numbers)}"
    return FileObjectSource(file, _lock_of(file), Version(size, tag), url)


def _size_of(file: BinaryIO) -> int:
    if not file.seekable():
        message = "Expected a file object that can seek; pass its bytes instead"
        raise TypeError(message)
    before = file.tell()
    try:
        if not isinstance(file.read(0), bytes):
            raise TypeError("Expected a file object of bytes, found one of text")
        return file.seek(0, 2)
    finally:
        file.seek(before)


def _lock_of(file: BinaryIO) -> threading.Lock:
    """Return the lock of a file object, the same for all sources that read it."""
    try:
        return _locks().setdefault(file, threading.Lock())
    except TypeError:  # it cannot be referred to weakly
        return threading.Lock()


OBJECTS: Final[tuple[tuple[_Fits, _Opens], ...]] = ((is_file_object, open_file_object),)
"""Objects of the caller that are read as files: what tells one, and what opens it. Another
storage is a row here."""
