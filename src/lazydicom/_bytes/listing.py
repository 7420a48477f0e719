"""Which files a caller means: a folder, a pattern, an archive, a list of them."""

import os
from collections.abc import Iterable, Iterator, Mapping
from glob import glob, has_magic
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, TypeGuard

from lazydicom._bytes.containers.patterns import match_pattern
from lazydicom._bytes.deferred import deferred
from lazydicom._bytes.file_object import filesystem_of, is_placed
from lazydicom._bytes.location import (
    Location,
    OnChange,
    Url,
    archive_of,
    chain,
    is_local,
)
from lazydicom._bytes.open import (
    Directory,
    Fetched,
    File,
    is_fetched,
    is_file,
    is_near,
    name_of,
    open_around,
    read_directory,
)
from lazydicom._bytes.source import MINIMUM_RATE
from lazydicom.errors import SourceError, source_error, warn

if TYPE_CHECKING:
    from lazydicom._bytes.remote import folder as far_folder
else:
    far_folder = deferred("lazydicom._bytes.remote.folder")

Urls: TypeAlias = Url | Iterable[Url]
_HTTP: Final = ("http://", "https://")


class Listed(NamedTuple):
    """One file to open."""

    file: File
    named: bool
    """Whether the caller named it: one found in a folder may be no image."""
    opened: Fetched | SourceError | None = None
    """What came of it where many were opened at once."""

    @property
    def url(self) -> str:
        """What it is called."""
        return name_of(self.file)

    @property
    def is_here(self) -> bool:
        """Whether its first bytes are read without a round trip."""
        return is_near(self.file) if self.opened is None else is_fetched(self.opened)

    @property
    def to_read(self) -> File | Fetched:
        """What its first bytes come from."""
        if self.opened is None or not is_fetched(self.opened):
            return self.file
        return self.opened


def list_files(
    urls: Urls,
    storage_options: Mapping[str, Any],
    *,
    follow_links: bool = False,
    on_change: OnChange = "error",
    minimum_rate: int = MINIMUM_RATE,
    lost: list[str] | None = None,
) -> list[Listed]:
    """List the files behind names, in the order of the names.

    Parameters
    ----------
    urls : str, os.PathLike, bytes, or an iterable of them
        Files, folders, patterns, archives.
    storage_options : mapping
        Arguments of the filesystem.
    follow_links : bool
        Whether symbolic links that lead out of a folder are followed.
    on_change : {"error", "size"}
        What tells that an archive is another one.
    minimum_rate : int
        Bytes in a second that bodies of an archive far away must have.
    lost : list, optional
        Links of folders that lead nowhere are added to it.

    Raises
    ------
    SourceError
        If there is no such file, or none in a folder.
    """
    listing = _Listing(storage_options, follow_links, on_change, minimum_rate, {}, lost)
    if is_file(urls):
        return listing.of_name(urls)
    if not is_list(urls):
        raise _no_url(urls)
    listed = [file for url in urls for file in listing.of_one(url)]
    if not listed:
        raise SourceError("There are no files in an empty list")
    return listed


