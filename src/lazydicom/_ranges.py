"""Byte ranges, and the planning of reads: pure arithmetic, no I/O."""

from collections.abc import Iterable
from typing import NamedTuple


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


def coalesce(ranges: Iterable[ByteRange], *, max_gap: int) -> list[ByteRange]:
    """Merge ranges that touch, overlap or lie within `max_gap` bytes.

    >>> coalesce([ByteRange(0, 4), ByteRange(6, 2), ByteRange(50, 1)], max_gap=2)
    [ByteRange(offset=0, length=8), ByteRange(offset=50, length=1)]
    """
    merged: list[ByteRange] = []
    for span in sorted(ranges):
        if merged and span.offset - merged[-1].stop <= max_gap:
            last = merged[-1]
            stop = max(last.stop, span.stop)
            merged[-1] = ByteRange(last.offset, stop - last.offset)
        else:
            merged.append(span)
    return merged
