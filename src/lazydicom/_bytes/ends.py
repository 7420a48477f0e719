"""Bytes at both ends of Pixel Data: they tell files apart where inodes mean nothing.

`rsync -t`, `cp -p` and `tar` keep the size and the time of a file. On the machine where a file
was indexed, its inode and ctime tell that another one stands there; elsewhere its bytes do.
They are compared with the first read, so that opening reads none of them.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import field
from typing import Any, Final, NamedTuple

from lazydicom._bytes.location import Version
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.ranges import read_many
from lazydicom._bytes.source import ByteRange, BytesLike, ByteSource, is_distant
from lazydicom.errors import SourceChangedError

_LENGTH: Final = 64
"""Bytes at each end."""
_MORE: Final = frozenset(("read_many", "read_many_into", "read_each", "lend"))
"""What some sources can do besides."""


class Ends(NamedTuple):
    """Where Pixel Data begins and stops, and a hash of the bytes there."""

    start: int
    stop: int
    digest: str


def read_ends(source: ByteSource, start: int, stop: int) -> Ends:
    """Read the bytes at both ends of a part of a file; no more of them are kept than a hash."""
    return Ends(start, stop, _hash(read_many(source, _spans(start, stop))))


def compare_ends(
    source: ByteSource, ends: Ends, *, proven: bool = False
) -> "ComparedSource":
    """Return a file that compares its bytes before it gives the first ones.

    Parameters
    ----------
    source : ByteSource
        The file as it is now.
    ends : Ends
        Of the file as it was.
    proven : bool
        Whether it is known in this process to be the same, if not where a pickle arrives.
    """
    return ComparedSource(source, ends, [] if proven else [ends])


@dataclass(frozen=True, slots=True, eq=False)
class ComparedSource:
    """A file whose first read is an error where it is not the one that it was."""

    file: ByteSource
    ends: Ends
    _pending: list[Ends] = field(repr=False)
    """What is to be compared; empty once it was."""

    @property
    def url(self) -> str:
        """Name of the file."""
        return self.file.url

    @property
    def version(self) -> Version:
        """That of the file."""
        return self.file.version

    def size(self) -> int:
        """Length of the file in bytes."""
        return self.file.size()

    def read(self, span: ByteRange) -> BytesLike:
        """Read `span`."""
        return self._compared([span])[0] if self._pending else self.file.read(span)

    def read_into(self, offset: int, out: memoryview) -> None:
        """Fill `out` with the bytes from `offset` on."""
        if self._pending and is_distant(self.file):  # one round trip, not two
            out.cast("B")[:] = self._compared([ByteRange(offset, out.nbytes)])[0]
            return
        self._compared([])
        self.file.read_into(offset, out)

    def mapped(self) -> AbstractContextManager[memoryview | None]:
        """Lend what the file lends."""
        self._compared([])
        return self.file.mapped()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (a method of the file)
        """Do what this file can do besides, and some cannot."""
        if name not in _MORE:
            raise AttributeError(name)
        method = getattr(self.file, name)
        if name == "read_many":
            return self._compared if self._pending else method
        self._compared([])
        return method

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by name; the process that gets it compares anew."""
        return (compare_ends, (self.file, self.ends))

    def _compared(self, spans: Sequence[ByteRange]) -> list[BytesLike]:
        """Read `spans`, and with them, once, what tells that the file is the same."""
        if not self._pending:
            return read_many(self.file, spans) if spans else []
        places = _spans(self.ends.start, self.ends.stop)
        blocks = read_many(self.file, [*spans, *places])
        if _hash(blocks[len(spans) :]) != self.ends.digest:
            message = "Another file of the same size and time took the place of the indexed one"
            raise SourceChangedError(message, url=self.url, offset=self.ends.start)
        self._pending.clear()
        return blocks[: len(spans)]


def _spans(start: int, stop: int) -> list[ByteRange]:
    length = min(_LENGTH, stop - start)
    return [ByteRange(start, length), ByteRange(stop - length, length)]


def _hash(blocks: Sequence[BytesLike]) -> str:
    from hashlib import blake2b  # deferred: OpenSSL costs 5 ms of import

    digest = blake2b(digest_size=16)
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()