class _Listing(NamedTuple):
    """How one call lists; each archive is opened once, however many members are named."""

    storage_options: Mapping[str, Any]
    follow_links: bool
    on_change: OnChange
    minimum_rate: int
    archives: dict[str, Directory]
    lost: list[str] | None

    def of_one(self, url: File) -> list[Listed]:
        """List one of many: a distant one is a file; asking for each would take a request."""
        if not is_file(url):
            raise _no_url(url)
        name = os.fspath(url) if isinstance(url, str | os.PathLike) else ""
        place = _place(name)
        plain = not place.endswith("/") and not archive_of(place)
        plain = plain and not is_pattern(place)
        if name and plain and Location.parse(name).kind == "remote":
            return [Listed(url, named=True)]
        return self.of_name(url)

    def of_name(self, url: File) -> list[Listed]:
        if not isinstance(url, str | os.PathLike):
            if is_placed(url) and hasattr(url, "iterdir"):  # a `UPath` may be a folder
                return self._placed(url)
            return [Listed(url, named=True)]
        if not os.fspath(url):
            message = "Expected the name of a file or a folder, found an empty text"
            raise ValueError(message)
        location = Location.parse(url)
        if location.around is not None:
            listed = self._in_archive(location)
        elif location.kind == "remote":
            listed = self.distant(location.url)
        else:
            listed = self._local(location.path)
        if not listed:
            raise SourceError("There are no files", url=location.url)
        return listed

    def _placed(self, path: File) -> list[Listed]:
        url, _, options, _ = filesystem_of(path)
        own = self._replace(storage_options={**options, **self.storage_options})
        listed = own.distant(url)
        single = len(listed) == 1 and listed[0].named
        return [Listed(path, named=True)] if single else listed

    def _local(self, path: str) -> list[Listed]:
        if os.path.isdir(path):  # noqa: PTH112
            names = list_folder(path, follow_links=self.follow_links, lost=self.lost)
            return [Listed(name, named=False) for name in names]
        archive = archive_of(path)
        if archive is not None:
            return self._in_archive(Location.parse(f"{archive}://::{path}"))
        if has_magic(path) and not os.path.exists(path):  # noqa: PTH110
            names = list_pattern(path, follow_links=self.follow_links, lost=self.lost)
            return [Listed(name, named=False) for name in names]
        return [Listed(path, named=True)]

    def distant(self, url: str) -> list[Listed]:
        place = _place(url)
        archive = archive_of(place)
        if archive is not None:
            return self._in_archive(Location.parse(f"{archive}://::{url}"))
        if not is_pattern(place) and not _is_folder(url, self.storage_options):
            return [Listed(url, named=True)]
        members = far_folder.find_files(url, self.storage_options)
        if not members and is_pattern(place):  # it may be what it is called
            return [Listed(url, named=True)]
        return [Listed(member, named=False) for member in members]

    def _in_archive(self, location: Location) -> list[Listed]:
        """List a member, a folder or a pattern; no path is all of the archive."""
        members = self._archive(location).members()
        wanted, folder = location.path, f"{location.path.rstrip('/')}/".lstrip("/")
        exact = [member for member in members if member.name == wanted]
        if exact:
            return [Listed(exact[-1], named=True)]
        inside = [member for member in members if member.name.startswith(folder)]
        if not inside and has_magic(wanted):
            inside = [m for m in members if match_pattern(m.name, wanted)]
        return [Listed(member, named=False) for member in inside]

    def _archive(self, location: Location) -> Directory:
        assert location.around is not None
        key = f"{location.kind}://{location.around.url}"
        if key not in self.archives:
            whole = open_around(
                location,
                self.storage_options,
                on_change=self.on_change,
                minimum_rate=self.minimum_rate,
            )
            self.archives[key] = read_directory(location, whole, all_members=True)
        return self.archives[key]


def is_list(urls: object) -> TypeGuard[Iterable[Any]]:
    """Return whether these are many names: the lines of a file and keys are none."""
    return (
        isinstance(urls, Iterable)
        and not is_file(urls)
        and not isinstance(urls, Mapping)
    )


def is_pattern(name: str) -> bool:
    """Return whether a name is a pattern; over HTTP "?" begins a query, as of a signature.

    >>> is_pattern("s3://bucket/a?.dcm"), is_pattern("https://[::1]/a.dcm?sig=x")
    (True, False)
    """
    if name.startswith(_HTTP):
        path = name.partition("://")[2].partition("?")[0]
        return has_magic(path.partition("/")[2])
    return has_magic(name)


def _no_url(what: object) -> TypeError:
    kind = type(what).__name__
    return TypeError(f"Expected paths, URLs or bytes of files, found {kind}")


