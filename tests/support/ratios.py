"""Ratios of two ways of doing the same thing, measured side by side in one run.

A shared machine slows both, so rounds alternate and the best of each counts.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def best_seconds(
    ways: Mapping[str, Callable[[], Any]],
    *,
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Time each way in turn, `rounds` times; give the best time of each.

    ``clock=time.thread_time`` counts the work of one thread, whoever else is busy.
    """
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for name, way in ways.items():
            start = clock()
            way()
            best[name] = min(best[name], clock() - start)
    return best


def report(title: str, best: dict[str, float], *, ours: str) -> None:
    """Print times and ratios to ours."""
    say(title)
    for name, seconds in best.items():
        ratio = seconds / best[ours]
        say(f"  {name:<40} {seconds * 1e3:10.2f} ms   {ratio:7.2f} x ours")


def say(line: str) -> None:
    """Print a line of a report; pytest shows it with ``-s``."""
    print(line)  # noqa: T201


def run_child(code: str, *arguments: str) -> tuple[float, str]:
    """Run a Python script in a fresh interpreter; give seconds and what it printed."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    return time.perf_counter() - start, done.stdout


def peak_resident() -> int:
    """Peak resident memory of this process in bytes, mapped pages included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
