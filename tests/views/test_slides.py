"""Slides in other libraries: dask, xarray, Zarr, OME-Zarr, colours, OpenSlide."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
import zarr
from openslide.deepzoom import DeepZoomGenerator
from PIL import ImageCms
from pydicom.dataset import Dataset
from slide_files import make_slide

import lazydicom
from lazydicom.errors import InvalidDicomError, UnsupportedError
from lazydicom.slide import OpenSlide

if TYPE_CHECKING:
    from pathlib import Path

    from lazydicom import DicomArray


def write_pyramid(folder: Path, **layout: Any) -> None:  # noqa: ANN401
    for number, matrix in enumerate(((300, 420), (150, 210))):
        slide = make_slide(
            matrix=matrix,
            tile=(64, 80),
            level=number,
            spacing=0.0005 * 2**number,
            coding="JPEG-LS",
            **layout,
        )
        for part, file in enumerate(slide.files):
            (folder / f"{number}-{part}.dcm").write_bytes(file)


@pytest.fixture
def levels(tmp_path: Path) -> list[DicomArray]:
    (tmp_path / "slide").mkdir()
    write_pyramid(tmp_path / "slide", sparse=True, keep=0.7)
    return lazydicom.open_slide(tmp_path / "slide")


def test_dask_cuts_between_tiles(levels: list[DicomArray]) -> None:
    view = lazydicom.to_dask(levels[0], frames_per_chunk=4)

    assert view.chunks == ((128, 128, 44), (160, 160, 100), (3,))
    assert np.array_equal(view.compute(), levels[0])
    assert np.array_equal(view[130:140, 5].compute(), levels[0][130:140, 5])


@pytest.mark.parametrize(
    ("rows", "columns", "chunks"),
    [
        (slice(50, 290), slice(70, 81), ((78, 128, 34), (11,))),
        (slice(64, 200), slice(None), ((128, 8), (160, 160, 100))),
        (slice(63, 65), slice(79, 81), ((2,), (2,))),
        (slice(250, 20, -1), slice(3, 420, 100), ((123, 107), (2, 2, 1))),
        (130, slice(100, 300), ((140, 60),)),
    ],
)
def test_dask_cuts_between_tiles_of_a_part_that_begins_inside_one(
    levels: list[DicomArray],
    rows: int | slice,
    columns: slice,
    chunks: tuple[tuple[int, ...], ...],
) -> None:
    part = levels[0].isel(y=rows, x=columns)

    view = lazydicom.to_dask(part, frames_per_chunk=4)

    assert view.chunks == (*chunks, (3,))
    assert np.array_equal(view.compute(), part)
    assert np.array_equal(view.compute(), levels[0][rows, columns])


def test_levels_are_a_tree_of_xarray(levels: list[DicomArray]) -> None:
    tree = lazydicom.to_xarray(levels)

    assert list(tree.children) == ["0", "1"]
    for number, level in enumerate(levels):
        pixels = tree[str(number)].pixels
        assert pixels.dims == ("y", "x", "sample")
        np.testing.assert_array_equal(pixels[50:70, 60:90], level[50:70, 60:90])
    step = np.diff(tree["1"].x.values)
    np.testing.assert_allclose(step, 0.002)


def test_zarr_stores_hold_squares_of_whole_tiles(
    levels: list[DicomArray], tmp_path: Path
) -> None:
    level = levels[0]
    view = zarr.open_array(lazydicom.ZarrStore(level, frames_per_chunk=4), mode="r")
    report = lazydicom.to_zarr(level, tmp_path / "a.zarr", chunks=1, name="pixels")

    assert view.chunks == (128, 160, 3)
    np.testing.assert_array_equal(view[...], level)
    assert report.chunks == (64, 80, 3)
    assert lazydicom.verify(report.url, level).ok
    copy = xr.open_zarr(report.url)
    np.testing.assert_array_equal(copy.pixels, level)


def test_a_copy_of_a_large_level_takes_the_memory_of_some_chunks(
    tmp_path: Path,
) -> None:
    from traced_memory import traced

    slide = make_slide(matrix=(3000, 3000), tile=(100, 100), samples=1)
    (tmp_path / "a.dcm").write_bytes(slide.files[0])
    (level,) = lazydicom.open_slide(tmp_path / "a.dcm")
    lazydicom.to_zarr(level.isel(y=slice(100)), tmp_path / "warm.zarr", chunks=1)

    _, peak = traced(
        lambda: lazydicom.to_zarr(level, tmp_path / "b.zarr", chunks=1, workers=1)
    )

    assert level.nbytes > 17_000_000
    assert peak < level.nbytes / 2


def test_ome_zarr_keeps_levels_and_adds_coarse_ones(
    levels: list[DicomArray], tmp_path: Path
) -> None:
    report = lazydicom.to_ome_zarr(levels[:1], tmp_path / "one.ome.zarr")
    kept = lazydicom.to_ome_zarr(levels, tmp_path / "two.ome.zarr")

    assert report.shapes == ((3, 300, 420), (3, 150, 210))
    assert kept.shapes == ((3, 300, 420), (3, 150, 210))
    group = zarr.open_group(tmp_path / "two.ome.zarr", mode="r")
    for number, level in enumerate(levels):
        copied = np.moveaxis(np.asarray(group[str(number)]), 0, -1)
        np.testing.assert_array_equal(copied, level)
    assert lazydicom.verify(kept.url, levels).ok
    (image,) = json.loads(json.dumps(group.attrs["ome"]))["multiscales"]
    for number, place in enumerate(image["datasets"]):
        scale, translation = place["coordinateTransformations"]
        expected = [1.0, 0.0005 * 2**number, 0.001 * 2**number]
        np.testing.assert_allclose(scale["scale"], expected, atol=1e-9)
        np.testing.assert_allclose(translation["translation"], 0, atol=1e-9)


def test_coarse_levels_are_added_behind_the_last_one_that_is_given(
    tmp_path: Path,
) -> None:
    files = [
        file
        for number, matrix in enumerate(((1200, 700), (600, 350)))
        for file in make_slide(
            matrix=matrix, tile=(100, 100), level=number, spacing=0.001 * 2**number
        ).files
    ]
    levels = lazydicom.open_slide(files)

    report = lazydicom.to_ome_zarr(levels, tmp_path / "out.ome.zarr")

    heights = [shape[1] for shape in report.shapes]
    assert heights == [1200, 600, 300, 150]
    group = zarr.open_group(report.url, mode="r")
    below, coarse = np.asarray(group["1"]), np.asarray(group["2"])
    means = below.reshape(3, 300, 2, 175, 2).mean(axis=(2, 4))
    assert np.abs(coarse - means).max() <= 0.5
    datasets = json.loads(json.dumps(group.attrs["ome"]))["multiscales"][0]["datasets"]
    scales = [one["coordinateTransformations"][0]["scale"][1] for one in datasets]
    np.testing.assert_allclose(scales, [0.001, 0.002, 0.004, 0.008])


def test_channels_of_fluorescence_are_named(tmp_path: Path) -> None:
    slide = make_slide(matrix=(90, 80), tile=(64, 64), paths=2, planes=2, samples=1)
    (level,) = lazydicom.open_slide(slide.files)

    report = lazydicom.to_ome_zarr(level, tmp_path / "out.ome.zarr")

    assert report.axes == ("c", "z", "y", "x")
    group = zarr.open_group(report.url, mode="r")
    ome = json.loads(json.dumps(group.attrs["ome"]))
    labels = [channel["label"] for channel in ome["omero"]["channels"]]
    assert labels == ["path 2", "path 1"]


def test_references_lead_to_tiles_where_holes_have_one_value(tmp_path: Path) -> None:
    slide = make_slide(matrix=(90, 80), tile=(64, 64), sparse=True, keep=0.6)
    (tmp_path / "a.dcm").write_bytes(slide.files[0])
    (level,) = lazydicom.open_slide(tmp_path / "a.dcm")
    (colored,) = lazydicom.open_slide(tmp_path / "a.dcm", fill_value=(1, 2, 3))

    report = lazydicom.to_references(level, tmp_path / "out.json")

    group = zarr.open_group(
        "reference://",
        storage_options={"fo": report.url, "asynchronous": True},
        mode="r",
        zarr_format=2,
    )
    np.testing.assert_array_equal(np.asarray(group["pixels"]), level)
    with pytest.raises(UnsupportedError, match="references know one number"):
        lazydicom.to_references(colored, tmp_path / "colored.json")
    with pytest.raises(UnsupportedError, match="whole frames, not parts"):
        lazydicom.to_references(level.isel(y=slice(9)), tmp_path / "part.json")


# --- colours ---------------------------------------------------------------------------


def with_profile(profile: bytes) -> DicomArray:
    slide = make_slide(matrix=(30, 20), tile=(16, 16), coding="JPEG-LS")
    slide.datasets[0].OpticalPathSequence[0].ICCProfile = profile
    return lazydicom.open_slide(slide.files)[0]


def test_a_profile_of_srgb_keeps_colours_and_another_changes_them() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    srgb += b"\0" * (len(srgb) % 2)
    level = with_profile(srgb)

    colors = lazydicom.apply_icc(level)

    assert lazydicom.icc_profile(level) == srgb
    assert colors.shape == level.shape
    assert np.abs(colors[...].astype(int) - level[...]).max() <= 1
    np.testing.assert_array_equal(colors[3:9, 4, 1], colors[...][3:9, 4, 1])
    np.testing.assert_array_equal(lazydicom.to_dask(colors).compute(), colors)
    np.testing.assert_array_equal(colors.isel(y=slice(3, 9)), colors[3:9])


def test_a_profile_that_is_none_is_an_error() -> None:
    with pytest.raises(InvalidDicomError, match="cannot be applied"):
        lazydicom.apply_icc(with_profile(b"no profile"))
    with pytest.raises(InvalidDicomError, match="Expected one of 1 optical paths"):
        lazydicom.icc_profile(with_profile(b"a"), path="9")


def test_each_optical_path_has_its_profile() -> None:
    slide = make_slide(matrix=(30, 20), tile=(16, 16), paths=2, samples=1)
    (level,) = lazydicom.open_slide(slide.files)

    assert lazydicom.icc_profile(level, path=1) == b"profile \1\0"
    assert lazydicom.icc_profile(level, path="2") == b"profile \0\0"
    with pytest.raises(UnsupportedError, match="red, green and blue"):
        lazydicom.apply_icc(level)


# --- OpenSlide -------------------------------------------------------------------------


@pytest.fixture
def slide(tmp_path: Path) -> OpenSlide:
    write_pyramid(tmp_path)
    label = make_slide(matrix=(6, 7), tile=(6, 7), kind="LABEL", level=9)
    (tmp_path / "label.dcm").write_bytes(label.files[0])
    for path in tmp_path.glob("*.dcm"):
        return OpenSlide(path)
    raise AssertionError


def test_it_tells_what_openslide_tells(slide: OpenSlide) -> None:
    assert slide.level_dimensions == ((420, 300), (210, 150))
    assert slide.level_downsamples == (1.0, 2.0)
    assert slide.properties["openslide.mpp-x"] == "1.0"
    assert slide.properties["openslide.mpp-y"] == "0.5"
    assert slide.properties["openslide.level[1].tile-width"] == "80"
    assert slide.get_best_level_for_downsample(1.9) == 0
    assert slide.get_best_level_for_downsample(100) == 1
    assert list(slide.associated_images) == ["label"]
    assert slide.associated_images["label"].size == (7, 6)
    with pytest.raises(KeyError):
        slide.associated_images["macro"]


def test_regions_are_those_of_the_levels_and_transparent_outside(
    slide: OpenSlide,
) -> None:
    region = np.asarray(slide.read_region((100, 50), 1, (60, 40)))
    np.testing.assert_array_equal(region[..., :3], slide.levels[1][25:65, 50:110])
    assert (region[..., 3] == 255).all()

    beyond = np.asarray(slide.read_region((-10, 290), 0, (30, 20)))
    assert (beyond[:10, 10:, 3] == 255).all()
    assert not beyond[10:].any()
    assert not beyond[:, :10].any()
    assert slide.read_region((9999, 9999), 0, (3, 3)).size == (3, 3)


def test_generators_of_deep_zoom_take_it(slide: OpenSlide) -> None:
    face: Any = slide  # it has the methods, not the class
    pyramid = DeepZoomGenerator(face, tile_size=126, overlap=1)
    tile = pyramid.get_tile(pyramid.level_count - 1, (1, 1))

    assert tile.size == (128, 128)
    expected = slide.levels[0][125:253, 125:253]
    np.testing.assert_array_equal(np.asarray(tile), expected)
    assert slide.get_thumbnail((100, 100)).size == (100, 71)


# --- table -----------------------------------------------------------------------------


def test_the_table_has_a_row_for_each_instance(tmp_path: Path) -> None:
    write_pyramid(tmp_path, sparse=True, keep=0.5)
    label = make_slide(matrix=(6, 7), tile=(6, 7), kind="LABEL", level=9)
    (tmp_path / "label.dcm").write_bytes(label.files[0])

    rows = lazydicom.slide_table(tmp_path)

    known = [(row["kind"], row["level"], row["matrix"]) for row in rows]
    assert known == [
        ("label", 0, (6, 7)),
        ("volume", 0, (300, 420)),
        ("volume", 1, (150, 210)),
    ]
    assert rows[1]["tiles"] == 30 > rows[1]["stored"]
    assert rows[1]["spacing"] == (0.0005, 0.001)


def sparse_level(slopes: tuple[float, float]) -> DicomArray:
    """Return a level of two tiles in opposite corners, each with a slope."""
    slide = make_slide(matrix=(40, 40), tile=(10, 10), sparse=True, samples=1)
    (dataset,) = slide.datasets
    items = dataset.PerFrameFunctionalGroupsSequence
    dataset.PerFrameFunctionalGroupsSequence = [items[0], items[-1]]
    for item, slope in zip((items[0], items[-1]), slopes, strict=True):
        scale = Dataset()
        scale.RescaleSlope, scale.RescaleIntercept, scale.RescaleType = slope, 5, "US"
        item.PixelValueTransformationSequence = [scale]
    dataset.PixelData, dataset.NumberOfFrames = dataset.PixelData[:400], 2
    return lazydicom.open_slide(slide.files, fill_value=3)[0]


@pytest.mark.parametrize(
    "part",
    [
        {"y": slice(15, 25)},
        {"x": slice(10, 20), "y": slice(10, 40, 3)},
        {"y": 12},
        {"y": slice(0, 10), "x": slice(35, 10, -1)},
        {"y": slice(0, 0)},
    ],
    ids=str,
)
def test_a_part_without_a_stored_tile_has_the_lut_of_its_level(
    part: dict[str, Any],
) -> None:
    level = sparse_level((2.0, 2.0))
    whole = lazydicom.apply_modality_lut(level).isel(**part)

    luts = lazydicom.apply_modality_lut(level.isel(**part))
    view = lazydicom.to_xarray(level.isel(**part))

    np.testing.assert_array_equal(luts[...], whole[...])
    np.testing.assert_array_equal(luts[...], np.full(luts.shape, 11.0))
    np.testing.assert_array_equal(view.values, level.isel(**part)[...])


def test_a_part_without_a_stored_tile_has_no_scale_where_tiles_differ() -> None:
    level = sparse_level((2.0, 3.0))
    holes = level.isel(y=slice(15, 25))

    assert np.isnan(lazydicom.apply_modality_lut(holes)[...]).all()
    assert (lazydicom.to_xarray(holes).values == 3).all()
    with pytest.raises(UnsupportedError, match="Tiles of one plane that differ"):
        lazydicom.apply_modality_lut(level)


def test_real_world_values_of_a_part_without_a_stored_tile_are_those_of_the_level() -> (
    None
):
    slide = make_slide(matrix=(40, 40), tile=(10, 10), sparse=True, samples=1)
    (dataset,) = slide.datasets
    items = dataset.PerFrameFunctionalGroupsSequence
    dataset.PerFrameFunctionalGroupsSequence = [items[0]]
    dataset.PixelData, dataset.NumberOfFrames = dataset.PixelData[:200], 1
    mapping = Dataset()
    mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = 0.5, 1.0
    dataset.RealWorldValueMappingSequence = [mapping]
    (level,) = lazydicom.open_slide(slide.files, fill_value=4)

    values = lazydicom.apply_real_world_values(level.isel(y=slice(20, 30)))

    np.testing.assert_array_equal(values[...], np.full((10, 40), 3.0))


# --- where pixels are stored --------------------------------------------------


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize(
    "key",
    [
        np.s_[[]],
        np.s_[[], :],
        np.s_[:, []],
        np.s_[[], []],
        np.s_[3, []],
        np.s_[5:9, np.zeros(40, bool)],
        np.s_[np.zeros(40, bool)],
        np.s_[np.zeros((40, 40), bool)],
        np.s_[np.zeros((0, 3), int)],
        np.s_[4:4],
        np.s_[4:4, []],
    ],
    ids=str,
)
def test_no_pixel_is_stored_where_none_is_asked_for(
    key: Any,  # noqa: ANN401
    samples: int,
) -> None:
    slide = make_slide(matrix=(40, 40), tile=(10, 10), samples=samples)
    (level,) = lazydicom.open_slide(slide.files)

    mask = lazydicom.stored_mask(level, key)

    assert mask.shape == np.empty((40, 40))[key].shape
    assert mask.dtype == np.bool_
    assert mask.shape == level[key].shape[: mask.ndim]
