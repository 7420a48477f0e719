"""Every example runs from a clean checkout."""

import subprocess
import sys
from pathlib import Path

import imagecodecs
import numpy as np
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


def test_the_picture_of_the_readme_is_what_its_example_makes(tmp_path: Path) -> None:
    shown = REPOSITORY / "docs" / "pictures" / "three-planes.png"
    made = tmp_path / "made.png"
    script = str(REPOSITORY / "examples" / "three_planes.py")

    subprocess.run([sys.executable, script, str(made)], check=True, timeout=100)

    expected, pixels = (
        np.asarray(imagecodecs.png_decode(path.read_bytes())).astype(int)
        for path in (shown, made)
    )
    assert shown.stat().st_size < 50_000
    assert pixels.shape == expected.shape
    assert np.abs(pixels - expected).max() <= 2


def test_there_are_three_examples_at_least() -> None:
    assert len(EXAMPLES) >= 3