def _place(url: str) -> str:
    """Return the part of a URL that may be a folder, a pattern or an archive.

    >>> _place("zip://x/*.dcm::s3://bucket/b.zip"), _place("simplecache::s3://bucket/x")
    ('zip://x/*.dcm', 's3://bucket/x')
    >>> _place("https://host/a.dcm?signature=1")
    'https://host/a.dcm'
    """
    place = url
    if not is_local(url):
        place = next((part for part in chain(url) if "://" in part), url)
    return place.partition("?")[0] if place.startswith(_HTTP) else place


def _is_folder(url: str, storage_options: Mapping[str, Any]) -> bool:
    """Return whether it is a folder; over HTTP a slash says so: asking fetches a file."""
    if url.startswith(_HTTP):
        return _place(url).endswith("/")
    return far_folder.is_folder(url, storage_options)


def list_folder(
    folder: str, *, follow_links: bool, lost: list[str] | None = None
) -> list[str]:
    """Return all files below a folder, sorted folder by folder.

    Links that lead nowhere are added to `lost`.

    Raises
    ------
    SourceError
        If a folder cannot be listed.
    """
    walk = _Walk(folder, follow_links)
    names = list(walk.files(folder))
    walk.warn_of_links()
    if lost is not None:
        lost += walk.lost
    return names


def list_pattern(
    pattern: str, *, follow_links: bool, lost: list[str] | None = None
) -> list[str]:
    """Return the files that a pattern matches, sorted; `lost` is as for a folder."""
    root = pattern
    while has_magic(root):
        root = os.path.dirname(root)  # noqa: PTH120
    walk = _Walk(root, follow_links)
    names = sorted(glob(pattern, recursive=True))  # noqa: PTH207 (any pattern)
    there = [n for n in names if os.path.exists(n)]  # noqa: PTH110
    files = [n for n in there if not os.path.isdir(n) and walk.may_open(n)]  # noqa: PTH112
    walk.warn_of_links()
    if lost is not None:
        lost += sorted(set(names) - set(there))
    return files


class _Walk:
    """What was seen below one root."""

    def __init__(self, root: str, follow_links: bool) -> None:  # noqa: FBT001
        self.root = root
        self.real_root = os.path.realpath(root)
        self.follow_links = follow_links
        self.left_out = 0
        """Links that lead out of the root."""
        self.lost: list[str] = []
        """Links that lead nowhere."""
        self.seen: set[str] = set()
        """Where links led to, so that no circle is walked twice."""

    def files(self, folder: str) -> Iterator[str]:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            raise _unlisted(error) from None
        folders = []
        for entry in entries:
            if entry.is_symlink() and not self._follow(entry.path):
                continue
            if entry.is_dir():
                folders.append(entry.path)
            else:
                yield entry.path
        for inside in folders:
            yield from self.files(inside)

    def may_open(self, path: str) -> bool:
        """Return whether a file lies inside the root, wherever links lead."""
        inside = self.follow_links or self._is_inside(os.path.realpath(path))
        self.left_out += not inside
        return inside

    def warn_of_links(self) -> None:
        """Say that something was left out."""
        if self.left_out:
            message = (
                f"{self.left_out} symbolic links lead out of the folder and were left "
                "out; follow_links=True follows them"
            )
            warn(message, url=self.root)

    def _follow(self, link: str) -> bool:
        """Return whether to list what a link leads to: inside it is listed anyway."""
        real = os.path.realpath(link)
        if not os.path.exists(real):  # noqa: PTH110
            self.lost.append(link)
            return False
        if self._is_inside(real):
            return False
        if not self.follow_links:
            self.left_out += 1
            return False
        new = real not in self.seen
        self.seen.add(real)
        return new

    def _is_inside(self, real: str) -> bool:
        try:
            return os.path.commonpath([self.real_root, real]) == self.real_root
        except ValueError:  # another drive of Windows
            return False


def _unlisted(error: OSError) -> SourceError:
    """Refuse to leave out a folder that cannot be listed."""
    message = f"Could not list: {error.strerror or type(error).__name__}"
    return source_error(message, number=error.errno, url=str(error.filename))
