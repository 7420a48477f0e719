"""Time all works of `probes.py`, and write docs/benchmarks.md and docs/benchmarks.json.

    python tests/benchmarks/table.py [FOLDER FOR THE TABLES]

Run it on a quiet machine: the load is written beside the figures.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
from probes import best_seconds, make_files, works


def conditions() -> dict[str, object]:
    """Return what the figures hold for."""
    names = ("lazydicom", "numpy", "imagecodecs", "pydicom", "dask", "xarray")
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in names},
    }


def floor_s(nbytes: int) -> float:
    """Return the seconds of copying so many bytes in memory, as a measure of the machine."""
    values = np.ones(nbytes, np.uint8)
    out = np.empty_like(values)
    return best_seconds(lambda: np.copyto(out, values))


def main() -> None:
    """Write both tables."""
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "files"
        make_files(files)
        times = {name: best_seconds(work) for name, work in works(files).items()}
    times["copying 105 MB in memory, for comparison"] = floor_s(104_857_600)
    facts = conditions()
    document = {"conditions": facts, "seconds": times}
    (target / "benchmarks.json").write_text(json.dumps(document, indent=1) + "\n")
    lines = [
        "| work | best time |",
        "|---|---|",
        *(f"| {name} | {seconds * 1e6:,.0f} µs |" for name, seconds in times.items()),
        "",
        "Python {python}, {cores} cores, load {load}, {date}: `nox -s bench`.".format(
            **facts
        ),
    ]
    (target / "benchmarks.md").write_text("# Benchmarks\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
