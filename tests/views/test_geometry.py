"""Geometry survives xarray: it is computed from the coordinates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
from noting import noting
from written_series import plane

import lazydicom

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

AXIAL = (1, 0, 0, 0, 1, 0)
SAGITTAL = (0, 1, 0, 0, 0, -1)
CORONAL = (1, 0, 0, 0, 0, -1)
OBLIQUE = (0.8, 0.6, 0, 0, 0, -1)
BACKWARDS = (-1, 0, 0, 0, 1, 0)
ORIENTATIONS = [AXIAL, SAGITTAL, CORONAL, OBLIQUE, BACKWARDS]
Index = tuple[int, int, int]


def _volume(folder: Path, axes: tuple[float, ...], tilt: float = 0.0) -> xr.DataArray:
    """Write 6 planes of 4×5 pixels, each of its own value."""
    normal = np.cross(axes[:3], axes[3:])
    step = 2.5 * normal + tilt * np.array(axes[3:])
    for k in range(6):
        place = (np.array([-30.0, 12.5, 7.0]) + k * step).tolist()
        plane(folder, k, place, axes=axes, spacing=(0.5, 0.75))
    return lazydicom.to_xarray(lazydicom.open_series(folder))


def _place(volume: xr.DataArray, z: float, y: float, x: float) -> Any:  # noqa: ANN401
    return (volume.dicom.affine @ [x, y, z, 1])[:3]


SELECTIONS: dict[str, tuple[Callable[[Any], Any], Index]] = {
    "nothing": (lambda v: v, (0, 0, 0)),
    "isel": (lambda v: v.isel(z=slice(2, 5), y=slice(1, 3), x=slice(2, 5)), (2, 1, 2)),
    "steps": (lambda v: v[::2, ::3, ::4], (0, 0, 0)),
    "reversed": (lambda v: v[::-1, ::-1, ::-1], (5, 3, 4)),
    "sel": (lambda v: v.sel(z=v.z[1:4], y=v.y[2:4]), (1, 2, 0)),
    "one plane": (lambda v: v.isel(z=3), (3, 0, 0)),
    "one pixel": (lambda v: v.isel(z=3, y=1, x=2), (3, 1, 2)),
    "transposed": (lambda v: v.transpose("x", "z", "y"), (0, 0, 0)),
    "computed": (lambda v: v.isel(z=slice(1, 4)) * 2 + 1, (1, 0, 0)),
    "list": (lambda v: v.isel(z=[1, 3, 5]), (1, 0, 0)),
    "chunked": (lambda v: v.chunk(z=2).isel(y=slice(1, None)), (0, 1, 0)),
    "concatenated": (
        lambda v: xr.concat([v.isel(z=slice(0, 2)), v.isel(z=slice(2, 6))], "z"),
        (0, 0, 0),
    ),
}


@pytest.mark.parametrize("axes", ORIENTATIONS)
@pytest.mark.parametrize("tilt", [0.0, 0.6])
def test_the_affine_of_a_selection_is_that_of_its_pixels(
    tmp_path: Path, axes: tuple[float, ...], tilt: float
) -> None:
    volume = _volume(tmp_path, axes, tilt)
    for name, (select, corner) in SELECTIONS.items():
        with noting(selection=name):
            part = select(volume)

            np.testing.assert_allclose(
                part.dicom.origin, _place(volume, *corner), rtol=0, atol=1e-6
            )


@pytest.mark.parametrize("axes", ORIENTATIONS)
@pytest.mark.parametrize("tilt", [0.0, 0.6])
def test_the_affine_is_that_of_the_array(
    tmp_path: Path, axes: tuple[float, ...], tilt: float
) -> None:
    volume = _volume(tmp_path, axes, tilt)
    array = lazydicom.open_series(tmp_path)

    np.testing.assert_allclose(volume.dicom.affine, array.attrs["affine"], atol=1e-9)
    np.testing.assert_allclose(volume.dicom.orientation, axes, atol=1e-9)
    np.testing.assert_allclose(volume.dicom.spacing[1:], [0.5, 0.75])


@pytest.mark.parametrize("axes", ORIENTATIONS)
def test_coarser_pixels_lie_in_the_middle_of_finer_ones(
    tmp_path: Path, axes: tuple[float, ...]
) -> None:
    volume = _volume(tmp_path, axes)

    coarse = volume.coarsen(z=2, y=2, x=2, boundary="trim").mean()

    np.testing.assert_allclose(coarse.dicom.spacing, [5, 1, 1.5])
    np.testing.assert_allclose(coarse.dicom.origin, _place(volume, 0.5, 0.5, 0.5))


@pytest.mark.parametrize("axes", ORIENTATIONS)
def test_interpolated_pixels_lie_where_they_were_asked_for(
    tmp_path: Path, axes: tuple[float, ...]
) -> None:
    volume = _volume(tmp_path, axes)

    finer = volume.interp(z=np.linspace(float(volume.z[1]), float(volume.z[3]), 9))

    np.testing.assert_allclose(finer.dicom.spacing, [0.625, 0.5, 0.75])
    np.testing.assert_allclose(finer.dicom.origin, _place(volume, 1, 0, 0))


def test_uneven_planes_have_no_affine(tmp_path: Path) -> None:
    volume = _volume(tmp_path, AXIAL).isel(z=[0, 1, 5])

    with pytest.raises(ValueError, match="z is not evenly spaced"):
        _ = volume.dicom.affine


@pytest.mark.parametrize("axes", ORIENTATIONS)
@pytest.mark.parametrize("code", ["LPS", "RAS", "LAS", "SPL"])
def test_reorienting_moves_no_pixel(
    tmp_path: Path, axes: tuple[float, ...], code: str
) -> None:
    volume = _volume(tmp_path, axes).assign_coords(time=("z", np.arange(6)))

    turned = volume.dicom.reorient(code)

    assert turned.dims == ("z", "y", "x")
    ways = {"L": 0, "R": 0, "P": 1, "A": 1, "S": 2, "I": 2}
    columns = turned.dicom.affine[:3, :3]
    assert np.abs(columns).argmax(axis=0).tolist() == [ways[one] for one in code]
    signs = np.sign(columns[np.abs(columns).argmax(axis=0), range(3)])
    assert signs.tolist() == [1 if one in "LPS" else -1 for one in code]
    back = np.linalg.inv(volume.dicom.affine)
    for index in [(0, 0, 0), (1, 2, 3), (3, 1, 2)]:
        x, y, z, _ = np.rint(back @ turned.dicom.affine @ [*index[::-1], 1]).astype(int)
        assert turned.values[index] == volume.values[z, y, x]


def test_reorienting_is_lazy(tmp_path: Path) -> None:
    folder = tmp_path / "series"
    folder.mkdir()
    volume = _volume(folder, SAGITTAL)
    folder.rename(tmp_path / "gone")

    turned = volume.dicom.reorient("LPS")
    (tmp_path / "gone").rename(folder)

    assert turned.isel(x=2).values.max() == turned.isel(x=2).values.min()


@pytest.mark.parametrize("code", ["", "LP", "LLS", "xyz", "LRS"])
def test_a_code_names_each_way_once(tmp_path: Path, code: str) -> None:
    with pytest.raises(ValueError, match="Expected a code"):
        _volume(tmp_path, AXIAL).dicom.reorient(code)


@pytest.mark.parametrize("axes", ORIENTATIONS)
@pytest.mark.parametrize("tilt", [0.0, 0.6])
def test_geometry_comes_back_from_netcdf(
    tmp_path: Path, axes: tuple[float, ...], tilt: float
) -> None:
    folder = tmp_path / "series"
    folder.mkdir()
    volume = _volume(folder, axes, tilt)

    volume.astype("int32").to_dataset(name="pixels").to_netcdf(tmp_path / "a.nc")
    with xr.open_dataset(tmp_path / "a.nc") as dataset:
        np.testing.assert_allclose(
            dataset.pixels.dicom.affine, volume.dicom.affine, atol=1e-9
        )
        np.testing.assert_array_equal(dataset.pixels.values, volume.values)


def test_no_attribute_has_two_dimensions(tmp_path: Path) -> None:
    volume = _volume(tmp_path, OBLIQUE)

    named = [volume.attrs, *(one.attrs for one in volume.coords.values())]
    for attrs in named:
        assert all(np.ndim(value) < 2 for value in attrs.values())
    assert not {"affine", "spacing", "orientation"} & set(volume.attrs)


def test_a_crop_written_by_nibabel_lies_on_the_original(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    volume = _volume(tmp_path, OBLIQUE)
    crop = volume.isel(z=slice(2, 5), y=slice(1, 4), x=slice(1, 3))
    to_ras = np.diag([-1, -1, 1, 1])

    image = nibabel.Nifti1Image(crop.values.T, to_ras @ crop.dicom.affine)

    here = to_ras @ image.affine @ [1, 2, 0, 1]
    np.testing.assert_allclose(here[:3], _place(volume, 2, 3, 2), atol=1e-6)


@pytest.mark.parametrize("chunks", [{}, "auto"])
def test_chunks_group_frames_as_to_dask_does(tmp_path: Path, chunks: object) -> None:
    _volume(tmp_path, AXIAL)

    opened = xr.open_dataset(tmp_path, engine="lazydicom", chunks=chunks)  # type: ignore[arg-type]

    assert opened.pixels.data.npartitions == 1
    expected = lazydicom.to_dask(lazydicom.open_series(tmp_path)).chunks
    assert opened.pixels.data.chunks == expected


def test_open_mfdataset_groups_frames(tmp_path: Path) -> None:
    path = plane(tmp_path, 1, (0, 0, 0))

    opened = xr.open_mfdataset([path], engine="lazydicom")

    assert opened.pixels.data.npartitions == 1


CROPS: list[dict[str, int | slice]] = [
    {"x": slice(None, None, -1)},
    {"y": slice(None, None, -2)},
    {"z": slice(4, 0, -1), "x": slice(1, 4)},
    {"z": slice(None, None, -1), "y": slice(None, None, -1), "x": slice(4, 1, -2)},
    {"z": 2},
    {"z": slice(3, 4), "y": slice(1, 2), "x": slice(4, 5)},
    {"y": -1, "x": slice(None, None, -1)},
    {"z": 1, "y": 2, "x": 3},
]


@pytest.mark.parametrize("axes", [AXIAL, SAGITTAL, OBLIQUE])
@pytest.mark.parametrize("tilt", [0.0, 0.6])
def test_a_part_of_an_array_is_labelled_where_it_lies(
    tmp_path: Path, axes: tuple[float, ...], tilt: float
) -> None:
    whole = _volume(tmp_path, axes, tilt)
    array = lazydicom.open_series(tmp_path)
    for crop in CROPS:
        with noting(crop=crop):
            assert_part_is_labelled_where_it_lies(whole, array, crop)


def assert_part_is_labelled_where_it_lies(
    whole: xr.DataArray, array: lazydicom.DicomArray, crop: dict[str, int | slice]
) -> None:
    part = array.isel(**crop)

    labelled = lazydicom.to_xarray(part)

    corner = {
        n: int(np.ravel(np.arange(whole.sizes[n])[crop.get(n, 0)])[0]) for n in "zyx"
    }
    np.testing.assert_allclose(
        labelled.dicom.affine, part.attrs["affine"], rtol=0, atol=1e-6
    )
    np.testing.assert_allclose(
        labelled.dicom.origin, _place(whole, **corner), rtol=0, atol=1e-6
    )
    for name in "zyx":
        np.testing.assert_allclose(
            labelled[name].attrs["direction"], whole[name].attrs["direction"], atol=1e-9
        )


def test_a_flipped_part_flipped_again_and_cut_to_one_pixel_keeps_its_place(
    tmp_path: Path,
) -> None:
    whole = _volume(tmp_path, OBLIQUE, 0.6)
    flipped = lazydicom.open_series(tmp_path).isel(
        z=slice(None, None, -1), x=slice(None, None, -1)
    )

    part = flipped.isel(z=slice(1, 2), x=slice(1, 2))

    labelled = lazydicom.to_xarray(part)
    np.testing.assert_allclose(labelled.dicom.affine, part.attrs["affine"], atol=1e-6)
    np.testing.assert_allclose(labelled.dicom.origin, _place(whole, 4, 0, 3), atol=1e-6)


def test_nothing_of_an_array_has_no_affine(tmp_path: Path) -> None:
    _volume(tmp_path, AXIAL)

    labelled = lazydicom.to_xarray(lazydicom.open_series(tmp_path).isel(z=slice(2, 2)))

    assert labelled.shape == (0, 4, 5)
    with pytest.raises(ValueError, match="no affine"):
        _ = labelled.dicom.affine
