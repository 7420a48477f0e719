"""Compare the speed of two commits in one run, in turn.

    python tests/benchmarks/compare.py BEFORE AFTER [ROUNDS [WORD...]]

BEFORE and AFTER are commits, or folders of checkouts. With words, works whose names hold one
of them are timed, else all. Each round times both, one after the
other; of each work the median ratio of all rounds is printed, and how far the ratios of
single rounds lie apart. A ratio has moved where its median is farther from 1 than that, and
farther than 5 %.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES: Final = Path(__file__).with_name("probe_files.py")
PROBES: Final = Path(__file__).with_name("probes.py")
REPOSITORY: Final = Path(__file__).parents[2]
LEAST_MOVE: Final = 0.05
ROUNDS: Final = 5


@contextmanager
def checkout(commit: str, folder: Path) -> Iterator[Path]:
    """Check a commit out beside this one; a folder is taken as it is."""
    if Path(commit).is_dir():
        yield Path(commit)
        return
    git = ["git", "-C", str(REPOSITORY), "worktree"]
    subprocess.run([*git, "add", "-q", "--detach", str(folder), commit], check=True)
    try:
        yield folder
    finally:
        subprocess.run([*git, "remove", "--force", str(folder)], check=True)


def time_all(source: Path, files: Path, words: list[str]) -> dict[str, float]:
    """Time works with the library of one checkout, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(PROBES), str(files), *words],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(source / "src")},
    )
    times: dict[str, float] = json.loads(done.stdout)
    return times


def verdict(ratios: list[float]) -> tuple[float, float, str]:
    """Return the median ratio, the noise around it, and whether it moved."""
    middle = statistics.median(ratios)
    noise = statistics.median(abs(one - middle) for one in ratios) * 2
    moved = abs(middle - 1) > max(noise, LEAST_MOVE)
    return middle, noise, ("" if not moved else "slower" if middle > 1 else "faster")


def main() -> int:
    """Print a table; the exit code is 1 where something became slower."""
    before, after, *more = sys.argv[1:]
    rounds, words = (int(more[0]) if more else ROUNDS), more[1:]
    runs: list[tuple[dict[str, float], dict[str, float]]] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sides = [
            stack.enter_context(checkout(commit, folder / name))
            for commit, name in ((before, "before"), (after, "after"))
        ]
        subprocess.run([sys.executable, str(FILES), str(folder / "files")], check=True)
        for number in range(rounds):
            order = sides if number % 2 == 0 else sides[::-1]
            times = [time_all(side, folder / "files", words) for side in order]
            first, second = times if number % 2 == 0 else times[::-1]
            runs.append((first, second))
    load = os.getloadavg()[0]
    say(f"| {rounds} rounds, load {load:.1f} | before | after | ratio | noise | |")
    say("|---|---|---|---|---|---|")
    slower = False
    for name in runs[0][1]:
        both = [(one[name], two[name]) for one, two in runs if name in one]
        middle, noise, moved = verdict([two / one for one, two in both])
        times_us = [statistics.median(side) * 1e6 for side in zip(*both, strict=True)]
        slower |= moved == "slower"
        say(
            f"| {name} | {times_us[0]:,.0f} µs | {times_us[1]:,.0f} µs | {middle:.2f} |"
            f" {noise:.2f} | {moved} |"
        )
    return int(slower)


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
