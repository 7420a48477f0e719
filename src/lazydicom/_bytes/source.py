"""Random access to the bytes of one file, and the source that holds them in memory.

A source has no cursor, no lock and no pixels: any number of threads may read it at once. A
`Lookahead` is the buffer of one of them, for many small reads one after the other.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import field
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias, TypeGuard

from lazydicom._bytes.location import MEMORY_URL, Version
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom.errors import InvalidDicomError, SourceError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BytesLike: TypeAlias = bytes | memoryview
FIRST_BLOCK: Final = 1 << 16
"""64 KiB hold the header of most files; opening fetches them before it knows anything."""
MINIMUM_RATE: Final = 1 << 10
"""Bytes in a second that a body must have; the slowest modems gave more."""
BLOCK_AFTER_JUMP: Final = 1 << 14
"""16 KiB: behind a sequence that was stepped over, Pixel Data is near."""
_NEAR_BLOCK: Final = 1 << 14
"""16 KiB of a local file hold most headers, and a second read costs nothing."""
_LARGEST_NEAR_BLOCK: Final = 1 << 18
"""256 KiB of a local file go into memory that was used before; new pages take longer."""
LARGEST_BLOCK: Final = 1 << 23
_KEPT: Final = 1 << 20
"""Elements that matter lie in the first MiB; more is a per-frame sequence."""
Buffer: TypeAlias = Callable[[int], memoryview]
"""Gives the memory for a number of bytes that are about to come."""


class ByteRange(NamedTuple):
    """A run of bytes in one file."""

    offset: int
    """First byte, counted from the start of the file."""
    length: int
    """Length in bytes."""

    @property
    def stop(self) -> int:
        """The byte after the last one."""
        return self.offset + self.length


class ByteSource(Protocol):
    """Random access to the bytes of one file.

    It pickles by name (bytes in memory: by value), so a task that carries it stays small.
    """

    @property
    def url(self) -> str:
        """Name of the file, as it was given."""
        ...

    @property
    def version(self) -> Version:
        """What only this version of the file has: it tells whether it is still the same."""
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


class DistantSource(ByteSource, Protocol):
    """A source where a read waits for a round trip, so that reads are made together."""

    def read_many(self, spans: Sequence[ByteRange]) -> list[BytesLike]:
        """Read all `spans`, neighbours in one request, requests at once."""
        ...


class ReadsInTurn(ByteSource, Protocol):
    """A source that is opened for each read, or once for some."""

    def read_in_turn(
        self, spans: Sequence[ByteRange], use: Callable[[int, BytesLike], None]
    ) -> None:
        """Call `use(place, data)` with each range, before the next one is read."""
        ...


def is_distant(source: ByteSource) -> TypeGuard[DistantSource]:
    """Return whether reads should be made together; `isinstance` would take 40 µs."""
    return hasattr(source, "read_many")


class LentMemory(Protocol):
    """A file as memory, for as long as it is lent."""

    @property
    def memory(self) -> memoryview:
        """All of its bytes."""
        ...

    def load(self, offsets: "NDArray[np.int64]", length: int) -> None:
        """Bring `length` bytes from each offset on into memory, or raise `OSError`."""
        ...


def lend(source: ByteSource) -> AbstractContextManager[LentMemory | None]:
    """Lend a file as memory, ``None`` where only reads are safe or possible.

    Raises
    ------
    SourceChangedError
        If the file is not the one that was opened, before or afterwards.
    """
    if hasattr(source, "lend"):
        lent: AbstractContextManager[LentMemory | None] = source.lend()
        return lent
    return nullcontext(None)


@dataclass(frozen=True, slots=True, eq=False)
class MemorySource:
    """Bytes that are already here."""

    data: BytesLike = field(repr=False)
    url: str = MEMORY_URL

    @property
    def version(self) -> Version:
        """A hash of the bytes, as an entity tag is: memory has no other."""
        from hashlib import blake2b  # deferred: OpenSSL costs 5 ms of import

        digest = blake2b(self.data, digest_size=16).hexdigest()
        return Version(len(self.data), f'"{digest}"')

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

    def read_each(self, offsets: Sequence[int], length: int) -> bytes:
        """Read `length` bytes from each offset on, one after the other."""
        ...

    def fill(self, offset: int, out: memoryview) -> int:
        """Fill `out`, or its beginning at the end of the file; return its length."""
        ...

    def lend(self) -> AbstractContextManager[LentMemory | None]:
        """Lend the file as memory, ``None`` where only reads are safe."""
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


def read_fresh(source: ByteSource, span: ByteRange) -> memoryview:
    """Read `span` of a source that fills memory, into fresh memory."""
    check_span(source, span)
    data = bytearray(span.length)
    source.read_into(span.offset, memoryview(data))
    return memoryview(data).toreadonly()


def check_span(source: SizedFile, span: ByteRange) -> None:
    """Raise `SourceError` unless `span` lies inside the file."""
    if span.offset < 0 or span.length < 0 or span.stop > source.size():
        message = f"Expected {span.length} bytes, the file ends at {source.size()}"
        raise SourceError(message, url=source.url, offset=span.offset)


class Block(NamedTuple):
    """A piece of the file."""

    offset: int
    data: BytesLike

    @property
    def stop(self) -> int:
        """The byte after the last one."""
        return self.offset + len(self.data)


class Lookahead:
    """A buffer that holds the bytes of a file from `base` to `stop`.

    Bytes in memory are one buffer. Elsewhere it is a block that is fetched where somebody
    looks: 64 KiB at first, a small one after a jump over what nobody asked for, and twice as
    much each time that he goes straight on. A local file is held open meanwhile, and never
    mapped: one that is cut then would kill the process.
    """

    __slots__ = (
        "_block", "base", "buffer", "kept", "size", "source", "stop", "unknown",
        "url",
    )  # fmt: skip

    def __init__(
        self, source: ReadableFile, memory: BytesLike | None, base: int = 0
    ) -> None:
        self.source = source
        self._block = 0
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

    def fetch_whole(self, offset: int, length: int) -> None:
        """Fetch a long value that is read anyway, and what follows it, with one request.

        Nothing is done where a read costs no round trip, or it is too long to be kept.
        """
        length = min(length, self.size - offset)
        if reads_small(self.source) or self.holds(offset, offset + length):
            return
        if length <= LARGEST_BLOCK:
            self.buffer = self.source.read(ByteRange(offset, length))
            self.base, self.stop = offset, offset + length
            self.kept.append(Block(offset, self.buffer))

    def _fetch(self, offset: int, length: int) -> None:
        if offset + length > self.size:
            message = f"Expected {length} more bytes, the file ends at {self.size}"
            raise InvalidDicomError(message, url=self.url, offset=offset)
        self._block = self._block or first_block_of(self.source)
        if not self.stop and offset + length <= self._block:
            offset, length = 0, self._block  # opening a distant source fetched it
        elif self.base <= offset <= self.stop + BLOCK_AFTER_JUMP:
            most = _LARGEST_NEAR_BLOCK if reads_small(self.source) else LARGEST_BLOCK
            self._block = min(2 * self._block, most)
        else:
            self._block = BLOCK_AFTER_JUMP
        count = min(max(length, self._block), self.size - offset)
        self.buffer = self.source.read(ByteRange(offset, count))
        self.base, self.stop = offset, offset + count
        if offset + count <= _KEPT:
            self.kept.append(Block(offset, self.buffer))


def first_block_of(source: ReadableFile) -> int:
    """Return how many bytes are read first."""
    for block in getattr(source, "head", ())[:1]:
        return len(block)
    return _NEAR_BLOCK if reads_small(source) else FIRST_BLOCK


@dataclass(frozen=True, slots=True, eq=False)
class KeptSource:
    """A file of which some blocks were read when its header was walked."""

    source: ByteSource
    blocks: Sequence[Block]

    @property
    def url(self) -> str:
        """Name of the file."""
        return self.source.url

    @property
    def version(self) -> Version:
        """That of the file."""
        return self.source.version

    def size(self) -> int:
        """Return the length of the file."""
        return self.source.size()

    def read(self, span: ByteRange) -> BytesLike:
        """Return what is here already, or read it."""
        for offset, data in self.blocks:
            if offset <= span.offset and span.stop <= offset + len(data):
                start = span.offset - offset
                return memoryview(data)[start : start + span.length]
        return self.source.read(span)

    def read_into(self, offset: int, out: memoryview) -> None:
        """Read into memory."""
        self.source.read_into(offset, out)

    def mapped(self) -> AbstractContextManager[memoryview | None]:
        """Lend the file as memory."""
        return self.source.mapped()


@contextmanager
def open_lookahead(source: ByteSource) -> Iterator[Lookahead]:
    """Yield a lookahead on a local file by position, else on memory or blocks."""
    if is_holdable(source):
        with source.held() as file:
            yield Lookahead(file, None)
    else:
        with source.mapped() as memory:
            yield Lookahead(source, memory)
