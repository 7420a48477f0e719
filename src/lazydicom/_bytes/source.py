"""Random access to the bytes of one file, and the source that holds them in memory.

A source has no cursor, no lock and no pixels: any number of threads may read it at once.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias, TypeGuard

from lazydicom._bytes.ranges import (
    LOCAL_BLOCK,
    MAX_BLOCK,
    MAX_GAP,
    ByteRange,
    group,
    span_of,
)
from lazydicom.errors import SourceError

BytesLike: TypeAlias = bytes | memoryview
MEMORY_URL: Final = "<bytes>"
"""What stands for the name of a file in errors."""
Buffer: TypeAlias = Callable[[int], memoryview]
"""Gives the memory for a number of bytes that are about to come."""


class ByteSource(Protocol):
    """Random access to the bytes of one file.

    It pickles by name (bytes in memory: by value), so a task that carries it stays small.
    """

    @property
    def url(self) -> str:
        """Name of the file, as it was given."""
        ...

    def size(self) -> int:
        """Length of the file in bytes, as it was when the file was opened."""
        ...

    def read(self, span: ByteRange) -> BytesLike:
        """Read exactly `span`, or raise `SourceError`."""
        ...

    def read_into(self, offset: int, out: memoryview) -> None:
        """Fill `out` with the bytes from `offset` on, or raise `SourceError`."""
        ...

    def mapped(self) -> AbstractContextManager[memoryview | None]:
        """Lend the whole file as memory, ``None`` where bytes must be fetched."""
        ...

    def identity(self) -> tuple[object, ...]:
        """Return what only this version of the file has: name, size, mtime or etag."""
        ...


class DistantSource(ByteSource, Protocol):
    """A source where a read waits for a round trip, so that reads are made together."""

    def read_many(self, spans: Sequence[ByteRange]) -> list[BytesLike]:
        """Read all `spans`, neighbours in one request, requests at once."""
        ...


def is_distant(source: ByteSource) -> TypeGuard[DistantSource]:
    """Return whether reads should be made together; `isinstance` would take 40 µs."""
    return hasattr(source, "read_many")


def read_many(source: ByteSource, spans: Sequence[ByteRange]) -> list[BytesLike]:
    """Read all `spans` in the way that suits the source."""
    if is_distant(source):
        return source.read_many(spans)
    if len(spans) == 1:
        return [source.read(spans[0])]
    found: list[BytesLike] = [b""] * len(spans)
    for members in together(source, spans):
        block = span_of(spans[member] for member in members)
        data = memoryview(source.read(block))
        for member in members:
            begin = spans[member].offset - block.offset
            found[member] = data[begin : begin + spans[member].length]
    return found


def read_each(source: ByteSource, offsets: Sequence[int], length: int) -> BytesLike:
    """Read `length` bytes from each offset on, one after the other."""
    if hasattr(source, "read_each"):
        data: bytes = source.read_each(offsets, length)
        return data
    return b"".join(source.read(ByteRange(offset, length)) for offset in offsets)


def together(source: ByteSource, spans: Sequence[ByteRange]) -> list[list[int]]:
    """Return which `spans` one read should fetch, by their places."""
    if is_distant(source):
        return group(spans, max_gap=MAX_GAP, max_block=MAX_BLOCK)
    return group(spans, max_gap=0, max_block=LOCAL_BLOCK)


@dataclass(frozen=True, slots=True, eq=False)
class MemorySource:
    """Bytes that are already here."""

    data: BytesLike = field(repr=False)
    url: str = MEMORY_URL

    def size(self) -> int:
        """Length in bytes."""
        return len(self.data)

    def read(self, span: ByteRange) -> BytesLike:
        """Return a view of `span`; nothing is copied."""
        check_span(self, span)
        return memoryview(self.data)[span.offset : span.stop]

    def read_into(self, offset: int, out: memoryview) -> None:
        """Copy the bytes from `offset` on into `out`."""
        out[:] = self.read(ByteRange(offset, out.nbytes))

    def mapped(self) -> AbstractContextManager[memoryview | None]:
        """Lend the bytes themselves."""
        return nullcontext(memoryview(self.data))

    def identity(self) -> tuple[object, ...]:
        """Hash the bytes: memory has no other name."""
        from hashlib import blake2b  # deferred: OpenSSL costs 5 ms of import

        return (self.url, blake2b(self.data, digest_size=16).hexdigest())

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by value; a view of larger memory becomes bytes."""
        return (MemorySource, (bytes(self.data), self.url))


class SizedFile(Protocol):
    """What has a name and a size."""

    @property
    def url(self) -> str:
        """Name of the file."""
        ...

    def size(self) -> int:
        """Length of the file in bytes."""
        ...


class ReadableFile(SizedFile, Protocol):
    """What can be read by ranges."""

    def read(self, span: ByteRange) -> BytesLike:
        """Read exactly `span`."""
        ...


class SmallReads(ReadableFile, Protocol):
    """A file that stays open, so that a small read costs no more than a system call."""

    def read_some(self, offset: int, length: int) -> bytes:
        """Read `length` bytes, fewer at the end of the file."""
        ...

    def fill(self, offset: int, out: memoryview) -> int:
        """Fill `out`, or its beginning at the end of the file; return its length."""
        ...


class HoldableSource(ByteSource, Protocol):
    """A source whose file can be kept open."""

    def held(self) -> AbstractContextManager[SmallReads]:
        """Lend the file with its descriptor open, for many small reads."""
        ...


def reads_small(file: ReadableFile) -> TypeGuard[SmallReads]:
    """Return whether a small read costs no more than a system call."""
    return hasattr(file, "read_some")


def is_holdable(source: ByteSource) -> TypeGuard[HoldableSource]:
    """Return whether the file can be kept open for many small reads."""
    return hasattr(source, "held")


def check_span(source: SizedFile, span: ByteRange) -> None:
    """Raise `SourceError` unless `span` lies inside the file."""
    if span.offset < 0 or span.length < 0 or span.stop > source.size():
        message = f"Expected {span.length} bytes, the file ends at {source.size()}"
        raise SourceError(message, url=source.url, offset=span.offset)
