"""Which modules of our own a call executes: what a newcomer opens to follow it."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

import lazydicom

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

PACKAGE: Final = Path(lazydicom.__file__).parent


def executed_modules(call: Callable[[], object]) -> set[str]:
    """Return the files of `lazydicom` of which `call` executes a function.

    The bodies of modules do not count: they are executed by the first import.
    """
    files = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_name != "<module>":
            files.add(frame.f_code.co_filename)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    paths = [Path(file) for file in files]
    own = {path.relative_to(PACKAGE) for path in paths if path.is_relative_to(PACKAGE)}
    return {path.as_posix() for path in own}
