"""Which byte ranges to read together: pure arithmetic, and the reads that follow from it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeGuard

from lazydicom._bytes.source import (
    ByteRange,
    BytesLike,
    ByteSource,
    ReadsInTurn,
    is_distant,
)

MAX_GAP: Final = 1 << 17
"""128 KiB: what 100 MB/s give in 20 ms, shared by 16 requests that wait at once."""
MAX_BLOCK: Final = 1 << 22
"""4 MiB: latency is a small part of the transfer, and a retry does not cost much."""
LOCAL_BLOCK: Final = 1 << 15
"""32 KiB of encoded frames are decoded in half a millisecond: opening the file for each
of them would cost a twentieth of a slide tile, and more of them may leave cores idle."""
LOCAL_BLOCKS: Final = 32
"""Where there are more blocks than these, larger ones leave no core idle either."""
LARGEST_LOCAL: Final = 1 << 18
"""256 KiB, which stay in the cache until they are decoded."""
LARGEST_SHARE: Final = 1 << 20
"""1 MiB of frames that are read one after the other by one opening of the file: after a frame
was decoded, opening it again takes 25 µs. Who needs the core waits for all of them."""
_WORTH_A_READ: Final = 1 << 12
"""4 KiB: a codestream of that size is decoded sooner if it was read just before, by a tenth
of what decoding takes; smaller ones take less time each where many are read at once."""
REQUESTS: Final = 16
"""Requests to one server at once, before it is known how it responds; so many blocks, 64 MiB,
are held at once, however many requests they take."""
MOST_REQUESTS: Final = 64
"""Requests to one server at once, where they mostly wait."""
BATCH: Final = 1 << 19
"""512 KiB of compressed frames are asked for by one thread: to wake it costs more than a
request, but they are decoded when all of them came."""


def coalesce(
    ranges: Iterable[ByteRange], *, max_gap: int, max_block: int
) -> list[ByteRange]:
    """Merge ranges that touch, overlap or lie within `max_gap` bytes.

    A merged range is no longer than `max_block`; a range that is longer stays as it is.

    >>> spans = [ByteRange(0, 4), ByteRange(6, 2), ByteRange(50, 1)]
    >>> coalesce(spans, max_gap=2, max_block=100)
    [ByteRange(offset=0, length=8), ByteRange(offset=50, length=1)]
    """
    spans = list(ranges)
    groups = group(spans, max_gap=max_gap, max_block=max_block)
    return [span_of(spans[member] for member in members) for members in groups]


def group(
    ranges: Sequence[ByteRange], *, max_gap: int, max_block: int
) -> list[list[int]]:
    """Return which ranges to read together, each group by its places in `ranges`.

    >>> group([ByteRange(50, 1), ByteRange(0, 4), ByteRange(6, 2)], max_gap=2, max_block=9)
    [[1, 2], [0]]
    """
    groups: list[list[int]] = []
    start = stop = 0
    members: list[int] = []
    for member in sorted(range(len(ranges)), key=ranges.__getitem__):
        offset, length = ranges[member]  # its property would be a call for each
        longer = max(stop, offset + length)
        if members and offset - stop <= max_gap and longer - start <= max_block:
            members.append(member)
            stop = longer
        else:
            members = [member]
            groups.append(members)
            start, stop = offset, offset + length
    return groups


def span_of(ranges: Iterable[ByteRange]) -> ByteRange:
    """Return the range that holds all of `ranges`.

    >>> span_of([ByteRange(6, 2), ByteRange(0, 4)])
    ByteRange(offset=0, length=8)
    """
    spans = list(ranges)
    start = min(span.offset for span in spans)
    return ByteRange(start, max(span.stop for span in spans) - start)


def cut(span: ByteRange, *, max_block: int) -> list[ByteRange]:
    """Cut a range into pieces of at most `max_block` bytes.

    >>> cut(ByteRange(10, 5), max_block=3)
    [ByteRange(offset=10, length=3), ByteRange(offset=13, length=2)]
    """
    starts = range(span.offset, span.stop, max_block)
    return [ByteRange(at, min(max_block, span.stop - at)) for at in starts]


def read_many(source: ByteSource, spans: Sequence[ByteRange]) -> list[BytesLike]:
    """Read all `spans` in the way that suits the source."""
    if is_distant(source):
        return source.read_many(spans)
    if len(spans) == 1:
        return [source.read(spans[0])]
    blocks: list[BytesLike] = [b""] * len(spans)
    for members in group(spans, max_gap=0, max_block=LARGEST_LOCAL):
        block = span_of(spans[member] for member in members)
        data = memoryview(source.read(block))
        for member in members:
            begin = spans[member].offset - block.offset
            blocks[member] = data[begin : begin + spans[member].length]
    return blocks


def read_many_into(
    source: ByteSource, places: Sequence[tuple[int, memoryview]]
) -> None:
    """Fill each memory with the bytes from its offset on, some requests at once."""
    if hasattr(source, "read_many_into"):
        source.read_many_into(places)
        return
    for offset, out in places:
        source.read_into(offset, out)


def read_places(places: Sequence[tuple[ByteSource, int, memoryview]]) -> None:
    """Fill each memory with the bytes of its file from an offset on, requests at once."""
    kinds = {type(source) for source, _, _ in places}
    fill = getattr(kinds.pop(), "fill_places", None)
    if fill is not None and not kinds:
        fill(places)
        return
    by_source: dict[int, list[tuple[ByteSource, int, memoryview]]] = {}
    for place in places:
        by_source.setdefault(id(place[0]), []).append(place)
    for own in by_source.values():
        read_many_into(own[0][0], [(offset, out) for _, offset, out in own])


def read_in_turn(
    source: ByteSource,
    spans: Sequence[ByteRange],
    use: Callable[[int, BytesLike], None],
) -> None:
    """Call `use(place, data)` with each range, before the next one is read if that may be."""
    if _reads_in_turn(source, spans):
        source.read_in_turn(spans, use)
        return
    for place, data in enumerate(read_many(source, spans)):
        use(place, data)


def _reads_in_turn(
    source: ByteSource, spans: Sequence[ByteRange]
) -> TypeGuard[ReadsInTurn]:
    """Return whether each range is worth a read of its own, where that opens no file."""
    total = sum([length for _, length in spans])
    return hasattr(source, "read_in_turn") and total >= _WORTH_A_READ * len(spans)


def read_each(source: ByteSource, offsets: Sequence[int], length: int) -> BytesLike:
    """Read `length` bytes from each offset on, one after the other."""
    if hasattr(source, "read_each"):
        data: bytes = source.read_each(offsets, length)
        return data
    return b"".join(source.read(ByteRange(offset, length)) for offset in offsets)


def together(
    source: ByteSource, spans: Sequence[ByteRange], *, alone: bool = False
) -> list[list[int]]:
    """Return which `spans` one read should fetch, by their places.

    Of a near file some for each thread, unless one thread reads `alone`: then all of them,
    up to `LARGEST_SHARE`, wherever they lie, if each is a read of its own.
    """
    if is_distant(source):
        return group(spans, max_gap=MAX_GAP, max_block=MAX_BLOCK)
    shares = sum([length for _, length in spans]) // LOCAL_BLOCKS
    in_turn = _reads_in_turn(source, spans)
    largest = LARGEST_SHARE if in_turn else LARGEST_LOCAL
    block = largest if alone else min(max(shares, LOCAL_BLOCK), largest)
    groups = group(spans, max_gap=0, max_block=block)
    if not (alone and in_turn):
        return groups
    return [members for members, _ in batches(groups, spans, most=largest)]


def batches(
    groups: Iterable[Sequence[int]], spans: Sequence[ByteRange], *, most: int
) -> Iterator[tuple[list[int], int]]:
    """Join small groups of ranges up to `most` bytes; yield their places, and the bytes.

    >>> spans = [ByteRange(0, 4), ByteRange(9, 4), ByteRange(50, 9)]
    >>> list(batches([[0], [1], [2]], spans, most=10))
    [([0, 1], 8), ([2], 9)]
    """
    places: list[int] = []
    total = 0
    for members in groups:
        length = span_of(spans[member] for member in members).length
        if places and total + length > most:
            yield places, total
            places, total = [], 0
        places += members
        total += length
    if places:
        yield places, total
