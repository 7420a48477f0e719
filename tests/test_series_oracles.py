"""Series equal what independent readers make of the same files."""

from __future__ import annotations

import subprocess
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest

import lazydicom
from lazydicom.errors import LazyDicomWarning
from tools import require_shared_data

if TYPE_CHECKING:
    from pathlib import Path

    from lazydicom import DicomArray


def open_quietly(path: Path, **options: object) -> DicomArray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LazyDicomWarning)
        return lazydicom.open_series(path, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name",
    ["bad_two_slices", "ct_head_93slices", "ge_mr_anatomical_4slices", "hitachi_mr",
     "rle_compressed", "jpegls_compressed", "orientation_test"],
)  # fmt: skip
def test_volumes_equal_those_of_simpleitk(name: str) -> None:
    sitk = pytest.importorskip("SimpleITK")
    folder = require_shared_data("10_series", name)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    image = reader.Execute()
    array = lazydicom.open_series(folder)
    affine = array.attrs["affine"]

    theirs = sitk.GetArrayFromImage(image)
    origin, spacing = np.array(image.GetOrigin()), np.array(image.GetSpacing())
    direction = np.array(image.GetDirection()).reshape(3, 3) * spacing
    dataset = pydicom.dcmread(array.images[0].url, stop_before_pixels=True)
    slope, intercept = (
        float(dataset.get("RescaleSlope", 1)),
        float(dataset.get("RescaleIntercept", 0)),
    )
    if not np.allclose(origin, affine[:3, 3], atol=1e-3):  # from the other end
        theirs = theirs[::-1]
        origin = origin + direction[:, 2] * (len(theirs) - 1)
        direction[:, 2] *= -1

    np.testing.assert_allclose(np.asarray(array) * slope + intercept, theirs, rtol=1e-6)
    np.testing.assert_allclose(affine[:3, 3], origin, atol=1e-3)
    np.testing.assert_allclose(affine[:3, :3], direction, atol=2e-3)


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("10_series/ct_head_93slices", {}),
        ("10_series/hitachi_mr", {}),
        ("10_series/ge_fmri_4d_phantom", {}),
        ("10_series/philips_fmri_phantom", {}),
        ("10_series/siemens_mosaic_fmri_vb", {}),
        ("10_series/siemens_mosaic_interleave", {}),
        ("01_native_multiframe/siemens_xa10_4d_split", {}),
    ],
)  # fmt: skip
def test_voxels_and_affine_equal_those_of_dcm2niix(
    path: str, options: dict[str, str], tmp_path: Path
) -> None:
    nibabel = pytest.importorskip("nibabel")
    program = pytest.importorskip("dcm2niix").bin
    folder = require_shared_data(path)
    command = [
        program,
        "-z",
        "n",
        "-b",
        "n",
        "-f",
        "out",
        "-o",
        str(tmp_path),
        str(folder),
    ]
    subprocess.run(command, check=True, capture_output=True)
    image = nibabel.load(next(tmp_path.glob("*.nii")))
    array = open_quietly(folder, **options)

    theirs = image.dataobj.get_unscaled().T  # t, z, y, x
    to_theirs = (
        np.linalg.inv(image.affine) @ np.diag([-1, -1, 1, 1]) @ array.attrs["affine"]
    )
    assert np.allclose(np.abs(np.diag(to_theirs)), 1, atol=1e-3), "LPS is RAS turned"
    flips = tuple(
        slice(None, None, -1 if one < 0 else 1) for one in np.diag(to_theirs)[2::-1]
    )
    turned = theirs[(..., *flips)]
    np.testing.assert_array_equal(
        np.asarray(array), turned[..., : array.shape[-3], :, :]
    )
    corner = to_theirs @ [0, 0, 0, 1]
    sizes = np.array(image.shape[:3])
    expected = [
        0 if one > 0 else n - 1
        for one, n in zip(np.diag(to_theirs), sizes, strict=False)
    ]
    np.testing.assert_allclose(corner[:3], expected, atol=2e-2)


def test_volumes_equal_those_of_highdicom() -> None:
    highdicom = pytest.importorskip("highdicom")
    folder = require_shared_data("10_series/pet_per_slice_rescale")
    files = [pydicom.dcmread(path) for path in folder.iterdir()]
    volume = highdicom.get_volume_from_series(files)
    array = lazydicom.open_series(folder)

    z_y_x = np.eye(4)[[2, 1, 0, 3]]  # theirs counts planes first
    ours = array.attrs["affine"] @ z_y_x
    to_theirs = np.linalg.inv(volume.affine) @ ours
    flip = slice(None, None, -1 if to_theirs[0, 0] < 0 else 1)
    np.testing.assert_allclose(np.abs(np.diag(to_theirs)), 1)
    slopes = array.coords["rescale_slope"].values[:, None, None]
    expected = np.asarray(array) * slopes + array.attrs["rescale_intercept"]
    np.testing.assert_allclose(volume.array[flip], expected, rtol=1e-6)
