"""Native frames of a local file that follow each other, read a MiB at a time on some threads.

The file is open while somebody reads; see ``docs/performance.md`` for what that saves.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.grid import FrameGrid
from lazydicom._array.work.ahead import read_ahead
from lazydicom._array.work.cores import default_threads, threads_alone
from lazydicom._bytes.local.shared import SharedFile, share
from lazydicom._decode.format import FrameFormat
from lazydicom._decode.native import finish_in_place
from lazydicom._frames.index import FrameReader, NativeReader
from lazydicom._header.image_pixel import ImagePixel
from lazydicom.errors import LazyDicomError

_Frames: TypeAlias = list[NDArray[Any]]
_BLOCK_BYTES: Final = 1 << 20
"""1 MiB: five of them are under way, and stay in the cache until they are used."""
_MOST_FRAMES: Final = 512
"""Half of what one call reads into, `IOV_MAX`."""
_LARGEST_FRAME: Final = 1 << 21
_READERS: Final = 2
"""Threads that read for `array[k]`, the caller's included: more would hold more ahead."""
_MOST_READERS: Final = 4
"""Threads that read for iteration: more would wait for the interpreter."""


class FramesAhead(NamedTuple):
    """Frames from one on, of a file that is to be the same whenever one is given out."""

    frames: Iterator[NDArray[Any]]
    file: SharedFile


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
    read = _Neighbours(file, reader, format_).read
    reads = _blocks(range(first, last + 1), format_.pixel, read)
    threads = min(default_threads(), _MOST_READERS)
    return chain.from_iterable(read_ahead(reads, threads=threads, waits=False))


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
    reads = _blocks(range(number, len(reader)), format_.pixel, fill)
    blocks = read_ahead(reads, threads=threads, waits=False)
    return FramesAhead(chain.from_iterable(blocks), file)


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


def _blocks(
    numbers: range, pixel: ImagePixel, read: Callable[[int, _Frames], _Frames]
) -> Iterator[Callable[[], _Frames]]:
    """Yield the reading of one block after the other, each frame in memory of its own.

    It is taken here, on the thread that frees it: memory freed on another one goes back to the
    system, and its pages cost as much as the copy when they are taken again.
    """
    step = min(max(_BLOCK_BYTES // pixel.frame_nbytes, 1), _MOST_FRAMES)
    for first in numbers[::step]:
        count = min(step, numbers.stop - first)
        frames = [np.empty(pixel.frame_shape, pixel.dtype) for _ in range(count)]
        yield partial(read, first, frames)
