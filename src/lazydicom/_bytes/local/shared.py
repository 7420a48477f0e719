"""A local file that several threads read block by block: open while one of them does.

To open a file for each block of a MiB, ask what it is and close it makes two threads that
read in turn a fifth slower. Here the descriptor is closed when nobody reads, and after each
block the path is asked whether the file is the same: that costs one system call.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Any, Final, TypeAlias

from lazydicom._bytes.local.leased import is_of_this_machine
from lazydicom._bytes.local.source import READS_BY_POSITION, LocalSource, read_into
from lazydicom._bytes.location import is_here
from lazydicom._bytes.per_process import per_process
from lazydicom._bytes.source import ByteRange, ByteSource, check_span
from lazydicom.errors import SourceError

Buffer: TypeAlias = Any
"""What has memory to write into; Python 3.12 has a name for it."""
_MOST_HELD: Final = 32
"""Files of a process that stay open between the reads of who reads on."""


class SharedFile:
    """A local file, as it was when it was opened, whose descriptor its readers share."""

    __slots__ = ("_descriptor", "_lock", "_process", "_readers", "file")

    def __init__(self, file: LocalSource) -> None:
        self.file = file
        self._begin()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let the file stay open between reads, where not many others do."""
        process, files = os.getpid(), _held()
        held = False
        try:
            if len(files) < _MOST_HELD:
                with suppress(SourceError):  # who reads is told
                    self._enter()
                    held = True
                    files.append(self)
            yield
        finally:
            if held and process == os.getpid():  # a child has none of this
                with suppress(ValueError):  # an interrupt came before
                    files.remove(self)
                self._leave()

    def __del__(self) -> None:
        """Close what an interrupt left open: who enters may not come to leave."""
        descriptor = getattr(self, "_descriptor", -1)
        if descriptor >= 0 and self._process == os.getpid():
            os.close(descriptor)

    def _begin(self) -> None:
        self._lock = Lock()
        self._readers = 0
        self._descriptor = -1
        self._process = os.getpid()

    def fill_each(self, offset: int, buffers: Sequence[Buffer], length: int) -> None:
        """Fill memory in several places with the bytes from `offset` on, by one call.

        Who gives any of it away calls `check_unchanged` before.

        Parameters
        ----------
        offset : int
            Of the first byte.
        buffers : sequence of buffers
            C-contiguous; what follows in the file goes into the next one.
        length : int
            Bytes of all of them.
        """
        if not 0 <= offset <= self.file.version.size - length:
            check_span(self.file, ByteRange(offset, length))
        descriptor = self._enter()
        try:
            count = os.preadv(descriptor, buffers, offset)
            if count != length:  # one call gives 2 GiB at most
                count = _fill_one_by_one(descriptor, buffers, offset)
        except OSError as error:
            raise self.file.failed(error) from None
        finally:
            self._leave()
        if count != length:
            self.file.check_unchanged(length - count)

    def check_unchanged(self) -> None:
        """Raise `SourceChangedError` where the file is another one by now."""
        self.file.check_unchanged()

    def _enter(self) -> int:
        if self._process != os.getpid():  # readers and their lock stayed there
            self._begin()
        with self._lock:
            if not self._readers:
                self._descriptor = self._open()
            self._readers += 1
            return self._descriptor

    def _open(self) -> int:
        descriptor = self.file.open()
        try:
            self.file.check_handle(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _leave(self) -> None:
        with self._lock:
            self._readers -= 1
            if not self._readers:
                descriptor, self._descriptor = self._descriptor, -1
                os.close(descriptor)


def share(source: ByteSource | None) -> SharedFile | None:
    """Return a local file for threads that read it in turn, ``None`` of other sources.

    Where another machine can write it, only opening it anew tells that it did.
    """
    if not isinstance(source, LocalSource) or not READS_BY_POSITION:
        return None
    node = source.version.node
    if node is None or not is_here(node) or not is_of_this_machine(node.device):
        return None
    return SharedFile(source)


def _fill_one_by_one(descriptor: int, buffers: Sequence[Buffer], offset: int) -> int:
    """Fill one after the other; return how many bytes there were."""
    done = 0
    for buffer in buffers:
        done += read_into(descriptor, memoryview(buffer).cast("B"), offset + done)
    return done


@per_process
def _held() -> list[SharedFile]:
    """Return the files that stay open between reads."""
    return []
