"""Our handler refuses and warns as pydicom's does."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from dicom_files import EXPLICIT_BIG, RLE, make_native, stored_pixels
from handler_outcome import (
    assert_no_difference,
    dataset_of,
    make_422,
    make_dataset,
    outcome_of,
)
from pydicom.pixel_data_handlers import numpy_handler as pydicoms
from pydicom.uid import UID

from lazydicom import numpy_handler as ours

if TYPE_CHECKING:
    from pixel_layout import Keyword
    from pydicom import Dataset

ELEMENTS: Final = (
    "BitsAllocated",
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PixelRepresentation",
    "BitsStored",
    "PixelData",
)


@pytest.mark.parametrize("missing", ELEMENTS)
def test_a_missing_element_is_an_attribute_error(missing: str) -> None:
    name = "Pixel Data" if missing == "PixelData" else missing

    with pytest.raises(AttributeError, match=f"Unable to convert .*{name}"):
        ours.get_pixeldata(make_dataset(**{missing: None}))
    assert_no_difference(lambda: make_dataset(**{missing: None}))


def test_all_missing_elements_are_named() -> None:
    with pytest.raises(AttributeError, match="dataset: BitsAllocated, Rows"):
        ours.get_pixeldata(make_dataset(Rows=None, BitsAllocated=None))


@pytest.mark.parametrize("missing", ELEMENTS[:4])
def test_an_empty_number_counts_as_missing(missing: str) -> None:
    dataset = make_dataset()
    dataset[missing].value = None

    with pytest.raises(AttributeError, match=f"dataset: {missing}$"):
        ours.get_pixeldata(dataset)


def test_samples_need_a_planar_configuration() -> None:
    def make() -> Dataset:
        dataset = dataset_of(make_native(samples_per_pixel=3))
        del dataset.PlanarConfiguration
        return dataset

    with pytest.raises(AttributeError, match=r"conditionally .*PlanarConfiguration"):
        ours.get_pixeldata(make())
    assert_no_difference(make)


@pytest.mark.parametrize("keyword", ["FloatPixelData", "DoubleFloatPixelData"])
def test_two_elements_with_pixels_are_one_too_many(keyword: Keyword) -> None:
    with pytest.raises(AttributeError, match="one of Pixel Data"):
        ours.get_pixeldata(make_dataset(**{keyword: bytes(8)}))
    assert_no_difference(lambda: make_dataset(**{keyword: bytes(8)}))


def test_float_pixels_need_no_attributes_of_integers() -> None:
    dataset = dataset_of(make_native(keyword="FloatPixelData"))

    assert "BitsStored" not in dataset
    assert "PixelRepresentation" not in dataset
    assert ours.get_pixeldata(dataset).dtype == np.float32


def test_an_encapsulated_syntax_is_not_implemented() -> None:
    dataset = make_dataset()
    dataset.file_meta.TransferSyntaxUID = UID(RLE)

    with pytest.raises(NotImplementedError, match="transfer syntax"):
        ours.get_pixeldata(dataset)
    assert_no_difference(lambda: dataset)


def test_a_number_of_bits_without_a_type_is_not_implemented() -> None:
    def make() -> Dataset:
        return make_dataset(BitsAllocated=24, PixelData=bytes(3 * 4 * 5 * 3))

    with pytest.raises(NotImplementedError, match="uint24"):
        ours.get_pixeldata(make())
    assert_no_difference(make)


@pytest.mark.parametrize(
    "wrong",
    [
        {"BitsAllocated": 12},
        {"PixelRepresentation": 2},
        {"PixelData": b""},
        {"PixelData": bytes(118)},
        {"PixelData": bytes(119)},
        {"NumberOfFrames": 4},
        {"Rows": 65535},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:The length of the pixel data:UserWarning")
def test_a_wrong_value_or_length_is_a_value_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"length of the pixel data|value of"):
        ours.get_pixeldata(make_dataset(**wrong))
    assert_no_difference(lambda: make_dataset(**wrong))


def test_an_element_without_any_value_has_a_wrong_length() -> None:
    dataset = make_dataset()
    dataset["PixelData"].value = None

    with pytest.raises(ValueError, match=r"\(0 bytes\) doesn't match"):
        ours.get_pixeldata(dataset)


def test_odd_bytes_in_big_endian_words_are_refused() -> None:
    geometry: Any = {"number_of_frames": 1, "rows": 1, "columns": 3}
    pixels = bytes([2, 1, 3])  # the third pixel would be the fourth byte

    def make() -> Dataset:
        file = make_native(
            vr="OW",
            transfer_syntax=EXPLICIT_BIG,
            bits_allocated=8,
            pixel_bytes=bytes([2, 1, 0, 3]),
            **geometry,
        )
        dataset = dataset_of(file)
        dataset["PixelData"].value = pixels
        return dataset

    with (
        pytest.warns(UserWarning, match="missing a trailing padding byte"),
        pytest.raises(ValueError, match="odd length"),
    ):
        ours.get_pixeldata(make())
    theirs = outcome_of(pydicoms, make(), read_only=False)
    assert theirs.error
    assert theirs.error[0] is ValueError


@pytest.mark.parametrize(
    "wrong",
    [{"columns": 3, "rows": 1}, {"samples_per_pixel": 1}, {"bits": 16}],
    ids=str,
)
def test_subsampled_pixels_that_make_no_pairs_are_refused(
    wrong: dict[str, Any],
) -> None:
    dataset = make_422(bytes(64))
    dataset.Rows, dataset.Columns = wrong.get("rows", 2), wrong.get("columns", 2)
    dataset.SamplesPerPixel = wrong.get("samples_per_pixel", 3)
    dataset.BitsAllocated = wrong.get("bits", 8)

    with (
        pytest.warns(UserWarning, match="third larger"),
        pytest.raises(ValueError, match="YBR_FULL_422 pixel data must be"),
    ):
        ours.get_pixeldata(dataset)


# --- Warnings -------------------------------------------------------------------


def test_excess_padding_is_dropped_with_a_warning() -> None:
    dataset = make_dataset(PixelData=stored_pixels().tobytes() + bytes(10))

    with pytest.warns(UserWarning, match=r"\(130 bytes\) .* 10 bytes will be removed"):
        row = ours.get_pixeldata(dataset)

    assert np.array_equal(row, stored_pixels().reshape(-1))
    assert_no_difference(lambda: dataset)


def test_a_missing_padding_byte_is_a_warning() -> None:
    geometry: Any = {"number_of_frames": 1, "rows": 3, "bits_allocated": 8}
    stored = stored_pixels(**geometry)
    dataset = dataset_of(make_native(**geometry))
    dataset.PixelData = stored.tobytes()

    with pytest.warns(UserWarning, match="odd length .* missing a trailing padding"):
        row = ours.get_pixeldata(dataset)

    assert np.array_equal(row, stored.reshape(-1))
    assert_no_difference(lambda: dataset)


def test_a_padding_byte_is_no_reason_to_warn() -> None:
    file = make_native(number_of_frames=1, rows=3, bits_allocated=8)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        row = ours.get_pixeldata(dataset_of(file))

    assert row.shape == (15,)


@pytest.mark.parametrize(
    ("length", "words"), [(10, "2 bytes will be removed"), (12, "a third larger")]
)
def test_subsampled_pixels_with_too_many_bytes_may_be_no_subsampled_ones(
    length: int, words: str
) -> None:
    dataset = make_422(bytes(range(length)))

    with pytest.warns(UserWarning, match=words):
        ours.get_pixeldata(dataset)
    assert_no_difference(lambda: dataset)


@pytest.mark.parametrize(
    "keyword",
    ["Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "NumberOfFrames",
     "PixelRepresentation", "PixelData", "PhotometricInterpretation"],
)  # fmt: skip
@pytest.mark.parametrize("value", [[1, 2], "zq", [], 1e300, 10**30, -1, b"zq", {}])
def test_a_value_of_another_kind_ends_in_one_of_the_documented_errors(
    keyword: str, value: object
) -> None:
    dataset = make_dataset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset[keyword]._value = value
            ours.get_pixeldata(dataset)
        except (AttributeError, NotImplementedError, ValueError) as error:
            assert "zq" not in str(error)  # noqa: PT017 (any of three)


@pytest.mark.parametrize("blanks", [" {}", "  {} ", "{}\0", " {}  \0"])
def test_blanks_around_the_photometric_interpretation_mean_nothing(blanks: str) -> None:
    plain = make_422(bytes(range(8)))
    padded = make_422(bytes(range(8)))
    padded["PhotometricInterpretation"]._value = blanks.format("YBR_FULL_422")

    assert np.array_equal(ours.get_pixeldata(plain), ours.get_pixeldata(padded))


@pytest.mark.parametrize("text", ["ybr_full_422", " Ybr_Full_422 "])
def test_lower_case_is_read_with_a_warning(text: str) -> None:
    plain, lower = make_422(bytes(range(8))), make_422(bytes(range(8)))
    lower["PhotometricInterpretation"]._value = text

    with pytest.warns(UserWarning, match="lower case"):
        values = ours.get_pixeldata(lower)

    assert np.array_equal(values, ours.get_pixeldata(plain))
