"""Reading at a position of a local file, on systems that have `pread` and those that do not.

Every read opens the file anew, so that a descriptor has no other reader: where there is no
`pread` (Windows) its position is moved without a lock.
"""

import io
import os
from collections.abc import Callable, Sequence
from typing import Final

_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)  # Windows would turn line ends
)

_SHORT: Final = 1 << 20
"""What one call gives as a whole."""
_NONBLOCK: Final = getattr(os, "O_NONBLOCK", 0)


def open_to_read(path: str, *, wait: bool = True) -> int:
    """Open a file for one read; who calls closes the descriptor."""
    return os.open(path, _FLAGS if wait else _FLAGS | _NONBLOCK)


def read_at(descriptor: int, length: int, offset: int) -> bytes:
    """Read `length` bytes into fresh memory, fewer where the file ends."""
    data = peek(descriptor, length, offset)
    while len(data) < length:  # one call gives 2 GiB at most
        more = peek(descriptor, length - len(data), offset + len(data))
        if not more:
            break
        data += more
    return data


def read_into(descriptor: int, out: memoryview, offset: int) -> int:
    """Fill `out` without a copy in between; return how many bytes there were."""
    view = out
    while view:
        count = _fill(descriptor, view, offset)
        if count == 0:
            break
        offset, view = offset + count, view[count:]
    return out.nbytes - view.nbytes


def read_each(descriptor: int, offsets: Sequence[int], length: int) -> bytes:
    """Read `length` bytes at each offset, fewer where the file ends."""
    if length > _SHORT:
        return b"".join(read_at(descriptor, length, offset) for offset in offsets)
    read = peek  # 1 µs each: every call around it would count
    return b"".join([read(descriptor, length, offset) for offset in offsets])


def _seek_and_read(descriptor: int, length: int, offset: int) -> bytes:
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, length)


def _read_vector(descriptor: int, view: memoryview, offset: int) -> int:
    return os.preadv(descriptor, [view], offset)


def _seek_and_fill(descriptor: int, view: memoryview, offset: int) -> int:
    os.lseek(descriptor, offset, os.SEEK_SET)
    with io.FileIO(descriptor, closefd=False) as file:
        return file.readinto(view) or 0


peek: Final[Callable[[int, int, int], bytes]] = getattr(os, "pread", _seek_and_read)
"""Read a few bytes at an offset, fewer where the file ends."""
_fill: Final = _read_vector if hasattr(os, "preadv") else _seek_and_fill
