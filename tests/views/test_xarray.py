"""The xarray view and the backend: lazy, labelled, decoded as xarray decodes."""

from __future__ import annotations

import pickle
import shutil
from typing import TYPE_CHECKING, Any, Final

import dask
import numpy as np
import pytest
import xarray as xr
from counting import open_counted
from dicom_files import element, make_native
from pydicom import dcmread
from range_server import RangeServer
from real_files import real_file
from series_files import write_instance, write_times_and_echoes, write_volume

import lazydicom
from lazydicom._views.xarray import LazyDicomBackend

if TYPE_CHECKING:
    from pathlib import Path

RESCALE_INTERCEPT: Final = 0x00281052
RESCALE_SLOPE: Final = 0x00281053
RESCALE_TYPE: Final = 0x00281054
PADDING: Final = 0x00280120
PADDING_LIMIT: Final = 0x00280121

BASIC: Final[list[dict[str, Any]]] = [
    {},
    {"z": 2},
    {"z": -1, "y": 0},
    {"time": 1, "z": 2, "y": 1, "x": -1},
    {"z": slice(1, 3), "x": slice(None, None, 2)},
    {"z": slice(None, None, -1), "y": slice(2, 0, -1)},
    {"z": slice(0, 0)},
]
OUTER: Final[list[dict[str, Any]]] = [
    {"z": [3, 0, 3]},
    {"time": [2, 0], "z": [1, 3], "x": [0, 2, 3]},
    {"time": [1], "echo": 1, "z": slice(1, None), "y": [2, 0]},
    {"z": np.array([True, False, True, False])},
    {"z": []},
]
VECTORISED: Final[list[dict[str, Any]]] = [
    {"time": ("p", [0, 2, 1]), "z": ("p", [3, 0, 3])},
    {"z": ("p", [3, 1]), "y": ("p", [0, 2]), "x": ("p", [1, 1])},
    {"time": (("p", "q"), [[0, 1], [2, 0]]), "z": ("q", [1, 2]), "echo": 0},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("series")
    write_times_and_echoes(folder, np.arange(24))
    return folder


def rescaled(
    folder: Path, slopes: list[str], texts: dict[int, tuple[str, str]] | None = None
) -> Path:
    """Write planes of the value 10, each with its slope."""
    for k, slope in enumerate(slopes):
        values = {
            RESCALE_SLOPE: ("DS", slope),
            RESCALE_INTERCEPT: ("DS", "-5"),
            **(texts or {}),
        }
        write_instance(
            folder / f"{k}.dcm", z=2.5 * k, number=k + 1, value=10, texts=values
        )
    return folder


def _as_index(by_dim: dict[str, Any]) -> dict[str, Any]:
    return {
        dim: xr.Variable(*key) if isinstance(key, tuple) else key
        for dim, key in by_dim.items()
    }


@pytest.mark.parametrize("chunks", [None, {}, {"time": 2, "z": 3}], ids=str)
@pytest.mark.parametrize("by_dim", [*BASIC, *OUTER, *VECTORISED], ids=str)
def test_indexing_is_that_of_the_materialised_array(
    folder: Path, by_dim: dict[str, Any], chunks: dict[str, int] | None
) -> None:
    lazy = xr.open_dataset(folder, engine="lazydicom", chunks=chunks)
    array = lazydicom.open_series(folder)
    loaded = xr.DataArray(np.asarray(array), dims=array.dims)

    taken = lazy.pixels.isel(_as_index(by_dim))

    expected = loaded.isel(_as_index(by_dim))
    assert taken.dims == expected.dims
    np.testing.assert_array_equal(taken.values, expected.values)


def test_indexing_twice_is_that_of_the_materialised_array(folder: Path) -> None:
    lazy = xr.open_dataset(folder, engine="lazydicom").pixels
    loaded = xr.open_dataset(folder, engine="lazydicom").load().pixels

    for one, two in (
        ({"z": [3, 0, 3]}, {"z": slice(None, None, 2), "time": 1}),
        ({"time": [2, 0], "x": [0, 2, 3]}, {"x": [1, 0], "z": -1}),
        ({"z": slice(1, None)}, {"z": [2, 0], "y": slice(0, 0)}),
    ):
        taken = lazy.isel(one).isel(two)

        np.testing.assert_array_equal(taken.values, loaded.isel(one).isel(two).values)


def test_dims_coords_and_attrs_are_those_of_the_series(folder: Path) -> None:
    array = lazydicom.open_series(folder)

    pixels = lazydicom.to_xarray(array)

    assert pixels.dims == array.dims == ("time", "echo", "z", "y", "x")
    np.testing.assert_array_equal(pixels.z, [0, 2.5, 5, 7.5])
    assert pixels.z.attrs["units"] == "mm"
    assert pixels.time.attrs["units"] == "s"
    np.testing.assert_allclose(pixels.dicom.affine, array.attrs["affine"])
    assert pixels.sel(z=5.4, method="nearest").z == 5
    assert pixels.sel(z=slice(2, 6)).shape == (3, 2, 2, 3, 4)


def test_chunks_are_whole_frames_as_many_as_suit_a_task(folder: Path) -> None:
    pixels = xr.open_dataset(folder, engine="lazydicom", chunks={}).pixels

    assert pixels.chunks == ((1,) * 3, (1,) * 2, (4,), (3,), (4,))
    single = xr.open_dataset(folder, engine="lazydicom", chunks={"z": 1}).pixels
    assert single.chunks == ((1,) * 3, (1,) * 2, (1,) * 4, (3,), (4,))
    joined = xr.open_dataset(folder, engine="lazydicom", chunks="auto").pixels
    assert joined.chunks == ((3,), (2,), (4,), (3,), (4,))


def test_one_selected_frame_reads_one_frame(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "many.dcm"
    path.write_bytes(make_native(number_of_frames=10, elements=scaling("2")))
    array, counter = open_counted(monkeypatch, path)

    choices: tuple[dict[str, int] | None, ...] = (None, {})
    for chunks in choices:
        pixels = lazydicom.to_xarray(array, chunks=chunks, mask_and_scale=True)
        assert counter.reads == 0
        value = pixels.sel(frame=7).max().compute()

        assert counter.reads == 1
        assert counter.bytes_read == array.nbytes // 10
        assert value == array[7].max() * 2.0 - 5
        counter.spans.clear()


@pytest.mark.parametrize("slopes", [["2"] * 6, ["1", "2", "3", "4", "5", "6"]])
@pytest.mark.parametrize("chunks", [None, {}, {"z": 3}], ids=str)
def test_one_selected_plane_of_a_distant_series_is_one_request(
    tmp_path: Path, slopes: list[str], chunks: dict[str, int] | None
) -> None:
    rescaled(tmp_path, slopes)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with RangeServer(files) as server:
        urls: Any = [server.url(name) for name in files]
        pixels = xr.open_dataset(urls, engine="lazydicom", chunks=chunks).pixels
        opened = len(server.requests)

        plane = pixels.sel(z=5.4, method="nearest").compute()

        assert len(server.requests) - opened == 1
        assert plane.z == 5
        assert (plane == 10 * float(slopes[2]) - 5).all()


def scaling(slope: str) -> dict[int, bytes | None]:
    return {
        RESCALE_SLOPE: element(RESCALE_SLOPE, "DS", slope.encode()),
        RESCALE_INTERCEPT: element(RESCALE_INTERCEPT, "DS", b"-5"),
    }


def test_same_slope_becomes_scale_factor_and_add_offset(tmp_path: Path) -> None:
    rescaled(tmp_path, ["2", "2"], {RESCALE_TYPE: ("LO", "HU")})

    decoded = xr.open_dataset(tmp_path, engine="lazydicom").pixels
    stored = xr.open_dataset(tmp_path, engine="lazydicom", mask_and_scale=False).pixels

    assert (stored.attrs["scale_factor"], stored.attrs["add_offset"]) == (2.0, -5.0)
    assert stored.dtype == np.uint16
    assert decoded.encoding["scale_factor"] == 2.0
    assert decoded.attrs["units"] == "HU"
    assert not {"scale_factor", "rescale_slope"} & set(decoded.attrs)
    np.testing.assert_array_equal(decoded, np.full((2, 3, 4), 15.0))
    np.testing.assert_array_equal(stored, np.full((2, 3, 4), 10))


def test_slopes_of_each_slice_are_applied_to_it_and_told_beside_stored_values(
    tmp_path: Path,
) -> None:
    rescaled(tmp_path, ["2", "3", "0.5"])

    decoded = xr.open_dataset(tmp_path, engine="lazydicom")
    stored = xr.open_dataset(tmp_path, engine="lazydicom", mask_and_scale=False)

    np.testing.assert_array_equal(decoded.pixels[:, 0, 0], [15, 25, 0])
    assert "rescale_slope" not in decoded.coords
    np.testing.assert_array_equal(stored.pixels[:, 0, 0], [10, 10, 10])
    np.testing.assert_array_equal(stored.rescale_slope, [2, 3, 0.5])
    by_hand = stored.pixels * stored.rescale_slope + stored.rescale_intercept
    np.testing.assert_array_equal(by_hand, decoded.pixels)


def test_hole_is_rescaled_as_all_others_are_or_unknown(tmp_path: Path) -> None:
    for name, slopes in (
        ("same", ["2", "2", "2", "2"]),
        ("each", ["2", "3", "4", "5"]),
    ):
        folder = tmp_path / name
        folder.mkdir()
        rescaled(folder, slopes)
        (folder / "1.dcm").unlink()

        with pytest.warns(match="missing"):
            pixels = xr.open_dataset(
                folder, engine="lazydicom", on_gap="fill", fill_value=7
            ).pixels

        expected = [15, 9, 15, 15] if name == "same" else [15, np.nan, 35, 45]
        np.testing.assert_array_equal(pixels[:, 0, 0], expected)


def test_values_that_nothing_scales_stay_integers(tmp_path: Path) -> None:
    write_volume(tmp_path)

    assert xr.open_dataset(tmp_path, engine="lazydicom").pixels.dtype == np.uint16


def padded(*, limit: int | None = None) -> bytes:
    elements = scaling("2")
    pairs = ((PADDING, 3), (PADDING_LIMIT, limit))
    for tag, value in pairs:
        if value is not None:
            elements[tag] = element(tag, "US", value.to_bytes(2, "little"))
    return make_native(
        np.arange(24, dtype=np.uint16).reshape(2, 3, 4), elements=elements
    )


def test_padding_is_missing() -> None:
    array = lazydicom.open_image(padded())

    decoded = lazydicom.to_xarray(array, mask_and_scale=True)

    expected = np.asarray(array) * 2.0 - 5
    expected[np.asarray(array) == 3] = np.nan
    np.testing.assert_array_equal(decoded, expected)
    assert lazydicom.to_xarray(array).attrs["_FillValue"] == 3


def test_range_of_padding_is_missing() -> None:
    array = lazydicom.open_image(padded(limit=6))

    decoded = lazydicom.to_xarray(array, mask_and_scale=True)

    stored = np.asarray(array)
    expected = np.where((stored >= 3) & (stored <= 6), np.nan, stored * 2.0 - 5)
    np.testing.assert_array_equal(decoded, expected)
    assert "_FillValue" not in lazydicom.to_xarray(array).attrs


def test_computed_values_are_not_scaled_again(tmp_path: Path) -> None:
    rescaled(tmp_path, ["2", "2"], {RESCALE_TYPE: ("LO", "HU")})
    array = lazydicom.open_series(tmp_path)

    pixels = lazydicom.to_xarray(
        lazydicom.apply_modality_lut(array), mask_and_scale=True
    )

    np.testing.assert_array_equal(pixels, np.full((2, 3, 4), 15.0))
    assert "scale_factor" not in pixels.encoding
    assert pixels.attrs["units"] == "HU"


def test_pickled_dataset_opens_where_it_arrives(folder: Path) -> None:
    choices: tuple[dict[str, int] | None, ...] = (None, {})
    for chunks in choices:
        dataset = xr.open_dataset(folder, engine="lazydicom", chunks=chunks)

        again = pickle.loads(pickle.dumps(dataset))

        xr.testing.assert_identical(again.load(), dataset.load())


def test_tasks_run_on_any_thread(folder: Path) -> None:
    lazy = xr.open_dataset(folder, engine="lazydicom", chunks={"z": 1}).pixels
    expected = xr.open_dataset(folder, engine="lazydicom").pixels.values

    for scheduler in ("threads", "synchronous"):
        with dask.config.set(scheduler=scheduler):
            np.testing.assert_array_equal(lazy.values, expected)


def test_series_of_several_folders_concatenate(tmp_path: Path) -> None:
    folders = [tmp_path / str(k) for k in range(3)]
    for one in folders:
        one.mkdir()
        write_volume(one)

    dataset = xr.open_mfdataset(
        folders, engine="lazydicom", combine="nested", concat_dim="visit"
    )

    assert dataset.pixels.dims == ("visit", "z", "y", "x")
    expected = lazydicom.open_series(folders[0])
    np.testing.assert_array_equal(dataset.pixels[2], expected)


def test_files_of_one_plane_combine_by_their_coordinates(tmp_path: Path) -> None:
    write_volume(tmp_path)

    dataset = xr.open_mfdataset(str(tmp_path / "*.dcm"), combine="by_coords")

    np.testing.assert_array_equal(dataset.z, [0, 2.5, 5, 7.5])
    np.testing.assert_array_equal(dataset.pixels[:, 0, 0], range(4))


def test_study_opens_as_a_tree(tmp_path: Path) -> None:
    for name, series in (("a", "1.2.3"), ("b", "1.2.4")):
        for k in range(2):
            path = tmp_path / f"{name}{k}.dcm"
            write_instance(path, z=k, number=k + 1, value=k, series=series)

    tree = xr.open_datatree(tmp_path, engine="lazydicom")
    groups = xr.open_groups(tmp_path, engine="lazydicom")

    assert set(tree.children) == {"3-MR", "4-MR"}
    assert set(groups) == {"/3-MR", "/4-MR"}
    np.testing.assert_array_equal(tree["4-MR"].dataset.pixels[:, 0, 0], [0, 1])


def test_dcm_opens_without_naming_the_engine(tmp_path: Path) -> None:
    shutil.copy(real_file("pydicom/test_files/CT_small.dcm"), tmp_path / "a.DCM")

    pixels = xr.open_dataset(tmp_path / "a.DCM").pixels

    dataset = dcmread(tmp_path / "a.DCM")
    stored = dataset.pixel_array
    expected = np.where(stored == dataset.PixelPaddingValue, np.nan, stored - 1024.0)
    np.testing.assert_array_equal(pixels[0], expected)
    assert pixels.attrs["units"] == "HU"


@pytest.mark.parametrize(
    ("name", "can"),
    [
        ("a.dcm", True),
        ("s3://bucket/A.DICOM?versionId=a.nc", True),
        ("a.nc", False),
        ("", False),
        (b"a.dcm", False),
        (object(), False),
    ],
)
def test_guess_goes_by_the_name(name: object, can: bool) -> None:
    assert LazyDicomBackend().guess_can_open(name) is can


def test_source_is_named_without_secrets(tmp_path: Path) -> None:
    import fsspec

    fs = fsspec.filesystem("memory")
    write_volume(tmp_path)
    for path in tmp_path.iterdir():
        fs.pipe(f"/labelled/{path.name}", path.read_bytes())

    dataset = xr.open_dataset("memory://labelled", engine="lazydicom")

    assert dataset.encoding["source"].endswith("/labelled")
    assert dataset.pixels.encoding["source"].startswith("memory://")


def test_variables_can_be_dropped(folder: Path) -> None:
    dataset = xr.open_dataset(folder, engine="lazydicom", drop_variables=["time"])

    assert "time" not in dataset.variables


def test_options_of_a_series_reach_it(tmp_path: Path) -> None:
    write_volume(tmp_path, planes=5, skip=frozenset((2,)))

    with pytest.warns(match="missing"):
        dataset = xr.open_dataset(
            tmp_path, engine="lazydicom", on_gap="fill", fill_value=9, source=True
        )

    assert dataset.pixels[2].values.tolist() == [[9] * 4] * 3
    assert dataset.sop_instance_uid[1] == "1.2.3.2"


def test_every_plane_of_a_pet_is_scaled_as_pydicom_does() -> None:
    folder = real_file("shared/10_series/pet_per_slice_rescale")
    if not folder.exists():
        pytest.skip("../shared/data is absent")
    array = lazydicom.open_series(folder)

    pixels = xr.open_dataset(folder, engine="lazydicom", chunks={"z": 10}).pixels

    for z in (0, 33, 66):
        dataset = array.images[array.grid.numbers[z]].header.dataset
        slope, intercept = dataset.RescaleSlope, dataset.RescaleIntercept
        expected = array[z] * float(slope) + float(intercept)
        np.testing.assert_array_equal(pixels[z], expected)
    assert pixels.attrs["units"] == "GML"


@pytest.mark.parametrize("length", [1, 2, 5])
def test_slices_that_go_backwards_and_are_empty_are_empty(length: int) -> None:
    array = lazydicom.open_image(
        make_native(number_of_frames=length, rows=3, columns=2)
    )
    pixels, values = lazydicom.to_xarray(array), np.asarray(array)

    for start in (None, *range(-length, length + 3)):
        for stop in (None, *range(-length - 3, length + 3)):
            for step in (-1, -2, -3):
                key = slice(start, stop, step)
                np.testing.assert_array_equal(pixels[key].values, values[key])
