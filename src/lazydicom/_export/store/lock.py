"""One export at a time into one place of this machine.

The lock is one of the operating system, on an empty file beside the store: it goes with the
process that holds it, however that ends. A store behind a network has none.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from lazydicom.errors import ExportError

_SUFFIX = ".lazydicom-lock"
"""Callers have locks of their own, which are often called ``.lock``."""


@contextmanager
def only_export(url: str) -> Iterator[None]:
    """Hold the lock of a local store.

    Raises
    ------
    ExportError
        If another export holds it.
    """
    if sys.platform == "win32":
        yield  # has no flock
        return
    path = url + _SUFFIX
    os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
    descriptor = _lock(path, url)
    try:
        yield
    finally:
        with suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108 (while it is held)
        os.close(descriptor)


def _lock(path: str, url: str) -> int:
    import fcntl

    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise ExportError("Another export writes here", url=url) from None
        except OSError:  # a file system without locks
            return descriptor
        if _is_still_there(descriptor, path):
            return descriptor
        os.close(descriptor)  # the one before us removed it meanwhile


def _is_still_there(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))  # noqa: PTH116
    except FileNotFoundError:
        return False
