"""Inflated bytes in files of this process, by name: what is merely open holds no descriptor.

All spills lie in one folder that a process makes when it first needs one. A spill goes with
the last array that reads it, the folder with the process; a process that was killed leaves
its folder to the next one that makes its own.
"""

import os
import weakref
from collections.abc import Iterable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Final

from lazydicom._bytes.per_process import per_process
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom.errors import SourceError

try:
    import fcntl
except ImportError:  # Windows: a folder that was left stays until somebody deletes it
    fcntl = None  # type: ignore[assignment]

_PREFIX: Final = "lazydicom-spills-"
_IN_USE: Final = "in-use"
"""This file of a folder is locked as long as the process lives that made it."""
_NUMBERS: Final = count()
_LOCKS: Final = bool(fcntl)


@dataclass(frozen=True, eq=False)
class Spill:
    """A file that is deleted with this value, by the process that wrote it."""

    path: str
    size: int

    def __post_init__(self) -> None:
        weakref.finalize(self, _delete, self.path, os.getpid())


def write_spill(blocks: Iterable[bytes | memoryview], *, url: str) -> Spill:
    """Write all bytes to a new file of the temporary folder.

    Raises
    ------
    SourceError
        If they do not fit, or there is no such folder; it names the folder.
    """
    try:
        return _write(_new_path(), blocks)
    except OSError as error:
        raise _failed(error, url) from None


def _new_path() -> str:
    if not os.path.isdir(_folder()):  # noqa: PTH112 (somebody tidied up)
        _folder.forget()
    return f"{_folder()}{os.sep}{next(_NUMBERS)}"


def _write(path: str, blocks: Iterable[bytes | memoryview]) -> Spill:
    size = 0
    with open(path, "xb", buffering=0) as file:  # noqa: PTH123 (Path costs 5 µs)
        try:
            for block in blocks:
                size += write_all(file.fileno(), block)
        except BaseException:
            _delete(path, os.getpid())
            raise
    return Spill(path, size)


def write_all(descriptor: int, data: bytes | memoryview) -> int:
    """Write on until all is written: a disk may take a part only."""
    left = memoryview(data).cast("B")
    while left:
        written = os.write(descriptor, left)
        if written == 0:
            raise OSError("No byte was written")
        left = left[written:]
    return len(data)


def _failed(error: OSError, url: str) -> SourceError:
    if isinstance(error, SourceError):
        return error
    reason = error.strerror or str(error)
    import tempfile

    folder = tempfile.gettempdir()
    message = f"Could not write the inflated file to {folder}: {reason}"
    return SourceError(message, url=url, number=error.errno)


def _delete(path: str, process: int) -> None:
    if os.getpid() == process:  # a child of a fork leaves it to its parent
        with suppress(OSError):
            os.unlink(path)  # noqa: PTH108


def _make_folder() -> str:
    """Make the folder of this process, and delete those that killed ones have left."""
    import shutil  # deferred, with tempfile: 15 ms that only spills need
    import tempfile

    parent = Path(tempfile.gettempdir())
    for left in parent.glob(f"{_PREFIX}*"):
        if not _is_used(left):
            shutil.rmtree(left, ignore_errors=True)
    folder = tempfile.mkdtemp(prefix=_PREFIX, dir=parent)
    _mark_used(folder)
    weakref.finalize(_make_folder, _delete_folder, folder, os.getpid())
    return folder


_folder: Final = per_process(_make_folder)


def _delete_folder(folder: str, process: int) -> None:
    import shutil

    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


def _mark_used(folder: str) -> None:
    """Hold a lock as long as the process lives; nobody sees the file before it is locked."""
    if _LOCKS:
        unseen = f"{folder}{os.sep}new"
        descriptor = os.open(unseen, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.rename(unseen, f"{folder}{os.sep}{_IN_USE}")  # noqa: PTH104


def _is_used(folder: Path) -> bool:
    """Return whether a process lives that made a folder, or nobody can tell."""
    if not _LOCKS or folder.is_symlink():
        return True
    try:
        descriptor = os.open(folder / _IN_USE, os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # another user's, or made this moment
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
