"""Files behind fsspec, read by byte ranges."""

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import fsspec

from lazydicom._ranges import ByteRange
from lazydicom._source import BytesLike, check_span
from lazydicom.errors import SourceChangedError, SourceError


@dataclass(frozen=True, slots=True, eq=False)
class RemoteSource:
    """One object of an fsspec filesystem, as it was when it was opened.

    Filesystem clients are made from the URL in each process, never pickled.
    """

    url: str
    storage_options: Mapping[str, Any] = field(repr=False)
    file_size: int
    version: str
    """Entity tag, else the time of the last change."""

    def size(self) -> int:
        """Length of the object in bytes, as it was when it was opened."""
        return self.file_size

    def read(self, span: ByteRange) -> BytesLike:
        """Fetch `span` in one request."""
        check_span(self, span)
        filesystem, path = _filesystem(self.url, self.storage_options)
        try:
            data = filesystem.cat_file(path, start=span.offset, end=span.stop)
        except (OSError, ValueError) as error:
            raise _source_error(error, self.url, span) from error
        if len(data) != span.length:
            message = f"Expected {span.length} bytes, got {len(data)}"
            raise SourceError(message, url=self.url, offset=span.offset)
        return bytes(data)

    def read_into(self, offset: int, out: memoryview) -> None:
        """Fetch into `out`."""
        view = out.cast("B")
        view[:] = self.read(ByteRange(offset, view.nbytes))

    def mapped(self) -> AbstractContextManager[memoryview | None]:
        """Nothing to lend: the bytes are elsewhere."""
        return nullcontext(None)

    def identity(self) -> tuple[object, ...]:
        """URL, size and version."""
        return (self.url, self.file_size, self.version)


def open_remote(url: str, storage_options: Mapping[str, Any]) -> RemoteSource:
    """Ask once for size and version of an object.

    Raises
    ------
    SourceError
        If the object is not there or its size is not known.
    """
    filesystem, path = _filesystem(url, storage_options)
    try:
        info = filesystem.info(path)
    except (OSError, ValueError) as error:
        raise _source_error(error, url, None) from error
    if info.get("type") == "directory" or info.get("size") is None:
        raise SourceError("Expected a file of known size", url=url)
    return RemoteSource(url, dict(storage_options), int(info["size"]), _version(info))


def _filesystem(url: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    """Make, or find, the filesystem of this process (fsspec keys its cache by pid)."""
    try:
        filesystem, path = fsspec.core.url_to_fs(url, **options)
    except (ImportError, ValueError) as error:
        raise SourceError(f"No filesystem: {error}", url=url) from error
    return filesystem, path


def _version(info: Mapping[str, Any]) -> str:
    names = ("ETag", "etag", "LastModified", "last_modified", "mtime", "created")
    return next((str(info[name]) for name in names if info.get(name)), "")


def _source_error(error: Exception, url: str, span: ByteRange | None) -> SourceError:
    gone = isinstance(error, FileNotFoundError) and span is not None
    kind = SourceChangedError if gone else SourceError
    number = getattr(error, "errno", None)
    text = os.strerror(number) if number else type(error).__name__
    return kind(f"Could not read: {text}", url=url, offset=span and span.offset)
