"""Native frames behind a network, fetched straight into the result: many runs by one thread."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from numpy.typing import NDArray

from lazydicom._array.work.parallel import Fetch, Job
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.ranges import MAX_BLOCK, read_places
from lazydicom._decode.format import FrameFormat
from lazydicom._decode.native import finish_in_place
from lazydicom._frames.index import NativeReader
from lazydicom._frames.reader import together
from lazydicom.errors import LazyDicomError, redact_url

_MOST_RUNS: Final = 256
"""Requests that one thread makes."""


class NativeRun(NamedTuple):
    """Frames that follow each other in a file and in the result."""

    reader: NativeReader
    format: FrameFormat
    first: int
    """Number of the first one."""
    offset: int
    """Where it begins in the file."""
    out: NDArray[Any]
    """Where they go."""


@dataclass(frozen=True, slots=True)
class ReadRuns:
    """Reads runs, of one file or several; nothing is left to do then."""

    runs: Sequence[NativeRun]

    @property
    def nbytes(self) -> int:
        """Bytes of all runs."""
        return sum(run.out.nbytes for run in self.runs)

    def __call__(self) -> list[Job]:
        """Fill the part of the result that each run has."""
        try:
            read_places(
                [
                    (run.reader.source, run.offset, run.out.data.cast("B"))
                    for run in self.runs
                ]
            )
            for run in self.runs:
                finish_in_place(run.out, run.format)
        except LazyDicomError as error:
            run = self._run_of(error)
            raise error.locate(url=run.reader.url, frame=run.first) from None
        return []

    def _run_of(self, error: LazyDicomError) -> NativeRun:
        """Return the run where an error is, the first one if nothing tells."""
        urls = {error.url, redact_url(error.url or "")}
        own = [run for run in self.runs if run.reader.url in urls] or list(self.runs)
        offset = -1 if error.offset is None else error.offset
        before = [run for run in own if run.offset <= offset]
        return max(before or own[:1], key=lambda run: run.offset)


def native_fetches(
    reader: NativeReader,
    format_: FrameFormat,
    numbers: Sequence[int],
    out: NDArray[Any],
    others: Callable[[Sequence[int]], Fetch],
) -> Iterator[Fetch]:
    """Return the fetches that fill `out[i]` with frame `numbers[i]`, for `join_runs`.

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
    for rows in together(reader, numbers, frame_nbytes=size):
        first, places = numbers[rows[0]], slice(rows[0], rows[-1] + 1)
        if list(range(first, first + len(rows))) != numbers[places]:
            yield others(rows)
            continue
        (span,) = reader.spans([first])
        run = NativeRun(reader, format_, first, span.offset, out[places])
        yield Fetch(ReadRuns([run]), 0)


def join_runs(jobs: Iterable[Job | Fetch]) -> Iterator[Job | Fetch]:
    """Join small reads of native frames, of one file or several: one thread asks for them."""
    runs: list[NativeRun] = []
    nbytes = 0
    for job in jobs:
        read = job.read if isinstance(job, Fetch) else None
        if not isinstance(read, ReadRuns):
            yield job
            continue
        runs, nbytes = [*runs, *read.runs], nbytes + read.nbytes
        if nbytes >= MAX_BLOCK or len(runs) >= _MOST_RUNS:
            yield Fetch(ReadRuns(runs), 0)
            runs, nbytes = [], 0
    if runs:
        yield Fetch(ReadRuns(runs), 0)
