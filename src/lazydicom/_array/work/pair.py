"""Two threads for reads of a local file: the caller's, and another that waits for work.

A read of 4 MiB takes 200 µs, and to wake a thread of a pool takes 25 and some more of Python
around it. Here the other thread waits for nothing but work, and is woken before the file is
opened; both take pieces that nobody has begun, and who is done before the other one came does
not wait for him. Where the cores are busy the other thread comes late, and costs more than it
saves: so both ways are timed (`Help`).
"""

import os
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from math import log
from queue import SimpleQueue
from threading import Lock, Thread
from time import perf_counter
from typing import Final, Protocol

from lazydicom._array.work.cores import cores, is_alone
from lazydicom._array.work.parallel import Task, finish
from lazydicom._bytes.local.source import READS_BY_POSITION, LocalSource, read_into
from lazydicom._bytes.per_process import per_process
from lazydicom._decode import samples

_SHARES: Final = (8, 12, 14, 15, 16, 17, 18, 20, 24)
"""Where a read is cut, in 32nds: few calls, and whoever is done first waits for little."""
_PARTS: Final = 32
_BOTH: Final = 2
_KEPT: Final = 16
"""Reads of each way whose times count."""
_TRIED: Final = 12
"""Reads of a trial."""
_WARMING: Final = 4
"""Of them, and of those after it, the first: memory and threads were the other way's."""
_RARELY: Final = 512
"""Reads after which the other way is tried again, where it was the slower one many times."""
_WEIGHT: Final = 1 / 3
"""Of what was measured last: memory of a virtual machine is half as fast for some ms."""
_MOST: Final = 8
"""Reads that one counts for at most: who lost his core for long says little of the others."""
_NOTHING: Final = 1e-15
"""What clocks that tick seldom say, in seconds of a byte."""
_HOPE: Final = 0.3
"""The gain that is expected of help before anything was measured."""


def read_by_two(source: object, offset: int, out: memoryview) -> bool:
    """Fill `out` on two threads, where that is possible and pays; return whether it does."""
    if not READS_BY_POSITION or not isinstance(source, LocalSource):
        return False
    if not (is_alone() and _is_idle()) or samples.most_threads() < _BOTH:
        return False
    if not 0 <= offset <= source.version.size - out.nbytes:
        return False  # who reads it by himself says what is wrong
    help_, start = _help_with_reads(), perf_counter()
    shared = help_.is_wanted
    if shared:
        _Read(source, offset, out).share()
    else:
        source.read_into(offset, out)
    help_.note(perf_counter() - start, out.nbytes, shared=shared)
    return True


class _Read:
    """Bytes of a file that two threads read into the same memory.

    The caller begins at the start and the other thread at the end, each time: memory that
    another core wrote last takes half as long again to write.
    """

    __slots__ = ("_descriptor", "_left", "_missing", "_offset", "_out", "_source")

    def __init__(self, source: LocalSource, offset: int, out: memoryview) -> None:
        self._source, self._offset, self._out = source, offset, out
        self._descriptor = -1
        self._left = deque(_pieces(out.nbytes))
        self._missing: list[int] = []

    def share(self) -> None:
        """Wake the other thread, and read what it has not begun; the file is the same after."""
        try:
            _share(self._read, self._help)
            self._source.check_handle(self._descriptor, sum(self._missing))
        except OSError as error:
            raise self._source.failed(error) from None
        finally:
            if self._descriptor >= 0:
                os.close(self._descriptor)

    def _read(self) -> None:
        self._descriptor = self._source.open()
        self._take_all(self._descriptor, self._left.popleft)

    def _help(self) -> None:
        """Read from the end on, by the caller's descriptor where he has opened the file."""
        descriptor = self._descriptor
        if descriptor >= 0:
            self._take_all(descriptor, self._last)
            return
        descriptor = self._source.open()
        try:
            self._take_all(descriptor, self._last)
            self._source.check_handle(descriptor)
        finally:
            os.close(descriptor)

    def _last(self) -> tuple[int, int]:
        """Take the last piece, but leave the only one to who would wait for it."""
        if len(self._left) > 1:
            return self._left.pop()
        raise IndexError

    def _take_all(self, descriptor: int, take: Callable[[], tuple[int, int]]) -> None:
        """Read pieces until none is left."""
        out, offset = self._out, self._offset
        try:
            while (piece := _taken(take)) is not None:
                start, stop = piece
                count = read_into(descriptor, out[start:stop], offset + start)
                if count < stop - start:
                    self._missing.append(stop - start - count)
        except BaseException:
            self._left.clear()
            raise


@lru_cache(maxsize=16)
def _pieces(nbytes: int) -> tuple[tuple[int, int], ...]:
    """Return start and end of the pieces of a read, large ones at both ends.

    >>> [stop - start for start, stop in _pieces(64)]
    [16, 8, 4, 2, 2, 2, 2, 4, 8, 16]
    """
    edges = (0, *(nbytes * share // _PARTS for share in _SHARES), nbytes)
    return tuple(pairwise(edges))


def _taken(take: Callable[[], tuple[int, int]]) -> tuple[int, int] | None:
    """Take one of those that are left, ``None`` where none is."""
    try:
        return take()
    except IndexError:
        return None


def _is_idle() -> bool:
    """Return whether there are two cores, and nobody else of this process computes."""
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
        "_warming",
        "is_wanted",
    )

    def __init__(self) -> None:
        self.is_wanted = True
        """Whether the next read is to be shared."""
        self._alone: deque[float] = deque(maxlen=_KEPT)
        self._shared: deque[float] = deque(maxlen=_KEPT)
        self._gain = _HOPE
        self._is_trial = False
        self._noting = Lock()
        self._period = self._left = _KEPT
        self._warming = _WARMING

    def note(self, seconds: float, nbytes: int, *, shared: bool) -> None:
        """Note how long the caller waited for so many bytes."""
        with self._noting:  # threads may iterate at once
            self._warming -= 1
            if self._warming < 0:
                (self._shared if shared else self._alone).append(seconds / nbytes)
            self._left -= 1
            is_known = bool(self._alone and self._shared)
            if self._left <= 0 and (is_known or not self._is_trial):
                self._turn()

    def _turn(self) -> None:
        """Try the other way, or decide after that was done."""
        self._is_trial = not self._is_trial
        self._warming = _WARMING
        if self._is_trial:
            self.is_wanted, self._left = not self.is_wanted, _TRIED
            return
        before, gain = self._gain > 0, self._measure()
        self._gain += (gain - self._gain) * _WEIGHT
        self.is_wanted = self._gain > 0
        agrees = before == (gain > 0) == self.is_wanted
        self._period = min(2 * self._period, _RARELY) if agrees else _KEPT
        self._left = self._period

    def _measure(self) -> float:
        """Return the logarithm of how many times as long reads alone took.

        Of those that are shared some take no time, some wait: so means count; a read that was
        held up by something else is no more than some others.
        """
        most = _MOST * sorted(self._alone)[len(self._alone) // 2]
        alone, shared = (
            sum(min(one, most) for one in times) / len(times)
            for times in (self._alone, self._shared)
        )
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
