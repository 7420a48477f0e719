"""Ratios of two ways of doing the same thing, measured side by side in one run.

A shared machine slows both, so rounds alternate, and a ratio is the median of those of the
rounds: one lucky round of the floor, or one unlucky one of ours, decides nothing.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class Seconds(dict[str, float]):
    """The best time of each way, and of those that were timed in turn all rounds."""

    def __init__(self, rounds: Mapping[str, Sequence[float]]) -> None:
        super().__init__({name: min(times) for name, times in rounds.items()})
        self.rounds = rounds

    def ratio(self, way: str, floor: str) -> float:
        """Return the median of the ratios of the rounds, or that of two best times."""
        if way in self.rounds and floor in self.rounds:
            pairs = zip(self.rounds[way], self.rounds[floor], strict=True)
            return median(mine / theirs for mine, theirs in pairs)
        return self[way] / self[floor]


def best_seconds(
    ways: Mapping[str, Callable[[], Any]],
    *,
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
    before: Callable[[], Any] = lambda: None,
) -> Seconds:
    """Time each way in turn, `rounds` times; return the best time of each, and all.

    ``clock=time.thread_time`` counts the work of one thread, whoever else is busy; `before`
    is called each time, and is no part of it.
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            before()
            start = clock()
            way()
            times[name].append(clock() - start)
    return Seconds(times)


def report(title: str, best: Mapping[str, float], *, ours: str) -> None:
    """Print times and ratios to ours."""
    say(title)
    for name, seconds in best.items():
        ratio = _ratio(best, name, ours)
        say(f"  {name:<40} {seconds * 1e3:10.2f} ms   {ratio:7.2f} x ours")


def _ratio(best: Mapping[str, float], way: str, floor: str) -> float:
    return (
        best.ratio(way, floor) if isinstance(best, Seconds) else best[way] / best[floor]
    )


def hold(
    title: str,
    best: Mapping[str, float],
    *,
    floor: str,
    limit: float,
    ours: str = "ours",
    why: str = "",
) -> None:
    """Report times, note them for the table, and fail where ours is beyond the bar.

    Parameters
    ----------
    title : str
        What is done, for a reader of ``docs/performance.md``.
    best : mapping of float
        Seconds by way: ours, the floor, and peers; of all rounds where `Seconds`.
    floor : str
        The way that ours is measured against.
    limit : float
        The bar: how many times as long as the floor ours may take.
    ours : str
        Our way.
    why : str
        What keeps ours above the bar that was wished for, if something does.
    """
    report(title, best, ours=ours)
    ratio = _ratio(best, ours, floor)
    peers = {n: _ratio(best, n, ours) for n in best if n not in {ours, floor}}
    row = {
        "area": _area(),
        "what": title,
        "ours_s": best[ours],
        "floor": floor,
        "ratio": ratio,
        "bar": limit,
        "others": peers,
        "why": why,
    }
    if file := os.environ.get("LAZYDICOM_BENCHMARKS"):
        with Path(file).open("a", encoding="utf-8") as rows:
            rows.write(json.dumps(row) + "\n")
    assert ratio <= limit, f"{title}: {ratio:.2f} x {floor}, the bar is {limit}"


def _area() -> str:
    """Return what the running file of benchmarks is about: ``slides``."""
    return Path(os.environ["PYTEST_CURRENT_TEST"].split("::")[0]).stem.split("_")[-1]


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
