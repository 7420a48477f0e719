"""Two threads for one read of some MiB: the caller's, and another that waits for him.

A read of 4 MiB takes 200 µs, and to wake a thread of a pool takes 25 and some more of Python
around it. Here the other thread waits for nothing but work; both take pieces that nobody has
begun, and who is done before the other one came does not wait for him.
"""

import os
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Final

from lazydicom._array.work.cores import cores, threads_alone
from lazydicom._array.work.parallel import next_of
from lazydicom._bytes.local.source import READS_BY_POSITION, LocalSource, read_into
from lazydicom._bytes.per_process import per_process
from lazydicom._decode import samples

_PIECE_BYTES: Final = 1 << 19
"""512 KiB: less costs calls, more costs waiting for the other one's last piece."""
_BOTH: Final = 2


def read_by_two(source: object, offset: int, out: memoryview) -> bool:
    """Fill `out` on two threads, where that is possible and pays; return whether it does."""
    if not READS_BY_POSITION or not isinstance(source, LocalSource):
        return False
    if min(threads_alone(), samples.most_threads()) < _BOTH or not _is_idle():
        return False
    if not 0 <= offset <= source.version.size - out.nbytes:
        return False  # who reads it by himself says what is wrong
    descriptor = source.open()
    try:
        missing = _fill(descriptor, out, offset)
        source.check_handle(descriptor, missing)
    except OSError as error:
        raise source.failed(error) from None
    finally:
        os.close(descriptor)
    return True


def _fill(descriptor: int, out: memoryview, offset: int) -> int:
    """Fill `out`, piece by piece on two threads; return how many bytes are missing."""
    pieces = deque(range(0, out.nbytes, _PIECE_BYTES))
    missing: list[int] = []

    def work() -> None:
        try:
            while (start := next_of(pieces)) is not None:
                view = out[start : start + _PIECE_BYTES]
                count = read_into(descriptor, view, offset + start)
                if count < view.nbytes:
                    missing.append(view.nbytes - count)
        except BaseException:
            pieces.clear()
            raise

    _share(work)
    return sum(missing)


def _is_idle() -> bool:
    """Return whether nobody else of this process computes."""
    return cores().idle >= _BOTH


class _Job:
    """Work that one thread begins, and another shares if it comes before the end."""

    __slots__ = ("_claim", "_done", "_errors", "_has_ended", "work")

    def __init__(self, work: Callable[[], None]) -> None:
        self.work = work
        self._claim: dict[str, bool] = {}
        self._done = Lock()
        self._done.acquire()
        self._errors: list[BaseException] = []
        self._has_ended = False

    def help(self) -> None:
        """Share the work; who gave it gets what goes wrong."""
        if not self._is_for(helper=True):
            return
        try:
            self.work()
        except BaseException as error:  # noqa: BLE001 (raised by who gave it)
            self._errors.append(error)
        finally:
            self._has_ended = True
            self._done.release()

    def end(self) -> None:
        """Wait for the other one if he came: he writes what is the caller's from now on.

        After an interrupt, which may come when the wait is over, it can be called again.
        """
        if not self._is_for(helper=False) and not self._has_ended:
            self._done.acquire()
        for error in self._errors:
            raise error

    def _is_for(self, *, helper: bool) -> bool:
        """Return whether who asks was the first to ask: always the same."""
        return self._claim.setdefault("helper", helper) is helper


def _share(work: Callable[[], None]) -> None:
    """Do work on this thread and another, which may come too late for it.

    Ctrl-C while waiting for it changes nothing about that, unless it comes twice.
    """
    job = _Job(work)
    try:
        _jobs().put(job)
        work()
    finally:
        try:
            job.end()
        except KeyboardInterrupt:
            job.end()
            raise


@per_process
def _jobs() -> "SimpleQueue[_Job]":
    """Return what the other thread takes its work from."""
    jobs: SimpleQueue[_Job] = SimpleQueue()
    Thread(target=_help, args=(jobs,), name="lazydicom-pair", daemon=True).start()
    return jobs


def _help(jobs: "SimpleQueue[_Job]") -> None:
    while True:
        jobs.get().help()
