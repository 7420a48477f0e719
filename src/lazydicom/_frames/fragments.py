"""Walking over the items of encapsulated Pixel Data (PS3.5 annex A.4).

Only item headers are read: a tag and a length each.
"""

from array import array
from dataclasses import dataclass
from struct import Struct
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lazydicom._header.walker import ITEM, SEQUENCE_DELIMITER, UNDEFINED
from lazydicom._header.window import Window
from lazydicom.errors import InvalidDicomError, format_tag

PIXEL_DATA: Final = 0x7FE00010

ITEM_HEADER: Final = Struct("<HHI")
ITEM_WORDS: Final = (ITEM >> 16, ITEM & 0xFFFF)
_END_WORDS: Final = (SEQUENCE_DELIMITER >> 16, SEQUENCE_DELIMITER & 0xFFFF)
_ITEM_AS_READ: Final = 0xE000FFFE
"""The tag as one little-endian number."""


@dataclass(frozen=True, slots=True)
class PixelItems:
    """Where the items of encapsulated Pixel Data lie, and what they are to hold."""

    start: int
    """First item, the Basic Offset Table."""
    first: int
    """First fragment: the item after it, from which its offsets count."""
    stop: int
    """End of the value; of undefined length: the end of the file, at the latest."""
    delimited: bool
    """Whether a Sequence Delimitation Item has to end it."""
    codec: str
    """Codec family of the frames."""
    frames: int
    """Frames declared."""


class Fragments(NamedTuple):
    """What a walk over the items finds."""

    starts: NDArray[np.int64]
    """Offset of each item's tag."""
    lengths: NDArray[np.int64]
    """Length of each item's value."""
    stop: int
    """The byte after the last complete one."""
    fault: str | None
    """Why Pixel Data ends too early, ``None`` where it does not."""


def walk_items(
    window: Window,
    items: PixelItems,
    start: int,
    *,
    guess: NDArray[np.int64] | None = None,
) -> Fragments:
    """Walk from the item at `start` to the end of Pixel Data.

    Parameters
    ----------
    window : Window
        On the file.
    items : PixelItems
        Where they end.
    start : int
        First item of the walk.
    guess : ndarray of int64, optional
        Offsets of items, in order. Where each item ends exactly at the next one, they
        are what the walk would find, and are all read at once.

    Raises
    ------
    InvalidDicomError
        If there is something else where an item should be.
    """
    starts, lengths = array("q"), array("q")
    position = start
    if guess is not None and (followed := _follow(window, guess, start)) is not None:
        starts.frombytes(guess[:-1].tobytes())
        lengths.frombytes(followed.tobytes())
        position = int(guess[-1])
    fault = None
    while (found := _next_item(window, items, position)) is not None:
        if found > items.stop - position - 8:
            fault = f"Expected a fragment of {found} bytes, Pixel Data ends before"
            break
        starts.append(position)
        lengths.append(found)
        position += 8 + found
    else:
        fault = _lacks_end(items, position)
    return Fragments(_column(starts), _column(lengths), position, fault)


def peek(window: Window, offsets: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Read the 8 bytes at each offset as a little-endian number.

    Each must lie in the file; bytes behind its end are zero.
    """
    held = len(window.buffer)
    if not _at_hand(window, offsets) or held < 8:
        return np.array([_peek_one(window, at) for at in offsets.tolist()], np.uint64)
    every: NDArray[np.uint64] = np.ndarray(
        (held - 7,), np.dtype("<u8"), buffer=window.buffer, strides=(1,)
    )  # every 8 bytes, wherever they begin
    at = offsets - window.base
    over = np.maximum(at - (held - 8), 0)
    return every[at - over] >> (8 * over).astype(np.uint64)


def _at_hand(window: Window, offsets: NDArray[np.int64]) -> bool:
    if not len(offsets):
        return False
    last = int(offsets.max())
    return window.holds(int(offsets.min()), min(last + 8, window.size))


def _peek_one(window: Window, offset: int) -> int:
    length = min(8, window.size - offset)
    return int.from_bytes(window.bytes_at(offset, length), "little")


def _next_item(window: Window, items: PixelItems, position: int) -> int | None:
    """Read the length of the item at `position`, ``None`` where items end."""
    if position + 8 > items.stop:
        return None
    at = window.seek(position, 8)
    group, element, length = ITEM_HEADER.unpack_from(window.buffer, at)
    if (group, element) == ITEM_WORDS and length != UNDEFINED:
        return int(length)
    if (group, element) == _END_WORDS:
        return None
    found = format_tag(group << 16 | element)
    if length == UNDEFINED and (group, element) == ITEM_WORDS:
        found = "one of undefined length"
    message = f"Expected Item (FFFE,E000), found {found}"
    raise InvalidDicomError(message, url=window.url, offset=position, tag=PIXEL_DATA)


def _lacks_end(items: PixelItems, position: int) -> str | None:
    """Say why items should go on at `position`."""
    if position + 8 <= items.stop or (position == items.stop and not items.delimited):
        return None
    return "Expected an Item or Sequence Delimitation Item, Pixel Data ends before"


def _follow(
    window: Window, guess: NDArray[np.int64], start: int
) -> NDArray[np.int64] | None:
    """Give the lengths of all items but the last, where the guess is right."""
    if guess[0] != start or not _at_hand(window, guess):
        return None
    heads = peek(window, guess[:-1])
    lengths = (heads >> np.uint64(32)).astype(np.int64)
    tagged = (heads & np.uint64(0xFFFFFFFF)) == _ITEM_AS_READ
    right = tagged & (guess[:-1] + 8 + lengths == guess[1:]) & (lengths != UNDEFINED)
    return lengths if right.all() else None


def _column(numbers: "array[int]") -> NDArray[np.int64]:
    return np.frombuffer(numbers, np.int64) if numbers else np.empty(0, np.int64)
