"""The layout of a sequence's item, learned from one and followed through all at once.

The items of a sequence with 100,000 of them are framed alike: the same tags in the same order,
values of other lengths. So the walk through one of them is a list of steps, and each step is
taken through all items together. An item that differs drops out; a layout of its own is learned
from it. Nothing is searched: what a step meets is checked byte for byte.
"""

from collections.abc import Iterable, Sequence
from dataclasses import field
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.source import Lookahead
from lazydicom._header import tags
from lazydicom._header.attributes import Path
from lazydicom._header.columns.column import lookaheads
from lazydicom._header.values import reads_alike
from lazydicom._header.walker import (
    MAX_DEPTH,
    UNDEFINED,
    Element,
    Framing,
    end_of,
    inner_framing,
    read_element,
)
from lazydicom.errors import InvalidDicomError, LimitError, format_tag, warn

HEADER_ROOM: Final = 16
"""Bytes that must follow the last item in memory, so that a header can be looked at."""
_LONGEST_LAYOUT: Final = 1 << 12
"""Steps; each is taken through many items at once, which does not pay for one."""
_MOST_STEPS: Final = 1 << 16
_CLOSING: Final = (tags.SEQUENCE_DELIMITER, tags.ITEM_DELIMITER)
"""What ends the value of a sequence, and of an item."""

Tree: TypeAlias = "dict[int, Tree | int]"
"""Wanted elements by tag: a number names one, a tree is a sequence that holds some."""


class Step(NamedTuple):
    """One element header that every item must have at this point of its walk."""

    head: bytes
    """What must stand there, up to the length."""
    size: int
    """Length of the header."""
    length_bytes: int
    """The last bytes of the header that are the length; 0 for a delimiter."""
    little_endian: bool
    enters: bool
    """Whether the walk goes into the value rather than over it."""
    undefined: bool
    """Whether delimiters end the value."""
    wanted: int = -1
    """Number of the wanted element, -1 for any other."""


Layout: TypeAlias = tuple[Step | None, ...]
"""The steps from the tag of an item to its end; ``None`` is the end of a value."""


class Places(NamedTuple):
    """Where the wanted values of items lie."""

    offsets: NDArray[np.int64]
    """By wanted element and item."""
    lengths: NDArray[np.int64]
    """0 where there is no value."""


def wanted_tree(paths: Iterable[Path]) -> Tree:
    """Return a tree of paths, numbered in their order.

    >>> wanted_tree([(1, 2), (1, 3)])
    {1: {2: 0, 3: 1}}
    """
    tree: Tree = {}
    for number, path in enumerate(paths):
        branch = tree
        for tag in path[:-1]:
            inner = branch.setdefault(tag, {})
            assert isinstance(inner, dict)
            branch = inner
        branch[path[-1]] = number
    return tree


class WalkedItem(NamedTuple):
    """What was met on the walk through one item."""

    layout: Layout | None
    """``None`` if it has too many steps to be followed."""
    values: dict[int, tuple[int, int]]
    """Offset and length of each wanted value, by its number."""
    end: int
    """The byte after the item."""


def walk_item(
    lookahead: Lookahead,
    start: int,
    framing: Framing,
    tree: Tree,
    vrs: Sequence[str] = (),
) -> WalkedItem:
    """Walk through the item at `start`.

    A wanted element of another VR than that of its number in `vrs` is left out with a warning.

    Raises
    ------
    InvalidDicomError
        If there is no item, or its bytes contradict the standard.
    LimitError
        If sequences are nested deeper than 64, or there are too many elements.
    """
    lesson = _Lesson(lookahead, vrs)
    element = read_element(lookahead, start, framing)
    if element.tag != tags.ITEM:
        raise InvalidDicomError("Expected Item", url=lookahead.url, offset=start)
    end = lesson.enter(element, framing, tree, depth=0)
    short = len(lesson.steps) <= _LONGEST_LAYOUT
    return WalkedItem(tuple(lesson.steps) if short else None, lesson.values, end)


def learn_elements(
    lookahead: Lookahead, sections: Sequence[tuple[int, int, Framing]], tree: Tree
) -> Layout:
    """Walk through elements section by section: from a byte to a byte, framed alike.

    The element behind the last section ends the layout, with its header.
    """
    lesson = _Lesson(lookahead)
    for start, stop, framing in sections:
        at = start
        while at < stop:
            element = read_element(lookahead, at, framing)
            at = lesson.pass_over(element, framing, tree, lookahead.size, depth=0)
    lesson.pass_into(read_element(lookahead, at, framing), framing, tree)
    return tuple(lesson.steps)


def follow_layout(
    layout: Layout,
    data: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    number_wanted: int,
) -> tuple[NDArray[np.bool_], Places, NDArray[np.int64]]:
    """Return which items follow the steps, where their values lie, and where they end.

    Parameters
    ----------
    layout : Layout
        The steps.
    data : ndarray of uint8
        A block of the file; `HEADER_ROOM` bytes follow the last item.
    starts, ends : ndarray of int64
        Where the items begin, and where they end at the latest.
    number_wanted : int
        How many elements the tree numbers.
    """
    shape = (number_wanted, len(starts))
    places = Places(np.zeros(shape, np.int64), np.zeros(shape, np.int64))
    heads, limit = lookaheads(data, HEADER_ROOM), len(data) - HEADER_ROOM
    cursor, good = starts.copy(), np.ones(len(starts), np.bool_)
    stops: list[NDArray[np.int64] | None] = []
    for step in layout:
        if step is None:
            stop = stops.pop()
            good &= True if stop is None else cursor == stop
            continue
        rows = heads[np.minimum(cursor, limit)]
        good &= _same(rows, step.head)
        lengths = _lengths(rows, step)
        cursor = cursor + step.size
        if step.wanted >= 0:
            places.offsets[step.wanted], places.lengths[step.wanted] = cursor, lengths
        if step.enters:
            good &= (lengths == UNDEFINED) == step.undefined
            stops.append(None if step.undefined else cursor + lengths)
            continue
        cursor = cursor + lengths
        good &= cursor <= ends
    return good, places, cursor


