"""Native frames as views of a file, which the caller asked for by ``local="mmap"``.

One array views all frames of a map; a frame is a view of that. Each time the file is asked
whether it is still the same.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.selection import Positions, as_slice
from lazydicom._bytes.local.mapped import MappedSource
from lazydicom._bytes.local.source import LocalSource
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.source import BytesLike
from lazydicom._decode.format import FrameFormat
from lazydicom._frames.index import FrameReader, NativeReader
from lazydicom._frames.reader import read_frame


@dataclass(frozen=True, slots=True, eq=False)
class LentFrames:
    """Frames whose bytes are their values, lent by a reader."""

    reader: NativeReader
    format: FrameFormat
    file: LocalSource | None
    """What was mapped; ``None``: something else, which is asked for each frame."""
    views: NDArray[Any]
    """All frames of the file; none where it was not mapped."""

    def frame(self, number: int) -> NDArray[Any]:
        """Return a view of one frame."""
        if self.file is not None and 0 <= number < len(self.views):
            self.file.check_unchanged()
            view: NDArray[Any] = self.views[number]
            return view
        data = read_frame(self.reader, number)
        alone: NDArray[Any] = _as_frames(data, self.format)[0]
        return alone

    def copy(
        self, numbers: NDArray[np.int64], plane: Sequence[Positions]
    ) -> NDArray[Any] | None:
        """Copy the same part of some frames, ``None`` where they are not evenly spaced.

        The file must be the same before and after.
        """
        rows = _as_slice(numbers.reshape(-1), len(self.views))
        if self.file is None or rows is None:
            return None
        if not all(isinstance(one, range) for one in plane):
            return None
        self.file.check_unchanged()
        part = np.array(self.views[(rows, *map(as_slice, plane))], order="C")
        self.file.check_unchanged()
        return part


def lend_frames(reader: FrameReader, format_: FrameFormat) -> LentFrames | None:
    """Return views of all frames, ``None`` where the caller did not ask for views."""
    if not isinstance(reader, NativeReader) or not reader.lends:
        return None
    source = reader.source
    if not isinstance(source, MappedSource) or not len(reader):
        return LentFrames(reader, format_, None, _as_frames(b"", format_))
    start, stop = reader.index.span(0).offset, reader.index.span(len(reader) - 1).stop
    memory = source.view()[start:stop]
    return LentFrames(reader, format_, source.file, _as_frames(memory, format_))


def _as_frames(data: BytesLike, format_: FrameFormat) -> NDArray[Any]:
    pixel = format_.pixel
    values: NDArray[Any] = np.frombuffer(data, pixel.dtype)
    return values.reshape(-1, *pixel.frame_shape)


def _as_slice(numbers: NDArray[np.int64], count: int) -> slice | None:
    """Return numbers as a slice of so many frames, ``None`` where they are none."""
    if not len(numbers):
        return None
    first, last = int(numbers[0]), int(numbers[-1])
    step = int(numbers[1]) - first if len(numbers) > 1 else 1
    if step == 0 or not (0 <= first < count and 0 <= last < count):
        return None
    if (numbers[1:] - numbers[:-1] != step).any():
        return None
    stop = last + (1 if step > 0 else -1)
    return slice(first, None if stop < 0 else stop, step)
