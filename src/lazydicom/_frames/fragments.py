"""Walking over the fragments of encapsulated Pixel Data (PS3.5 annex A.4).

Only item headers are read, and the 8 bytes on both sides of each: a tag, a length, and how
codestreams end and begin. A local file is read by position, never through a memory map, which
kills the process where the file is cut meanwhile: 24 bytes a fragment where they are large,
blocks of many where they are small.
"""

from array import array
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from struct import Struct
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.source import (
    BytesLike,
    Lookahead,
    ReadableFile,
    SmallReads,
    is_holdable,
    open_lookahead,
    reads_small,
)
from lazydicom._decode.codestream_marks import joined_heads, joined_tails
from lazydicom._header import tags
from lazydicom._header.header import Header
from lazydicom._header.walker import UNDEFINED
from lazydicom.errors import LimitError, format_tag

ITEM_HEADER: Final = Struct("<HHI")
ITEM_WORDS: Final = (tags.ITEM >> 16, tags.ITEM & 0xFFFF)
_END_WORDS: Final = (tags.SEQUENCE_DELIMITER >> 16, tags.SEQUENCE_DELIMITER & 0xFFFF)
_HEAD: Final = Struct("<II")
_ITEM_AS_READ: Final = 0xE000FFFE
"""The tag as one little-endian number."""
LOOK: Final = 24
"""The last 8 bytes of a fragment, the header of the next, and its first 8 bytes."""
_NEAR: Final = 1 << 14
"""16 KiB: what lies nearer costs less to read on than to seek."""
_FEW: Final = 8
_SOON_READ: Final = 128
"""Looks that are read before anybody knows whether a table is right."""
_LOOK: Final = np.dtype(f"V{LOOK}")
_FIRST_BLOCK: Final = 1 << 12
_LARGEST_BLOCK: Final = 1 << 18
_WORTH_A_MAP: Final = 1 << 20
_LARGEST_MAP: Final = 1 << 26
"""64 MiB: who waits for the lease does so for some ms."""
_MOST_FRAGMENTS: Final = 1 << 27
"""128 million; each costs 32 bytes of memory while they are looked at."""

Fetch: TypeAlias = Callable[[int], tuple[BytesLike, int]]
"""Gives a buffer, and where in it the byte lies that was asked for: a look from there on is
in it, as far as the file goes."""


@dataclass(frozen=True, slots=True)
class FragmentArea:
    """Where the fragments of encapsulated Pixel Data lie, and what they are to hold."""

    start: int
    """Where the Basic Offset Table item begins."""
    first: int
    """Where the first fragment begins, from which the offsets of the table count."""
    stop: int
    """End of the value; of undefined length: the end of the file, at the latest."""
    delimited: bool
    """Whether a Sequence Delimitation Item has to end it."""
    codec: str
    """Codec family of the frames."""
    frames: int
    """Frames declared."""


@dataclass(frozen=True, slots=True, eq=False)
class Fragments:
    """What a walk over the fragments finds."""

    edges: NDArray[np.int64]
    """Offset of each fragment's tag, and the byte after the last complete one."""
    looks: NDArray[np.uint8]
    """What lies around each edge: 8 bytes before it, the item header, 8 bytes after that."""
    fault: str | None
    """Why Pixel Data ends too early, ``None`` where it does not."""

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.edges) - 1

    @property
    def starts(self) -> NDArray[np.int64]:
        """Offset of each fragment's tag."""
        return self.edges[:-1]

    @property
    def stop(self) -> int:
        """The byte after the last complete one."""
        return int(self.edges[-1])

    @property
    def heads(self) -> NDArray[np.uint64]:
        """First 8 bytes from each fragment's value on, as a little-endian number.

        A codestream goes on in the next fragment: 2 bytes are as long as one need be.
        """
        return joined_heads(_numbers(self.looks[:-1, 16:]), self._lengths)

    @property
    def tails(self) -> NDArray[np.uint64]:
        """Last 8 bytes up to the end of each fragment's value, as `heads`."""
        return joined_tails(_numbers(self.looks[1:, :8]), self._lengths)

    @property
    def _lengths(self) -> NDArray[np.uint32]:
        """Length of each fragment's value."""
        lengths = np.ascontiguousarray(self.looks[:-1, 12:16]).view("<u4")[:, 0]
        return lengths.astype(np.uint32, copy=False)

    def holding(self) -> "Fragments":
        """Return the fragments that are not empty; the others make no frame."""
        full = self.edges[1:] - self.edges[:-1] > 8  # `diff` takes 3 µs
        if full.all():
            return self
        # An empty fragment ends where the next begins: what lies before that is its header.
        starts, stops = self.looks[:-1][full], self.looks[1:][full]
        looks = np.concatenate((starts, self.looks[-1:]))
        looks[1:, :8] = stops[:, :8]
        return Fragments(
            np.append(self.edges[:-1][full], self.edges[-1]), looks, self.fault
        )


