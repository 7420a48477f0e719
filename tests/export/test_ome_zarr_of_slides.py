"""OME-Zarr copies of slides: valid, in mm, levels as they are in the files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ngff_zarr
import numpy as np
import pytest
import zarr
from ome_zarr_models import v05 as models
from slide_files import make_slide
from tools import require_shared_data

import lazydicom

if TYPE_CHECKING:
    from pathlib import Path

    from lazydicom import DicomArray

MATRICES = ((300, 420), (154, 216), (77, 108))  # not halved exactly
SPACING = 0.0005
LAYOUTS: dict[str, dict[str, Any]] = {
    "colours": {},
    "sparse": {"sparse": True, "keep": 0.7},
    "fluorescence": {"samples": 1, "paths": 2},
    "planes": {"samples": 1, "planes": 3},
}


def open_levels(layout: dict[str, Any]) -> list[DicomArray]:
    files = [
        file
        for number, matrix in enumerate(MATRICES)
        for file in make_slide(
            matrix=matrix,
            tile=(64, 80),
            level=number,
            spacing=SPACING * 300 / matrix[0],
            **layout,
        ).files
    ]
    return lazydicom.open_slide(files)


@pytest.fixture(scope="module", params=[*LAYOUTS, "real"])
def levels(request: pytest.FixtureRequest) -> list[DicomArray]:
    if request.param != "real":
        return open_levels(LAYOUTS[request.param])
    folder = require_shared_data("13_wsi/cmu_small_region")
    return lazydicom.open_slide(folder, color="stored")[2:6]


@pytest.fixture(scope="module")
def copy(levels: list[DicomArray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("ome") / "slide.ome.zarr"
    lazydicom.to_ome_zarr(levels, place)
    return place


def in_ome_order(level: DicomArray) -> np.ndarray[Any, Any]:
    """Return the pixels with the channel in front."""
    if level.dims[-1] == "sample":
        return np.moveaxis(np.asarray(level), -1, 0)
    return np.asarray(level)


def test_the_copy_is_valid(copy: Path, levels: list[DicomArray]) -> None:
    image = models.Image.from_zarr(zarr.open_group(copy, mode="r"))

    (multiscales,) = image.attributes.ome.multiscales
    assert len(multiscales.datasets) == len(levels)
    units = [axis.unit for axis in multiscales.axes if axis.type == "space"]
    assert set(units) == {"millimeter"}


def test_ngff_zarr_opens_the_levels_of_the_files_in_mm(
    copy: Path, levels: list[DicomArray]
) -> None:
    images = ngff_zarr.from_ngff_zarr(str(copy)).images

    assert len(images) == len(levels)
    for image, level in zip(images, levels, strict=True):
        np.testing.assert_array_equal(np.asarray(image.data), in_ome_order(level))
        for name in "yx":
            places = level.coords[name].values
            assert image.scale[name] == pytest.approx(places[1] - places[0], abs=1e-6)
            assert image.translation[name] == pytest.approx(places[0], abs=1e-6)
            assert image.axes_units is not None
            assert image.axes_units[name] == "millimeter"


def test_planes_of_unknown_distance_have_no_unit(tmp_path: Path) -> None:
    slide = make_slide(matrix=(30, 40), tile=(16, 16), samples=1, planes=3)
    (shared,) = slide.datasets[0].SharedFunctionalGroupsSequence
    del shared.PixelMeasuresSequence[0].SpacingBetweenSlices
    with pytest.warns(lazydicom.errors.LazyDicomWarning, match="far focal planes"):
        levels = lazydicom.open_slide(slide.files)

    lazydicom.to_ome_zarr(levels, tmp_path / "out.ome.zarr")

    group = zarr.open_group(tmp_path / "out.ome.zarr", mode="r")
    (multiscales,) = models.Image.from_zarr(group).attributes.ome.multiscales
    units = {axis.name: axis.unit for axis in multiscales.axes}
    assert units == {"z": None, "y": "millimeter", "x": "millimeter"}
