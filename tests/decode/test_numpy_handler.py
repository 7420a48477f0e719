"""In the place of pydicom's numpy handler, ours makes no difference."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pydicom.config
import pytest
from dicom_files import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    RLE,
    make_native,
    stored_pixels,
)
from handler_outcome import assert_no_difference, dataset_of, make_422, make_dataset
from pydicom.pixel_data_handlers import numpy_handler as pydicoms
from pydicom.uid import UID
from real_files import NATIVE

import lazydicom
from lazydicom import numpy_handler as ours

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray
    from pydicom import Dataset

SEVERAL: Final[Any] = {"samples_per_pixel": 3, "bits_allocated": 8}

TABLE: Final[dict[str, dict[str, Any]]] = {
    "implicit little endian": {"transfer_syntax": IMPLICIT_LITTLE},
    "explicit little endian": {"transfer_syntax": EXPLICIT_LITTLE},
    "deflated": {"transfer_syntax": DEFLATED},
    "explicit big endian": {"transfer_syntax": EXPLICIT_BIG},
    "Float Pixel Data": {"keyword": "FloatPixelData"},
    "Float Pixel Data, big": {
        "keyword": "FloatPixelData",
        "transfer_syntax": EXPLICIT_BIG,
    },
    "Double Float Pixel Data": {"keyword": "DoubleFloatPixelData"},
    "two samples": {"samples_per_pixel": 2},
    "three samples": {"samples_per_pixel": 3},
    "four samples": {"samples_per_pixel": 4, "planar_configuration": 1},
    "MONOCHROME1": {"photometric_interpretation": "MONOCHROME1"},
    "MONOCHROME2": {"photometric_interpretation": "MONOCHROME2"},
    "RGB": {**SEVERAL, "photometric_interpretation": "RGB"},
    "YBR_FULL": {**SEVERAL, "photometric_interpretation": "YBR_FULL"},
    "sample by sample": {**SEVERAL, "planar_configuration": 0},
    "plane by plane": {**SEVERAL, "planar_configuration": 1},
    "one frame": {"number_of_frames": 1},
    "ten frames": {"number_of_frames": 10},
    "one row": {"rows": 1},
    "one column": {"columns": 1},
    "1 bit": {"bits_allocated": 1},
    "1 bit, three samples": {"bits_allocated": 1, "samples_per_pixel": 3},
    "8 bits": {"bits_allocated": 8},
    "8 bits, big": {"bits_allocated": 8, "transfer_syntax": EXPLICIT_BIG},
    "32 bits": {"bits_allocated": 32},
    "32 bits, big": {"bits_allocated": 32, "transfer_syntax": EXPLICIT_BIG},
    "64 bits": {"bits_allocated": 64},
    "1 bit stored": {"bits_stored": 1},
    "8 bits stored": {"bits_stored": 8},
    "12 bits stored": {"bits_stored": 12},
    "signed": {"pixel_representation": 1},
    "signed, 12 bits stored": {"pixel_representation": 1, "bits_stored": 12},
    "signed, 8 bits": {"pixel_representation": 1, "bits_allocated": 8},
}
"""What the table of the handler promises, row by row."""


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put our handler in the place of pydicom's."""
    handlers = [lazydicom.numpy_handler]
    monkeypatch.setattr(pydicom.config, "pixel_data_handlers", handlers)


@pytest.fixture
def calls(installed: None, monkeypatch: pytest.MonkeyPatch) -> list[Dataset]:
    """Note for which data sets our handler is asked."""
    asked: list[Dataset] = []
    get_pixeldata = ours.get_pixeldata

    def noting(ds: Dataset, read_only: bool = False) -> NDArray[Any]:
        asked.append(ds)
        return get_pixeldata(ds, read_only)

    monkeypatch.setattr(ours, "get_pixeldata", noting)
    return asked


# --- The table ------------------------------------------------------------------


@pytest.mark.parametrize("row", TABLE)
def test_pixels_of_every_row_of_the_table_come_through_pydicom(
    row: str, calls: list[Dataset]
) -> None:
    geometry = TABLE[row]
    dataset = dataset_of(make_native(**geometry))

    pixels = dataset.pixel_array

    stored = stored_pixels(**geometry)
    assert np.array_equal(pixels, stored.squeeze(0) if len(stored) == 1 else stored)
    assert pixels.dtype.newbyteorder("=") == stored.dtype
    assert pixels.flags.writeable
    assert calls == [dataset]
    assert_no_difference(lambda: dataset)


def test_pydicom_asks_no_handler_without_its_old_backend(
    calls: list[Dataset],
) -> None:
    dataset = make_dataset()
    dataset.pixel_array_options(use_v2_backend=False)

    assert dataset.pixel_array.shape == (3, 4, 5)
    assert not calls


def test_subsampled_pairs_share_their_chrominance(calls: list[Dataset]) -> None:
    dataset = make_422(bytes([1, 2, 100, 200, 3, 4, 101, 201]))

    pixels = dataset.pixel_array

    first, second = [[1, 100, 200], [2, 100, 200]], [[3, 101, 201], [4, 101, 201]]
    assert pixels.tolist() == [first, second]
    assert len(calls) == 1
    assert_no_difference(lambda: dataset)


@pytest.mark.parametrize("declared", [None, "", "0", "1"])
def test_number_of_frames_is_one_where_it_is_absent_or_zero(
    declared: str | None,
) -> None:
    file = make_native(number_of_frames=1, declared_frames=declared)

    assert_no_difference(lambda: dataset_of(file))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        assert ours.get_pixeldata(dataset_of(file)).shape == (20,)


