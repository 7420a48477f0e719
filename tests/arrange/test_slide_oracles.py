"""Other readers of slides give the same regions, where they are known to be right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import openslide
import pytest
from slide_files import make_slide
from tools import require_shared_data
from wsidicom import WsiDicom

import lazydicom

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MATRIX, TILE = (70, 90), (16, 16)
CORNERS = ((0, 0), (3, 5), (30, 20))
"""Left and top of regions of 60 × 50 pixels."""


def write(folder: Path, **layout: Any) -> None:  # noqa: ANN401
    (dataset,) = make_slide(matrix=MATRIX, tile=TILE, **layout).datasets
    # wsidicom opens nothing without a size in mm.
    dataset.ImagedVolumeHeight, dataset.ImagedVolumeWidth = 70 * 0.0005, 90 * 0.001
    dataset.ImagedVolumeDepth = 0.001
    (shared,) = dataset.SharedFunctionalGroupsSequence
    shared.PixelMeasuresSequence[0].SliceThickness = 0.001
    dataset.save_as(folder / "a.dcm", enforce_file_format=True)


def seen_by_wsidicom(
    folder: Path, corner: tuple[int, int], level: int = 0
) -> NDArray[Any]:
    with WsiDicom.open(folder) as slide:
        return np.asarray(slide.read_region(corner, level, (60, 50)))


def seen_by_openslide(
    file: Path, corner: tuple[int, int], level: int = 0
) -> NDArray[Any]:
    """Return red, green, blue and whether a tile is stored; corners count in level 0."""
    with openslide.OpenSlide(file) as slide:
        return np.asarray(slide.read_region(corner, level, (60, 50)))


@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"coding": "JPEG-LS"},
        {"samples": 1},
        {"sparse": True, "shuffled": True},
        {"sparse": True, "keep": 0.6},
    ],
)
def test_wsidicom_sees_the_same(
    layout: dict[str, Any], corner: tuple[int, int], tmp_path: Path
) -> None:
    write(tmp_path, **layout)
    (level,) = lazydicom.open_slide(
        tmp_path, fill_value=255
    )  # wsidicom's colour of holes
    left, top = corner

    region = level[top : top + 50, left : left + 60]

    assert np.array_equal(region, seen_by_wsidicom(tmp_path, corner))


@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize(
    "layout",
    [{}, {"sparse": True, "shuffled": True}, {"sparse": True, "keep": 0.6}],
)
def test_openslide_sees_the_same_and_the_same_holes(
    layout: dict[str, Any], corner: tuple[int, int], tmp_path: Path
) -> None:
    write(tmp_path, **layout)
    (level,) = lazydicom.open_slide(tmp_path, fill_value=0)
    left, top = corner
    key = np.s_[top : top + 50, left : left + 60]

    seen = seen_by_openslide(tmp_path / "a.dcm", corner)

    assert np.array_equal(level[key], seen[..., :3])
    assert np.array_equal(lazydicom.stored_mask(level, key), seen[..., 3] == 255)


@pytest.mark.parametrize("corner", [(0, 0), (460, 480), (1000, 300)])
def test_others_see_the_stored_samples_of_a_real_pyramid(
    corner: tuple[int, int],
) -> None:
    """Colours have pydicom as their oracle: both others show YCbCr as if it were RGB."""
    folder = require_shared_data("13_wsi/cmu_small_region")
    level = lazydicom.open_slide(folder, color="stored")[0]
    left, top = corner

    region = level[top : top + 50, left : left + 60]

    assert np.array_equal(region, seen_by_wsidicom(folder, corner))
    file = folder / "level-0-frames-0-30.dcm"
    assert np.array_equal(region, seen_by_openslide(file, corner)[..., :3])


def test_openslide_finds_the_same_levels_of_a_real_pyramid() -> None:
    folder = require_shared_data("13_wsi/cmu_small_region")
    levels = lazydicom.open_slide(folder, color="stored")

    with openslide.OpenSlide(folder / "level-0-frames-0-30.dcm") as slide:
        assert slide.level_dimensions == tuple(one.shape[1::-1] for one in levels)
        for number, level in enumerate(levels):
            rows, columns, _ = level.shape
            whole = slide.read_region((0, 0), number, (columns, rows))
            assert np.array_equal(level, np.asarray(whole)[..., :3])
