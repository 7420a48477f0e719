"""What a file says about where its frames begin: Basic and Extended Offset Table.

PS3.5 section A.4, PS3.3 section C.7.6.3.1.8. A table is believed where its numbers can be
true; whether fragments begin where it says is for those who look at the fragments.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._frames.fragments import FragmentArea
from lazydicom._frames.index import FrameIndex, Origin, index_edges
from lazydicom.errors import InvalidDicomError

_WRAP: Final = 1 << 32


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
    if (np.diff(starts) < 8).any():
        raise InvalidDicomError(f"{name} does not go from frame to frame")
    last = fragments.stop if stops is None else int(stops[-1])
    if max(int(starts[-1]) + 8, last) > fragments.stop:
        raise InvalidDicomError(f"{name} points outside Pixel Data")
    if stops is not None and not np.array_equal(stops[:-1], starts[1:]):
        raise InvalidDicomError(f"{name} has lengths that do not fit its offsets")
    return index_edges(np.append(starts, last), origin)
