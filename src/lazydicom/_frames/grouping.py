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
from lazydicom._frames.fragments import FragmentArea, Fragments, peek
from lazydicom._frames.index import FrameIndex
from lazydicom._header import tags
from lazydicom._header.lookahead import Lookahead
from lazydicom.errors import InvalidDicomError


def group_fragments(
    lookahead: Lookahead,
    fragments: FragmentArea,
    found: Fragments,
    table: FrameIndex | None,
) -> NDArray[np.intp]:
    """Return at which fragments frames begin.

    As many fragments as frames are one each; else the codestreams tell. Only where they
    leave a doubt one frame takes all, or a table decides that has all their beginnings,
    or all that follow an end: a thumbnail inside a frame is none of its own.
    """
    codec, count, whole = fragments.codec, len(found.starts), found.fault is None
    if count == 0:
        message = "Pixel Data holds no complete fragment"
        raise _ungrouped(lookahead, fragments, message)
    one_each = whole and count == fragments.frames
    if one_each and is_one_fragment(codec):
        return np.arange(count)
    heads = peek(lookahead, found.starts + 8)
    begins = begin(codec, heads)
    if one_each and begins.all() | ~begins.any():
        return np.arange(count)
    tails = peek(lookahead, found.starts + found.lengths)
    firsts = frame_starts(codec, heads, tails)
    if firsts is not None:
        return firsts
    if whole and fragments.frames == 1:
        return np.zeros(1, np.intp)
    if not is_marked(codec) and fragments.frames > 1 and _one_each(found, table):
        return np.arange(count)
    for places in (begins, begins & after_end(codec, tails)):
        if whole and table and np.array_equal(table.offsets, found.starts[places]):
            return np.flatnonzero(places)
    message = f"Nothing tells which of {count} fragments make {fragments.frames} frames"
    raise _ungrouped(lookahead, fragments, message)


def _one_each(found: Fragments, table: FrameIndex | None) -> bool:
    """Return whether no table says otherwise."""
    if table is None:
        return True
    return np.array_equal(
        table.offsets[: len(found.starts)], found.starts[: len(table)]
    )


def _ungrouped(
    lookahead: Lookahead, fragments: FragmentArea, message: str
) -> InvalidDicomError:
    return InvalidDicomError(
        message, url=lookahead.url, offset=fragments.first, tag=tags.PIXEL_DATA
    )


def last_is_complete(
    lookahead: Lookahead, fragments: FragmentArea, found: Fragments
) -> bool:
    """Return whether no more fragments of the last frame can have been cut off."""
    last = peek(lookahead, found.starts[-1:] + found.lengths[-1:])
    return is_one_fragment(fragments.codec) or bool(end(fragments.codec, last)[0])
