"""All frames without an offset table come with one download, found while they are read."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
import pytest
from encapsulated_files import encapsulate, make_encapsulated, split
from far_memory import JPEG, RLE, FarMemory, jpeg, rle
from hypothesis import given, settings
from hypothesis import strategies as st
from interrupts import is_interrupted
from range_server import RangeServer
from remote_files import KIB, encapsulated

import lazydicom
from lazydicom._array.work.parallel import run
from lazydicom._bytes.source import FIRST_BLOCK
from lazydicom._frames import fragment_stream as _fragment_stream
from lazydicom._frames.reader import stream as stream_frames
from lazydicom.errors import (
    InvalidDicomError,
    SourceChangedError,
    SourceError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from range_server import Request

    from lazydicom._array.image import DicomImage

LOOKS = 1 * KIB
"""At the headers of the first two items, and at what ends them."""


@pytest.fixture
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_fragment_stream, "MAX_BLOCK", 1000)


def open_far(file: bytes) -> tuple[DicomImage, FarMemory]:
    source = FarMemory(file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lazydicom._open.image.open_source", lambda *_, **__: source)
        image = lazydicom.open_image("far away").images[0]
    source.reads.clear()
    return image, source


def read_all(image: DicomImage, numbers: Sequence[int]) -> list[bytes]:
    """Read encoded frames as an array reads its own."""
    found: dict[int, bytes] = {}

    def use(row: int, data: bytes | memoryview) -> None:
        found[row] = bytes(data)

    run(image.fetches(numbers, use), threads=1, requests=4)
    return [found[row] for row in range(len(numbers))]


def bytes_read(source: FarMemory) -> int:
    return sum(span.length for span in source.reads)


@given(
    lengths=st.lists(st.integers(0, 3000), min_size=2, max_size=60),
    codec=st.sampled_from(["jpeg", "fakes", "rle"]),
    block=st.integers(16, 5000),
    begin=st.integers(0, 60),
    end=st.integers(1, 60),
    before=st.lists(st.integers(0, 59), max_size=3),
)
@settings(max_examples=150)
def test_it_gives_the_frames_that_were_stored(  # noqa: PLR0917 (of a strategy each)
    lengths: list[int],
    codec: str,
    block: int,
    begin: int,
    end: int,
    before: list[int],
) -> None:
    frames = [
        rle(length, at) if codec == "rle" else jpeg(length, at, fakes=codec == "fakes")
        for at, length in enumerate(lengths)
    ]
    syntax = RLE if codec == "rle" else JPEG
    file = make_encapsulated(
        frames,
        table="empty",
        transfer_syntax=syntax,
        trailing=b"\xfc\xff\xfc\xffOB\0\0\xa0\x0f\0\0" + bytes(4000),
    )
    image, _ = open_far(file)
    for number in before:
        if number < len(frames):
            assert image.encoded_frame(number) == frames[number]
    wanted = list(range(len(frames)))[begin:end]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_fragment_stream, "MAX_BLOCK", block)
        assert read_all(image, wanted) == [frames[number] for number in wanted]
        assert read_all(image, range(len(frames))) == frames

    assert np.array_equal(
        image.index.offsets, lazydicom.open_image(file).images[0].index.offsets
    )


@given(counts=st.lists(st.integers(1, 3), min_size=4, max_size=30))
@settings(max_examples=50)
def test_frames_of_several_fragments_are_walked_over_as_anywhere_else(
    counts: list[int],
) -> None:
    frames = [jpeg(90, at) for at in range(len(counts))]
    parts = [split(frame, count) for frame, count in zip(frames, counts, strict=True)]
    value = encapsulate(parts, table="empty")
    image, _ = open_far(make_encapsulated(frames, value=value, transfer_syntax=JPEG))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_fragment_stream, "MAX_BLOCK", 200)
        assert read_all(image, range(len(frames))) == frames


@pytest.mark.parametrize("length", [500, 20_000, 200_000, 9_000_000])
def test_all_frames_and_the_index_cost_one_download(length: int) -> None:
    number = max(40_000_000 // length, 4) if length > 500 else 2000
    frames = [jpeg(length + at % 5 * length // 50, at) for at in range(number)]
    file = make_encapsulated(frames, table="empty", transfer_syntax=JPEG)
    image, source = open_far(file)

    assert read_all(image, range(number)) == frames
    assert len(image.index) == number

    assert bytes_read(source) <= len(file) + LOOKS


@pytest.mark.parametrize("length", [20_000, 200_000])
def test_all_frames_piece_by_piece_cost_little_more_than_one_download(
    length: int,
) -> None:
    number = 8_000_000 // length
    frames = [jpeg(length + at % 7 * length // 70, at) for at in range(number)]
    file = make_encapsulated(frames, table="empty", transfer_syntax=JPEG)
    image, source = open_far(file)

    for start in range(0, number, 20):
        wanted = range(start, min(start + 20, number))
        assert read_all(image, wanted) == [frames[at] for at in wanted]
    in_pieces = bytes_read(source)
    image, source = open_far(file)
    assert [image.encoded_frame(at) for at in range(number)] == frames

    assert in_pieces <= 1.02 * len(file)
    assert bytes_read(source) <= 1.02 * len(file)


def test_over_a_network_opening_and_all_frames_cost_one_download() -> None:
    file = encapsulated("empty")
    with RangeServer({"a.dcm": file}) as server:
        image = lazydicom.open_image(server.url("a.dcm")).images[0]

        read_all(image, range(200))
        assert len(image.index) == 200

        assert server.bytes_sent <= len(file) + FIRST_BLOCK + LOOKS


def test_few_declared_of_many_stored_do_not_cost_a_download() -> None:
    frames = [jpeg(20_000, at) for at in range(1000)]
    file = make_encapsulated(
        frames, table="empty", transfer_syntax=JPEG, declared_frames="10"
    )
    image, source = open_far(file)

    assert read_all(image, range(10)) == frames[:10]

    assert bytes_read(source) < 12 * 20_000


def test_fewer_frames_than_declared_are_an_error() -> None:
    frames = [jpeg(300, at) for at in range(9)]
    file = make_encapsulated(
        frames, table="empty", transfer_syntax=JPEG, declared_frames="11"
    )

    with pytest.raises(InvalidDicomError, match="9 complete frames are stored, 11"):
        read_all(open_far(file)[0], range(11))


def test_an_item_that_is_no_frame_is_no_frame_here_either() -> None:
    frames = [jpeg(300, at) for at in range(9)]
    frames[5] = b"no codestream at all"
    file = make_encapsulated(frames, table="empty", transfer_syntax=JPEG)

    image, _ = open_far(file)
    with pytest.raises(InvalidDicomError):
        read_all(image, range(9))


@pytest.mark.parametrize(
    ("fault", "error"), [("other-range", SourceError), ("404", SourceChangedError)]
)
def test_a_block_that_does_not_come_ends_the_read(
    fault: str, error: type[SourceError]
) -> None:
    frames = [jpeg(200_000, at) for at in range(200)]
    file = make_encapsulated(frames, table="empty", transfer_syntax=JPEG)
    with RangeServer({"a.dcm": file}) as server:
        image = lazydicom.open_image(server.url("a.dcm")).images[0]

        def at_the_fourth(request: Request) -> str | None:
            return fault if request.offset > 12_000_000 else None

        server.fault = at_the_fourth
        with pytest.raises(error, match=r"a\.dcm at byte"):
            read_all(image, range(200))
        server.fault = lambda _: None

        assert read_all(image, range(200)) == frames


@pytest.mark.usefixtures("_small_blocks")
def test_a_read_does_not_wait_for_one_that_was_cancelled() -> None:
    frames = [jpeg(800, at) for at in range(9)]
    image, _ = open_far(make_encapsulated(frames, table="empty", transfer_syntax=JPEG))
    stream = stream_frames(image.reader, range(9))
    assert stream is not None
    reads = stream.reads()
    next(reads)
    second = next(reads)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(second)
        reads.close()

        assert waiting.result(timeout=10) == []


@pytest.mark.usefixtures("_small_blocks")
# one of the moments is the end of a generator, which can but tell of it
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_after_an_interrupt_at_any_moment_all_frames_can_be_read() -> None:
    frames = [jpeg(800, at) for at in range(6)]
    file = make_encapsulated(frames, table="empty", transfer_syntax=JPEG)

    for moment in count(0, 3):
        image, _ = open_far(file)
        interrupted = is_interrupted(moment, partial(read_all, image, range(6)))

        assert read_all(image, range(6)) == frames, moment
        if not interrupted:
            break


def test_pixels_are_those_of_the_file() -> None:
    import imagecodecs

    values = np.random.default_rng(5).integers(0, 4000, (50, 64, 48), np.uint16)
    order = random.Random(5).sample(range(50), 50)
    file = make_encapsulated(
        [bytes(imagecodecs.jpegls_encode(frame)) for frame in values],
        table="empty",
        transfer_syntax="1.2.840.10008.1.2.4.80",
        rows=64,
        columns=48,
        bits_allocated=16,
    )
    with RangeServer({"a.dcm": file}) as server:

        def array() -> lazydicom.DicomArray:
            return lazydicom.open_image(server.url("a.dcm"))

        assert np.array_equal(np.asarray(array()), values)
        assert np.array_equal(array()[order], values[order])
        assert np.array_equal(array()[::-1, 3:9, ::2], values[::-1, 3:9, ::2])
        assert np.array_equal(array()[[0, 0, 1, 2, 3, 3]], values[[0, 0, 1, 2, 3, 3]])
        assert np.array_equal(np.stack(list(array())), values)
