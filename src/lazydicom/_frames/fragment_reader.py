"""Reading the frames of encapsulated Pixel Data: one read each, item headers stripped.

Where a table was believed unseen, the fragments of each frame are checked against it; the first
frame that does not fit makes the reader walk over all fragments, once.
"""

from collections.abc import Sequence
from threading import Lock

from lazydicom._bytes.ranges import ByteRange
from lazydicom._bytes.source import (
    BytesLike,
    ByteSource,
    is_distant,
    read_many,
    together,
)
from lazydicom._decode.codestream_marks import is_one_codestream
from lazydicom._frames.encapsulated import (
    EncapsulatedIndex,
    check_rebuilt,
    encapsulated_index,
    index_scanned,
)
from lazydicom._frames.fragments import ITEM_HEADER, ITEM_WORDS
from lazydicom._frames.given_frames import GivenFrames
from lazydicom._frames.index import FrameIndex, OnExtraFrames, spans_of
from lazydicom._header import tags
from lazydicom._header.header import Header
from lazydicom._header.lookahead import open_lookahead
from lazydicom.errors import InvalidDicomError, UnsupportedError, format_tag, warn


def open_fragments(
    header: Header, *, allow_truncated: bool, on_extra_frames: OnExtraFrames
) -> "FragmentReader":
    """Index the frames of an encapsulated file, and read them.

    Raises
    ------
    InvalidDicomError
        If frames are missing or cannot be told apart; see `encapsulated_index`.
    """
    found = encapsulated_index(
        header, allow_truncated=allow_truncated, on_extra_frames=on_extra_frames
    )
    return FragmentReader(header.source, found)


