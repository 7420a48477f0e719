"""Values that are no numbers, no times, or longer than anybody writes them."""

from __future__ import annotations

import json
import math
import re
import struct
from io import BytesIO
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest
from dicom_files import element, item, make_native, sequence
from pydicom import dcmread
from traced_memory import traced

import lazydicom
from lazydicom._bytes.open import open_source
from lazydicom._header.columns.column import seconds_of
from lazydicom._header.columns.functional_groups import functional_group_columns
from lazydicom._header.header import read_header
from lazydicom.errors import InvalidDicomError, LazyDicomWarning

if TYPE_CHECKING:
    from pathlib import Path

    from lazydicom._header.columns.column import Columns

NO_NUMBERS: Final = (
    b"nan",
    b"inf",
    b"-INF",
    b"infinity",
    b"1e400",
    b"1_0",
    b"DOE^JOHN",
)
SLOPE: Final = 0x00281053
INTERCEPT: Final = 0x00281052
CENTER: Final = 0x00281050
WIDTH: Final = 0x00281051
PER_FRAME: Final = 0x52009230


def rescaled(slope: bytes) -> bytes:
    values = element(INTERCEPT, "DS", b"0") + element(SLOPE, "DS", slope)
    return make_native(extra_before=values)


def enhanced(*groups: bytes) -> bytes:
    return make_native(
        extra_before=element(PER_FRAME, "SQ", b"".join(map(item, groups))),
        number_of_frames=len(groups),
    )


def columns_of(file: bytes) -> Columns:
    return functional_group_columns(read_header(open_source(file)))


@pytest.mark.filterwarnings("ignore::lazydicom.errors.LazyDicomWarning")
@pytest.mark.parametrize("text", NO_NUMBERS)
def test_a_slope_that_is_no_number_is_an_error_where_it_is_used(text: bytes) -> None:
    array = lazydicom.open_image(rescaled(text))

    assert array.shape == (3, 4, 5)
    with pytest.raises(InvalidDicomError, match=r"\(0028,1053\)"):
        lazydicom.apply_modality_lut(array)


@pytest.mark.filterwarnings("ignore::lazydicom.errors.LazyDicomWarning")
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@pytest.mark.parametrize("text", [b"nan", b"inf", b"1e400"])
def test_a_slope_of_a_dataset_is_one_as_that_of_its_file(text: bytes) -> None:
    array = lazydicom.open_image(dcmread(BytesIO(rescaled(text))))

    with pytest.raises(InvalidDicomError, match=r"\(0028,1053\)"):
        lazydicom.apply_modality_lut(array)


@pytest.mark.filterwarnings("ignore::lazydicom.errors.LazyDicomWarning")
@pytest.mark.parametrize("text", NO_NUMBERS)
def test_a_slope_of_one_frame_counts_too(text: bytes) -> None:
    groups = [
        sequence(
            0x00289145, element(INTERCEPT, "DS", b"0") + element(SLOPE, "DS", slope)
        )
        for slope in (b"2", text, b"3")
    ]
    array = lazydicom.open_image(enhanced(*groups))

    with pytest.raises(InvalidDicomError, match=r"\(0028,1053\)"):
        lazydicom.apply_modality_lut(array)


@pytest.mark.filterwarnings("ignore::lazydicom.errors.LazyDicomWarning")
@pytest.mark.parametrize("text", NO_NUMBERS)
def test_a_window_that_is_no_number_is_an_error_where_it_is_used(text: bytes) -> None:
    window = element(CENTER, "DS", b"40") + element(WIDTH, "DS", text)
    array = lazydicom.open_image(make_native(extra_before=window))

    with pytest.raises(InvalidDicomError, match=r"\(0028,1051\)"):
        lazydicom.apply_voi_lut(array)


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_elsewhere_what_is_no_number_is_none_with_a_warning(text: bytes) -> None:
    frames = [
        sequence(0x00289110, element(0x00180050, "DS", one)) for one in (b"2", text)
    ]

    with pytest.warns(LazyDicomWarning, match=r"\(0018,0050\)"):
        thickness = columns_of(enhanced(*frames))["slice_thickness"]

    assert thickness[0] == 2
    assert math.isnan(thickness[1, 0])


@pytest.mark.parametrize(
    "text",
    ["99991231995959", "99991231235999", "00000101", "20200230", "2020" + "9" * 10],
)
def test_a_date_that_no_calendar_has_is_no_time(text: str) -> None:
    assert math.isnan(seconds_of(text)) or seconds_of(text) < 2.6e11
    array = lazydicom.open_image(
        enhanced(
            *(
                sequence(0x00209111, element(0x00189074, "DT", one))
                for one in (text.encode(), b"20200101000000")
            )
        )
    )

    assert array.frames.numbers("acquisition_time").shape == (2, 1)


