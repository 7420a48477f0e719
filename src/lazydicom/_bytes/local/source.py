"""Local files, read at a position: by `pread`, where the system has it.

A file that is truncated while it is mapped kills the process (SIGBUS), and mapped pages
count as resident memory; `pread` knows neither. See ``docs/decisions/0001-mmap-or-pread.md``.
"""

import errno
import io
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from itertools import repeat
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from lazydicom._bytes import location
from lazydicom._bytes.deferred import deferred
from lazydicom._bytes.location import Node, Version, is_same
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.source import ByteRange, BytesLike, check_span
from lazydicom.errors import (
    InvalidDicomError,
    MissingSourceError,
    SourceChangedError,
    SourceError,
    source_error,
)

if TYPE_CHECKING:
    from lazydicom._bytes.local import leased
else:
    leased = deferred("lazydicom._bytes.local.leased")

LocalAccess: TypeAlias = Literal["pread", "mmap"]
_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)  # Windows would turn line ends
)
_SHORT: Final = 1 << 20
"""What one call gives as a whole."""
_NONBLOCK: Final = getattr(os, "O_NONBLOCK", 0)


@dataclass(frozen=True, slots=True, eq=False)
class LocalSource:
    """A file of this machine, as it was when it was opened.

    Every read opens the file anew (3 µs): two thousand open series hold no descriptor,
    a fork shares none, and a replaced file is noticed. Blocks read in turn: `shared.py`.
    """

    path: str
    version: Version

    @property
    def url(self) -> str:
        """The path."""
        return self.path

    def size(self) -> int:
        """Length of the file in bytes, as it was when the file was opened."""
        return self.version.size

    def read(self, span: ByteRange) -> BytesLike:
        """Read `span` into fresh memory."""
        descriptor = self.open()
        try:
            return self._read_from(descriptor, span)
        finally:
            os.close(descriptor)

    def read_in_turn(
        self, spans: Sequence[ByteRange], use: Callable[[int, BytesLike], None]
    ) -> None:
        """Read each range when the one before is used: it is in the cache of the processor.

        Parameters
        ----------
        spans : sequence of ByteRange
            What to read; the file is opened once for all.
        use : callable
            Gets the place of a range, and its bytes.
        """
        descriptor = self.open()
        try:
            for place, span in enumerate(spans):
                use(place, self._read_from(descriptor, span))
        finally:
            os.close(descriptor)

    def _read_from(self, descriptor: int, span: ByteRange) -> bytes:
        """Read `span` of the open file, and ask whether that is still the same."""
        offset, length = span
        size = self.version.size
        if not 0 <= offset <= size - length <= size:
            check_span(self, span)
        try:
            data = read_at(descriptor, length, offset)
            now = os.fstat(descriptor)
        except OSError as error:
            raise self.failed(error) from None
        if len(data) != length or not is_same_file(self.version, now):
            self._check_unchanged(now, length - len(data))
        return data

    def read_into(self, offset: int, out: memoryview) -> None:
        """Fill `out` from the page cache, without a copy in between."""
        view = out.cast("B")
        if not 0 <= offset <= self.version.size - view.nbytes:
            check_span(self, ByteRange(offset, view.nbytes))
        descriptor = self.open()
        try:
            count = read_into(descriptor, view, offset)
            self.check_handle(descriptor, view.nbytes - count)
        except OSError as error:
            raise self.failed(error) from None
        finally:
            os.close(descriptor)

    def read_each(self, offsets: Sequence[int], length: int) -> bytes:
        """Read `length` bytes from each offset on, one after the other."""
        if not offsets or not length:
            return b""
        check_span(self, ByteRange(min(offsets), length))
        check_span(self, ByteRange(max(offsets), length))
        descriptor = self.open()
        try:
            data = read_each(descriptor, offsets, length)
            self.check_handle(descriptor, length * len(offsets) - len(data))
        except OSError as error:
            raise self.failed(error) from None
        finally:
            os.close(descriptor)
        return data

    @contextmanager
    def held(self) -> Iterator["HeldFile"]:
        """Lend the file with its descriptor open, for many small reads.

        Raises
        ------
        SourceChangedError
            If the file was changed meanwhile.
        """
        descriptor = self.open()
        try:
            yield HeldFile(self, descriptor)
        except InvalidDicomError:  # what was read may be half of another file
            self.check_handle(descriptor)
            raise
        except OSError as error:
            raise self.failed(error) from None
        else:
            self.check_handle(descriptor)
        finally:
            os.close(descriptor)

    def mapped(self) -> AbstractContextManager[memoryview | None]:
        """Lend nothing: a file that is cut while it is mapped kills the process."""
        return nullcontext(None)

    @contextmanager
    def lend(self) -> "Iterator[leased.LeasedMemory | None]":
        """Lend the file as memory, where nobody can cut it meanwhile.

        Raises
        ------
        SourceChangedError
            If it is another one than at first.
        """
        descriptor = self.open()
        try:
            if not leased.take_lease(descriptor):
                yield None
                return
            try:
                self.check_handle(descriptor)
                yield leased.map_leased(descriptor, self.version.size)
            finally:
                leased.give_back(descriptor)
        finally:
            os.close(descriptor)

    def check_handle(self, descriptor: int, missing: int = 0) -> None:
        """Raise `SourceChangedError` where an open file is another one than at first."""
        self._check_unchanged(os.fstat(descriptor), missing)

    def check_unchanged(self, missing: int = 0) -> None:
        """Raise `SourceChangedError` where the file is another one by now."""
        try:
            now = os.stat(self.path)  # noqa: PTH116 (Path costs 2 µs a frame)
        except OSError as error:
            raise SourceChangedError("The file is gone", url=self.path) from error
        if missing or not is_same_file(self.version, now):
            self._check_unchanged(now, missing)

    def open(self) -> int:
        """Open it; who calls closes the descriptor."""
        try:
            return open_to_read(self.path)
        except FileNotFoundError:
            message = "The file is gone"
            raise SourceChangedError(message, url=self.path) from None
        except OSError as error:
            raise self.failed(error) from error

    def failed(self, error: OSError) -> SourceError:
        """Return the error that says which file could not be read."""
        if isinstance(error, SourceError):
            return error
        return source_error(f"{error.strerror}", number=error.errno, url=self.path)

    def _check_unchanged(self, now: os.stat_result, missing: int = 0) -> None:
        if not is_same_file(self.version, now):
            message = (
                f"The file changed since it was opened: {self.version.size} bytes then, "
                f"{now.st_size} bytes now"
            )
            raise SourceChangedError(message, url=self.path)
        if missing:
            message = f"The file ended {missing} bytes too early"
            raise SourceError(message, url=self.path)


