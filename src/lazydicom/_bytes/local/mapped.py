"""Local files as memory maps, where a caller asked for views instead of copies."""

import mmap
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import field

import numpy as np

from lazydicom._bytes.local.leased import LeasedMemory
from lazydicom._bytes.local.source import HeldFile, LocalSource
from lazydicom._bytes.location import Version
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.source import ByteRange, BytesLike, check_span
from lazydicom.errors import source_error


@dataclass(frozen=True, slots=True, eq=False)
class MappedSource:
    """A local file whose reads are views of a memory map; the caller asked for it.

    Nothing is copied, but a file that is truncated while it is mapped kills the process.
    """

    file: LocalSource
    _memory: memoryview = field(repr=False)

    @property
    def url(self) -> str:
        """The path."""
        return self.file.path

    @property
    def version(self) -> Version:
        """That of the file."""
        return self.file.version

    def size(self) -> int:
        """Length of the file in bytes."""
        return self.file.version.size

    def read(self, span: ByteRange) -> BytesLike:
        """Return a view of `span`."""
        check_span(self, span)
        self.file.check_unchanged()
        return self._memory[span.offset : span.stop]

    def view(self) -> memoryview:
        """Return all of it; whoever looks at a part asks whether the file is the same."""
        return self._memory

    def read_into(self, offset: int, out: memoryview) -> None:
        """Copy out of the map, by NumPy: it lets other threads run meanwhile."""
        view = np.frombuffer(out.cast("B"), np.uint8)
        data = self.read(ByteRange(offset, view.nbytes))
        np.copyto(view, np.frombuffer(data, np.uint8))

    def held(self) -> AbstractContextManager[HeldFile]:
        """Lend the file with its descriptor open."""
        return self.file.held()

    @contextmanager
    def mapped(self) -> Iterator[memoryview | None]:
        """Lend the map; the file must be the same before and after.

        Raises
        ------
        SourceChangedError
            If it is not.
        """
        self.file.check_unchanged()
        yield self._memory
        self.file.check_unchanged()

    @contextmanager
    def lend(self) -> Iterator[LeasedMemory | None]:
        """Lend the map; whoever asked for it is responsible for the file."""
        with self.mapped() as memory:
            yield None if memory is None else LeasedMemory(memory)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by name: the map is made anew."""
        return (map_file, (self.file,))


def map_file(file: LocalSource) -> MappedSource:
    """Map a whole local file, which must not have changed; no bytes cannot be mapped."""
    if file.size() == 0:
        return MappedSource(file, memoryview(b""))
    descriptor = file.open()
    try:
        file.check_handle(descriptor)
        memory = mmap.mmap(descriptor, file.size(), access=mmap.ACCESS_READ)
    except OSError as error:
        text = f"{error.strerror}"
        raise source_error(text, number=error.errno, url=file.path) from None
    finally:
        os.close(descriptor)
    return MappedSource(file, memoryview(memory))