@pytest.mark.parametrize("vr", ["UT", "UC", "UN"])
@pytest.mark.parametrize(
    ("outer", "tag", "name"),
    [
        (0x00209111, 0x00209056, "stack_id"),
        (0x00289145, 0x00281054, "rescale_type"),
        (0x00189226, 0x00089007, "frame_type"),
        (0x00289132, 0x00281056, "voi_lut_function"),
    ],
)
def test_one_long_text_does_not_make_all_rows_long(
    vr: str, outer: int, tag: int, name: str
) -> None:
    frames = [
        sequence(outer, element(tag, vr, b"x" * (100_000 if k == 7 else 2)))
        for k in range(2000)
    ]

    columns, peak = traced(lambda: columns_of(enhanced(*frames)))

    assert columns[name].dtype.itemsize <= 4 * 128
    assert peak < 16 << 20


@pytest.mark.parametrize(
    ("outer", "tag", "vr", "value", "name"),
    [
        (0x00209111, 0x00209157, "UL", bytes(4), "dimension_index_values"),
        (0x00289132, 0x00281050, "DS", b"1\\", "window_center"),
    ],
)
def test_many_values_of_one_frame_do_not_make_all_rows_wide(
    outer: int, tag: int, vr: str, value: bytes, name: str
) -> None:
    frames = [
        sequence(outer, element(tag, vr, value * (10_000 if k == 7 else 2)))
        for k in range(1000)
    ]

    columns, peak = traced(lambda: columns_of(enhanced(*frames)))

    assert columns[name].shape[1] <= 16
    assert peak < 16 << 20


def test_numbers_in_binary_may_be_infinite() -> None:
    values = [struct.pack("<d", one) for one in (1.0, math.inf)]
    frames = [sequence(0x00189114, element(0x00189082, "FD", one)) for one in values]

    with pytest.warns(LazyDicomWarning, match=r"\(0018,9082\)"):
        column = columns_of(enhanced(*frames))["echo_time"]

    assert column[0] == 1
    assert np.isnan(column[1])


@pytest.mark.parametrize("text", [b"1\\\\3", b"\\2", b"5\\", b"nan", b"inf\\1"])
def test_attributes_are_strict_json(text: bytes, tmp_path: Path) -> None:
    file = make_native(
        extra_before=element(0x00280030, "DS", text) + element(CENTER, "DS", text)
    )

    with pytest.warns(LazyDicomWarning, match="is left out"):
        array = lazydicom.open_image(file)
    lazydicom.to_zarr(array, tmp_path / "strict.zarr")

    json.dumps(array.attrs, allow_nan=False)
    for document in tmp_path.rglob("*.json"):
        assert not re.search(r"\b(NaN|Infinity)\b(?!\")", document.read_text())


@pytest.mark.parametrize(
    ("vr", "value"),
    [("DS", b"2.5"), ("FL", struct.pack("<f", 2.5)), ("LO", b"2.5     ")],
)
def test_a_number_of_another_vr_in_functional_groups_is_not_misread(
    vr: str, value: bytes
) -> None:
    frames = [sequence(0x00189114, element(0x00189082, vr, value))] * 3

    with pytest.warns(LazyDicomWarning, match=r"Expected VR FD.*\(0018,9082\)"):
        columns = columns_of(enhanced(*frames))

    assert "echo_time" not in columns


@pytest.mark.parametrize(
    ("tag", "name", "vr", "value"),
    [
        (0x00180081, "echo_time", "FD", struct.pack("<d", 2.5)),
        (0x00180081, "echo_time", "FL", struct.pack("<f", 2.5)),
        (0x00180050, "slice_thickness", "FD", struct.pack("<d", 2.5)),
        (0x00181060, "trigger_time", "IS", b"3"),
    ],
)
def test_a_number_of_another_vr_is_read_in_all_files_of_a_series(
    tmp_path: Path, tag: int, name: str, vr: str, value: bytes
) -> None:
    for k in range(4):
        place = element(0x00200032, "DS", b"0\\0\\%d" % k)
        place += element(0x00200037, "DS", b"1\\0\\0\\0\\1\\0")
        place += element(0x00280030, "DS", b"1\\1")
        file = make_native(
            number_of_frames=1,
            extra_before=element(tag, vr, value) + place,
            elements={0x00080018: element(0x00080018, "UI", b"1.2.%d" % k)},
        )
        (tmp_path / f"{k}.dcm").write_bytes(file)

    column = lazydicom.open_series(tmp_path).frames.numbers(name)

    assert column[:, 0].tolist() == [3 if vr == "IS" else 2.5] * 4
