"""Walking over the fragments of encapsulated Pixel Data (PS3.5 annex A.4).

Only item headers are read: a tag and a length each.
"""

from array import array
from dataclasses import dataclass
from struct import Struct
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lazydicom._header import tags
from lazydicom._header.lookahead import Lookahead
from lazydicom._header.walker import UNDEFINED
from lazydicom.errors import InvalidDicomError, format_tag

ITEM_HEADER: Final = Struct("<HHI")
ITEM_WORDS: Final = (tags.ITEM >> 16, tags.ITEM & 0xFFFF)
_END_WORDS: Final = (tags.SEQUENCE_DELIMITER >> 16, tags.SEQUENCE_DELIMITER & 0xFFFF)
_ITEM_AS_READ: Final = 0xE000FFFE
"""The tag as one little-endian number."""


@dataclass(frozen=True, slots=True)
class FragmentArea:
    """Where the fragments of encapsulated Pixel Data lie, and what they are to hold."""

    start: int
    """Where the Basic Offset Table item begins."""
    first: int
    """Where the first fragment begins, from which the offsets of the table count."""
    stop: int
    """End of the value; of undefined length: the end of the file, at the latest."""
    delimited: bool
    """Whether a Sequence Delimitation Item has to end it."""
    codec: str
    """Codec family of the frames."""
    frames: int
    """Frames declared."""


class Fragments(NamedTuple):
    """What a walk over the fragments finds."""

    starts: NDArray[np.int64]
    """Offset of each fragment's tag."""
    lengths: NDArray[np.int64]
    """Length of each fragment's value."""
    stop: int
    """The byte after the last complete one."""
    fault: str | None
    """Why Pixel Data ends too early, ``None`` where it does not."""


def walk_fragments(
    lookahead: Lookahead,
    fragments: FragmentArea,
    start: int,
    *,
    guess: NDArray[np.int64] | None = None,
) -> Fragments:
    """Walk from the fragment at `start` to the end of Pixel Data.

    Parameters
    ----------
    lookahead : Lookahead
        On the file.
    fragments : FragmentArea
        Where they end.
    start : int
        First fragment of the walk.
    guess : ndarray of int64, optional
        Offsets of fragments, in order. Where each fragment ends exactly at the next one, they
        are what the walk would find, and are all read at once.

    Raises
    ------
    InvalidDicomError
        If there is something else where a fragment should be.
    """
    starts, lengths = array("q"), array("q")
    position = start
    if guess is not None and (followed := _follow(lookahead, guess, start)) is not None:
        starts.frombytes(guess[:-1].tobytes())
        lengths.frombytes(followed.tobytes())
        position = int(guess[-1])
    fault = None
    while (found := _next_item(lookahead, fragments, position)) is not None:
        if found > fragments.stop - position - 8:
            fault = f"Expected a fragment of {found} bytes, Pixel Data ends before"
            break
        starts.append(position)
        lengths.append(found)
        position += 8 + found
    else:
        fault = _lacks_end(fragments, position)
    return Fragments(_column(starts), _column(lengths), position, fault)


def peek(lookahead: Lookahead, offsets: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Read the 8 bytes at each offset as a little-endian number.

    Each must lie in the file; bytes behind its end are zero.
    """
    held = len(lookahead.buffer)
    if not _at_hand(lookahead, offsets) or held < 8:
        return np.array(
            [_peek_one(lookahead, at) for at in offsets.tolist()], np.uint64
        )
    every: NDArray[np.uint64] = np.ndarray(
        (held - 7,), np.dtype("<u8"), buffer=lookahead.buffer, strides=(1,)
    )  # every 8 bytes, wherever they begin
    at = offsets - lookahead.base
    over = np.maximum(at - (held - 8), 0)
    return every[at - over] >> (8 * over).astype(np.uint64)


def _at_hand(lookahead: Lookahead, offsets: NDArray[np.int64]) -> bool:
    if not len(offsets):
        return False
    last = int(offsets.max())
    return lookahead.holds(int(offsets.min()), min(last + 8, lookahead.size))


def _peek_one(lookahead: Lookahead, offset: int) -> int:
    length = min(8, lookahead.size - offset)
    return int.from_bytes(lookahead.bytes_at(offset, length), "little")


def _next_item(
    lookahead: Lookahead, fragments: FragmentArea, position: int
) -> int | None:
    """Read the length of the fragment at `position`, ``None`` where fragments end."""
    if position + 8 > fragments.stop:
        return None
    at = lookahead.seek(position, 8)
    group, element, length = ITEM_HEADER.unpack_from(lookahead.buffer, at)
    if (group, element) == ITEM_WORDS and length != UNDEFINED:
        return int(length)
    if (group, element) == _END_WORDS:
        return None
    found = format_tag(group << 16 | element)
    if length == UNDEFINED and (group, element) == ITEM_WORDS:
        found = "one of undefined length"
    message = f"Expected Item (FFFE,E000), found {found}"
    raise InvalidDicomError(
        message, url=lookahead.url, offset=position, tag=tags.PIXEL_DATA
    )


def _lacks_end(fragments: FragmentArea, position: int) -> str | None:
    """Return why fragments should go on at `position`."""
    if position + 8 <= fragments.stop or (
        position == fragments.stop and not fragments.delimited
    ):
        return None
    return "Expected an Item or Sequence Delimitation Item, Pixel Data ends before"


def _follow(
    lookahead: Lookahead, guess: NDArray[np.int64], start: int
) -> NDArray[np.int64] | None:
    """Return the lengths of all fragments but the last, where the guess is right."""
    if guess[0] != start or not _at_hand(lookahead, guess):
        return None
    heads = peek(lookahead, guess[:-1])
    lengths = (heads >> np.uint64(32)).astype(np.int64)
    tagged = (heads & np.uint64(0xFFFFFFFF)) == _ITEM_AS_READ
    right = tagged & (guess[:-1] + 8 + lengths == guess[1:]) & (lengths != UNDEFINED)
    return lengths if right.all() else None


def _column(numbers: "array[int]") -> NDArray[np.int64]:
    return np.frombuffer(numbers, np.int64) if numbers else np.empty(0, np.int64)
