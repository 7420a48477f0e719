"""Following fragments as far as somebody asks gives what a walk over all of them gives."""

import pickle
import struct
import tracemalloc
import warnings
from typing import Literal

import numpy as np
import pytest
from encapsulated_files import encapsulate, make_encapsulated
from far_memory import JPEG, RLE, FarMemory, jpeg, rle
from hypothesis import example, given, settings
from hypothesis import strategies as st
from range_server import RangeServer

import lazydicom
from lazydicom._bytes.source import MemorySource
from lazydicom._frames import partial_index as _partial_index
from lazydicom._frames.fragment_reader import FragmentReader, open_fragments
from lazydicom._frames.fragments import FragmentArea
from lazydicom._frames.index import FrameIndex, FrameReader
from lazydicom._frames.partial_reader import (
    PartialReader,
    PartialTable,
    open_partial,
)
from lazydicom._frames.reader import frame_index, read_frame
from lazydicom._header.header import Header, read_header
from lazydicom.errors import InvalidDicomError, LazyDicomError, LazyDicomWarning


def far(file: bytes) -> Header:
    return read_header(FarMemory(file))


def followed(file: bytes) -> PartialReader:
    reader = open_partial(far(file))
    assert reader is not None
    return reader


def index_of(reader: FrameReader) -> FrameIndex:
    index = frame_index(reader)
    assert index is not None
    return index


def walked(file: bytes) -> FragmentReader:
    header = read_header(MemorySource(file))
    return open_fragments(header, allow_truncated=False, on_extra_frames="warn")


@pytest.fixture(params=[0, 1 << 17], ids=["hops", "stream"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_partial_index, "MAX_GAP", request.param)


@given(
    lengths=st.lists(st.integers(0, 400), min_size=2, max_size=120),
    seed=st.integers(0, 1000),
    codec=st.sampled_from(["jpeg", "fakes", "rle"]),
    asked=st.lists(st.integers(0, 119), max_size=4),
    gap=st.sampled_from([0, 1 << 17]),
)
@example(lengths=[0] * 5, seed=0, codec="jpeg", asked=[], gap=0)
@example(lengths=[0] * 12, seed=0, codec="jpeg", asked=[3], gap=1 << 17)
@example(lengths=[0] * 2, seed=0, codec="jpeg", asked=[1], gap=0)
@settings(max_examples=150)
def test_it_equals_the_walk_over_all_fragments(
    lengths: list[int], seed: int, codec: str, asked: list[int], gap: int
) -> None:
    frames = [
        rle(length, seed + at)
        if codec == "rle"
        else jpeg(length, seed + at, fakes=codec == "fakes")
        for at, length in enumerate(lengths)
    ]
    syntax = RLE if codec == "rle" else JPEG
    file = make_encapsulated(frames, table="empty", transfer_syntax=syntax)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_partial_index, "MAX_GAP", gap)
        reader, expected = opened(file), walked(file)

        for at in (number for number in asked if number < len(frames)):
            assert read_frame(reader, at) == frames[at] == read_frame(expected, at)

        assert np.array_equal(index_of(reader).offsets, index_of(expected).offsets)
        assert np.array_equal(index_of(reader).lengths, index_of(expected).lengths)


