"""A process that is forked from that of the tests."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def in_child(work: Callable[[], bool]) -> int:
    """Run in a fork; 0 where the work is true, a signal's number where it never ends."""
    child = os.fork()
    if child == 0:
        done = 2
        signal.alarm(60)
        try:
            done = 0 if work() else 1
        finally:
            os._exit(done)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
