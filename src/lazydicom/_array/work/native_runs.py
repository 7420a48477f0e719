"""Native frames behind a network, fetched straight into the result: many runs by one thread."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from numpy.typing import NDArray

from lazydicom._array.work.parallel import Fetch, Job
from lazydicom._bytes.ranges import MAX_BLOCK
from lazydicom._decode.format import FrameFormat
from lazydicom._decode.native import finish_in_place
from lazydicom._frames.index import NativeReader
from lazydicom._frames.reader import read_native_runs, together
from lazydicom.errors import LazyDicomError


def native_fetches(
    reader: NativeReader,
    format_: FrameFormat,
    numbers: Sequence[int],
    out: NDArray[Any],
    others: Callable[[Sequence[int]], Fetch],
) -> Iterator[Fetch]:
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
            yield Fetch(partial(_fetch, reader, format_, runs), 0)
            runs, nbytes = [], 0
    if runs:
        yield Fetch(partial(_fetch, reader, format_, runs), 0)


def _fetch(
    reader: NativeReader, format_: FrameFormat, runs: Sequence[tuple[int, NDArray[Any]]]
) -> list[Job]:
    try:
        read_native_runs(reader, [(first, part.data.cast("B")) for first, part in runs])
        for _, part in runs:
            finish_in_place(part, format_)
    except LazyDicomError as error:
        frame = _frame_at(reader, [first for first, _ in runs], error.offset)
        raise error.locate(url=reader.url, frame=frame) from None
    return []


def _frame_at(reader: NativeReader, firsts: Sequence[int], offset: int | None) -> int:
    """Return the first frame of the run where an error is."""
    starts = [span.offset for span in reader.spans(firsts)]
    before = [
        first
        for first, start in zip(firsts, starts, strict=True)
        if offset is not None and start <= offset
    ]
    return max(before, default=firsts[0])
