"""Files that a filesystem far away lists: their names are data, opened by it alone."""

from collections.abc import Mapping
from glob import has_magic
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from lazydicom._bytes.containers.member import Member
from lazydicom._bytes.location import chain
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.remote.client import RemotePlace, located, remote_client
from lazydicom._bytes.remote.source import open_remote
from lazydicom._bytes.source import ByteSource

_VERSION: Final = "?versionId="
"""What s3fs takes for the version of another key."""


@dataclass(frozen=True, slots=True)
class RemoteFolder:
    """What was listed, and with which options."""

    url: str
    storage_options: Mapping[str, Any]

    def open(self, member: Member) -> ByteSource:
        """Open an object by the name that the filesystem gave it."""
        place = self.place_of(member)
        return open_remote(member.url, self.storage_options, place=place)

    def place_of(self, member: Member) -> RemotePlace:
        """Return how its filesystem finds an object."""
        return RemotePlace(self.url, member.name)


def is_folder(url: str, storage_options: Mapping[str, Any]) -> bool:
    """Return whether files lie below a URL."""
    client = remote_client(RemotePlace(url), storage_options)
    with located(url, action="list"):
        return bool(client.filesystem.isdir(client.path))


def find_files(url: str, storage_options: Mapping[str, Any]) -> list[Member]:
    """Return all files below a folder, or that match a pattern, sorted.

    What a listing names elsewhere, as the links of a web page may, is no file of the folder.

    Raises
    ------
    SourceError
        If the filesystem cannot list.
    """
    client = remote_client(RemotePlace(url), storage_options)
    filesystem, path = client.filesystem, client.path
    with located(url, action="list"):
        list_ = filesystem.glob if has_magic(path) else filesystem.find
        listing = list_(path, detail=True)
    root = _root(path)
    files = [name for name, info in listing.items() if info.get("type") != "directory"]
    folder = RemoteFolder(url, dict(storage_options))
    return [
        Member(folder, place, name, _url_of(name, url, path))
        for place, name in enumerate(sorted(files))
        if _is_below(name, root)
    ]


def _root(path: str) -> str:
    """Return the folder that a path or pattern asks for, as its filesystem calls it."""
    root = path
    if "://" in path:
        root = path.partition("?")[0]
    while has_magic(root.partition("://")[2] or root):
        root = root.rpartition("/")[0]
    return root


def _is_below(name: str, root: str) -> bool:
    """Return whether a name that was listed lies where somebody looked.

    >>> _is_below("bucket/x/a::b.dcm", "bucket/x"), _is_below("bucket/y", "bucket/x")
    (True, False)
    >>> _is_below("https://host/x/../../up.dcm", "https://host/x/")
    False
    >>> _is_below("https://host/x/%2e%2e/up.dcm", "https://host/x/")
    False
    """
    if "\0" in name or _VERSION in name:
        return False
    if "://" in root:
        here, there = urlsplit(root), urlsplit(name)
        if (here.scheme, here.netloc) != (there.scheme, there.netloc):
            return False
        name, root = unquote(there.path), unquote(here.path)
    if {".", ".."} & set(name.replace("\\", "/").split("/")):
        return False
    folder = root.strip("/")
    return not folder or f"{name.strip('/')}/".startswith(f"{folder}/")


def _url_of(name: str, folder: str, path: str) -> str:
    """Return the URL of a file found in a folder, which its filesystem calls `path`.

    >>> _url_of("/data/a.dcm", "sftp://host/data/", "/data")
    'sftp://host/data/a.dcm'
    >>> _url_of("bucket/a.dcm", "s3://bucket", "bucket")
    's3://bucket/a.dcm'
    >>> _url_of("/data/a.dcm", "simplecache::sftp://host/data", "/data")
    'simplecache::sftp://host/data/a.dcm'
    """
    head, *rest = chain(folder)
    if rest:
        return "::".join((head, _url_of(name, "::".join(rest), path)))
    if "://" in name:  # over HTTP
        return name
    protocol, _, whole = head.partition("://")
    host = whole.rstrip("/").removesuffix(path.strip("/")).rstrip("/")
    if path.strip("/") and host == whole.rstrip("/"):
        host = ""  # the URL says it in another way
    return f"{protocol}://{host}{'/' if host else ''}{name.lstrip('/')}"
