"""Maps of local files that nobody can cut meanwhile (Linux, ``fcntl(2)`` and ``madvise(2)``).

A file that is cut while it is mapped kills who looks at the map (SIGBUS). Under a read lease
nobody can do so: who opens the file to write, or cuts it, waits until the lease is given back.
The system grants it to the owner of a file that nobody has open to write. Pages are asked for
with `MADV_POPULATE_READ`, which is an error where a disk fails, and no signal. On file systems
of other machines a lease says nothing, so those of this one are named here.
"""

import os
from dataclasses import field
from functools import lru_cache
from mmap import ACCESS_READ, mmap
from pathlib import Path
from signal import Signals
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._bytes.local.pages import load_pages
from lazydicom._bytes.quick_dataclass import dataclass

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_FILE_SYSTEMS: Final = frozenset(
    ("ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "tmpfs")
)
_MOUNTS: Final = Path("/proc/self/mountinfo")


@dataclass(frozen=True, slots=True, eq=False)
class LeasedMemory:
    """A file as memory, as long as the lease lasts."""

    memory: memoryview = field(repr=False)
    _map: mmap | None = field(default=None, repr=False)
    """``None`` where somebody else is responsible for the memory."""

    def load(self, offsets: NDArray[np.int64], length: int) -> None:
        """Bring `length` bytes from each offset on into memory, or raise `OSError`."""
        if self._map is not None:
            load_pages(self._map, offsets, length)


def take_lease(descriptor: int) -> bool:
    """Ask for a read lease on a file; return whether it is granted.

    The signal that says that somebody waits is one that is ignored by default.
    """
    if not hasattr(fcntl, "F_SETLEASE") or not is_of_this_machine(
        os.fstat(descriptor).st_dev
    ):
        return False
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, Signals.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError:  # somebody else's file, or one that is being written
        return False
    return True


def give_back(descriptor: int) -> None:
    """Let go of a lease, so that who waits goes on."""
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)


def map_leased(descriptor: int, size: int) -> LeasedMemory | None:
    """Return a whole leased file as memory, ``None`` where it cannot be mapped."""
    try:
        memory = mmap(descriptor, size, access=ACCESS_READ)
    except (OSError, ValueError):  # no room for it, or it has no bytes
        return None
    return LeasedMemory(memoryview(memory), memory)


def is_of_this_machine(device: int) -> bool:
    """Return whether a device is a file system that only this machine writes."""
    # Numbers of devices without a disk are used again for others.
    kind = _kind_of_disk(device) if os.major(device) else _kind_of(device)
    return kind in _FILE_SYSTEMS


@lru_cache(maxsize=64)
def _kind_of_disk(device: int) -> str:
    return _kind_of(device)


def _kind_of(device: int) -> str:
    """Return the type of the file system on a device, nothing where it is not known."""
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = _MOUNTS.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return ""
    for line in lines:
        before, _, after = line.partition(" - ")
        if before.split(" ", 3)[2] == number:
            return after.partition(" ")[0]
    return ""
