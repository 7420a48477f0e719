"""From a URL, a path, bytes or a member of a listing to a `ByteSource`, or its first bytes."""

import os
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    NamedTuple,
    Protocol,
    TypeAlias,
    TypeGuard,
    get_args,
)

from lazydicom._bytes.containers.member import Member
from lazydicom._bytes.deferred import deferred
from lazydicom._bytes.local.source import (
    LocalAccess,
    LocalSource,
    open_local,
    open_to_read,
    read_into,
    version_of_stat,
)
from lazydicom._bytes.location import (
    URL_TYPES,
    Location,
    OnChange,
    Url,
    chain,
    scheme,
    version_for,
)
from lazydicom._bytes.source import (
    FIRST_BLOCK,
    MINIMUM_RATE,
    ByteRange,
    ByteSource,
    MemorySource,
)
from lazydicom.errors import LazyDicomError, SourceError, UnsupportedError

if TYPE_CHECKING:
    from lazydicom._bytes import file_object
    from lazydicom._bytes.containers import gzip, tar
    from lazydicom._bytes.containers import slice as part
    from lazydicom._bytes.containers import zip as zip_file
    from lazydicom._bytes.local import mapped
    from lazydicom._bytes.remote import client
    from lazydicom._bytes.remote import source as remote
else:
    file_object = deferred("lazydicom._bytes.file_object")
    gzip = deferred("lazydicom._bytes.containers.gzip")
    part = deferred("lazydicom._bytes.containers.slice")
    tar = deferred("lazydicom._bytes.containers.tar")
    zip_file = deferred("lazydicom._bytes.containers.zip")
    mapped = deferred("lazydicom._bytes.local.mapped")
    client = deferred("lazydicom._bytes.remote.client")
    remote = deferred("lazydicom._bytes.remote.source")

File: TypeAlias = Url | Member
Directory: TypeAlias = "zip_file.ZipDirectory | tar.TarDirectory"
_PACKED: Final = (".gz", ".tgz")
"""How the names of files end that may be packed by `gzip`."""


class _Way(NamedTuple):
    """How a caller wants bytes to be read."""

    storage_options: Mapping[str, Any]
    local: LocalAccess
    on_change: OnChange
    minimum_rate: int
    first_block: int


def open_source(
    url: File,
    storage_options: Mapping[str, Any] | None = None,
    *,
    local: LocalAccess = "pread",
    on_change: OnChange = "error",
    minimum_rate: int = MINIMUM_RATE,
    first_block: int = FIRST_BLOCK,
) -> ByteSource:
    """Open a path, an fsspec URL or bytes for reading by ranges.

    A distant file is asked for its size and version by a read of its `first_block`.

    Raises
    ------
    SourceError
        If there is nothing to read.
    """
    way = _Way(storage_options or {}, local, on_change, minimum_rate, first_block)
    source = _open(url, way)
    name = _own_name(url, source)
    in_memory = isinstance(source, MemorySource)
    if in_memory or _is_packed(name):
        return gzip.unpacked(source)
    return source


def _open(url: File, way: _Way) -> ByteSource:
    if isinstance(url, Member):
        return _compared(url.container.open(url), way)
    if isinstance(url, bytes | bytearray | memoryview):
        return MemorySource(bytes(url))
    if not isinstance(url, str | os.PathLike):
        return _open_object(url, way)
    return _open_location(Location.parse(url), way)


def _open_object(url: File, way: _Way) -> ByteSource:
    if file_object.is_placed(url):
        return _compared(_open_placed(url, way), way)
    for fits, opens in file_object.OBJECTS:
        if fits(url):
            return opens(url)
    message = (
        f"Expected a path, a URL or the bytes of a file, found {type(url).__name__}"
    )
    raise TypeError(message)


def _open_location(location: Location, way: _Way) -> ByteSource:
    if location.kind == "remote":
        source = remote.open_remote(
            location.url,
            way.storage_options,
            first_block=way.first_block,
            minimum_rate=way.minimum_rate,
        )
        return _compared(source, way)
    if location.around is not None:
        whole = open_around(
            location,
            way.storage_options,
            on_change=way.on_change,
            minimum_rate=way.minimum_rate,
        )
        directory = read_directory(location, whole, all_members=False)
        return directory.open(directory.find(location.path))
    if way.local not in get_args(LocalAccess):
        message = f"local must be 'pread' or 'mmap', not {way.local!r}"
        raise ValueError(message)
    file = open_local(location.path)
    if way.local == "mmap":
        version = version_for(file.version, way.on_change)
        return mapped.map_file(replace(file, version=version))
    return _compared(file, way)


def _compared(source: ByteSource, way: _Way) -> ByteSource:
    """Return the source with what its later reads are compared with."""
    if isinstance(source, LocalSource):
        if way.on_change == "error":
            return source
        return replace(source, version=version_for(source.version, way.on_change))
    if not isinstance(source, remote.RemoteSource):
        return source
    version = version_for(source.version, way.on_change)
    return replace(source, minimum_rate=way.minimum_rate, version=version)


def open_around(
    location: Location,
    storage_options: Mapping[str, Any],
    *,
    on_change: OnChange = "error",
    minimum_rate: int = MINIMUM_RATE,
) -> ByteSource:
    """Open the archive around a member; options stand under its protocol.

    Its end is what is read next, so nothing of its beginning is fetched.
    """
    assert location.around is not None
    url = location.around.url
    chained = location.around.around is not None or len(chain(url)) > 1
    own = storage_options.get(scheme(url) or "file")
    options = own if own is not None and not chained else storage_options
    return open_source(
        url,
        options,
        first_block=1,
        on_change=on_change,
        minimum_rate=minimum_rate,
    )


