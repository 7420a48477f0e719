"""What opening and reading cost, in ranges and bytes."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from counting import open_counted
from dicom_files import EXPLICIT_BIG, IMPLICIT_LITTLE, element, make_native
from enhanced_files import make_enhanced

import lazydicom
from lazydicom._bytes.ranges import coalesce
from lazydicom._bytes.source import ByteRange

if TYPE_CHECKING:
    from counting import CountingSource

    from lazydicom import DicomArray

FRAMES: Final = 30
BLOCK: Final = 1 << 16
PLANE: Final[dict[str, Any]] = {"rows": 40, "columns": 50, "number_of_frames": FRAMES}
LAYOUTS: Final[dict[str, dict[str, Any]]] = {
    "16 bits": {},
    "12 of 16 bits": {"bits_stored": 12},
    "big endian": {"transfer_syntax": EXPLICIT_BIG},
    "RGB": {"samples_per_pixel": 3, "bits_allocated": 8},
    "RGB by plane": {
        "samples_per_pixel": 3,
        "bits_allocated": 8,
        "planar_configuration": 1,
    },
    "1 bit": {"bits_allocated": 1},
    "1 bit, frames inside bytes": {"bits_allocated": 1, "rows": 3, "columns": 7},
    "float": {"keyword": "FloatPixelData"},
}
READ_TOGETHER: Final = ("16 bits", "12 of 16 bits", "big endian", "RGB", "float")


@pytest.fixture(params=LAYOUTS)
def layout(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def opened(
    monkeypatch: pytest.MonkeyPatch, layout: str
) -> tuple[DicomArray, CountingSource]:
    return open_counted(monkeypatch, make_native(**PLANE | LAYOUTS[layout]))


def _frame_spans(array: DicomArray, *numbers: int) -> list[ByteRange]:
    index = array.images[0].index
    return [ByteRange(int(index.offsets[k]), int(index.lengths[k])) for k in numbers]


def _private(length: int) -> bytes:
    return element(0x00291010, "OB", bytes(length))


def _many_elements(count: int) -> bytes:
    values = (divmod(k, 0xF000) for k in range(count))
    return b"".join(
        element(0x00291000 + (group << 17) + number, "LO", b"private")
        for group, number in values
    )


@pytest.mark.parametrize("length", [2, 10_000, 100_000, 10_000_000])
def test_opening_reads_the_header_in_two_ranges_however_long_it_is(
    monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    file = make_native(**PLANE, extra_before=_private(length))

    array, counter = open_counted(monkeypatch, file, opening=True)

    pixel_start = array.images[0].header.pixel_data.start
    assert counter.reads <= 2
    assert max(span.offset for span in counter.spans) <= pixel_start
    assert counter.bytes_read <= 2 * BLOCK


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", IMPLICIT_LITTLE])
@pytest.mark.parametrize("undefined", [False, True])
def test_opening_steps_over_functional_groups_in_two_ranges(
    monkeypatch: pytest.MonkeyPatch, syntax: str, undefined: bool
) -> None:
    geometry: Any = {"number_of_frames": 5000, "rows": 32, "columns": 16}
    file = make_enhanced(undefined=undefined, transfer_syntax=syntax, **geometry)

    array, counter = open_counted(monkeypatch, file, opening=True)

    assert array.images[0].header.pixel_data.start > 1_700_000
    assert counter.reads <= 2
    assert counter.bytes_read <= 2 * BLOCK


def test_a_header_of_many_elements_is_walked_in_blocks_that_double(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = make_native(**PLANE, extra_before=_many_elements(100_000))

    array, counter = open_counted(monkeypatch, file, opening=True)

    header_length = array.images[0].header.pixel_data.offset
    assert counter.reads <= 2 + np.log2(header_length / BLOCK)
    assert counter.bytes_read <= 2 * header_length + BLOCK


def test_a_frame_is_read_once_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    array, counter = opened(monkeypatch, layout)

    for k in (0, 7, FRAMES - 1):
        counter.spans.clear()
        array[k]

        assert counter.spans == _frame_spans(array, k)


def test_the_bytes_of_a_frame_are_no_more_than_its_bits(
    monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    array, _ = opened(monkeypatch, layout)

    bits = array.images[0].format.pixel.frame_bits
    shared = bits % 8 > 0  # a frame inside bytes shares its first and last one

    lengths = array.images[0].index.lengths
    assert lengths.max() <= bits // 8 + 2 * shared


@pytest.mark.parametrize("key", [(3, slice(1, 2), 0), (3, 5, 6), (3, [1, 1]), (3, ...)])
def test_a_part_of_a_frame_costs_its_rows_at_most_the_frame(
    monkeypatch: pytest.MonkeyPatch,
    layout: str,
    key: Any,  # noqa: ANN401
) -> None:
    array, counter = opened(monkeypatch, layout)
    if array.shape[1] < 6:
        key = (3, 0)

    part = array[key]

    [frame] = _frame_spans(array, 3)
    [span] = counter.spans
    assert frame.offset <= span.offset
    assert span.stop <= frame.stop
    if not array.images[0].format.in_place or key == (3, ...):
        assert span == frame
    else:  # the values of one row here
        assert span.length == max(part.nbytes // (2 if key == (3, [1, 1]) else 1), 1)


def test_a_frame_that_is_asked_for_twice_is_read_once(
    monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    array, counter = opened(monkeypatch, layout)

    array[[9, 3, 9, 3, 3]]

    assert sorted(counter.spans) == _frame_spans(array, 3, 9)


def test_two_lists_read_only_the_frames_they_name(
    monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    array, counter = opened(monkeypatch, layout)

    array[[1, 5, 20], [0, 1, 2], [0, 1, 2]]

    spans = zip(sorted(counter.spans), _frame_spans(array, 1, 5, 20), strict=True)
    assert all(f.offset <= s.offset and s.stop <= f.stop for s, f in spans)


@pytest.mark.parametrize("name", READ_TOGETHER)
def test_frames_that_follow_each_other_are_read_together(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    array, counter = opened(monkeypatch, name)

    array[10:20]

    first, *_, last = _frame_spans(array, *range(10, 20))
    assert counter.spans == [ByteRange(first.offset, last.stop - first.offset)]


def test_reading_everything_reads_each_byte_once(
    monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    array, counter = opened(monkeypatch, layout)

    np.asarray(array)

    frames = _frame_spans(array, *range(FRAMES))
    assert min(span.offset for span in counter.spans) == frames[0].offset
    assert max(span.stop for span in counter.spans) == frames[-1].stop
    once = coalesce(frames, max_gap=0, max_block=frames[-1].stop)
    assert counter.bytes_read == sum(span.length for span in once)


def test_asking_about_an_array_reads_nothing(
    monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    array, counter = opened(monkeypatch, layout)

    repr((array, array.shape, array.dtype, array.dims, array.coords, array.attrs))
    _ = len(array), array.ndim, array.size, array.nbytes, array.images[0].index
    pickle.dumps(array)

    assert counter.reads == 0


@pytest.mark.parametrize("key", [slice(0, 0), [], (3, slice(2, 2)), (slice(9, 3), 0)])
def test_nothing_costs_nothing(
    monkeypatch: pytest.MonkeyPatch,
    key: Any,  # noqa: ANN401
) -> None:
    array, counter = opened(monkeypatch, "16 bits")

    result = array[key]

    assert result.size == 0
    assert counter.reads == 0


def test_the_dataset_is_read_without_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    trailing = element(0xFFFCFFFC, "OB", bytes(64))
    file = make_native(**PLANE, trailing=trailing)
    array, counter = open_counted(monkeypatch, file)

    dataset = array.images[0].header.dataset

    pixel_data = array.images[0].header.pixel_data
    assert dataset.DataSetTrailingPadding == bytes(64)
    assert counter.bytes_read <= len(file) - pixel_data.length


@pytest.mark.parametrize("frames_per_chunk", [1, 4, 30, "auto"])
def test_a_dask_array_is_built_from_nothing(
    monkeypatch: pytest.MonkeyPatch,
    frames_per_chunk: Any,  # noqa: ANN401
) -> None:
    array, counter = opened(monkeypatch, "16 bits")

    lazydicom.to_dask(array, frames_per_chunk=frames_per_chunk)[3:5].mean(axis=0)

    assert counter.reads == 0


@pytest.mark.parametrize("frames_per_chunk", [1, 4, 30, "auto"])
def test_one_frame_of_a_dask_array_decodes_one_frame(
    monkeypatch: pytest.MonkeyPatch,
    frames_per_chunk: Any,  # noqa: ANN401
) -> None:
    array, counter = opened(monkeypatch, "16 bits")
    lazy = lazydicom.to_dask(array, frames_per_chunk=frames_per_chunk)

    frame = lazy[17].compute(scheduler="sync")

    assert counter.spans == _frame_spans(array, 17)
    assert np.array_equal(frame, array[17])


def test_a_slice_of_a_dask_array_decodes_its_frames_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    array, counter = opened(monkeypatch, "16 bits")
    lazy = lazydicom.to_dask(array, frames_per_chunk=4)

    lazy[2:7].compute(scheduler="sync")

    assert counter.bytes_read == 5 * array[0].nbytes
