"""A part of an array is an array: lazy, with the coordinates and the geometry of the part."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from dicom_files import make_native, stored_pixels
from hypothesis import given, settings
from hypothesis import strategies as st
from series_files import write_instance, write_volume
from tiled_arrays import tiled_array
from tools import require_shared_data

import lazydicom
from lazydicom._array.coordinate import Coordinate, crop_coordinates

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lazydicom import DicomArray


NUMBERS = st.integers(-9, 9)
STEPS = st.sampled_from((None, 1, 2, 3, -1, -2))
KEYS = st.tuples(NUMBERS | st.none(), NUMBERS | st.none(), STEPS, st.booleans())


def parts(shape: tuple[int, ...]) -> st.SearchStrategy[list[int | slice]]:
    """Draw a slice for each axis, or an integer."""
    return st.lists(KEYS, min_size=len(shape), max_size=len(shape)).map(
        lambda keys: [_key(*one, n) for one, n in zip(keys, shape, strict=True)]
    )


def _key(
    start: int | None, stop: int | None, step: int | None, alone: bool, length: int
) -> int | slice:
    if alone and length:
        return (start or 0) % length
    return slice(start, stop, step)


def arrays() -> dict[str, tuple[DicomArray, NDArray[Any]]]:
    gray = stored_pixels(number_of_frames=6, rows=4, columns=5)
    color = stored_pixels(
        number_of_frames=3, rows=3, columns=4, samples_per_pixel=3, bits_allocated=8
    )
    return {
        "stack": (lazydicom.open_image(make_native(gray)), gray),
        "colour": (
            lazydicom.open_image(make_native(color, bits_allocated=8)),
            color,
        ),
        "tiles": tiled_array(plane=(13, 11), tile=(4, 3), outer=(2,)),
        "tiles with holes": tiled_array(
            plane=(9, 11),
            tile=(4, 3),
            samples=3,
            coding="JPEG-LS",
            holes={1, 5},
            fill_value=(1, 2, 3),
        ),
    }


ARRAYS = arrays()


@pytest.mark.parametrize("kind", ARRAYS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_part_of_a_part_has_the_values_that_numpy_gives(
    kind: str, data: st.DataObject
) -> None:
    array, values = ARRAYS[kind]
    for _ in range(2):
        keys = data.draw(parts(values.shape))
        array = array.isel(**dict(zip(array.dims, keys, strict=True)))
        values = values[tuple(keys)]

    assert array.shape == values.shape
    assert len(array.dims) == array.ndim
    assert np.array_equal(array[...], values)
    assert np.array_equal(pickle.loads(pickle.dumps(array))[...], values)
    if array.ndim:
        assert np.array_equal(lazydicom.to_dask(array).compute(), values)
        key = data.draw(parts(values.shape))
        assert np.array_equal(array[tuple(key)], values[tuple(key)])


def test_mosaics_are_cut_as_other_arrays_are() -> None:
    array = lazydicom.open_series(
        require_shared_data("10_series/siemens_mosaic_interleave")
    )
    values = np.asarray(array)

    part = array.isel(time=slice(1, 3), z=slice(None, None, -5), y=slice(7, 40), x=9)

    expected = values[1:3, ::-5, 7:40, 9]
    assert len(part.images) == 2
    np.testing.assert_array_equal(part, expected)
    np.testing.assert_array_equal(part[0, 2:4], expected[0, 2:4])
    single = array.isel(time=0, z=3)
    np.testing.assert_array_equal(single, values[0, 3])


def test_coordinates_and_geometry_are_those_of_the_part(tmp_path: Path) -> None:
    write_volume(tmp_path, planes=8)
    array = lazydicom.open_series(tmp_path)
    affine = np.array(array.attrs["affine"])

    part = array.isel(z=slice(6, 1, -2), y=slice(1, 3), x=2)

    assert part.dims == ("z", "y")
    np.testing.assert_array_equal(part.coords["z"], array.coords["z"].values[6:1:-2])
    np.testing.assert_array_equal(part.coords["y"], array.coords["y"].values[1:3])
    assert part.coords["x"].dims == ()
    for z, y in ((0, 0), (2, 1)):
        here = part.attrs["affine"] @ [0, y, z, 1]
        there = affine @ [2, 1 + y, 6 - 2 * z, 1]
        np.testing.assert_allclose(here, there)
    assert part.attrs["spacing"] == [
        2 * array.attrs["spacing"][0],
        *array.attrs["spacing"][1:],
    ]


def test_a_part_carries_the_images_and_the_table_that_it_needs(tmp_path: Path) -> None:
    for k in range(6):
        texts = {0x00281052: ("DS", "0"), 0x00281053: ("DS", f"{k + 1}")}
        write_instance(tmp_path / f"{k}", z=k, number=k, value=10, texts=texts)
    array = lazydicom.open_series(tmp_path)

    part = array.isel(z=slice(3, 5))

    assert len(part.images) == 2
    assert len(part.frames) == 2
    rescaled = lazydicom.apply_modality_lut(part)
    np.testing.assert_array_equal(
        rescaled, lazydicom.apply_modality_lut(array).read(slice(3, 5))
    )


def test_computed_values_are_cut_too(tmp_path: Path) -> None:
    for k in range(4):
        texts = {0x00281052: ("DS", "-5"), 0x00281053: ("DS", f"{k + 1}")}
        write_instance(tmp_path / f"{k}", z=k, number=k, value=10 + k, texts=texts)
    computed = lazydicom.apply_modality_lut(lazydicom.open_series(tmp_path))
    values = np.asarray(computed)

    for keys in (
        {"z": slice(None, None, -2), "y": slice(1, 3)},
        {"z": 2},
        {"x": 1},
        {"z": slice(1, 3), "x": slice(None, None, -1)},
    ):
        part = computed.isel(**keys)
        index = tuple(keys.get(dim, slice(None)) for dim in computed.dims)
        np.testing.assert_array_equal(part, values[index])
        assert part.identity() != computed.identity()


def test_exports_of_a_part_are_whole_copies(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_volume(tmp_path / "in", planes=6)
    array = lazydicom.open_series(tmp_path / "in")
    for number, keys in enumerate(
        ({"z": slice(1, 5), "y": slice(0, 2)}, {"z": 3}, {"x": slice(None, None, -1)})
    ):
        part = array.isel(**keys)  # type: ignore[arg-type]
        report = lazydicom.to_zarr(part, tmp_path / f"{number}.zarr", name="pixels")
        assert lazydicom.verify(report.url, part).ok
        copied = lazydicom.to_xarray(part)
        np.testing.assert_array_equal(copied.values, np.asarray(part))
        if "y" in part.dims and "x" in part.dims:
            lazydicom.to_ome_zarr(part, tmp_path / f"{number}.ome.zarr")


@pytest.mark.parametrize(
    ("keys", "error", "message"),
    [
        ({"time": 0}, ValueError, "Expected axes of"),
        ({"frame": [1, 2]}, TypeError, "an integer or a slice for frame"),
        ({"frame": 6}, IndexError, "out of bounds"),
        ({"frame": True}, TypeError, "an integer or a slice"),
    ],
)
def test_a_part_that_is_none_is_refused(
    keys: dict[str, Any], error: type[Exception], message: str
) -> None:
    array, _ = ARRAYS["stack"]

    with pytest.raises(error, match=message):
        array.isel(**keys)


@pytest.mark.parametrize("last", [slice(None, None, -2), slice(1, 3), slice(3, 1)])
def test_a_coordinate_of_two_axes_is_cut_along_both(last: slice) -> None:
    values = np.arange(12).reshape(3, 4)
    seconds = {"acquired": Coordinate(("time", "z"), values, "s")}

    cropped = crop_coordinates(
        seconds, {"time": range(2, -1, -1), "z": range(4)[last], "y": range(5)}
    )

    assert np.array_equal(cropped["acquired"].values, values[::-1, last])
    assert cropped["acquired"].dims == ("time", "z")
