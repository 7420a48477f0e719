"""Reading the frames of encapsulated Pixel Data: one read each, item headers stripped.

Where a table was believed unseen, the fragments of each frame are checked against it; the first
frame that does not fit makes the reader walk over all fragments, once.
"""

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.ranges import read_in_turn, read_many
from lazydicom._bytes.source import ByteRange, BytesLike, ByteSource, open_lookahead
from lazydicom._decode.codestream_marks import is_one_codestream
from lazydicom._frames.encapsulated import (
    EncapsulatedIndex,
    check_rebuilt,
    encapsulated_index,
    index_scanned,
)
from lazydicom._frames.fragments import (
    ITEM_HEADER,
    ITEM_WORDS,
    FragmentArea,
)
from lazydicom._frames.index import FrameIndex, spans_of
from lazydicom._frames.tolerance import OnExtraFrames
from lazydicom._header import tags
from lazydicom._header.header import Header
from lazydicom.errors import InvalidDicomError, format_tag, warn

_NOT_GIVEN: Final = -1


def open_fragments(
    header: Header, *, allow_truncated: bool, on_extra_frames: OnExtraFrames
) -> "FragmentReader":
    """Index the frames of an encapsulated file, and read them.

    Raises
    ------
    InvalidDicomError
        If frames are missing or cannot be told apart; see `encapsulated_index`.
    """
    places = encapsulated_index(
        header, allow_truncated=allow_truncated, on_extra_frames=on_extra_frames
    )
    return FragmentReader(header.source, places)


