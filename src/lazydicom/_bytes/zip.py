"""A member of a zip file as a source: where the bytes lie is looked up once.

A stored member is a slice of the zip file, so each read is as checked, planned and
concurrent as any other; a deflated one is inflated once, and must have its checksum.
(APPNOTE 6.3, sections 4.3 and 4.4.)
"""

import errno
import io
import struct
import zipfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from lazydicom._bytes.inflate import Checksum, InflatedSource
from lazydicom._bytes.ranges import FIRST_BLOCK, ByteRange
from lazydicom._bytes.source import BytesLike, ByteSource, check_span, read_many
from lazydicom.errors import MissingSourceError, SourceError, UnsupportedError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_LOCAL_HEADER: Final = struct.Struct("<4s22xHH")
_SIGNATURE: Final = b"PK\x03\x04"
_ENCRYPTED: Final = 1


@dataclass(frozen=True, slots=True, eq=False)
class SliceSource:
    """A part of a file that is a file itself."""

    whole: ByteSource
    start: int
    length: int
    url: str

    def size(self) -> int:
        """Length of the part in bytes."""
        return self.length

    def read(self, span: ByteRange) -> BytesLike:
        """Read from the file around it."""
        check_span(self, span)
        return self.whole.read(self._moved(span))

    def read_into(self, offset: int, out: memoryview) -> None:
        """Read from the file around it, straight into `out`."""
        check_span(self, ByteRange(offset, out.nbytes))
        self.whole.read_into(self.start + offset, out)

    def read_many(self, spans: Sequence[ByteRange]) -> list[BytesLike]:
        """Read together what the file around it reads together."""
        for span in spans:
            check_span(self, span)
        return read_many(self.whole, [self._moved(span) for span in spans])

    def mapped(self) -> AbstractContextManager[memoryview | None]:
        """Lend nothing."""
        return nullcontext(None)

    def identity(self) -> tuple[object, ...]:
        """Name this version of the file around it, and the place in it."""
        return (*self.whole.identity(), self.start, self.length)

    def _moved(self, span: ByteRange) -> ByteRange:
        return ByteRange(self.start + span.offset, span.length)


def open_member(whole: ByteSource, name: str, url: str) -> ByteSource:
    """Find a member of a zip file.

    Raises
    ------
    SourceError
        If the file is no zip file or there is no such member.
    UnsupportedError
        If the member is encrypted, or compressed by anything but deflate.
    """
    file = _SourceFile(whole)
    try:
        with zipfile.ZipFile(io.BufferedReader(file, FIRST_BLOCK)) as archive:
            info = archive.getinfo(name)
    except zipfile.BadZipFile:
        fault = file.fault or SourceError("Expected a zip file", url=whole.url)
        raise fault from None
    except NotImplementedError as error:  # a later version of the format
        raise UnsupportedError(f"Zip file: {error}", url=whole.url) from None
    except KeyError:
        message = "There is no such member in the zip file"
        raise MissingSourceError(message, url=url, number=errno.ENOENT) from None
    if info.flag_bits & _ENCRYPTED:
        raise UnsupportedError("The member of the zip file is encrypted", url=url)
    stored = SliceSource(whole, _start(whole, info), info.compress_size, url)
    if info.compress_type == zipfile.ZIP_STORED:
        return stored
    if info.compress_type != zipfile.ZIP_DEFLATED:
        message = f"Compression {info.compress_type} of a zip file"
        raise UnsupportedError(message, url=url)
    return InflatedSource(stored, 0, Checksum(info.file_size, info.CRC))


def _start(whole: ByteSource, info: zipfile.ZipInfo) -> int:
    """Find the bytes of a member: its own header may be longer than the directory says."""
    header = whole.read(ByteRange(info.header_offset, _LOCAL_HEADER.size))
    signature, name, extra = _LOCAL_HEADER.unpack(header)
    if signature != _SIGNATURE:
        message = "Expected the header of a member of a zip file"
        raise SourceError(message, url=whole.url, offset=info.header_offset)
    return info.header_offset + _LOCAL_HEADER.size + int(name) + int(extra)


class _SourceFile(io.RawIOBase):
    """What `zipfile` reads the directory from."""

    def __init__(self, source: ByteSource) -> None:
        super().__init__()
        self._source = source
        self._position = 0
        self.fault: SourceError | None = None
        """Why a read failed, which `zipfile` takes for a bad zip file."""

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
        tail = max(self._source.size() - FIRST_BLOCK, 0)
        if self._position < tail:
            count = min(len(view), tail - self._position)
            self._source.read_into(self._position, view[:count])
            return count
        held = self._tail[self._position - tail :][: len(view)]
        view[: len(held)] = held
        return len(held)

    @cached_property
    def _tail(self) -> memoryview:
        """The end of the file, where the directory is looked for three times."""
        length = min(FIRST_BLOCK, self._source.size())
        span = ByteRange(self._source.size() - length, length)
        return memoryview(self._source.read(span))
