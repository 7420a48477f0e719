"""Items framed alike are stepped over as one.

The items of a sequence with 100,000 of them differ in their values, hardly in their framing.
The tags, VRs and lengths of an item that was walked become a pattern; an item that matches it
byte for byte has the same framing, so it ends where the pattern ends.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from lazydicom._header.window import Window

_PATTERNS_KEPT: Final = 64
"""Lengths of decimal strings vary, so that a series has some tens of framings."""
_LARGEST_ITEM: Final = 1 << 16


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


class ItemPatterns:
    """The framings of a sequence's items, the one used last first."""

    def __init__(self) -> None:
        self._patterns: list[re.Pattern[bytes]] = []
        self._steps: list[Step] = []
        self._walked = 0

    def note(self, step: Step) -> None:
        """Remember a step of the walk through an item."""
        self._steps.append(step)

    def skip(self, window: Window, position: int) -> int:
        """Step over the items at `position` that match; called between two items."""
        self._learn(window)
        for end in self._matches(window, position):
            position = end
        return position

    def _matches(self, window: Window, position: int) -> Iterator[int]:
        """Give the end of each item in turn."""
        patterns, buffer, base = self._patterns, window.buffer, window.base
        searching = bool(patterns)
        while searching:
            searching = False
            for rank, pattern in enumerate(patterns):
                match = pattern.match(buffer, position - base)
                if match is None:
                    continue
                if rank:
                    patterns.insert(0, patterns.pop(rank))
                position = base + match.end()
                searching = True
                yield position
                break

    def _learn(self, window: Window) -> None:
        """Make a pattern of the item that was just walked; a lone item needs none."""
        steps, self._steps = self._steps, []
        self._walked += bool(steps)
        if not steps or not 1 < self._walked <= _PATTERNS_KEPT:
            return
        start, stop = steps[0].start, steps[-1].stop
        if start < window.base or stop > window.stop or stop - start > _LARGEST_ITEM:
            return
        self._patterns.insert(0, _pattern(window, steps))


def _pattern(window: Window, steps: list[Step]) -> re.Pattern[bytes]:
    parts = []
    for start, header, value in steps:
        at = start - window.base
        parts.append(re.escape(bytes(window.buffer[at : at + header])))
        parts.append(b".{%d}" % value if value else b"")
    return re.compile(b"".join(parts), re.DOTALL)
