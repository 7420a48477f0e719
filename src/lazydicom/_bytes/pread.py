"""Reading at a position of a local file, on systems that have `pread` and those that do not.

Every read opens the file anew, so that a descriptor has no other reader: where there is no
`pread` (Windows) its position is moved without a lock.
"""

import io
import os
from typing import Final

_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)  # Windows would turn line ends
)

_NONBLOCK: Final = getattr(os, "O_NONBLOCK", 0)


def open_to_read(path: str, *, wait: bool = True) -> int:
    """Open a file for one read; who calls closes the descriptor."""
    return os.open(path, _FLAGS if wait else _FLAGS | _NONBLOCK)


def read_at(descriptor: int, length: int, offset: int) -> bytes:
    """Read `length` bytes into fresh memory, fewer where the file ends."""
    data = _read_at(descriptor, length, offset)
    while len(data) < length:  # one call gives 2 GiB at most
        more = _read_at(descriptor, length - len(data), offset + len(data))
        if not more:
            break
        data += more
    return data


def read_into(descriptor: int, out: memoryview, offset: int) -> int:
    """Fill `out` without a copy in between; return how many bytes there were."""
    view = out
    while view:
        count = _read_into(descriptor, view, offset)
        if count == 0:
            break
        offset, view = offset + count, view[count:]
    return out.nbytes - view.nbytes


def _read_at(descriptor: int, length: int, offset: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(descriptor, length, offset)
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, length)


def _read_into(descriptor: int, view: memoryview, offset: int) -> int:
    if hasattr(os, "preadv"):
        return os.preadv(descriptor, [view], offset)
    os.lseek(descriptor, offset, os.SEEK_SET)
    with io.FileIO(descriptor, closefd=False) as file:
        return file.readinto(view) or 0
