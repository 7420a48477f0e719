"""Reading the same region of many native frames: its bytes, and little else.

A local file that nobody can cut meanwhile is looked at through a map; elsewhere each region is
a small read, or one of some requests. See ``docs/decisions/0014-regions-of-native-frames.md``.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.work.parallel import Fetch, Job
from lazydicom._bytes.ranges import MAX_BLOCK, batches, read_each, read_many, together
from lazydicom._bytes.source import (
    ByteRange,
    BytesLike,
    ByteSource,
    check_span,
    is_distant,
    lend,
)
from lazydicom._decode.format import FrameFormat
from lazydicom._decode.native import Region
from lazydicom.errors import LazyDicomError

_JOB_BYTES: Final = 1 << 25
"""32 MiB of regions are read by one job: to wake a thread for less would cost more."""
_READ_BYTES: Final = 1 << 20
"""1 MiB is read at once: it stays in the cache until it is put in place."""
_MAPPED_BYTES: Final = 1 << 26
"""64 MiB are mapped at once: mapped pages count as memory of the process."""
_WORTH_A_MAP: Final = 16
"""Frames from which on a map costs less than a read for each."""
_LARGE: Final = 1 << 14
"""16 KiB of a far region from which on mapping it costs less than reading it."""
_NEAR: Final = 1 << 16
"""64 KiB: what lies nearer is mapped on the way."""


class _Places(NamedTuple):
    """Where regions begin."""

    offsets: NDArray[np.int64]
    step: int | None
    """Bytes from one to the next, ``None`` where that differs."""

    def are_near(self, length: int) -> bool:
        """Return whether regions follow each other with little between them."""
        return 0 < abs(self.step or 0) < length + _NEAR

    def cut(self, count: int) -> "Iterator[tuple[slice, _Places]]":
        """Cut into so many at once."""
        for start in range(0, len(self.offsets), count):
            rows = slice(start, start + count)
            yield rows, _Places(self.offsets[rows], self.step)

    def span(self, length: int) -> ByteRange:
        """Return the bytes from the first region to the end of the last one."""
        start = int(self.offsets.min())
        return ByteRange(start, int(self.offsets.max()) + length - start)


def read_region(
    source: ByteSource,
    offset: int,
    planes: NDArray[Any],
    region: Region,
    format_: FrameFormat,
) -> None:
    """Read the region of one frame into the only one of `planes`."""
    try:
        region.put(source.read(ByteRange(offset, region.length)), planes)
        region.finish(planes, format_)
    except LazyDicomError as error:
        raise error.locate(url=source.url) from None


def region_jobs(
    source: ByteSource,
    offsets: NDArray[np.int64],
    planes: NDArray[Any],
    region: Region,
    format_: FrameFormat,
) -> Iterator[Job | Fetch]:
    """Return the jobs that put a region of each frame into its plane.

    Parameters
    ----------
    source : ByteSource
        The file.
    offsets : ndarray of int64
        Where the region of each frame begins.
    planes : ndarray
        Where the values go, as many as offsets.
    region : Region
        What is read of each frame.
    format_ : FrameFormat
        How values lie in the file.
    """
    if is_distant(source):
        spans = [ByteRange(offset, region.length) for offset in offsets.tolist()]
        for members, nbytes in batches(together(source, spans), spans, most=MAX_BLOCK):
            own = [spans[member] for member in members]
            into = [planes[member : member + 1] for member in members]
            yield Fetch(partial(_fetch, source, own, into, region, format_), nbytes)
        return
    places = _Places(offsets, _step_of(offsets))
    for rows, some in places.cut(max(_JOB_BYTES // region.length, 1)):
        yield partial(_read, source, some, planes[rows], region, format_)


def _read(
    source: ByteSource,
    places: _Places,
    planes: NDArray[Any],
    region: Region,
    format_: FrameFormat,
) -> None:
    try:
        check_span(source, places.span(region.length))
        worth = _is_worth_a_map(places, region.length)
        if not (worth and _copy(source, places, planes, region)):
            _read_each(source, places, planes, region)
        region.finish(planes, format_)
    except LazyDicomError as error:
        raise error.locate(url=source.url) from None


def _is_worth_a_map(places: _Places, length: int) -> bool:
    """Return whether a map costs less than reads: far pages cost a call for each region."""
    near = length >= _LARGE or places.are_near(length)
    return near and len(places.offsets) >= _WORTH_A_MAP


def _copy(
    source: ByteSource, places: _Places, planes: NDArray[Any], region: Region
) -> bool:
    """Copy out of a map, where the source lends one; return whether it does.

    A lease lasts for one stretch: whoever waits for it does so for 45 s at the most.
    """
    near = places.are_near(region.length)
    distance = abs(places.step or 0) if near else region.length
    stretches = places.cut(max(_MAPPED_BYTES // distance, 1))
    return all(
        _copy_stretch(source, some, planes[rows], region, near=near)
        for rows, some in stretches
    )


def _copy_stretch(
    source: ByteSource,
    places: _Places,
    planes: NDArray[Any],
    region: Region,
    *,
    near: bool,
) -> bool:
    with lend(source) as lent, suppress(OSError):  # a read will tell why
        if lent is None:
            return False
        if near:
            start, length = places.span(region.length)
            lent.load(np.array([start]), length)
        else:
            lent.load(places.offsets, region.length)
        _put(region, lent.memory, places, planes)
        return True
    return False


def _read_each(
    source: ByteSource, places: _Places, planes: NDArray[Any], region: Region
) -> None:
    """Read the bytes of each region by itself."""
    for rows, some in places.cut(max(_READ_BYTES // region.length, 1)):
        data = read_each(source, some.offsets.tolist(), region.length)
        region.put(data, planes[rows], step=region.length)


def _put(
    region: Region, data: BytesLike, places: _Places, planes: NDArray[Any]
) -> None:
    """Put the values at some places into their planes."""
    offsets, step = places
    if step is None:
        for plane, offset in enumerate(offsets.tolist()):
            region.put(data, planes[plane : plane + 1], offset=offset)
    elif step < 0:
        region.put(data, planes[::-1], offset=int(offsets[-1]), step=-step)
    else:
        region.put(data, planes, offset=int(offsets[0]), step=step)


def _step_of(offsets: NDArray[np.int64]) -> int | None:
    """Return the distance of offsets, ``None`` where it is not the same everywhere."""
    if len(offsets) < 2:
        return 0
    steps = np.diff(offsets)
    return int(steps[0]) if (steps == steps[0]).all() else None


def _fetch(
    source: ByteSource,
    spans: Sequence[ByteRange],
    planes: Sequence[NDArray[Any]],
    region: Region,
    format_: FrameFormat,
) -> list[Job]:
    for block, plane in zip(read_many(source, spans), planes, strict=True):
        region.put(block, plane)
        region.finish(plane, format_)
    return []
