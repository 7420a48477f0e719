"""A source as the file object that `zipfile` and `tarfile` want, for one thread."""

import io
from typing import TYPE_CHECKING

from lazydicom._bytes.source import ByteRange, ByteSource
from lazydicom.errors import SourceError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class SourceFile(io.RawIOBase):
    """Read-only, with a cursor; the end of the file is fetched once and kept.

    Parameters
    ----------
    source : ByteSource
        What to read.
    tail : int
        How many bytes of the end to keep: a zip file is looked for there three times.
    """

    def __init__(self, source: ByteSource, *, tail: int = 0) -> None:
        super().__init__()
        self._source = source
        self._position = 0
        self._tail_start = max(source.size() - tail, 0)
        self._tail: memoryview | None = None
        self.fault: SourceError | None = None
        """Why a read failed, which a reader may take for a damaged archive."""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = (0, self._position, self._source.size())[whence]
        self._position = base + offset
        return self._position

    def readinto(self, out: "WriteableBuffer") -> int:
        view = memoryview(out).cast("B")
        try:
            count = self._fill(view)
        except SourceError as error:
            self.fault = error
            raise
        self._position += count
        return count

    def _fill(self, view: memoryview) -> int:
        """Fill as much as comes before the tail, or as the tail has."""
        if self._position < self._tail_start:
            count = min(len(view), self._tail_start - self._position)
            self._source.read_into(self._position, view[:count])
            return count
        held = self._kept_tail()[self._position - self._tail_start :][: len(view)]
        view[: len(held)] = held
        return len(held)

    def _kept_tail(self) -> memoryview:
        if self._tail is None:
            length = self._source.size() - self._tail_start
            span = ByteRange(self._tail_start, length)
            self._tail = memoryview(self._source.read(span))
        return self._tail
