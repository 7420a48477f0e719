"""Native frames straight into the result: neighbours of a near file, runs of a far one.

Behind a network one thread fetches many runs. Near, some MiB are read by all cores, since one
alone does not use the memory of most machines, through a file that is opened once.
"""

import threading
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from numpy.typing import NDArray

from lazydicom._bytes.deferred import deferred
from lazydicom._bytes.per_process import per_process
from lazydicom._bytes.ranges import MAX_BLOCK, REQUESTS, read_many_into
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
from lazydicom._frames.reader import together
from lazydicom.errors import LazyDicomError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazydicom._array.work import parallel
    from lazydicom._array.work.parallel import Fetch, Job
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
    kept = _kept()
    memory = getattr(kept, "memory", b"")
    if len(memory) < span.length:
        memory = kept.memory = bytearray(span.length)
    view = memoryview(memory)[: span.length]
    source.read_into(span.offset, view)
    return [view]


@per_process
def _kept() -> threading.local:
    """Keep the memory of each thread."""
    return threading.local()


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


def native_fetches(
    reader: NativeReader,
    format_: FrameFormat,
    numbers: Sequence[int],
    out: NDArray[Any],
    others: "Callable[[Sequence[int]], Fetch]",
) -> Iterator["Fetch"]:
    """Return the fetches that fill `out[i]` with frame `numbers[i]`.

    Frames that follow each other come into their place in the result, which is no memory of
    a fetch; `others` fetches what does not follow each other though one request has it.

    Parameters
    ----------
    reader : NativeReader
        Where the frames are.
    format_ : FrameFormat
        Of frames whose bytes are their values.
    numbers : sequence of int
        The frames.
    out : ndarray
        Where they go.
    others : callable
        Gives the fetch of places that one request reads.
    """
    size = format_.pixel.frame_nbytes
    runs: list[tuple[int, NDArray[Any]]] = []
    nbytes = 0
    for rows in together(reader, numbers, frame_nbytes=size):
        first, places = numbers[rows[0]], slice(rows[0], rows[-1] + 1)
        if list(range(first, first + len(rows))) != numbers[places]:
            yield others(rows)
            continue
        runs.append((first, out[places]))
        nbytes += runs[-1][1].nbytes
        if nbytes >= MAX_BLOCK:
            yield parallel.Fetch(partial(_fetch, reader, format_, runs), 0)
            runs, nbytes = [], 0
    if runs:
        yield parallel.Fetch(partial(_fetch, reader, format_, runs), 0)


def _fetch(
    reader: NativeReader, format_: FrameFormat, runs: Sequence[tuple[int, NDArray[Any]]]
) -> "list[Job]":
    try:
        _read_native_runs(
            reader, [(first, part.data.cast("B")) for first, part in runs]
        )
        for _, part in runs:
            finish_in_place(part, format_)
    except LazyDicomError as error:
        frame = _frame_at(reader, [first for first, _ in runs], error.offset)
        raise error.locate(url=reader.url, frame=frame) from None
    return []


def _read_native_runs(
    reader: NativeReader, runs: Sequence[tuple[int, memoryview]]
) -> None:
    """Read native frames from some numbers on, each run into its memory, requests at once."""
    spans = reader.spans([first for first, _ in runs])
    places = [(span.offset, out) for span, (_, out) in zip(spans, runs, strict=True)]
    read_many_into(reader.source, places)


def _frame_at(reader: NativeReader, firsts: Sequence[int], offset: int | None) -> int:
    """Return the first frame of the run where an error is."""
    starts = [span.offset for span in reader.spans(firsts)]
    before = [
        first
        for first, start in zip(firsts, starts, strict=True)
        if offset is not None and start <= offset
    ]
    return max(before, default=firsts[0])
