"""From a URL, a path, bytes or a member of a listing to a `ByteSource`."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

from lazydicom._bytes.containers.member import Member
from lazydicom._bytes.containers.zip import read_zip
from lazydicom._bytes.local.mapped import map_file
from lazydicom._bytes.local.source import LocalAccess, LocalSource, open_local
from lazydicom._bytes.location import Location, Url, chain, scheme
from lazydicom._bytes.ranges import FIRST_BLOCK
from lazydicom._bytes.remote.source import RemoteSource, open_remote
from lazydicom._bytes.source import ByteSource, MemorySource
from lazydicom._bytes.version import OnChange, version_for


def open_source(
    url: Url | Member,
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
    if isinstance(url, Member):
        return _compared(url.container.open(url), on_change)
    if isinstance(url, bytes | bytearray | memoryview):
        return MemorySource(bytes(url))
    location = Location.parse(url)
    if location.kind == "remote":
        options = storage_options or {}
        source = open_remote(location.url, options, first_block=first_block)
        return _compared(source, on_change)
    if location.around is not None:
        whole = open_around(location, storage_options or {}, on_change)
        directory = read_zip(whole, all_members=False)
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


def name_of(url: Url | Member) -> str:
    """Name a file as its source does: however a local path is written, absolute.

    >>> name_of("zip://a.dcm::file:///data/./study.zip")
    'zip://a.dcm::/data/study.zip'
    """
    return url.url if isinstance(url, Member) else Location.parse(url).url
