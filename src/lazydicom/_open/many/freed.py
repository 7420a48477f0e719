"""What the C library keeps of memory that was let go of, given back to the system.

While many files are opened, blocks of headers and columns of all of them come and go between
what stays; glibc keeps such gaps for later, 0.4 kB for each file, and the process looks so much
larger. Other systems have no such call, or give back by themselves.
"""

import ctypes
import sys
from contextlib import suppress
from functools import cache
from typing import Any


def give_back() -> None:
    """Let go of what can be; where the system does not know how, nothing is done."""
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Any:  # noqa: ANN401 (a function of C)
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # musl has none
            return ctypes.CDLL(None).malloc_trim
    return None
