"""Ratios of two ways of doing the same thing, measured side by side in one run.

A shared machine slows both, so rounds alternate, and a ratio is the median of those of the
rounds: one lucky round of the floor, or one unlucky one of ours, decides nothing. Where the
rounds stand on both sides of a bar, more of them decide.
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

from quiet import undisturbed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Seconds(dict[str, float]):
    """The best time of each way, and of those that are timed in turn all rounds.

    Parameters
    ----------
    time_round : function
        Time each way once, in turn.
    rounds : int
        How many rounds to begin with.
    one_core : bool
        The work of this thread is timed.
    """

    def __init__(
        self,
        time_round: Callable[[], dict[str, float]],
        rounds: int,
        *,
        one_core: bool = False,
    ) -> None:
        super().__init__()
        self._one_core = one_core
        self.rounds: list[dict[str, float]] = []
        self._time_round = time_round
        self._first = rounds
        for _ in range(rounds):
            self.time_another()

    def time_another(self) -> None:
        """Time one round more, while no core is shared with another machine."""
        times = undisturbed(self._time_round, one_core=self._one_core)
        self.rounds.append(times)
        self |= {n: min(seconds, self.get(n, seconds)) for n, seconds in times.items()}

    def ratio(self, way: str, floor: str) -> float:
        """Return the median of the ratios of the rounds, or that of two best times."""
        ratios = self._ratios(way, floor)
        return median(ratios) if ratios else self[way] / self[floor]

    def settle(self, way: str, floor: str, bar: float) -> None:
        """Time more rounds, up to four times as many, while they do not agree.

        They agree where those beyond the bar and those within it are too unequal in number
        for chance (1.4 standard deviations of a fair coin). All rounds count.
        """
        while 1 < len(self.rounds) < 4 * self._first:
            ratios = self._ratios(way, floor)
            within = sum(ratio <= bar for ratio in ratios)
            if abs(2 * within - len(ratios)) >= 1.4 * len(ratios) ** 0.5:
                return
            self.time_another()

    def _ratios(self, way: str, floor: str) -> list[float]:
        if {way, floor} <= set(self.rounds[0]):
            return [times[way] / times[floor] for times in self.rounds]
        return []


def best_seconds(
    ways: Mapping[str, Callable[[], Any]],
    *,
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
    before: Callable[[], Any] = lambda: None,
) -> Seconds:
    """Time each way in turn, `rounds` times; return the best time of each, and all.

    Every other round goes backwards: what comes first finds caches as others left them.
    ``clock=time.thread_time`` counts the work of one thread, whoever else is busy; `before`
    is called each time, and is no part of it.
    """

    def time_way(way: Callable[[], Any]) -> float:
        before()
        start = clock()
        way()
        return clock() - start

    order = list(ways)

    def time_round() -> dict[str, float]:
        order.reverse()
        return {name: time_way(ways[name]) for name in order}

    return Seconds(time_round, rounds, one_core=clock is time.thread_time)


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
    if isinstance(best, Seconds):
        best.settle(ours, floor, limit)
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
