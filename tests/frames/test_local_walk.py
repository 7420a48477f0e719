"""Fragments of a local file are found by position: as anywhere else, and little is read."""

from __future__ import annotations

import os
import tracemalloc
import warnings
from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np
import pytest
from dicom_elements import delimiter, item
from encapsulated_files import encapsulate, make_encapsulated
from far_memory import JPEG, RLE, jpeg, rle
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import lazydicom
from lazydicom._bytes.local.source import HeldFile, LocalSource, open_local
from lazydicom._bytes.source import MemorySource
from lazydicom._frames import encapsulated, fragments
from lazydicom._frames.fragment_reader import open_fragments
from lazydicom._frames.reader import read_frame
from lazydicom._header.header import read_header
from lazydicom.errors import (
    InvalidDicomError,
    LazyDicomError,
    LazyDicomWarning,
    LimitError,
    SourceChangedError,
)

if TYPE_CHECKING:
    from pathlib import Path

    from lazydicom._bytes.source import ByteRange, ByteSource
    from lazydicom._frames.fragment_reader import FragmentReader


def walk(source: ByteSource, *, allow_truncated: bool = False) -> object:
    """Give where frames lie, or what is wrong."""
    with warnings.catch_warnings(action="ignore", category=LazyDicomWarning):
        try:
            reader = open_fragments(
                read_header(source),
                allow_truncated=allow_truncated,
                on_extra_frames="keep",
            )
        except LazyDicomError as error:
            return type(error), error.message, error.offset
    return reader.index.offsets.tolist(), reader.index.lengths.tolist()


