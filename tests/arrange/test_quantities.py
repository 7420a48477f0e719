"""Parametric maps of several quantities get an axis for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from segmentation_files import AXIAL, identify, uid

import lazydicom

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (2, 3, 4, 5)
FLOATS = {np.dtype("f4"): "FloatPixelData", np.dtype("f8"): "DoubleFloatPixelData"}


def item(**values: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def mapping(quantity: int, *, coded: bool) -> Dataset:
    found = item(RealWorldValueSlope=1.0 + quantity, RealWorldValueIntercept=0.5)
    found.LUTLabel = f"map {10 - quantity}"
    if coded:
        code = item(CodeValue=f"1130{41 + quantity}", CodingSchemeDesignator="DCM")
        name = item(CodeValue="246205007", CodingSchemeDesignator="SCT")
        found.QuantityDefinitionSequence = [
            item(ConceptNameCodeSequence=[name], ConceptCodeSequence=[code])
        ]
    return found


def write_maps(path: Path, values: np.ndarray, *, coded: bool, by_plane: bool) -> None:
    dataset = Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.30"
    dataset.SOPInstanceUID, dataset.SeriesInstanceUID = uid("maps"), uid("series")
    identify(dataset)
    dataset.Modality, dataset.NumberOfFrames = "MR", SHAPE[0] * SHAPE[1]
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = *SHAPE[2:], 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = 8 * values.itemsize
    order = [(k, z) for k in range(SHAPE[0]) for z in range(SHAPE[1])]
    order = sorted(order, key=lambda one: one[1]) if by_plane else order
    dataset.SharedFunctionalGroupsSequence = [
        item(
            PlaneOrientationSequence=[item(ImageOrientationPatient=list(AXIAL))],
            PixelMeasuresSequence=[item(PixelSpacing=[1, 1], SliceThickness=2)],
        )
    ]
    dataset.PerFrameFunctionalGroupsSequence = [
        item(
            PlanePositionSequence=[item(ImagePositionPatient=[0, 0, 2 * z])],
            RealWorldValueMappingSequence=[mapping(k, coded=coded)],
        )
        for k, z in order
    ]
    data = b"".join(values[one].tobytes() for one in order)
    setattr(dataset, FLOATS[values.dtype], data)
    dataset.save_as(path, enforce_file_format=True)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("coded", [True, False])
@pytest.mark.parametrize("by_plane", [True, False])
def test_maps_of_several_quantities_have_an_axis(
    tmp_path: Path, dtype: np.dtype, coded: bool, by_plane: bool
) -> None:
    values = np.random.default_rng(1).random(SHAPE).astype(dtype)
    write_maps(tmp_path / "a.dcm", values, coded=coded, by_plane=by_plane)

    array = lazydicom.open_series(tmp_path / "a.dcm")

    assert array.dims == ("quantity", "z", "y", "x")
    np.testing.assert_array_equal(array[...], values)
    wanted = ["113041", "113042"] if coded else [0, 1]
    assert array.coords["quantity"].values.tolist() == wanted
    slopes = np.array([1.0, 2.0]).reshape(2, 1, 1, 1)
    real = lazydicom.apply_real_world_values(array)[...]
    np.testing.assert_allclose(real, values.astype(float) * slopes + 0.5, rtol=1e-12)
