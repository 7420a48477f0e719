"""Timing while nobody else wears the machine.

A core whose other half works for another machine takes 1.6 to 2.3 times as long for half a
second to three, and not for all work alike: Python more of it, the system less. Fixed work is
timed, which is neither ours nor a floor, so that timing again favours neither.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_Times = TypeVar("_Times")

_SHARED: Final = 1.35
"""How many times as long as ever fixed work may take on a core that is not shared."""
_LONG_S: Final = 0.05
"""A round that takes longer spans such times whenever it is timed."""
_MOST_S: Final = 60
"""What waiting and timing again may take of a whole run, for rounds of either kind."""
_least: list[float] = []
_spent = {True: 0.0, False: 0.0}
"""Seconds by whether one core was enough: those rounds must not wait for others' turn."""


def undisturbed(time_round: Callable[[], _Times], *, one_core: bool) -> _Times:
    """Time a round; again, where it was short and a core was shared before or after it.

    Parameters
    ----------
    time_round : function
        What times it.
    one_core : bool
        The work of this thread is timed, so that one core is enough: this thread goes to it.
    """
    enough = any if one_core else all
    while True:
        start = time.monotonic()
        while not (alone := _find_alone(enough)) and _is_left(start, one_core):
            pass
        began = time.monotonic()
        times = time_round()
        ended = time.monotonic()
        if ended - began > _LONG_S or (
            alone and (_is_alone() if one_core else _find_alone(all))
        ):
            _spent[one_core] += began - start
            return times
        _spent[one_core] += ended - start
        if not _is_left(ended, one_core):
            return times


def _is_left(since: float, one_core: bool) -> bool:
    return _spent[one_core] + time.monotonic() - since < _MOST_S


def _find_alone(enough: Callable[[Iterator[bool]], bool]) -> bool:
    """Return whether any or all cores are alone; this thread stays on the last it looked at."""
    cores = os.sched_getaffinity(0)
    try:
        return enough(_is_alone(core) for core in sorted(cores))
    finally:
        os.sched_setaffinity(0, cores)


def _is_alone(core: int | None = None) -> bool:
    """Return whether fixed work takes about as long as ever on a core, or on this one."""
    if core is not None:
        os.sched_setaffinity(0, {core})
    if not _least:
        _least.append(min(_seconds() for _ in range(50)))
    for _ in range(2):
        took = _seconds()
        _least[0] = min(took, _least[0])
        if took <= _SHARED * _least[0]:
            return True
    return False


def _seconds() -> float:
    """Time work of the interpreter: objects, calls, texts."""
    start = time.perf_counter()
    sum(len(str((number, number + 1))) for number in range(3_000))
    return time.perf_counter() - start
