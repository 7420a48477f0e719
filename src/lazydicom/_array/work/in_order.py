"""Native frames that are asked for one by one, in order: some are read ahead of who asks.

Where the main thread asked for the frames before it, too, `array[k]` comes out of blocks that
it and a helper read ahead (`native_blocks`). Each frame is given out once, if the file is still
the same. A thread keeps the frames ahead of one array, for as long as it goes on in order and
the array lives.
"""

import threading
from collections.abc import Iterator
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.grid import FrameGrid
from lazydicom._bytes.deferred import deferred
from lazydicom._decode.format import FrameFormat
from lazydicom._frames.index import FrameReader
from lazydicom.errors import LazyDicomError

if TYPE_CHECKING:
    from lazydicom._array.work import native_blocks
else:
    native_blocks = deferred("lazydicom._array.work.native_blocks")

_FEWEST: Final = 4
"""Frames in order from which on somebody is believed to go on."""
_FEWEST_BYTES: Final = 1 << 20
"""And bytes of them: what is read ahead in vain is five times as much at most."""
_KEPT_BYTES: Final = 1 << 23
"""8 MiB: more than is under way at once."""


class _Ahead:
    """The frame that a thread asked for, and those behind it that it may ask for next."""

    __slots__ = ("count", "next", "owner", "read")

    def __init__(self, owner: object, number: int) -> None:
        self.read: list[native_blocks.FramesAhead] = []
        self.owner = ref(owner, partial(_clear, self.read))
        self.next = number + 1
        self.count = 1

    def take(self, *, last: bool) -> NDArray[Any] | None:
        """Return the next frame, ``None`` where it is better read as any other is."""
        frames, file = self.read[0]
        try:
            frame = next(frames)
            file.check_unchanged()
        except (LazyDicomError, StopIteration):
            self.read.clear()
            return None
        if last:
            self.read.clear()
        return frame


def take_frame(
    owner: object, reader: FrameReader, format_: FrameFormat, number: int
) -> NDArray[Any] | None:
    """Return a native frame that was read ahead, ``None`` where it was not.

    Parameters
    ----------
    owner : object
        Whose frames these are; what is ahead goes with it.
    reader : FrameReader
        Of the frames.
    format_ : FrameFormat
        How they are encoded.
    number : int
        Of the frame.
    """
    ahead: _Ahead | None = getattr(_OF_THREAD, "ahead", None)
    if ahead is None or ahead.next != number or ahead.owner() is not owner:
        _keep_freed_memory()
        _OF_THREAD.ahead = _Ahead(owner, number)
        return None
    ahead.next = number + 1
    if not ahead.read:
        ahead.count += 1
        length = format_.pixel.frame_nbytes
        if ahead.count <= max(_FEWEST, _FEWEST_BYTES // length):
            return None
        ahead.count = 0
        read = native_blocks.read_on(reader, format_, number)
        if read is None:
            return None
        ahead.read.append(read)
    return ahead.take(last=ahead.next == len(reader))


def iterate(
    reader: FrameReader, format_: FrameFormat, grid: FrameGrid
) -> Iterator[NDArray[Any]] | None:
    """Return the frames of a grid, ``None`` where they are no neighbours in a local file."""
    _keep_freed_memory()
    _forget()
    return native_blocks.iterate(reader, format_, grid)


@lru_cache(maxsize=1)
def _keep_freed_memory() -> None:
    """Let frames be read into the memory of frames that were let go of.

    The C library of Linux gives freed memory back to the system from 128 KiB on, until so much
    more was freed at once; new pages for each frame would take longer than reading it.
    """
    np.empty(_KEPT_BYTES, np.uint8)


def _clear(read: "list[native_blocks.FramesAhead]", _: object) -> None:
    read.clear()


def _forget() -> None:
    """Let go of what this thread has ahead."""
    _OF_THREAD.ahead = None


_OF_THREAD: Final = threading.local()
