"""Frames of a distant file, indexed as far as somebody asks.

Without an offset table ``array[3]`` needs four fragments, not all. That holds while each
fragment shows by its own first and last bytes that it is one whole frame. A table tells where
each frame ends but the last one. Whatever does not fit makes the reader index the file as a
local one; and it does so before it is pickled.
"""

from collections.abc import Sequence
from threading import Lock
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.ranges import read_many
from lazydicom._bytes.source import ByteRange, BytesLike, ByteSource, is_distant
from lazydicom._decode.codestream_marks import is_evident
from lazydicom._frames.encapsulated import (
    EncapsulatedIndex,
    declared_frames,
    find_fragments,
    read_table,
)
from lazydicom._frames.fragment_reader import (
    FragmentReader,
    GivenFrames,
    open_fragments,
    whole_codestream,
)
from lazydicom._frames.fragment_stream import FragmentStream
from lazydicom._frames.fragments import FragmentArea
from lazydicom._frames.index import check_frames, index_edges
from lazydicom._frames.partial_index import PartialIndex, State
from lazydicom._frames.tolerance import Tolerance
from lazydicom._header.header import Header
from lazydicom.errors import InvalidDicomError

_LEAST_ITEM: Final = 16
"""Bytes of a fragment whose codestream shows where it begins."""
_FEWEST_STREAMED: Final = 4
"""A stream begins with two round trips, which looking for fewer frames does not take."""


