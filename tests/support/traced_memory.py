"""The memory that an action takes, as Python and NumPy count it."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def traced(action: Callable[[], T]) -> tuple[T, int]:
    """Give what an action gives, and the most bytes that it held."""
    tracemalloc.start()
    try:
        result = action()
        return result, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
