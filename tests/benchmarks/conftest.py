"""What every benchmark begins with."""

import os

import pytest


@pytest.fixture(autouse=True)
def _quiet_disk() -> None:
    """Let what others wrote reach the disk before anything is timed."""
    os.sync()
