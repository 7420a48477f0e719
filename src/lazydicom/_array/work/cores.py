"""Who computes at the moment: no more threads of a process than cores, whoever asks.

Who asks for frames decodes on its own thread, and threads of one pool help where cores are
idle. Schedulers (dask, a server, an export) ask from as many threads as there are cores: then
nobody helps, and helpers of an earlier caller leave after the frames that they are at: 1 MiB.
"""

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Final

from lazydicom._bytes.per_process import available_cores, per_process

_PATIENCE_S: Final = 0.5
"""A frame takes less, but for the largest."""


class Cores:
    """The threads of this process that compute.

    An interrupt may come at any call. So who computes is kept by the numbers of threads,
    which one call adds or removes, and no lock is taken but by `with` itself: one of
    `threading.Condition` would stay taken, and everybody would wait for ever.
    """

    __slots__ = ("_callers", "_helpers", "_lock", "_number", "_waiting")

    def __init__(self, number: int) -> None:
        self._number = number
        self._callers: set[int] = set()
        self._helpers: set[int] = set()
        self._lock = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()

    @property
    def idle(self) -> int:
        """Cores on which nobody computes."""
        return max(self._number - len(self._callers) - len(self._helpers), 0)

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Compute on the thread of the caller, once helpers have made room for it.

        A job that reads in its turn is counted already. One that reads by threads of its own
        waits for them, and they for it: so nobody waits for room longer than `_PATIENCE_S`.
        """
        own = threading.get_ident()
        if own in self._callers or own in self._helpers:
            yield
            return
        try:
            self._callers.add(own)
            self._wait_for_room()
            yield
        finally:
            self._callers.discard(own)
            self._wake()

    def help_with(self, work: Callable[[Callable[[], bool]], None]) -> None:
        """Compute on a thread of the pool, if a core is idle.

        Parameters
        ----------
        work : callable
            Gets a function that returns whether to go on: not where a caller needs the core.
        """
        own = threading.get_ident()
        try:
            with self._lock:  # of two who see one idle core, one may have it
                if not self.idle:
                    return
                self._helpers.add(own)
            work(self._fits)
        finally:
            self._helpers.discard(own)
            self._wake()

    def _wait_for_room(self) -> None:
        end = monotonic() + _PATIENCE_S
        while not self._has_room():
            room = threading.Lock()
            room.acquire()
            self._waiting.append(room)
            if self._has_room():  # it may have come before there was somebody to wake
                return
            if not room.acquire(timeout=max(end - monotonic(), 0)):
                return

    def _wake(self) -> None:
        """Let all who wait for room look again."""
        with suppress(IndexError):
            while self._waiting:
                self._waiting.popleft().release()

    def _fits(self) -> bool:
        return len(self._callers) + len(self._helpers) <= self._number

    def _has_room(self) -> bool:
        return not self._helpers or self._fits()


@per_process
def cores() -> Cores:
    """Keep count of what this process computes."""
    return Cores(available_cores())


def default_threads() -> int:
    """Return how many threads a read takes that says nothing of it.

    A worker of `multiprocessing`, as those of dask, concurrent.futures and PyTorch are, has
    others beside it.
    """
    return 1 if _is_worker() else available_cores()


def threads_alone() -> int:
    """Return how many threads one frame may take: all cores, where no other is decoded."""
    return available_cores() if is_alone() else 1


def is_alone() -> bool:
    """Return whether nobody else reads beside this thread, as far as one can know.

    Threads of a pool, of dask or a server, have others beside them; the main thread that
    asks for one frame has none, unless its process is a worker of others.
    """
    main = threading.main_thread().ident == threading.get_ident()
    return main and not _is_worker()


def _is_worker() -> bool:
    loaded = sys.modules.get("multiprocessing.process")
    return loaded is not None and loaded.parent_process() is not None
