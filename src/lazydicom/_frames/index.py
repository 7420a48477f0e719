"""Where every frame lies: offset and length in bytes (PS3.5 section 8.1.1, annex A.4).

Native frames are a start and a stride, encapsulated ones a column of edges. Columns of native
offsets are made where somebody asks for them: a header may declare a thousand million frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lazydicom._bytes.source import ByteRange
from lazydicom.errors import InvalidDicomError

Origin: TypeAlias = Literal["native", "basic", "extended", "tiff", "scanned"]
OnExtraFrames: TypeAlias = Literal["warn", "keep"]
"""What to do with frames behind the declared ones."""
FramePadding: TypeAlias = Literal["auto", "none", "byte", "word"]
"""To what each native frame is padded by itself; ``"auto"``: as its length tells."""

_FEW: Final = 4
"""NumPy takes its time before the first number."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a caller lets a file get wrong."""

    allow_truncated: bool = False
    """Take the complete frames where fewer are stored than declared."""
    on_extra_frames: OnExtraFrames = "warn"
    frame_padding: FramePadding = "auto"
    fill_truncated: float | None = None
    """What stands for the values that the last native frame lacks."""


class NativeStride(NamedTuple):
    """Native frames follow each other without gaps."""

    start: int
    frame_bits: int
    unit_bits: int

    def span(self, frame: int) -> ByteRange:
        """Return the bytes that a frame touches."""
        start, frame_bits, unit_bits = self
        first = frame * frame_bits // unit_bits
        stop = -(-(frame + 1) * frame_bits // unit_bits)
        unit = unit_bits // 8
        return ByteRange(start + first * unit, (stop - first) * unit)

    def columns(
        self, frames: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return offset and length of some frames."""
        start, frame_bits, unit_bits = self
        unit = unit_bits // 8
        if frame_bits % unit_bits == 0:  # as ever but for packed bits
            length = frame_bits // unit_bits * unit
            return start + length * frames, np.full(len(frames), length)
        first = frames * frame_bits // unit_bits
        stop = -(-(frames + 1) * frame_bits // unit_bits)
        return start + first * unit, (stop - first) * unit


@dataclass(frozen=True, slots=True, eq=False)
class FrameIndex:
    """The byte range of every frame.

    Native: the bytes that the frame touches; bits may belong to its neighbours.
    Encapsulated: from the tag of the frame's first fragment to the end of its last one.
    """

    frames: int
    """How many there are."""
    origin: Origin
    """Where the offsets come from."""
    place: NativeStride | NDArray[np.int64]
    """What native frames are counted from; of others where each begins, and where the
    last one ends."""

    def __len__(self) -> int:
        """Return the number of frames."""
        return self.frames

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle as start and stride, or as edges: 8 bytes a frame."""
        return (FrameIndex, (self.frames, self.origin, self.place))

    @property
    def stride(self) -> NativeStride | None:
        """What native frames are counted from."""
        return self.place if isinstance(self.place, NativeStride) else None

    @property
    def offsets(self) -> NDArray[np.int64]:
        """Offset of each frame from the start of the file."""
        return self._columns()[0]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Length of each frame in bytes."""
        return self._columns()[1]

    @property
    def nbytes(self) -> int:
        """Bytes that frames touch; one that two frames share counts once."""
        if not self.frames:
            return 0
        return self.span(self.frames - 1).stop - self.span(0).offset

    def span(self, frame: int) -> ByteRange:
        """Return the byte range of one frame, which must be one of these."""
        place = self.place
        if isinstance(place, NativeStride):
            return place.span(frame)
        start = int(place[frame])
        return ByteRange(start, int(place[frame + 1]) - start)

    def spans(self, frames: Sequence[int]) -> list[ByteRange]:
        """Return the byte ranges of some frames."""
        if len(frames) < _FEW:
            return [self.span(frame) for frame in frames]
        offsets, lengths = self._columns(np.asarray(frames, np.int64))
        return list(map(ByteRange, offsets.tolist(), lengths.tolist()))

    def offsets_of(self, frames: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the offsets of some frames."""
        return self._columns(frames)[0]

    def head(self, frames: int) -> "FrameIndex":
        """Index the first frames only."""
        place, count = self.place, min(frames, self.frames)
        if not isinstance(place, NativeStride):
            place = place[: count + 1]
        return FrameIndex(count, self.origin, place)

    def _columns(
        self, frames: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        place = self.place
        if isinstance(place, NativeStride):
            every = np.arange(self.frames, dtype=np.int64) if frames is None else frames
            return place.columns(every)
        if frames is None:
            return place[:-1], np.diff(place)
        return place[frames], place[frames + 1] - place[frames]


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
    stride = NativeStride(start, frame_bits, unit_bits)
    return FrameIndex(number_of_frames, "native", stride)


def index_edges(edges: NDArray[np.int64], origin: Origin) -> FrameIndex:
    """Index frames of any length that follow each other without gaps.

    >>> index_edges(np.array([100, 120, 150]), "basic").lengths
    array([20, 30])
    """
    return FrameIndex(len(edges) - 1, origin, edges)


def spans_of(index: FrameIndex, frames: Sequence[int], *, url: str) -> list[ByteRange]:
    """Return the byte ranges of some frames.

    Raises
    ------
    InvalidDicomError
        If there is no such frame.
    """
    if len(frames) == 1 and 0 <= frames[0] < index.frames:
        return [index.span(frames[0])]
    check_frames(frames, len(index), url=url)
    return index.spans(frames)


def check_frames(frames: Sequence[int], count: int, *, url: str) -> None:
    """Raise `InvalidDicomError` unless all `frames` are among the first `count`."""
    if len(frames) and not 0 <= min(frames) <= max(frames) < count:
        wrong = next(frame for frame in frames if not 0 <= frame < count)
        message = f"Expected a frame below {count}, asked for {wrong}"
        raise InvalidDicomError(message, url=url, frame=wrong)
