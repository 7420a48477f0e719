"""Where the frames of encapsulated Pixel Data lie (PS3.5 annex A.4).

An offset table is a hint. Of a file that is at hand (local, bytes) all item headers are
looked at when it is opened, and a table that does not fit them is dropped; elsewhere a
table that can be true is believed, and each frame is checked when it is read.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._decode.codestream_marks import is_one_fragment
from lazydicom._frames.fragments import FragmentArea, walk_fragments
from lazydicom._frames.grouping import group_fragments, last_is_complete
from lazydicom._frames.index import FrameIndex, OnExtraFrames, index_edges
from lazydicom._frames.offset_tables import index_basic, index_extended
from lazydicom._frames.tiff import index_tiff
from lazydicom._header import tags
from lazydicom._header.header import Header
from lazydicom._header.lookahead import Lookahead
from lazydicom._header.pydicom import DatasetElements
from lazydicom._header.walker import UNDEFINED, Framing, read_element
from lazydicom.errors import InvalidDicomError, UnsupportedError, warn

_READ_AHEAD: Final = 1 << 17
"""What Linux reads around one item header of a mapped file that is not in memory."""
_LARGEST_PROOF: Final = 1 << 62
"""Every file that is at hand is proven: 1.4 s for a GB that no memory holds yet, 0.05 s
else. A table that is believed can give the wrong frame; tests believe some."""


@dataclass(frozen=True, slots=True, eq=False)
class EncapsulatedIndex:
    """The frames, and how sure that is."""

    index: FrameIndex
    area: FragmentArea
    proven: bool
    """Whether all fragments were looked at."""


def encapsulated_index(
    header: Header,
    *,
    allow_truncated: bool = False,
    on_extra_frames: OnExtraFrames = "warn",
) -> EncapsulatedIndex:
    """Index the frames of encapsulated Pixel Data.

    Parameters
    ----------
    header : Header
        Of an encapsulated file.
    allow_truncated : bool
        Take the complete frames where fewer are stored than declared.
    on_extra_frames : {"warn", "keep"}
        What to do with frames behind the declared ones.

    Raises
    ------
    InvalidDicomError
        If fragments contradict the standard, frames are missing, or nothing tells which
        fragments make a frame.
    UnsupportedError
        If the frames are video, one stream for all.
    """
    with header.open_at_pixels() as lookahead:
        fragments = find_fragments(header, lookahead)
        table, doubts = read_table(header, lookahead, fragments)
        proven = _can_prove(lookahead, fragments)
        index = None
        if table is not None and not proven:
            index = _close_table(lookahead, fragments, table)
        if index is None:
            proven = True
            index = index_scanned(
                lookahead, fragments, table, allow_truncated=allow_truncated
            )
            if table is not None and index.origin != table.origin:
                if on_extra_frames == "warn":
                    check_rebuilt(index, table, fragments.frames)
                name = table.origin.capitalize()
                doubts.append(f"{name} Offset Table does not fit the fragments")
    index = declared_frames(
        header, index, allow_truncated=allow_truncated, on_extra_frames=on_extra_frames
    )
    for doubt in doubts:
        warn(f"{doubt}; frames are found by their fragments", url=header.url)
    return EncapsulatedIndex(index, fragments, proven)


def index_scanned(
    lookahead: Lookahead,
    fragments: FragmentArea,
    table: FrameIndex | None = None,
    *,
    allow_truncated: bool = False,
) -> FrameIndex:
    """Index frames by a walk over all fragments.

    Parameters
    ----------
    lookahead : Lookahead
        On the file.
    fragments : FragmentArea
        Where the fragments lie.
    table : FrameIndex, optional
        What a table says. Where the walk agrees, its origin is kept; where codestreams
        leave a doubt about which fragments make a frame, it may decide.
    allow_truncated : bool
        Take the complete frames of Pixel Data that ends too early.

    Raises
    ------
    InvalidDicomError
        If fragments contradict the standard, or nothing tells which ones make a frame.
    """
    guess = None if table is None else table.offsets
    found = walk_fragments(lookahead, fragments, fragments.first, guess=guess)
    if found.fault is not None and not allow_truncated:
        raise InvalidDicomError(
            found.fault, url=lookahead.url, offset=found.stop, tag=tags.PIXEL_DATA
        )
    if found.fault is not None:
        warn(found.fault, url=lookahead.url)
    holding = found.lengths > 0
    found = found._replace(starts=found.starts[holding], lengths=found.lengths[holding])
    firsts = group_fragments(lookahead, fragments, found, table)
    edges = np.append(found.starts[firsts], found.stop)
    if found.fault is not None and not last_is_complete(lookahead, fragments, found):
        edges = edges[:-1]
    fits = table is not None and _agrees(table, edges, cut=found.fault is not None)
    return index_edges(edges, table.origin if table and fits else "scanned")


def check_rebuilt(index: FrameIndex, table: FrameIndex, declared: int) -> None:
    """Check that a table which does not fit leaves no doubt about what is which frame.

    Raises
    ------
    InvalidDicomError
        If more frames are stored than declared: some of them are none, and the table that
        should tell which is wrong.
    """
    if index.origin != table.origin and len(index) > declared:
        name = table.origin.capitalize()
        message = (
            f"{len(index)} frames are stored, {declared} are declared, and the {name}"
            " Offset Table that should tell which does not fit the fragments"
        )
        raise InvalidDicomError(
            message, offset=int(index.offsets[0]), tag=tags.PIXEL_DATA
        )


def find_fragments(header: Header, lookahead: Lookahead) -> FragmentArea:
    """Return where the fragments of Pixel Data lie.

    Raises
    ------
    InvalidDicomError
        If Pixel Data does not begin with a fragment.
    UnsupportedError
        If the frames are video.
    """
    element, codec = header.pixel_data, header.transfer_syntax.codec or ""
    if codec == "video":
        message = f"Frames of {header.transfer_syntax.name} have no bytes of their own"
        raise UnsupportedError(message, url=header.url, tag=element.tag)
    delimited = element.length == UNDEFINED
    stop = lookahead.size if delimited else element.offset + element.length
    if element.tag != tags.PIXEL_DATA or element.offset + 8 > stop:
        found = f"{stop - element.offset} bytes in this element"
        raise _no_fragment(lookahead, element.offset, found)
    table = read_element(lookahead, element.offset, Framing())
    first = table.offset + table.length
    if table.tag != tags.ITEM or table.length == UNDEFINED or first > stop:
        found = bytes(lookahead.bytes_at(element.offset, 8)).hex(" ")
        raise _no_fragment(lookahead, element.offset, found)
    if not delimited and not isinstance(header.elements, DatasetElements):
        message = "Encapsulated Pixel Data of defined length"
        warn(message, url=header.url)
    frames = header.image_pixel.number_of_frames
    return FragmentArea(element.offset, first, stop, delimited, codec, frames)


def _no_fragment(lookahead: Lookahead, offset: int, found: str) -> InvalidDicomError:
    message = f"Expected Item (FFFE,E000) of the Basic Offset Table, found {found}"
    return InvalidDicomError(
        message, url=lookahead.url, offset=offset, tag=tags.PIXEL_DATA
    )


def read_table(
    header: Header, lookahead: Lookahead, fragments: FragmentArea
) -> tuple[FrameIndex | None, list[str]]:
    """Read the first table that can be true, and say what is wrong with the others."""
    doubts: list[str] = []
    extended = header.elements.read(tags.EXTENDED_OFFSET_TABLE)
    if extended:
        lengths = header.elements.read(tags.EXTENDED_OFFSET_TABLE_LENGTHS) or b""
        try:
            return index_extended(extended, lengths, fragments), doubts
        except InvalidDicomError as error:
            doubts.append(error.message)
    basic = lookahead.bytes_at(
        fragments.start + 8, fragments.first - fragments.start - 8
    )
    if basic:
        try:
            return index_basic(basic, fragments), doubts
        except InvalidDicomError as error:
            doubts.append(error.message)
    return index_tiff(lookahead, fragments), doubts


def _can_prove(lookahead: Lookahead, fragments: FragmentArea) -> bool:
    """Return whether all item headers can be looked at when the file is opened."""
    length = fragments.stop - fragments.start
    cost = min(length, fragments.frames * _READ_AHEAD)
    return lookahead.holds(fragments.start, fragments.stop) and cost <= _LARGEST_PROOF


def _close_table(
    lookahead: Lookahead, fragments: FragmentArea, table: FrameIndex
) -> FrameIndex | None:
    """Find the end of the last frame; ``None`` if its fragments do not fit the table."""
    start, length = int(table.offsets[-1]), int(table.lengths[-1])
    try:
        found = walk_fragments(lookahead, fragments, start)
        frames = len(
            group_fragments(lookahead, replace(fragments, frames=1), found, None)
        )
    except InvalidDicomError:
        return None
    one = frames == 1 and not (
        is_one_fragment(fragments.codec) and len(found.starts) > 1
    )
    ends = table.origin == "basic" or found.stop == start + length
    if found.fault is not None or not one or not ends:
        return None
    return index_edges(np.append(table.offsets, found.stop), table.origin)


def _agrees(table: FrameIndex, edges: NDArray[np.int64], *, cut: bool) -> bool:
    """Return whether a table has the frames that a walk found, from the first one on."""
    both = min(len(table), len(edges) - 1)
    return np.array_equal(table.offsets[:both], edges[:both]) and (
        cut or both == len(table)
    )


def declared_frames(
    header: Header,
    index: FrameIndex,
    *,
    allow_truncated: bool = False,
    on_extra_frames: OnExtraFrames = "warn",
) -> FrameIndex:
    """Take as many frames as are declared; else complain or warn."""
    stored, declared = len(index), header.image_pixel.number_of_frames
    if stored < declared:
        message = f"{stored} complete frames are stored, {declared} are declared"
        if not (allow_truncated and stored):
            raise InvalidDicomError(
                message,
                url=header.url,
                offset=header.pixel_data.start,
                tag=tags.PIXEL_DATA,
            )
        warn(message, url=header.url)
    elif stored > declared:
        keep = on_extra_frames == "keep"
        done = "all are kept" if keep else f"{declared} are taken"
        text = f"{stored} frames are stored, {declared} are declared; {done}"
        warn(text, url=header.url)
        return index if keep else index.head(declared)
    return index
