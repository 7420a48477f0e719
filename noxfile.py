"""What a contributor runs, by name: `nox -l` lists it, `nox -s check` runs it.

All sessions use the environment that nox stands in (`pip install nox`), so nothing is
installed twice; `.ci/run` is the one that makes its own.
"""

from pathlib import Path

import nox

nox.options.sessions = ["check"]
nox.options.default_venv_backend = "none"


@nox.session
def check(session: nox.Session) -> None:
    """Format, lint, types, rooms and the whole suite: what has to pass."""
    session.run("ruff", "format", "--check")
    session.run("ruff", "check")
    session.run("lint-imports")
    session.run("mypy")
    session.run("python", "-m", "pytest", "-q", "-n", "2", *session.posargs)


@nox.session
def test(session: nox.Session) -> None:
    """Test rooms: `nox -s test -- bytes header`, or `nox -s test -- bytes -k zip`."""
    rooms = [_room(name) for name in session.posargs]
    if not rooms:
        session.error("Name a room: nox -s test -- bytes")
    session.run("python", "-m", "pytest", "-q", "-n", "2", *rooms)


@nox.session
def heavy(session: nox.Session) -> None:
    """Run files over 1 GB, long fuzzing and kill campaigns: hours, and 8 GB of disk."""
    heavy = ["-m", "heavy", "--timeout", "3600"]
    session.run("python", "-m", "pytest", *heavy, *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure ratios on a quiet machine; write their table into docs/performance.md."""
    session.run("python", "tests/benchmarks/table.py", *session.posargs)


@nox.session
def compare(session: nox.Session) -> None:
    """Compare the speed of two commits: `nox -s compare -- main~20 main`."""
    session.run("python", "tests/benchmarks/compare.py", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the web site into build/site (extra `docs`)."""
    session.run("mkdocs", "build", "--strict", *session.posargs)


def _room(name: str) -> str:
    """Return the folder of a room; anything else is an argument of pytest."""
    folder = Path("tests", name)
    return str(folder) if folder.is_dir() else name
