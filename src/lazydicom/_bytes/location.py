"""Which file it is: where a URL leads to, and what tells the file from one in its place.

The only place that takes URLs apart and puts them together, for reading and writing alike. A
``file://`` URL is percent-decoded (RFC 8089), a path never is.
"""

import errno
import os
import re
from typing import BinaryIO, Final, Literal, NamedTuple, TypeAlias

from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom.errors import InvalidDicomError, MissingSourceError

MEMORY_URL: Final = "<bytes>"
"""What stands for the name of a file in errors."""
Url: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO
URL_TYPES: Final = (str, os.PathLike, bytes, bytearray, memoryview)
Archive: TypeAlias = Literal["zip", "tar"]
Kind: TypeAlias = Literal["memory", "local", "remote", "zip", "tar"]

_SCHEME: Final = r"([A-Za-z][A-Za-z0-9+.-]+)(?:://|::(?=.*://))"
"""Two letters at least: one is a drive of Windows."""
_ARCHIVE: Final = r"(?s)(zip|tar)://(.*?)::(.+)"
_LAST: Final = frozenset(
    ("http", "https", "s3", "s3a", "gs", "gcs", "az", "abfs", "abfss",
     "memory", "sftp", "ssh", "ftp", "smb", "webdav", "hdfs")
)  # fmt: skip
"""Nothing stands behind these: two colons are part of a name, or of an address."""
OnChange: TypeAlias = Literal["error", "size"]
"""What tells that a file is another one: all that is known, or its size alone."""
DICOMWEB: Final = "dicomweb+"
"""How the URL of an instance begins that a server of DICOMweb has."""
ANY: Final = "any"
"""The tag of a version that is compared by its size alone; no server's tag is this word."""


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
        archive = _archive_in(name)
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
    return not _is_remote(name) and _archive_in(name) is None


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
    from pathlib import Path  # deferred, as below: 4 ms that most files do not need

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
    from pathlib import Path

    try:
        return str(Path(name).expanduser())
    except RuntimeError:
        message = "There is no home folder of this name"
        raise MissingSourceError(message, url=name, number=errno.ENOENT) from None


def _archive_in(name: str) -> re.Match[str] | None:
    return re.fullmatch(_ARCHIVE, name) if "://" in name else None


def _is_remote(name: str) -> bool:
    match = re.match(_SCHEME, name) if "://" in name else None
    return match is not None and match[1].lower() != "file"


def _path_of_file_url(rest: str) -> str:
    from urllib.parse import unquote_to_bytes

    host, slash, path = rest.partition("/")
    if host.lower() == "localhost" and slash:
        rest = slash + path
    decoded = os.fsdecode(unquote_to_bytes(os.fsencode(rest)))
    drive = os.name == "nt" and re.match(r"/[A-Za-z]:", decoded)
    return decoded[1:] if drive else decoded


class Node(NamedTuple):
    """A file as the system of one machine knows it; elsewhere these numbers mean nothing."""

    machine: str
    device: int
    inode: int
    ctime_ns: int
    """When anything about the file changed, its name and its times included."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a file.

    >>> Version(10, 5) == Version(10, 5, Node("here", 1, 2, 3))
    False
    """

    size: int
    """Length in bytes."""
    tag: int | str
    """Generation or entity tag, time of the last change (ns); may be empty."""
    node: Node | None = None
    """Of a local file."""
    part: tuple[int | str, ...] = ()
    """What of the file: offset and length of a member; nothing where it is all of it."""

    def __repr__(self) -> str:
        """Return what holds on every machine: an export may go on on another one."""
        return f"Version{(self.size, self.tag, *self.part)}"


def version_for(version: Version, on_change: OnChange) -> Version:
    """Return what later reads are compared with."""
    return Version(version.size, ANY) if on_change == "size" else version


def is_same(known: Version, now: Version) -> bool:
    """Return whether a file is the one that was opened.

    Device, inode and ctime count on the machine where it was opened: a file that `cp -p`,
    `rsync -t` or `tar` puts in its place may have the same size and time.
    """
    if known.size != now.size:
        return False
    if known.tag == ANY:
        return True
    if known.tag != now.tag:
        return False
    here = known.node is not None and is_here(known.node)
    return not here or known.node == now.node


def is_of_content(version: Version) -> bool:
    """Return whether a tag is an entity tag or a generation, made anew with each write.

    Web servers make one of time and size, which a copy keeps.

    >>> is_of_content(Version(94, '"9bb58f26192e4ba00f01e2e7b136bbd8"'))
    True
    >>> is_of_content(Version(94, '"65a1b0c2-5e"')), is_of_content(Version(94, 170000))
    (False, False)
    """
    tag = version.tag
    if not isinstance(tag, str):
        return False
    if tag.isdigit():
        return True
    parts = tag.strip('"').lower().replace(":", "-").split("-")
    return tag.startswith('"') and f"{version.size:x}" not in parts


def is_here(node: Node) -> bool:
    """Return whether the numbers of a file mean something on this machine."""
    return node.machine == THIS_MACHINE


def _machine() -> str:
    return (
        os.uname().nodename
        if hasattr(os, "uname")
        else os.environ.get("COMPUTERNAME", "")
    )


THIS_MACHINE: Final = _machine()
