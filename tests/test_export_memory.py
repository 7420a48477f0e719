"""An export takes the memory that its plan says, and not more for a longer file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from enhanced_files import write_enhanced
from ratios import run_child

if TYPE_CHECKING:
    from pathlib import Path

CHILD = """
import resource, sys
import lazydicom
source, store, options, limited = sys.argv[1], sys.argv[2], eval(sys.argv[3]), sys.argv[4]
array = lazydicom.open_image(source)
lazydicom.to_zarr(lazydicom.open_image(sys.argv[5]), store + ".warm")
def status(name):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith(name))
if limited == "yes":
    most = status("VmData") + options["memory_limit"]
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
before = status("VmRSS")
report = lazydicom.to_zarr(array, store, **options)
print(report.workers, (status("VmHWM") - before) >> 20)
"""
FRAME = 2048
"""8 MiB per frame of 16 bits."""


def export(
    folder: Path, frames: int, options: str, *, limited: bool
) -> tuple[int, int]:
    """Export in a fresh process; give workers, and MiB by which the peak grew."""
    source, small = folder / f"{frames}.dcm", folder / "small.dcm"
    write_enhanced(source, number_of_frames=frames, rows=FRAME, columns=FRAME)
    write_enhanced(small, number_of_frames=2, rows=16, columns=16)
    store = folder / f"{frames}{limited}.zarr"
    _, printed = run_child(
        CHILD,
        str(source),
        str(store),
        options,
        "yes" if limited else "no",
        str(small),
    )
    workers, grown = map(int, printed.split())
    return workers, grown


@pytest.mark.parametrize(
    "options",
    [
        "dict(memory_limit=96 << 20, workers=4)",
        "dict(memory_limit=96 << 20, workers=4, shards=16)",
        "dict(memory_limit=96 << 20, chunks=(1, 512, 512), shards=(4, 1024, 1024))",
    ],
)
def test_an_export_stays_within_its_limit(options: str, tmp_path: Path) -> None:
    _, grown = export(tmp_path, 40, options, limited=True)

    assert grown <= 96


def test_a_small_limit_takes_workers_away(tmp_path: Path) -> None:
    few, _ = export(tmp_path, 8, "dict(memory_limit=80 << 20, workers=4)", limited=True)
    many, _ = export(tmp_path, 8, "dict(workers=4)", limited=False)

    assert few < many


def test_the_peak_does_not_grow_with_the_file(tmp_path: Path) -> None:
    _, short = export(tmp_path, 12, "{}", limited=False)
    _, long = export(tmp_path, 60, "{}", limited=False)

    assert long <= short + 16


@pytest.mark.heavy
def test_the_peak_of_large_files_stays_below_300_mb(tmp_path: Path) -> None:
    _, two = export(tmp_path, 250, "{}", limited=False)
    _, four = export(tmp_path, 500, "dict(shards=25)", limited=False)

    assert two <= 286
    assert four <= 286
    assert abs(four - two) <= 64
