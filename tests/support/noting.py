"""Many quick cases in one test: what fails says which case it was.

A test costs 1.4 ms beside what it does (two workers collect and report it), so a grid
of cases that take less than that is one test per row, and a loop.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def noting(**case: object) -> Iterator[None]:
    """Write the case below whatever the block raises.

    >>> with noting(percent=30):
    ...     assert False, "more"
    Traceback (most recent call last):
    AssertionError: more
    percent=30
    """
    try:
        yield
    except BaseException as error:
        error.add_note(", ".join(f"{name}={value!r}" for name, value in case.items()))
        raise
