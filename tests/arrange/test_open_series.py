"""Series become arrays whose axes a radiographer would name, and errors that help."""

from __future__ import annotations

import pickle
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle_plugins import name_plugin
from real_series import REAL_SERIES
from series_files import write_instance, write_times_and_echoes, write_volume
from tools import SHARED_DATA, require_shared_data

import lazydicom
from lazydicom.errors import InvalidDicomError, LazyDicomWarning

if TYPE_CHECKING:
    from pathlib import Path

    from real_series import Series

    from lazydicom import DicomArray


def open_quietly(path: Path, **options: object) -> DicomArray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LazyDicomWarning)
        return lazydicom.open_series(path, **options)  # type: ignore[arg-type]


def test_no_real_series_is_left_out() -> None:
    named = {one.path for one in REAL_SERIES}

    for folder in ("01_native_multiframe", "10_series"):
        for path in require_shared_data(folder).iterdir():
            name = str(path.relative_to(SHARED_DATA))
            parts = {one for one in named if one.startswith(f"{name}/")}
            assert name in named or parts, name


@pytest.mark.parametrize("series", REAL_SERIES, ids=lambda one: one.path[:60])
def test_real_series_open_to_the_axes_a_radiographer_would_name(series: Series) -> None:
    pieces = series.open()

    assert len(pieces) == series.pieces
    for array in pieces:
        assert (array.dims, array.shape) == (tuple(series.dims.split()), series.shape)
        assert array.attrs.get("number_of_holes", 0) == series.missing


@pytest.mark.parametrize(
    "series",
    [one for one in REAL_SERIES if one.on_gap != "error"],
    ids=lambda one: one.path[:60],
)
def test_what_a_real_series_lacks_is_an_error(series: Series) -> None:
    with pytest.raises(InvalidDicomError, match="on_gap"):
        open_quietly(require_shared_data(series.path))


@pytest.mark.parametrize(
    "series",
    [
        one
        for one in REAL_SERIES
        if one.on_gap == "error" and "zip" not in one.path and "mosaic" not in one.path
    ],
    ids=lambda one: one.path[:60],
)
def test_every_frame_is_the_one_of_its_position(series: Series) -> None:
    array = open_quietly(require_shared_data(series.path))
    values = np.asarray(array).reshape(-1, *array.frame_shape)
    datasets = [name_plugin(pydicom.dcmread(image.url)) for image in array.images]
    frames = [
        (d, k)
        for d, i in zip(datasets, array.images, strict=True)
        for k in range(len(i))
    ]
    z = np.broadcast_to(np.arange(array.grid.shape[-1]), array.grid.shape).reshape(-1)

    for number, plane, value in zip(
        array.grid.numbers.reshape(-1), z, values, strict=True
    ):
        dataset, frame = frames[number]
        pixels = dataset.pixel_array.reshape(-1, *array.frame_shape)[frame]
        np.testing.assert_array_equal(value, pixels)
        expected = position_of(dataset, frame)
        np.testing.assert_allclose(
            (array.attrs["affine"] @ [0, 0, plane, 1])[:3], expected, atol=0.02
        )


def position_of(dataset: pydicom.Dataset, frame: int) -> list[float]:
    if "PerFrameFunctionalGroupsSequence" not in dataset:
        return list(dataset.ImagePositionPatient)
    groups = dataset.PerFrameFunctionalGroupsSequence[frame]
    if "PlanePositionSequence" not in groups:
        groups = dataset.SharedFunctionalGroupsSequence[0]
    return list(groups.PlanePositionSequence[0].ImagePositionPatient)


# --- what does not matter --------------------------------------------------------------


