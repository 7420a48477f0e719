"""Two threads for reads of a local file: the caller's, and another that waits for work.

A read of 4 MiB takes 200 µs, and to wake a thread of a pool takes 25 and some more of Python
around it. Here the other thread waits for nothing but work; both take pieces that nobody has
begun, and who is done before the other one came does not wait for him. Where the cores are busy
the other thread comes late, and costs more than it saves: so both ways are timed (`Help`).
"""

import os
from collections import deque
from collections.abc import Callable
from functools import partial
from math import log
from queue import SimpleQueue
from threading import Lock, Thread
from time import perf_counter
from typing import Final, Protocol

from lazydicom._array.work.cores import cores, threads_alone
from lazydicom._array.work.parallel import Task, finish
from lazydicom._bytes.local.source import READS_BY_POSITION, LocalSource, read_into
from lazydicom._bytes.per_process import per_process
from lazydicom._decode import samples

_PIECE_BYTES: Final = 1 << 19
"""512 KiB: less costs calls, more costs waiting for the other one's last piece."""
_BOTH: Final = 2
_TRIED: Final = 16
"""Reads that tell how long one way takes."""
_RARELY: Final = 1024
"""Reads after which the other way is tried again, where it was the slower one many times."""
_WEIGHT: Final = 1 / 3
"""Of what was measured last: memory of a virtual machine is half as fast for some ms."""
_NOTHING: Final = 1e-15
"""What clocks that tick seldom say, in seconds of a byte."""
_HOPE: Final = 0.3
"""The gain that is expected of help before anything was measured."""


def read_by_two(source: object, offset: int, out: memoryview) -> bool:
    """Fill `out` on two threads, where that is possible and pays; return whether it does."""
    if not READS_BY_POSITION or not isinstance(source, LocalSource):
        return False
    if min(threads_alone(), samples.most_threads()) < _BOTH or not _is_idle():
        return False
    if not 0 <= offset <= source.version.size - out.nbytes:
        return False  # who reads it by himself says what is wrong
    help_, start = _help_with_reads(), perf_counter()
    shared = help_.is_wanted
    descriptor = source.open()
    try:
        missing = (_fill if shared else _fill_alone)(descriptor, out, offset)
        source.check_handle(descriptor, missing)
    except OSError as error:
        raise source.failed(error) from None
    finally:
        os.close(descriptor)
    help_.note(perf_counter() - start, out.nbytes, shared=shared)
    return True


def _fill_alone(descriptor: int, out: memoryview, offset: int) -> int:
    """Fill `out` on this thread; return how many bytes are missing."""
    return out.nbytes - read_into(descriptor, out, offset)


def _fill(descriptor: int, out: memoryview, offset: int) -> int:
    """Fill `out`, piece by piece on two threads; return how many bytes are missing.

    The caller begins at the start and the other thread at the end, each time: memory that
    another core wrote last takes half as long again to write.
    """
    pieces = deque(range(0, out.nbytes, _PIECE_BYTES))
    missing: list[int] = []

    def work(take: Callable[[], int]) -> None:
        try:
            while (start := _taken(take)) is not None:
                view = out[start : start + _PIECE_BYTES]
                count = read_into(descriptor, view, offset + start)
                if count < view.nbytes:
                    missing.append(view.nbytes - count)
        except BaseException:
            pieces.clear()
            raise

    _share(partial(work, pieces.popleft), partial(work, pieces.pop))
    return sum(missing)


def _taken(take: Callable[[], int]) -> int | None:
    """Take one of those that are left, ``None`` where none is."""
    try:
        return take()
    except IndexError:
        return None


def _is_idle() -> bool:
    """Return whether nobody else of this process computes."""
    return cores().idle >= _BOTH


class Help:
    """Whether another thread is worth its help: what both ways took lately says so.

    One way is taken for some reads, then the other for a few, ever more seldom as long as the
    outcome is the same. What counts is how long the caller waited.
    """

    __slots__ = (
        "_alone",
        "_gain",
        "_is_trial",
        "_left",
        "_noting",
        "_period",
        "_shared",
        "is_wanted",
    )

    def __init__(self) -> None:
        self.is_wanted = True
        """Whether the next read is to be shared."""
        self._alone: deque[float] = deque(maxlen=_TRIED)
        self._shared: deque[float] = deque(maxlen=_TRIED)
        self._gain = _HOPE
        self._is_trial = False
        self._noting = Lock()
        self._period = self._left = _TRIED

    def note(self, seconds: float, nbytes: int, *, shared: bool) -> None:
        """Note how long the caller waited for so many bytes."""
        with self._noting:  # threads may iterate at once
            (self._shared if shared else self._alone).append(seconds / nbytes)
            self._left -= 1
            is_known = bool(self._alone and self._shared)
            if self._left <= 0 and (is_known or not self._is_trial):
                self._turn()

    def _turn(self) -> None:
        """Try the other way, or decide after that was done."""
        self._is_trial = not self._is_trial
        if self._is_trial:
            self.is_wanted, self._left = not self.is_wanted, _TRIED
            return
        gain = self._measure()
        self._gain += (gain - self._gain) * _WEIGHT
        self.is_wanted = self._gain > 0
        agrees = (gain > 0) == self.is_wanted
        self._period = min(2 * self._period, _RARELY) if agrees else _TRIED
        self._left = self._period

    def _measure(self) -> float:
        """Return the logarithm of how many times as long reads alone took.

        Of those that are shared some take no time, some wait: so it is their mean that counts;
        one that was held up by something else is no more than four others.
        """
        alone = sorted(self._alone)[len(self._alone) // 2]
        shared = sum(min(one, 4 * alone) for one in self._shared) / len(self._shared)
        return log(max(alone, _NOTHING) / max(shared, _NOTHING))


class Helped(Protocol):
    """Work that another thread may share."""

    def help(self) -> None:
        """Share it until nothing of it is left that nobody has begun."""


def _share(own: Callable[[], None], others: Callable[[], None]) -> None:
    """Do work on this thread and another, which may come too late for it.

    Ctrl-C while waiting for it changes nothing about that, unless it comes twice.
    """
    task = Task(others)

    def work() -> None:
        helped().put(task)
        own()

    finish((task,), work, stop=_nothing)
    task.raise_error()


def _nothing() -> None:
    """Leave the other thread to its piece, which is a short one."""


@per_process
def helped() -> "SimpleQueue[Helped]":
    """Return what the other thread takes its work from."""
    jobs: SimpleQueue[Helped] = SimpleQueue()
    Thread(target=_help, args=(jobs,), name="lazydicom-pair", daemon=True).start()
    return jobs


@per_process
def help_with_blocks() -> Help:
    """Return whether to share blocks of frames that are read one after the other."""
    return Help()


@per_process
def _help_with_reads() -> Help:
    return Help()


def _help(jobs: "SimpleQueue[Helped]") -> None:
    while True:
        jobs.get().help()
