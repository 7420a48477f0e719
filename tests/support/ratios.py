"""Ratios of two ways of doing the same thing, measured side by side in one run.

A shared machine slows both, so rounds alternate and the best of each counts.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
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


def hold(
    title: str,
    best: dict[str, float],
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
    best : dict of float
        Seconds by way: ours, the floor, and peers.
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
    ratio = best[ours] / best[floor]
    peers = {n: t / best[ours] for n, t in best.items() if n not in {ours, floor}}
    row = {
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
