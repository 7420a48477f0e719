"""From a URL, a path, bytes or a member of a listing to a `ByteSource`."""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeAlias, TypeGuard, get_args

from lazydicom._bytes.containers.gzip import PACKED, unpacked
from lazydicom._bytes.containers.member import Member
from lazydicom._bytes.containers.tar import TarDirectory, read_tar
from lazydicom._bytes.containers.zip import ZipDirectory, read_zip
from lazydicom._bytes.file_object import (
    filesystem_of,
    is_file_object,
    is_placed,
    open_file_object,
)
from lazydicom._bytes.local.mapped import map_file
from lazydicom._bytes.local.source import LocalAccess, LocalSource, open_local
from lazydicom._bytes.location import (
    URL_TYPES,
    Location,
    OnChange,
    Url,
    chain,
    scheme,
    version_for,
)
from lazydicom._bytes.remote.client import RemotePlace
from lazydicom._bytes.remote.source import RemoteSource, open_remote
from lazydicom._bytes.source import FIRST_BLOCK, ByteSource, MemorySource
from lazydicom.errors import UnsupportedError

File: TypeAlias = Url | Member
Directory: TypeAlias = ZipDirectory | TarDirectory
_Fits: TypeAlias = Callable[[object], bool]
_Opens: TypeAlias = Callable[[Any], ByteSource]
_OBJECTS: Final[tuple[tuple[_Fits, _Opens], ...]] = (
    (is_file_object, open_file_object),
)
"""Objects of the caller that are read as files: what tells one, and what opens it. Another
storage is a row here."""


def open_source(
    url: File,
    storage_options: Mapping[str, Any] | None = None,
    *,
    local: LocalAccess = "pread",
    on_change: OnChange = "error",
    first_block: int = FIRST_BLOCK,
) -> ByteSource:
    """Open a path, an fsspec URL or bytes for reading by ranges.

    A distant file is asked for its size and version by a read of its `first_block`.

    Raises
    ------
    SourceError
        If there is nothing to read.
    """
    source = _open(url, storage_options or {}, local, on_change, first_block)
    name = _own_name(url, source)
    if isinstance(source, MemorySource) or name.lower().partition("?")[0].endswith(
        PACKED
    ):
        return unpacked(source)
    return source


def _open(
    url: File,
    storage_options: Mapping[str, Any],
    local: LocalAccess,
    on_change: OnChange,
    first_block: int,
) -> ByteSource:
    if isinstance(url, Member):
        return _compared(url.container.open(url), on_change)
    if isinstance(url, bytes | bytearray | memoryview):
        return MemorySource(bytes(url))
    if not isinstance(url, str | os.PathLike):
        return _open_object(url, storage_options, on_change, first_block)
    return _open_location(
        Location.parse(url), storage_options, local, on_change, first_block
    )


def _open_object(
    url: File, storage_options: Mapping[str, Any], on_change: OnChange, first_block: int
) -> ByteSource:
    if is_placed(url):
        return _compared(_open_placed(url, storage_options, first_block), on_change)
    for fits, opens in _OBJECTS:
        if fits(url):
            return opens(url)
    message = (
        f"Expected a path, a URL or the bytes of a file, found {type(url).__name__}"
    )
    raise TypeError(message)


def _open_location(
    location: Location,
    storage_options: Mapping[str, Any],
    local: LocalAccess,
    on_change: OnChange,
    first_block: int,
) -> ByteSource:
    if location.kind == "remote":
        source = open_remote(location.url, storage_options, first_block=first_block)
        return _compared(source, on_change)
    if location.around is not None:
        whole = open_around(location, storage_options, on_change)
        directory = read_directory(location, whole, all_members=False)
        return directory.open(directory.find(location.path))
    if local not in get_args(LocalAccess):
        message = f"local must be 'pread' or 'mmap', not {local!r}"
        raise ValueError(message)
    file = open_local(location.path)
    if local == "mmap":
        return map_file(replace(file, version=version_for(file.version, on_change)))
    return _compared(file, on_change)


def _compared(source: ByteSource, on_change: OnChange) -> ByteSource:
    """Return the source with what its later reads are compared with."""
    if on_change == "error" or not isinstance(source, LocalSource | RemoteSource):
        return source
    return replace(source, version=version_for(source.version, on_change))


def open_around(
    location: Location,
    storage_options: Mapping[str, Any],
    on_change: OnChange = "error",
) -> ByteSource:
    """Open the archive around a member; options stand under its protocol.

    Its end is what is read next, so nothing of its beginning is fetched.
    """
    assert location.around is not None
    url = location.around.url
    chained = location.around.around is not None or len(chain(url)) > 1
    own = storage_options.get(scheme(url) or "file")
    options = own if own is not None and not chained else storage_options
    return open_source(url, options, first_block=1, on_change=on_change)


def _own_name(url: File, source: ByteSource) -> str:
    """Return the name of a file alone, without the archive around it."""
    if isinstance(url, Member):
        return url.name
    if source.url.startswith(("zip://", "tar://")):
        return Location.parse(source.url).path
    return source.url


def _open_placed(
    file: object, storage_options: Mapping[str, Any], first_block: int
) -> ByteSource:
    """Open a file that knows its filesystem, by ranges."""
    if getattr(file, "compression", None) not in {None, "gzip"}:
        raise UnsupportedError(
            "Packed files other than gzip are not read: unpack it first"
        )
    url, path, options, is_here = filesystem_of(file)
    if is_here:
        return open_local(path)
    merged = {**options, **storage_options}
    place = RemotePlace(url, path)
    return open_remote(url, merged, first_block=first_block, place=place)


def read_directory(
    location: Location, whole: ByteSource, *, all_members: bool
) -> Directory:
    """Read what the archive holds that a URL speaks of."""
    if location.kind == "tar":
        return read_tar(whole)
    return read_zip(whole, all_members=all_members)


def is_file(value: object) -> TypeGuard[File]:
    """Return whether a value names or is one file."""
    known = isinstance(value, (*URL_TYPES, Member))
    return known or is_placed(value) or any(fits(value) for fits, _ in _OBJECTS)


def name_of(url: File) -> str:
    """Name a file as its source does: however a local path is written, absolute.

    >>> name_of("zip://a.dcm::file:///data/./study.zip")
    'zip://a.dcm::/data/study.zip'
    """
    if isinstance(url, Member):
        return url.url
    if isinstance(url, str | os.PathLike | bytes | bytearray | memoryview):
        return Location.parse(url).url
    if is_placed(url):
        return filesystem_of(url)[0]
    return str(getattr(url, "name", "<file object>"))
