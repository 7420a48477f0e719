"""The fragments of a distant file without an offset table, followed as far as somebody asks.

Where frames are large, item headers are hopped to, several segments of the file at once;
where they are small, the bytes between them cost less than the requests, and are streamed.
Whatever way, the result is that of a walk from fragment to fragment: a segment that begins
at what only looks like a fragment is dropped, because the walk before it does not end there.
"""

from array import array
from threading import Lock
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.ranges import MAX_BLOCK, MAX_GAP, REQUESTS, read_many
from lazydicom._bytes.source import ByteRange, ByteSource
from lazydicom._decode.codestream_marks import (
    begin,
    end,
    is_one_fragment,
)
from lazydicom._frames.fragments import ITEM_HEADER, ITEM_WORDS, LOOK, FragmentArea
from lazydicom._header import tags

_END_WORDS: Final = (tags.SEQUENCE_DELIMITER >> 16, tags.SEQUENCE_DELIMITER & 0xFFFF)
_ITEM_TAG: Final = ITEM_HEADER.pack(*ITEM_WORDS, 0)[:4]
_LANE_ITEMS: Final = 8
"""A segment must save more round trips than it takes to find its first fragment."""

State = Literal["going", "ended", "doubt"]


@dataclass(eq=False)
class Lane:
    """A walk from fragment to fragment that began somewhere."""

    edges: "array[int]"
    """Where each fragment begins, and where the next one must be. It only grows, by one
    step at a time: who reads it meanwhile sees whole fragments."""
    state: State = "going"

    def __len__(self) -> int:
        """Return the number of fragments found."""
        return len(self.edges) - 1

    @property
    def start(self) -> int:
        """Where the first fragment begins."""
        return self.edges[0]

    @property
    def position(self) -> int:
        """Where the next fragment must be."""
        return self.edges[-1]

    def step(self, look: bytes, fragments: FragmentArea) -> None:
        """Take the next fragment; `look` is what lies around its header."""
        before, header, head = look[:8], look[8:16], look[16:]
        if self.position != fragments.first and not _ends(before, fragments):
            self.state = "doubt"
        elif self.position == fragments.stop and not fragments.delimited:
            self.state = "ended"
        elif len(header) < 8:
            self.state = "doubt"
        else:
            self._take(header, head, fragments)

    def _take(self, header: bytes, head: bytes, fragments: FragmentArea) -> None:
        group, element, length = ITEM_HEADER.unpack(header)
        if (group, element) == _END_WORDS:
            self.state = "ended"
        elif (
            (group, element) != ITEM_WORDS
            or not _begins(head, length, fragments)
            or self.position + 8 + length > fragments.stop
        ):
            self.state = "doubt"
        else:
            self.edges.append(self.position + 8 + length)


def lane_from(position: int) -> Lane:
    """Return a walk that is about to begin."""
    return Lane(array("q", [position]))