@given(order=st.permutations(range(24)))
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_names_order_and_numbers_of_instances_do_not_matter(
    order: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("series")
    write_times_and_echoes(folder, np.array(order))

    array = lazydicom.open_series(folder)

    assert array.dims == ("time", "echo", "z", "y", "x")
    expected = np.arange(24).reshape(3, 2, 4)
    np.testing.assert_array_equal(np.asarray(array)[..., 0, 0], expected)
    np.testing.assert_allclose(array.coords["time"], [0, 2, 4])
    np.testing.assert_allclose(array.coords["echo"], [10, 20])
    assert array.coords["echo"].units == "ms"
    np.testing.assert_allclose(
        array.attrs["affine"] @ [1, 0, 3, 1], [-8.5, -20, 7.5, 1]
    )
    by_name = lazydicom.open_series([folder / f"{n:03d}" for n in order])
    np.testing.assert_array_equal(np.asarray(by_name), np.asarray(array))
    assert {**by_name.attrs, "affine": 0} == {**array.attrs, "affine": 0}


# --- labels ----------------------------------------------------------------------------


def test_source_names_the_instance_and_frame_of_every_position(tmp_path: Path) -> None:
    write_volume(tmp_path)

    plain = lazydicom.open_series(tmp_path)
    array = lazydicom.open_series(tmp_path, source=True)

    assert "sop_instance_uid" not in plain.coords
    assert "series_instance_uid" not in plain.attrs
    uids = array.coords["sop_instance_uid"]
    assert (uids.dims, uids.values.tolist()) == (
        ("z",),
        [f"1.2.3.{k}" for k in range(1, 5)],
    )
    assert array.coords["frame_number"].values.tolist() == [0, 0, 0, 0]
    assert array.attrs["series_instance_uid"] == "1.2.3"


def test_coordinates_are_positions_in_the_patient(tmp_path: Path) -> None:
    write_volume(tmp_path)

    array = lazydicom.open_series(tmp_path)

    np.testing.assert_allclose(array.coords["x"], [-10, -8.5, -7, -5.5])
    np.testing.assert_allclose(array.coords["y"], [-20, -18, -16])
    assert array.attrs["spacing"] == [2.5, 2.0, 1.5]
    np.testing.assert_allclose(
        array.attrs["affine"] @ [3, 2, 1, 1], [-5.5, -16, 2.5, 1]
    )


def test_gantry_tilt_stays_in_the_affine() -> None:
    array = lazydicom.open_series(require_shared_data("10_series/bad_gantry_tilt"))

    assert array.attrs["gantry_tilt"] == pytest.approx(14, abs=1e-6)
    np.testing.assert_allclose(array.attrs["affine"][:3, 2], [0, 0, 5], atol=1e-3)
    assert array.attrs["spacing"][0] == pytest.approx(
        5 * np.cos(np.radians(14)), abs=1e-4
    )


def test_every_plane_of_a_pet_has_its_slope() -> None:
    array = lazydicom.open_series(
        require_shared_data("10_series/pet_per_slice_rescale")
    )

    slopes = array.coords["rescale_slope"]
    assert slopes.dims == ("z",)
    dataset = pydicom.dcmread(array.images[int(array.grid.numbers[5])].url)
    assert slopes.values[5] == float(dataset.RescaleSlope)
    assert "rescale_slope" not in array.attrs


def test_without_positions_there_is_no_affine(tmp_path: Path) -> None:
    nowhere = {0x00200032: ("DS", ""), 0x00200037: ("DS", "")}
    for k in range(3):
        write_instance(tmp_path / str(k), z=0, number=3 - k, value=k, texts=nowhere)

    array = lazydicom.open_series(tmp_path)

    assert array.dims == ("frame", "y", "x")
    assert "affine" not in array.attrs
    assert array[:, 0, 0].tolist() == [2, 1, 0]


# --- files that are framed alike are opened together ----------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "ct_head_93slices",
        "pet_per_slice_rescale",
        "ge_fmri_4d_phantom",
        "philips_fmri_phantom",
        "mag_phase_fieldmap",
    ],
)
def test_files_opened_together_are_what_they_are_alone(name: str) -> None:
    folder = require_shared_data("10_series", name)
    together = open_quietly(folder, source=True)
    alone = open_quietly(folder, source=True, local="mmap")

    np.testing.assert_array_equal(np.asarray(together), np.asarray(alone))
    assert {**together.attrs, "affine": 0} == {**alone.attrs, "affine": 0}
    assert set(together.coords) == set(alone.coords)
    for key, coordinate in alone.coords.items():
        assert together.coords[key].dims == coordinate.dims
        np.testing.assert_array_equal(together.coords[key], coordinate)
    first = together.images[0]
    assert first.header.image_pixel == first.format.pixel
    assert first.index.offsets[0] == first.header.pixel_data.offset


def test_a_file_that_differs_among_many_is_opened_by_itself(tmp_path: Path) -> None:
    write_volume(tmp_path, planes=12)
    odd = pydicom.dcmread(tmp_path / "5.dcm")
    odd.BitsStored, odd.HighBit = 12, 11
    odd.PixelData = np.full((3, 4), 0xF005, np.uint16).tobytes()
    odd.save_as(tmp_path / "5.dcm")
    extra = pydicom.dcmread(tmp_path / "7.dcm")
    extra.EchoTime = 5
    extra.save_as(tmp_path / "7.dcm")

    with pytest.warns(LazyDicomWarning, match="one volume differ in echo_time"):
        array = lazydicom.open_series(tmp_path)

    assert np.asarray(array)[:, 0, 0].tolist() == list(range(12))


@pytest.mark.parametrize("cut", [1, 30, 200, 350])
def test_a_short_file_among_many_is_an_error(tmp_path: Path, cut: int) -> None:
    write_volume(tmp_path, planes=12)
    path = tmp_path / "6.dcm"
    path.write_bytes(path.read_bytes()[:-cut])

    with pytest.raises(InvalidDicomError, match=r"6\.dcm"):
        lazydicom.open_series(tmp_path)


# --- mosaics ---------------------------------------------------------------------------


def test_tiles_of_a_mosaic_cost_one_frame() -> None:
    folder = require_shared_data("10_series/siemens_mosaic_interleave")
    array = lazydicom.open_series(folder)
    stored = pydicom.dcmread(array.images[0].url).pixel_array

    tile = array[0, 7]

    np.testing.assert_array_equal(tile, stored[64:128, 64:128])
    np.testing.assert_array_equal(
        array[0, [0, 35], 5, 3:6], [stored[5, 3:6], stored[325, 323:326]]
    )
    assert array.plan(0).frames == 1
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(array))[0, 7], tile)
