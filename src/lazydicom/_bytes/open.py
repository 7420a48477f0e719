"""From a URL, a path or bytes to a `ByteSource`."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias, get_args
from urllib.parse import unquote

from lazydicom._bytes.local import LocalAccess, map_file, open_local
from lazydicom._bytes.ranges import FIRST_BLOCK
from lazydicom._bytes.remote.source import open_remote
from lazydicom._bytes.source import MEMORY_URL, ByteSource, MemorySource
from lazydicom._bytes.zip import open_member
from lazydicom.errors import InvalidDicomError

Url: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview
URL_TYPES: Final = (str, os.PathLike, bytes, bytearray, memoryview)


def open_source(
    url: Url,
    storage_options: Mapping[str, Any] | None = None,
    *,
    local: LocalAccess = "pread",
    first_block: int = FIRST_BLOCK,
) -> ByteSource:
    """Open a path, an fsspec URL or bytes for reading by ranges.

    A distant file is asked for its size and version by a read of its `first_block`.

    Raises
    ------
    SourceError
        If there is nothing to read.
    """
    if isinstance(url, bytes | bytearray | memoryview):
        return MemorySource(bytes(url))
    name = os.fspath(url)
    if not isinstance(name, str):
        raise InvalidDicomError("Expected a path, a URL or bytes of a file")
    if name.startswith("zip://") and "::" in name:
        return _open_member(name, storage_options or {})
    if "://" in name and not name.startswith("file://"):
        return open_remote(name, storage_options or {}, first_block=first_block)
    if local not in get_args(LocalAccess):
        message = f"local must be 'pread' or 'mmap', not {local!r}"
        raise ValueError(message)
    file = open_local(local_path(name))
    return map_file(file) if local == "mmap" else file


def _open_member(url: str, storage_options: Mapping[str, Any]) -> ByteSource:
    """Open a member of a zip file, wherever that is; options stand under its protocol."""
    member, _, around = url.partition("::")
    chained = "::" in around
    protocol = around.partition("://")[0] if "://" in around else "file"
    options = storage_options if chained else storage_options.get(protocol, {})
    whole = open_source(around, options)
    return open_member(whole, member.removeprefix("zip://"), name_of(url))


def name_of(url: Url) -> str:
    """Name a file as its source does: however a local path is written, absolute.

    >>> name_of("zip://a.dcm::file:///data/./study.zip")
    'zip://a.dcm::/data/study.zip'
    """
    if isinstance(url, bytes | bytearray | memoryview):
        return MEMORY_URL
    name = os.fspath(url)
    if name.startswith("zip://") and "::" in name:
        member, _, around = name.partition("::")
        return f"{member}::{name_of(around)}"
    distant = "://" in name and not name.startswith("file://")
    return name if distant else local_path(name)


def local_path(name: str) -> str:
    """Return the absolute path; symbolic links are kept, a ``file://`` URL is decoded."""
    if name.startswith("file://"):
        name = unquote(name.removeprefix("file://"))
    path = str(Path(name).expanduser())
    return os.path.abspath(path)  # noqa: PTH100 (resolves no link)
