"""Items framed alike are stepped over as one.

The items of a sequence with 100,000 of them differ in their values, hardly in their framing.
The tags, VRs and lengths of an item that was walked become a pattern; an item that matches it
byte for byte has the same framing, so it ends where the pattern ends.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from lazydicom._header.lookahead import Lookahead

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


class SequenceItemPatterns:
    """The framings of a sequence's items, the one used last first."""

    def __init__(self) -> None:
        self._patterns: list[re.Pattern[bytes]] = []
        self._steps: list[Step] = []
        self._walked = 0

    def note(self, step: Step) -> None:
        """Remember a step of the walk through an item."""
        self._steps.append(step)

    def skip(self, lookahead: Lookahead, position: int) -> int:
        """Step over the items at `position` that match; called between two items."""
        self._learn(lookahead)
        for end in self._matches(lookahead, position):
            position = end
        return position

    def _matches(self, lookahead: Lookahead, position: int) -> Iterator[int]:
        """Return the end of each item in turn."""
        patterns, buffer, base = self._patterns, lookahead.buffer, lookahead.base
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

    def _learn(self, lookahead: Lookahead) -> None:
        """Make a pattern of the item that was just walked; a lone item needs none."""
        steps, self._steps = self._steps, []
        self._walked += bool(steps)
        if not steps or not 1 < self._walked <= _PATTERNS_KEPT:
            return
        start, stop = steps[0].start, steps[-1].stop
        if (
            start < lookahead.base
            or stop > lookahead.stop
            or stop - start > _LARGEST_ITEM
        ):
            return
        self._patterns.insert(0, _pattern(lookahead, steps))


def _pattern(lookahead: Lookahead, steps: list[Step]) -> re.Pattern[bytes]:
    parts = []
    for start, header, value in steps:
        at = start - lookahead.base
        parts.append(re.escape(bytes(lookahead.buffer[at : at + header])))
        parts.append(b".{%d}" % value if value else b"")
    return re.compile(b"".join(parts), re.DOTALL)
