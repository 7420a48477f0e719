"""Columns of per-frame attributes equal what pydicom reads item by item."""

from __future__ import annotations

import contextlib
import io
import math
import struct
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
from dicom_files import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    element,
    make_native,
    sequence,
)
from enhanced_files import make_enhanced, write_enhanced
from hypothesis import given, settings
from hypothesis import strategies as st
from tools import SHARED_DATA
from traced_memory import traced

from lazydicom._bytes.open import open_source
from lazydicom._header.attributes import FRAME_ATTRIBUTES, TEXT
from lazydicom._header.columns.column import seconds_of
from lazydicom._header.columns.functional_groups import functional_group_columns
from lazydicom._header.dataset import header_of_dataset
from lazydicom._header.elements import has_functional_groups
from lazydicom._header.header import read_header
from lazydicom.errors import InvalidDicomError, LazyDicomError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydicom import Dataset

    from lazydicom._header.columns.column import Columns


ENHANCED = sorted(
    path
    for folder in (
        "01_native_multiframe",
        "10_series/private_groups_moved_by_pacs",
        "02_segmentation",
        "03_parametric_map",
    )
    for path in (SHARED_DATA / folder).rglob("*")
    if path.is_file() and path.name != "UCSF-BR-06_seg.dcm"
)


def columns_of(data: bytes | Path) -> Columns:
    return functional_group_columns(read_header(open_source(data)))


def expected_value(frame: Dataset, shared: Dataset, name: str) -> Any:  # noqa: ANN401
    for groups in (frame, shared):
        for path in FRAME_ATTRIBUTES[name].paths:
            item: Dataset | None = groups
            for tag in path[:-1]:
                inner = item[tag].value if item is not None and tag in item else []
                item = inner[0] if inner else None
            if (
                item is not None
                and path[-1] in item
                and item[path[-1]].value not in (None, "")
            ):
                return item[path[-1]].value
    return None


def assert_equals_pydicom(columns: Columns, dataset: Dataset) -> None:
    shared = dataset.get("SharedFunctionalGroupsSequence") or [pydicom.Dataset()]
    for row, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        for name, attribute in FRAME_ATTRIBUTES.items():
            expected = expected_value(frame, shared[0], name)
            if name not in columns:
                assert expected is None, name
            elif attribute.vr in TEXT:
                values = [expected] if isinstance(expected, str) else expected or []
                assert columns[name][row] == "\\".join(values), name
            else:
                assert_numbers(columns[name][row], expected, attribute.vr, name)


def assert_numbers(row: Any, expected: Any, vr: str, name: str) -> None:  # noqa: ANN401
    if vr == "DT":
        numbers = [] if expected is None else [seconds_of(str(expected))]
    elif expected is None:
        numbers = []
    else:
        several = not isinstance(expected, str | float | int)
        numbers = [float(one) for one in (expected if several else [expected])]
    padded = numbers + [math.nan] * (len(row) - len(numbers))
    np.testing.assert_array_equal(row, padded[: len(row)], err_msg=name)


@pytest.mark.parametrize("path", ENHANCED, ids=lambda path: path.name[:50])
def test_columns_of_real_files_equal_pydicom(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        if "PerFrameFunctionalGroupsSequence" not in dataset:
            pytest.skip("no functional groups per frame")
        columns = columns_of(path)

        assert_equals_pydicom(columns, dataset)


def assert_dataset_gives_the_columns_of_its_file(file: bytes | Path) -> None:
    source = io.BytesIO(file) if isinstance(file, bytes) else file
    header = header_of_dataset(pydicom.dcmread(source))

    columns, expected = functional_group_columns(header), columns_of(file)

    assert has_functional_groups(header.elements)
    assert columns.keys() == expected.keys()
    for name, column in expected.items():
        np.testing.assert_array_equal(columns[name], column, err_msg=name)


@pytest.mark.parametrize("path", ENHANCED, ids=lambda path: path.name[:50])
def test_columns_of_a_dataset_are_those_of_its_file(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not has_functional_groups(read_header(open_source(path)).elements):
            pytest.skip("no functional groups")
        try:
            columns_of(path)
        except InvalidDicomError:
            pytest.skip("its functional groups are not those of its frames")

        assert_dataset_gives_the_columns_of_its_file(path)


@pytest.mark.parametrize("undefined", [True, False])
@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG])
def test_columns_of_a_dataset_know_no_byte_order(
    syntax: str, *, undefined: bool
) -> None:
    frame = {
        "sources": 2,
        "b_value": 700.0,
        "index": [1, 70_000],
        "position": [1, 2, 3],
    }
    groups = make_groups([frame] * 3, syntax=syntax, undefined=undefined, nested=2)
    data = make_native(
        extra_before=groups,
        transfer_syntax=syntax,
        number_of_frames=3,
        bits_allocated=8,
    )

    assert_dataset_gives_the_columns_of_its_file(data)


