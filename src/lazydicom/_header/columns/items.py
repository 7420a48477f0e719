"""The items of a long sequence, read block by block, with the places of wanted values.

Where the next item begins is written in an item of defined length and guessed for one of
undefined length; the layout then proves it, byte for byte, or the walker tells.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import field
from itertools import islice
from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.source import ByteRange, ByteSource, Lookahead
from lazydicom._header import tags
from lazydicom._header.columns.layout import (
    HEADER_ROOM,
    Layout,
    Places,
    Tree,
    follow_layout,
    walk_item,
)
from lazydicom._header.walker import UNDEFINED, Framing, read_element

if TYPE_CHECKING:
    from lazydicom._header.columns.layout import WalkedItem

_FIRST_BLOCK: Final = 1 << 16
_LARGEST_BLOCK: Final = 1 << 22
_FIRST_BATCH: Final = 64
_LARGEST_BATCH: Final = 1 << 14
"""Each item costs 16 bytes for each wanted element while a batch is at hand."""
_MOST_MISSES: Final = 12
_FEW: Final = 8
_TRIES: Final = 2
"""How often items are taken for alike that are not, before each is looked at."""
_LENGTHS_KEPT: Final = 16
_LAYOUTS_KEPT: Final = 32


class SequenceItems(NamedTuple):
    """Where items lie, and what is wanted of them."""

    source: ByteSource
    framing: Framing
    start: int
    """First item."""
    stop: int
    """End of the value; of undefined length: the latest it can be."""
    tree: Tree
    wanted: int
    """How many elements the tree numbers."""
    vrs: Sequence[str] = ()
    """VR of each; none where any is taken."""


class SequenceItemBatch(NamedTuple):
    """Items that lie in memory."""

    data: NDArray[np.uint8]
    places: Places
    """Where the wanted values lie in it."""


def read_items(items: SequenceItems) -> Iterator[SequenceItemBatch]:
    """Read all items in turn, each byte about once.

    Raises
    ------
    InvalidDicomError
        If the bytes contradict the standard.
    """
    guess = _Guess(items.framing)
    layouts: list[Layout] = []
    at, room, misses, batch = items.start, _FIRST_BLOCK, 0, _FIRST_BATCH
    while at < items.stop:
        block = _read_block(items, at, min(room, items.stop - at))
        before = at
        while len((batch_of_items := guess.items(block, at, batch)).starts):
            first = not layouts
            ready, good = _follow(items, block, layouts, batch_of_items)
            guess.by_border &= first or good > 0
            if good:
                yield ready
                at = int(batch_of_items.ends[good - 1])
            batch = min(batch * 4, _LARGEST_BATCH)
            if good < len(batch_of_items.starts):
                batch = _FIRST_BATCH
                misses = 0 if good else min(misses + 1, _MOST_MISSES)
                yield (walked := _walk(items, at, layouts, guess, 1 << misses))[0]
                at = walked[1]
        if batch_of_items.closed or at >= items.stop:
            return
        if at == before:  # the end of this item can only be walked to
            yield (walked := _walk(items, at, layouts, guess, 1))[0]
            at = walked[1]
        room = min(4 * room, _LARGEST_BLOCK)


class _Block(NamedTuple):
    """A piece of the file, `HEADER_ROOM` zeros behind it."""

    offset: int
    buffer: bytes
    length: int

    @property
    def data(self) -> NDArray[np.uint8]:
        return np.frombuffer(self.buffer, np.uint8)


class _Found(NamedTuple):
    """Items in a block, as far as can be told without walking."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    closed: bool
    """Whether the sequence ends behind them."""


def _read_block(items: SequenceItems, offset: int, length: int) -> _Block:
    data = items.source.read(ByteRange(offset, length))
    return _Block(offset, bytes(data) + bytes(HEADER_ROOM), length)


def _follow(
    items: SequenceItems, block: _Block, layouts: list[Layout], found: _Found
) -> tuple[SequenceItemBatch, int]:
    """Find the wanted values of the items that a known layout fits, up to the first other."""
    data = block.data
    starts, ends = found.starts - block.offset, found.ends - block.offset
    if layouts:  # most items are as the last ones were
        every, places, reached = follow_layout(
            layouts[0], data, starts, ends, items.wanted
        )
        if every.all() and (reached == ends).all():
            return SequenceItemBatch(data, places), len(starts)
    shape = (items.wanted, len(starts))
    places = Places(np.zeros(shape, np.int64), np.zeros(shape, np.int64))
    waiting = np.arange(len(starts))
    for rank, layout in enumerate(layouts):
        good, some, reached = follow_layout(
            layout, data, starts[waiting], ends[waiting], items.wanted
        )
        good &= reached == ends[waiting]
        if good.any():
            places.offsets[:, waiting[good]] = some.offsets[:, good]
            places.lengths[:, waiting[good]] = some.lengths[:, good]
            waiting = waiting[~good]
        if not len(waiting):
            layouts.insert(0, layouts.pop(rank))
            break
    count = int(waiting[0]) if len(waiting) else len(starts)
    kept = Places(places.offsets[:, :count], places.lengths[:, :count])
    return SequenceItemBatch(data, kept), count


