from __future__ import annotations

import pickle
import struct
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from codestream_samples import (
    DEFLATED_FRAME,
    JPEG,
    JPEG_2000,
    JPEG_XL,
    RLE,
    UnmappedSource,
    codestream,
    joined,
)
from dicom_elements import delimiter, element, item
from encapsulated_files import (
    encapsulate,
    extended_offset_table,
    make_encapsulated,
)
from pydicom import dcmread
from pydicom.encaps import generate_frames
from tiff_files import make_dual
from tools import require_shared_data

from lazydicom._bytes import source as bytes_source
from lazydicom._bytes.local.source import open_local
from lazydicom._bytes.source import MemorySource
from lazydicom._frames.fragment_reader import open_fragments
from lazydicom._frames.reader import read_frame
from lazydicom._header.dataset import header_of_dataset
from lazydicom._header.header import read_header
from lazydicom.errors import InvalidDicomError, LazyDicomWarning, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from encapsulated_files import Table

    from lazydicom._bytes.source import ByteSource
    from lazydicom._frames.fragment_reader import FragmentReader


@pytest.fixture(autouse=True)
def small_blocks(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let a distant file of 500 bytes be too long to fetch at once."""
    if "frame_with_a_table" not in request.node.name:
        monkeypatch.setattr(bytes_source, "FIRST_BLOCK", 32)


FRAMES = [codestream(JPEG, bytes([65 + k]) * (11 * k + 20)) for k in range(4)]


def read_all(
    source: ByteSource | bytes, *, allow_truncated: bool = False, keep: bool = False
) -> tuple[str, list[bytes]]:
    """Give the origin of the index and all encoded frames."""
    reader = open_reader(source, allow_truncated=allow_truncated, keep=keep)
    frames = [bytes(read_frame(reader, k)) for k in range(len(reader))]
    return reader.index.origin, frames


def open_reader(
    source: ByteSource | bytes, *, allow_truncated: bool = False, keep: bool = False
) -> FragmentReader:
    if isinstance(source, bytes):
        source = MemorySource(source)
    return open_fragments(
        read_header(source),
        allow_truncated=allow_truncated,
        on_extra_frames="keep" if keep else "warn",
    )


def jpeg_file(
    frames: Sequence[bytes] = FRAMES,
    syntax: str = JPEG,
    **changes: Any,  # noqa: ANN401 - those of `make_encapsulated`
) -> bytes:
    return make_encapsulated(frames, transfer_syntax=syntax, **changes)


def even(frames: Sequence[bytes]) -> list[bytes]:
    return [joined([frame]) for frame in frames]


@pytest.mark.parametrize("table", ["basic", "extended", "empty"])
@pytest.mark.parametrize("fragments", [1, 2, 5])
@pytest.mark.parametrize("source", [MemorySource, UnmappedSource])
def test_every_table_gives_the_same_frames(
    table: Table, fragments: int, source: type[MemorySource]
) -> None:
    file = jpeg_file(table=table, fragments_per_frame=fragments)

    origin, frames = read_all(source(file))

    assert frames == even(FRAMES)
    assert origin == {"empty": "scanned"}.get(table, table)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("source", [MemorySource, UnmappedSource])
def test_the_tiles_of_a_tiff_are_the_frames(
    order: str, source: type[MemorySource], *, big: bool
) -> None:
    plain = jpeg_file(table="empty")
    tiles = [(plain.index(frame), len(frame)) for frame in FRAMES]
    file = make_dual(plain, [(8, 8)], tiles[:2], tiles[::-1], big=big, order=order)

    origin, frames = read_all(source(file))

    assert frames == even(FRAMES)
    assert origin == "tiff"


@pytest.mark.parametrize(
    "tiles",
    [
        [(0, 0)] * 4,
        [(2**32 - 1, 100)] * 4,
        [(500, 2**32 - 1), (600, 50), (700, 50), (800, 50)],
        [],
    ],
)
@pytest.mark.parametrize("source", [MemorySource, UnmappedSource])
def test_tiles_that_are_not_the_frames_are_passed_over(
    tiles: list[tuple[int, int]], source: type[MemorySource]
) -> None:
    file = make_dual(jpeg_file(table="empty"), tiles, loop=True)

    assert read_all(source(file)) == ("scanned", even(FRAMES))


OFFSETS = list(accumulate((8 + len(frame) for frame in even(FRAMES)), initial=0))[:-1]
WRONG_TABLES = {
    "permuted": [OFFSETS[k] for k in (0, 2, 1, 3)],
    "all zero": [0, 0, 0, 0],
    "too short": OFFSETS[:3],
    "outside": [*OFFSETS[:3], 2**31],
    "beside a tag": [0, OFFSETS[1] + 2, *OFFSETS[2:]],
    "beside the last tag": [*OFFSETS[:3], OFFSETS[3] - 1],
    "not at the first fragment": [*OFFSETS[1:], OFFSETS[3] + 8],
}


@pytest.mark.parametrize("name", WRONG_TABLES)
@pytest.mark.parametrize("source", [MemorySource, UnmappedSource])
@pytest.mark.parametrize("table", ["basic", "extended"])
def test_a_wrong_table_is_rebuilt_with_a_warning(
    name: str, source: type[MemorySource], table: Table
) -> None:
    offsets = WRONG_TABLES[name]
    file = jpeg_file(table=table, offsets=offsets)

    with pytest.warns(LazyDicomWarning, match=rf"{table.capitalize()} Offset Table"):
        origin, frames = read_all(source(file))

    assert frames == even(FRAMES)
    assert origin == "scanned"


def test_a_table_that_halves_frames_is_rebuilt() -> None:
    frames = [codestream(JPEG, bytes(100)), codestream(JPEG, bytes(60))]
    fragments = [[frames[0][:50], frames[0][50:]], [frames[1]]]
    value = encapsulate(fragments, offsets=[0, 58])
    file = jpeg_file(frames, value=value)

    for source in (MemorySource, UnmappedSource):
        with pytest.warns(LazyDicomWarning, match="does not fit"):
            assert read_all(source(file)) == ("scanned", even(frames))


def test_a_table_that_cannot_be_rebuilt_is_an_error() -> None:
    fragments = [[b"??ab", b"??cd"], [b"??ef"], [b"??gh", b"??ij"]]
    value = encapsulate(fragments, offsets=[0, 12, 36])
    file = jpeg_file([b""] * 3, JPEG_2000, value=value)

    with pytest.raises(InvalidDicomError, match="which of 5 fragments make 3 frames"):
        open_reader(file)
    with pytest.raises(InvalidDicomError, match="which of 5 fragments make 3 frames"):
        open_reader(UnmappedSource(file)).read([0])


def shifted_file() -> bytes:
    """Make a file whose table has frame 2 as frame 1, and halves the last one."""
    last = FRAMES[3]
    fragments = [*([one] for one in FRAMES[:3]), [last[:30], last[30:]]]
    offsets = [0, *OFFSETS[2:], OFFSETS[3] + 8 + 30]
    return jpeg_file(value=encapsulate(fragments, offsets=offsets))


def overfull_file() -> bytes:
    """Make a file of four frames, where three are declared and in the table."""
    value = encapsulate([[one] for one in FRAMES], offsets=[0, *OFFSETS[2:]])
    return jpeg_file(FRAMES[:3], value=value)


@pytest.mark.parametrize(
    ("file", "reason"),
    [(shifted_file(), "another frame before"), (overfull_file(), "should tell which")],
)
def test_a_frame_number_never_stands_for_two_frames(file: bytes, reason: str) -> None:
    reader = open_reader(UnmappedSource(file))
    assert bytes(read_frame(reader, 1)) == even(FRAMES)[2]  # as the table says

    for frame in (0, 1):  # the items of frame 0 show that the table is wrong
        with pytest.raises(InvalidDicomError, match=reason):
            read_frame(reader, frame)


def test_frames_that_neither_table_nor_count_fits_are_an_error() -> None:
    with pytest.raises(InvalidDicomError, match="should tell which does not fit"):
        open_reader(overfull_file())


def test_a_repaired_index_stays_and_travels() -> None:
    file = jpeg_file(offsets=WRONG_TABLES["beside a tag"])
    reader = open_reader(UnmappedSource(file))
    with pytest.warns(LazyDicomWarning):
        read_frame(reader, 1)

    copy = pickle.loads(pickle.dumps(reader))

    assert bytes(read_frame(reader, 2)) == even(FRAMES)[2]
    assert bytes(read_frame(copy, 3)) == even(FRAMES)[3]
    assert copy.index.origin == "scanned"


def test_one_frame_takes_all_fragments() -> None:
    fragments = [b"\xff\xd8\xffa", b"\xff\xd8\xffb", b"c"]
    file = jpeg_file([b""], value=encapsulate([fragments], table="empty"))

    assert read_all(file)[1] == [joined(fragments)]


@pytest.mark.parametrize("syntax", [JPEG, JPEG_2000])
@pytest.mark.parametrize("cuts", [(2,), (2, 4), (2, 4, 6, 8), (-1,), (-3, -1), (2, -1)])
@pytest.mark.parametrize("table", ["basic", "empty"])
@pytest.mark.parametrize("source", [MemorySource, UnmappedSource])
def test_a_fragment_may_be_shorter_than_the_mark_of_a_codestream(
    syntax: str, cuts: tuple[int, ...], table: Table, source: type[MemorySource]
) -> None:
    frames = [codestream(syntax, bytes([k]) * 29) for k in range(3)]
    parts = []
    for frame in frames:
        edges = [0, *(cut % len(frame) for cut in cuts), len(frame)]
        parts.append([frame[start:stop] for start, stop in pairwise(edges)])
    file = jpeg_file([b""] * 3, syntax, value=encapsulate(parts, table=table))

    assert read_all(source(file))[1] == even(frames)


def test_as_many_fragments_as_frames_are_one_each() -> None:
    value = encapsulate([[b"nobody"], [b"knows"]], table="empty")

    assert read_all(jpeg_file([b""] * 2, value=value))[1] == [b"nobody", b"knows\0"]


def test_a_thumbnail_inside_a_frame_does_not_make_two_of_it() -> None:
    frame = codestream(JPEG)
    parts = [[frame[:4], frame[:4] + b"thumbnail", frame[4:]], [frame]]
    with_table = jpeg_file([b""] * 2, value=encapsulate(parts))
    without = jpeg_file([b""] * 2, value=encapsulate(parts, table="empty"))

    for source in (MemorySource, UnmappedSource):
        found = read_all(source(with_table))
        assert found == ("basic", [joined(part) for part in parts])
        with pytest.raises(InvalidDicomError, match="which of 4 fragments make 2"):
            open_reader(source(without))


def test_a_table_decides_where_codestreams_have_no_end() -> None:
    frames = [codestream(JPEG_XL, b"abcdefgh"), codestream(JPEG_XL, b"ijklmnop")]
    file = jpeg_file(frames, JPEG_XL, fragments_per_frame=2)
    empty = jpeg_file(frames, JPEG_XL, fragments_per_frame=2, table="empty")

    assert read_all(file) == ("basic", frames)
    with pytest.raises(InvalidDicomError, match="which of 4 fragments"):
        open_reader(empty)


def test_frames_in_two_halves_are_not_twice_as_many_frames() -> None:
    file = jpeg_file(fragments_per_frame=2, table="empty", declared_frames="8")

    with pytest.raises(InvalidDicomError, match=r"4 complete frames .* 8 are declared"):
        open_reader(file)


@pytest.mark.parametrize("table", ["basic", "extended", "empty"])
@pytest.mark.parametrize("source", [MemorySource, UnmappedSource])
def test_frames_behind_the_declared_ones_are_a_warning(
    table: Table, source: type[MemorySource]
) -> None:
    file = jpeg_file(table=table, declared_frames="3")

    with pytest.warns(LazyDicomWarning, match="4 frames are stored, 3 are declared"):
        assert read_all(source(file))[1] == even(FRAMES)[:3]
    with pytest.warns(LazyDicomWarning, match="all are kept"):
        assert read_all(source(file), keep=True)[1] == even(FRAMES)


def test_frames_that_no_table_knows_are_a_warning() -> None:
    value = encapsulate([[frame] for frame in FRAMES], offsets=OFFSETS[:3])
    file = jpeg_file(FRAMES[:3], value=value)

    for source in (MemorySource, UnmappedSource):
        with pytest.warns(LazyDicomWarning, match="4 frames are stored, 3 are"):
            assert read_all(source(file))[1] == even(FRAMES)[:3]


@pytest.mark.parametrize("table", ["basic", "extended", "empty"])
@pytest.mark.parametrize("source", [MemorySource, UnmappedSource])
def test_missing_frames_are_an_error_or_left_out(
    table: Table, source: type[MemorySource]
) -> None:
    file = jpeg_file(table=table, declared_frames="6")

    with pytest.raises(InvalidDicomError, match=r"4 complete frames .* 6 are declared"):
        open_reader(source(file))
    with pytest.warns(LazyDicomWarning):
        frames = read_all(source(file), allow_truncated=True)[1]

    assert frames == even(FRAMES)


@pytest.mark.parametrize("syntax", [RLE, DEFLATED_FRAME])
def test_a_codec_of_one_fragment_per_frame_finds_extra_frames(syntax: str) -> None:
    frames = [codestream(syntax, b"abcd"), codestream(syntax, b"efgh")] * 2
    file = make_encapsulated(
        frames, transfer_syntax=syntax, table="empty", declared_frames="3"
    )

    with pytest.warns(LazyDicomWarning, match="4 frames are stored"):
        assert read_all(file)[1] == frames[:3]


def test_rle_frames_in_several_fragments_are_refused() -> None:
    frames = [codestream(RLE, bytes(100))] * 2
    file = make_encapsulated(frames, fragments_per_frame=2, table="empty")

    with pytest.raises(InvalidDicomError, match="which of 4 fragments make 2 frames"):
        open_reader(file)


def test_video_is_refused() -> None:
    file = jpeg_file(syntax="1.2.840.10008.1.2.4.102")

    with pytest.raises(UnsupportedError, match="no bytes of their own"):
        open_reader(file)


BROKEN = {
    "no item": b"garbage!" * 4,
    "no delimiter": encapsulate([[frame] for frame in FRAMES], delimited=False),
    "an item of undefined length": item() + item(FRAMES[0], length=2**32 - 1),
    "a fragment too long": item() + item(FRAMES[0], length=5000) + delimiter(),
    "something between items": item() + item(FRAMES[0]) + b"garbage!" + delimiter(),
    "no fragments": item() + delimiter(),
    "a table too long": item(length=5000),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("source", [MemorySource, UnmappedSource])
def test_broken_items_are_an_error_that_names_the_byte(
    name: str, source: type[MemorySource]
) -> None:
    file = jpeg_file(value=BROKEN[name])

    with pytest.raises(InvalidDicomError, match=r"\(7FE0,0010\).* at byte \d+"):
        open_reader(source(file))


def test_encapsulated_pixels_of_defined_length_are_read_with_a_warning() -> None:
    value = encapsulate([[frame] for frame in FRAMES], delimited=False)
    whole = jpeg_file(value=b"")
    head = whole[: whole.rindex(b"\xe0\x7f\x10\x00")]
    file = head + element(0x7FE00010, "OB", value)

    with pytest.warns(LazyDicomWarning, match="defined length"):
        assert read_all(file) == ("basic", even(FRAMES))


def test_native_bytes_in_an_encapsulated_syntax_are_an_error() -> None:
    whole = jpeg_file(value=b"")
    head = whole[: whole.rindex(b"\xe0\x7f\x10\x00")]
    file = head + element(0x7FE00010, "OB", bytes(80))

    with pytest.raises(InvalidDicomError, match="Expected Item"):
        open_reader(file)


@pytest.mark.parametrize("fragments", [1, 3])
@pytest.mark.parametrize("table", ["basic", "extended", "empty"])
def test_a_dataset_has_the_frames_of_its_file(fragments: int, table: Table) -> None:
    file = jpeg_file(table=table, fragments_per_frame=fragments)
    header = header_of_dataset(dcmread(BytesIO(file)))

    reader = open_fragments(header, allow_truncated=False, on_extra_frames="warn")

    assert [bytes(read_frame(reader, k)) for k in range(4)] == even(FRAMES)


@pytest.mark.parametrize("fragments", [1, 3])
@pytest.mark.parametrize("table", ["basic", "extended"])
def test_a_frame_with_a_table_costs_one_read(fragments: int, table: Table) -> None:
    frames = [codestream(JPEG, bytes(300_000)) for _ in range(20)]
    source = UnmappedSource(
        jpeg_file(frames, table=table, fragments_per_frame=fragments)
    )

    reader = open_reader(source)
    opening = len(source.reads)
    read_frame(reader, 7)

    assert opening <= 3 + 3 * fragments  # those of the last frame tell its end
    assert len(source.reads) == opening + 1
    assert source.reads[-1].length == 300_006 + 8 * fragments


def test_workers_never_walk_again() -> None:
    frames = [codestream(JPEG, bytes(300_000)) for _ in range(20)]
    source = UnmappedSource(jpeg_file(frames, table="empty"))
    worker = pickle.loads(pickle.dumps(open_reader(source)))

    assert bytes(read_frame(worker, 7)) == frames[7]
    assert len(worker.source.reads) == 1


def test_an_index_of_100_000_frames_pickles_small() -> None:
    frames = [codestream(JPEG)] * 100_000
    index = open_reader(jpeg_file(frames)).index

    size = len(pickle.dumps(index))
    copy = pickle.loads(pickle.dumps(index))

    assert size < 1_000_000
    assert np.array_equal(copy.offsets, index.offsets)
    assert np.array_equal(copy.lengths, index.lengths)
    assert copy.origin == "basic"


def test_a_basic_table_that_wrapped_is_unwrapped(tmp_path: Path) -> None:
    size, frames = 2**30 + 2, 6
    whole = jpeg_file([b""] * frames, value=b"")
    offsets = [k * (8 + size) % 2**32 for k in range(frames)]
    path = tmp_path / "sparse.dcm"
    with path.open("wb") as file:
        file.write(whole + item(struct.pack(f"<{frames}I", *offsets)))
        for _ in range(frames):
            file.write(item(b"\xff\xd8\xff", length=size))
            file.seek(size - 5, 1)
            file.write(b"\xff\xd9")
        file.write(delimiter())
    reader = open_reader(open_local(str(path)))

    assert reader.index.origin == "basic"
    assert np.array_equal(np.diff(reader.index.offsets), [8 + size] * (frames - 1))
    assert reader.index.offsets[-1] > 2**32


def _encapsulated_files() -> list[str]:
    return [
        "05_encapsulated_multiframe",
        "13_wsi",
        "04_transfer_syntaxes",
        "02_segmentation",
    ]


@pytest.mark.parametrize("folder", _encapsulated_files())
def test_encoded_frames_are_those_of_pydicom(folder: str) -> None:
    compared = 0
    for path in sorted(require_shared_data(folder).rglob("*")):
        if not path.is_file():
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = dcmread(path, force=True)
            syntax = dataset.file_meta.get("TransferSyntaxUID")
            if not syntax or not syntax.is_transfer_syntax or syntax not in _SYNTAXES:
                continue
            header = header_of_dataset(dataset)
            ours = read_all(path.read_bytes())[1]
            frames = header.image_pixel.number_of_frames
            theirs = list(generate_frames(dataset.PixelData, number_of_frames=frames))
        assert ours == theirs, path
        compared += 1
    assert compared


_SYNTAXES = {
    f"1.2.840.10008.1.2.{tail}"
    for tail in (
        *("4.50", "4.51", "4.57", "4.70", "4.80", "4.81", "4.90", "4.91"),
        *("4.201", "4.202", "4.203", "5"),
    )
}


def test_an_extended_table_may_hold_more_than_64_bits_can_sum() -> None:
    fragments = [[frame] for frame in FRAMES]
    for wrong in ([0, 1, 2, 2**63], [0, 1, 2, 2**64 - 1]):
        before = extended_offset_table(fragments, offsets=wrong)
        file = jpeg_file(
            table="empty",
            extra_before=before,
        )

        with pytest.warns(LazyDicomWarning, match="Extended Offset Table"):
            assert read_all(file)[1] == even(FRAMES)


def test_a_table_is_repaired_once_however_many_threads_meet_it() -> None:
    file = jpeg_file(offsets=WRONG_TABLES["beside a tag"])
    reader = open_reader(UnmappedSource(file))

    with (
        pytest.warns(LazyDicomWarning) as warned,
        ThreadPoolExecutor(16) as pool,
    ):
        frames = list(pool.map(partial(read_frame, reader), [*range(4)] * 50))

    assert [bytes(frame) for frame in frames] == even(FRAMES) * 50
    assert len(warned) == 1
