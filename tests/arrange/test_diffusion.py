"""Diffusion series of every vendor are one array, with b-values and directions."""

from __future__ import annotations

import subprocess
import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Final

import numpy as np
import pydicom
import pytest
from diffusion_files import OBLIQUE, VENDORS, WEIGHTINGS, write_diffusion
from tools import require_shared_data
from written_series import AXIAL, corner

import lazydicom
from lazydicom.errors import LazyDicomWarning

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lazydicom import DicomArray

SAGITTAL, CORONAL = (0.0, 1, 0, 0, 0, -1), (1.0, 0, 0, 0, 0, -1)
PLANES: Final = {
    "axial": AXIAL,
    "sagittal": SAGITTAL,
    "coronal": CORONAL,
    "oblique": OBLIQUE,
}
SHELLS: Final = [(0.0, (0.0, 0.0, 0.0))] * 2 + WEIGHTINGS[1:] * 2
"""b = 0 twice, each weighting twice."""


def _volumes(array: DicomArray) -> list[int]:
    return [one[0] // 10 for one in corner(array)]


def _directions(array: DicomArray) -> NDArray[np.float64]:
    return np.stack([array.coords[f"diffusion_{a}"].values for a in "xyz"], axis=1)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("planes", [2, 9])
def test_weightings_of_every_vendor_are_one_axis(
    tmp_path: Path, vendor: str, planes: int
) -> None:
    write_diffusion(tmp_path, vendor, planes=planes)

    array = lazydicom.open_series(tmp_path)

    assert array.dims == ("diffusion", "z", "y", "x")
    assert array.shape[:2] == (5, planes)
    volumes = _volumes(array)
    expected = [WEIGHTINGS[volume][0] for volume in volumes]
    assert array.coords["b_value"].values.tolist() == expected
    values = [[10 * volume + k for k in range(planes)] for volume in volumes]
    assert corner(array) == values
    lengths = np.linalg.norm(_directions(array), axis=1)
    np.testing.assert_allclose(lengths[np.array(expected) > 0], 1, atol=1e-3)


@pytest.mark.parametrize("vendor", VENDORS)
def test_weightings_that_come_twice_are_one_axis(tmp_path: Path, vendor: str) -> None:
    write_diffusion(tmp_path, vendor, weightings=SHELLS)

    array = lazydicom.open_series(tmp_path)

    flat = np.asarray(array)[..., 0, 0].reshape(-1, 3)
    assert sorted(flat[:, 0].tolist()) == [10 * volume for volume in range(10)]
    assert (np.ptp(flat // 10, axis=1) == 0).all()
    b_value = array.coords["b_value"]
    shape = [array.shape[array.dims.index(name)] for name in array.dims[:-3]]
    sizes = [
        size if name in b_value.dims else 1
        for name, size in zip(array.dims[:-3], shape, strict=True)
    ]
    b_values = np.broadcast_to(b_value.values.reshape(sizes), shape).ravel()
    expected = [SHELLS[volume][0] for volume in (flat[:, 0] // 10).tolist()]
    assert b_values.tolist() == expected


@pytest.mark.parametrize("name", PLANES)
@pytest.mark.parametrize("vendor", sorted(set(VENDORS) - {"Canon, by comments"}))
def test_directions_are_those_of_dcm2niix(
    tmp_path: Path, vendor: str, name: str
) -> None:
    write_diffusion(tmp_path, vendor, axes=PLANES[name])

    array = lazydicom.open_series(tmp_path)

    theirs = _by_dcm2niix(tmp_path)
    for volume, found, b_value in zip(
        _volumes(array), _directions(array), array.coords["b_value"].values, strict=True
    ):
        expected_b, expected = theirs[volume]
        assert b_value == expected_b
        np.testing.assert_allclose(np.nan_to_num(found), expected, atol=2e-3)


def _by_dcm2niix(folder: Path) -> dict[int, tuple[float, NDArray[np.float64]]]:
    """Return b-value and direction in LPS, by the number of the volume."""
    nibabel, program = import_module("nibabel"), import_module("dcm2niix").bin
    out = folder / "out"
    out.mkdir()
    options = ["-z", "n", "-b", "n", "-d", "0", "-f", "o", "-o", str(out), str(folder)]
    subprocess.run([program, *options], check=True, capture_output=True)
    image = nibabel.load(out / "o.nii")
    vectors = np.loadtxt(out / "o.bvec").T
    axes = image.affine[:3, :3] / np.linalg.norm(image.affine[:3, :3], axis=0)
    if np.linalg.det(axes) > 0:  # FSL's convention
        vectors[:, 0] *= -1
    directions = (axes @ vectors.T).T * [-1, -1, 1]
    volumes = np.asarray(image.dataobj)[0, 0].min(axis=0) // 10
    b_values = np.loadtxt(out / "o.bval")
    return {
        int(volume): (float(b), direction)
        for volume, b, direction in zip(volumes, b_values, directions, strict=True)
    }


@pytest.mark.parametrize(
    ("vendor", "group", "creator"),
    [
        ("GE", 0x43, "GEMS_PARM_01"),
        ("Siemens", 0x19, "SIEMENS MR HEADER"),
        ("Siemens CSA", 0x29, "SIEMENS CSA HEADER"),
        ("Philips", 0x2001, "Philips Imaging DD 001"),
        ("UIH", 0x65, "Image Private Header"),
    ],
)
@pytest.mark.parametrize("change", ["moved", "renamed", "unnamed"])
@pytest.mark.filterwarnings("ignore::lazydicom.errors.LazyDicomWarning")
def test_a_block_is_whose_name_it_bears(
    tmp_path: Path, vendor: str, group: int, creator: str, change: str
) -> None:
    write_diffusion(tmp_path, vendor)
    for path in tmp_path.iterdir():
        _change_block(path, group, creator, change)

    array = lazydicom.open_series(tmp_path)

    theirs = change == "renamed"
    b_values = array.coords.get("b_value")
    if theirs:
        assert b_values is None
    else:
        assert b_values is not None
        assert sorted(b_values.values.tolist()) == [0, 1000, 1000, 1000, 2000]


def _change_block(path: Path, group: int, creator: str, change: str) -> None:
    """Move a private block as archives do, or change the name of its owner."""
    ds = pydicom.dcmread(path)
    if change == "renamed":
        ds[group, 0x10].value = "SOMEBODY"
    else:
        own = [e for e in ds if e.tag.group == group and e.tag.element >> 8 == 0x10]
        del ds[group, 0x10]
        if change == "moved":
            ds.add_new((group, 0x10), "LO", "SOMEBODY")
            ds.add_new((group, 0x13), "LO", creator)
            for one in own:
                del ds[one.tag]
                ds.add_new((group, 0x1300 | one.tag.element & 0xFF), one.VR, one.value)
    ds.save_as(path)


REAL: Final = {
    "10_series/ge_dti_classic": [0, 1000],
    "01_native_multiframe/3000.dcm": [0] + [1500] * 12,
    "01_native_multiframe/DTI.dcm": [0] + [1000] * 7,
}


@pytest.mark.parametrize("path", REAL)
def test_real_series_have_their_b_values(path: str) -> None:
    folder = require_shared_data(path)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LazyDicomWarning)
        array = lazydicom.open_series(folder)

    found = array.coords["b_value"].values.tolist()
    assert len(array.shape) == 4
    assert sorted(found) == REAL[path]
