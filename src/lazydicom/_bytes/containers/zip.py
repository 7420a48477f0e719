"""A zip file: its directory is read once, and members are opened by their place in it.

A stored member is a slice of the zip file; a deflated one is inflated once, and must have
its checksum. (APPNOTE 6.3, sections 4.3 and 4.4.)
"""

import errno
import io
import struct
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from lazydicom._bytes.containers.beginnings import Beginnings
from lazydicom._bytes.containers.inflate import Checksum, InflatedSource, check_ratio
from lazydicom._bytes.containers.member import Member
from lazydicom._bytes.containers.slice import SliceSource
from lazydicom._bytes.containers.source_file import SourceFile
from lazydicom._bytes.per_process import per_process
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.ranges import MAX_BLOCK
from lazydicom._bytes.source import (
    FIRST_BLOCK,
    ByteRange,
    BytesLike,
    ByteSource,
    is_distant,
)
from lazydicom.errors import (
    LimitError,
    MissingSourceError,
    SourceError,
    UnsupportedError,
)

_LOCAL_HEADER: Final = struct.Struct("<4s22xHH")
_SIGNATURE: Final = b"PK\x03\x04"
_ENCRYPTED: Final = 1
_ROOM: Final = 512
"""Enough for the header of a member with its name and what else is in it."""
_ENTRY_SIZE: Final = 46
_MIN_ENTRY: Final = _ENTRY_SIZE + _LOCAL_HEADER.size
"""Bytes that a member takes besides its name and its data."""
_ENTRY: Final = b"PK\x01\x02"
_LENGTHS: Final = struct.Struct("<HHH")
"""Of name, extra field and comment of an entry, 28 bytes behind where it begins."""
_MOST_MEMBERS: Final = 1 << 17
"""131,072: each costs a kilobyte of memory."""
_LONGEST_DIRECTORY: Final = 1 << 26
_DIRECTORIES_KEPT: Final = 8
_METHODS: Final = {12: "bzip2", 14: "LZMA", 93: "Zstandard", 98: "PPMd", 99: "AES"}


@dataclass(frozen=True, slots=True, eq=False)
class ZipDirectory:
    """The members of one zip file."""

    whole: ByteSource
    infos: Sequence[zipfile.ZipInfo]
    beginnings: Beginnings | None
    """Of members far away, when many are about to be opened."""

    def members(self) -> list[Member]:
        """Return all files, sorted by name."""
        names = [info.filename for info in self.infos]
        files = [k for k, name in enumerate(names) if not name.endswith("/")]
        files.sort(key=names.__getitem__)
        return [self._member(k) for k in files]

    def find(self, name: str) -> Member:
        """Return the member of a name, the last one where there are several.

        Raises
        ------
        SourceError
            If there is none.
        """
        for place in reversed(range(len(self.infos))):
            if self.infos[place].filename == name:
                return self._member(place)
        message = "There is no such member in the zip file"
        url = f"zip://{name}::{self.whole.url}"
        raise MissingSourceError(message, url=url, number=errno.ENOENT)

    def open(self, member: Member) -> ByteSource:
        """Open one of these members.

        Raises
        ------
        UnsupportedError
            If it is encrypted, or compressed by anything but deflate.
        """
        info = self.infos[member.place]
        _check_readable(info, member.url)
        start, block = self._start(member.place)
        _check_inside(start, info, self.whole)
        stored = SliceSource(self.whole, start, info.compress_size, member.url, block)
        if info.compress_type == zipfile.ZIP_STORED:
            return stored
        return InflatedSource(stored, 0, Checksum(info.file_size, info.CRC))

    def _member(self, place: int) -> Member:
        name = self.infos[place].filename
        return Member(self, place, name, f"zip://{name}::{self.whole.url}")

    def _start(self, place: int) -> tuple[int, list[BytesLike]]:
        """Find the bytes of a member: its own header may be longer than the directory says."""
        offset = self.infos[place].header_offset
        beginning = memoryview(self._beginning(place))
        header = bytes(beginning[: _LOCAL_HEADER.size])
        if len(header) < _LOCAL_HEADER.size or not header.startswith(_SIGNATURE):
            message = "Expected the header of a member of a zip file"
            raise SourceError(message, url=self.whole.url, offset=offset)
        _, name, extra = _LOCAL_HEADER.unpack(header)
        length = _LOCAL_HEADER.size + int(name) + int(extra)
        rest = beginning[length:][: self.infos[place].compress_size]
        return offset + length, [rest] if rest else []

    def _beginning(self, place: int) -> BytesLike:
        if self.beginnings is not None:
            return self.beginnings.take(place)
        return self.whole.read(_beginning_of(self.infos[place], self.whole))


