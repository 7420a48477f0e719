"""Native frames that follow each other in a near file, straight into the result.

Some MiB are read by all cores, since one alone does not use the memory of most machines,
through a file that is opened once.
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from numpy.typing import NDArray

from lazydicom._bytes.deferred import deferred
from lazydicom._bytes.ranges import REQUESTS
from lazydicom._bytes.source import (
    ByteRange,
    BytesLike,
    ByteSource,
    HoldableSource,
    SmallReads,
    check_span,
    is_holdable,
)
from lazydicom._decode.format import FrameFormat
from lazydicom._decode.native import finish_in_place
from lazydicom._frames.index import FrameReader, NativeReader
from lazydicom.errors import LazyDicomError

if TYPE_CHECKING:
    from lazydicom._array.work import parallel
else:
    parallel = deferred("lazydicom._array.work.parallel")

_WORTH_HELP: Final = 1 << 21
"""2 MiB take longer to read than a helper to wake."""
_FEWEST_KEPT: Final = 1 << 17
"""128 KiB, from which on systems take freed memory back."""
_MOST_KEPT: Final = 1 << 23
"""8 MiB are kept by a thread at most."""
_PARTS: Final = 4
"""Of what several read: who wakes late finds something left."""


def read_briefly(
    reader: FrameReader, format_: FrameFormat, frames: Sequence[int]
) -> list[BytesLike]:
    """Read encoded frames that are decoded before this thread reads others.

    A large native frame of a near file comes into memory that is used again. Fresh memory of
    some MiB costs several times as much as the copy, and goes back to the system each time.
    """
    source, native = reader.source, format_.transfer_syntax.native
    if len(frames) != 1 or not native or not isinstance(reader, NativeReader):
        return reader.read(frames)
    if reader.lends or not _is_held(source):
        return reader.read(frames)
    [span] = reader.spans(frames)
    if not _FEWEST_KEPT <= span.length <= _MOST_KEPT:
        return reader.read(frames)
    kept = parallel.memory_of_threads()
    memory = getattr(kept, "memory", b"")
    if len(memory) < span.length:
        memory = kept.memory = bytearray(span.length)
    view = memoryview(memory)[: span.length]
    source.read_into(span.offset, view)
    return [view]


def read_neighbours(
    reader: FrameReader,
    format_: FrameFormat,
    first: int,
    out: NDArray[Any],
    *,
    threads: int | None,
) -> None:
    """Fill `out` with frames from `first` on, which follow each other in a near file."""
    source = reader.source
    try:
        if threads == 1 or out.nbytes < _WORTH_HELP or not _is_held(source):
            frames = range(first, first + len(out))
            _read_native(reader, frames, out.data.cast("B"))
            finish_in_place(out, format_)
            return
        spans = reader.spans([first])
        assert spans is not None, "of a file"
        _read_by_all(source, spans[0].offset, out, format_, threads=threads)
    except LazyDicomError as error:
        raise error.locate(url=reader.url, frame=first) from None


def _read_native(reader: FrameReader, frames: range, out: memoryview) -> None:
    """Read native frames that follow each other into `out`."""
    if isinstance(reader, NativeReader) and 0 <= frames.start < reader.index.frames:
        offset = reader.index.span(frames.start).offset
        reader.source.read_into(offset, out)
        return
    spans = reader.spans(frames[:1])
    if spans is not None and reader.source is not None:
        reader.source.read_into(spans[0].offset, out)
    else:
        out[:] = b"".join(reader.read(frames))


def _is_held(source: ByteSource | None) -> TypeGuard[HoldableSource]:
    return source is not None and is_holdable(source)


def _read_by_all(
    source: HoldableSource,
    offset: int,
    out: NDArray[Any],
    format_: FrameFormat,
    *,
    threads: int | None,
) -> None:
    """Fill `out` with what lies from `offset` on, each part by who comes to it."""
    check_span(source, ByteRange(offset, out.nbytes))
    step, size = -(-len(out) // _PARTS), out[0].nbytes

    def fill(file: SmallReads, start: int) -> None:
        part = out[start : start + step]
        file.fill(offset + start * size, part.data.cast("B"))
        finish_in_place(part, format_)

    with source.held() as file:
        parts = [partial(fill, file, start) for start in range(0, len(out), step)]
        parallel.run(parts, threads=threads, requests=REQUESTS)