@dataclass(slots=True)
class _Lesson:
    """The walk through one item."""

    lookahead: Lookahead
    vrs: Sequence[str] = ()
    """VR of each wanted element; none where any is taken."""
    values: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Wanted elements met so far: of two of one tag, the first holds."""
    steps: list[Step | None] = field(default_factory=list)

    def enter(
        self, element: Element, framing: Framing, tree: Tree, *, depth: int
    ) -> int:
        """Walk through the value of a sequence or an item, return the byte after it.

        Of several items of a sequence the first holds; nothing of the others is wanted.
        """
        undefined = element.length == UNDEFINED
        self._check_depth(element, depth)
        self.steps.append(self._step(element, framing, enters=True))
        inside = inner_framing(self.lookahead, element, framing)
        stop = self.lookahead.size if undefined else element.offset + element.length
        at = element.offset
        while undefined or at < stop:
            one = read_element(self.lookahead, at, inside)
            if undefined and one.tag == _CLOSING[element.tag == tags.ITEM]:
                self.steps.append(self._delimiter(one, inside))
                at = one.offset
                break
            if element.tag == tags.ITEM:
                at = self.pass_over(one, inside, tree, stop, depth=depth + 1)
            else:
                self._check_item(one)
                at = self.enter(one, inside, tree, depth=depth + 1)
                tree = {}
        if at > stop:
            raise self._invalid("Items run over the end of their sequence", element)
        self.steps.append(None)
        return at

    def pass_over(
        self, one: Element, framing: Framing, tree: Tree, stop: int, *, depth: int
    ) -> int:
        """Go into what holds wanted elements or is of undefined length, else over it."""
        branch = tree.get(one.tag, -1)
        if isinstance(branch, dict) or one.length == UNDEFINED:
            inner = branch if isinstance(branch, dict) else {}
            return self.enter(one, framing, inner, depth=depth)
        wanted = -1 if branch in self.values else branch
        if wanted >= 0 and self.vrs and not reads_alike(self.vrs[wanted], one.vr):
            expected = f"Expected VR {self.vrs[wanted]}, found {one.vr}"
            warn(f"{expected}: {format_tag(one.tag)}", url=self.lookahead.url)
            wanted = -1
        if wanted >= 0:
            self.values[wanted] = (one.offset, one.length)
        self.steps.append(self._step(one, framing, wanted=wanted))
        return end_of(self.lookahead, one, framing, stop)

    def pass_into(self, one: Element, framing: Framing, tree: Tree) -> None:
        """Stop behind the header of the last element."""
        wanted = tree.get(one.tag, -1)
        assert isinstance(wanted, int)
        self.steps.append(self._step(one, framing, enters=True, wanted=wanted))

    def _step(
        self, one: Element, framing: Framing, *, enters: bool = False, wanted: int = -1
    ) -> Step:
        if len(self.steps) >= _MOST_STEPS:
            message = f"More than {_MOST_STEPS} elements in one item"
            url, tag = self.lookahead.url, one.tag
            raise LimitError(message, url=url, offset=one.start, tag=tag)
        size = one.offset - one.start
        head = self.lookahead.bytes_at(one.start, 6 if one.vr else 4)
        length_bytes = 2 if one.vr and size == 8 else 4
        undefined = one.length == UNDEFINED
        little = framing.little_endian
        return Step(head, size, length_bytes, little, enters, undefined, wanted)

    def _delimiter(self, one: Element, framing: Framing) -> Step:
        head = self.lookahead.bytes_at(one.start, 8)
        little = framing.little_endian
        return Step(head, 8, 0, little, enters=False, undefined=False)

    def _check_item(self, one: Element) -> None:
        if one.tag != tags.ITEM:
            tag_text = format_tag(one.tag)
            raise self._invalid(f"Expected Item (FFFE,E000), found {tag_text}", one)

    def _check_depth(self, element: Element, depth: int) -> None:
        if depth > 2 * MAX_DEPTH:
            message = f"Sequences nested deeper than {MAX_DEPTH}"
            url, tag = self.lookahead.url, element.tag
            raise LimitError(message, url=url, offset=element.start, tag=tag)

    def _invalid(self, message: str, element: Element) -> InvalidDicomError:
        return InvalidDicomError(
            message, url=self.lookahead.url, offset=element.start, tag=element.tag
        )


def _same(rows: NDArray[np.uint8], head: bytes) -> NDArray[np.bool_]:
    mask, expected = (
        int.from_bytes(one, "little") for one in (b"\xff" * len(head), head)
    )
    words = rows.view("<u8")[:, 0]
    same: NDArray[np.bool_] = (words & np.uint64(mask)) == np.uint64(expected)
    return same


def _lengths(rows: NDArray[np.uint8], step: Step) -> NDArray[np.int64]:
    width = step.length_bytes
    if not width:
        return np.zeros(len(rows), np.int64)
    part = np.ascontiguousarray(rows[:, step.size - width : step.size])
    order = "<" if step.little_endian else ">"
    return part.view(f"{order}u{width}")[:, 0].astype(np.int64)
