"""Every example runs from a clean checkout."""

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import warm_process
from tools import REPOSITORY

SCRIPT = """
import os, runpy, sys
_, script, folder, *sys.argv[1:] = sys.argv
os.chdir(folder)
runpy.run_path(script, run_name="__main__")
"""
EXAMPLES = sorted((REPOSITORY / "examples").glob("*.py"))
PICTURE = REPOSITORY / "examples" / "three_planes.py"
"""Makes the picture of the README."""


@pytest.mark.parametrize(
    "example",
    [path for path in EXAMPLES if path != PICTURE],
    ids=lambda path: path.stem,
)
def test_an_example_runs_and_prints_what_it_shows(
    example: Path, tmp_path: Path
) -> None:
    assert warm_process.run(SCRIPT, example, tmp_path).strip()


def test_an_example_makes_the_picture_of_the_readme_and_says_so(
    tmp_path: Path,
) -> None:
    shown = REPOSITORY / "docs" / "pictures" / "three-planes.png"
    made = tmp_path / "made.png"

    assert warm_process.run(SCRIPT, PICTURE, tmp_path, made).strip()

    expected, pixels = (
        np.asarray(imagecodecs.png_decode(path.read_bytes())).astype(int)
        for path in (shown, made)
    )
    assert shown.stat().st_size < 50_000
    assert pixels.shape == expected.shape
    assert np.abs(pixels - expected).max() <= 2


def test_there_are_three_examples_at_least() -> None:
    assert len(EXAMPLES) >= 3
