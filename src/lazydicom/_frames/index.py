"""Where every frame lies: offset and length in bytes (PS3.5 section 8.1.1, annex A.4)."""

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Origin: TypeAlias = Literal["native", "basic", "extended", "tiff", "scanned"]
OnExtraFrames: TypeAlias = Literal["warn", "keep"]
"""What to do with frames behind the declared ones."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameIndex:
    """The byte range of every frame.

    Native: the bytes that the frame touches; bits may belong to its neighbours.
    Encapsulated: from the tag of the frame's first fragment to the end of its last one.
    """

    offsets: NDArray[np.int64]
    """Offset of each frame from the start of the file."""
    lengths: NDArray[np.int64]
    """Length of each frame in bytes."""
    origin: Origin
    """Where the offsets come from."""
    stride: "NativeStride | None" = None
    """What native frames are counted from; it says the same in three numbers."""

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.offsets)

    @property
    def nbytes(self) -> int:
        """Bytes that frames touch; one that two frames share counts once."""
        order = np.argsort(self.offsets, kind="stable")
        begins, stops = self.offsets[order], (self.offsets + self.lengths)[order]
        seen = np.maximum.accumulate(np.append(begins[:1], stops[:-1]))
        return int(np.maximum(stops - np.maximum(begins, seen), 0).sum())

    def head(self, frames: int) -> "FrameIndex":
        """Index the first frames only."""
        offsets, lengths = self.offsets[:frames], self.lengths[:frames]
        return FrameIndex(offsets, lengths, self.origin, self.stride)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle as start and stride, or as edges, where that says it all."""
        if self.stride is not None:
            start, frame_bits, unit_bits = self.stride
            return (index_native, (start, len(self), frame_bits, unit_bits))
        stops = self.offsets + self.lengths
        if len(self) and np.array_equal(self.offsets[1:], stops[:-1]):
            edges = np.append(self.offsets, stops[-1])
            return (index_edges, (edges, self.origin))
        return (FrameIndex, (self.offsets, self.lengths, self.origin))


class NativeStride(NamedTuple):
    """Native frames follow each other without gaps."""

    start: int
    frame_bits: int
    unit_bits: int


def index_native(
    start: int, number_of_frames: int, frame_bits: int, unit_bits: int = 8
) -> FrameIndex:
    """Index frames that follow each other without gaps.

    A frame of 1-bit pixels may begin and end inside a byte; its range spans both. So does
    a frame of odd length in words of 16 bits.

    >>> index_native(start=100, number_of_frames=3, frame_bits=400).offsets
    array([100, 150, 200])
    >>> index_native(start=100, number_of_frames=3, frame_bits=12).lengths
    array([2, 2, 2])
    """
    first_bits = np.arange(number_of_frames, dtype=np.int64) * frame_bits
    first = first_bits // unit_bits
    last = (first_bits + frame_bits - 1) // unit_bits
    unit = unit_bits // 8
    stride = NativeStride(start, frame_bits, unit_bits)
    offsets, lengths = start + first * unit, (last + 1 - first) * unit
    return FrameIndex(offsets, lengths, "native", stride)


def index_edges(edges: NDArray[np.int64], origin: Origin) -> FrameIndex:
    """Index frames of any length that follow each other without gaps.

    >>> index_edges(np.array([100, 120, 150]), "basic").lengths
    array([20, 30])
    """
    return FrameIndex(edges[:-1], np.diff(edges), origin)
