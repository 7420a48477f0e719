"""Reading ahead of a caller who takes one part after the other.

Helpers read while the caller works on what came before; a caller who waits reads what nobody
has begun yet. So both cores read where the caller does nothing, and to wake a thread for each
part, which costs as much as copying a megabyte, is not needed: helpers go on while there is
something to read, and nobody ever waits for a helper that cannot come. In a process that was
forked meanwhile there are none, nor what they had begun: the caller reads all of it.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from threading import Lock
from typing import Final, Generic, TypeVar

from lazydicom._array.work.parallel import (
    Helpers,
    ahead_pool,
    computing_pool,
    next_of,
)

T = TypeVar("T")

_SPARE: Final = 3
"""Parts beside those that are being read, so that a helper who is done finds another."""


def read_ahead(
    jobs: Iterable[Callable[[], T]], *, threads: int, waits: bool
) -> Iterator[T]:
    """Return the results of jobs in order, with some under way.

    Of jobs that compute none is ahead where there is one thread: it is the caller's.

    Parameters
    ----------
    jobs : iterable
        Asked for on the caller's thread, one for each that is taken.
    threads : int
        How many work at once; the caller is one of them.
    waits : bool
        Jobs mostly wait for a network: they have threads of their own, one each, and the
        caller begins none while another is about to come.
    """
    if threads == 1 and not waits:
        for job in jobs:
            yield job()
        return
    helpers = threads if waits else threads - 1
    most = threads if waits else threads + _SPARE
    reading = _Reading[T](ahead_pool() if waits else computing_pool(), helpers)
    parts: deque[_Part[T]] = deque()
    left = iter(jobs)
    try:
        while True:
            for job in islice(left, most - len(parts)):
                part = _Part(job)
                parts.append(part)
                reading.waiting.append(part)
            if not parts:
                return
            part = parts.popleft()
            reading.bring(part, alone=waits)
            yield part.take()
    finally:
        reading.waiting.clear()


class _Part(Generic[T]):
    """A job, and what came of it."""

    __slots__ = ("_error", "_job", "_value", "done")

    def __init__(self, job: Callable[[], T]) -> None:
        self._job = job
        self._value: list[T] = []
        self._error: BaseException | None = None
        self.done = Lock()
        self.done.acquire()

    def work(self) -> None:
        """Do the job; who takes its result gets its error, Ctrl-C whoever does it."""
        try:
            self._value.append(self._job())
        except BaseException as error:
            self._error = error
            if not isinstance(error, Exception):
                raise
        finally:
            self.done.release()

    def work_again(self) -> None:
        """Do what a helper may have begun in the process that this one was forked from."""
        self._value.clear()
        self.done = Lock()
        self.done.acquire()
        self.work()

    def take(self) -> T:
        """Return the result, which nobody else keeps from now on."""
        if self._error is not None:
            raise self._error
        return self._value.pop()


class _Reading(Generic[T]):
    """Parts that nobody has begun, and the helpers who look for such."""

    __slots__ = ("_idle", "_pool", "_process", "waiting")

    def __init__(self, pool: Helpers, helpers: int) -> None:
        self.waiting: deque[_Part[T]] = deque()
        self._pool = pool
        self._idle = deque(range(helpers))
        self._process = os.getpid()

    def bring(self, part: _Part[T], *, alone: bool) -> None:
        """See to it that a part is done, with the help of those who are idle."""
        if self._process != os.getpid():
            self._bring_without_helpers(part)
            return
        for _ in range(min(len(self._idle), len(self.waiting))):
            self._pool.give(partial(self._help, self._idle.pop()))
        while part.done.locked() and (part in self.waiting or not alone):
            other = next_of(self.waiting)
            if other is None:
                break
            other.work()
        part.done.acquire()

    def _bring_without_helpers(self, part: _Part[T]) -> None:
        if part in self.waiting:
            self.waiting.remove(part)
        if part.done.locked():
            part.work_again()

    def _help(self, number: int) -> None:
        try:
            while (part := next_of(self.waiting)) is not None:
                part.work()
        finally:
            self._idle.append(number)


def growing(length: int, first: int, later: int) -> Iterator[tuple[int, int]]:
    """Yield start and length of parts, of which the first one is shorter.

    Over a network it comes soon, and later ones are worth many requests.

    >>> list(growing(12, 2, later=5))
    [(0, 2), (2, 5), (7, 5)]
    """
    start, step = 0, first
    while start < length:
        yield start, step
        start, step = start + step, later
