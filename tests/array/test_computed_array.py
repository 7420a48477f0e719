"""Computed values on the routes that stored ones take, and not taken for these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
import zarr
from pydicom import Dataset
from real_files import real_file
from series_files import write_instance
from windowed_files import windowed

import lazydicom
from lazydicom.errors import ExportError, UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path

    from lazydicom import DicomArray


@pytest.fixture
def stored(tmp_path_factory: pytest.TempPathFactory) -> DicomArray:
    """Open a file whose Modality LUT gives values of the type of the stored ones."""
    dataset, item = windowed(), Dataset()
    del dataset.RescaleSlope, dataset.RescaleIntercept
    item.add_new(0x00283002, "US", [4096, 0, 16])
    item.add_new(0x00283006, "OW", np.arange(4096, dtype="<u2")[::-1].tobytes())
    dataset.ModalityLUTSequence = [item]
    path = tmp_path_factory.mktemp("stored") / "inverse.dcm"
    dataset.save_as(path, enforce_file_format=True)
    array = lazydicom.open_image(path)
    assert lazydicom.apply_modality_lut(array).dtype == array.dtype
    return array


def test_references_do_not_lead_behind_a_lut(
    stored: DicomArray, tmp_path: Path
) -> None:
    values = lazydicom.apply_modality_lut(stored)

    with pytest.raises(UnsupportedError, match="not behind a Modality LUT"):
        lazydicom.to_references(values, tmp_path / "out.json")

    assert not list(tmp_path.iterdir())


def test_copy_of_stored_values_is_not_resumed_with_computed_ones(
    stored: DicomArray, tmp_path: Path
) -> None:
    lazydicom.to_zarr(stored, tmp_path / "out.zarr", metadata="none")

    with pytest.raises(ExportError, match="another source"):
        lazydicom.to_zarr(
            lazydicom.apply_modality_lut(stored),
            tmp_path / "out.zarr",
            metadata="none",
            resume=True,
        )


def test_store_of_computed_values_is_another_store(stored: DicomArray) -> None:
    values = lazydicom.apply_modality_lut(stored)

    assert lazydicom.ZarrStore(values) != lazydicom.ZarrStore(stored)
    assert lazydicom.ZarrStore(values) == lazydicom.ZarrStore(
        lazydicom.apply_modality_lut(stored)
    )
    view = zarr.open_array(lazydicom.ZarrStore(values), mode="r")
    np.testing.assert_array_equal(view[...], values)


@pytest.mark.parametrize("slopes", [("2", "2"), ("2", "3")])
def test_what_is_applied_is_not_told_again(
    tmp_path: Path, slopes: tuple[str, ...]
) -> None:
    (tmp_path / "series").mkdir()
    for k, slope in enumerate(slopes):
        texts = {
            0x00281050: ("DS", f"{40 + k}"),
            0x00281051: ("DS", "400"),
            0x00281052: ("DS", "-5"),
            0x00281053: ("DS", slope),
        }
        path = tmp_path / "series" / str(k)
        write_instance(path, z=k, number=k, value=10, texts=texts)
    array = lazydicom.open_series(tmp_path / "series")
    rescale, window = {"rescale_slope", "rescale_intercept"}, {"window_center"}
    assert rescale | window < told(array)

    scaled = lazydicom.apply_modality_lut(array)
    shown = lazydicom.apply_voi_lut(array)

    assert not rescale & told(scaled)
    assert window < told(scaled)
    assert not (rescale | window) & told(shown)
    lazydicom.to_zarr(scaled, tmp_path / "copy.zarr", name="pixels")
    copy = xr.open_zarr(tmp_path / "copy.zarr")
    assert not rescale & {*copy.coords, *copy.pixels.attrs}
    np.testing.assert_array_equal(copy.pixels, scaled)


def told(array: Any) -> set[str]:  # noqa: ANN401
    return {*array.coords, *array.attrs}


def test_colours_of_a_palette_are_told_as_such() -> None:
    array = lazydicom.open_image(real_file("pydicom/test_files/examples_palette.dcm"))

    colours = lazydicom.apply_palette(array)

    assert array.attrs["photometric_interpretation"] == "PALETTE COLOR"
    assert colours.attrs["photometric_interpretation"] == "RGB"


@pytest.mark.parametrize("key", [slice(0, 0), slice(3, None), slice(2, 1)])
def test_no_colours_of_a_palette_keep_the_axis(key: slice) -> None:
    array = lazydicom.open_image(real_file("pydicom/test_files/examples_palette.dcm"))
    colours = lazydicom.apply_palette(array)

    none = colours.isel(sample=key)

    assert none.dims == colours.dims
    assert none.shape == np.asarray(none).shape == (*array.shape, 0)
    assert none.isel(sample=key).shape == none.shape
    assert lazydicom.to_dask(none).shape == none.shape


@pytest.mark.parametrize("key", [0, -1, slice(1, 2), slice(0, 0)])
def test_some_colours_of_a_palette_are_told_as_colours(key: int | slice) -> None:
    array = lazydicom.open_image(real_file("pydicom/test_files/examples_palette.dcm"))

    colours = lazydicom.apply_palette(array).isel(sample=key)

    assert colours.attrs["photometric_interpretation"] == "RGB"
