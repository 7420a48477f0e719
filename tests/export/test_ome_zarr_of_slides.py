"""OME-Zarr copies of slides: valid, in mm, levels as they are in the files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ngff_zarr
import numpy as np
import pytest
import zarr
from ome_zarr_models import v05 as models
from pydicom.uid import UID
from slide_files import as_bytes, make_slide
from tools import require_shared_data

import lazydicom
from lazydicom.errors import LazyDicomWarning, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Sequence
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


# --- levels that do not hold the same ---------------------------------------------------


def a_level(
    number: int,
    names: Sequence[str],
    heights: Sequence[float] = (0,),
    *,
    sparse: bool = True,
    orientation: Sequence[float] = (0, -1, 0, -1, 0, 0),
) -> bytes:
    """Return a level of one tile for each optical path and height in µm.

    The pixels of a tile are the first letter of its path and its height together.
    """
    side = 32 >> number
    slide = make_slide(
        matrix=(side, side),
        tile=(side, side),
        paths=len(names),
        planes=len(heights),
        samples=1,
        sparse=sparse,
        level=number,
        spacing=0.0005 * 2**number,
    )
    (dataset,) = slide.datasets
    uid = UID(f"1.2.{number}.{'.'.join(str(ord(name)) for name in names)}")
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
    dataset.ImageOrientationSlide = list(orientation)
    tiles = [(name, height) for name in names for height in heights]
    if sparse:
        groups = dataset.PerFrameFunctionalGroupsSequence
        for group, (name, height) in zip(groups, tiles, strict=True):
            (place,) = group.PlanePositionSlideSequence
            place.ZOffsetInSlideCoordinateSystem = height
            (used,) = group.OpticalPathIdentificationSequence
            used.OpticalPathIdentifier = name
    else:
        (origin,) = dataset.TotalPixelMatrixOriginSequence
        origin.ZOffsetInSlideCoordinateSystem = heights[0]
    for path, name in zip(dataset.OpticalPathSequence, names, strict=True):
        path.OpticalPathIdentifier = name
    values = [ord(name[0]) + int(height) for name, height in tiles]
    pixels = np.repeat(np.array(values, np.uint16), side * side)
    dataset.PixelData = pixels.tobytes()
    return as_bytes(dataset)


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("names", [("B", "A", "C"), ("C", "A", "B")])
def test_channels_are_those_of_their_names_in_all_levels(
    tmp_path: Path, names: tuple[str, ...], sparse: bool, alone: bool
) -> None:
    files = [a_level(0, "ABC", sparse=sparse), a_level(1, names, sparse=sparse)]
    if alone:  # an instance for each channel
        files = []
        for number, order in enumerate(("ABC", names)):
            for name in order:
                files.append(a_level(number, name, sparse=sparse))

    levels = lazydicom.open_slide(files)
    lazydicom.to_ome_zarr(levels, tmp_path / "o.ome.zarr")

    group = zarr.open_group(tmp_path / "o.ome.zarr", mode="r")
    paths = levels[0].coords["path"].values.tolist()
    channels = group.attrs["ome"]["omero"]["channels"]  # type: ignore[index, call-overload]
    assert [one["label"] for one in channels] == [f"path {name}" for name in paths]  # type: ignore[index, union-attr, call-overload]
    for number, level in enumerate(levels):
        assert level.coords["path"].values.tolist() == paths
        copied = np.asarray(group[f"{number}"])
        assert copied[:, 0, 0].tolist() == [ord(name) for name in paths]


DIFFERENT: dict[str, tuple[Any, Any, str]] = {
    "another channel": ("A", "B", "another optical path than level 0"),
    "another of two": ("AB", "BC", "2 optical paths: number 1, .* none of the 2 of level"),
    "other channels": ("AB", "CD", "2 optical paths: number 0, 1, counted from 0, "),
    "fewer channels": ("AB", "B", "1 optical path, level 0 holds 2"),
    "more channels": ("A", "AB", "2 optical paths, level 0 holds 1"),
    "other planes": (("A", (0, 2)), ("A", (2, 4)), "at 0.002, 0.004 mm, level 0 at 0, "),
    "another plane": (("A", (0,)), ("A", (4,)), "plane at 0.004 mm, level 0 at 0 mm"),
    "fewer planes": (("A", (0, 2, 4)), ("A", (2,)), "1 plane, level 0 holds 3"),
    "both": (("AB", (0, 2)), ("AB", (0, 3)), "planes at 0, 0.003 mm, level 0 at 0, 0.002"),
}  # fmt: skip


@pytest.mark.parametrize("each", ["together", "by itself", "cut", "of xarray"])
@pytest.mark.parametrize("kind", DIFFERENT)
def test_levels_that_do_not_hold_the_same_are_refused(
    tmp_path: Path, kind: str, each: str
) -> None:
    fine, coarse, message = DIFFERENT[kind]
    files = [
        a_level(number, *(what if isinstance(what, tuple) else (what,)))
        for number, what in enumerate((fine, coarse))
    ]
    levels: list[Any] = lazydicom.open_slide(files)
    if each == "by itself":
        levels = [lazydicom.open_slide(file, squeeze=False)[0] for file in files]
    elif each == "cut":
        levels = [level.isel(y=slice(0, 8), x=slice(2, 10)) for level in levels]
    elif each == "of xarray":
        levels = [lazydicom.to_xarray(level) for level in levels]
    store = tmp_path / "o.ome.zarr"

    with pytest.raises(UnsupportedError, match=f"Level 1 holds .*{message}"):
        lazydicom.to_ome_zarr(levels, store)

    assert not store.exists()


def test_each_of_levels_that_do_not_hold_the_same_is_copied_by_itself(
    tmp_path: Path,
) -> None:
    files = [a_level(0, "AB"), a_level(1, "BC"), a_level(2, "AB")]
    levels = lazydicom.open_slide(files)

    for number, level in enumerate(levels):
        lazydicom.to_ome_zarr(level, tmp_path / f"{number}")
    lazydicom.to_ome_zarr(levels, tmp_path / "first", levels=1)
    report = lazydicom.to_ome_zarr(levels[::2], tmp_path / "alike")

    assert report.shapes == ((2, 32, 32), (2, 8, 8))
    assert all(lazydicom.verify(folder).ok for folder in tmp_path.iterdir())


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize(
    ("fine", "coarse"), [(("A", (0,)), ("B", (0,))), (("A", (0,)), ("A", (3,)))]
)
def test_single_planes_opened_one_by_one_are_told_apart_by_their_files(
    tmp_path: Path, fine: tuple[Any, ...], coarse: tuple[Any, ...], sparse: bool
) -> None:
    files = [a_level(k, *what, sparse=sparse) for k, what in enumerate((fine, coarse))]
    levels = [lazydicom.open_slide(file)[0] for file in files]

    with pytest.raises(UnsupportedError, match="Level 1 holds"):
        lazydicom.to_ome_zarr(levels, tmp_path / "o.ome.zarr")


def test_channels_in_another_order_are_refused_by_whoever_opens_each(
    tmp_path: Path,
) -> None:
    files = [a_level(0, "AB", sparse=False), a_level(1, "BA", sparse=False)]
    levels = [lazydicom.open_slide(file)[0] for file in files]

    with pytest.raises(
        UnsupportedError, match="the 2 optical paths of level 0 in another"
    ):
        lazydicom.to_ome_zarr(levels, tmp_path / "o.ome.zarr")
    coarse = levels[1].isel(path=slice(None, None, -1))
    lazydicom.to_ome_zarr([levels[0], coarse], tmp_path / "o.ome.zarr")


@pytest.mark.parametrize(
    "orientation", [(0, 1, 0, -1, 0, 0), (0, 1, 0, 1, 0, 0), (-1, 0, 0, 0, -1, 0)]
)
def test_levels_that_are_turned_against_each_other_are_refused(
    tmp_path: Path, orientation: tuple[float, ...]
) -> None:
    files = [a_level(0, "A"), a_level(1, "A", orientation=orientation)]

    with pytest.warns(LazyDicomWarning, match="Level 1 .* in other directions"):
        levels = lazydicom.open_slide(files)

    with pytest.raises(UnsupportedError, match="Level 1 has rows and columns in other"):
        lazydicom.to_ome_zarr(levels, tmp_path / "o.ome.zarr")


def test_levels_of_other_axes_are_refused_by_name(tmp_path: Path) -> None:
    levels = [lazydicom.open_slide(a_level(k, "AB"[: 2 - k]))[0] for k in range(2)]

    with pytest.raises(
        ValueError, match=r"level 1 has \('y', 'x'\) of uint16, level 0"
    ):
        lazydicom.to_ome_zarr(levels, tmp_path / "o.ome.zarr")


def test_levels_of_a_volume_may_have_fewer_planes(tmp_path: Path) -> None:
    volume = np.arange(8 * 16 * 16, dtype=np.int16).reshape(8, 16, 16)
    xr = pytest.importorskip("xarray")
    places = {"z": np.arange(8.0), "y": np.arange(16.0), "x": np.arange(16.0)}
    finest = xr.DataArray(volume, places, dims=("z", "y", "x"))

    lazydicom.to_ome_zarr([finest, finest[::2, ::2, ::2]], tmp_path / "o.ome.zarr")
    with pytest.raises(UnsupportedError, match="planes at 4, 5, 6, 7"):
        lazydicom.to_ome_zarr([finest[:4], finest[4:, ::2, ::2]], tmp_path / "p.zarr")