def read_zip(whole: ByteSource, *, all_members: bool) -> ZipDirectory:
    """Read the directory of a zip file, or find it among those read lately.

    Parameters
    ----------
    whole : ByteSource
        The zip file.
    all_members : bool
        Whether all of them are about to be opened.

    Raises
    ------
    SourceError
        If it is no zip file.
    LimitError
        If its members claim more bytes than it has.
    """
    infos = _directories().find(whole)
    if not all_members or not is_distant(whole):
        return ZipDirectory(whole, infos, None)
    spans = [_beginning_of(info, whole) for info in infos]
    return ZipDirectory(whole, infos, Beginnings(whole, spans))


class _Directories:
    """Directories read lately: members are opened one by one, by name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[object, list[zipfile.ZipInfo]] = OrderedDict()

    def find(self, whole: ByteSource) -> list[zipfile.ZipInfo]:
        key = (whole.url, whole.version)
        with self._lock:
            infos = self._kept.get(key)
        if infos is None:
            infos = _read_directory(whole)
        with self._lock:
            self._kept[key] = infos
            self._kept.move_to_end(key)
            while len(self._kept) > _DIRECTORIES_KEPT:
                self._kept.popitem(last=False)
        return infos


_directories: Final = per_process(_Directories)


def _read_directory(whole: ByteSource) -> list[zipfile.ZipInfo]:
    tail = min(max(2 * FIRST_BLOCK, whole.size() >> 12), MAX_BLOCK)
    file = SourceFile(whole, tail=tail)
    try:
        with zipfile.ZipFile(_CountingReader(file, FIRST_BLOCK)) as archive:
            infos = archive.infolist()
    except LimitError as error:
        raise error.locate(url=whole.url) from None
    except NotImplementedError as error:  # a later version of the format
        raise UnsupportedError(f"Zip file: {error}", url=whole.url) from None
    except (zipfile.BadZipFile, OSError, ValueError, struct.error, RecursionError):
        message = "Could not open: Expected a zip file"
        fault = file.fault or SourceError(message, url=whole.url)
        raise fault from None
    claimed = sum(_MIN_ENTRY + info.compress_size for info in infos)
    if claimed > whole.size():
        message = f"The members of a zip file of {whole.size()} bytes claim {claimed}"
        raise LimitError(message, url=whole.url)
    check_ratio(whole, sum(info.file_size for info in infos))
    return infos


class _CountingReader(io.BufferedReader):
    """A file that counts the entries of a directory before `zipfile` makes objects of them."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _LONGEST_DIRECTORY:
            raise LimitError(f"The directory of a zip file takes {size} bytes")
        data = super().read(size)
        if data.startswith(_ENTRY):
            _check_count(data)
        return data


def _check_count(directory: bytes) -> None:
    begin = 0
    for _ in range(_MOST_MEMBERS):
        if begin + _ENTRY_SIZE > len(directory):
            return
        begin += _ENTRY_SIZE + sum(_LENGTHS.unpack_from(directory, begin + 28))
    raise LimitError(f"A zip file of {_MOST_MEMBERS} members or more: unpack it first")


def _beginning_of(info: zipfile.ZipInfo, whole: ByteSource) -> ByteRange:
    """Return where to look for a header, far away with the first bytes of the member."""
    if not is_distant(whole):
        return ByteRange(info.header_offset, _LOCAL_HEADER.size)
    wanted = _LOCAL_HEADER.size + min(info.compress_size, FIRST_BLOCK) + _ROOM
    length = min(wanted, max(whole.size() - info.header_offset, 0))
    return ByteRange(info.header_offset, length)


def _check_readable(info: zipfile.ZipInfo, url: str) -> None:
    if info.flag_bits & _ENCRYPTED:
        raise UnsupportedError("The member of the zip file is encrypted", url=url)
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        name = _METHODS.get(info.compress_type)
        method = f"{info.compress_type} ({name})" if name else f"{info.compress_type}"
        message = f"Compression {method} of a zip file; deflated and stored are read"
        raise UnsupportedError(message, url=url)


def _check_inside(start: int, info: zipfile.ZipInfo, whole: ByteSource) -> None:
    if start + info.compress_size > whole.size():
        message = "A member of the zip file ends behind its end"
        raise SourceError(message, url=whole.url, offset=start)
