"""Settings that every test shares."""

from pathlib import Path

import pytest
from hypothesis import settings
from tools import IN_CI, require_shared_data

# No deadline: two workers share two cores. No database: nothing is left behind
# in the tree. In CI the examples are the same in each run.
settings.register_profile("lazydicom", deadline=None, database=None, derandomize=IN_CI)
settings.load_profile("lazydicom")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real files, or skip (fail in CI)."""
    return require_shared_data()