@pytest.mark.filterwarnings("ignore:A value of type:UserWarning")
def test_a_dataset_whose_groups_cannot_be_written_is_an_error() -> None:
    groups = sequence(0x52009230, sequence(0x00289145, element(0x00281053, "DS", b"2")))
    data = make_native(extra_before=groups, number_of_frames=1)
    dataset = pydicom.dcmread(io.BytesIO(data))
    frame = dataset.PerFrameFunctionalGroupsSequence[0]
    frame.PixelValueTransformationSequence[0].add_new(0x00281051, "FD", ["x"])

    with pytest.raises(InvalidDicomError, match="cannot write"):
        functional_group_columns(header_of_dataset(dataset))


@pytest.mark.parametrize("undefined", [True, False])
@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, IMPLICIT_LITTLE])
def test_many_frames_equal_pydicom(syntax: str, *, undefined: bool) -> None:
    data = make_enhanced(
        undefined=undefined,
        transfer_syntax=syntax,
        number_of_frames=300,
        rows=1,
        columns=2,
    )

    columns = columns_of(data)

    assert columns["position"].shape == (300, 3)
    np.testing.assert_array_equal(columns["position"][:, 2], np.arange(300) * 0.5)
    np.testing.assert_array_equal(
        columns["dimension_index_values"][:, 1], np.arange(1, 301)
    )
    assert set(columns["stack_id"]) == {"1"}


def make_groups(
    frames: Sequence[dict[str, Any]], *, syntax: str, undefined: bool, nested: int
) -> bytes:
    """Make items whose framing differs: other lengths, other elements, nested items."""
    big, implicit = syntax == EXPLICIT_BIG, syntax == IMPLICIT_LITTLE

    def of(tag: int, vr: str, value: bytes) -> bytes:
        return element(tag, vr, value, implicit=implicit, big_endian=big)

    def group(tag: int, *items: bytes) -> bytes:
        return sequence(
            tag, *items, undefined=undefined, implicit=implicit, big_endian=big
        )

    order = ">" if big else "<"
    contents = []
    for frame in frames:
        content = b""
        if frame["sources"]:
            sources = [
                of(0x00081155, "UI", b"1.2." + str(k).encode())
                for k in range(frame["sources"])
            ]
            content += group(0x00089124, *[group(0x00082112, *sources)] * nested)
        if frame["b_value"] is not None:
            content += group(
                0x00189117,
                of(0x00189087, "FD", struct.pack(order + "d", frame["b_value"])),
            )
        index = struct.pack(f"{order}{len(frame['index'])}I", *frame["index"])
        content += group(0x00209111, of(0x00209157, "UL", index))
        position = "\\".join(str(one) for one in frame["position"]).encode()
        content += group(0x00209113, of(0x00200032, "DS", position))
        contents.append(content)
    return group(0x52009230, *contents)


frame_values = st.fixed_dictionaries(
    {
        "sources": st.integers(0, 3),
        "b_value": st.none() | st.floats(0, 1e4),
        "index": st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=3),
        "position": st.tuples(
            *[st.floats(-1e3, 1e3).map(lambda one: round(one, 3))] * 3
        ),
    }
)


@given(
    frames=st.lists(frame_values, min_size=1, max_size=12),
    repeat=st.integers(1, 8),
    syntax=st.sampled_from([EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG]),
    undefined=st.booleans(),
    nested=st.integers(1, 2),
)
@settings(max_examples=60)
def test_items_that_differ_in_framing_are_read_all_the_same(
    frames: list[dict[str, Any]],
    repeat: int,
    syntax: str,
    nested: int,
    *,
    undefined: bool,
) -> None:
    frames = frames * repeat
    groups = make_groups(frames, syntax=syntax, undefined=undefined, nested=nested)
    data = make_native(
        extra_before=groups,
        transfer_syntax=syntax,
        number_of_frames=len(frames),
        rows=1,
        columns=2,
    )

    columns = columns_of(data)

    for row, frame in enumerate(frames):
        np.testing.assert_array_equal(columns["position"][row], frame["position"])
        index = columns["dimension_index_values"][row]
        np.testing.assert_array_equal(index[~np.isnan(index)], frame["index"])
        if frame["b_value"] is not None:
            assert columns["b_value"][row, 0] == frame["b_value"]
        elif "b_value" in columns:
            assert np.isnan(columns["b_value"][row, 0])
        source = columns.get("source_sop_instance_uid", np.zeros(len(frames), "U1"))[
            row
        ]
        assert source == ("1.2.0" if frame["sources"] else "")


