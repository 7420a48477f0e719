"""Every example runs from a clean checkout."""

import subprocess
import sys
from pathlib import Path

import pytest
from tools import REPOSITORY

EXAMPLES = sorted((REPOSITORY / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_and_prints_what_it_shows(
    example: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, str(example)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_there_are_three_examples_at_least() -> None:
    assert len(EXAMPLES) >= 3
