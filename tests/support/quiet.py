"""Timing while nobody else wears the machine.

Cores that are shared with other machines are slower by half for some seconds or minutes, and
not for all work alike: Python may take longer, and what it calls not. Fixed work is timed,
which is neither ours nor a floor, so that neither waiting nor timing again favours one.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

_Times = TypeVar("_Times")

_NEAR: Final = 1.15
"""How many times as long as ever the fixed work may take."""
_TRIES: Final = 5
_PAUSE_S: Final = 0.5
_MOST_S: Final = 30
"""Of a whole run: a machine may have become slower for good."""
_SHARED: Final = 1.35
"""How many times as long as ever a core may take before and after a round.

One whose other half works for another machine takes 1.6 to 2.3 times as long, for half a second
to three; one by itself 1.0 to 1.15.
"""
_LONG_S: Final = 0.3
"""What takes longer spans such times whenever it is timed."""
_AGAIN_S: Final = 120
"""What rounds that are timed again may take of a whole run."""
_FROM: Final = np.ones(1 << 24, np.uint8)
_TO: Final = np.ones(1 << 24, np.uint8)


def _objects() -> None:
    """Work of the interpreter: objects, calls, texts."""
    sum(len(str((number, number + 1))) for number in range(3_000))


def _calls() -> None:
    """Ask the system for a file."""
    for _ in range(200):
        descriptor = os.open(__file__, os.O_RDONLY | os.O_CLOEXEC)
        os.fstat(descriptor)
        os.pread(descriptor, 512, 0)
        os.close(descriptor)


def _copy() -> None:
    """Copy 16 MiB."""
    _TO[:] = _FROM


_WORKS: Final[tuple[Callable[[], None], ...]] = (_objects, _calls, _copy)
_least: dict[Callable[[], None], float] = {}
_waited: list[float] = []
_again: list[float] = []


def wait_until_quiet(seconds: float = 30) -> bool:
    """Wait until fixed work takes about as long as it ever did; return whether it does.

    Parameters
    ----------
    seconds : float
        How long to wait at most, less what is left of `_MOST_S`.
    """
    if not _least:
        for _ in range(20):
            _is_quiet()
    start = time.monotonic()
    end = start + min(seconds, _MOST_S - sum(_waited))
    while not (quiet := _is_quiet()) and time.monotonic() < end:
        time.sleep(_PAUSE_S)
    _waited.append(time.monotonic() - start)
    return quiet


def undisturbed(time_round: Callable[[], _Times]) -> _Times:
    """Time a round; again, where it was short and a core was shared before or after it.

    After `_AGAIN_S` of a whole run every round counts.
    """
    while True:
        start = time.monotonic()
        alone = _cores_are_alone()
        while not alone and sum(_again) + time.monotonic() - start < _AGAIN_S:
            alone = _cores_are_alone()
        began = time.monotonic()
        times = time_round()
        ended = time.monotonic()
        if ended - began > _LONG_S or (alone and _cores_are_alone()):
            _again.append(began - start)
            return times
        _again.append(ended - start)
        if sum(_again) >= _AGAIN_S:
            return times


def _cores_are_alone() -> bool:
    """Return whether fixed work takes about as long as ever on each core of this thread."""
    cores = os.sched_getaffinity(0)
    try:
        return all(_is_alone(core) for core in cores)
    finally:
        os.sched_setaffinity(0, cores)


def _is_alone(core: int) -> bool:
    os.sched_setaffinity(0, {core})
    for _ in range(2):
        took = _seconds(_objects)
        least = _least[_objects] = min(took, _least.get(_objects, took))
        if took <= _SHARED * least:
            return True
    return False


def _is_quiet() -> bool:
    quiet = True
    for work in _WORKS:
        took = min(_seconds(work) for _ in range(_TRIES))
        least = _least[work] = min(took, _least.get(work, took))
        quiet = quiet and took <= _NEAR * least
    return quiet


def _seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
