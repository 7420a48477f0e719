"""Frames of a distant file without an offset table, read while they are looked for.

To look for the fragments first and to read the frames then fetches bytes twice. Where all
frames up to some one are wanted, blocks of the file are fetched instead, several at once, and
walked through in turn: a frame that ends in a block comes with it, one that goes on is
completed by the next.
"""

from collections import deque
from collections.abc import Callable, Generator
from contextlib import suppress
from functools import partial
from itertools import pairwise
from threading import Lock
from typing import TypeAlias

from lazydicom._bytes.ranges import MAX_BLOCK
from lazydicom._bytes.source import ByteRange, BytesLike
from lazydicom._frames.fragments import LOOK
from lazydicom._frames.partial_index import PartialIndex

Accept: TypeAlias = Callable[[int, ByteRange, memoryview], BytesLike | None]
"""Gives the codestream of a frame from its fragment, ``None`` where that is no whole frame."""
StreamRead: TypeAlias = Callable[[], list[tuple[int, BytesLike]]]
"""Fetches one block, gives frames by number."""


class FragmentStream:
    """A walk behind the known fragments of a partial index, up to fragment `count`.

    Each read waits for the one before it, so they have to be begun in their order.
    """

    def __init__(self, partial_index: PartialIndex, count: int, accept: Accept) -> None:
        self._partial_index, self._count, self._accept = partial_index, count, accept
        self._first, self._lane = partial_index.branch()
        self._given = self._first
        self._held: list[BytesLike] = []
        """What was fetched from `_base` on and is not given yet."""
        self._base = self._stop = self._lane.position - 8
        self._turn = 0
        self._going, self._closed = True, False
        self._lock = Lock()
        # no Condition: an interrupt that comes while it waits breaks its lock
        self._waiting: deque[Lock] = deque()

    def reads(self) -> Generator[StreamRead, None, None]:
        """Return the reads; where the end is not in sight, begun ones are waited for.

        To close this ends those that wait for one that never began.
        """
        turn, at = 0, self._base
        try:
            while at < (stop := self._expected_stop()):
                block = ByteRange(at, min(MAX_BLOCK, stop - at))
                at = block.stop
                yield partial(self._read, turn, block)
                turn += 1
                if at >= self._expected_stop():
                    self._wait_for(turn)
            self._wait_for(turn)
        finally:
            with self._lock:
                self._going, self._closed = False, True
            self._wake()

    def given(self) -> range:
        """Return which frames were given, once all reads came to their end."""
        return range(self._first, self._given)

    def _expected_stop(self) -> int:
        """Guess where the frames end, by what is known of their length."""
        with self._lock:
            if not self._going:
                return 0
            position, frames_found = self._lane.position, self._first + len(self._lane)
            fragments = self._partial_index.fragments
            missing = max(self._count - frames_found, 0)
            mean = (position - fragments.first) // frames_found
            return min(position + missing * max(mean, LOOK), fragments.stop)

    def _wait_for(self, turn: int) -> None:
        while not self._is_due(turn):
            told = Lock()
            told.acquire()
            self._waiting.append(told)
            if self._is_due(turn):  # it may have come before there was somebody to wake
                return
            told.acquire()

    def _is_due(self, turn: int) -> bool:
        return self._turn >= turn or self._closed

    def _wake(self) -> None:
        """Let all who wait look again."""
        with suppress(IndexError):
            while self._waiting:
                self._waiting.popleft().release()

    def _read(self, turn: int, block: ByteRange) -> list[tuple[int, BytesLike]]:
        data: BytesLike | None = None
        try:
            if self._going:
                data = self._partial_index.source.read(block)
        finally:  # who comes next must not wait for ever
            self._wait_for(turn)
            frames = self._end_turn(data)
        return frames

    def _end_turn(self, data: BytesLike | None) -> list[tuple[int, BytesLike]]:
        with self._lock:
            try:
                self._going = self._going and data is not None
                return self._take(data) if self._going and data is not None else []
            finally:
                self._turn += 1
                self._wake()

    def _take(self, data: BytesLike) -> list[tuple[int, BytesLike]]:
        """Walk on through the next block, give the frames that end in it."""
        lane, fragments = self._lane, self._partial_index.fragments
        self._held.append(data)
        self._stop += len(data)
        frames_found = self._first + len(lane)
        needed = lane.position + (LOOK - 8 if frames_found < self._count else 0)
        if self._stop < min(needed, fragments.stop):
            return []  # amid a long frame: to join the pieces each time would take long
        joined = memoryview(b"".join(self._held) if len(self._held) > 1 else data)
        while lane.state == "going" and self._first + len(lane) < self._count:
            at = lane.position - 8 - self._base
            if at + LOOK > len(joined) and self._stop < fragments.stop:
                break
            lane.step(bytes(joined[at : at + LOOK]), fragments)
        self._partial_index.learn(self._first, lane)
        complete = self._complete(joined)
        self._let_go(joined)
        return complete

    def _complete(self, joined: memoryview) -> list[tuple[int, BytesLike]]:
        """Return the frames that lie in memory as a whole, as long as they are whole ones."""
        lane, frames = self._lane, list[tuple[int, BytesLike]]()
        edges = lane.edges[self._given - self._first :]
        for start, stop in pairwise(edges):
            if stop > self._stop:
                break
            fragment = joined[start - self._base : stop - self._base]
            span = ByteRange(start, stop - start)
            codestream = self._accept(self._given, span, fragment)
            if codestream is None:
                self._going = False
                return frames
            frames.append((self._given, codestream))
            self._given += 1
        self._going = self._given < self._count and lane.state == "going"
        return frames

    def _let_go(self, joined: memoryview) -> None:
        """Keep what the next block completes, as a copy: a view would keep it all."""
        edges, number = self._lane.edges, self._given - self._first
        keep = min(edges[number], self._lane.position - 8)
        self._held = [bytes(joined[keep - self._base :])]
        self._base = keep
