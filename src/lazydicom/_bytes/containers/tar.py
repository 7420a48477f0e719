"""A tar file: its headers are read once, and members are slices of it (POSIX.1-2001, pax)."""

import errno
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from lazydicom._bytes.containers.beginnings import Beginnings
from lazydicom._bytes.containers.member import Member
from lazydicom._bytes.containers.slice import SliceSource
from lazydicom._bytes.containers.tar_headers import read_headers
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.source import FIRST_BLOCK, ByteRange, ByteSource, is_distant
from lazydicom.errors import LimitError, MissingSourceError, SourceError

if TYPE_CHECKING:
    from lazydicom._bytes.source import BytesLike

_MOST_MEMBERS: Final = 1 << 17
"""131,072 files: each costs half a kilobyte of memory."""


@dataclass(frozen=True, slots=True, eq=False)
class TarDirectory:
    """The regular files of one tar file; links in it lead nowhere."""

    whole: ByteSource
    names: Sequence[str]
    starts: Sequence[int]
    lengths: Sequence[int]
    beginnings: Beginnings | None
    """Of files far away, when many are about to be opened."""

    def members(self) -> list[Member]:
        """Return all files, sorted by name."""
        order = sorted(range(len(self.names)), key=self.names.__getitem__)
        return [self._member(k) for k in order]

    def find(self, name: str) -> Member:
        """Return the member of a name, the last one where there are several.

        Raises
        ------
        SourceError
            If there is none.
        """
        for k in reversed(range(len(self.names))):
            if self.names[k] == name:
                return self._member(k)
        message = "There is no such member in the tar file"
        url = f"tar://{name}::{self.whole.url}"
        raise MissingSourceError(message, url=url, number=errno.ENOENT)

    def open(self, member: Member) -> ByteSource:
        """Open one of these members."""
        start, length = self.starts[member.place], self.lengths[member.place]
        if start + length > self.whole.size():
            message = "A member of the tar file ends behind its end"
            raise SourceError(message, url=member.url, offset=start)
        block: list[BytesLike] = []
        if self.beginnings is not None and length:
            block = [self.beginnings.take(member.place)]
        return SliceSource(self.whole, start, length, member.url, block)

    def _member(self, place: int) -> Member:
        name = self.names[place]
        return Member(self, place, name, f"tar://{name}::{self.whole.url}")


def read_tar(whole: ByteSource, *, all_members: bool) -> TarDirectory:
    """Read where the files of a tar file lie.

    Parameters
    ----------
    whole : ByteSource
        The tar file.
    all_members : bool
        Whether all of them are about to be opened.

    Raises
    ------
    SourceError
        If it is no tar file.
    LimitError
        If it has more files than are listed.
    """
    names, starts, lengths = list[str](), array("q"), array("q")
    for name, start, length in read_headers(whole):
        names.append(name)
        starts.append(start)
        lengths.append(min(length, whole.size() + 1))
        if len(names) > _MOST_MEMBERS:
            message = f"A tar file of more than {_MOST_MEMBERS} files: unpack it first"
            raise LimitError(message, url=whole.url)
    beginnings = None
    if all_members and is_distant(whole):
        spans = [
            ByteRange(start, max(min(length, FIRST_BLOCK, whole.size() - start), 0))
            for start, length in zip(starts, lengths, strict=True)
        ]
        beginnings = Beginnings(whole, spans)
    return TarDirectory(whole, names, starts, lengths, beginnings)
