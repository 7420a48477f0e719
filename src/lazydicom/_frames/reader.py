"""Reading the encoded bytes of frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from lazydicom._bytes.ranges import ByteRange
from lazydicom._bytes.source import (
    BytesLike,
    ByteSource,
    is_distant,
    read_many,
    together,
)
from lazydicom._frames.fragment_stream import FragmentStream
from lazydicom._frames.index import FrameIndex
from lazydicom.errors import InvalidDicomError


class FrameReader(Protocol):
    """Gives encoded frames, wherever they come from."""

    @property
    def url(self) -> str:
        """Name of the instance."""
        ...

    @property
    def index(self) -> FrameIndex | None:
        """Byte range of every frame, where frames are such."""
        ...

    @property
    def lends(self) -> bool:
        """Whether `read` gives views of the file that stay valid."""
        ...

    @property
    def distant(self) -> bool:
        """Whether a read waits for a round trip, so that reads are made together."""
        ...

    def __len__(self) -> int:
        """Return the number of frames."""
        ...

    def knows(self, frame: int) -> bool:
        """Return whether a frame can be read without looking at others first."""
        ...

    def read(self, frame: int) -> BytesLike:
        """Read one encoded frame."""
        ...

    def together(self, frames: Sequence[int]) -> list[list[int]]:
        """Return which frames one request should read, by their places in `frames`."""
        ...

    def spans(self, frames: Sequence[int]) -> list[ByteRange] | None:
        """Return what is read for each of `frames`, where that is known beforehand."""
        ...

    def read_many(self, frames: Sequence[int]) -> list[BytesLike]:
        """Read encoded frames, together where they are neighbours."""
        ...

    def stream(self, frames: Sequence[int]) -> FragmentStream | None:
        """Read frames while they are looked for, ``None`` where that saves nothing."""
        ...

    def read_run(self, first: int, out: memoryview) -> None:
        """Read native frames that follow each other, from `first` on, into `out`."""
        ...

    def identity(self) -> tuple[object, ...]:
        """Tell this version of the instance from any other."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class RangeReader:
    """Frames as byte ranges of one file."""

    source: ByteSource
    index: FrameIndex
    lends: bool = False
    """Whether the caller asked for views of the file."""

    @property
    def url(self) -> str:
        """Name of the file."""
        return self.source.url

    @property
    def distant(self) -> bool:
        """Whether the file is elsewhere."""
        return is_distant(self.source)

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.index)

    def knows(self, frame: int) -> bool:
        """Return whether each frame is a range of bytes."""
        return 0 <= frame < len(self)

    def span(self, frame: int) -> ByteRange:
        """Return the byte range of one frame."""
        if not 0 <= frame < len(self.index):
            message = f"Expected a frame below {len(self.index)}, asked for {frame}"
            raise InvalidDicomError(message, url=self.url, frame=frame)
        index = self.index
        return ByteRange(int(index.offsets[frame]), int(index.lengths[frame]))

    def read(self, frame: int) -> BytesLike:
        """Read the bytes of one frame, once."""
        return self.source.read(self.span(frame))

    def spans(self, frames: Sequence[int]) -> list[ByteRange]:
        """Return the byte ranges of some frames."""
        return [self.span(frame) for frame in frames]

    def together(self, frames: Sequence[int]) -> list[list[int]]:
        """Group neighbours."""
        return together(self.source, self.spans(frames))

    def read_many(self, frames: Sequence[int]) -> list[BytesLike]:
        """Read the bytes of some frames, neighbours with one request."""
        return read_many(self.source, self.spans(frames))

    def stream(self, frames: Sequence[int]) -> None:
        """Look for nothing: each frame is a range of bytes."""
        del frames

    def read_run(self, first: int, out: memoryview) -> None:
        """Read native frames that follow each other into `out`."""
        self.source.read_into(self.span(first).offset, out)

    def identity(self) -> tuple[object, ...]:
        """Name this version of the file."""
        return self.source.identity()
