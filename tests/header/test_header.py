"""The header of a file, and pydicom's `Dataset` of it, made and taken."""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from bad_pixels import BAD_PIXELS
from dicom_files import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    element,
    item,
    make_native,
    sequence,
    stored_pixels,
)
from pydicom import dcmread
from pydicom.uid import UID
from real_files import NATIVE, files_of, first_of_each_series, real_file

import lazydicom
from lazydicom._bytes.open import open_source
from lazydicom._header.dataset import header_of_dataset
from lazydicom._header.header import read_header
from lazydicom.errors import InvalidDicomError, LazyDicomError, UnsupportedError

if TYPE_CHECKING:
    from pydicom import Dataset

SYNTAXES: Final = (EXPLICIT_LITTLE, EXPLICIT_BIG, IMPLICIT_LITTLE, DEFLATED)
PIXEL_KEYWORDS: Final = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
REAL: Final = {
    name: real_file(name)
    for name in first_of_each_series(files_of(*NATIVE))
    if Path(name).name not in {"test_le.dcm", "test_be.dcm"}  # IS with slashes
}
LARGE: Final = ("3000.dcm", "DTI.dcm")
"""Enhanced files that take half a second; there are smaller ones of each vendor."""
MENDED: Final = {
    "NumberOfFrames is a Python literal",
    *(name for name in BAD_PIXELS if "stands twice" in name),
}
"""What pydicom reads: 1_0 as ten, and the last of two elements."""

pytestmark = [
    pytest.mark.filterwarnings("ignore::lazydicom.errors.LazyDicomWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:pydicom"),
]


def _without_pixels(dataset: Dataset) -> Dataset:
    for keyword in PIXEL_KEYWORDS:
        if keyword in dataset:
            delattr(dataset, keyword)
    return dataset


def _full_file(transfer_syntax: str) -> bytes:
    form: Any = {
        "implicit": transfer_syntax == IMPLICIT_LITTLE,
        "big_endian": transfer_syntax == EXPLICIT_BIG,
    }
    name = element(0x00100010, "PN", b"Some^Body", **form)
    return make_native(
        transfer_syntax=transfer_syntax,
        extra_before=sequence(0x00400275, name, undefined=True, **form),
        trailing=element(0xFFFCFFFC, "OB", bytes(8), **form),
    )


@pytest.mark.parametrize("transfer_syntax", SYNTAXES)
def test_the_dataset_is_the_file_without_its_pixels(transfer_syntax: str) -> None:
    file = _full_file(transfer_syntax)
    theirs = dcmread(BytesIO(file))

    ours = read_header(open_source(file)).dataset

    assert "DataSetTrailingPadding" in ours
    assert ours.file_meta == theirs.file_meta
    assert ours == _without_pixels(theirs)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.heavy] * name.endswith(LARGE))
        for name in REAL
    ],
)
def test_the_dataset_of_a_real_file_is_pydicoms(name: str) -> None:
    try:
        header = read_header(open_source(REAL[name]))
    except LazyDicomError:
        return  # the oracle holds that pydicom has no pixels there either
    theirs = _without_pixels(dcmread(REAL[name], force=True))

    ours = header.dataset

    assert list(ours.keys()) == list(theirs.keys())
    assert ours.to_json_dict() == theirs.to_json_dict()
    assert ours.file_meta == theirs.file_meta


@pytest.mark.parametrize("transfer_syntax", SYNTAXES)
def test_a_dataset_gives_what_its_file_gives(transfer_syntax: str) -> None:
    file = _full_file(transfer_syntax)
    dataset = dcmread(BytesIO(file))

    from_file, from_dataset = lazydicom.open_image(file), lazydicom.open_image(dataset)

    assert np.array_equal(from_file, from_dataset)
    assert from_file.attrs == from_dataset.attrs
    headers = [array.images[0].header for array in (from_file, from_dataset)]
    assert headers[0].image_pixel == headers[1].image_pixel
    assert headers[1].dataset == _without_pixels(dataset)


def test_the_dataset_that_was_given_keeps_its_pixels() -> None:
    dataset = dcmread(BytesIO(make_native()))

    array = lazydicom.open_image(dataset)
    _ = array.images[0].header.dataset

    assert "PixelData" in dataset
    assert np.array_equal(array, stored_pixels())


@pytest.mark.parametrize("name", sorted(BAD_PIXELS.keys() - MENDED))
def test_a_dataset_with_bad_pixels_is_refused_as_its_file_is(name: str) -> None:
    file = BAD_PIXELS[name]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = dcmread(BytesIO(file))
    with pytest.raises(LazyDicomError, match="<Dataset>") as from_dataset:
        np.asarray(lazydicom.open_image(dataset))
    with pytest.raises(LazyDicomError) as from_file:
        np.asarray(lazydicom.open_image(file))

    assert type(from_dataset.value) is type(from_file.value)


def test_a_dataset_needs_exactly_one_element_of_pixels() -> None:
    dataset = dcmread(BytesIO(make_native()))
    dataset.FloatPixelData = bytes(4)

    with pytest.raises(InvalidDicomError, match="found 2"):
        header_of_dataset(dataset)
    with pytest.raises(InvalidDicomError, match="found 0"):
        header_of_dataset(_without_pixels(dataset))


