"""Attributes of frames are read once, at opening; views open no file."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from enhanced_files import write_enhanced
from series_files import write_instance, write_volume

import lazydicom
from lazydicom._array.array import DicomArray

VIEWS: dict[str, Callable[[DicomArray], Any]] = {
    "to_xarray": lazydicom.to_xarray,
    "to_xarray with scaling": lambda a: lazydicom.to_xarray(a, mask_and_scale=True),
    "to_dask": lazydicom.to_dask,
    "modality": lazydicom.apply_modality_lut,
    "window": lambda a: lazydicom.apply_voi_lut(a, window=(40, 400)),
    "window of the file": lazydicom.apply_voi_lut,
    "both": lambda a: lazydicom.apply_voi_lut(lazydicom.apply_modality_lut(a)),
    "frames": lambda a: a.frames.numbers("rescale_slope"),
}
SCALED = {0x00281052: ("DS", "-5"), 0x00281050: ("DS", "40"), 0x00281051: ("DS", "99")}


def _write_scaled(folder: Path, count: int) -> None:
    for k in range(count):
        texts = {**SCALED, 0x00281053: ("DS", str(1 + k))}
        path = folder / f"{k}.dcm"
        write_instance(path, z=2.5 * k, number=k + 1, value=k, texts=texts)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("count", [3, 30])
def test_no_view_opens_a_file_of_a_series(
    tmp_path: Path, view: str, count: int
) -> None:
    folder = tmp_path / "series"
    folder.mkdir()
    _write_scaled(folder, count)
    array = lazydicom.open_series(folder)

    folder.rename(tmp_path / "gone")

    VIEWS[view](array)


@pytest.mark.parametrize("view", VIEWS)
def test_no_view_opens_an_enhanced_file(tmp_path: Path, view: str) -> None:
    path = tmp_path / "a.dcm"
    write_enhanced(path, number_of_frames=6)
    array = lazydicom.open_series(path)

    path.rename(tmp_path / "gone")

    VIEWS[view](array)


def test_scaling_differs_from_frame_to_frame(tmp_path: Path) -> None:
    _write_scaled(tmp_path, 12)

    scaled = lazydicom.apply_modality_lut(lazydicom.open_series(tmp_path))

    assert scaled[:, 0, 0].tolist() == [k * (1 + k) - 5.0 for k in range(12)]


def test_a_row_stands_for_a_frame_of_the_array(tmp_path: Path) -> None:
    write_volume(tmp_path, planes=9)

    array = lazydicom.open_series(tmp_path)
    rows = array.frames.rows_of(array.grid.numbers)

    assert (
        array.frames.numbers("position")[rows, 2].tolist()
        == array.coords["z"].values.tolist()
    )


def test_a_hole_has_no_row(tmp_path: Path) -> None:
    write_volume(tmp_path, planes=5, skip=frozenset((2,)))

    with pytest.warns(lazydicom.errors.LazyDicomWarning):
        array = lazydicom.open_series(tmp_path, on_gap="fill", fill_value=0)

    assert array.frames.rows_of(array.grid.numbers).tolist() == [0, 1, -1, 2, 3]


def test_the_table_does_not_travel(tmp_path: Path) -> None:
    _write_scaled(tmp_path, 20)
    array = lazydicom.open_series(tmp_path)

    data = pickle.dumps(array)

    assert b"series_instance_uid" not in data
    assert np.array_equal(
        pickle.loads(data).frames.numbers("rescale_slope"),
        array.frames.numbers("rescale_slope"),
    )


def test_one_image_has_a_table_too() -> None:
    from pydicom.data import get_testdata_file

    path = str(get_testdata_file("emri_small.dcm", download=False))

    array = lazydicom.open_image(path)

    assert len(array.frames) == 10
    assert np.isfinite(array.frames.numbers("spacing_between_slices")).all()