NESTED = [
    name
    for name, attribute in FRAME_ATTRIBUTES.items()
    if any(len(path) > 1 for path in attribute.paths)
]


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("name", NESTED)
def test_the_first_of_several_items_holds_and_nothing_of_the_others(
    name: str, place: int, *, shared: bool, undefined: bool
) -> None:
    vr = FRAME_ATTRIBUTES[name].vr
    numbers = {"FD": struct.pack("<d", 7), "FL": struct.pack("<f", 7)}
    value = numbers.get(vr, struct.pack("<H" if vr in {"US", "SS"} else "<I", 7))
    value = value if vr in {*numbers, "US", "SS", "UL", "SL"} else b"7 "
    path = FRAME_ATTRIBUTES[name].paths[0]
    one = element(path[-1], vr, value)
    for tag in reversed(path[:-1]):
        pair = (one, b"") if place == 0 else (b"", one)
        one = sequence(tag, *pair, undefined=undefined)
    frame = one
    groups = sequence(0x52009229, frame if shared else b"", undefined=undefined)
    items = [b"" if shared else frame] * 40
    groups += sequence(0x52009230, *items, undefined=undefined)

    columns = columns_of(make_native(extra_before=groups, number_of_frames=40))

    assert (name in columns) == (place == 0)


def test_shared_values_stand_where_a_frame_has_none() -> None:
    spacing = sequence(0x00289110, element(0x00280030, "DS", b"2\\3"))
    own = sequence(0x00289110, element(0x00280030, "DS", b"4\\5"))
    groups = sequence(0x52009229, spacing) + sequence(0x52009230, b"", own)
    data = make_native(extra_before=groups, number_of_frames=2)

    assert columns_of(data)["pixel_spacing"].tolist() == [[2, 3], [4, 5]]


def test_shared_values_stand_where_a_frame_has_none_though_they_are_more() -> None:
    def window(centers: bytes) -> bytes:
        return sequence(0x00289132, element(0x00281050, "DS", centers))

    for own, shared in ((b"40", b"1\\2\\3"), (b"1\\2\\3", b"40")):
        groups = sequence(0x52009229, window(shared))
        groups += sequence(0x52009230, b"", window(own))
        columns = columns_of(make_native(extra_before=groups, number_of_frames=2))

        found = [row[~np.isnan(row)].tolist() for row in columns["window_center"]]
        expected = [[float(one) for one in text.split(b"\\")] for text in (shared, own)]
        assert found == expected


def test_another_number_of_items_than_frames_is_an_error() -> None:
    groups = sequence(0x52009230, b"", b"")
    data = make_native(extra_before=groups, number_of_frames=3)

    with pytest.raises(
        InvalidDicomError, match=r"3 frames, found 2, element \(5200,9230\)"
    ):
        columns_of(data)


def test_a_position_that_is_no_number_is_an_error() -> None:
    item = sequence(0x00209113, element(0x00200032, "DS", b"1\\x\\3"))
    data = make_native(extra_before=sequence(0x52009230, item), number_of_frames=1)

    with pytest.raises(InvalidDicomError, match="Expected numbers"):
        columns_of(data)


@given(at=st.integers(0, 10_000), value=st.integers(0, 255), undefined=st.booleans())
@settings(max_examples=150)
def test_damaged_groups_give_columns_or_an_error_of_ours(
    at: int, value: int, *, undefined: bool
) -> None:
    data = bytearray(
        make_enhanced(undefined=undefined, number_of_frames=4, rows=1, columns=2)
    )
    start = data.index(b"\x00\x52\x29\x92")
    data[start + at % (len(data) - start)] = value

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(LazyDicomError):
            columns_of(bytes(data))


def test_memory_is_that_of_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "many.dcm"
    write_enhanced(path, number_of_frames=20_000, rows=1, columns=2)
    header = read_header(open_source(path))

    columns, peak = traced(lambda: functional_group_columns(header))

    held = sum(column.nbytes for column in columns.values())
    assert peak < 2 * held + 40e6, "some blocks of 4 MiB, not the sequence"


@pytest.mark.parametrize(
    "text",
    ["", "noon", "20260101120000.5e3", "20260101120000..5", "20261301", "2026\xb2"],
)
def test_what_is_no_time_is_nan(text: str) -> None:
    assert math.isnan(seconds_of(text))


def test_zone_of_no_digits_counts_nothing() -> None:
    assert seconds_of("19700101000001+\xb2\xb2\xb2\xb2") == 1


@pytest.mark.parametrize(
    "frames", [10_000, pytest.param(100_000, marks=pytest.mark.heavy)]
)
def test_columns_take_at_most_a_kilobyte_per_frame(tmp_path: Path, frames: int) -> None:
    path = tmp_path / "many.dcm"
    write_enhanced(path, number_of_frames=frames, rows=1, columns=2)
    header = read_header(open_source(path))

    columns, peak = traced(lambda: functional_group_columns(header))

    assert len(columns["position"]) == frames
    assert peak < 900 * frames + 10e6
