"""Where every frame lies, and what reads it (PS3.5 section 8.1.1, annex A.4).

Native frames are a start and a stride, so they are indexed and read here; encapsulated ones
are a column of edges, which others find. Columns of native offsets are made where somebody
asks for them: a header may declare a thousand million frames.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.ranges import read_many
from lazydicom._bytes.source import ByteRange, BytesLike, ByteSource
from lazydicom._decode.format import FrameFormat
from lazydicom._frames.tolerance import Tolerance, pad_source, tolerated_frames
from lazydicom._header.header import Header
from lazydicom._header.walker import UNDEFINED
from lazydicom.errors import InvalidDicomError

Origin: TypeAlias = Literal["native", "basic", "extended", "tiff", "scanned"]
_FEW: Final = 4
"""NumPy takes its time before the first number."""


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
        if isinstance(self.place, NativeStride):
            return self._columns()[0]
        return self.place[:-1]

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
            return place[:-1], place[1:] - place[:-1]
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


def frame_runs(numbers: NDArray[np.int64], most: int) -> Iterator[tuple[int, int]]:
    """Cut a list of frame numbers where they do not follow each other.

    >>> list(frame_runs(np.array([4, 5, 6, 2]), most=2))
    [(0, 2), (2, 3), (3, 4)]
    """
    breaks = np.flatnonzero(np.diff(numbers) != 1) + 1
    edges = [0, *breaks.tolist(), len(numbers)]
    for start, stop in pairwise(edges):
        for block in range(start, stop, most):
            yield block, min(block + most, stop)


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


def open_native(
    header: Header, *, swapped_pairs: bool, lends: bool, tolerance: Tolerance
) -> "NativeReader":
    """Index the frames of native Pixel Data, and read them.

    Parameters
    ----------
    header : Header
        Of a native file.
    swapped_pairs : bool
        Bytes lie in pairs, so that a frame spans whole ones.
    lends : bool
        Whether the caller asked for views of the file.
    tolerance : Tolerance
        What the file may get wrong.

    Raises
    ------
    InvalidDicomError
        If fewer bytes are stored than the declared frames need.
    """
    index = native_index(header, swapped_pairs=swapped_pairs, tolerance=tolerance)
    source, last = header.source, index.span(len(index) - 1)
    if last.stop > source.size():
        source = pad_source(header, last, tolerance.fill_truncated or 0)
    return NativeReader(source, index, lends=lends)


def native_index(
    header: Header, *, swapped_pairs: bool, tolerance: Tolerance
) -> FrameIndex:
    """Index the frames of native Pixel Data, checked against the bytes that are there.

    Raises
    ------
    InvalidDicomError
        If fewer bytes are stored than the declared frames need.
    """
    pixel, unit = header.image_pixel, 2 if swapped_pairs else 1
    frames, bits = pixel.number_of_frames, pixel.frame_bits
    stored = _stored_bytes(header) // unit * unit
    if not _is_as_declared(header, stored, unit=unit, tolerance=tolerance):
        frames, bits = tolerated_frames(header, stored, unit=unit, tolerance=tolerance)
    return index_native(header.pixel_data.offset, frames, bits, 8 * unit)


class FrameReader(Protocol):
    """Gives encoded frames, wherever they come from."""

    @property
    def url(self) -> str:
        """Name of the instance."""
        ...

    @property
    def source(self) -> ByteSource | None:
        """The file, ``None`` where a server gives frames by their number."""
        ...

    def __len__(self) -> int:
        """Return the number of frames."""
        ...

    def version(self) -> tuple[object, ...]:
        """Return what tells this version of the instance from any other."""
        ...

    def spans(self, frames: Sequence[int]) -> list[ByteRange] | None:
        """Return the byte range of each frame, ``None`` where there are no such."""
        ...

    def read(self, frames: Sequence[int]) -> list[BytesLike]:
        """Read encoded frames, neighbours together."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class NativeReader:
    """Frames as byte ranges of one file."""

    source: ByteSource
    index: FrameIndex
    lends: bool = False
    """Whether the caller asked for views of the file."""

    @property
    def url(self) -> str:
        """Name of the file."""
        return self.source.url

    def __len__(self) -> int:
        """Return the number of frames."""
        return self.index.frames

    def version(self) -> tuple[object, ...]:
        """Return what tells this version of the file from any other."""
        return (self.url, self.source.version)

    def spans(self, frames: Sequence[int]) -> list[ByteRange]:
        """Return the byte ranges of some frames."""
        return spans_of(self.index, frames, url=self.url)

    def read(self, frames: Sequence[int]) -> list[BytesLike]:
        """Read the bytes of some frames, neighbours with one request."""
        return read_many(self.source, self.spans(frames))


def native_reader(reader: object) -> NativeReader | None:
    """Return the reader of native frames of a file, ``None`` of others."""
    return reader if isinstance(reader, NativeReader) else None


def is_distant(reader: FrameReader) -> bool:
    """Return whether a read waits for a round trip, so that reads are made together."""
    source = reader.source
    return source is None or hasattr(source, "read_many")  # as a `DistantSource`


def is_lending(reader: object) -> bool:
    """Return whether reads are views of the file that stay valid."""
    return isinstance(reader, NativeReader) and reader.lends


def with_padding(format_: FrameFormat, index: FrameIndex | None) -> FrameFormat:
    """Return the format of frames, which may be padded one by one."""
    stride = None if index is None else index.stride
    if stride is None or stride.frame_bits == format_.pixel.frame_bits:
        return format_
    return replace(format_, padded=True)


def _stored_bytes(header: Header) -> int:
    element = header.pixel_data
    if element.length == UNDEFINED:
        message = (
            f"Native Pixel Data of undefined length ({header.transfer_syntax.name})"
        )
        raise InvalidDicomError(
            message, url=header.url, offset=element.start, tag=element.tag
        )
    return min(element.length, header.source.size() - element.offset)


def _is_as_declared(
    header: Header, stored: int, *, unit: int, tolerance: Tolerance
) -> bool:
    """Return whether Pixel Data is just as long as frames that follow each other."""
    pixel, length = header.image_pixel, header.pixel_data.length
    needed = -(-pixel.frame_bits * pixel.number_of_frames // (8 * unit)) * unit
    exact = stored in {needed, needed + needed % 2} and length <= stored + 1
    follow = not pixel.subsampled and tolerance.frame_padding in {"auto", "none"}
    return exact and follow
