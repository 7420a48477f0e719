"""Native frames of a local file that follow each other, read a MiB at a time by two threads.

See ``docs/performance.md`` for what that saves, and ``pair`` for who the other thread is.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain, islice
from threading import Lock
from time import perf_counter
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.grid import FrameGrid
from lazydicom._array.work import pair
from lazydicom._array.work.cores import default_threads, threads_alone
from lazydicom._array.work.parallel import next_of
from lazydicom._bytes.local.shared import SharedFile, share
from lazydicom._bytes.local.source import LocalSource
from lazydicom._decode.format import FrameFormat
from lazydicom._decode.native import finish_in_place
from lazydicom._frames.index import FrameReader, NativeReader
from lazydicom._header.image_pixel import ImagePixel
from lazydicom.errors import LazyDicomError

_Frames: TypeAlias = list[NDArray[Any]]
_Read: TypeAlias = Callable[[int, _Frames], _Frames]
_BLOCK_BYTES: Final = 1 << 20
"""1 MiB: five of them are under way, and stay in the cache until they are used."""
_MOST_FRAMES: Final = 512
"""Half of what one call reads into, `IOV_MAX`."""
_LARGEST_FRAME: Final = 1 << 21
_READERS: Final = 2
"""Threads that read, the caller's included: more would wait for the interpreter."""
_UNDER_WAY: Final = 5
"""Blocks of two threads, so that neither waits for the other one's."""
_PATIENCE_S: Final = 0.0003
"""Several times as long as a block takes, and much less than who lost his core is away."""


class FramesAhead(NamedTuple):
    """Frames from one on, of a file that is to be the same whenever one is given out."""

    frames: Iterator[NDArray[Any]]
    file: LocalSource


def iterate(
    reader: FrameReader, format_: FrameFormat, grid: FrameGrid
) -> Iterator[NDArray[Any]] | None:
    """Return the frames of a grid, ``None`` where they are no neighbours in a local file."""
    if not isinstance(reader, NativeReader) or not format_.in_place:
        return None
    first = grid.first_of_run
    if not 0 <= first <= len(reader) - len(grid.numbers):
        return None
    file = share(reader.source)
    if file is None:
        return None
    read = _Neighbours(file, reader, format_).read
    threads = min(default_threads(), _READERS)
    blocks = _Blocks(read, format_.pixel, range(first, first + len(grid.numbers)))
    return chain.from_iterable(_hold(file, blocks.take_all(threads)))


def read_on(
    reader: FrameReader, format_: FrameFormat, number: int
) -> FramesAhead | None:
    """Read ahead from a frame on, ``None`` where it cannot be done or no core is there for it.

    Who gives out a frame calls `check_unchanged` of the file before.
    """
    threads = min(threads_alone(), _READERS)
    if threads < _READERS or not isinstance(reader, NativeReader) or reader.lends:
        return None
    file = share(reader.source)
    if file is None or format_.pixel.frame_nbytes > _LARGEST_FRAME:
        return None
    fill = _Neighbours(file, reader, format_).fill
    blocks = _Blocks(fill, format_.pixel, range(number, len(reader)))
    return FramesAhead(chain.from_iterable(blocks.take_all(threads)), file.file)


def _hold(file: SharedFile, blocks: Iterator[_Frames]) -> Iterator[_Frames]:
    """Yield blocks of a file that stays open until the last one is taken."""
    with file.held():
        yield from blocks


class _Neighbours(NamedTuple):
    """Native frames of a file that some threads read."""

    file: SharedFile
    reader: NativeReader
    format: FrameFormat

    def read(self, first: int, frames: _Frames) -> _Frames:
        """Fill neighbours from a frame on, whose file is the same afterwards."""
        try:
            self.fill(first, frames)
            self.file.check_unchanged()
        except LazyDicomError as error:
            raise error.locate(url=self.reader.url, frame=first) from None
        return frames

    def fill(self, first: int, frames: _Frames) -> _Frames:
        """Fill neighbours from a frame on; who gives one away asks whether it is the same."""
        offset = self.reader.index.span(first).offset
        self.file.fill_each(offset, frames, len(frames) * frames[0].nbytes)
        if not self.format.as_stored:
            for frame in frames:
                finish_in_place(frame, self.format)
        return frames


