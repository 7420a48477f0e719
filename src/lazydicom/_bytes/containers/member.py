"""A file that a listing named: opened by the container that listed it, by nothing else.

Whoever wrote an archive, a bucket or a web page chose the names in it. So a name is kept
beside its container and never becomes part of a URL that somebody opens.
"""

from typing import Protocol

from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.source import ByteSource


class Container(Protocol):
    """What lists files, and opens what it listed."""

    def open(self, member: "Member") -> ByteSource:
        """Open one of its members."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One file of a container."""

    container: Container
    place: int
    """Which one, as the container counts."""
    name: str
    """What the container calls it."""
    url: str
    """What it is called in errors."""
