"""Native frames of a local file that are asked for in order: by iteration, or one by one.

Both read blocks of a MiB, on the caller's thread and on others, of a file that is open while
somebody reads. Iteration does so from its first frame on; `array[k]` where the main thread
asked for the frames before it, too. What that reads ahead is given out once each, after the
same question as ever: whether the file is still the same. A thread keeps the frames ahead of
one array, for as long as it goes on in order and the array lives.
"""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import Any, Final, TypeAlias
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.grid import FrameGrid
from lazydicom._array.work.ahead import read_ahead
from lazydicom._array.work.cores import default_threads, threads_alone
from lazydicom._bytes.local.shared import SharedFile, share
from lazydicom._bytes.per_process import at_fork
from lazydicom._decode.format import FrameFormat
from lazydicom._decode.native import finish_in_place
from lazydicom._frames.index import FrameReader, NativeReader
from lazydicom.errors import LazyDicomError

_Frames: TypeAlias = list[NDArray[Any]]
_BLOCK_BYTES: Final = 1 << 20
"""1 MiB: five of them are under way, and stay in the cache until they are used."""
_MOST_FRAMES: Final = 512
"""Half of what one call reads into, `IOV_MAX`."""
_LARGEST_FRAME: Final = 1 << 21
_FEWEST: Final = 4
"""Frames in order from which on somebody is believed to go on; a block at least, too."""
_READERS: Final = 2
"""Threads that read for `array[k]`, the caller's included: more would hold more ahead."""
_MOST_READERS: Final = 4
"""Threads that read for iteration: more would wait for the interpreter."""


class _Ahead:
    """The frame that a thread asked for, and those behind it that it may ask for next."""

    __slots__ = ("count", "file", "frames", "next", "owner")

    def __init__(self, owner: object, number: int) -> None:
        self.frames: list[Iterator[NDArray[Any]]] = []
        self.owner = ref(owner, partial(_clear, self.frames))
        self.next = number + 1
        self.count = 1
        self.file: SharedFile | None = None

    def take(self, *, last: bool) -> NDArray[Any] | None:
        """Return the next frame, ``None`` where it is better read as any other is."""
        try:
            frame = next(self.frames[0])
            if self.file is not None:
                self.file.check_unchanged()
        except (LazyDicomError, StopIteration):
            self.frames.clear()
            return None
        if last:
            self.frames.clear()
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
        _OF_THREAD.ahead = _Ahead(owner, number)
        return None
    ahead.next = number + 1
    if not ahead.frames:
        ahead.count += 1
        length = format_.pixel.frame_nbytes
        if ahead.count <= max(_FEWEST, _BLOCK_BYTES // length):
            return None
        ahead.count = 0
        _begin(ahead, reader, format_, number)
    return ahead.take(last=ahead.next == len(reader)) if ahead.frames else None


def iterate(
    reader: FrameReader, format_: FrameFormat, grid: FrameGrid
) -> Iterator[NDArray[Any]] | None:
    """Return the frames of a grid, ``None`` where they are no neighbours in a local file."""
    numbers = grid.numbers
    if not isinstance(reader, NativeReader) or not format_.in_place:
        return None
    if not grid.is_stack_of_frames or numbers.ndim != 1 or not numbers.size:
        return None
    first, last = int(numbers[0]), int(numbers[-1])
    if not 0 <= first <= last < len(reader) or (np.diff(numbers) != 1).any():
        return None
    file = share(reader.source)
    if file is None:
        return None
    _forget()
    reads = _blocks(reader, format_, range(first, last + 1), partial(_read, file))
    threads = min(default_threads(), _MOST_READERS)
    return chain.from_iterable(read_ahead(reads, threads=threads, waits=False))


def _begin(
    ahead: _Ahead, reader: FrameReader, format_: FrameFormat, number: int
) -> None:
    """Read ahead from a frame on, where that is possible and cores are there for it."""
    threads = min(threads_alone(), _READERS)
    if threads < _READERS or not isinstance(reader, NativeReader) or reader.lends:
        return
    file = share(reader.source)
    if file is not None and format_.pixel.frame_nbytes <= _LARGEST_FRAME:
        numbers, fill = range(number, len(reader)), partial(_fill, file)
        reads = _blocks(reader, format_, numbers, fill)
        blocks = read_ahead(reads, threads=threads, waits=False)
        ahead.file = file
        ahead.frames.append(chain.from_iterable(blocks))


def _blocks(
    reader: NativeReader,
    format_: FrameFormat,
    numbers: range,
    read: Callable[[NativeReader, FrameFormat, int, _Frames], _Frames],
) -> Iterator[Callable[[], _Frames]]:
    """Yield the reading of one block after the other, each frame in memory of its own.

    It is taken here, on the thread that frees it: memory freed on another one goes back to the
    system, and its pages cost as much as the copy when they are taken again.
    """
    shape, dtype = format_.pixel.frame_shape, format_.pixel.dtype
    step = min(max(_BLOCK_BYTES // format_.pixel.frame_nbytes, 1), _MOST_FRAMES)
    for first in numbers[::step]:
        count = min(step, numbers.stop - first)
        frames = [np.empty(shape, dtype) for _ in range(count)]
        yield partial(read, reader, format_, first, frames)


def _read(
    file: SharedFile,
    reader: NativeReader,
    format_: FrameFormat,
    first: int,
    frames: _Frames,
) -> _Frames:
    """Fill neighbours from a frame on, whose file is the same afterwards."""
    try:
        _fill(file, reader, format_, first, frames)
        file.check_unchanged()
    except LazyDicomError as error:
        raise error.locate(url=reader.url, frame=first) from None
    return frames


def _fill(
    file: SharedFile,
    reader: NativeReader,
    format_: FrameFormat,
    first: int,
    frames: _Frames,
) -> _Frames:
    offset = reader.index.span(first).offset
    file.fill_each(offset, frames, len(frames) * frames[0].nbytes)
    if not format_.as_stored:
        for frame in frames:
            finish_in_place(frame, format_)
    return frames


def _clear(frames: list[Iterator[NDArray[Any]]], _: object) -> None:
    frames.clear()


def _forget() -> None:
    """Let go of what this thread has ahead."""
    _OF_THREAD.ahead = None


_OF_THREAD: Final = threading.local()
at_fork(in_child=_forget)