@dataclass(frozen=True, slots=True, eq=False)
class HeldFile:
    """A local file whose descriptor is open: a small read costs 1 µs, not 5."""

    file: LocalSource
    descriptor: int

    @property
    def url(self) -> str:
        """The path."""
        return self.file.path

    def size(self) -> int:
        """Length of the file in bytes, as it was when the file was opened."""
        return self.file.version.size

    def read(self, span: ByteRange) -> bytes:
        """Read exactly `span`."""
        check_span(self, span)
        return self.read_some(span.offset, span.length)

    def read_some(self, offset: int, length: int) -> bytes:
        """Read `length` bytes, fewer at the end of the file."""
        data = read_at(self.descriptor, length, offset)
        self._check(offset, length, len(data))
        return data

    def read_each(self, offsets: Sequence[int], length: int) -> bytes:
        """Read `length` bytes from each offset on, one after the other."""
        data = read_each(self.descriptor, offsets, length)
        if len(data) != length * len(offsets):
            self._check(offsets[0], length * len(offsets), len(data))
        return data

    def lend(self) -> AbstractContextManager["leased.LeasedMemory | None"]:
        """Lend the file as memory, where nobody can cut it meanwhile."""
        return self.file.lend()

    def fill(self, offset: int, out: memoryview) -> int:
        """Fill `out`, or its beginning at the end of the file; return its length."""
        count = read_into(self.descriptor, out, offset)
        self._check(offset, out.nbytes, count)
        return count

    def _check(self, offset: int, length: int, count: int) -> None:
        expected = max(min(length, self.file.version.size - offset), 0)
        if count != expected:
            self.file.check_unchanged()
            message = f"The file ended {expected - count} bytes too early"
            raise SourceError(message, url=self.url)


