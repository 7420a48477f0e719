"""What a file says about where its frames begin: Basic and Extended Offset Table, TIFF tiles.

PS3.5 section A.4, PS3.3 section C.7.6.3.1.8. A file may be DICOM and TIFF at once (PS3.10
section 7.1): its preamble is then a TIFF header, and TileOffsets and TileByteCounts of one of
its directories point at the fragments (TIFF 6.0 section 15, BigTIFF). A table is believed where
its numbers can be true; whether fragments begin where it says is for those who look at them.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.source import Lookahead
from lazydicom._frames.fragments import FragmentArea
from lazydicom._frames.index import FrameIndex, Origin, index_edges
from lazydicom.errors import InvalidDicomError

_WRAP: Final = 1 << 32
_TILE_OFFSETS: Final = 324
_TILE_BYTE_COUNTS: Final = 325
_TYPES: Final = {3: "u2", 4: "u4", 16: "u8"}
_MOST_DIRECTORIES: Final = 64
_MOST_ENTRIES: Final = 1024
_ORDERS: Final = {b"II": "<", b"MM": ">"}


def index_basic(value: bytes, fragments: FragmentArea) -> FrameIndex:
    """Index frames by the Basic Offset Table; the last one may end earlier.

    In files over 4 GiB writers let its 32-bit numbers wrap: those are unwrapped.

    Raises
    ------
    InvalidDicomError
        If the table cannot be true.
    """
    if len(value) % 4:
        raise InvalidDicomError(f"Basic Offset Table has {len(value)} bytes")
    offsets = np.frombuffer(value, "<u4").astype(np.int64)
    if fragments.stop - fragments.first > _WRAP:
        offsets[1:] += _WRAP * np.cumsum(offsets[1:] < offsets[:-1])
    return index_table("basic", fragments.first + offsets, fragments)


def index_extended(
    offsets: bytes, lengths: bytes, fragments: FragmentArea
) -> FrameIndex:
    """Index frames by the Extended Offset Table and its lengths.

    Raises
    ------
    InvalidDicomError
        If the table cannot be true, or offsets and lengths disagree.
    """
    if len(offsets) % 8 or len(offsets) != len(lengths):
        message = f"Extended Offset Table has {len(offsets)} and {len(lengths)} bytes"
        raise InvalidDicomError(message)
    begin, length = np.frombuffer(offsets, "<u8"), np.frombuffer(lengths, "<u8")
    reach = fragments.stop - fragments.first
    if (begin > reach).any() or (length > reach).any():
        raise InvalidDicomError("Extended Offset Table points outside Pixel Data")
    starts = fragments.first + begin.astype(np.int64)
    stops = starts + 8 + length.astype(np.int64)
    return index_table("extended", starts, fragments, stops=stops + stops % 2)


def index_table(
    origin: Origin,
    starts: NDArray[np.int64],
    fragments: FragmentArea,
    *,
    stops: NDArray[np.int64] | None = None,
) -> FrameIndex:
    """Index frames that begin at `starts`, if they can.

    Parameters
    ----------
    origin : {"basic", "extended", "tiff"}
        The table.
    starts : ndarray of int64
        Item tag of each frame.
    fragments : FragmentArea
        Where they must lie.
    stops : ndarray of int64, optional
        The byte after each frame, padding included.

    Raises
    ------
    InvalidDicomError
        If there are fewer than frames declared, or frames do not follow each other from
        the first fragment to within Pixel Data.
    """
    name = f"{origin.capitalize()} Offset Table"
    if len(starts) < fragments.frames:
        message = f"{name} has {len(starts)} entries for {fragments.frames} frames"
        raise InvalidDicomError(message)
    if starts[0] != fragments.first:
        raise InvalidDicomError(f"{name} does not begin at the first fragment")
    if (starts[1:] - starts[:-1] < 8).any():
        raise InvalidDicomError(f"{name} does not go from frame to frame")
    last = fragments.stop if stops is None else int(stops[-1])
    if max(int(starts[-1]) + 8, last) > fragments.stop:
        raise InvalidDicomError(f"{name} points outside Pixel Data")
    if stops is not None and not np.array_equal(stops[:-1], starts[1:]):
        raise InvalidDicomError(f"{name} has lengths that do not fit its offsets")
    return index_edges(np.append(starts, last), origin)


def index_tiff(lookahead: Lookahead, fragments: FragmentArea) -> FrameIndex | None:
    """Index frames by the first directory whose tiles can be all of them.

    Tiles may stand in any order there; frames are counted as the fragments stand.

    Returns
    -------
    FrameIndex or None
        ``None`` if the file is no TIFF, or no directory fits.
    """
    layout = _layout(lookahead)
    if layout is None:
        return None
    for directory in _directories(lookahead, layout):
        try:
            index = _index_directory(lookahead, layout, directory, fragments)
        except InvalidDicomError:  # these are not the frames
            continue
        if index is not None:
            return index
    return None


@dataclass(frozen=True, slots=True)
class _Layout:
    """TIFF has numbers of 4 bytes, BigTIFF of 8."""

    order: str
    first: int
    """Where the offset of the first directory stands."""
    word: int
    """Bytes of an offset, and of a count of values."""
    count: int
    """Bytes of a count of entries."""

    def number(self, data: bytes) -> int:
        return int.from_bytes(data, "little" if self.order == "<" else "big")


def _layout(lookahead: Lookahead) -> _Layout | None:
    if lookahead.size < 16:
        return None
    head = lookahead.bytes_at(0, 16)
    order = _ORDERS.get(head[:2])
    if order is None:
        return None
    version = int(np.frombuffer(head, order + "u2", 1, 2)[0])
    return {
        42: _Layout(order, first=4, word=4, count=2),
        43: _Layout(order, first=8, word=8, count=8),
    }.get(version)


def _directories(lookahead: Lookahead, layout: _Layout) -> Iterator[dict[int, bytes]]:
    """Return the entries of each directory by tag; a chain that is cut ends."""
    word, size = layout.word, 4 + 2 * layout.word
    at, seen = layout.first, set[int]()
    while len(seen) < _MOST_DIRECTORIES:
        try:
            start = layout.number(lookahead.bytes_at(at, word))
            if start == 0 or start in seen:
                return
            seen.add(start)
            entries = layout.number(lookahead.bytes_at(start, layout.count))
            if entries > _MOST_ENTRIES:
                return
            data = lookahead.bytes_at(start + layout.count, entries * size)
        except InvalidDicomError:  # beyond the end of the file
            return
        cut = (data[k : k + size] for k in range(0, len(data), size))
        yield {layout.number(entry[:2]): entry for entry in cut}
        at = start + layout.count + len(data)


def _index_directory(
    lookahead: Lookahead,
    layout: _Layout,
    directory: dict[int, bytes],
    fragments: FragmentArea,
) -> FrameIndex | None:
    if not {_TILE_OFFSETS, _TILE_BYTE_COUNTS} <= directory.keys():
        return None
    offsets = _values(lookahead, layout, directory[_TILE_OFFSETS], fragments.frames)
    counts = _values(lookahead, layout, directory[_TILE_BYTE_COUNTS], fragments.frames)
    if (
        offsets is None
        or counts is None
        or max(offsets.max(), counts.max()) > (fragments.stop)
    ):
        return None
    order = np.argsort(offsets)
    starts = offsets.astype(np.int64)[order] - 8
    stops = starts + 8 + counts.astype(np.int64)[order]
    return index_table("tiff", starts, fragments, stops=stops + stops % 2)


def _values(
    lookahead: Lookahead, layout: _Layout, entry: bytes, frames: int
) -> NDArray[np.unsignedinteger] | None:
    """Read the values of an entry, ``None`` where they are not one a frame."""
    word = layout.word
    kind = _TYPES.get(layout.number(entry[2:4]))
    if kind is None or layout.number(entry[4 : 4 + word]) != frames:
        return None
    dtype = np.dtype(layout.order + kind)
    data = entry[4 + word : 4 + word + frames * dtype.itemsize]
    if frames * dtype.itemsize > word:
        start = layout.number(entry[4 + word :])
        data = lookahead.bytes_at(start, frames * dtype.itemsize)
    return np.frombuffer(data, dtype)
