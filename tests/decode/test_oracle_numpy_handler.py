"""Our handler against pydicom's, on real files and on any geometry."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from dicom_files import EXPLICIT_LITTLE, make_native, stored_pixels
from handler_outcome import assert_no_difference, dataset_of, outcome_of
from hypothesis import assume, given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixel_data_handlers import numpy_handler as pydicoms
from pydicom.pixels.utils import reshape_pixel_array
from pydicom.uid import UID
from real_files import NATIVE, files_of, first_of_each_series, of_each_series
from tools import require_program, require_shared_data

from lazydicom import numpy_handler as ours

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FILES: Final = files_of(*NATIVE)
TYPE_ERRORS: Final = {"pydicom/test_files/badVR.dcm"}
"""Number of Frames is text there: pydicom's arithmetic raises, and quotes nothing."""


@pytest.mark.parametrize("name", TYPE_ERRORS)
def test_a_type_error_of_pydicom_is_a_value_error(name: str) -> None:
    theirs, mine = (
        outcome_of(one, dcmread(FILES[name], force=True), read_only=False)
        for one in (pydicoms, ours)
    )

    assert theirs.error is not None
    assert mine.error is not None
    assert (theirs.error[0], mine.error[0]) == (TypeError, ValueError)


@pytest.mark.parametrize("name", of_each_series(sorted(FILES.keys() - TYPE_ERRORS)))
def test_a_real_file_makes_no_difference(name: str) -> None:
    assert_no_difference(lambda: dcmread(FILES[name], force=True))


def test_the_oracle_has_seen_many_pixels() -> None:
    require_shared_data()

    outcomes = [
        outcome_of(ours, dcmread(FILES[name], force=True), read_only=True)
        for name in first_of_each_series(FILES)
    ]

    assert sum(outcome.error is None for outcome in outcomes) >= 120


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, NDArray[Any]]:
    """Draw a file and the values that it stores."""
    geometry: dict[str, Any] = {
        "number_of_frames": draw(st.integers(1, 5)),
        "rows": draw(st.integers(1, 7)),
        "columns": draw(st.integers(1, 7)),
        "samples_per_pixel": draw(st.sampled_from([1, 1, 3, 4])),
        "transfer_syntax": draw(st.sampled_from(NATIVE)),
        "keyword": draw(st.sampled_from(["PixelData"] * 3 + ["FloatPixelData"])),
        "bits_allocated": draw(st.sampled_from([1, 8, 16, 32, 64])),
    }
    if geometry["samples_per_pixel"] > 1:
        geometry["planar_configuration"] = draw(st.sampled_from([0, 1]))
    vr = None
    if geometry["keyword"] == "PixelData":
        bits = geometry["bits_allocated"]
        geometry["bits_stored"] = draw(st.integers(1, bits))
        geometry["pixel_representation"] = draw(st.integers(0, int(bits > 1)))
        vr = draw(st.sampled_from(["OW", None])) if bits == 8 else None
    return make_native(vr=vr, **geometry), stored_pixels(**geometry)


@given(files())
def test_any_geometry_makes_no_difference(file: tuple[bytes, NDArray[Any]]) -> None:
    data, stored = file
    dataset = dataset_of(data)

    row = ours.get_pixeldata(dataset)

    shaped = reshape_pixel_array(dataset, row)
    assert np.array_equal(shaped.reshape(stored.shape), stored)
    assert_no_difference(lambda: dataset)


@given(files(), st.integers(-5, 5))
def test_any_wrong_length_makes_no_difference(
    file: tuple[bytes, NDArray[Any]], more: int
) -> None:
    dataset = dataset_of(file[0])
    keyword = "PixelData" if "PixelData" in dataset else "FloatPixelData"
    value = dataset[keyword].value
    assume(len(value) % 2 + more % 2 == 0 or dataset[keyword].VR != "OW")
    dataset[keyword].value = value[:more] if more < 0 else value + bytes(more)

    assert_no_difference(lambda: dataset)


# --- Known differences, with the proof that pydicom 3.0.2 is wrong ----------------


def test_pixels_of_a_data_set_made_in_memory_are_not_swapped() -> None:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(EXPLICIT_LITTLE)
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = 1, 4, 1
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.PixelRepresentation = 0
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.add_new(0x7FE00010, "OW", b"\1\2\3\4")

    assert ours.get_pixeldata(dataset).tolist() == [1, 2, 3, 4]
    assert dataset.pixel_array.tolist() == [[1, 2, 3, 4]]  # by pydicom's new backend
    assert pydicoms.get_pixeldata(dataset).tolist() == [2, 1, 4, 3]


def test_one_bit_pixels_in_big_endian_words_are_those_that_dcmtk_writes(
    tmp_path: Path,
) -> None:
    program = require_program("dcmconv")
    geometry: Any = {"rows": 3, "columns": 5, "bits_allocated": 1}
    little, big = tmp_path / "little.dcm", tmp_path / "big.dcm"
    little.write_bytes(make_native(vr="OW", number_of_frames=9, **geometry))
    stored = stored_pixels(number_of_frames=9, **geometry).reshape(-1)

    subprocess.run([program, "+tb", little, big], check=True)

    assert np.array_equal(ours.get_pixeldata(dcmread(big)), stored)
    assert not np.array_equal(pydicoms.get_pixeldata(dcmread(big)), stored)