class FragmentReader:
    """Frames as fragments of one file.

    It pickles with its index, so whoever gets it never walks again.
    """

    def __init__(
        self,
        source: ByteSource,
        places: EncapsulatedIndex,
        given: "GivenFrames | None" = None,
    ) -> None:
        self.source = source
        self._places = places
        self._given = given or GivenFrames(len(places.index))
        self._refusal: InvalidDicomError | None = None
        self._lock = Lock()

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle source and index."""
        return (FragmentReader, (self.source, self._places))

    @property
    def url(self) -> str:
        """Name of the file."""
        return self.source.url

    @property
    def index(self) -> FrameIndex:
        """Byte range of every frame, item headers included."""
        return self._places.index

    @property
    def area(self) -> FragmentArea:
        """Where the fragments lie."""
        return self._places.area

    @property
    def proven(self) -> bool:
        """Whether all fragments were looked at, so that no frame needs another look."""
        return self._places.proven

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self._places.index)

    def version(self) -> tuple[object, ...]:
        """Return what tells this version of the file from any other."""
        return (self.url, self.source.version)

    def spans(self, frames: Sequence[int]) -> list[ByteRange]:
        """Return the byte ranges of some frames, item headers included."""
        return spans_of(self._places.index, frames, url=self.url)

    def read(self, frames: Sequence[int]) -> list[BytesLike]:
        """Read the codestreams of some frames, their fragments joined.

        Raises
        ------
        InvalidDicomError
            If fragments are not what they were when the file was opened, or no table and
            no walk can tell where a frame lies.
        """
        places = self._places
        if len(frames) == 1:  # as ever where somebody asks for one frame
            [frame] = frames
            span = self._span(frame, places)
            return [self._codestream(frame, span, self.source.read(span), places)]
        spans = spans_of(places.index, frames, url=self.url)
        blocks = read_many(self.source, spans)
        return [
            self._codestream(frame, span, block, places)
            for frame, span, block in zip(frames, spans, blocks, strict=True)
        ]

    def read_in_turn(
        self, frames: Sequence[int], use: Callable[[int, BytesLike], None]
    ) -> None:
        """Call `use(place, codestream)` with each frame before the next one is read.

        Where the source keeps no file open, some are read at once.
        """
        places = self._places
        spans = spans_of(places.index, frames, url=self.url)

        def join(place: int, data: BytesLike) -> None:
            use(place, self._codestream(frames[place], spans[place], data, places))

        read_in_turn(self.source, spans, join)

    def _span(self, frame: int, places: EncapsulatedIndex) -> ByteRange:
        index = places.index
        if 0 <= frame < index.frames:
            return index.span(frame)
        [span] = spans_of(index, [frame], url=self.url)
        return span

    def remembering(self, given: "GivenFrames") -> "FragmentReader":
        """Return a reader of the same frames, of which some were given before."""
        return FragmentReader(self.source, self._places, given)

    def _codestream(
        self, frame: int, span: ByteRange, data: BytesLike, places: EncapsulatedIndex
    ) -> BytesLike:
        """Join the fragments of a frame that was read where a table says it lies."""
        data = memoryview(data)
        if places.proven and is_one_item(data):  # as nearly ever
            return data[ITEM_HEADER.size :]
        if not places.proven:
            codestream = whole_codestream(data, span, places.area.codec)
            if codestream is not None and self._note(frame, span):
                return codestream
            [span] = spans_of(self.prove().index, [frame], url=self.url)
            data = memoryview(self.source.read(span))
        try:
            return join_fragments(split_items(data, span.offset))
        except InvalidDicomError as error:
            raise error.locate(frame=frame) from None

    def _note(self, frame: int, span: ByteRange) -> bool:
        """Note a frame found by the table, unless the table is known to be wrong."""
        with self._lock:
            if self._places.proven or self._refusal is not None:
                return False
            self._given.note(frame, span.offset)
            return True

    def prove(self) -> EncapsulatedIndex:
        """Look at all fragments, once; a table that does not fit them is replaced.

        Raises
        ------
        InvalidDicomError
            If fragments contradict the standard, or a frame that was given lies elsewhere;
            from then on always.
        """
        with self._lock:
            if self._refusal is not None:
                raise self._refusal.again()
            if not self._places.proven:
                try:
                    self._places = self._proof(self._places)
                except InvalidDicomError as error:
                    self._refusal = error.locate(url=self.url)
                    raise
            return self._places

    def _proof(self, believed: EncapsulatedIndex) -> EncapsulatedIndex:
        area, table = believed.area, believed.index
        with open_lookahead(self.source) as lookahead:
            index = index_scanned(lookahead, area, table)
        if len(index) < len(table):
            message = f"{len(index)} frames are stored, {len(table)} are declared"
            raise InvalidDicomError(message, offset=area.start, tag=tags.PIXEL_DATA)
        check_rebuilt(index, table, len(table))
        self._given.check(index)
        if index.origin != table.origin:
            message = f"{table.origin.capitalize()} Offset Table does not fit"
            warn(f"{message}; frames are found by their fragments", url=self.url)
        return EncapsulatedIndex(index.head(len(table)), area, proven=True)


def is_one_item(data: memoryview) -> bool:
    """Return whether `data` is one fragment, which is not empty."""
    length = len(data) - ITEM_HEADER.size
    return length > 0 and ITEM_HEADER.unpack_from(data) == (*ITEM_WORDS, length)


def split_items(data: memoryview, offset: int) -> list[memoryview]:
    """Return the values of the fragments that fill `data`, which begins at byte `offset`.

    Empty ones are left out: they are no part of a codestream.

    Raises
    ------
    InvalidDicomError
        If there is anything but fragments, or the last one does not end with `data`.
    """
    fragments, position, end = [], 0, len(data)
    while position < end:
        if position + 8 > end:
            raise _misplaced(f"{end - position} bytes", offset + position)
        group, element, length = ITEM_HEADER.unpack_from(data, position)
        if (group, element) != ITEM_WORDS:
            raise _misplaced(format_tag(group << 16 | element), offset + position)
        stop = position + 8 + length
        if stop > end:
            raise _misplaced(f"one of {length} bytes", offset + position)
        if length:
            fragments.append(data[position + 8 : stop])
        position = stop
    return fragments


def whole_codestream(data: memoryview, span: ByteRange, codec: str) -> BytesLike | None:
    """Return the codestream that lies in `span`, ``None`` where it is not one whole frame."""
    try:
        fragments = split_items(data, span.offset)
    except InvalidDicomError:
        return None
    return join_fragments(fragments) if is_one_codestream(codec, fragments) else None


def join_fragments(fragments: list[memoryview]) -> BytesLike:
    """Return the codestream that fragments make."""
    return fragments[0] if len(fragments) == 1 else b"".join(fragments)


def _misplaced(found: str, offset: int) -> InvalidDicomError:
    message = f"Expected an Item (FFFE,E000) that fits the frame, found {found}"
    return InvalidDicomError(message, offset=offset, tag=tags.PIXEL_DATA)


@dataclass(eq=False)
class GivenFrames:
    """Where each frame began that was given while a table was only believed.

    A frame that went out cannot be called back. Should the fragments show later that the
    table is wrong, the same number must not stand for another frame: that is an error.
    """

    frames: int
    """How many there are."""
    offsets: NDArray[np.int64] | None = None
    """By frame; made when the first one is given."""

    def note(self, frame: int, offset: int) -> None:
        """Remember that a frame was given, and where it was read."""
        if self.offsets is None:
            self.offsets = np.full(self.frames, _NOT_GIVEN, np.int64)
        self.offsets[frame] = offset

    def check(self, index: FrameIndex) -> None:
        """Compare with what the fragments show.

        Raises
        ------
        InvalidDicomError
            If a frame that was given lies elsewhere.
        """
        if self.offsets is None:
            return
        both = min(len(index), self.frames)
        given_offsets = self.offsets[:both]
        moved = np.flatnonzero(
            (given_offsets != _NOT_GIVEN) & (given_offsets != index.offsets[:both])
        )
        if len(moved):
            frame = int(moved[0])
            message = "An offset table that was believed gave another frame before"
            raise InvalidDicomError(
                message, offset=int(given_offsets[frame]), frame=frame
            )