class PartialIndex:
    """Fragments known so far, from the first one on, each one whole frame by its marks."""

    def __init__(self, source: ByteSource, fragments: FragmentArea) -> None:
        self.source = source
        self.fragments = fragments
        self._known = lane_from(fragments.first)
        self._lock = Lock()

    @property
    def state(self) -> State:
        """Whether fragments go on, have ended, or one of them is no whole frame."""
        return self._known.state

    def known(self) -> int:
        """Return how many fragments are known, from the first one on."""
        return len(self._known)

    def span(self, number: int) -> ByteRange:
        """Return where a known fragment lies, its header included."""
        start, stop = self._known.edges[number : number + 2]
        return ByteRange(start, stop - start)

    def edges(self) -> NDArray[np.int64]:
        """Return where each known fragment begins, and where the last one ends."""
        return np.array(self._known.edges.tolist(), np.int64)

    def branch(self) -> tuple[int, Lane]:
        """Begin a walk where the known fragments end, and return how many these are."""
        with self._lock:
            return len(self._known), lane_from(self._known.position)

    def learn(self, first: int, lane: Lane) -> None:
        """Take over what a walk knows that began with fragment `first`."""
        with self._lock:
            more = first + len(lane) - len(self._known)
            if more >= 0:
                self._known.edges.extend(lane.edges[len(lane.edges) - more :])
                self._known.state = lane.state

    def reach(self, count: int) -> None:
        """Follow until `count` fragments are known, or the index ends."""
        with self._lock:
            while self.state == "going" and len(self._known) < count:
                if not len(self._known) or self._missing(count) == 1:
                    self._advance([self._known])
                elif self._mean() < MAX_GAP:
                    self._stream(count)
                else:
                    self._hop(count)

    def _mean(self) -> int:
        """Return the mean length of the fragments known."""
        known = self._known
        return (known.position - self.fragments.first) // len(known)

    def _missing(self, count: int) -> int:
        return count - len(self._known)

    def _stream(self, count: int) -> None:
        """Read everything up to where fragment `count` should be."""
        known = self._known
        wanted = self._missing(count) * self._mean() + MAX_GAP
        length = min(wanted, REQUESTS * MAX_BLOCK, self.fragments.stop - known.position)
        base = known.position - 8
        data = memoryview(self.source.read(ByteRange(base, length + 8)))
        whole = base + len(data) == self.fragments.stop
        while known.state == "going":
            at = known.position - 8 - base
            if at + LOOK > len(data) and not whole:
                break
            known.step(bytes(data[at : at + LOOK]), self.fragments)

    def _hop(self, count: int) -> None:
        """Walk several segments at once, one fragment of each per round trip."""
        known = self._known
        stop = known.position + self._missing(count) * self._mean()
        lanes = [known, *self._lanes(count, min(stop, self.fragments.stop))]
        while True:
            walking = [
                lane for lane in lanes if self._goes_on(lane, lanes, count, stop)
            ]
            if not walking:
                break
            self._advance(walking)
            if known.state == "doubt":
                return
            lanes = _without_false_starts(lanes)
        for lane in lanes[1:]:
            known.edges.extend(lane.edges[1:])
            known.state = lane.state

    def _goes_on(self, lane: Lane, lanes: list[Lane], count: int, stop: int) -> bool:
        if lane.state != "going":
            return False
        after = lanes.index(lane) + 1
        if after < len(lanes):
            return lane.position < lanes[after].start
        frames = sum(map(len, lanes))
        return frames < count and (lane.position < stop or len(lanes) == 1)

    def _advance(self, lanes: list[Lane]) -> None:
        last = self.fragments.stop
        spans = [
            ByteRange(lane.position - 8, min(LOOK, last + 8 - lane.position))
            for lane in lanes
        ]
        looks = read_many(self.source, spans)
        for lane, look in zip(lanes, looks, strict=True):
            lane.step(bytes(look), self.fragments)

    def _lanes(self, count: int, stop: int) -> list[Lane]:
        """Find a fragment in each of some segments up to `stop`, as far as it shows."""
        segments = min(REQUESTS, self._missing(count) // _LANE_ITEMS)
        if segments < 2:
            return []
        begins, width = self._known.position, self._mean() * 5 // 4
        guesses = [
            begins + (stop - begins) * number // segments
            for number in range(1, segments)
        ]
        last = self.fragments.stop
        spans = [ByteRange(guess, min(width, last - guess)) for guess in guesses]
        blocks = zip(spans, read_many(self.source, spans), strict=True)
        starts = (self._find_item(span, bytes(data)) for span, data in blocks)
        return list(
            map(lane_from, sorted({start for start in starts if start is not None}))
        )

    def _find_item(self, span: ByteRange, data: bytes) -> int | None:
        at = data.find(_ITEM_TAG)
        while 0 <= at <= len(data) - 16:
            length = int.from_bytes(data[at + 4 : at + 8], "little")
            fits = span.offset + at + 8 + length <= self.fragments.stop
            if fits and _begins(data[at + 8 : at + 16], length, self.fragments):
                return span.offset + at
            at = data.find(_ITEM_TAG, at + 1)
        return None


def _without_false_starts(lanes: list[Lane]) -> list[Lane]:
    """Drop lanes that the walk before them steps over, or that lead nowhere."""
    kept = lanes[:1]
    for lane in lanes[1:]:
        before = kept[-1]
        if before.state == "ended" or lane.state == "doubt":
            continue
        if before.position <= lane.start:
            kept.append(lane)
    return kept


def _begins(head: bytes, length: int, fragments: FragmentArea) -> bool:
    if length < 8 or len(head) < 8:
        return False
    word = np.array([int.from_bytes(head, "little")], np.uint64)
    return bool(begin(fragments.codec, word)[0])


def _ends(tail: bytes, fragments: FragmentArea) -> bool:
    if is_one_fragment(fragments.codec):
        return True
    word = np.array([int.from_bytes(tail, "little")], np.uint64)
    return bool(end(fragments.codec, word)[0])