def open_local(path: str) -> LocalSource:
    """Remember what a local file looks like now.

    Raises
    ------
    SourceError
        If there is no such file or it is not a regular file.
    """
    try:
        now = os.stat(path)  # noqa: PTH116
    except OSError as error:
        text = f"{error.strerror}"
        raise source_error(text, number=error.errno, url=path) from error
    except ValueError as error:  # a null byte in a path
        message = f"No such file: {error}"
        raise MissingSourceError(message, url=path, number=errno.ENOENT) from error
    if not stat.S_ISREG(now.st_mode):
        raise SourceError("Expected a file", url=path)
    return LocalSource(path, version_of_stat(now))


def version_of_stat(now: os.stat_result) -> Version:
    """Return the version of a local file."""
    device, size = _shared(now.st_dev), _shared(now.st_size)
    node = Node(location.THIS_MACHINE, device, now.st_ino, now.st_ctime_ns)
    return Version(size, now.st_mtime_ns, node)


@lru_cache(maxsize=64)
def _shared(number: int) -> int:
    """Return one object for equal numbers: files of a series are of one size, on one disk."""
    return number


def is_same_file(known: Version, now: os.stat_result) -> bool:
    """Return whether a local file is the one that was opened; see `is_same`."""
    node = known.node
    if (
        node is not None
        and known.size == now.st_size
        and known.tag == now.st_mtime_ns
        and node == (location.THIS_MACHINE, now.st_dev, now.st_ino, now.st_ctime_ns)
    ):
        return True  # as ever: each read asks
    return is_same(known, version_of_stat(now))


def open_to_read(path: str, *, wait: bool = True) -> int:
    """Open a file for one read; who calls closes the descriptor."""
    return open_file(path, _FLAGS if wait else _FLAGS | _NONBLOCK)


def open_file(path: str | os.PathLike[str], flags: int, mode: int = 0o666) -> int:
    """Open a file; who calls closes the descriptor, at once in a ``try``.

    An interrupt comes when a call has ended, and what `os.open` returned would be lost.
    This loop takes it by no call of its own, so that its first name is that of the caller.
    """
    for descriptor in map(os.open, (path,), (flags,), (mode,)):
        return descriptor
    raise AssertionError


def read_at(descriptor: int, length: int, offset: int) -> bytes:
    """Read `length` bytes into fresh memory, fewer where the file ends."""
    data = peek(descriptor, length, offset)
    while len(data) < length:  # one call gives 2 GiB at most
        more = peek(descriptor, length - len(data), offset + len(data))
        if not more:
            break
        data += more
    return data


def read_into(descriptor: int, out: memoryview, offset: int) -> int:
    """Fill `out` without a copy in between; return how many bytes there were."""
    count = _fill(descriptor, out, offset)
    if count == out.nbytes:  # as ever
        return count
    view, offset = out[count:], offset + count
    while view:
        count = _fill(descriptor, view, offset)
        if count == 0:
            break
        offset, view = offset + count, view[count:]
    return out.nbytes - view.nbytes


def read_each(descriptor: int, offsets: Sequence[int], length: int) -> bytes:
    """Read `length` bytes at each offset, fewer where the file ends."""
    if length > _SHORT:
        return b"".join(read_at(descriptor, length, offset) for offset in offsets)
    # 1 µs each: every call around it would count
    return b"".join(map(peek, repeat(descriptor), repeat(length), offsets))


def _seek_and_read(descriptor: int, length: int, offset: int) -> bytes:
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, length)


def _read_vector(descriptor: int, view: memoryview, offset: int) -> int:
    return os.preadv(descriptor, [view], offset)


def _seek_and_fill(descriptor: int, view: memoryview, offset: int) -> int:
    os.lseek(descriptor, offset, os.SEEK_SET)
    with io.FileIO(descriptor, closefd=False) as file:
        return file.readinto(view) or 0


peek: Final[Callable[[int, int, int], bytes]] = getattr(os, "pread", _seek_and_read)
"""Read a few bytes at an offset, fewer where the file ends."""
READS_BY_POSITION: Final = hasattr(os, "preadv")
"""Elsewhere a descriptor has a cursor, which threads would move for each other."""
_fill: Final = _read_vector if READS_BY_POSITION else _seek_and_fill