def open_at_fragments(header: Header) -> AbstractContextManager[Lookahead]:
    """Look at Pixel Data: a local file by position, what is here already as it is."""
    if is_holdable(header.source):
        return open_lookahead(header.source)
    return header.open_at_pixels()


def walk_fragments(
    lookahead: Lookahead,
    area: FragmentArea,
    start: int,
    *,
    guess: NDArray[np.int64] | None = None,
) -> Fragments:
    """Walk from the fragment at `start` to the end of Pixel Data.

    Parameters
    ----------
    lookahead : Lookahead
        On the file.
    area : FragmentArea
        Where they end.
    start : int
        First fragment of the walk.
    guess : ndarray of int64, optional
        Offsets of fragments, rising. Where each fragment ends exactly at the next one, they
        are what the walk finds, and many are looked at at once.

    Raises
    ------
    LimitError
        If there are more fragments than memory should hold.
    """
    fetch, stop = _fetch_of(lookahead), min(area.stop, lookahead.size)
    edges, looks, fault = array("q", [start]), list[BytesLike](), None
    if guess is not None:
        looks += _follow_all(lookahead.source, stop, guess, edges)
    while edges[-1] <= stop - 8:
        if len(edges) > 1 and edges[-1] - edges[-2] > _NEAR:
            hopped = _hop(lookahead.source, stop, edges)
            looks.append(hopped)
            if edges[-1] > stop - 8:
                continue
        buffer, place = fetch(edges[-1] - 8)
        if len(buffer) > _LARGEST_BLOCK:  # what is copied of it stays small
            buffer, place = memoryview(buffer)[place : place + _LARGEST_BLOCK], 0
        base, known = edges[-1] - 8 - place, len(edges)
        if guess is not None and edges[-1] < guess[-1]:
            _follow(buffer, base, guess, edges)
        _walk_through(buffer, edges[-1] - base, base, stop, edges)
        if len(edges) > known:
            looks.append(_looks(buffer, base, edges[known - 1 : -1]))
        else:
            length, fault = _next_item(buffer, place + 8, stop - edges[-1] - 8)
            if length is None:
                break
            looks.append(_look_at(buffer, place))
            edges.append(edges[-1] + 8 + length)
        if len(edges) > _MOST_FRAGMENTS:
            raise LimitError(
                f"More than {_MOST_FRAGMENTS} fragments", url=lookahead.url
            )
    else:
        fault = _lacks_end(area, edges[-1])
    buffer, place = fetch(edges[-1] - 8)
    looks.append(_look_at(buffer, place))
    around = np.frombuffer(b"".join(looks), np.uint8).reshape(-1, LOOK)
    return Fragments(np.frombuffer(edges, np.int64), around, fault)


def is_kept_open(lookahead: Lookahead) -> bool:
    """Return whether a small read costs no more than a system call."""
    return reads_small(lookahead.source)


