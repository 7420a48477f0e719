"""Ctrl-C at each moment at which Python looks for signals: when a call begins or has ended."""

from __future__ import annotations

import sys
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def is_interrupted(moment: int, act: Callable[[], object]) -> bool:
    """Interrupt what this thread does at a moment, counted from 0; was there one?"""
    left = count(moment, -1)

    def interrupt(_: object, event: str, __: object) -> None:
        if event in {"call", "c_return"} and next(left) == 0:
            raise KeyboardInterrupt

    sys.setprofile(interrupt)
    try:
        act()
    except KeyboardInterrupt:
        return True
    finally:
        sys.setprofile(None)
    return False
