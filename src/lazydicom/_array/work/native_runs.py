"""Native frames of a near file: straight into the result, or into memory that is used again.

Neighbours of some MiB are read by who asks and one thread that waits for him (`pair`): to wake
a thread of a pool for half of 4 MiB took longer than the other half.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.grid import FrameGrid
from lazydicom._bytes.deferred import deferred
from lazydicom._bytes.source import (
    BytesLike,
    ByteSource,
    HoldableSource,
    is_holdable,
)
from lazydicom._decode.format import FrameFormat, memory_for
from lazydicom._decode.native import finish_in_place
from lazydicom._frames import reader as readers
from lazydicom._frames.index import FrameReader, NativeReader, is_distant
from lazydicom.errors import LazyDicomError

if TYPE_CHECKING:
    import threading

    from lazydicom._array.work import pair, parallel
else:
    pair = deferred("lazydicom._array.work.pair")
    parallel = deferred("lazydicom._array.work.parallel")

_WORTH_TWO: Final = 1 << 21
"""2 MiB, from which on another thread comes in time."""
_SEVERAL: Final = 2
_MOST_AT_ONCE: Final = 1 << 22
"""4 MiB; of more there are several jobs."""
_FEWEST_KEPT: Final = 1 << 17
"""128 KiB, from which on systems take freed memory back."""
_MOST_KEPT: Final = 1 << 23
"""8 MiB are kept by a thread at most."""


def read_briefly(
    reader: FrameReader, format_: FrameFormat, frames: Sequence[int]
) -> list[BytesLike]:
    """Read encoded frames that are decoded before this thread reads others.

    A large native frame of a near file comes into memory that is used again. Fresh memory of
    some MiB costs several times as much as the copy, and goes back to the system each time.
    """
    source, native = reader.source, format_.transfer_syntax.native
    if len(frames) != 1 or not native or not isinstance(reader, NativeReader):
        return reader.read(frames)
    if reader.lends or not _is_held(source):
        return reader.read(frames)
    [span] = reader.spans(frames)
    if not _FEWEST_KEPT <= span.length <= _MOST_KEPT:
        return reader.read(frames)
    kept = parallel.memory_of_threads()
    view = memory_of_thread(kept, span.length, most=_MOST_KEPT).data
    source.read_into(span.offset, view)
    return [view]


def read_in_turn(
    reader: FrameReader,
    format_: FrameFormat,
    frames: Sequence[int],
    use: Callable[[int, BytesLike], None],
) -> None:
    """Call `use(place, data)` with each encoded frame, if it may be before others are read."""
    if not format_.transfer_syntax.native:
        readers.read_in_turn(reader, frames, use)
        return
    for place, data in enumerate(read_briefly(reader, format_, frames)):
        use(place, data)


def memory_of_thread(
    kept: "threading.local", nbytes: int, *, most: int
) -> NDArray[np.uint8]:
    """Return memory of this thread, which is used again if it is not more than `most`.

    The first touch of fresh memory costs as much as the copy into it, and two threads that
    come by memory and let it go wait for each other. Each use has a `kept` of its own.
    """
    memory: NDArray[np.uint8] = getattr(kept, "memory", np.empty(0, np.uint8))
    if memory.size < nbytes:
        memory = np.empty(nbytes, np.uint8)
        if nbytes <= most:
            kept.memory = memory
    return memory[:nbytes]


def memory_of_frame(format_: FrameFormat) -> NDArray[Any]:
    """Return memory for a frame whose parts are copied before this thread decodes another."""
    kept, pixel = parallel.memory_of_threads(), format_.pixel
    frame: NDArray[Any] | None = getattr(kept, "frame", None)
    if frame is None or frame.shape != pixel.frame_shape or frame.dtype != pixel.dtype:
        frame = memory_for(pixel.frame_shape, format_)
        if frame.nbytes <= _MOST_KEPT:
            kept.frame = frame
    return frame


def read_neighbours(
    reader: FrameReader,
    format_: FrameFormat,
    first: int,
    out: NDArray[Any],
    *,
    alone: bool,
) -> None:
    """Fill `out` with frames from `first` on, which follow each other in a near file.

    On this thread `alone` where the caller wants that.
    """
    try:
        frames = range(first, first + len(out))
        _read_native(reader, frames, out.data.cast("B"), alone=alone)
        if not format_.as_stored:
            finish_in_place(out, format_)
    except LazyDicomError as error:
        raise error.locate(url=reader.url, frame=first) from None


class Stored(Protocol):
    """Frames of a file."""

    @property
    def reader(self) -> FrameReader:
        """Where encoded frames come from."""

    @property
    def format(self) -> FrameFormat:
        """How they are encoded."""


def read_slice(
    image: Stored, grid: FrameGrid, key: slice, out: NDArray[Any], *, alone: bool
) -> bool:
    """Fill `out` with neighbours that a slice names, by one read; return whether it does.

    Who reads block after block into the same memory waits for each line of Python between:
    what was read has taken its place in the cache of the processor.
    """
    first, reader, format_ = grid.first_of_run, image.reader, image.format
    if first < 0 or not format_.in_place:
        return False
    start, stop, step = key.indices(len(grid.numbers))
    if step != 1 or stop - start < _SEVERAL:
        return False
    pixel = format_.pixel
    if out.shape != (stop - start, *pixel.frame_shape) or out.dtype != pixel.dtype:
        return False
    flags = out.flags
    if out.nbytes > _MOST_AT_ONCE or not (flags.c_contiguous and flags.writeable):
        return False
    near = isinstance(reader, NativeReader) and not is_distant(reader)
    if not near or first + stop > len(reader):
        return False
    read_neighbours(reader, format_, first + start, out, alone=alone)
    return True


def _read_native(
    reader: FrameReader, frames: range, out: memoryview, *, alone: bool
) -> None:
    """Read native frames that follow each other into `out`."""
    if isinstance(reader, NativeReader) and 0 <= frames.start < reader.index.frames:
        offset = reader.index.span(frames.start).offset
        worth = out.nbytes >= _WORTH_TWO and not alone
        if not (worth and pair.read_by_two(reader.source, offset, out)):
            reader.source.read_into(offset, out)
        return
    spans = reader.spans(frames[:1])
    if spans is not None and reader.source is not None:
        reader.source.read_into(spans[0].offset, out)
    else:
        out[:] = b"".join(reader.read(frames))


def _is_held(source: ByteSource | None) -> TypeGuard[HoldableSource]:
    return source is not None and is_holdable(source)