class FragmentReader:
    """Frames as fragments of one file.

    It pickles with its index, so whoever gets it never walks again.
    """

    lends = False
    """What is read is encoded: never the values."""

    def __init__(
        self,
        source: ByteSource,
        found: EncapsulatedIndex,
        given: GivenFrames | None = None,
    ) -> None:
        self.source = source
        self._found = found
        self._given = given or GivenFrames(len(found.index))
        self._refusal: InvalidDicomError | None = None
        self._lock = Lock()

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle source and index."""
        return (FragmentReader, (self.source, self._found))

    @property
    def url(self) -> str:
        """Name of the file."""
        return self.source.url

    @property
    def index(self) -> FrameIndex:
        """Byte range of every frame, item headers included."""
        return self._found.index

    @property
    def found(self) -> EncapsulatedIndex:
        """The index, the place of the fragments, and how sure that is."""
        return self._found

    @property
    def proven(self) -> bool:
        """Whether all fragments were looked at, so that no frame needs another look."""
        return self._found.proven

    @property
    def distant(self) -> bool:
        """Whether the file is elsewhere."""
        return is_distant(self.source)

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self._found.index)

    def knows(self, frame: int) -> bool:
        """Return whether all frames are indexed."""
        return 0 <= frame < len(self)

    def read(self, frame: int) -> BytesLike:
        """Read the codestream of one frame, its fragments joined.

        Raises
        ------
        InvalidDicomError
            If its fragments are not what they were when the file was opened, or no table and
            no walk can tell where it lies.
        """
        found = self._found
        span = self._span(frame, found)
        return self._codestream(frame, span, memoryview(self.source.read(span)), found)

    def spans(self, frames: Sequence[int]) -> list[ByteRange]:
        """Return the byte ranges of some frames, item headers included."""
        return self._spans(frames, self._found)

    def together(self, frames: Sequence[int]) -> list[list[int]]:
        """Group neighbours."""
        return together(self.source, self.spans(frames))

    def read_many(self, frames: Sequence[int]) -> list[BytesLike]:
        """Read the codestreams of some frames, neighbours with one request."""
        found = self._found
        spans = self._spans(frames, found)
        read = read_many(self.source, spans)
        return [
            self._codestream(frame, span, memoryview(data), found)
            for frame, span, data in zip(frames, spans, read, strict=True)
        ]

    def stream(self, frames: Sequence[int]) -> None:
        """Look for nothing: all fragments are known, or a table is."""
        del frames

    def read_run(self, first: int, out: memoryview) -> None:
        """Refuse: encoded frames do not follow each other without fragments."""
        del out
        message = "Encapsulated frames are read one by one"
        raise UnsupportedError(message, url=self.url, frame=first)

    def identity(self) -> tuple[object, ...]:
        """Return that of the file."""
        return self.source.identity()

    def _spans(
        self, frames: Sequence[int], found: EncapsulatedIndex
    ) -> list[ByteRange]:
        return spans_of(found.index, frames, url=self.url)

    def _span(self, frame: int, found: EncapsulatedIndex) -> ByteRange:
        return self._spans([frame], found)[0]

    def _codestream(
        self, frame: int, span: ByteRange, data: memoryview, found: EncapsulatedIndex
    ) -> BytesLike:
        """Join the fragments of a frame that was read where a table says it lies."""
        if not found.proven:
            fragments = _believed(span, data, found)
            if fragments is not None and self._gives(frame, span):
                return join_fragments(fragments)
            span = self._span(frame, self._prove())
            data = memoryview(self.source.read(span))
        try:
            return join_fragments(split_items(data, span.offset))
        except InvalidDicomError as error:
            raise error.locate(frame=frame) from None

    def _gives(self, frame: int, span: ByteRange) -> bool:
        """Note a frame found by the table, unless the table is known to be wrong."""
        with self._lock:
            if self._found.proven or self._refusal is not None:
                return False
            self._given.note(frame, span.offset)
            return True

    def _prove(self) -> EncapsulatedIndex:
        """Look at all fragments, once; a table that does not fit them is replaced."""
        with self._lock:
            if self._refusal is not None:
                raise self._refusal.again()
            if not self._found.proven:
                try:
                    self._found = self._proof(self._found)
                except InvalidDicomError as error:
                    self._refusal = error.locate(url=self.url)
                    raise
            return self._found

    def _proof(self, believed: EncapsulatedIndex) -> EncapsulatedIndex:
        fragments, table = believed.fragments, believed.index
        with open_lookahead(self.source) as lookahead:
            index = index_scanned(lookahead, fragments, table)
        if len(index) < len(table):
            message = f"{len(index)} frames are stored, {len(table)} are declared"
            raise InvalidDicomError(
                message, offset=fragments.start, tag=tags.PIXEL_DATA
            )
        check_rebuilt(index, table, len(table))
        self._given.check(index)
        if index.origin != table.origin:
            message = f"{table.origin.capitalize()} Offset Table does not fit"
            warn(f"{message}; frames are found by their fragments", url=self.url)
        return EncapsulatedIndex(index.head(len(table)), fragments, proven=True)


def split_items(data: memoryview, offset: int) -> list[memoryview]:
    """Return the values of the fragments that fill `data`, which begins at byte `offset`.

    Raises
    ------
    InvalidDicomError
        If there is anything but fragments, or the last one does not end with `data`.
    """
    fragments, position = [], 0
    while position < len(data):
        if position + 8 > len(data):
            raise _misplaced(f"{len(data) - position} bytes", offset + position)
        group, element, length = ITEM_HEADER.unpack_from(data, position)
        if (group, element) != ITEM_WORDS:
            raise _misplaced(format_tag(group << 16 | element), offset + position)
        stop = position + 8 + length
        if stop > len(data):
            raise _misplaced(f"one of {length} bytes", offset + position)
        fragments.append(data[position + 8 : stop])
        position = stop
    return fragments


def _believed(
    span: ByteRange, data: memoryview, found: EncapsulatedIndex
) -> list[memoryview] | None:
    """Split what lies where a table says a frame does, ``None`` where that cannot be."""
    try:
        fragments = split_items(data, span.offset)
    except InvalidDicomError:
        return None
    holding = [fragment for fragment in fragments if len(fragment)]
    return fragments if is_one_codestream(found.fragments.codec, holding) else None


def join_fragments(fragments: list[memoryview]) -> BytesLike:
    """Return the codestream that fragments make."""
    return fragments[0] if len(fragments) == 1 else b"".join(fragments)


def _misplaced(found: str, offset: int) -> InvalidDicomError:
    message = f"Expected an Item (FFFE,E000) that fits the frame, found {found}"
    return InvalidDicomError(message, offset=offset, tag=tags.PIXEL_DATA)
