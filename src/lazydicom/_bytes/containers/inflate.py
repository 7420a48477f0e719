"""Deflated files, inflated once into a spill that is then a source (PS3.5 annex A.5).

A deflate stream has no byte ranges. It is inflated by streaming, so that size and ratio
are bounded, and once per process, however many tasks carry the array.
"""

import os
import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Final, Literal, NamedTuple, TypeAlias
from weakref import WeakValueDictionary

from lazydicom._bytes.cached import cached
from lazydicom._bytes.containers.spill import Spill, write_spill
from lazydicom._bytes.local.source import open_to_read, read_into
from lazydicom._bytes.location import Version
from lazydicom._bytes.per_process import per_process
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.ranges import MAX_BLOCK
from lazydicom._bytes.source import (
    ByteRange,
    BytesLike,
    ByteSource,
    check_span,
    is_distant,
    read_fresh,
)
from lazydicom.errors import InvalidDicomError, LimitError, SourceError

Packing: TypeAlias = Literal["deflate", "gzip"]
MAX_INFLATED: Final = 1 << 36
"""64 GiB."""
MAX_RATIO: Final = 250
"""Zeros deflate 1030 : 1, medical images 2 to 50 : 1."""
_FEW_MEMBERS: Final = 1000
_LEAST_MEMBER: Final = 256
"""Bytes on average: a member of a gzip file costs as much time as a kilobyte."""
_RATIO_FREE: Final = 1 << 26
"""Up to 64 MiB no ratio is dangerous."""
_BLOCK: Final = 1 << 18
_FAR_READ: Final = 4 * MAX_BLOCK
_KEPT_FOR_TASKS: Final = 4
"""Arrays that came by pickle may go with each task, and come with the next one."""


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
    travelled: bool = False
    """Whether it came by pickle."""
    packing: Packing = "deflate"
    """``"gzip"``: members of RFC 1952, one after the other."""

    @property
    def url(self) -> str:
        """Name of the deflated file."""
        return self.deflated.url

    @property
    def version(self) -> Version:
        """That of the deflated file."""
        return self.deflated.version

    def size(self) -> int:
        """Length in bytes once inflated."""
        return self._spill.size

    def read(self, span: ByteRange) -> BytesLike:
        """Read inflated bytes into fresh memory."""
        return read_fresh(self, span)

    def read_into(self, offset: int, out: memoryview) -> None:
        """Fill `out` with inflated bytes."""
        view = out.cast("B")
        check_span(self, ByteRange(offset, view.nbytes))
        descriptor = self._open()
        try:
            count = read_into(descriptor, view, offset)
        except OSError as error:
            raise SourceError(f"{error.strerror}", url=self.url) from None
        finally:
            os.close(descriptor)
        if count < view.nbytes:
            raise SourceError(
                "The inflated copy of the file was cut by another program: open it again",
                url=self.url,
                offset=offset,
            )

    def mapped(self) -> AbstractContextManager[memoryview | None]:
        """Nothing to lend: the walker reads the spill by blocks."""
        return nullcontext(None)

    def _open(self) -> int:
        try:
            return open_to_read(self._spill.path)
        except FileNotFoundError:  # tidied up, or the parent of this fork has ended
            self.__dict__.pop("_spill", None)
        except OSError as error:
            raise SourceError(f"{error.strerror}", url=self.url) from None
        return open_to_read(self._spill.path)

    @cached
    def _spill(self) -> Spill:
        return _spills().find(self)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by name: every process inflates for itself."""
        return (
            InflatedSource,
            (self.deflated, self.start, self.checksum, True, self.packing),
        )


class Checksum(NamedTuple):
    """Length and CRC-32 of inflated bytes, as a zip file keeps them."""

    length: int
    crc: int


class _Spills:
    """The spills of this process; inflating one file does not wait for another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._used: WeakValueDictionary[_Key, Spill] = WeakValueDictionary()
        self._inflating: dict[_Key, threading.Lock] = {}
        self._for_tasks: OrderedDict[_Key, Spill] = OrderedDict()

    def find(self, source: InflatedSource) -> Spill:
        """Return the spill of a source, inflated now if nobody else reads it."""
        file = (source.url, source.version)
        key = (*file, source.start, source.checksum, source.packing)
        with self._lock:
            inflating = self._inflating.setdefault(key, threading.Lock())
        try:
            with inflating:
                spill = self._used.get(key)
                if spill is None or not os.path.exists(spill.path):  # noqa: PTH110
                    spill = self._used[key] = _inflate_all(source)
        finally:
            with self._lock:
                self._inflating.pop(key, None)
        if source.travelled:
            self._keep(key, spill)
        return spill

    def _keep(self, key: "_Key", spill: Spill) -> None:
        with self._lock:
            self._for_tasks[key] = spill
            self._for_tasks.move_to_end(key)
            while len(self._for_tasks) > _KEPT_FOR_TASKS:
                self._for_tasks.popitem(last=False)


