"""A tar file: its headers are read once, and members are slices of it (POSIX.1-2001, pax)."""

import errno
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from lazydicom._bytes.containers.member import Member
from lazydicom._bytes.containers.slice import SliceSource
from lazydicom._bytes.containers.source_file import SourceFile
from lazydicom._bytes.source import FIRST_BLOCK, ByteSource
from lazydicom.errors import LimitError, MissingSourceError, SourceError

if TYPE_CHECKING:
    from tarfile import TarFile

_MOST_MEMBERS: Final = 1_000_000


class _Place(NamedTuple):
    name: str
    start: int
    length: int


@dataclass(frozen=True, slots=True, eq=False)
class TarDirectory:
    """The regular files of one tar file; links in it lead nowhere."""

    whole: ByteSource
    places: Sequence[_Place]

    def members(self) -> list[Member]:
        """Return all files, sorted by name."""
        order = sorted(range(len(self.places)), key=lambda k: self.places[k].name)
        return [self._member(k) for k in order]

    def find(self, name: str) -> Member:
        """Return the member of a name, the last one where there are several.

        Raises
        ------
        SourceError
            If there is none.
        """
        for k in reversed(range(len(self.places))):
            if self.places[k].name == name:
                return self._member(k)
        message = "There is no such member in the tar file"
        url = f"tar://{name}::{self.whole.url}"
        raise MissingSourceError(message, url=url, number=errno.ENOENT)

    def open(self, member: Member) -> ByteSource:
        """Open one of these members."""
        _, start, length = self.places[member.place]
        if start + length > self.whole.size():
            message = "A member of the tar file ends behind its end"
            raise SourceError(message, url=member.url, offset=start)
        return SliceSource(self.whole, start, length, member.url)

    def _member(self, place: int) -> Member:
        name = self.places[place].name
        return Member(self, place, name, f"tar://{name}::{self.whole.url}")


def read_tar(whole: ByteSource) -> TarDirectory:
    """Read where the files of a tar file lie.

    Raises
    ------
    SourceError
        If it is no tar file.
    LimitError
        If it has more than a million files.
    """
    import tarfile  # deferred: it costs some milliseconds

    file = SourceFile(whole)
    try:
        with tarfile.open(
            fileobj=io.BufferedReader(file, FIRST_BLOCK), mode="r:"
        ) as tar:
            places = _places(tar, whole)
    except (tarfile.TarError, OSError, ValueError, EOFError, OverflowError):
        message = "Could not open: Expected a tar file"
        fault = file.fault or SourceError(message, url=whole.url)
        raise fault from None
    return TarDirectory(whole, places)


def _places(tar: "TarFile", whole: ByteSource) -> list[_Place]:
    places = []
    while (info := tar.next()) is not None:
        if info.isreg() and not info.issparse():
            places.append(_Place(info.name, info.offset_data, info.size))
        if len(places) > _MOST_MEMBERS:
            message = f"A tar file of more than {_MOST_MEMBERS} files"
            raise LimitError(message, url=whole.url)
    return places
