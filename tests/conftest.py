"""Settings that every test shares, and what is done once for all of them."""

import compileall
import gc
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from retry_waits import skip_waits
from tools import IN_CI, REPOSITORY, require_shared_data

# No deadline: two workers share two cores. No database: nothing is left behind
# in the tree. In CI the examples are the same in each run.
settings.register_profile("lazydicom", deadline=None, database=None, derandomize=IN_CI)
settings.load_profile("lazydicom")


def pytest_configure(config: pytest.Config) -> None:
    """Compile the package and `support` for workers and the processes that tests start.

    Each would do so by itself where `PYTHONDONTWRITEBYTECODE` is set.
    """
    if not hasattr(config, "workerinput"):  # once, before xdist starts its workers
        for folder in ("src", "tests/support"):
            compileall.compile_dir(REPOSITORY / folder, quiet=2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest file: at the end, one worker would wait for the other."""
    items.sort(key=lambda item: item.path.name != "test_cluster.py")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Let the garbage collector pass over what stays to the end: modules and tests.

    A full collection takes a second otherwise, and some tests ask for several. From then
    on it looks more rarely at what is young: most of that goes by itself.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()
        gc.set_threshold(5000, 20, 20)


@pytest.fixture(scope="module", autouse=True)
def _small_heap() -> None:
    """Let it pass over what earlier files left for good, too: libraries, caches.

    Of a million objects, each `gc.collect` of a test would take a second.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _no_power_cut() -> Iterator[None]:
    """Wait for no disk: what is written is there for whoever looks while it runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let no read wait before it asks again; return the seconds that it would have."""
    return skip_waits(monkeypatch)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real files, or skip (fail in CI)."""
    return require_shared_data()
