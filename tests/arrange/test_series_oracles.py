"""Series equal what independent readers make of the same files."""

from __future__ import annotations

import subprocess
import warnings
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest
from real_series import REAL_SERIES
from series_readers import (
    leaks_ignored,
    read_by_dcm2niix,
    read_by_highdicom,
    read_by_simpleitk,
)
from tools import require_shared_data

import lazydicom
from lazydicom.errors import LazyDicomWarning

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray
    from real_series import Series
    from series_readers import Volume

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
    sitk = import_module("SimpleITK")
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
    nibabel = import_module("nibabel")
    program = import_module("dcm2niix").bin
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
    highdicom = import_module("highdicom")
    folder = require_shared_data("10_series/pet_per_slice_rescale")
    files = [pydicom.dcmread(path) for path in folder.iterdir()]
    with leaks_ignored():
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


# --- every series against every reader that can read it --------------------------------

READERS = {
    "SimpleITK": read_by_simpleitk,
    "dcm2niix": read_by_dcm2niix,
    "highdicom": read_by_highdicom,
}
FLAT, ONE_PLACE = "stacks frames of all times", "takes one frame per position"
GAPS = {
    ("SimpleITK", "bad_gantry_tilt"): "has no shear",
    ("dcm2niix", "bad_gantry_tilt"): "has no shear, resamples",
    ("highdicom", "bad_gantry_tilt"): "takes perpendicular planes",
    ("SimpleITK", "bad_missing_slice"): "closes the gap",
    ("dcm2niix", "bad_missing_slice"): "resamples",
    ("highdicom", "bad_missing_slice"): "takes even gaps",
    ("SimpleITK", "MRI_102TD"): "takes one orientation",
    ("highdicom", "MRI_102TD"): "takes one orientation",
    ("dcm2niix", "MRI_102TD"): "takes one orientation",
    **{
        ("SimpleITK", name): FLAT
        for name in (
            "ge_dti_classic", "ge_fmri_4d_phantom", "mag_phase_fieldmap", "3000.dcm",
            "philips_fmri_4d_classic", "philips_fmri_phantom", "DTI.dcm", "T2_.dcm",
            "IM_0027_fMAP.dcm", "philips_enhanced_fmri", "siemens_xa10_4d_split",
        )
    },
    **{
        ("highdicom", name): ONE_PLACE
        for name in (
            "ge_dti_classic", "ge_fmri_4d_phantom", "mag_phase_fieldmap", "3000.dcm",
            "philips_fmri_4d_classic", "philips_fmri_phantom", "DTI.dcm", "T2_.dcm",
            "IM_0027_fMAP.dcm", "philips_enhanced_fmri", "siemens_xa10_4d_split",
        )
    },
    **{
        (reader, name): "knows no mosaics"
        for reader in ("SimpleITK", "highdicom")
        for name in ("siemens_mosaic_fmri_vb", "siemens_mosaic_interleave")
    },
    ("highdicom", "pm-example-dcm.zip"): "wants orientations equal to the last digit",
}  # fmt: skip
"""What a reader cannot read, and why."""


def is_gap(reader: str, series: Series) -> bool:
    return any(one == reader and name in series.path for one, name in GAPS)


@pytest.mark.parametrize(
    ("reader", "series"),
    [(r, s) for r in READERS for s in REAL_SERIES if not is_gap(r, s)],
    ids=lambda one: one if isinstance(one, str) else one.path[:60],
)
def test_every_volume_is_that_of_the_reader(
    reader: str, series: Series, tmp_path: Path
) -> None:
    theirs = READERS[reader](require_shared_data(series.path), tmp_path)
    (array,) = series.open()
    axes = 3 + (array.dims[-1] == "sample")
    stored, rescaled = (
        values.reshape(-1, *array.shape[-axes:])
        for values in (np.asarray(array), rescale(array))
    )

    met = []
    for volume in theirs:
        values = turn(volume, volume.values, array)
        same = [np.array_equal(one, values) for one in stored]
        if volume.rescaled is not None and not any(same):
            values = turn(volume, volume.rescaled, array)
            same = [np.allclose(one, values, rtol=1e-5) for one in rescaled]
        assert sum(same) == 1, "their volume is one of ours"
        met.append(same.index(True))
    assert set(met) == set(range(len(stored))), "and each of ours is one of theirs"
    if array.dims[0] == "time":
        assert met == sorted(met)


def rescale(array: DicomArray) -> NDArray[np.float64]:
    """Apply slope and intercept, which may differ from frame to frame."""

    def of(name: str, default: float) -> NDArray[np.float64]:
        if name not in array.coords:
            return np.array(array.attrs.get(name, default))
        coordinate = array.coords[name]
        sizes = zip(array.dims, array.shape, strict=True)
        shape = [size if dim in coordinate.dims else 1 for dim, size in sizes]
        return coordinate.values.reshape(shape)

    values: NDArray[np.float64] = np.asarray(array) * of("rescale_slope", 1)
    return values + of("rescale_intercept", 0)


def turn(volume: Volume, values: NDArray[Any], array: DicomArray) -> NDArray[Any]:
    """Turn values so that they count axes as ours; they must lie where ours do."""
    to_theirs = np.linalg.inv(volume.affine) @ array.attrs["affine"]
    directions = np.diag(to_theirs)[:3]
    np.testing.assert_allclose(np.abs(to_theirs[:3, :3]), np.eye(3), atol=1e-2)
    sizes = np.array(values.shape[:3])[::-1]
    corner = np.where(directions > 0, 0, sizes - 1)
    np.testing.assert_allclose(to_theirs[:3, 3], corner, atol=2e-2)
    flips = tuple(slice(None, None, int(np.sign(one))) for one in directions[::-1])
    planes = array.shape[array.dims.index("z")]
    return values[flips][:planes]  # of a mosaic, they keep the empty tiles


def test_every_series_is_read_by_another_reader() -> None:
    read = [s.path for s in REAL_SERIES if not all(is_gap(r, s) for r in READERS)]

    unread = sorted({s.path for s in REAL_SERIES} - set(read))
    assert [name.partition("/")[2][:17] for name in unread] == [
        "MRI_102TD_PHA_S.M",
        "bad_gantry_tilt",
        "bad_missing_slice",
    ]


def test_planes_around_a_hole_lie_where_their_files_say() -> None:
    folder = require_shared_data("10_series", "bad_missing_slice")
    array = open_quietly(folder, on_gap="fill", fill_value=-7)

    datasets = [pydicom.dcmread(path) for path in folder.iterdir()]
    datasets.sort(key=lambda dataset: float(dataset.ImagePositionPatient[2]))
    heights = [float(dataset.ImagePositionPatient[2]) for dataset in datasets]
    z = array.coords["z"].values
    (hole,) = set(range(5)) - {int(np.abs(z - height).argmin()) for height in heights}
    assert (array[hole] == -7).all()
    for dataset, height in zip(datasets, heights, strict=True):
        plane = int(np.abs(z - height).argmin())
        np.testing.assert_allclose(
            (array.attrs["affine"] @ [0, 0, plane, 1])[:3],
            [float(one) for one in dataset.ImagePositionPatient],
            atol=1e-3,
        )
        np.testing.assert_array_equal(array[plane], dataset.pixel_array)
