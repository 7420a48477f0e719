"""Windows and macOS, as far as they can be played here: without what they lack."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHORT = ("tests/open/test_series_files.py",)
LONG = (
    *SHORT,
    "tests/bytes/test_zip_source.py",
    "tests/bytes/test_sources.py",
    "tests/bytes/test_spill.py",
    "tests/bytes/test_file_objects.py",
    "tests/bytes/test_location.py",
    "tests/open/test_index_file.py",
    "tests/open/test_study.py",
    "tests/views/test_dask.py",
    "tests/views/test_xarray.py",
    "tests/views/test_zarr_store.py",
    "tests/export/test_to_zarr.py",
    "tests/export/test_ome_zarr.py",
    "tests/cli",
)
IN_MEMORY = f"{SHORT[0]}::test_datasets_in_memory_are_the_series_that_their_files_are"
"""Needs no system."""
LEFT_OUT = {
    "test_what_a_killed_process_left": "a folder of spills is known to be used by flock",
}
"""Tests that need what the system lacks, and why."""


def counts(system: str, folder: Path, *paths: str) -> dict[str, int]:
    """Run tests as on another system; return how many passed, failed …."""
    command = [sys.executable, str(ROOT / "tests/support/other_system.py"), system]
    # Its own folder: pytest would delete what earlier runs left, of 60,000 files each.
    paths = (*paths, f"--basetemp={folder / 'of tests'}")
    command += [*paths, "-k", " and ".join(f"not {name}" for name in LEFT_OUT)]
    done = subprocess.run(
        command,
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tests/support'}"},
    )
    summary = done.stdout.strip().splitlines()[-1]
    found = re.findall(r"(\d+) (passed|failed|error)", summary)
    assert found, done.stdout[-2000:] + done.stderr[-2000:]
    return {"passed": 0, "failed": 0, "error": 0} | {kind: int(n) for n, kind in found}


def test_series_and_archives_open_without_what_windows_lacks(tmp_path: Path) -> None:
    found = counts("windows", tmp_path, "--few", *SHORT, "--deselect", IN_MEMORY)

    assert found["passed"] > 20
    assert found["failed"] == found["error"] == 0


@pytest.mark.heavy
@pytest.mark.timeout(900)
@pytest.mark.parametrize("system", ["windows", "macos"])
def test_most_of_the_suite_passes_on_another_system(
    system: str, tmp_path: Path
) -> None:
    found = counts(system, tmp_path, *LONG)

    total = sum(found.values())
    assert total > 500
    assert found["passed"] >= 0.98 * total
