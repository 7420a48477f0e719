"""Stepping over the items of a long sequence that are framed alike (PS3.5 section 7.5).

The items of a sequence with 100,000 of them differ in their values, hardly in their framing.
The tags, VRs and lengths of an item that was walked become a pattern; an item that matches it
byte for byte has the same framing, so it ends where the pattern ends. Where one pattern fits
again and again, NumPy compares many items at once.
"""

import re
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lazydicom._bytes.source import BytesLike, Lookahead

_PATTERNS_KEPT: Final = 64
"""Lengths of decimal strings vary, so that a series has some tens of framings."""
_LARGEST_ITEM: Final = 1 << 16
_STREAK: Final = 64
"""Items alike after which as many more are looked at together: that takes 20 µs."""
_COMPARED: Final = 1 << 17
"""128 KiB: what is compared at once lies in the cache of a core."""


class Step(NamedTuple):
    """One step of the walk: a header, and the value behind it that was stepped over."""

    start: int
    """First byte of the header."""
    header: int
    """Length of the header."""
    value: int
    """Length of the value; 0 where the walk goes into it."""

    @property
    def stop(self) -> int:
        """The byte after header and value."""
        return self.start + self.header + self.value


class _Pattern(NamedTuple):
    """The framing of an item."""

    one: re.Pattern[bytes]
    item: NDArray[np.uint8]
    """The item it was made of."""
    framing: NDArray[np.uint8]
    """255 where a byte is of a header, 0 where it is of a value."""

    def run(self, buffer: BytesLike, at: int, most: int) -> int:
        """Return how many items match one after the other from `at` on, of some at most."""
        length = len(self.item)
        room = min(len(buffer) - at, max(_COMPARED, length))
        many = min(room // length, most)
        items = np.frombuffer(buffer, np.uint8, many * length, at)
        differing = (items.reshape(many, length) ^ self.item) & self.framing
        if differing.any():
            return int(differing.any(axis=1).argmax())
        return many


class ItemPatterns:
    """The framings of a sequence's items, the one used last first."""

    def __init__(self) -> None:
        self._patterns: list[_Pattern] = []
        self._steps: list[Step] = []
        self._walked = 0
        self._longest = 0
        self.learning = True
        """Whether the item at hand can become a pattern."""

    def note(self, step: Step) -> None:
        """Remember a step of the walk through an item that is not too long."""
        if self.learning:
            self._steps.append(step)
            self.learning = step.stop - self._steps[0].start <= _LARGEST_ITEM

    def skip(self, lookahead: Lookahead, position: int) -> int:
        """Step over the items at `position` that match; called between two items."""
        self._learn(lookahead)
        patterns, buffer = self._patterns, lookahead.buffer
        at, streak = position - lookahead.base, 0
        while True:
            for rank in range(len(patterns)):
                match = patterns[rank].one.match(buffer, at)
                if match is not None:
                    break
            else:
                position = lookahead.base + at
                stop = position + self._longest
                if not lookahead.stop < stop <= lookahead.size:
                    return position
                at = lookahead.seek(position, self._longest)  # not here as a whole
                buffer = lookahead.buffer
                continue
            at, streak = match.end(), streak + 1
            if rank:
                patterns.insert(0, patterns.pop(rank))
                streak = 0
            elif streak > _STREAK:
                more = patterns[0].run(buffer, at, streak)
                at += more * len(patterns[0].item)
                streak = streak + more if more else 0

    def _learn(self, lookahead: Lookahead) -> None:
        """Make a pattern of the item that was just walked; a lone item needs none."""
        steps, self._steps, learning = self._steps, [], self.learning
        self.learning = True
        self._walked += bool(steps)
        if not steps or not learning or not 1 < self._walked <= _PATTERNS_KEPT:
            return
        start, stop = steps[0].start, steps[-1].stop
        if (
            start < lookahead.base
            or stop > lookahead.stop
            or stop - start > _LARGEST_ITEM
        ):
            return
        self._patterns.insert(0, _pattern(lookahead, steps))
        self._longest = max(self._longest, stop - start)


def _pattern(lookahead: Lookahead, steps: list[Step]) -> _Pattern:
    """Make a pattern of an item that lies in the buffer as a whole."""
    first = steps[0].start
    at = first - lookahead.base
    data = bytes(lookahead.buffer[at : at + steps[-1].stop - first])
    parts, framing = [], np.zeros(len(data), np.uint8)
    for start, header, value in steps:
        at = start - first
        parts.append(re.escape(data[at : at + header]))
        parts.append(b".{%d}" % value if value else b"")
        framing[at : at + header] = 0xFF
    one = re.compile(b"".join(parts), re.DOTALL)
    return _Pattern(one, np.frombuffer(data, np.uint8), framing)
