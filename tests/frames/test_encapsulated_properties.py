"""What holds for every layout of encapsulated frames."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import pytest
from codestream_samples import (
    JPEG,
    JPEG_2000,
    JPEG_XL,
    ONE_FRAGMENT,
    RLE,
    WITH_END_MARKER,
    UnmappedSource,
    codestream,
    joined,
)
from encapsulated_files import (
    encapsulate,
    extended_offset_table,
    make_encapsulated,
)
from hypothesis import given
from hypothesis import strategies as st
from tiff_files import make_dual

from lazydicom._bytes import source as bytes_source
from lazydicom._bytes.source import MemorySource
from lazydicom._frames import encapsulated as _encapsulated_index
from lazydicom._frames.fragment_reader import open_fragments
from lazydicom._frames.reader import read_frame
from lazydicom._header.header import read_header
from lazydicom.errors import InvalidDicomError, LazyDicomError, LazyDicomWarning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from encapsulated_files import Table


@dataclass(frozen=True, eq=False)
class LargeSource(MemorySource):
    """Bytes of which `read_all` believes that they are too many to look at them all."""


SOURCES = (MemorySource, LargeSource, UnmappedSource)


@pytest.fixture(autouse=True, scope="module")
def small_blocks() -> Iterator[None]:
    """Let a distant file of some hundred bytes be too long to fetch at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bytes_source, "FIRST_BLOCK", 32)
        yield


@dataclass(frozen=True)
class Movie:
    """Encoded frames and the fragments that they are cut into."""

    syntax: str
    fragments: tuple[tuple[bytes, ...], ...]

    @property
    def frames(self) -> list[bytes]:
        return [joined(frame) for frame in self.fragments]

    @property
    def offsets(self) -> list[int]:
        spans = [sum(8 + len(joined([part])) for part in f) for f in self.fragments]
        return list(accumulate(spans, initial=0))[:-1]

    @property
    def item_offsets(self) -> list[int]:
        parts = [part for frame in self.fragments for part in frame]
        return list(accumulate((8 + len(joined([p])) for p in parts), initial=0))

    def file(
        self,
        table: Table,
        offsets: list[int] | None = None,
        lengths: list[int] | None = None,
        declared_frames: str | None = "{}",
        trailing: bytes = b"",
    ) -> bytes:
        basic = offsets if table == "basic" else None
        before = b""
        if table == "extended":
            before = extended_offset_table(
                self.fragments, offsets=offsets, lengths=lengths
            )
        return make_encapsulated(
            [b""] * len(self.fragments),
            transfer_syntax=self.syntax,
            value=encapsulate(self.fragments, table=table, offsets=basic),
            table="empty",
            extra_before=before,
            declared_frames=declared_frames,
            trailing=trailing,
        )