class _Block:
    """Neighbours from a frame on, and the memory that they are read into.

    Each frame has memory of its own, which is taken on the thread that frees it: memory freed
    on another one goes back to the system, and its pages cost as much as the copy anew.
    """

    __slots__ = ("done", "error", "first", "frames")

    def __init__(self, first: int, frames: _Frames) -> None:
        self.first = first
        self.frames = frames
        self.error: BaseException | None = None
        self.done = Lock()
        self.done.acquire()

    def take(self) -> _Frames:
        """Return the frames, which nobody else keeps from now on."""
        if self.error is not None:
            raise self.error
        frames, self.frames = self.frames, []
        return frames


class _Blocks:
    """Blocks of neighbours that are read by who takes them, and by a helper while that pays.

    Nobody waits long for a block that a helper has begun: he may have lost his core, or live in
    the process that this one was forked from. Then who takes it reads it into other memory.
    """

    __slots__ = (
        "_dtype",
        "_frame_nbytes",
        "_is_idle",
        "_read",
        "_shape",
        "_starts",
        "_step",
        "_stop",
        "_waiting",
    )

    def __init__(self, read: _Read, pixel: ImagePixel, numbers: range) -> None:
        self._read = read
        self._shape, self._dtype = pixel.frame_shape, pixel.dtype
        self._frame_nbytes = pixel.frame_nbytes
        self._step = min(max(_BLOCK_BYTES // pixel.frame_nbytes, 1), _MOST_FRAMES)
        self._starts = iter(numbers[:: self._step])
        self._stop = numbers.stop
        self._waiting: deque[_Block] = deque()
        self._is_idle = True

    def take_all(self, threads: int) -> Iterator[_Frames]:
        """Yield the frames of one block after the other, read by one or two threads."""
        if threads < _READERS:
            yield from map(self._read_alone, self._starts)
            return
        ahead: deque[_Block] = deque()
        try:
            while True:
                help_ = pair.help_with_blocks()  # of this process, after a fork too
                start, shared = perf_counter(), help_.is_wanted
                if shared:
                    self._begin(ahead)
                if ahead:
                    frames, told = self._bring(ahead.popleft()), shared
                elif (first := next(self._starts, None)) is not None:
                    frames, told = self._read_alone(first), True
                else:
                    return
                if told:
                    nbytes = len(frames) * self._frame_nbytes
                    help_.note(perf_counter() - start, nbytes, shared=shared)
                yield frames
                del frames
        finally:
            self._waiting.clear()

    def help(self) -> None:
        """Read what nobody has begun yet."""
        with suppress(BaseException):  # who takes the block gets it
            while (block := next_of(self._waiting)) is not None:
                self._work(block)
        self._is_idle = True

    def _read_alone(self, first: int) -> _Frames:
        return self._read(first, self._memory(first))

    def _begin(self, ahead: deque[_Block]) -> None:
        """See to it that some blocks are under way."""
        for first in islice(self._starts, _UNDER_WAY - len(ahead)):
            block = _Block(first, self._memory(first))
            ahead.append(block)
            self._waiting.append(block)
        if self._is_idle and self._waiting:
            self._is_idle = False
            pair.helped().put(self)

    def _memory(self, first: int) -> _Frames:
        """Return memory for the frames from one on, on the thread that will free it."""
        shape, dtype = self._shape, self._dtype
        count = min(self._step, self._stop - first)
        return [np.empty(shape, dtype) for _ in range(count)]

    def _bring(self, block: _Block) -> _Frames:
        """Return the frames of a block; who waits for it reads others meanwhile."""
        while block.done.locked():
            other = next_of(self._waiting)
            if other is not None:
                self._work(other)
            elif block.done.acquire(timeout=_PATIENCE_S):
                break
            else:
                return self._read_alone(block.first)
        return block.take()

    def _work(self, block: _Block) -> None:
        """Read a block; who takes it gets its error, Ctrl-C whoever does it."""
        try:
            self._read(block.first, block.frames)
        except BaseException as error:
            block.error = error
            if not isinstance(error, Exception):
                raise
        finally:
            block.done.release()