def _own_name(url: File, source: ByteSource) -> str:
    """Return the name of a file alone, without the archive around it."""
    if isinstance(url, Member):
        return url.name
    if source.url.startswith(("zip://", "tar://")):
        return Location.parse(source.url).path
    return source.url


def _open_placed(file: object, way: _Way) -> ByteSource:
    """Open a file that knows its filesystem, by ranges."""
    if getattr(file, "compression", None) not in {None, "gzip"}:
        raise UnsupportedError(
            "Packed files other than gzip are not read: unpack it first"
        )
    url, path, options, is_here = file_object.filesystem_of(file)
    if is_here:
        return open_local(path)
    return remote.open_remote(
        url,
        {**options, **way.storage_options},
        first_block=way.first_block,
        place=client.RemotePlace(url, path),
        minimum_rate=way.minimum_rate,
    )


def read_directory(
    location: Location, whole: ByteSource, *, all_members: bool
) -> Directory:
    """Read what the archive holds that a URL speaks of."""
    if location.kind == "tar":
        return tar.read_tar(whole, all_members=all_members)
    return zip_file.read_zip(whole, all_members=all_members)


def is_file(value: object) -> TypeGuard[File]:
    """Return whether a value names or is one file."""
    if isinstance(value, (*URL_TYPES, Member)):
        return True
    objects = file_object.OBJECTS
    return file_object.is_placed(value) or any(fits(value) for fits, _ in objects)


def name_of(url: File) -> str:
    """Name a file as its source does: however a local path is written, absolute.

    >>> name_of("zip://a.dcm::file:///data/./study.zip")
    'zip://a.dcm::/data/study.zip'
    """
    if isinstance(url, Member):
        return url.url
    if isinstance(url, str | os.PathLike | bytes | bytearray | memoryview):
        return Location.parse(url).url
    if file_object.is_placed(url):
        return file_object.filesystem_of(url)[0]
    return str(getattr(url, "name", "<file object>"))


def is_near(file: File) -> bool:
    """Return whether a file is local, or a member of a local zip file."""
    if isinstance(file, str):
        return file[:1] == os.sep or os.path.isabs(file)  # noqa: PTH117
    if not isinstance(file, Member):
        return False
    container = file.container
    whole = container.whole if isinstance(container, zip_file.ZipDirectory) else None
    return isinstance(whole, LocalSource)


class Fetched(ByteSource, Protocol):
    """A distant file whose first bytes came when it was opened."""

    @property
    def first_block(self) -> list[bytes]:
        """Return what nobody has read yet."""
        ...

    def look(self, out: memoryview) -> bool:
        """Fill `out` with the first bytes, if enough of them came; they stay there."""
        ...

    def keep_head(self, length: int) -> None:
        """Keep so much of what opening fetched, and let go of the rest."""
        ...


def is_fetched(value: object) -> TypeGuard[Fetched]:
    """Return whether a value is a distant file with its first bytes."""
    return hasattr(value, "keep_head")


def is_plain_source(source: ByteSource) -> bool:
    """Return whether bytes lie in a file as they are."""
    if isinstance(source, LocalSource) or is_fetched(source):
        return True
    return isinstance(source, part.SliceSource) and isinstance(
        source.whole, LocalSource
    )


def open_together(
    files: Sequence[File], storage_options: Mapping[str, Any], *, minimum_rate: int
) -> list[Fetched | SourceError | None]:
    """Open distant files at once, with their first bytes; an error stands where one fails.

    ``None`` stands for what is opened by itself: local files, archives, packed files.
    """
    opened: list[Fetched | SourceError | None] = [None] * len(files)
    far = {
        k: (name_of(file), place)
        for k, file in enumerate(files)
        if (place := _far_place(file)) is not None
    }
    named = list(far.values())
    remotes = remote.open_remotes(named, storage_options, minimum_rate=minimum_rate)
    for k, one in zip(far, remotes, strict=True):
        opened[k] = one
    return opened


def _far_place(file: File) -> "client.RemotePlace | None":
    """Return where a distant file is; ``None`` for one in an archive, or packed."""
    if isinstance(file, Member):
        if _is_packed(file.name) or not hasattr(file.container, "place_of"):
            return None
        place: client.RemotePlace = file.container.place_of(file)
        return place
    if not isinstance(file, str) or _is_packed(file) or len(chain(file)) > 1:
        return None
    far = Location.parse(file).kind == "remote"
    return client.RemotePlace(file) if far else None


def _is_packed(name: str) -> bool:
    return name.lower().partition("?")[0].endswith(_PACKED)


def read_head(file: File | Fetched, out: memoryview) -> ByteSource | None:
    """Fill `out` with the first bytes; ``None`` where that is not as simple as that."""
    if isinstance(file, str):
        return _read_local_head(file, out)
    if is_fetched(file):
        return file if file.look(out) else None
    if isinstance(file, Member):
        with suppress(LazyDicomError):
            source = file.container.open(file)
            if is_plain_source(source):
                length = min(out.nbytes, source.size())
                out[:length] = source.read(ByteRange(0, length))
                return source
        return None
    return _read_local_head(str(file), out)


def _read_local_head(path: str, out: memoryview) -> LocalSource | None:
    """Read without a look beforehand: a named pipe must not make it wait."""
    try:
        descriptor = open_to_read(path, wait=False)
    except OSError:
        return None
    try:
        now = os.fstat(descriptor)
        if not stat.S_ISREG(now.st_mode):
            return None
        read_into(descriptor, out[: now.st_size], 0)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return LocalSource(path, version_of_stat(now))