def _fetch_of(lookahead: Lookahead) -> Fetch:
    """Return what fetches the next look: of a file that is kept open, or as elsewhere."""
    if reads_small(lookahead.source):
        return _fetch_small(lookahead.source)

    def fetch(offset: int) -> tuple[BytesLike, int]:
        place = lookahead.seek(offset, min(LOOK, lookahead.size - offset))
        return lookahead.buffer, place

    return fetch


def _fetch_small(file: SmallReads) -> Fetch:
    """Return what reads a look, or a block of several where fragments lie near each other."""
    buffer, base, block = b"", 0, _FIRST_BLOCK

    def fetch(offset: int) -> tuple[BytesLike, int]:
        nonlocal buffer, base, block
        far = offset - base - len(buffer)
        if far > _NEAR and buffer:
            block = _FIRST_BLOCK
            base, buffer = offset, file.read_some(offset, LOOK)
        elif offset < base or far > -LOOK:
            base, buffer = offset, file.read_some(offset, block)
            block = min(4 * block, _LARGEST_BLOCK)
        return buffer, offset - base

    return fetch


def _follow_all(
    file: ReadableFile, stop: int, guess: NDArray[np.int64], edges: "array[int]"
) -> list[BytesLike]:
    """Walk over the fragments of a file that is kept open, as far as they lie as expected.

    Return the looks.
    """
    few = len(guess) < _FEW or guess[0] != edges[-1] or guess[-1] > stop
    if few or not reads_small(file):
        return []
    near = int(guess[-1] - guess[0]) <= _NEAR * len(guess)
    sample = guess if len(guess) <= _SOON_READ else guess[:_FEW]
    looks = [_followed(_far_looks(file, sample - 8), sample)]
    count = len(looks[0])
    if len(sample) - 1 == count < len(guess) - 1:
        rest, look_at = guess[count:], _near_looks if near else _far_looks
        looks.append(_followed(look_at(file, rest - 8), rest))
        count += len(looks[1])
    edges.frombytes(guess[1 : count + 1].tobytes())
    return [some.view(np.uint8).data for some in looks]


def _followed(looks: NDArray[np.void], expected: NDArray[np.int64]) -> NDArray[np.void]:
    """Return the looks at fragments that reach exactly to the next one."""
    heads = looks.view("<u8").reshape(-1, 3)[:, 1]
    return looks[: _fitting(heads, expected[: len(looks) + 1])]


def _far_looks(file: SmallReads, places: NDArray[np.int64]) -> NDArray[np.void]:
    """Return what lies at some places but the last, each by a read of its own."""
    return np.frombuffer(file.read_each(places[:-1].tolist(), LOOK), _LOOK)


def _near_looks(file: SmallReads, places: NDArray[np.int64]) -> NDArray[np.void]:
    """Return what lies at some places but the last, as far as the file goes."""
    first, last = int(places[0]), int(places[-1])
    if _WORTH_A_MAP <= last - first <= _LARGEST_MAP:
        with file.lend() as lent, suppress(OSError):  # a read will tell why
            if lent is not None:
                lent.load(places[:1], last - first)
                return _every_look(lent.memory)[places[:-1]]
    looks, block = np.empty(len(places) - 1, _LOOK), bytearray(_LARGEST_BLOCK)
    every, start = _every_look(block), 0
    while start < len(looks):
        base = int(places[start])
        room = file.fill(base, memoryview(block)) - LOOK
        end = int(places[:-1].searchsorted(base + room, "right"))
        if end <= start:
            break
        looks[start:end] = every[places[start:end] - base]
        start = end
    return looks[:start]


def _hop(file: ReadableFile, stop: int, edges: "array[int]") -> bytes:
    """Walk on over large fragments of a file that is kept open; return the looks."""
    looks, position = bytearray(), edges[-1]
    if not reads_small(file):
        return b""
    read, unpack = file.read_some, _HEAD.unpack_from
    while position <= stop - LOOK + 8:
        look = read(position - 8, LOOK)
        tag, length = unpack(look, 8)
        position += 8 + length
        if tag != _ITEM_AS_READ or length == UNDEFINED or position > stop:
            break
        edges.append(position)
        looks += look
        if length < _NEAR:
            break
    return bytes(looks)


