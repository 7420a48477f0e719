"""Bringing pages of a map into memory, those of many places by one system call (Linux).

``madvise(2)`` with `MADV_POPULATE_READ` is an error where a disk fails, and no signal; it takes
one stretch. ``process_madvise(2)`` takes many, and since Linux 6.13 this advice for the own
process. Where a system refuses that, each place is asked for by itself.
"""

import errno
import os
import sys
from collections.abc import Callable
from functools import lru_cache
from mmap import PAGESIZE, mmap
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._bytes.per_process import per_process

_POPULATE_READ: Final = 22
"""`MADV_POPULATE_READ` of Linux 5.14, which Python has no name for."""
_PROCESS_MADVISE: Final = 440
"""The number of the call, the same on all machines but Alpha."""
_AT_ONCE: Final = 1024
"""`IOV_MAX`."""
_FEW: Final = 8
_UNKNOWN: Final = (errno.ENOSYS, errno.EPERM, errno.EINVAL)
"""What a system says that does not have the call, or not for this advice."""


def load_pages(memory: mmap, offsets: NDArray[np.int64], length: int) -> None:
    """Bring `length` bytes from each offset on into memory.

    Raises
    ------
    OSError
        If they cannot be read.
    """
    starts = offsets // PAGESIZE * PAGESIZE
    lengths = offsets + length - starts
    if len(starts) < _FEW or _refusals() or not _load_together(memory, starts, lengths):
        advise = memory.madvise
        for start, size in zip(starts.tolist(), lengths.tolist(), strict=True):
            advise(_POPULATE_READ, start, size)


def _load_together(
    memory: mmap, starts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> bool:
    """Ask for all of them at once; return whether the system takes that."""
    call = _process_madvise()
    if call is None:
        return False
    first = np.frombuffer(memory, np.uint8).__array_interface__["data"][0]
    places = np.empty((len(starts), 2), np.uintp)
    places[:, 0] = starts + first
    places[:, 1] = -(-lengths // PAGESIZE) * PAGESIZE
    try:
        this_process = os.pidfd_open(os.getpid())
    except OSError as error:
        _refusals().append(error.errno or errno.EPERM)
        return False
    try:
        for row in range(0, len(places), _AT_ONCE):
            some = places[row : row + _AT_ONCE]
            done, reason = call(this_process, some)
            if done < 0 and reason in _UNKNOWN:
                _refusals().append(reason)
                return False
            if done != some[:, 1].sum():
                raise OSError(reason or errno.EIO, "Pages cannot be read")
    finally:
        os.close(this_process)
    return True


_Call = Callable[[int, NDArray[np.uintp]], tuple[int, int]]


@lru_cache(maxsize=1)
def _process_madvise() -> _Call | None:
    """Return the call: it returns the bytes that it took care of, and an error number."""
    if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        return None
    import ctypes  # deferred: NumPy has it, but for who reads no regions

    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_ssize_t

    def call(process: int, places: NDArray[np.uintp]) -> tuple[int, int]:
        ctypes.set_errno(0)
        done: int = syscall(
            ctypes.c_long(_PROCESS_MADVISE),
            ctypes.c_int(process),
            ctypes.c_void_p(places.ctypes.data),
            ctypes.c_size_t(len(places)),
            ctypes.c_int(_POPULATE_READ),
            ctypes.c_uint(0),
        )
        return done, ctypes.get_errno()

    return call


@per_process
def _refusals() -> list[int]:
    """Return why the system does not take many places, nothing as long as it does."""
    return []