@pytest.fixture
def read_lengths(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note how many bytes each read of a local file asks for."""
    lengths: list[int] = []
    read_some, read = HeldFile.read_some, LocalSource.read

    def note_some(file: HeldFile, offset: int, length: int) -> bytes:
        lengths.append(length)
        return read_some(file, offset, length)

    def note(source: LocalSource, span: ByteRange) -> object:
        lengths.append(span.length)
        return read(source, span)

    monkeypatch.setattr(HeldFile, "read_some", note_some)
    monkeypatch.setattr(LocalSource, "read", note)
    return lengths


@given(
    lengths=st.lists(st.integers(0, 30_000), min_size=1, max_size=30),
    table=st.sampled_from(["basic", "empty", "extended"]),
    cut=st.integers(0, 200),
    truncated=st.booleans(),
)
@example(lengths=[20_000] * 9, table="empty", cut=0, truncated=False)
@example(lengths=[20_000] * 9, table="empty", cut=8, truncated=True)
@example(lengths=[20_000] * 9, table="empty", cut=8, truncated=False)
@example(lengths=[20_000] * 9, table="basic", cut=4, truncated=True)
@example(lengths=[0] * 9, table="empty", cut=8, truncated=True)
@example(lengths=[10, 20_000, 10, 40_000, 0], table="basic", cut=16, truncated=True)
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_walk_by_position_finds_what_a_walk_through_memory_finds(
    tmp_path: Path, lengths: list[int], table: str, cut: int, *, truncated: bool
) -> None:
    frames = [jpeg(length, at) for at, length in enumerate(lengths)]
    file = make_encapsulated(frames, table=table, transfer_syntax=JPEG)  # type: ignore[arg-type]
    file = file[: len(file) - cut]
    path = tmp_path / "a.dcm"
    path.write_bytes(file)

    by_position = walk(open_local(str(path)), allow_truncated=truncated)

    assert by_position == walk(MemorySource(file), allow_truncated=truncated)


@pytest.mark.parametrize("per_frame", [1, 3])
def test_empty_fragments_between_make_no_difference(
    per_frame: int, tmp_path: Path
) -> None:
    frames = [rle(300, 1), rle(400, 2), rle(500, 3)]
    value = item() + b"".join(
        item() * per_frame + item(frame) + item() * 5 for frame in frames
    )
    file = make_encapsulated(frames, value=value + delimiter(), transfer_syntax=RLE)
    path = tmp_path / "a.dcm"
    path.write_bytes(file)

    reader = open_fragments(
        read_header(open_local(str(path))),
        allow_truncated=False,
        on_extra_frames="warn",
    )

    assert [bytes(data) for data in reader.read(range(3))] == frames


@pytest.mark.parametrize("table", ["basic", "extended"])
def test_a_large_file_with_a_table_is_opened_by_its_table(
    table: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    read_lengths: list[int],
) -> None:
    monkeypatch.setattr(encapsulated, "_LARGEST_PROOF", 1 << 20)
    frames = [jpeg(40_000, at) for at in range(50)]
    path = tmp_path / "a.dcm"
    path.write_bytes(make_encapsulated(frames, table=table, transfer_syntax=JPEG))  # type: ignore[arg-type]

    reader = opened(path)
    opening = sum(read_lengths)
    read_lengths.clear()
    frame = read_frame(reader, 7)

    assert not reader.proven
    assert opening < 100_000
    assert bytes(frame) == frames[7]
    assert read_lengths == [8 + len(frames[7])]


def test_a_file_without_a_table_is_walked_by_small_reads(
    tmp_path: Path, read_lengths: list[int]
) -> None:
    frames = [jpeg(40_000, at) for at in range(50)]
    path = tmp_path / "a.dcm"
    path.write_bytes(make_encapsulated(frames, table="empty", transfer_syntax=JPEG))

    reader = opened(path)

    assert reader.proven
    assert sum(read_lengths) < 100_000
    assert [bytes(data) for data in reader.read(range(50))] == frames


def opened(path: Path) -> FragmentReader:
    header = read_header(open_local(str(path)))
    return open_fragments(header, allow_truncated=False, on_extra_frames="warn")


@pytest.fixture
def _believing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encapsulated, "_LARGEST_PROOF", 0)


FRAMES = [jpeg(300, at) for at in range(4)]
SIZE = 8 + len(FRAMES[0])


@pytest.mark.usefixtures("_believing")
@pytest.mark.parametrize(
    "offsets", [[0, SIZE + 2, 2 * SIZE, 3 * SIZE], [0, SIZE, 2 * SIZE - 10, 3 * SIZE]]
)
def test_the_first_frame_that_does_not_fit_the_table_starts_the_walk(
    offsets: list[int], tmp_path: Path
) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(make_encapsulated(FRAMES, offsets=offsets, transfer_syntax=JPEG))
    reader = opened(path)

    with pytest.warns(LazyDicomWarning, match="does not fit") as warned:
        frames = [bytes(read_frame(reader, at)) for at in (3, 1, 2, 0)]

    assert frames == [FRAMES[at] for at in (3, 1, 2, 0)]
    assert len(warned) == 1
    assert reader.index.origin == "scanned"


@pytest.mark.usefixtures("_believing")
@pytest.mark.filterwarnings("ignore:Basic Offset Table does not fit")
def test_a_frame_number_never_stands_for_two_frames_of_a_local_file(
    tmp_path: Path,
) -> None:
    offsets = [0, 2 * SIZE, 3 * SIZE, 3 * SIZE + 8 + 100]
    parts = [*([one] for one in FRAMES[:3]), [FRAMES[3][:100], FRAMES[3][100:]]]
    value = encapsulate(parts, offsets=offsets)
    path = tmp_path / "a.dcm"
    path.write_bytes(make_encapsulated(FRAMES, value=value, transfer_syntax=JPEG))
    reader = opened(path)
    assert bytes(read_frame(reader, 1)) == FRAMES[2]  # as the table says

    for frame in (0, 1):
        with pytest.raises(InvalidDicomError, match="another frame before"):
            read_frame(reader, frame)


@pytest.mark.usefixtures("_believing")
@pytest.mark.parametrize(
    "offsets",
    [
        [0, 2 * SIZE, SIZE, 3 * SIZE],
        [0, SIZE, 2 * SIZE],
        [0, SIZE, 2 * SIZE, 3 * SIZE, 4 * SIZE],
        [8, SIZE, 2 * SIZE, 3 * SIZE],
        [0, SIZE, 2 * SIZE, 2**31],
        [0, SIZE, 2 * SIZE, 3 * SIZE - 2],
    ],
    ids=["falls", "short", "long", "not at the first", "outside", "last beside a tag"],
)
def test_a_table_that_cannot_be_true_is_proven_at_once(
    offsets: list[int], tmp_path: Path
) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(make_encapsulated(FRAMES, offsets=offsets, transfer_syntax=JPEG))

    with warnings.catch_warnings(action="ignore", category=LazyDicomWarning):
        reader = opened(path)

    assert reader.proven
    assert [bytes(data) for data in reader.read(range(4))] == FRAMES


@pytest.mark.parametrize("turn", [1, 4, 30])
@pytest.mark.parametrize("left", [0, 3000])
def test_a_file_that_is_cut_while_it_is_opened_is_an_error(
    turn: int, left: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = [jpeg(40_000, at) for at in range(50)]
    path = tmp_path / "a.dcm"
    path.write_bytes(make_encapsulated(frames, table="empty", transfer_syntax=JPEG))
    read_some, turns = HeldFile.read_some, iter(range(10_000))

    def cut(file: HeldFile, offset: int, length: int) -> bytes:
        if next(turns) == turn:
            os.truncate(path, left)
        return read_some(file, offset, length)

    monkeypatch.setattr(HeldFile, "read_some", cut)

    with pytest.raises(SourceChangedError, match=r"changed since .*a\.dcm"):
        lazydicom.open_image(path)


@pytest.mark.parametrize("many", [1, 100_000])
def test_empty_fragments_cost_little_memory(many: int, tmp_path: Path) -> None:
    value = item() + item(FRAMES[0]) + item() * many + delimiter()
    path = tmp_path / "a.dcm"
    path.write_bytes(make_encapsulated(FRAMES[:1], value=value, transfer_syntax=JPEG))
    opened(path)

    tracemalloc.start()
    try:
        reader = opened(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 1_000_000 + 64 * many
    assert bytes(read_frame(reader, 0)) == FRAMES[0]


def test_more_fragments_than_memory_should_hold_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fragments, "_MOST_FRAGMENTS", 1000)
    value = item() + item(FRAMES[0]) + item() * 5000 + delimiter()
    file = make_encapsulated(FRAMES[:1], value=value, transfer_syntax=JPEG)

    with pytest.raises(LimitError, match="More than 1000 fragments in <bytes>"):
        lazydicom.open_image(file)


@pytest.mark.parametrize("writer", [False, True], ids=["leased", "being written"])
@pytest.mark.parametrize(("count", "length"), [(2000, 1200), (40, 30_000)])
@pytest.mark.parametrize("split", [None, 0, 3, 9, 38])
@pytest.mark.parametrize("cut", [0, 4, 25_000])
def test_a_table_is_followed_as_far_as_fragments_fit_it(
    count: int,
    length: int,
    split: int | None,
    cut: int,
    tmp_path: Path,
    *,
    writer: bool,
) -> None:
    """One frame is two fragments; the file may end too early; the lease may be refused."""
    frames = [jpeg(length, at) for at in range(count)]
    parts = [[frame] for frame in frames]
    if split is not None:
        parts[split] = [frames[split][:600], frames[split][600:]]
    items = [b"".join(map(item, some)) for some in parts]
    offsets = np.cumsum([0, *map(len, items)])[:-1].astype("<u4")
    value = item(offsets.tobytes()) + b"".join(items) + delimiter()
    file = make_encapsulated(frames, value=value, transfer_syntax=JPEG)
    file = file[: len(file) - cut]
    path = tmp_path / "a.dcm"
    path.write_bytes(file)

    with path.open("r+b") if writer else nullcontext():  # nobody leases it meanwhile
        by_position = walk(open_local(str(path)), allow_truncated=bool(cut))

    assert by_position == walk(MemorySource(file), allow_truncated=bool(cut))


def test_a_right_table_is_followed_in_one_step() -> None:
    frames = [jpeg(20, at) for at in range(2000)]
    file = make_encapsulated(frames, transfer_syntax=JPEG)

    reader = open_fragments(
        read_header(MemorySource(file)), allow_truncated=False, on_extra_frames="warn"
    )

    assert reader.proven
    assert reader.index.origin == "basic"
    assert np.array_equal(np.diff(reader.index.offsets), [8 + len(frames[0])] * 1999)
