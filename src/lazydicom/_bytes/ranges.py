"""Byte ranges, and the planning of reads: pure arithmetic, no I/O."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

FIRST_BLOCK: Final = 1 << 16
"""64 KiB hold the header of most files; opening fetches them before it knows anything."""
MAX_GAP: Final = 1 << 17
"""128 KiB: what 100 MB/s give in 20 ms, shared by 16 requests that wait at once."""
MAX_BLOCK: Final = 1 << 22
"""4 MiB: latency is a small part of the transfer, and a retry does not cost much."""
LOCAL_BLOCK: Final = 1 << 17
"""128 KiB of encoded frames are decoded in about a millisecond: opening the file for each
of them would cost a tenth of a slide tile, and more of them would leave cores idle."""
REQUESTS: Final = 16
"""Requests of one process at once; with `MAX_BLOCK` they bound the memory to 64 MiB."""


class ByteRange(NamedTuple):
    """A run of bytes in one file."""

    offset: int
    """First byte, counted from the start of the file."""
    length: int
    """Length in bytes."""

    @property
    def stop(self) -> int:
        """The byte after the last one."""
        return self.offset + self.length


def coalesce(
    ranges: Iterable[ByteRange], *, max_gap: int, max_block: int
) -> list[ByteRange]:
    """Merge ranges that touch, overlap or lie within `max_gap` bytes.

    A merged range is no longer than `max_block`; a range that is longer stays as it is.

    >>> spans = [ByteRange(0, 4), ByteRange(6, 2), ByteRange(50, 1)]
    >>> coalesce(spans, max_gap=2, max_block=100)
    [ByteRange(offset=0, length=8), ByteRange(offset=50, length=1)]
    """
    spans = list(ranges)
    groups = group(spans, max_gap=max_gap, max_block=max_block)
    return [span_of(spans[member] for member in members) for members in groups]


def group(
    ranges: Sequence[ByteRange], *, max_gap: int, max_block: int
) -> list[list[int]]:
    """Return which ranges to read together, each group by its places in `ranges`.

    >>> group([ByteRange(50, 1), ByteRange(0, 4), ByteRange(6, 2)], max_gap=2, max_block=9)
    [[1, 2], [0]]
    """
    groups: list[list[int]] = []
    start = stop = 0
    for member in sorted(range(len(ranges)), key=ranges.__getitem__):
        span = ranges[member]
        longer = max(stop, span.stop)
        if groups and span.offset - stop <= max_gap and longer - start <= max_block:
            groups[-1].append(member)
            stop = longer
        else:
            groups.append([member])
            start, stop = span.offset, span.stop
    return groups


def span_of(ranges: Iterable[ByteRange]) -> ByteRange:
    """Return the range that holds all of `ranges`.

    >>> span_of([ByteRange(6, 2), ByteRange(0, 4)])
    ByteRange(offset=0, length=8)
    """
    spans = list(ranges)
    start = min(span.offset for span in spans)
    return ByteRange(start, max(span.stop for span in spans) - start)


def cut(span: ByteRange, *, max_block: int) -> list[ByteRange]:
    """Cut a range into pieces of at most `max_block` bytes.

    >>> cut(ByteRange(10, 5), max_block=3)
    [ByteRange(offset=10, length=3), ByteRange(offset=13, length=2)]
    """
    starts = range(span.offset, span.stop, max_block)
    return [ByteRange(at, min(max_block, span.stop - at)) for at in starts]
