"""What a test needs from the machine: programs, shared data, a serious CI."""

import ast
import os
import shutil
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest

IN_CI = os.environ.get("CI") == "true"

REPOSITORY = Path(__file__).resolve().parents[2]

SHARED_DATA = Path(
    os.environ.get("LAZYDICOM_SHARED_DATA", REPOSITORY.parent / "shared" / "data")
)
"""Real files that are too large to live in the repository."""


def skip_outside_ci(reason: str) -> NoReturn:
    """Skip on a desk; fail in CI, where a skip would hide that something lacks."""
    if IN_CI:
        pytest.fail(f"CI must not skip: {reason}")
    pytest.skip(reason)


@cache
def tree_of(module: Path) -> ast.Module:
    """Parse a module of ours, once in a process."""
    return ast.parse(module.read_text())


def require_program(name: str) -> str:
    """Return the path of an external program."""
    path = shutil.which(name)
    if path is None:
        skip_outside_ci(f"{name} is not installed (.ci/run installs it)")
    return path


def require_shared_data(*parts: str) -> Path:
    """Return a file or folder of the shared data."""
    path = SHARED_DATA.joinpath(*parts)
    if not path.exists():
        skip_outside_ci(f"{path} is absent (see docs/testing.md)")
    return path
