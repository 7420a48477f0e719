"""A region of native frames: which of their bytes it needs, and the values that these are.

The rows of a native frame follow each other, so that a region lies between the first and the
last of its pixels. Packed bits, planes of colour, pairs of YBR_FULL_422 and converted colour
are read as whole frames.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._bytes.source import BytesLike
from lazydicom._decode.format import FrameFormat
from lazydicom._decode.native import finish_in_place

_WORTH: Final = 0.75
"""A region of more of the frame than that is read as the frame."""


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """The same region of each of some native frames."""

    skip: int
    """Bytes before its first pixel."""
    length: int
    """Bytes from its first pixel to its last one."""
    shape: tuple[int, ...]
    """Rows, columns and samples of the bytes."""
    strides: tuple[int, ...]
    """Bytes from one to the next."""
    index: tuple[Any, ...]
    """What is wanted of them."""

    def put(self, data: BytesLike, format_: FrameFormat, planes: NDArray[Any]) -> None:
        """Put the values of one region after the other into `planes`."""
        values: NDArray[Any] = np.ndarray(
            (len(planes), *self.shape),
            format_.pixel.dtype,
            buffer=data,
            strides=(self.length, *self.strides),
        )
        planes[...] = values[(slice(None), *self.index)]
        finish_in_place(planes, format_)


def region_of(format_: FrameFormat, index: tuple[Any, ...]) -> Region | None:
    """Return what part of frames is to be read for a region, ``None`` for whole frames.

    Parameters
    ----------
    format_ : FrameFormat
        How the frames lie in the file.
    index : tuple
        Slices, or arrays as of `numpy.ix_`, of rows, columns and samples.
    """
    pixel = format_.pixel
    if not format_.in_place:
        return None
    rows, columns = map(_positions, index[:2], pixel.frame_shape)
    if not len(rows) or not len(columns):
        return None
    size = pixel.dtype.itemsize
    width = size * pixel.samples_per_pixel
    row = width * pixel.columns
    (top, bottom), (left, right) = _ends(rows), _ends(columns)
    length = (bottom - top) * row + (right - left + 1) * width
    if length > _WORTH * pixel.frame_nbytes:
        return None
    shape = (bottom - top + 1, right - left + 1, *pixel.frame_shape[2:])
    strides = (row, width, size)[: len(shape)]
    moved = (_moved(index[0], top), _moved(index[1], left), *index[2:])
    return Region(top * row + left * width, length, shape, strides, moved)


def _positions(key: Any, length: int) -> range | NDArray[np.intp]:  # noqa: ANN401
    if isinstance(key, slice):
        return range(length)[key]
    positions: NDArray[np.intp] = np.asarray(key).reshape(-1)
    return positions


def _ends(positions: range | NDArray[np.intp]) -> tuple[int, int]:
    ends = int(positions[0]), int(positions[-1])  # positions of arrays are sorted
    return min(ends), max(ends)


def _moved(key: Any, by: int) -> Any:  # noqa: ANN401
    if not isinstance(key, slice):
        return key - by
    stop = None if key.stop is None else key.stop - by
    if stop is not None and stop < 0:
        stop = None
    return slice(key.start - by, stop, key.step)
