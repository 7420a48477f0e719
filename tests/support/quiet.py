"""Waiting until nobody else wears the machine, before something is timed.

Cores that are shared with other machines are slower by half for some seconds or minutes, and
not for all work alike: Python may take longer, and what it calls not. Fixed work is timed,
which is neither ours nor a floor, so that waiting favours neither.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

_NEAR: Final = 1.15
"""How many times as long as ever the fixed work may take."""
_TRIES: Final = 5
_PAUSE_S: Final = 0.5
_MOST_S: Final = 30
"""Of a whole run: a machine may have become slower for good."""
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
