"""Where the frames of encapsulated Pixel Data lie (PS3.5 annex A.4).

An offset table is a hint. One that can be true is believed: as many entries as frames,
rising, inside the file, first and last fragment where they should be; each frame is then
checked when it is read. Where Pixel Data is short, or bytes in memory, all item headers are
looked at when it is opened, and a table that does not fit them is dropped.
"""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.source import Lookahead
from lazydicom._decode.codestream_marks import (
    begins,
    end,
    is_evident,
    is_one_fragment,
)
from lazydicom._frames.fragments import (
    FragmentArea,
    is_kept_open,
    open_at_fragments,
    walk_fragments,
)
from lazydicom._frames.grouping import group_fragments, last_is_complete
from lazydicom._frames.index import FrameIndex, index_edges
from lazydicom._frames.offset_tables import index_basic, index_extended, index_tiff
from lazydicom._frames.tolerance import OnExtraFrames
from lazydicom._header import tags
from lazydicom._header.elements import FileElements
from lazydicom._header.header import Header
from lazydicom._header.walker import UNDEFINED, Element, Framing, read_element
from lazydicom.errors import InvalidDicomError, LimitError, UnsupportedError, warn

_LEAST_CODESTREAM: Final = 16
_LARGEST_PROOF: Final = 1 << 26
"""64 MiB of a local file are proven at once: some ms, even where no memory holds them."""


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
    try:
        with open_at_fragments(header) as lookahead:
            area = find_fragments(header, lookahead)
            index, doubts, proven = _find_frames(
                header,
                lookahead,
                area,
                allow_truncated=allow_truncated,
                on_extra_frames=on_extra_frames,
            )
    except (InvalidDicomError, LimitError) as error:
        raise error.locate(url=header.url) from None
    index = declared_frames(
        header, index, allow_truncated=allow_truncated, on_extra_frames=on_extra_frames
    )
    for doubt in doubts:
        warn(f"{doubt}; frames are found by their fragments", url=header.url)
    return EncapsulatedIndex(index, area, proven)


def _find_frames(
    header: Header,
    lookahead: Lookahead,
    area: FragmentArea,
    *,
    allow_truncated: bool,
    on_extra_frames: OnExtraFrames,
) -> tuple[FrameIndex, list[str], bool]:
    """Return the frames, what is wrong with tables, and whether all fragments were seen."""
    table, doubts = read_table(header, lookahead, area)
    if table is not None and not doubts and not _is_proven_at_once(lookahead, area):
        index = _close_table(lookahead, area, table)
        if index is not None:
            return index, doubts, False
    index = index_scanned(lookahead, area, table, allow_truncated=allow_truncated)
    if table is not None and index.origin != table.origin:
        if on_extra_frames == "warn":
            check_rebuilt(index, table, area.frames)
        name = table.origin.capitalize()
        doubts.append(f"{name} Offset Table does not fit the fragments")
    return index, doubts, True


def index_scanned(
    lookahead: Lookahead,
    area: FragmentArea,
    table: FrameIndex | None = None,
    *,
    allow_truncated: bool = False,
) -> FrameIndex:
    """Index frames by a walk over all fragments.

    Parameters
    ----------
    lookahead : Lookahead
        On the file.
    area : FragmentArea
        Where the fragments lie.
    table : FrameIndex, optional
        What a table says. Where the walk agrees, its origin is kept; where codestreams
        leave a doubt about which fragments make a frame, it may decide.
    allow_truncated : bool
        Take the complete frames of Pixel Data that ends too early, or that something else
        than a fragment follows.

    Raises
    ------
    InvalidDicomError
        If fragments contradict the standard, or nothing tells which ones make a frame.
    """
    guess = None if table is None else table.offsets
    every = walk_fragments(lookahead, area, area.first, guess=guess)
    if every.fault is not None:
        if not allow_truncated:
            message = f"{every.fault}; allow_truncated=True takes what is whole"
            raise InvalidDicomError(
                message, url=lookahead.url, offset=every.stop, tag=tags.PIXEL_DATA
            )
        warn(every.fault, url=lookahead.url)
    fragments = every.holding()
    firsts = group_fragments(area, fragments, table)
    edges = fragments.edges
    if len(firsts) < len(fragments):  # some are no frame by themselves
        edges = np.append(fragments.starts[firsts], fragments.stop)
    if fragments.fault is not None and not last_is_complete(area, fragments):
        edges = edges[:-1]
    cut = fragments.fault is not None
    fits = table is not None and _agrees(table, edges, cut=cut)
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
        bytes_text = f"{stop - element.offset} bytes in this element"
        raise _no_fragment(lookahead, element.offset, bytes_text)
    table = read_element(lookahead, element.offset, Framing())
    first = table.offset + table.length
    if table.tag != tags.ITEM or table.length == UNDEFINED or first > stop:
        bytes_text = bytes(lookahead.bytes_at(element.offset, 8)).hex(" ")
        raise _no_fragment(lookahead, element.offset, bytes_text)
    if not delimited and isinstance(header.elements, FileElements):
        message = "Encapsulated Pixel Data of defined length"
        warn(message, url=header.url)
    frames = header.image_pixel.number_of_frames
    if _is_codestream(lookahead, table, codec):
        warn(
            "The Basic Offset Table item is missing: the first item is a frame",
            url=header.url,
        )
        first = element.offset
    return FragmentArea(element.offset, first, stop, delimited, codec, frames)


def _is_codestream(lookahead: Lookahead, item: Element, codec: str) -> bool:
    """Return whether the first item begins and ends as a codestream: it is no table."""
    if item.length < _LEAST_CODESTREAM:
        return False
    head = lookahead.bytes_at(item.offset, 8)
    if not is_evident(codec) or not begins(codec, head):
        return False
    tail = lookahead.bytes_at(item.offset + item.length - 8, 8)
    number = np.frombuffer(tail, "<u8").astype(np.uint64)
    return is_one_fragment(codec) or bool(end(codec, number)[0])


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
    length = max(fragments.first - fragments.start - 8, 0)
    basic = lookahead.bytes_at(fragments.start + 8, length)
    if basic:
        try:
            return index_basic(basic, fragments), doubts
        except InvalidDicomError as error:
            doubts.append(error.message)
    return index_tiff(lookahead, fragments), doubts


def _is_proven_at_once(lookahead: Lookahead, area: FragmentArea) -> bool:
    """Return whether all item headers are looked at when the file is opened."""
    if is_kept_open(lookahead):
        return area.stop - area.start <= _LARGEST_PROOF
    return lookahead.holds(area.start, min(area.stop, lookahead.size))


def _close_table(
    lookahead: Lookahead, area: FragmentArea, table: FrameIndex
) -> FrameIndex | None:
    """Find the end of the last frame; ``None`` if its fragments do not fit the table."""
    if len(table) != area.frames:
        return None
    span = table.span(len(table) - 1)
    fragments = walk_fragments(lookahead, area, span.offset)
    try:
        last = fragments.holding()
        frames = len(group_fragments(replace(area, frames=1), last, None))
    except InvalidDicomError:
        return None
    one = frames == 1 and not (is_one_fragment(area.codec) and len(last) > 1)
    ends = table.origin == "basic" or fragments.stop == span.stop
    if fragments.fault is not None or not one or not ends:
        return None
    return index_edges(np.append(table.offsets, fragments.stop), table.origin)


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
