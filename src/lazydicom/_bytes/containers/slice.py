"""A part of a file that is a file itself."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import field, replace

from lazydicom._bytes.location import Version
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.ranges import read_many
from lazydicom._bytes.source import ByteRange, BytesLike, ByteSource, check_span


@dataclass(frozen=True, slots=True, eq=False)
class SliceSource:
    """Bytes of a larger file, so that each read is as checked and planned as of that."""

    whole: ByteSource
    start: int
    length: int
    url: str
    first_block: list[BytesLike] = field(default_factory=list)
    """What opening fetched, until somebody reads it; it does not travel."""

    @property
    def version(self) -> Version:
        """That of the file around it, and the place in it."""
        whole = self.whole.version
        return replace(whole, part=(*whole.part, self.start, self.length))

    def size(self) -> int:
        """Length of the part in bytes."""
        return self.length

    def read(self, span: ByteRange) -> BytesLike:
        """Read from the file around it."""
        check_span(self, span)
        if span.offset == 0 and span.length:
            with suppress(IndexError):  # another thread may have taken it
                block = self.first_block.pop()
                if len(block) >= span.length:
                    return memoryview(block)[: span.length]
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

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by place."""
        return (SliceSource, (self.whole, self.start, self.length, self.url))

    def _moved(self, span: ByteRange) -> ByteRange:
        return ByteRange(self.start + span.offset, span.length)