_Key: TypeAlias = tuple[object, ...]
_spills: Final = per_process(_Spills)


def _inflate_all(source: InflatedSource) -> Spill:
    """Write all of a file, inflated; it must be what its zip file says it is."""
    return write_spill(_checked_blocks(source), url=source.url)


def _checked_blocks(source: InflatedSource) -> Iterator[BytesLike]:
    deflated, size, crc = source.deflated, source.start, 0
    yield deflated.read(ByteRange(0, source.start))
    unpack = _gunzip if source.packing == "gzip" else _inflate
    for block in unpack(deflated, source.start):
        size += len(block)
        _check_size(deflated, size, source.start, source.checksum)
        crc = zlib.crc32(block, crc) if source.checksum else 0
        yield block
    if source.checksum not in {None, Checksum(size - source.start, crc)}:
        message = "The deflated member is damaged: its checksum differs"
        raise SourceError(message, url=source.url)


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


def _gunzip(source: ByteSource, start: int) -> Iterator[bytes]:
    """Unpack members until the file ends, or nothing but zeros follows."""
    stream, begun = zlib.decompressobj(zlib.MAX_WBITS | 16), True
    members, unpacked = 1, 0
    try:
        for read in _blocks(source, start):
            block = bytes(read)
            while block:
                if stream.eof:
                    block = block.lstrip(b"\0")
                    begun = bool(block)
                    stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
                    members += 1
                    if members > _FEW_MEMBERS and unpacked < _LEAST_MEMBER * members:
                        message = (
                            f"A gzip file of {members} members and {unpacked} bytes"
                        )
                        raise LimitError(message, url=source.url, offset=start)
                if block:
                    begun = True
                    part = stream.decompress(block, _BLOCK)
                    unpacked += len(part)
                    yield part
                    block = stream.unused_data or stream.unconsumed_tail
    except zlib.error as error:
        message = f"The gzip file does not unpack: {error}"
        raise SourceError(message, url=source.url, offset=start) from error
    if begun and not stream.eof:
        raise SourceError("The gzip file is cut", url=source.url, offset=source.size())


def check_ratio(archive: ByteSource, inflated: int) -> None:
    """Raise `LimitError` where members of an archive claim too much together."""
    if _is_beyond(inflated, archive.size()):
        message = (
            f"The members of {archive.size()} bytes claim more than {MAX_RATIO} : 1"
        )
        raise LimitError(message, url=archive.url)


def _is_beyond(inflated: int, deflated: int) -> bool:
    return inflated > _RATIO_FREE and inflated > MAX_RATIO * deflated


def _check_size(
    source: ByteSource, inflated: int, start: int, checksum: Checksum | None
) -> None:
    deflated = source.size() - start
    if inflated > MAX_INFLATED:
        message = f"Deflate stream holds more than {MAX_INFLATED} bytes"
        raise LimitError(message, url=source.url, offset=start)
    if _is_beyond(inflated, deflated):
        message = f"Deflate stream of {deflated} bytes is larger than {MAX_RATIO} : 1"
        raise LimitError(message, url=source.url, offset=start)
    if checksum is not None and inflated - start > checksum.length:
        message = (
            f"The deflated member is longer than declared: {checksum.length} bytes"
        )
        raise SourceError(message, url=source.url)
