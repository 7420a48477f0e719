"""A lookahead on a file: the walker looks through it, whatever the source is.

Bytes in memory are one lookahead. Elsewhere the lookahead is a block that is fetched where
the walker stands: 64 KiB at first, a small one after a jump over what nobody asked for, and
twice as much each time that the walker goes straight on. A local file is held open
meanwhile, and never mapped: one that is cut then would kill the process.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from lazydicom._bytes.ranges import FIRST_BLOCK, ByteRange
from lazydicom._bytes.source import (
    BytesLike,
    ByteSource,
    ReadableFile,
    is_holdable,
    reads_small,
)
from lazydicom.errors import InvalidDicomError

BLOCK_AFTER_JUMP: Final = 1 << 14
"""16 KiB: behind a sequence that was stepped over, Pixel Data is near."""
_NEAR_BLOCK: Final = 1 << 14
"""16 KiB of a local file hold most headers, and a second read costs nothing."""
LARGEST_BLOCK: Final = 1 << 23
_KEPT: Final = 1 << 20
"""Elements that matter lie in the first MiB; more is a per-frame sequence."""


class Block(NamedTuple):
    """A piece of the file."""

    offset: int
    data: BytesLike


class Lookahead:
    """A buffer that holds the bytes of a file from `base` to `stop`."""

    __slots__ = (
        "_block", "_first", "base", "buffer", "kept", "size", "source", "stop", "unknown",
        "url",
    )  # fmt: skip

    def __init__(
        self, source: ReadableFile, memory: BytesLike | None, base: int = 0
    ) -> None:
        self.source = source
        self._first = _NEAR_BLOCK if reads_small(source) else FIRST_BLOCK
        self._block = self._first
        self.url = source.url
        self.size = source.size()
        self.buffer: BytesLike = b"" if memory is None else memory
        self.base = base
        self.stop = base + len(self.buffer)
        self.unknown = 0
        """Elements met so far whose VR is not known: each costs many reads."""
        self.kept: list[Block] = []
        """Blocks fetched so far, as far as they are worth keeping."""

    def seek(self, offset: int, length: int) -> int:
        """Bring `length` bytes at `offset` into the buffer, return where they lie there.

        Raises
        ------
        InvalidDicomError
            If the file ends before.
        """
        if offset < self.base or offset + length > self.stop:
            self._fetch(offset, length)
        return offset - self.base

    def holds(self, start: int, stop: int) -> bool:
        """Return whether the bytes from `start` to `stop` are in the buffer."""
        return self.base <= start and stop <= self.stop

    def bytes_at(self, offset: int, length: int) -> bytes:
        """Copy out the bytes at `offset`."""
        start = self.seek(offset, length)
        return bytes(self.buffer[start : start + length])

    def keep(self, start: int, stop: int) -> tuple[Block, ...]:
        """Return the blocks seen so far; of memory a copy from `start` to `stop`."""
        if self.kept or self.stop < self.size:
            return tuple(self.kept)
        stop = min(stop, start + _KEPT)
        return (Block(start, bytes(self.buffer[start:stop])),)

    def _fetch(self, offset: int, length: int) -> None:
        if offset + length > self.size:
            message = f"Expected {length} more bytes, the file ends at {self.size}"
            raise InvalidDicomError(message, url=self.url, offset=offset)
        if not self.stop and offset + length <= self._first:
            offset, length = 0, self._first  # opening a distant source fetched it
        elif self.base <= offset <= self.stop + BLOCK_AFTER_JUMP:
            self._block = min(2 * self._block, LARGEST_BLOCK)
        else:
            self._block = BLOCK_AFTER_JUMP
        count = min(max(length, self._block), self.size - offset)
        self.buffer = self.source.read(ByteRange(offset, count))
        self.base, self.stop = offset, offset + count
        if offset + count <= _KEPT:
            self.kept.append(Block(offset, self.buffer))


@contextmanager
def open_lookahead(source: ByteSource) -> Iterator[Lookahead]:
    """Yield a lookahead on a local file by position, else on memory or blocks."""
    if is_holdable(source):
        with source.held() as file:
            yield Lookahead(file, None)
    else:
        with source.mapped() as memory:
            yield Lookahead(source, memory)
