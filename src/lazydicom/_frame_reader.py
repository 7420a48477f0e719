"""Reading the encoded bytes of frames."""

from dataclasses import dataclass
from typing import Protocol

from lazydicom._frame_index import FrameIndex
from lazydicom._ranges import ByteRange
from lazydicom._source import BytesLike, ByteSource
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

    def __len__(self) -> int:
        """Give the number of frames."""
        ...

    def read(self, frame: int) -> BytesLike:
        """Read one encoded frame."""
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

    def __len__(self) -> int:
        """Give the number of frames."""
        return len(self.index)

    def span(self, frame: int) -> ByteRange:
        """Give the byte range of one frame."""
        if not 0 <= frame < len(self.index):
            message = f"Expected a frame below {len(self.index)}, asked for {frame}"
            raise InvalidDicomError(message, url=self.url, frame=frame)
        index = self.index
        return ByteRange(int(index.offsets[frame]), int(index.lengths[frame]))

    def read(self, frame: int) -> BytesLike:
        """Read the bytes of one frame, once."""
        return self.source.read(self.span(frame))

    def read_run(self, first: int, out: memoryview) -> None:
        """Read native frames that follow each other into `out`."""
        self.source.read_into(self.span(first).offset, out)

    def identity(self) -> tuple[object, ...]:
        """Name this version of the file."""
        return self.source.identity()