def _follow(
    buffer: BytesLike, base: int, guess: NDArray[np.int64], edges: "array[int]"
) -> None:
    """Walk as far as the buffer shows that fragments begin where they are expected."""
    first, last = np.searchsorted(guess, (edges[-1], base + len(buffer) - LOOK + 8))
    expected = guess[first : last + 1]
    if len(expected) < _FEW or expected[0] != edges[-1]:
        return
    heads = np.ndarray((len(buffer) - 7,), "<u8", buffer=buffer, strides=(1,))
    count = _fitting(heads[expected[:-1] - base], expected)
    edges.frombytes(expected[1 : count + 1].tobytes())


def _fitting(heads: NDArray[np.uint64], expected: NDArray[np.int64]) -> int:
    """Return how many items, one after the other, reach exactly to the next offset."""
    lengths = (heads >> np.uint64(32)).astype(np.int64)
    right = (heads & np.uint64(UNDEFINED)) == _ITEM_AS_READ
    right &= (lengths != UNDEFINED) & (lengths + 8 == expected[1:] - expected[:-1])
    return len(right) if right.all() else int(right.argmin())


def _walk_through(
    buffer: BytesLike, place: int, base: int, stop: int, edges: "array[int]"
) -> None:
    """Walk from the item at `place` as far as the buffer shows plain fragments."""
    unpack, last, append = _HEAD.unpack_from, len(buffer) - LOOK + 8, edges.append
    stop -= base
    while place <= last:
        tag, length = unpack(buffer, place)
        place += 8 + length
        if tag != _ITEM_AS_READ or length == UNDEFINED or place > stop:
            return
        append(base + place)


def _looks(buffer: BytesLike, base: int, edges: "array[int]") -> bytes:
    """Copy out what lies around some edges; all of it is in the buffer."""
    if len(edges) == 1:
        place = edges[0] - 8 - base
        return bytes(buffer[place : place + LOOK])
    places = np.frombuffer(edges, np.int64) - (8 + base)
    return _every_look(buffer)[places].tobytes()


def _look_at(buffer: BytesLike, place: int) -> bytes:
    """Copy out a look; behind the end of the file it is filled with zeros."""
    return bytes(buffer[place : place + LOOK]).ljust(LOOK, b"\0")


def _every_look(buffer: BytesLike | bytearray) -> NDArray[np.void]:
    """Return the looks of a buffer, wherever they begin; nothing is copied."""
    return np.ndarray((len(buffer) - LOOK + 1,), _LOOK, buffer=buffer, strides=(1,))


def _next_item(
    buffer: BytesLike, place: int, room: int
) -> tuple[int | None, str | None]:
    """Return the length of the next fragment, or ``None`` and why there is none."""
    group, element, length = ITEM_HEADER.unpack_from(buffer, place)
    if (group, element) == _END_WORDS:
        return None, None
    if (group, element) != ITEM_WORDS or length == UNDEFINED:
        tag_text = format_tag(group << 16 | element)
        if (group, element) == ITEM_WORDS:
            tag_text = "one of undefined length"
        return None, f"Expected Item (FFFE,E000), found {tag_text}"
    if length > room:
        fault = f"Expected a fragment of {length} bytes, Pixel Data ends before"
        return None, fault
    return int(length), None


def _lacks_end(area: FragmentArea, position: int) -> str | None:
    """Return why fragments should go on at `position`."""
    if position == area.stop and not area.delimited:
        return None
    return "Expected an Item or Sequence Delimitation Item, Pixel Data ends before"


def _numbers(columns: NDArray[np.uint8]) -> NDArray[np.uint64]:
    numbers = np.ascontiguousarray(columns).view("<u8")[:, 0]
    return numbers.astype(np.uint64, copy=False)
