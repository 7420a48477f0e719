"""Run benchmarks, and write their table into docs/performance.md and docs/benchmarks.json.

    python tests/benchmarks/table.py [ARGUMENTS OF PYTEST]

The rows of a file that is measured again replace its older ones; others stay. Run it on a
quiet machine: the load of the minutes before is written beside the figures.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

REPOSITORY: Final = Path(__file__).parents[2]
TABLE: Final = REPOSITORY / "docs" / "benchmarks.json"
PAGE: Final = REPOSITORY / "docs" / "performance.md"
BEGIN: Final = "<!-- table: written by tests/benchmarks/table.py -->"
END: Final = "<!-- end of table -->"
Row = dict[str, Any]


def conditions() -> str:
    """Return what the figures hold for, in words."""
    names = ("numpy", "imagecodecs", "pydicom", "dask", "xarray", "zarr")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    cores, load = os.cpu_count(), os.getloadavg()[1]
    date = datetime.now(UTC).date().isoformat()
    python = platform.python_version()
    return f"{date}, Python {python}, {cores} cores, load {load:.1f}, {versions}"


def measure(arguments: list[str]) -> tuple[int, list[Row]]:
    """Run benchmarks, and return the exit code of pytest and their rows."""
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows"
        rows.touch()
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-m", "benchmark", "-s", *arguments],
            check=False,
            cwd=REPOSITORY,
            env={**os.environ, "LAZYDICOM_BENCHMARKS": str(rows)},
        )
        lines = rows.read_text("utf-8").splitlines()
    return done.returncode, [json.loads(line) for line in lines]


def in_words(row: Row) -> str:
    """Return a row of the markdown table; a bar that is missed is bold."""
    others = ", ".join(f"{name} {x:.1f} ×" for name, x in row["others"].items())
    ratio = f"{row['ratio']:.2f} ×"
    ratio = f"**{ratio}**" if row["ratio"] > row["bar"] else ratio
    times = f"{row['ours_s'] * 1e3:,.2f} ms | {ratio} {row['floor']}"
    bar = f"{row['bar']:.3g} ×" + (f" ({row['why']})" if row["why"] else "")
    return f"| {row['what']} | {times} | {bar} | {others} |"


def main() -> int:
    """Measure, merge and write."""
    before = conditions()  # the load afterwards is that of the benchmarks
    code, rows = measure(sys.argv[1:] or ["tests/benchmarks"])
    known = json.loads(TABLE.read_text("utf-8")) if TABLE.exists() else []
    again = {row["area"] for row in rows}
    rows = [row | {"conditions": before} for row in rows]
    rows += [row for row in known if row["area"] not in again]
    rows.sort(key=lambda row: row["area"])
    TABLE.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    head, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, tail = rest.partition(END)
    table = tables(rows)
    PAGE.write_text(f"{head}{BEGIN}\n\n{table}\n\n{END}{tail}", "utf-8")
    return code


def tables(rows: list[Row]) -> str:
    """Return one table of all rows, those of an area together."""
    areas: dict[str, list[str]] = {}
    for row in rows:
        areas.setdefault(row["area"], []).append(in_words(row))
    lines = [
        "| what | ours | of the floor | bar | others, of ours |",
        "|---|---|---|---|---|",
    ]
    for area, words in areas.items():
        lines += [f"| **{area}** | | | | |", *words]
    places = sorted({row["conditions"] for row in rows})
    return "\n".join([*lines, "", *(f"Measured {place}.  " for place in places)])


if __name__ == "__main__":
    sys.exit(main())
