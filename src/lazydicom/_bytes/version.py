"""What tells a file from the one that takes its place."""

import os
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeAlias

OnChange: TypeAlias = Literal["error", "size"]
"""What tells that a file is another one: all that is known, or its size alone."""
ANY: Final = "any"
"""The tag of a version that is compared by its size alone; no server's tag is this word."""


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
    node: Node | None = field(default=None, repr=False)
    """Of a local file. Not shown, since an export may go on on another machine."""


def version_of_stat(now: os.stat_result) -> Version:
    """Return the version of a local file."""
    node = Node(_MACHINE, now.st_dev, now.st_ino, now.st_ctime_ns)
    return Version(now.st_size, now.st_mtime_ns, node)


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
    return node.machine == _MACHINE


def _machine() -> str:
    return (
        os.uname().nodename
        if hasattr(os, "uname")
        else os.environ.get("COMPUTERNAME", "")
    )


_MACHINE: Final = _machine()