def _walk(
    items: SequenceItems,
    start: int,
    layouts: list[Layout],
    guess: "_Guess",
    count: int,
) -> tuple[SequenceItemBatch, int]:
    """Walk through up to `count` items, return their values and where the last one ends.

    The layout of the last one is kept. Where items differ from each other, trying known
    layouts costs more than walking does, so more of them are walked at once.
    """
    lookahead = Lookahead(items.source, None)
    walked: list[WalkedItem] = []
    at = start
    while len(walked) < count and at < min(items.stop, start + _LARGEST_BLOCK):
        if walked and read_element(lookahead, at, items.framing).tag != tags.ITEM:
            break
        walked.append(walk_item(lookahead, at, items.framing, items.tree, items.vrs))
        guess.learn(walked[-1].end - at)
        at = walked[-1].end
    if walked[-1].layout is not None:
        layouts.insert(0, walked[-1].layout)
        del layouts[_LAYOUTS_KEPT:]
    shape = (items.wanted, len(walked))
    places = Places(np.zeros(shape, np.int64), np.zeros(shape, np.int64))
    for column, one in enumerate(walked):
        for number, (offset, length) in one.values.items():
            places.offsets[number, column] = offset - start
            places.lengths[number, column] = length
    return SequenceItemBatch(_read_block(items, start, at - start).data, places), at


@dataclass(slots=True)
class _Guess:
    """Where items end, as those before them did."""

    framing: Framing
    lengths: list[int] = field(default_factory=list)
    """Of items of undefined length, the last one first."""
    by_border: bool = True
    """Whether what looks like the border of two items was one so far. It is none where
    items hold sequences of several items; then lengths are better guesses."""

    def items(self, block: _Block, start: int, most: int) -> _Found:
        """Find up to `most` items in a row that lie in the block as a whole."""
        borders = self._borders(block, start, most)
        if borders:
            ends = np.array(borders, np.int64)
            return _Found(
                np.array([start, *borders[:-1]], np.int64), ends, closed=False
            )
        marks = _MARKS[self.framing.little_endian]
        item, length_of = marks.item, marks.length.unpack_from
        buffer, at = block.buffer, start - block.offset
        sizes: list[int] = []
        counts: list[int] = []
        count, tries = 0, _TRIES
        while count < most and buffer.startswith(item, at):
            (length,) = length_of(buffer, at + 4)
            end = self._guess(buffer, at) if length == UNDEFINED else at + 8 + length
            if not 0 < end <= block.length:
                break
            alike = 1
            if tries and sizes and sizes[-1] == end - at:
                alike = _count_alike(block, at, end - at, most - count)
                tries -= alike < _FEW
            sizes.append(end - at)
            counts.append(alike)
            count += alike
            at += alike * (end - at)
        closed = count < most and buffer.startswith(marks.sequence_end, at)
        ends = start + np.cumsum(np.repeat(np.array(sizes, np.int64), counts))
        starts = np.concatenate(([np.int64(start)], ends[:-1])) if count else ends
        return _Found(starts, ends, closed)

    def _borders(self, block: _Block, start: int, most: int) -> list[int]:
        """Return where items of undefined length end by what stands between them."""
        marks, at = _MARKS[self.framing.little_endian], start - block.offset
        head = block.buffer[at : at + 8]
        if not self.by_border or head != marks.undefined_item:
            return []
        borders = marks.plain_border.finditer(block.buffer, at + 8, block.length)
        return [block.offset + one.start() + 8 for one in islice(borders, most)]

    def learn(self, length: int) -> None:
        """Remember how long an item is."""
        if length in self.lengths:
            self.lengths.remove(length)
        self.lengths.insert(0, length)
        del self.lengths[_LENGTHS_KEPT:]

    def _guess(self, buffer: bytes, at: int) -> int:
        """Guess where an item of undefined length ends, -1 where nothing looks like it."""
        marks = _MARKS[self.framing.little_endian]
        for length in self.lengths:
            end = at + length
            delimited = buffer.startswith(marks.item_end, end - 8)
            if delimited and buffer.startswith(marks.follows, end):
                return end
        match = marks.border.search(buffer, at + 8)
        if match is None:
            return -1
        self.learn(match.end() - at)
        return match.end()


def _count_alike(block: _Block, start: int, size: int, most: int) -> int:
    """Return how many items in a row, the first included, have its size, head and tail."""
    count = min(most, (block.length - start) // size)
    if count < _FEW:
        return 1
    rows = block.data[start : start + count * size].reshape(count, size)
    for part in (rows[:, :8], rows[:, -8:]):
        same = (part == part[0]).all(axis=1)
        count = min(count, len(same) if same.all() else int(same.argmin()))
    return count


class _Marks(NamedTuple):
    """What to look for between items, in one byte order."""

    item: bytes
    item_end: bytes
    sequence_end: bytes
    follows: tuple[bytes, bytes]
    """What may stand behind an item."""
    border: re.Pattern[bytes]
    """An item delimiter that an item follows."""
    plain_border: re.Pattern[bytes]
    """The same, where the delimiter has no length, as it should: it is found sooner."""
    undefined_item: bytes
    """How an item of undefined length begins."""
    length: Struct


def _marks(order: str) -> _Marks:
    item, item_end, sequence_end = (
        Struct(order + "HH").pack(tag >> 16, tag & 0xFFFF)
        for tag in (tags.ITEM, tags.ITEM_DELIMITER, tags.SEQUENCE_DELIMITER)
    )
    border = re.escape(item_end) + rb".{4}(?=" + re.escape(item) + rb")"
    pattern = re.compile(border, re.DOTALL)
    follows = (item, sequence_end)
    return _Marks(
        item=item,
        item_end=item_end,
        sequence_end=sequence_end,
        follows=follows,
        border=pattern,
        plain_border=re.compile(re.escape(item_end + bytes(4) + item), re.DOTALL),
        undefined_item=item + b"\xff" * 4,
        length=Struct(order + "I"),
    )


_MARKS: Final = {True: _marks("<"), False: _marks(">")}
