"""Files behind fsspec, read by byte ranges: planned, at once, checked."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import field
from typing import Any

from lazydicom._bytes.location import Version
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.ranges import MAX_BLOCK, MAX_GAP, cut, group, span_of
from lazydicom._bytes.remote.client import (
    Fill,
    RemoteClient,
    RemotePlace,
    fill_each,
    open_each,
    remote_client,
)
from lazydicom._bytes.source import (
    FIRST_BLOCK,
    MINIMUM_RATE,
    ByteRange,
    BytesLike,
    check_span,
)
from lazydicom.errors import SourceError, redact_url


@dataclass(frozen=True, eq=False, repr=False)
class RemoteSource:
    """One object of an fsspec filesystem, as it was when it was opened.

    Filesystem clients are made from the URL in each process, never pickled.
    """

    url: str
    storage_options: Mapping[str, Any]
    version: Version
    place: RemotePlace
    """How its filesystem finds it."""
    minimum_rate: int = MINIMUM_RATE
    """Bytes in a second that a body must have."""
    first_block: list[bytes] = field(default_factory=list)
    """What opening fetched, until somebody reads it; it does not travel."""
    head: list[bytes] = field(default_factory=list)
    """The header, where more files were opened with it, until somebody reads that."""

    def __repr__(self) -> str:
        """Name the object, without secrets."""
        return f"<RemoteSource {redact_url(self.url)}: {self.version.size} bytes>"

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by name; with the options that the caller passed."""
        return (
            RemoteSource,
            (
                self.url,
                self.storage_options,
                self.version,
                self.place,
                self.minimum_rate,
            ),
        )

    def size(self) -> int:
        """Length of the object in bytes, as it was when it was opened."""
        return self.version.size

    def read(self, span: ByteRange) -> BytesLike:
        """Fetch `span`; a long one in several requests at once."""
        check_span(self, span)
        if span.offset == 0:
            for kept in (self.first_block, self.head):
                with suppress(IndexError):  # another thread may have taken it
                    block = kept.pop()
                    if len(block) >= span.length:
                        return memoryview(block)[: span.length]
        return self.read_many([span])[0]

    def look(self, out: memoryview) -> bool:
        """Fill `out` with what opening fetched, if that is enough; it stays there."""
        block = b"".join(self.first_block[:1])
        length = min(out.nbytes, self.size())
        if len(block) < length:
            return False
        out[:length] = block[:length]
        return True

    def keep_head(self, length: int) -> None:
        """Keep so much of what opening fetched for who reads the header."""
        self.head[:] = [block[:length] for block in self.first_block]
        self.first_block.clear()

    def read_into(self, offset: int, out: memoryview) -> None:
        """Fetch straight into `out`."""
        self.read_many_into([(offset, out)])

    def read_many_into(self, places: Sequence[tuple[int, memoryview]]) -> None:
        """Fetch bytes from each offset on straight into its memory, requests at once."""
        blocks = [
            (ByteRange(offset, out.nbytes), out.cast("B")) for offset, out in places
        ]
        for span, _ in blocks:
            check_span(self, span)
        self._fill(blocks)

    @staticmethod
    def fill_places(places: "Sequence[tuple[RemoteSource, int, memoryview]]") -> None:
        """Fill each memory with the bytes of its object from an offset on.

        One thread asks for all of them: to wake one for each costs as much as a request.
        """
        fills = []
        for source, offset, out in places:
            span = ByteRange(offset, out.nbytes)
            check_span(source, span)
            fills.append(source._to_fill([(span, out.cast("B"))]))  # noqa: SLF001 (its own)
        fill_each(fills)

    def read_many(self, spans: Sequence[ByteRange]) -> list[BytesLike]:
        """Fetch all `spans`: neighbours in one request, requests at once."""
        for span in spans:
            check_span(self, span)
        blocks: list[tuple[ByteRange, memoryview]] = []
        views: list[BytesLike] = [b""] * len(spans)
        for members in group(spans, max_gap=MAX_GAP, max_block=MAX_BLOCK):
            block = span_of(spans[member] for member in members)
            memory = memoryview(bytearray(block.length))
            blocks.append((block, memory))
            for member in members:
                at = spans[member].offset - block.offset
                views[member] = memory[at : at + spans[member].length].toreadonly()
        self._fill(blocks)
        return views

    def mapped(self) -> AbstractContextManager[memoryview | None]:
        """Nothing to lend: the bytes are elsewhere."""
        return nullcontext(None)

    def _fill(self, blocks: Sequence[tuple[ByteRange, memoryview]]) -> None:
        fill_each([self._to_fill(blocks)])

    def _to_fill(self, blocks: Sequence[tuple[ByteRange, memoryview]]) -> Fill:
        client = remote_client(
            self.place, self.storage_options, minimum_rate=self.minimum_rate
        )
        pieces = [
            (piece, memory[piece.offset - block.offset :][: piece.length])
            for block, memory in blocks
            for piece in cut(block, max_block=MAX_BLOCK)
        ]
        return client, self.version, pieces


def open_remote(
    url: str,
    storage_options: Mapping[str, Any],
    *,
    first_block: int = FIRST_BLOCK,
    place: RemotePlace | None = None,
    minimum_rate: int = MINIMUM_RATE,
) -> RemoteSource:
    """Ask once for size, version and first block of an object.

    Raises
    ------
    SourceError
        If the object is not there, its size is not known, or the server does not give
        ranges.
    """
    place = place or RemotePlace(url)
    client = remote_client(place, storage_options, minimum_rate=minimum_rate)
    opened = client.open(first_block)
    return _source(url, client, storage_options, opened, place=place)


def open_remotes(
    named: Sequence[tuple[str, RemotePlace]],
    storage_options: Mapping[str, Any],
    *,
    minimum_rate: int,
) -> list[RemoteSource | SourceError | None]:
    """Open objects at once, as `open_remote` does each; what cannot be is an error there.

    ``None`` stands for one that has to be opened by itself.
    """
    try:
        clients = [
            remote_client(place, storage_options, minimum_rate=minimum_rate)
            for _, place in named
        ]
    except SourceError:
        return [None] * len(named)
    if not all(client.opens_at_once for client in clients):
        return [None] * len(named)
    opened = open_each(clients, FIRST_BLOCK)
    return [
        one
        if isinstance(one, SourceError)
        else _source(url, client, storage_options, one, place=place)
        for (url, place), client, one in zip(named, clients, opened, strict=True)
    ]


def _source(
    url: str,
    client: RemoteClient,
    storage_options: Mapping[str, Any],
    opened: tuple[Version, bytes],
    *,
    place: RemotePlace,
) -> RemoteSource:
    version, block = opened
    blocks = [block] if block else []
    options, rate = dict(storage_options), client.minimum_rate
    return RemoteSource(url, options, version, place, rate, blocks)
