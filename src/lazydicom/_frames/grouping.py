"""Which fragments make a frame (PS3.5 annex A.4)."""

import numpy as np
from numpy.typing import NDArray

from lazydicom._decode.codestream_marks import (
    after_end,
    begin,
    end,
    frame_starts,
    is_marked,
    is_one_fragment,
)
from lazydicom._frames.fragments import FragmentArea, Fragments
from lazydicom._frames.index import FrameIndex
from lazydicom._header import tags
from lazydicom.errors import InvalidDicomError


def group_fragments(
    area: FragmentArea,
    fragments: Fragments,
    table: FrameIndex | None,
) -> NDArray[np.intp]:
    """Return at which fragments frames begin.

    As many fragments as frames are one each; else the codestreams tell. Only where they
    leave a doubt one frame takes all, or a table decides that has all their beginnings,
    or all that follow an end: a thumbnail inside a frame is none of its own.
    """
    codec, count, whole = area.codec, len(fragments), fragments.fault is None
    if count == 0:
        message = "Pixel Data holds no complete fragment"
        raise _ungrouped(area, message)
    one_each = whole and count == area.frames
    if one_each and is_one_fragment(codec):
        return np.arange(count)
    heads = fragments.heads
    begins = begin(codec, heads)
    if one_each and begins.all() | ~begins.any():
        return np.arange(count)
    tails = fragments.tails
    firsts = frame_starts(codec, heads, tails)
    if firsts is not None:
        return firsts
    if whole and area.frames == 1:
        return np.zeros(1, np.intp)
    if not is_marked(codec) and area.frames > 1 and _one_each(fragments, table):
        return np.arange(count)
    for places in (begins, begins & after_end(codec, tails)):
        if whole and table and np.array_equal(table.offsets, fragments.starts[places]):
            return np.flatnonzero(places)
    message = f"Nothing tells which of {count} fragments make {area.frames} frames"
    raise _ungrouped(area, message)


def _one_each(fragments: Fragments, table: FrameIndex | None) -> bool:
    """Return whether no table says otherwise."""
    if table is None:
        return True
    return np.array_equal(
        table.offsets[: len(fragments)], fragments.starts[: len(table)]
    )


def _ungrouped(area: FragmentArea, message: str) -> InvalidDicomError:
    return InvalidDicomError(message, offset=area.first, tag=tags.PIXEL_DATA)


def last_is_complete(area: FragmentArea, fragments: Fragments) -> bool:
    """Return whether no more fragments of the last frame can have been cut off."""
    if is_one_fragment(area.codec):
        return True
    return bool(len(fragments)) and bool(end(area.codec, fragments.tails[-1:])[0])