def test_words_come_as_they_stand_above_bits_stored() -> None:
    words = np.array([0xF001, 0x8FFF, 0x0FFF, 0xFFFF], "<u2")
    geometry: Any = {"number_of_frames": 1, "rows": 2, "columns": 2, "bits_stored": 12}
    dataset = dataset_of(make_native(pixel_bytes=words.tobytes(), **geometry))

    assert np.array_equal(ours.get_pixeldata(dataset), words)
    assert_no_difference(lambda: dataset)


@pytest.mark.parametrize("columns", [4, 5])
def test_eight_bits_in_big_endian_words_are_swapped_in_pairs(columns: int) -> None:
    geometry: Any = {"rows": 3, "columns": columns, "bits_allocated": 8}
    file = make_native(vr="OW", transfer_syntax=EXPLICIT_BIG, **geometry)

    row = ours.get_pixeldata(dataset_of(file))

    assert np.array_equal(row, stored_pixels(**geometry).reshape(-1))
    assert_no_difference(lambda: dataset_of(file))


# --- Memory ---------------------------------------------------------------------


@pytest.mark.parametrize("bits", [8, 16, 32, 64])
@pytest.mark.parametrize("padding", [b"", bytes(2)])
def test_read_only_is_a_view_of_the_element(bits: int, padding: bytes) -> None:
    values = stored_pixels(bits_allocated=bits).tobytes() + padding
    dataset = dataset_of(make_native(bits_allocated=bits, pixel_bytes=values))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        row = ours.get_pixeldata(dataset, read_only=True)

    assert np.shares_memory(row, np.frombuffer(dataset.PixelData, np.uint8))
    with pytest.raises(ValueError, match="read-only"):
        row[0] = 1


def test_a_copy_is_writeable_and_leaves_the_element_alone() -> None:
    dataset = make_dataset()
    before = bytes(dataset.PixelData)

    row = ours.get_pixeldata(dataset)
    row[:] = 0

    assert not np.shares_memory(row, np.frombuffer(dataset.PixelData, np.uint8))
    assert dataset.PixelData == before


@pytest.mark.filterwarnings("ignore:A value of type 'memoryview':UserWarning")
def test_a_buffer_that_could_be_written_is_not_handed_out_to_be_written() -> None:
    memory = bytearray(stored_pixels().tobytes())
    dataset = make_dataset(PixelData=memoryview(memory))

    copy = ours.get_pixeldata(dataset)
    view = ours.get_pixeldata(dataset, read_only=True)

    assert not np.shares_memory(copy, np.frombuffer(memory, np.uint8))
    assert np.shares_memory(view, np.frombuffer(memory, np.uint8))
    assert not view.flags.writeable


@pytest.mark.parametrize("read_only", [False, True])
def test_one_bit_pixels_are_always_writeable(read_only: bool) -> None:
    dataset = dataset_of(make_native(bits_allocated=1))

    row = ours.get_pixeldata(dataset, read_only=read_only)

    assert row.flags.writeable
    assert row.dtype == np.uint8


# --- The interface --------------------------------------------------------------


def test_the_module_has_the_interface_of_a_handler() -> None:
    dataset = make_dataset()

    assert isinstance(ours.HANDLER_NAME, str)
    assert ours.DEPENDENCIES == pydicoms.DEPENDENCIES
    assert ours.is_available()
    assert set(ours.SUPPORTED_TRANSFER_SYNTAXES) == set(NATIVE)
    assert all(ours.supports_transfer_syntax(UID(uid)) for uid in NATIVE)
    assert not ours.supports_transfer_syntax(UID(RLE))
    assert ours.needs_to_convert_to_RGB(dataset) is False
    assert ours.should_change_PhotometricInterpretation_to_RGB(dataset) is False


@pytest.mark.parametrize("handler", [pydicoms, ours])
def test_who_overrides_the_change_to_rgb_is_obeyed(
    handler: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "should_change_PhotometricInterpretation_to_RGB"
    monkeypatch.setattr(handler, name, lambda ds: True)
    dataset = dataset_of(make_native(**SEVERAL, photometric_interpretation="YBR_FULL"))

    handler.get_pixeldata(dataset)

    assert dataset.PhotometricInterpretation == "RGB"


# --- Through pydicom -------------------------------------------------------------


def test_pixels_with_excess_padding_come_through_pydicom(
    calls: list[Dataset],
) -> None:
    dataset = make_dataset(PixelData=stored_pixels().tobytes() + bytes(10))

    with pytest.warns(UserWarning, match="10 bytes will be removed"):
        pixels = dataset.pixel_array

    assert np.array_equal(pixels, stored_pixels())
    assert len(calls) == 1


def test_pydicom_does_not_ask_for_encapsulated_pixels(calls: list[Dataset]) -> None:
    dataset = make_dataset()
    dataset.file_meta.TransferSyntaxUID = UID(RLE)

    with pytest.raises(NotImplementedError, match="no pixel data handlers"):
        _ = dataset.pixel_array
    assert not calls


def test_an_error_comes_through_pydicom_as_it_was_raised(
    calls: list[Dataset],
) -> None:
    dataset = make_dataset(PixelData=bytes(118))

    with pytest.raises(ValueError, match=r"\(118 bytes\) doesn't .* \(120 bytes\)"):
        _ = dataset.pixel_array
    assert len(calls) == 1


def test_a_warning_names_pydicom_as_whoever_asked(installed: None) -> None:
    dataset = make_dataset(PixelData=bytes(130))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "The length", UserWarning, "pydicom")
        assert not dataset.pixel_array.any()
