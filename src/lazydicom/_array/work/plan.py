"""What a read will cost, told before it is made: requests, bytes, decoded size."""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.ranges import MAX_BLOCK, cut, span_of, together
from lazydicom._bytes.source import ByteRange
from lazydicom._decode.format import FrameFormat
from lazydicom._frames import reader as readers
from lazydicom._frames.index import FrameReader, frame_runs, is_distant

_UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB")


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """Cost of a read: what it asks of the file, and what that becomes.

    Examples
    --------
    >>> ReadPlan(frames=10, requests=2, read_nbytes=5_243_000, decoded_nbytes=20_971_520)
    <ReadPlan 10 frames: 2 requests, 5.2 MB to read, 21.0 MB decoded>
    """

    frames: int
    """Frames to decode."""
    requests: int
    """Reads of the file; far away, each is a request."""
    read_nbytes: int | None
    """Bytes of these reads, gaps between neighbours included; ``None`` where a server
    decides."""
    decoded_nbytes: int
    """Size of the frames once decoded."""

    def __repr__(self) -> str:
        """Return the cost in words."""
        frames = _count(self.frames, "frame")
        requests = _count(self.requests, "request")
        read = "?" if self.read_nbytes is None else print_size(self.read_nbytes)
        decoded = print_size(self.decoded_nbytes)
        return f"<ReadPlan {frames}: {requests}, {read} to read, {decoded} decoded>"


def plan_frames(
    reader: FrameReader,
    format_: FrameFormat,
    numbers: NDArray[np.int64],
    *,
    per_read: int,
    region: tuple[int, int] | None,
) -> ReadPlan:
    """Return what reading frames will cost.

    Parameters
    ----------
    reader : FrameReader
        Of the frames.
    format_ : FrameFormat
        How they are encoded.
    numbers : ndarray of int64
        The frames.
    per_read : int
        Native neighbours that are read together.
    region : tuple of int, optional
        Bytes before and in the part that is read of each.
    """
    wanted, size = numbers.tolist(), format_.pixel.frame_nbytes
    distant, spans = is_distant(reader), reader.spans(wanted)
    groups: Sequence[Sequence[int]]
    if distant or not format_.in_place:
        groups = readers.together(reader, wanted, frame_nbytes=size)
    else:
        groups = [range(*run) for run in frame_runs(numbers, per_read)]
    if region is not None and spans is not None and reader.source is not None:
        spans = [ByteRange(span.offset + region[0], region[1]) for span in spans]
        groups = [[row] for row in range(len(wanted))]
        if distant:
            groups = together(reader.source, spans)
    requests, length = len(groups), None
    if spans is not None:
        parts = [[spans[row] for row in rows] for rows in groups]
        requests, length = plan_of_groups(parts, distant=distant)
    return ReadPlan(len(wanted), requests, length, len(wanted) * size)


def plan_of_groups(
    groups: Iterable[Sequence[ByteRange]], *, distant: bool
) -> tuple[int, int]:
    """Count requests and bytes of ranges that are read together, group by group.

    >>> plan_of_groups([[ByteRange(0, 4), ByteRange(6, 2)]], distant=False)
    (1, 8)
    """
    requests = length = 0
    for spans in groups:
        span = span_of(spans)
        requests += len(cut(span, max_block=MAX_BLOCK)) if distant else 1
        length += span.length
    return requests, length


def sum_plans(plans: Iterable[ReadPlan]) -> ReadPlan:
    """Add up the costs of reads; their requests are not merged.

    >>> sum_plans([])
    <ReadPlan 0 frames: 0 requests, 0 B to read, 0 B decoded>
    """
    all_ = list(plans)
    known = [one.read_nbytes for one in all_ if one.read_nbytes is not None]
    return ReadPlan(
        frames=sum(one.frames for one in all_),
        requests=sum(one.requests for one in all_),
        read_nbytes=sum(known) if len(known) == len(all_) else None,
        decoded_nbytes=sum(one.decoded_nbytes for one in all_),
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def print_size(count: int) -> str:
    """Print a number of bytes for people.

    >>> print_size(1500)
    '1.5 kB'
    """
    power = min(max(len(str(count)) - 1, 0) // 3, len(_UNITS) - 1)
    return f"{count / 1000**power:.{min(power, 1)}f} {_UNITS[power]}"
