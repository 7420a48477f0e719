"""Deflated files, inflated once into a spill that is then a source (PS3.5 annex A.5).

A deflate stream has no byte ranges. It is inflated by streaming, so that size and ratio
are bounded, and once per process, however many tasks carry the array.
"""

import os
import tempfile
import threading
import weakref
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import IO, Final, NamedTuple

from lazydicom._bytes.ranges import MAX_BLOCK, ByteRange
from lazydicom._bytes.source import BytesLike, ByteSource, check_span, is_distant
from lazydicom.errors import InvalidDicomError, LimitError, SourceError

MAX_INFLATED: Final = 1 << 36
"""64 GiB."""
MAX_RATIO: Final = 250
"""Zeros deflate 1030 : 1, medical images 2 to 50 : 1."""
_RATIO_FREE: Final = 1 << 26
"""Up to 64 MiB no ratio is dangerous."""
_BLOCK: Final = 1 << 18
_FAR_READ: Final = 4 * MAX_BLOCK
_SPILLS_KEPT: Final = 4
_INFLATING: Final = threading.RLock()
"""Reentrant: a deflated file may be a deflated member of a zip file."""


@dataclass(frozen=True, eq=False)
class InflatedSource:
    """A deflated file as if it had been written without deflate.

    Offsets count from the start of the file: the bytes before the stream keep their place.
    """

    deflated: ByteSource
    start: int
    """Where the deflate stream begins: after the File Meta Information."""
    checksum: "Checksum | None" = None
    """What the inflated bytes must be, where somebody says so."""

    @property
    def url(self) -> str:
        """Name of the deflated file."""
        return self.deflated.url

    def size(self) -> int:
        """Length in bytes once inflated."""
        return self._spill.size

    def read(self, span: ByteRange) -> BytesLike:
        """Read inflated bytes into fresh memory."""
        check_span(self, span)
        data = bytearray(span.length)
        self.read_into(span.offset, memoryview(data))
        return memoryview(data).toreadonly()

    def read_into(self, offset: int, out: memoryview) -> None:
        """Fill `out` with inflated bytes."""
        view = out.cast("B")
        check_span(self, ByteRange(offset, view.nbytes))
        while view:
            count = os.preadv(self._spill.file.fileno(), [view], offset)
            if count == 0:
                raise SourceError("The spill is cut", url=self.url, offset=offset)
            offset, view = offset + count, view[count:]

    def mapped(self) -> AbstractContextManager[memoryview | None]:
        """Nothing to lend: the walker reads the spill by blocks."""
        return nullcontext(None)

    def identity(self) -> tuple[object, ...]:
        """Name this version of the deflated file."""
        return self.deflated.identity()

    @cached_property
    def _spill(self) -> "_Spill":
        with _INFLATING:
            key = _SpillKey(self.deflated, self.start, self.checksum, os.getpid())
            return _shared_spill(key)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by name: every process inflates for itself."""
        return (InflatedSource, (self.deflated, self.start, self.checksum))


class Checksum(NamedTuple):
    """Length and CRC-32 of inflated bytes, as a zip file keeps them."""

    length: int
    crc: int


@dataclass(frozen=True)
class _Spill:
    file: IO[bytes]
    size: int

    def __post_init__(self) -> None:
        weakref.finalize(self, self.file.close)  # with the last array that reads it


@dataclass(frozen=True, eq=False)
class _SpillKey:
    source: ByteSource
    start: int
    checksum: Checksum | None
    process: int

    @cached_property
    def _value(self) -> tuple[object, ...]:
        return (*self.source.identity(), self.start, self.checksum, self.process)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _SpillKey) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)


@lru_cache(maxsize=_SPILLS_KEPT)
def _shared_spill(key: _SpillKey) -> _Spill:
    """Inflate into an unnamed file; tasks of one process find it here."""
    source, size, crc = key.source, key.start, 0
    with ExitStack() as on_error:
        file = on_error.enter_context(_unnamed_file())
        file.write(source.read(ByteRange(0, key.start)))
        for block in _inflate(source, key.start):
            size += len(block)
            _check_size(source, size, key.start)
            file.write(block)
            crc = zlib.crc32(block, crc) if key.checksum else 0
        if key.checksum not in {None, Checksum(size - key.start, crc)}:
            message = "The deflated member is damaged: its checksum differs"
            raise SourceError(message, url=source.url)
        on_error.pop_all()
    return _Spill(file, size)


def _unnamed_file() -> IO[bytes]:
    return tempfile.TemporaryFile(prefix="lazydicom-", buffering=0)


def _blocks(source: ByteSource, start: int) -> Iterator[BytesLike]:
    """Read on from `start`; far away some blocks at once, so that few trips are waited for."""
    step = _FAR_READ if is_distant(source) else _BLOCK
    for offset in range(start, source.size(), step):
        length = min(step, source.size() - offset)
        read = memoryview(source.read(ByteRange(offset, length)))
        for at in range(0, length, _BLOCK):
            yield read[at : at + _BLOCK]


def _inflate(source: ByteSource, start: int) -> Iterator[bytes]:
    """Inflate block by block; a stream of odd length may end in a null byte."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for read in _blocks(source, start):
            block = read
            while block and not stream.eof:
                yield stream.decompress(block, _BLOCK)
                block = stream.unconsumed_tail
        yield stream.flush()
    except zlib.error as error:
        message = f"Deflate stream does not decode: {error}"
        raise InvalidDicomError(message, url=source.url, offset=start) from error
    if not stream.eof:
        message = "Deflate stream is cut"
        raise InvalidDicomError(message, url=source.url, offset=source.size())


def _check_size(source: ByteSource, inflated: int, start: int) -> None:
    deflated = source.size() - start
    if inflated > MAX_INFLATED:
        message = f"Deflate stream holds more than {MAX_INFLATED} bytes"
        raise LimitError(message, url=source.url, offset=start)
    if inflated > _RATIO_FREE and inflated > MAX_RATIO * deflated:
        message = f"Deflate stream of {deflated} bytes is larger than {MAX_RATIO} : 1"
        raise LimitError(message, url=source.url, offset=start)
