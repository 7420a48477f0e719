"""How many requests one server gets at once: more where they wait, fewer where it is busy.

One limit serves all files of a server. It grows by one with each response that took longer to
begin than to come, as long as responses begin about as soon as they ever did; it shrinks by one
where they begin later, and to a half where the server says that it is busy, or connections are
lost (additive increase, multiplicative decrease). All of it happens on the event loop, so that
nothing is locked.
"""

import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from lazydicom._bytes.ranges import MOST_REQUESTS, REQUESTS

if TYPE_CHECKING:
    from asyncio import Future

_LEAST: Final = 2
_LATE: Final = 2.0
"""A response that begins after so many times the shortest wait has stood in a queue."""
_JITTER_S: Final = 0.002
_REMEMBERED: Final = 64
"""The shortest wait is one of the last so many responses, or twice as many: servers change."""


class Flow:
    """The requests to one server."""

    __slots__ = (
        "_busy_since",
        "_responses",
        "_running",
        "_shortest_s",
        "_waiting",
        "limit",
    )  # fmt: skip

    def __init__(self) -> None:
        self.limit = REQUESTS
        """Requests at once."""
        self._running = 0
        self._waiting: deque[Future[None]] = deque()
        self._shortest_s = (float("inf"), float("inf"))
        self._responses = 0
        self._busy_since = float("-inf")

    @property
    def running(self) -> int:
        """Requests that are under way."""
        return self._running

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait until one more request may be made, in the order of asking."""
        if self._running < self.limit and not self._waiting:
            self._running += 1
        else:
            await self._turn()
        try:
            yield
        finally:
            self._running -= 1
            self._wake()

    def responded(self, wait_s: float, body_s: float) -> None:
        """Learn from a response: seconds until it began, and until it had come."""
        shortest_s = self._shortest(wait_s)
        if wait_s > _LATE * shortest_s + _JITTER_S:
            self.limit = max(self.limit - 1, min(self.limit, REQUESTS))
        elif self._waiting and (wait_s >= body_s or self.limit < REQUESTS):
            self.limit = min(self.limit + 1, MOST_REQUESTS)
            self._wake()

    def refused(self, began: float, *, busy: bool) -> None:
        """Learn of a fault: that the server is busy, or what may come of too many requests.

        Of several requests at once only the first one tells.
        """
        if began > self._busy_since:
            self._busy_since = time.monotonic()
            least = _LEAST if busy else min(self.limit, REQUESTS)
            self.limit = max(self.limit // 2, least)

    def _shortest(self, wait_s: float) -> float:
        """Return the shortest wait that is remembered."""
        before, now = self._shortest_s
        if self._responses % _REMEMBERED == 0:
            before, now = now, wait_s
        self._responses += 1
        self._shortest_s = before, min(now, wait_s)
        return min(self._shortest_s)

    async def _turn(self) -> None:
        """Wait for a turn; who gives it counts it."""
        import asyncio

        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._running -= 1
                self._wake()
            raise

    def _wake(self) -> None:
        while self._waiting and self._running < self.limit:
            turn = self._waiting.popleft()
            if not turn.done():  # nobody waits for one that was cancelled
                self._running += 1
                turn.set_result(None)
