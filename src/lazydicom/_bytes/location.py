"""What a URL means: a local path, a member of an archive, or an object far away.

The only place that takes URLs apart and puts them together, for reading and writing alike. A
``file://`` URL is percent-decoded (RFC 8089), a path never is.
"""

import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Literal, TypeAlias
from urllib.parse import unquote_to_bytes

from lazydicom._bytes.source import MEMORY_URL
from lazydicom.errors import InvalidDicomError, MissingSourceError

Url: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO
URL_TYPES: Final = (str, os.PathLike, bytes, bytearray, memoryview)
Archive: TypeAlias = Literal["zip", "tar"]
Kind: TypeAlias = Literal["memory", "local", "remote", "zip", "tar"]

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)(?:://|::(?=.*://))")
"""Two letters at least: one is a drive of Windows."""
_ARCHIVE: Final = re.compile(r"(zip|tar)://(.*?)::(.+)", re.DOTALL)
_LAST: Final = frozenset(
    ("http", "https", "s3", "s3a", "gs", "gcs", "az", "abfs", "abfss",
     "memory", "sftp", "ssh", "ftp", "smb", "webdav", "hdfs")
)  # fmt: skip
"""Nothing stands behind these: two colons are part of a name, or of an address."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where a file is.

    >>> Location.parse("file://localhost/data/a%20b.dcm")
    Location(kind='local', url='/data/a b.dcm', path='/data/a b.dcm', around=None)
    >>> Location.parse("zip://a.dcm::/data/./study.zip").url
    'zip://a.dcm::/data/study.zip'
    """

    kind: Kind
    url: str
    """What the source is called: a local path is absolute."""
    path: str = ""
    """Path of a local file, or name of a member."""
    around: "Location | None" = None
    """The archive around a member."""

    @classmethod
    def parse(cls, url: Url) -> "Location":
        """Take a path, a URL or bytes apart.

        Raises
        ------
        SourceError
            If there is no such home folder.
        """
        if isinstance(url, bytes | bytearray | memoryview):
            return cls("memory", MEMORY_URL)
        name = os.fspath(url) if isinstance(url, str | os.PathLike) else None
        if not isinstance(name, str):
            raise InvalidDicomError("Expected a path, a URL or bytes of a file")
        archive = _ARCHIVE.fullmatch(name)
        if archive is not None:
            kind: Archive = "zip" if archive[1] == "zip" else "tar"
            around = cls.parse(archive[3])
            return cls(kind, f"{kind}://{archive[2]}::{around.url}", archive[2], around)
        if _is_remote(name):
            return cls("remote", name)
        path = local_path(name)
        return cls("local", path, path)


def archive_of(name: str) -> Archive | None:
    """Return what archive a file is by its name.

    >>> archive_of("a.ZIP"), archive_of("b.tar.gz"), archive_of("c.dcm.gz")
    ('zip', 'tar', None)
    """
    lower = name.lower()
    if lower.endswith(".zip"):
        return "zip"
    return "tar" if lower.endswith((".tar", ".tar.gz", ".tgz")) else None


def is_local(name: str) -> bool:
    """Return whether a name is a path of this machine, or a ``file://`` URL of one.

    >>> is_local("/data/a::b.dcm"), is_local("FILE:///a.dcm"), is_local("s3://b/a.dcm")
    (True, True, False)
    """
    return not _is_remote(name) and _ARCHIVE.fullmatch(name) is None


def local_path(name: str) -> str:
    """Return the absolute path; symbolic links are kept, a ``file://`` URL is decoded.

    >>> local_path("file:///data/a%41.dcm")
    '/data/aA.dcm'

    Raises
    ------
    SourceError
        If there is no such home folder.
    """
    if name[:7].lower() == "file://":
        name = _path_of_file_url(name[7:])
    if name[:1] == "~":
        name = _in_home(name)
    return os.path.abspath(name)  # noqa: PTH100 (resolves no link)


def file_url(path: str) -> str:
    """Return the ``file://`` URL of an absolute path; `local_path` gives the path back.

    >>> file_url("/data/100%.dcm")
    'file:///data/100%25.dcm'
    """
    return Path(path).as_uri()


def chain(url: str) -> list[str]:
    """Return the parts of a URL that stand one around the other.

    >>> chain("simplecache::http://[::1]/a::b.dcm")
    ['simplecache', 'http://[::1]/a::b.dcm']
    """
    head, mark, rest = url.partition("::")
    if not mark or scheme(head) in _LAST or is_local(url):
        return [url]
    return [head, *chain(rest)]


def scheme(url: str) -> str:
    """Return the protocol of a URL in lower case, nothing where there is none."""
    head, mark, _ = url.partition("://")
    return head.lower() if mark and "::" not in head else ""


def _in_home(name: str) -> str:
    try:
        return str(Path(name).expanduser())
    except RuntimeError:
        message = "There is no home folder of this name"
        raise MissingSourceError(message, url=name, number=errno.ENOENT) from None


def _is_remote(name: str) -> bool:
    found = _SCHEME.match(name)
    return found is not None and found[1].lower() != "file"


def _path_of_file_url(rest: str) -> str:
    host, slash, path = rest.partition("/")
    if host.lower() == "localhost" and slash:
        rest = slash + path
    decoded = os.fsdecode(unquote_to_bytes(os.fsencode(rest)))
    drive = os.name == "nt" and re.match(r"/[A-Za-z]:", decoded)
    return decoded[1:] if drive else decoded