class PartialOffsets(Protocol):
    """Says where frames lie, as far as it knows."""

    @property
    def fragments(self) -> FragmentArea:
        """Where the fragments lie."""
        ...

    @property
    def state(self) -> State:
        """Whether there is more to learn."""
        ...

    def known(self) -> int:
        """Return how many frames are known, from the first one on."""
        ...

    def span(self, number: int) -> ByteRange:
        """Return where a known frame lies."""
        ...

    def edges(self) -> NDArray[np.int64]:
        """Return where each known frame begins, and where the last one ends."""
        ...

    def reach(self, count: int) -> None:
        """Learn of `count` frames, if that can be."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class PartialTable:
    """What a table says: the end of its last frame is not in it."""

    fragments: FragmentArea
    offsets: NDArray[np.int64]
    state: State = "doubt"

    def known(self) -> int:
        """Return how many frames have both ends in the table."""
        return len(self.offsets) - 1

    def span(self, number: int) -> ByteRange:
        """Return where a frame lies."""
        start = int(self.offsets[number])
        return ByteRange(start, int(self.offsets[number + 1]) - start)

    def edges(self) -> NDArray[np.int64]:
        """Return the beginnings: each but the first is the end of another frame."""
        return self.offsets

    def reach(self, count: int) -> None:
        """Know all there is."""


def open_encapsulated(
    header: Header, tolerance: Tolerance, *, partial: bool
) -> "PartialReader | FragmentReader":
    """Read frames that are found one by one, where that may be, or all of them at once."""
    reader = open_partial(header) if partial else None
    if reader is not None:
        return reader
    return open_fragments(
        header,
        allow_truncated=tolerance.allow_truncated,
        on_extra_frames=tolerance.on_extra_frames,
    )


def open_partial(header: Header) -> "PartialReader | None":
    """Read the frames of a distant file, ``None`` where it is to be indexed at once.

    That is where a table cannot be true or counts other frames than the header, where
    there is none and codestreams do not show where they begin, where no file of this size
    holds as many frames as the header says, and where Pixel Data claims to be longer than
    the file.
    """
    if not is_distant(header.source):
        return None
    with header.open_at_pixels() as lookahead:
        fragments = find_fragments(header, lookahead)
        table, doubts = read_table(header, lookahead, fragments)
    room = (fragments.stop - fragments.first) // _LEAST_ITEM
    beyond = fragments.stop > header.source.size()
    if fragments.frames == 1 or fragments.frames > room or beyond or doubts:
        return None
    if table is not None:
        fits = len(table) == fragments.frames
        return (
            PartialReader(header, PartialTable(fragments, table.offsets))
            if fits
            else None
        )
    if not is_evident(fragments.codec):
        return None
    return PartialReader(header, PartialIndex(header.source, fragments))


class PartialReader:
    """Gives encoded frames while it learns where they lie."""

    def __init__(self, header: Header, partial_index: PartialOffsets) -> None:
        self._header = header
        self._partial_index = partial_index
        self._complete: FragmentReader | None = None
        self._given = GivenFrames(partial_index.fragments.frames)
        self._refusal: InvalidDicomError | None = None
        self._lock = Lock()

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle with the whole index, so that nobody walks again."""
        return self.whole().__reduce__()

    @property
    def url(self) -> str:
        """Name of the file."""
        return self._header.url

    @property
    def source(self) -> ByteSource:
        """The file."""
        return self._header.source

    def __len__(self) -> int:
        """Return the number of frames declared."""
        return self._partial_index.fragments.frames

    def version(self) -> tuple[object, ...]:
        """Return what tells this version of the file from any other."""
        return (self.url, self._header.source.version)

    def known(self) -> int:
        """Return how many frames can be read without looking for others first."""
        return len(self) if self._complete is not None else self._partial_index.known()

    def spans(self, frames: Sequence[int]) -> list[ByteRange]:
        """Return the byte ranges of some frames; fragments not seen yet are looked for now."""
        spans = self._spans(frames)
        return self.whole().spans(frames) if spans is None else spans

    def read(self, frames: Sequence[int]) -> list[BytesLike]:
        """Read the codestreams of some frames, neighbours with one request."""
        spans = self._spans(frames)
        if spans is not None:
            blocks = read_many(self._header.source, spans)
            codestreams = [
                self._codestream(memoryview(block), span)
                for span, block in zip(spans, blocks, strict=True)
            ]
            whole = [stream for stream in codestreams if stream is not None]
            if len(whole) == len(codestreams) and self._note(frames, spans):
                return whole
        return self.whole().read(frames)

    def stream(self, frames: Sequence[int]) -> FragmentStream | None:
        """Read frames while their fragments are looked for, where all up to one are wanted.

        ``None`` elsewhere, and where the first fragments show that they are no whole frames.
        """
        partial_index, count = self._partial_index, max(frames, default=-1) + 1
        if self._complete is not None or not isinstance(partial_index, PartialIndex):
            return None
        known = partial_index.known()
        wanted = {frame for frame in frames if frame >= known}
        if len(wanted) < max(count - known, _FEWEST_STREAMED) or count > len(self):
            return None
        partial_index.reach(2)
        return (
            FragmentStream(partial_index, count, self._accept)
            if partial_index.state == "going"
            else None
        )

    def _spans(self, frames: Sequence[int]) -> list[ByteRange] | None:
        """Return where frames lie, ``None`` where the partial_index does not."""
        if self._complete is not None or not frames:
            return None
        check_frames(frames, len(self), url=self.url)
        self._partial_index.reach(max(frames) + 1)
        if self._partial_index.known() <= max(frames):
            return None
        return list(map(self._partial_index.span, frames))

    def _codestream(self, data: memoryview, span: ByteRange) -> BytesLike | None:
        return whole_codestream(data, span, self._partial_index.fragments.codec)

    def _accept(
        self, frame: int, span: ByteRange, fragment: memoryview
    ) -> BytesLike | None:
        stream = self._codestream(fragment, span)
        return stream if stream is not None and self._note([frame], [span]) else None

    def _note(self, frames: Sequence[int], spans: Sequence[ByteRange]) -> bool:
        """Note frames that were found, unless all fragments were looked at meanwhile."""
        with self._lock:
            if self._complete is not None or self._refusal is not None:
                return False
            for frame, span in zip(frames, spans, strict=True):
                self._given.note(frame, span.offset)
            return True

    def whole(self) -> FragmentReader:
        """Follow the partial_index to its end; where it is in doubt, walk as anywhere else.

        Raises
        ------
        InvalidDicomError
            If frames are missing or cannot be told apart, or are not those that were
            given before; from then on always.
        """
        with self._lock:
            if self._refusal is not None:
                raise self._refusal.again()
            if self._complete is None:
                try:
                    self._complete = self._finish()
                except InvalidDicomError as error:
                    self._refusal = error.locate(url=self.url)
                    raise
            return self._complete

    def _finish(self) -> FragmentReader:
        header, partial_index = self._header, self._partial_index
        partial_index.reach(header.source.size())
        if partial_index.state != "ended":
            whole = open_fragments(
                header, allow_truncated=False, on_extra_frames="warn"
            )
            self._given.check(whole.index)
            return whole.remembering(self._given)
        index = declared_frames(header, index_edges(partial_index.edges(), "scanned"))
        places = EncapsulatedIndex(index, partial_index.fragments, proven=True)
        return FragmentReader(header.source, places)
