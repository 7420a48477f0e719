"""What every benchmark begins with."""

import gc
import os
from typing import Final

import pytest

_AS_IN_ANY_PROCESS: Final = gc.get_threshold()


@pytest.fixture(autouse=True)
def _as_in_a_new_process() -> None:
    """Let what others wrote reach the disk, and garbage be collected as often as elsewhere.

    What the tests before have made is no part of it.
    """
    os.sync()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_AS_IN_ANY_PROCESS)
