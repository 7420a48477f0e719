"""Reading the encoded bytes of frames, whichever reader gives them.

A reader knows where frames lie and gives their bytes; which of them are read together follows
from the spans and from the source.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from lazydicom._bytes import ranges
from lazydicom._bytes.deferred import deferred
from lazydicom._bytes.ranges import BATCH, MAX_BLOCK
from lazydicom._bytes.source import BytesLike
from lazydicom._frames.index import FrameIndex, FrameReader, NativeReader

if TYPE_CHECKING:
    from lazydicom._decode import samples
    from lazydicom._frames import fragment_reader as fragments
    from lazydicom._frames import partial_reader as partial
    from lazydicom._frames.fragment_reader import FragmentReader
    from lazydicom._frames.fragment_stream import FragmentStream
else:
    samples = deferred("lazydicom._decode.samples")
    fragments = deferred("lazydicom._frames.fragment_reader")
    partial = deferred("lazydicom._frames.partial_reader")

FileReader: TypeAlias = "NativeReader | FragmentReader"
"""A reader that knows where all frames lie."""
_FRAMES_PER_REQUEST: Final = 64
"""Frames of a server that one request asks for: their numbers stand in its URL."""


def read_frame(reader: FrameReader, frame: int) -> BytesLike:
    """Read one encoded frame."""
    return reader.read((frame,))[0]


def read_in_turn(
    reader: FrameReader, frames: Sequence[int], use: Callable[[int, BytesLike], None]
) -> None:
    """Call `use(place, data)` with each encoded frame, if it may be before others are read."""
    if hasattr(reader, "read_in_turn"):
        reader.read_in_turn(frames, use)
        return
    for place, data in enumerate(reader.read(frames)):
        use(place, data)


def together(
    reader: FrameReader, frames: Sequence[int], *, frame_nbytes: int
) -> list[list[int]]:
    """Return which frames one request should read, by their places in `frames`.

    Parameters
    ----------
    reader : FrameReader
        Of the frames.
    frames : sequence of int
        Their numbers.
    frame_nbytes : int
        Size of a decoded one: how much a server sends is not known beforehand.
    """
    spans = reader.spans(frames)
    if spans is not None and reader.source is not None:
        return ranges.together(reader.source, spans, alone=samples.most_threads() == 1)
    step = min(max(MAX_BLOCK // frame_nbytes, 1), _FRAMES_PER_REQUEST)
    places = range(len(frames))
    return [list(places[start : start + step]) for start in places[::step]]


def batches(
    reader: FrameReader, frames: Sequence[int], *, frame_nbytes: int
) -> Iterator[tuple[list[int], int]]:
    """Yield which frames one thread asks for, by their places, and how many bytes that is.

    These are the requests of `together`, small ones joined; see there for the parameters.
    """
    groups, spans = (
        together(reader, frames, frame_nbytes=frame_nbytes),
        reader.spans(frames),
    )
    if spans is None:
        return ((places, MAX_BLOCK) for places in groups)
    return ranges.batches(groups, spans, most=BATCH)


def stream(reader: FrameReader, frames: Sequence[int]) -> "FragmentStream | None":
    """Read frames while they are looked for, ``None`` where that saves nothing."""
    if isinstance(reader, NativeReader):
        return None
    return reader.stream(frames) if isinstance(reader, partial.PartialReader) else None


def file_reader(reader: FrameReader) -> "FileReader | None":
    """Return the reader that knows where all frames of a file lie, ``None`` of a server.

    Frames that were not looked for yet are looked for now.
    """
    if isinstance(reader, NativeReader):
        return reader
    if isinstance(reader, partial.PartialReader):
        return reader.whole()
    return reader if isinstance(reader, fragments.FragmentReader) else None


def fragment_reader(reader: FrameReader) -> "FragmentReader | None":
    """Return the reader of all fragments, ``None`` where frames are no fragments."""
    whole = file_reader(reader)
    return None if isinstance(whole, NativeReader) else whole


def prove(reader: FrameReader) -> None:
    """Look at all fragments, so that no table is merely believed.

    Raises
    ------
    InvalidDicomError
        If fragments contradict the standard, or a frame that was given lies elsewhere.
    """
    whole = fragment_reader(reader)
    if whole is not None:
        whole.prove()


def frame_index(reader: FrameReader) -> FrameIndex | None:
    """Return the byte range of every frame, ``None`` where frames are no such."""
    whole = file_reader(reader)
    return None if whole is None else whole.index