@st.composite
def movies(
    draw: st.DrawFn, syntaxes: tuple[str, ...] = (*WITH_END_MARKER, *ONE_FRAGMENT)
) -> Movie:
    syntax = draw(st.sampled_from(syntaxes))
    count = draw(st.integers(1, 5))
    bodies = st.binary(min_size=8, max_size=30)
    fragments = []
    for _ in range(count):
        frame = codestream(syntax, draw(bodies))
        cuts: list[int] = []
        if syntax not in ONE_FRAGMENT:
            places = st.integers(1, (len(frame) - 1) // 2).map(lambda k: 2 * k)
            cuts = sorted(draw(st.lists(places, max_size=3)))
        edges = [0, *cuts, len(frame)]
        parts = [frame[a:b] for a, b in pairwise(edges)]
        fragments.append(tuple(parts))
    return Movie(syntax, tuple(fragments))


def read_all(source: MemorySource, *, allow_truncated: bool = False) -> list[bytes]:
    limit = 0 if isinstance(source, LargeSource) else 1 << 26
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore", LazyDicomWarning)
        patch.setattr(_encapsulated_index, "_LARGEST_PROOF", limit)
        reader = open_fragments(
            read_header(source),
            allow_truncated=allow_truncated,
            on_extra_frames="warn",
        )
        return [bytes(read_frame(reader, k)) for k in range(len(reader))]


def frames_or_error(
    source: MemorySource, *, allow_truncated: bool = False
) -> list[bytes] | None:
    try:
        return read_all(source, allow_truncated=allow_truncated)
    except LazyDicomError:
        return None


@given(movie=movies(), table=st.sampled_from(["basic", "extended", "empty"]))
def test_any_fragmentation_and_table_gives_the_same_frames(
    movie: Movie, table: Table
) -> None:
    file = movie.file(table)

    for source in SOURCES:
        assert read_all(source(file)) == movie.frames


@given(movie=movies(), big=st.booleans(), order=st.sampled_from("<>"), data=st.data())
def test_any_tile_table_gives_the_same_frames(
    movie: Movie, order: str, data: st.DataObject, *, big: bool
) -> None:
    plain = movie.file("empty")
    whole = [plain.index(frame[0]) for frame in movie.fragments]
    tiles = [(at, len(f[0])) for at, f in zip(whole, movie.fragments, strict=True)]
    lies = data.draw(st.permutations(tiles) | st.just([(99, 5)] * len(tiles)))
    file = make_dual(plain, lies, big=big, order=order)

    for source in SOURCES:
        assert read_all(source(file)) == movie.frames


@given(movie=movies(), table=st.sampled_from(["basic", "extended"]), data=st.data())
def test_any_wrong_table_gives_the_frames_of_a_walk_or_an_error(
    movie: Movie, table: Table, data: st.DataObject
) -> None:
    places = st.sampled_from(movie.item_offsets) | st.integers(0, 300)
    mutated = st.lists(places, max_size=len(movie.fragments) + 2)
    offsets = data.draw(mutated | mutated.map(sorted) | st.permutations(movie.offsets))
    lengths = data.draw(st.none() | st.just([20] * len(offsets)))
    if lengths is None and len(offsets) != len(movie.fragments):
        lengths = [b - a - 8 for a, b in pairwise(offsets)]
        lengths = [max(length, 0) for length in [*lengths, 10]]
    file = movie.file(table, offsets, lengths)

    for source in SOURCES:
        assert frames_or_error(source(file)) in (movie.frames, None)
    assert read_all(MemorySource(file)) == movie.frames  # it can be rebuilt


@given(movie=movies((JPEG_XL,)), data=st.data())
def test_a_wrong_table_is_never_believed_where_codestreams_have_no_end(
    movie: Movie, data: st.DataObject
) -> None:
    places = st.sampled_from(movie.item_offsets) | st.integers(0, 300)
    count = len(movie.fragments)
    mutated = st.lists(places, min_size=count, max_size=count).map(sorted)
    file = movie.file("basic", data.draw(mutated))

    assert frames_or_error(MemorySource(file)) in (movie.frames, None)


@given(movie=movies(), declared=st.integers(1, 7))
def test_any_number_of_declared_frames_gives_the_first_ones_or_an_error(
    movie: Movie, declared: int
) -> None:
    if declared == 1 and movie.syntax not in WITH_END_MARKER:
        return  # one frame takes all
    for table in ("basic", "extended", "empty"):
        file = movie.file(table, declared_frames=str(declared))
        for source in SOURCES:
            if declared <= len(movie.frames):
                assert read_all(source(file)) == movie.frames[:declared]
            else:
                assert frames_or_error(source(file)) is None


def _small(syntax: str) -> Movie:
    frames = [codestream(syntax, bytes([k]) * (14 + 5 * k)) for k in range(3)]
    if syntax == RLE:
        return Movie(syntax, tuple((frame,) for frame in frames))
    return Movie(
        syntax, ((frames[0],), (frames[1][:6], frames[1][6:], b""), (frames[2],))
    )


@pytest.mark.parametrize("syntax", [JPEG, JPEG_2000, RLE])
@pytest.mark.parametrize("table", ["basic", "extended", "empty"])
@pytest.mark.parametrize("source", SOURCES)
def test_every_prefix_gives_exact_frames_or_an_error(
    syntax: str, table: Table, source: type[MemorySource]
) -> None:
    movie = _small(syntax)
    file = movie.file(table, trailing=b"\xfc\xff\xfc\xffOB\0\0\x04\0\0\0abcd")
    # Headers are alike up to Pixel Data: one of them is cut everywhere.
    pixels = 0 if syntax == JPEG else file.index(b"\xe0\x7f\x10\0OB")

    for stop in range(pixels, len(file)):
        prefix = source(file[:stop])
        found = frames_or_error(prefix)
        kept = frames_or_error(prefix, allow_truncated=True)

        assert found is None or found == movie.frames
        assert kept is None or kept == movie.frames[: len(kept)]


@pytest.mark.parametrize("table", ["basic", "extended", "empty"])
@pytest.mark.parametrize("source", SOURCES)
def test_a_truncated_file_keeps_all_complete_frames(
    table: Table, source: type[MemorySource]
) -> None:
    movie = _small(JPEG)
    file = movie.file(table)
    ends = [
        file.index(frame) + len(frame)
        for (*_, frame) in (movie.fragments[0], movie.fragments[2])
    ]

    assert read_all(source(file[: ends[0]]), allow_truncated=True) == movie.frames[:1]
    assert (
        read_all(source(file[: ends[1] - 1]), allow_truncated=True) == movie.frames[:2]
    )
    assert read_all(source(file[: ends[1]]), allow_truncated=True) == movie.frames
    with pytest.raises(InvalidDicomError, match="ends before"):
        read_all(source(file[: ends[1]]))