@given(
    counts=st.lists(st.integers(1, 3), min_size=2, max_size=12),
    seed=st.integers(0, 1000),
    asked=st.integers(0, 11),
)
@settings(max_examples=80)
def test_frames_of_several_fragments_are_walked_as_anywhere_else(
    counts: list[int], seed: int, asked: int
) -> None:
    frames = [jpeg(60, seed + at) for at in range(len(counts))]
    fragments = [
        [frame[at : at + 2 * (33 // count)] for at in range(0, 66, 2 * (33 // count))]
        for frame, count in zip(frames, counts, strict=True)
    ]
    value = b"".join(
        b"\xfe\xff\x00\xe0" + struct.pack("<I", len(part)) + part
        for part in [b"", *(part for parts in fragments for part in parts)]
    )
    value += b"\xfe\xff\xdd\xe0" + bytes(4)
    file = make_encapsulated(frames, value=value, transfer_syntax=JPEG)

    assert result(followed, file, asked) == result(walked, file, asked)


def result(open_it: object, file: bytes, asked: int) -> object:
    try:
        reader = open_it(file)  # type: ignore[operator]
        return bytes(read_frame(reader, asked % len(reader))), index_of(
            reader
        ).offsets.tolist()
    except LazyDicomError as error:
        return type(error)


@given(
    lengths=st.lists(st.integers(10, 90), min_size=2, max_size=9),
    moved=st.integers(0, 8),
    by=st.sampled_from([0, 0, 2, 8, -10, 100]),
    asked=st.integers(0, 8),
)
@settings(max_examples=120)
def test_a_table_is_believed_no_more_than_in_a_local_file(
    lengths: list[int], moved: int, by: int, asked: int
) -> None:
    frames = [jpeg(length, at) for at, length in enumerate(lengths)]
    offsets = np.cumsum([0, *(8 + len(frame) for frame in frames[:-1])]).tolist()
    at = moved % len(offsets)
    offsets[at] = max(offsets[at] + by, 0)
    file = make_encapsulated(frames, offsets=offsets, transfer_syntax=JPEG)

    with warnings.catch_warnings(action="ignore", category=LazyDicomWarning):
        far_away = result(opened, file, asked)

        assert far_away == result(walked, file, asked)


@pytest.mark.filterwarnings("ignore:Basic Offset Table does not fit")
def test_a_frame_number_never_stands_for_two_frames_of_a_table() -> None:
    frames = [jpeg(300, at) for at in range(4)]
    size = 8 + len(frames[0])
    offsets = [0, 2 * size, 3 * size, 3 * size + 8 + 100]
    fragments = [*([one] for one in frames[:3]), [frames[3][:100], frames[3][100:]]]
    value = encapsulate(fragments, offsets=offsets)
    reader = opened(make_encapsulated(frames, value=value, transfer_syntax=JPEG))
    assert isinstance(reader, PartialReader)
    assert read_frame(reader, 1) == frames[2]  # as the table says

    for frame in (0, 1):
        with pytest.raises(InvalidDicomError, match="another frame before"):
            read_frame(reader, frame)
    with pytest.raises(InvalidDicomError, match="another frame before"):
        pickle.dumps(reader)


def opened(file: bytes) -> PartialReader | FragmentReader:
    header = far(file)
    partial = open_partial(header)
    if partial is not None:
        return partial
    return open_fragments(header, allow_truncated=False, on_extra_frames="warn")


@pytest.mark.usefixtures("_way")
def test_a_frame_needs_no_fragment_behind_it() -> None:
    frames = [jpeg(300_000, at) for at in range(12)]
    reader = followed(make_encapsulated(frames, table="empty", transfer_syntax=JPEG))
    source = reader._header.source
    assert isinstance(source, FarMemory)

    assert read_frame(reader, 3) == frames[3]

    assert max(span.stop for span in source.reads) < 6 * 300_000


def test_a_frame_by_a_table_costs_the_same_in_a_file_of_many() -> None:
    columns = [np.arange(count) * 20 + 100 for count in (1_000, 300_000)]
    made = [peak_of_a_span(PartialTable(AREA, offsets)) for offsets in columns]

    assert made[1] <= made[0] + 200  # bytes: no column is copied or made a list


AREA = FragmentArea(0, 100, 1 << 30, delimited=True, codec="jpeg", frames=1)


def peak_of_a_span(table: PartialTable) -> int:
    table.span(500)
    tracemalloc.start()
    try:
        assert table.span(500) == (10_100, 20)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.usefixtures("_way")
def test_a_pickle_knows_all_frames() -> None:
    frames = [jpeg(300, at) for at in range(40)]
    reader = followed(make_encapsulated(frames, table="empty", transfer_syntax=JPEG))

    again: FragmentReader = pickle.loads(pickle.dumps(reader))

    assert again.proven
    assert [read_frame(again, at) for at in range(40)] == frames


@pytest.mark.usefixtures("_way")
def test_fewer_frames_than_declared_are_an_error_when_the_end_is_seen() -> None:
    frames = [jpeg(300, at) for at in range(9)]
    file = make_encapsulated(
        frames, table="empty", transfer_syntax=JPEG, declared_frames="11"
    )
    reader = followed(file)

    assert read_frame(reader, 8) == frames[8]
    with pytest.raises(InvalidDicomError, match="9 complete frames are stored, 11"):
        read_frame(reader, 10)


def test_more_frames_than_a_file_has_room_for_are_an_error_at_once() -> None:
    file = make_encapsulated(
        [jpeg(300, at) for at in range(9)],
        table="empty",
        transfer_syntax=JPEG,
        declared_frames="2147483647",
    )

    assert open_partial(far(file)) is None
    with pytest.raises(InvalidDicomError, match="2147483647 are declared"):
        opened(file)


def test_the_first_of_200_frames_costs_less_than_a_tenth_of_the_file() -> None:
    frames = [jpeg(200_000 + at % 7 * 1000, at) for at in range(200)]
    file = make_encapsulated(frames, table="empty", transfer_syntax=JPEG)
    with RangeServer({"a.dcm": file}) as server:
        array = lazydicom.open_image(server.url("a.dcm"))

        first = array.images[0].encoded_frame(0)
        requests, sent = len(server.requests), server.bytes_sent
        server.forget()
        index = array.images[0].index
        walk = server.bytes_sent
        server.forget()
        every = array.images[0].reader.read(range(200))

    assert first == frames[0]
    assert requests <= 4
    assert sent <= len(file) / 100
    assert len(index) == 200
    assert walk <= len(file) / 5
    assert every == frames
    assert server.bytes_sent <= len(file)


@pytest.mark.parametrize("table", ["empty", "basic"])
@pytest.mark.filterwarnings("ignore:Encapsulated Pixel Data of defined length")
def test_pixel_data_that_claims_to_be_longer_than_the_file_is_walked_over(
    table: Literal["empty", "basic"],
) -> None:
    frames = [jpeg(300, at) for at in range(9)]
    file = make_encapsulated(frames, table=table, transfer_syntax=JPEG)
    undefined = b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff"
    too_long = undefined[:8] + struct.pack("<I", 1 << 30)
    file = file.replace(undefined, too_long)

    reader = opened(file)

    assert index_of(reader).offsets.tolist() == walked(file).index.offsets.tolist()
    assert reader.read(range(9)) == frames