@pytest.mark.parametrize("nested", [False, True])
def test_a_file_inside_a_trailing_element_is_not_taken_for_the_pixels(
    nested: bool,
) -> None:
    groups = sequence(0x52009230, element(0x00189074, "DT", b"2020"), undefined=True)
    inside = make_native(np.zeros_like(stored_pixels()), extra_before=groups)
    data_set = inside[inside.index(b"\x08\x00\x16\x00") :]
    whole = element(0xFFFCFFFC, "OB", inside)
    trailing = sequence(0x7FE11010, data_set) if nested else whole
    file = make_native(extra_before=groups, trailing=trailing)

    array = lazydicom.open_image(file)

    assert np.array_equal(array, stored_pixels())


def test_a_dataset_may_hold_its_pixels_in_a_buffer() -> None:
    dataset = dcmread(BytesIO(make_native()))
    dataset.PixelData = BytesIO(dataset.PixelData)

    array = lazydicom.open_image(dataset)

    assert np.array_equal(array, stored_pixels())


def test_a_dataset_whose_pixels_are_no_bytes_is_refused() -> None:
    dataset = dcmread(BytesIO(make_native()))
    dataset.PixelData = bytearray(240)  # pydicom makes a list of it

    with pytest.raises(InvalidDicomError, match=r"Expected bytes.*\(7FE0,0010\)"):
        header_of_dataset(dataset)


def test_small_pixels_put_into_a_big_endian_dataset_are_not_swapped() -> None:
    pixels = stored_pixels(bits_allocated=8)
    file = make_native(pixels, bits_allocated=8, transfer_syntax=EXPLICIT_BIG)
    dataset = dcmread(BytesIO(file))
    dataset.PixelData = pixels.tobytes()

    array = lazydicom.open_image(dataset)

    assert np.array_equal(array, pixels)
    assert np.array_equal(array, dataset.pixel_array)


@pytest.mark.parametrize(
    "option", ["color", "decoder", "isolation", "local", "on_extra_frames"]
)
def test_an_option_that_is_none_of_its_choices_is_refused(
    tmp_path: Path, option: str
) -> None:
    path = tmp_path / "some.dcm"
    path.write_bytes(make_native())
    wrong: Any = {option: "RGB"}

    with pytest.raises(ValueError, match=f"{option} must be '.*', not 'RGB'"):
        lazydicom.open_image(path, **wrong)


def test_garbage_behind_the_pixels_that_looks_like_half_an_element_is_ignored() -> None:
    file = make_native() + b"DICMOBOB"

    assert np.array_equal(lazydicom.open_image(file), stored_pixels())


def test_a_dataset_needs_a_known_transfer_syntax() -> None:
    dataset = dcmread(BytesIO(make_native()))
    dataset.file_meta.TransferSyntaxUID = UID("1.2.3")

    with pytest.raises(UnsupportedError, match=r"\(0002,0010\)"):
        header_of_dataset(dataset)
    del dataset.file_meta
    with pytest.raises(InvalidDicomError, match=r"\(0002,0010\)"):
        header_of_dataset(dataset)


def test_no_attribute_of_a_patient_is_shown(tmp_path: Path) -> None:
    patient = {
        0x00100010: element(0x00100010, "PN", b"Secret^Name"),
        0x00100020: element(0x00100020, "LO", b"SECRET-ID"),
        0x00080020: element(0x00080020, "DA", b"19990909"),
    }
    path = tmp_path / "some.dcm"
    path.write_bytes(make_native(elements=patient))
    array = lazydicom.open_image(path)

    shown = repr((array, array.attrs, array.images, array.images[0].header))

    assert "ecret" not in shown
    assert "SECRET" not in shown
    assert "19990909" not in shown
    assert array.images[0].header.dataset.PatientID == "SECRET-ID"


def nested(depth: int, *, implicit: bool = False) -> bytes:
    """Nest sequences of defined length, which the walker steps over as one."""
    inside = b""
    for _ in range(depth):
        inside = sequence(0x00081140, inside, implicit=implicit)
    return inside


@pytest.mark.parametrize(
    "elements",
    [
        nested(2500),
        element(0x00091010, "SQ", b"abcdefghijklmnop"),
        element(0x00091010, "SQ", item(b"ab", length=1 << 30)),
        element(0x00091010, "UN", item(b"\xff" * 16)),
        element(0x00080005, "CS", b"ISO_IR 9999"),
        element(0x00091010, "??", b"abcd"),
        element(0x00091010, "US", b"abc", pad=False),
    ],
    ids=range(7),
)
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_the_dataset_is_there_or_an_error_of_ours(elements: bytes) -> None:
    header = read_header(open_source(make_native(extra_before=elements)))

    try:
        dataset = header.dataset
    except LazyDicomError as error:
        assert "<bytes>" in str(error)  # noqa: PT017 (one or the other)
    else:
        assert dataset.Rows == 4
