"""Whole slides: every tile at its place, or an error that names it."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.uid import UID
from slide_files import as_bytes, changed, make_slide
from tools import require_shared_data
from wado_server import Answer, WadoServer, frames_of, multipart

import lazydicom
from lazydicom.errors import InvalidDicomError, LazyDicomWarning, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from slide_files import Slide


@st.composite
def slides(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a layout of tiles."""
    sparse = draw(st.booleans())
    return {
        "matrix": (draw(st.integers(1, 20)), draw(st.integers(1, 20))),
        "tile": (draw(st.integers(1, 9)), draw(st.integers(1, 9))),
        "paths": draw(st.integers(1, 3)),
        "planes": draw(st.integers(1, 3)),
        "samples": draw(st.sampled_from((1, 3))),
        "sparse": sparse,
        "keep": draw(st.sampled_from((0.3, 0.8, 1.0))) if sparse else 1.0,
        "shuffled": sparse and draw(st.booleans()),
        "cuts": sorted(draw(st.sets(st.integers(1, 12), max_size=3))),
        "coding": draw(st.sampled_from(("native", "JPEG-LS"))),
        "seed": draw(st.integers(0, 3)),
    }


@settings(max_examples=50, deadline=None)
@given(layout=slides(), data=st.data())
def test_every_layout_gives_back_its_pixels(
    layout: dict[str, Any], data: st.DataObject
) -> None:
    slide = make_slide(**layout)
    files = data.draw(st.permutations(slide.files))
    truth, stored = slide.truth, slide.stored
    kept = np.flatnonzero(stored.any(axis=(1, 2, 3)))
    heights = np.flatnonzero(stored.any(axis=(0, 2, 3)))
    truth = truth[np.ix_(kept, heights)]
    mask = stored[np.ix_(kept, heights)]

    (level,) = lazydicom.open_slide(files, fill_value=0, squeeze=False)

    assert level.dims[:4] == ("path", "z", "y", "x")
    assert level.shape == truth.shape
    assert np.array_equal(level[...], truth)
    names = [str(layout["paths"] - k) for k in kept]
    assert level.coords["path"].values.tolist() == names
    rows, columns = layout["matrix"]
    top, left = (
        data.draw(st.integers(0, rows - 1)),
        data.draw(st.integers(0, columns - 1)),
    )
    key = np.s_[:, :, top : top + 7, left : left + 5]
    assert np.array_equal(level[key], truth[key])
    assert np.array_equal(lazydicom.stored_mask(level, key), mask[key])


def test_levels_come_in_the_order_of_their_size_whatever_they_are_called() -> None:
    sizes = ((40, 60), (21, 31), (9, 14))
    files: list[bytes] = []
    for number, matrix in enumerate(sizes):
        tile = (8 + number, 8)
        files += make_slide(
            matrix=matrix, tile=tile, level=number, spacing=0.0005 * 40 / matrix[0]
        ).files

    levels = lazydicom.open_slide(files[::-1])

    assert [level.shape[:2] for level in levels] == list(sizes)
    assert [level.dims for level in levels] == [("y", "x", "sample")] * 3
    assert levels[1].attrs["downsample"] == pytest.approx((40 / 21 + 60 / 31) / 2)
    spacing = np.diff(levels[1].coords["y"].values)
    np.testing.assert_allclose(spacing, 0.0005 * 40 / 21)


def test_an_axis_stands_in_all_levels_as_soon_as_one_has_more_than_one() -> None:
    fine = make_slide(matrix=(20, 20), tile=(8, 8), samples=1, planes=2)
    coarse = make_slide(matrix=(10, 10), tile=(8, 8), samples=1, level=1)

    levels = lazydicom.open_slide([*fine.files, *coarse.files])

    assert [level.dims for level in levels] == [("z", "y", "x")] * 2
    assert [level.shape for level in levels] == [(2, 20, 20), (1, 10, 10)]
    np.testing.assert_allclose(levels[0].coords["z"].values, [0, 0.002])


def test_pixels_lie_where_the_affine_says() -> None:
    (level,) = lazydicom.open_slide(make_slide(matrix=(20, 30), tile=(8, 8)).files)

    there = level.attrs["affine"] @ [10, 4, 0, 1]

    np.testing.assert_allclose(there[:3], [20 - 4 * 0.0005, 40 - 10 * 0.001, 0])
    np.testing.assert_allclose(level.coords["x"].values[10], 0.01)
    part = level.isel(y=slice(4, 12), x=slice(10, 20))
    np.testing.assert_allclose(part.attrs["affine"] @ [0, 0, 0, 1], there)
    assert np.array_equal(part, level[4:12, 10:20])


def _forget_distance(slide: Slide, distance: float | None = None) -> list[bytes]:
    for dataset in slide.datasets:
        (shared,) = dataset.SharedFunctionalGroupsSequence
        shared.PixelMeasuresSequence[0].SpacingBetweenSlices = distance
    return slide.files


@pytest.mark.parametrize("distance", [None, 0.0])
@pytest.mark.parametrize("layout", [{}, {"cuts": (4, 9)}, {"paths": 2}])
def test_focal_planes_of_unknown_distance_are_counted_not_measured(
    layout: dict[str, Any], distance: float | None
) -> None:
    slide = make_slide(matrix=(9, 9), tile=(5, 5), planes=3, samples=1, **layout)

    with pytest.warns(LazyDicomWarning, match="how far focal planes are apart"):
        (level,) = lazydicom.open_slide(_forget_distance(slide, distance))

    z = level.coords["z"]
    assert (z.values.tolist(), z.units) == ([0, 1, 2], "")
    assert np.isnan(level.attrs["spacing"][0])
    assert level.attrs["affine"][:3, 2].tolist() == [0, 0, 0]
    assert level.attrs["affine"][:3, 3].tolist() == [20, 40, 0]
    assert np.array_equal(np.squeeze(slide.truth), level)


@pytest.mark.parametrize("sparse", [False, True])
def test_beside_one_focal_plane_positions_count_in_mm(sparse: bool) -> None:
    slide = make_slide(matrix=(9, 9), tile=(5, 5), sparse=sparse)

    (level,) = lazydicom.open_slide(_forget_distance(slide))

    affine = level.attrs["affine"]
    pixel = np.linalg.inv(affine) @ [20, 40 - 3 * 0.001, 0.25, 1]
    assert affine[:3, 2].tolist() == [0, 0, 1]
    np.testing.assert_allclose(pixel, [3, 0, 0.25, 1], atol=1e-9)
    assert np.isnan(level.attrs["spacing"][0])


def _with_groups(slide: Slide, heights: Sequence[float], tiles: int) -> Slide:
    """Give the tiles of TILED_FULL functional groups, with heights in µm by plane."""
    number = 0
    for dataset in slide.datasets:
        groups = []
        for _ in range(int(dataset.NumberOfFrames)):
            position, item = Dataset(), Dataset()
            plane = number // tiles % len(heights)
            position.ZOffsetInSlideCoordinateSystem = heights[plane]
            item.PlanePositionSlideSequence = [position]
            groups.append(item)
            number += 1
        dataset.PerFrameFunctionalGroupsSequence = groups
    return slide


@pytest.mark.parametrize("layout", [{}, {"cuts": (4, 9)}, {"paths": 2}])
@pytest.mark.parametrize("heights", [(0, 1.5, 4), (8, 6, 2), (-3, -1, 1)])
def test_heights_of_counted_planes_are_those_of_functional_groups(
    layout: dict[str, Any], heights: tuple[float, ...]
) -> None:
    slide = make_slide(matrix=(9, 9), tile=(5, 5), planes=3, samples=1, **layout)
    files = _forget_distance(_with_groups(slide, heights, tiles=4))

    (level,) = lazydicom.open_slide(files)

    z = level.coords["z"]
    assert z.units == "mm"
    np.testing.assert_allclose(z.values, np.array(sorted(heights)) / 1000)
    truth = np.squeeze(slide.truth)
    order = np.argsort(heights)
    assert np.array_equal(truth.take(order, axis=truth.ndim - 3), level)
    step = 0.002 if heights == (-3, -1, 1) else 0  # no one step leads to all planes
    lowest = min(heights) / 1000
    np.testing.assert_allclose(level.attrs["affine"][2, 2:], [step, lowest])
    np.testing.assert_equal(level.attrs["spacing"][0] == 0.002, step > 0)


@pytest.mark.parametrize("heights", [(0, 2, 7), (5, 6, 9, 13), (-4, 0, 1)])
@pytest.mark.parametrize("layout", [{}, {"paths": 2}])
def test_a_part_of_uneven_planes_begins_at_the_height_of_its_first(
    layout: dict[str, Any], heights: tuple[float, ...]
) -> None:
    planes = len(heights)
    slide = make_slide(matrix=(9, 9), tile=(5, 5), planes=planes, samples=1, **layout)
    files = _forget_distance(_with_groups(slide, heights, tiles=4))
    (level,) = lazydicom.open_slide(files)
    z = np.array(heights) / 1000

    for key in (0, 1, planes - 1, -1, slice(2, 3), slice(1, 2)):
        plane = level.isel(z=key, x=slice(2, 5))
        affine = plane.attrs["affine"]
        (height,) = np.atleast_1d(z[key])
        np.testing.assert_allclose(affine[:3, 2], [0, 0, 1])
        np.testing.assert_allclose(affine[2, 3], height, atol=1e-12)
        np.testing.assert_allclose(np.linalg.inv(affine) @ affine[:, 3], [0, 0, 0, 1])
        np.testing.assert_allclose(lazydicom.to_xarray(plane).dicom.affine, affine)
        whole = lazydicom.to_xarray(level).isel(z=key, x=slice(2, 5))
        np.testing.assert_allclose(whole.dicom.affine, affine)
    for keys in (slice(1, 3), slice(2, 0, -1), slice(0, planes, planes - 1)):
        pair = level.isel(z=keys)
        step = np.diff(z[keys])[0]
        expected = [step, z[keys][0]]
        np.testing.assert_allclose(pair.attrs["affine"][2, 2:], expected, atol=1e-12)
        assert np.isnan(pair.attrs["spacing"][0])  # beyond them, no step leads on
        affine = lazydicom.to_xarray(pair).dicom.affine
        np.testing.assert_allclose(affine, pair.attrs["affine"], atol=1e-12)
    for key in (slice(None), slice(None, None, -1)):
        all_planes = level.isel(z=key)
        expected = [0, z[key][0]]
        np.testing.assert_allclose(all_planes.attrs["affine"][2, 2:], expected)
        assert np.isnan(all_planes.attrs["spacing"][0])
        again = all_planes.isel(z=1).attrs["affine"][2, 2:]
        np.testing.assert_allclose(again, [1, z[key][1]], atol=1e-12)
        assert "spacing" not in lazydicom.to_xarray(all_planes).coords["z"].attrs


def test_one_of_counted_planes_has_a_matrix_with_an_inverse() -> None:
    slide = make_slide(matrix=(9, 9), tile=(5, 5), planes=3, samples=1)
    with pytest.warns(LazyDicomWarning, match="how far focal planes are apart"):
        (level,) = lazydicom.open_slide(_forget_distance(slide))

    affine = level.isel(z=2).attrs["affine"]

    assert affine[:3, 2].tolist() == [0, 0, 1]
    assert affine[:3, 3].tolist() == [20, 40, 0]
    assert level.isel(z=slice(1, 3)).attrs["affine"][:3, 2].tolist() == [0, 0, 0]
    assert "direction_z" not in lazydicom.to_xarray(level).attrs


@pytest.mark.parametrize("layout", [{}, {"cuts": (4, 9)}])
def test_planes_that_lie_elsewhere_than_they_count_are_an_error(
    layout: dict[str, Any],
) -> None:
    slide = make_slide(matrix=(9, 9), tile=(5, 5), planes=3, samples=1, **layout)
    files = _with_groups(slide, (0, 2, 5), tiles=4).files
    frame = 4 if layout else 8  # of the second part

    message = rf"0\.004 mm, not 0\.005 mm.*frame {frame}"
    with pytest.raises(InvalidDicomError, match=message):
        lazydicom.open_slide(files)


def test_a_tile_at_another_height_than_its_plane_is_an_error() -> None:
    slide = make_slide(matrix=(9, 9), tile=(5, 5), planes=2, samples=1)
    _with_groups(slide, (0, 3), tiles=4)
    groups = slide.datasets[0].PerFrameFunctionalGroupsSequence
    groups[6].PlanePositionSlideSequence[0].ZOffsetInSlideCoordinateSystem = 1

    with pytest.raises(InvalidDicomError, match=r"0\.003 mm, not 0\.001 mm.*frame 6"):
        lazydicom.open_slide(_forget_distance(slide))


@pytest.mark.parametrize("step_um", [0.004, 0.009])
def test_heights_that_creep_from_tile_to_tile_are_one_plane(step_um: float) -> None:
    slide = make_slide(matrix=(9, 9), tile=(5, 5), planes=2, samples=1, sparse=True)
    for frame, item in enumerate(slide.datasets[0].PerFrameFunctionalGroupsSequence):
        plane, tile = divmod(frame, 4)
        (position,) = item.PlanePositionSlideSequence
        position.ZOffsetInSlideCoordinateSystem = 2 * plane + step_um * tile

    (level,) = lazydicom.open_slide(slide.files)

    np.testing.assert_allclose(level.coords["z"].values, [0, 0.002])
    assert np.array_equal(level, slide.truth[0])


@pytest.mark.parametrize("frame", [0, 3])
def test_a_tile_without_height_among_others_is_an_error(frame: int) -> None:
    slide = make_slide(matrix=(9, 9), tile=(5, 5), planes=2, sparse=True)
    groups = slide.datasets[0].PerFrameFunctionalGroupsSequence
    del groups[frame].PlanePositionSlideSequence[0].ZOffsetInSlideCoordinateSystem

    with pytest.raises(InvalidDicomError, match=f"Z Offset is missing.*frame {frame}"):
        lazydicom.open_slide(slide.files)


# --- holes -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("absent", "fill_value", "expected"),
    [
        (None, "auto", [255, 255, 255]),
        ((0, 32896, 32896), "auto", [0, 0, 0]),
        ((34891, 53479, 50166), "auto", [255, 0, 0]),
        (None, 9, [9, 9, 9]),
        (None, (1, 2, 3), [1, 2, 3]),
    ],
)
def test_holes_have_the_declared_the_customary_or_the_given_colour(
    absent: tuple[int, ...] | None,
    fill_value: float | tuple[float, ...] | str,
    expected: list[int],
) -> None:
    slide = make_slide(
        matrix=(20, 20), tile=(5, 5), sparse=True, keep=0.5, absent=absent
    )

    (level,) = lazydicom.open_slide(slide.files, fill_value=fill_value)  # type: ignore[arg-type]

    holes = ~slide.stored[0, 0]
    assert level.attrs["missing_tiles"] == holes[::5, ::5].sum()
    colors = np.unique(level[...][holes], axis=0).tolist()
    assert np.abs(np.array(colors) - expected).max() <= 1
    assert np.array_equal(level[...][~holes], slide.truth[0, 0][~holes])
    assert np.array_equal(lazydicom.stored_mask(level), ~holes)


@pytest.mark.parametrize(
    ("bits", "stored", "absent", "expected"),
    [
        (16, 16, (0, 32896, 32896), [0, 0, 0]),
        (16, 16, (65535, 32896, 32896), [65535] * 3),
        (16, 16, (34891, 53479, 50166), [65535, 0, 0]),
        (16, 12, (65535, 32896, 32896), [4095] * 3),
        (16, 10, (0, 32896, 32896), [0, 0, 0]),
        (16, 16, None, [65535] * 3),
        (8, 7, (65535, 32896, 32896), [127] * 3),
    ],
)
def test_the_declared_colour_has_the_range_of_the_stored_values(
    bits: int, stored: int, absent: tuple[int, ...] | None, expected: list[int]
) -> None:
    slide = make_slide(
        matrix=(4, 8), tile=(4, 4), sparse=True, keep=0.5, absent=absent, seed=3
    )
    assert slide.stored.sum() == 16
    (dataset,) = slide.datasets
    dataset.BitsAllocated, dataset.BitsStored = bits, stored
    dataset.HighBit, dataset.PixelData = stored - 1, bytes(48 * bits // 8)

    (level,) = lazydicom.open_slide(slide.files)

    holes = ~slide.stored[0, 0]
    colors = level[...][holes].astype(int)
    largest = 2**stored - 1
    assert np.abs(colors - expected).max() <= largest // 255
    declared = None if absent is None else colors[0].tolist()
    assert level.attrs.get("absent_pixel") == declared
    assert (level[...][~holes] == 0).all()


def test_a_declared_colour_that_pixels_cannot_have_is_left_with_a_warning() -> None:
    slide = make_slide(
        matrix=(8, 8),
        tile=(4, 4),
        sparse=True,
        keep=0.5,
        samples=1,
        absent=(65535, 32896, 32896),
    )

    with pytest.warns(LazyDicomWarning, match="declared absent pixel is not used, 0"):
        (level,) = lazydicom.open_slide(slide.files)

    assert np.array_equal(level, slide.truth[0, 0])
    assert "absent_pixel" not in level.attrs


def test_a_black_absent_pixel_of_intensities_is_zero_without_a_word() -> None:
    black = (0, 32896, 32896)
    slide = make_slide(
        matrix=(8, 8), tile=(4, 4), sparse=True, keep=0.5, samples=1, absent=black
    )

    (level,) = lazydicom.open_slide(slide.files)

    assert np.array_equal(level, slide.truth[0, 0])


@pytest.mark.parametrize("absent", [None, (0, 32896, 32896)])
def test_holes_of_signed_colours_need_a_value(absent: tuple[int, ...] | None) -> None:
    slide = make_slide(matrix=(8, 8), tile=(4, 4), sparse=True, keep=0.5, absent=absent)
    slide.datasets[0].PixelRepresentation = 1

    with pytest.raises(InvalidDicomError, match=r"white is no colour of type int8"):
        lazydicom.open_slide(slide.files)

    (level,) = lazydicom.open_slide(slide.files, fill_value=-3)
    assert (level[...][~slide.stored[0, 0]] == -3).all()


def test_a_part_of_a_level_counts_its_own_holes() -> None:
    slide = make_slide(matrix=(20, 20), tile=(5, 5), sparse=True, keep=0.5)
    (level,) = lazydicom.open_slide(slide.files)

    for rows in (slice(0, 5), slice(7, None), slice(None, None, -1)):
        part = level.isel(y=rows)
        of_tiles = slide.stored[0, 0, ::5, ::5]
        kept = of_tiles[sorted({row // 5 for row in range(20)[rows]})]
        assert part.attrs["missing_tiles"] == (~kept).sum()


def test_reading_a_hole_is_an_error_where_the_caller_wants_that() -> None:
    slide = make_slide(matrix=(20, 20), tile=(5, 5), sparse=True, keep=0.5)
    (level,) = lazydicom.open_slide(slide.files, fill_value=None)

    with pytest.raises(InvalidDicomError, match="frames asked for are missing"):
        level[...]


def test_intensities_are_zero_in_holes() -> None:
    slide = make_slide(matrix=(20, 20), tile=(5, 5), sparse=True, keep=0.5, samples=1)

    (level,) = lazydicom.open_slide(slide.files)

    assert np.array_equal(level, slide.truth[0, 0])


# --- faults ----------------------------------------------------------------------------


def _drop_frames(dataset: Dataset) -> None:
    dataset.NumberOfFrames = 7
    dataset.PixelData = dataset.PixelData[: 7 * 75]


def _add_frames(dataset: Dataset) -> None:
    dataset.NumberOfFrames = 18
    dataset.PixelData += bytes(2 * 75)


def _move(
    row: int | None = None, column: int | None = None
) -> Callable[[Dataset], None]:
    def change(dataset: Dataset) -> None:
        group = dataset.PerFrameFunctionalGroupsSequence[3]
        position = group.PlanePositionSlideSequence[0]
        if row is not None:
            position.RowPositionInTotalImagePixelMatrix = row
        if column is not None:
            position.ColumnPositionInTotalImagePixelMatrix = column

    return change


def _set(name: str, value: object) -> Callable[[Dataset], None]:
    return lambda dataset: setattr(dataset, name, value)


@pytest.mark.parametrize(
    ("layout", "change", "message"),
    [
        ({}, _drop_frames, "Expected 16 tiles.*found 7"),
        ({}, _add_frames, "Expected 16 tiles.*found 18"),
        ({"sparse": True}, _move(column=4), "Column Position 4 is off the grid.*frame 3"),
        ({"sparse": True}, _move(row=2), "Row Position 2 is off the grid.*frame 3"),
        ({"sparse": True}, _move(column=21), "Column Position 21 is beyond.*frame 3"),
        ({"sparse": True}, _move(row=-4), "Row Position -4 is beyond.*frame 3"),
        ({"sparse": True}, _move(column=11), "Two tiles in row 0, column 2.*frame 2 .*3"),
        ({"sparse": True, "shuffled": True},
         _set("DimensionOrganizationType", "TILED_FULL"), "TILED_FULL counts"),
        ({}, _set("TotalPixelMatrixRows", 0), "a total pixel matrix, found 0×20"),
        ({"sparse": True}, lambda d: delattr(d, "PerFrameFunctionalGroupsSequence"),
         "Tiles do not say where they are"),
        ({"sparse": True},
         lambda d: setattr(
             d.PerFrameFunctionalGroupsSequence[3].OpticalPathIdentificationSequence[0],
             "OpticalPathIdentifier", "9"), "none of the 1 that are described"),
    ],
)  # fmt: skip
def test_tiles_that_contradict_are_an_error(
    layout: dict[str, Any], change: Callable[[Dataset], None], message: str
) -> None:
    slide = make_slide(matrix=(20, 20), tile=(5, 5), **layout)

    with pytest.raises(InvalidDicomError, match=message):
        lazydicom.open_slide(changed(slide, change))


@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("sparse", [False, True])
def test_a_part_that_is_missing_is_an_error_unless_holes_are_filled(
    part: int, sparse: bool
) -> None:
    slide = make_slide(matrix=(20, 20), tile=(5, 5), cuts=(4, 9), sparse=sparse)
    files = slide.files
    del files[part]

    with pytest.raises(InvalidDicomError, match="of a concatenation"):
        lazydicom.open_slide(files)
    (level,) = lazydicom.open_slide(files, on_gap="fill", fill_value=0)

    mask = lazydicom.stored_mask(level)
    assert level.attrs["missing_tiles"] == (~mask[::5, ::5]).sum() > 0
    assert np.array_equal(level[...][mask], slide.truth[0, 0][mask])


def test_the_same_instance_twice_is_taken_once_with_a_warning() -> None:
    slide = make_slide(matrix=(20, 20), tile=(5, 5), cuts=(4,))

    with pytest.warns(LazyDicomWarning, match="The same instance"):
        (level,) = lazydicom.open_slide([*slide.files, slide.files[0]])

    assert np.array_equal(level, slide.truth[0, 0])


def test_one_matrix_in_two_instances_is_an_error_that_names_both() -> None:
    first = make_slide(matrix=(20, 20), tile=(5, 5))
    again = make_slide(matrix=(20, 20), tile=(5, 5))
    again.datasets[0].SOPInstanceUID = "1.2.3"

    with pytest.raises(InvalidDicomError, match="Two tiles in row 0, column 0"):
        lazydicom.open_slide([*first.files, *again.files])


@pytest.mark.parametrize("other", [{"tile": (4, 5)}, {"samples": 1}])
def test_tiles_of_one_level_that_differ_are_an_error(other: dict[str, Any]) -> None:
    layout: dict[str, Any] = {"matrix": (20, 20), "tile": (5, 5)}
    first = make_slide(**layout)
    second = make_slide(**(layout | other))
    second.datasets[0].SOPInstanceUID = "1.2.3"

    with pytest.raises(InvalidDicomError, match=r"Expected tiles of \d×5, \d samples"):
        lazydicom.open_slide([*first.files, *second.files])


def test_paths_and_planes_in_instances_of_their_own_are_joined() -> None:
    slide = make_slide(
        matrix=(9, 9), tile=(5, 5), paths=2, planes=2, samples=1, sparse=True
    )
    whole = slide.datasets[0]
    files = []
    for path in ("1", "2"):
        one = pickle.loads(pickle.dumps(whole))
        keep = [
            k for k, group in enumerate(one.PerFrameFunctionalGroupsSequence)
            if group.OpticalPathIdentificationSequence[0].OpticalPathIdentifier == path
        ]  # fmt: skip
        groups = one.PerFrameFunctionalGroupsSequence
        one.PerFrameFunctionalGroupsSequence = [groups[k] for k in keep]
        frames = [whole.PixelData[50 * k : 50 * k + 50] for k in keep]
        one.PixelData, one.NumberOfFrames = b"".join(frames), len(keep)
        one["PixelData"].VR = "OW"
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = f"1.2.{path}"
        files.append(as_bytes(one))

    (level,) = lazydicom.open_slide(files)

    assert level.dims == ("path", "z", "y", "x")
    assert np.array_equal(level, slide.truth)


def _two_channels(change: Callable[[Dataset], object], cuts: bool) -> list[bytes]:
    """Return channels in files of their own, or parts, and change the last one."""
    layout: dict[str, Any] = {"matrix": (20, 30), "tile": (10, 10), "samples": 1}
    if cuts:
        datasets = make_slide(**layout, cuts=(2, 4)).datasets
    else:
        datasets = [make_slide(**layout).datasets[0] for _ in range(3)]
        for number, dataset in enumerate(datasets):
            uid = UID(f"1.2.3.{number}")
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
            dataset.OpticalPathSequence[0].OpticalPathIdentifier = f"{number}"
    for dataset in datasets:
        dataset.FrameOfReferenceUID = "1.2.8"
    change(datasets[-1])
    return [as_bytes(dataset) for dataset in datasets]


def _spacing(rows: float, columns: float) -> Callable[[Dataset], None]:
    def change(dataset: Dataset) -> None:
        (shared,) = dataset.SharedFunctionalGroupsSequence
        shared.PixelMeasuresSequence[0].PixelSpacing = [rows, columns]

    return change


def _origin(x: float, y: float, z: float | None = None) -> Callable[[Dataset], None]:
    def change(dataset: Dataset) -> None:
        (origin,) = dataset.TotalPixelMatrixOriginSequence
        origin.XOffsetInSlideCoordinateSystem = x
        origin.YOffsetInSlideCoordinateSystem = y
        if z is not None:
            origin.ZOffsetInSlideCoordinateSystem = z

    return change


def _forget(*names: str) -> Callable[[Dataset], None]:
    def change(dataset: Dataset) -> None:
        for name in names:
            delattr(dataset, name)

    return change


_ORIENTATION = "ImageOrientationSlide"


@pytest.mark.parametrize("cuts", [False, True])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            _set(_ORIENTATION, [0, 1, 0, -1, 0, 0]),
            "the orientation 0, -1, 0, -1, 0, 0 ",
        ),
        (_set(_ORIENTATION, [0, 1, 0, 1, 0, 0]), "found 0, 1, 0, 1, 0, 0"),
        (_set(_ORIENTATION, [-0.01, -1, 0, -1, 0.01, 0]), "the orientation"),
        (_spacing(0.001, 0.002), "pixels in mm of 0.0005, 0.001 .* found 0.001, 0.002"),
        (_spacing(0.0005, 0.00101), "pixels in mm of"),
        (_origin(25, 45), "the first pixel, in mm, at 20, 40 .*found 25, 45"),
        (_origin(20, 40.001), "the first pixel, in mm, at 20, 40 "),
        (_set("FrameOfReferenceUID", "1.2.9"), "the Frame of Reference of "),
    ],
)
def test_instances_of_one_level_that_lie_elsewhere_are_an_error_that_names_both(
    tmp_path: Path, change: Callable[[Dataset], object], message: str, cuts: bool
) -> None:
    for number, data in enumerate(_two_channels(change, cuts)):
        (tmp_path / f"{number}.dcm").write_bytes(data)

    with pytest.raises(InvalidDicomError, match=message) as caught:
        lazydicom.open_slide(str(tmp_path))

    assert "0.dcm" in str(caught.value)
    assert "2.dcm" in str(caught.value)
    if not cuts:
        files = [str(tmp_path / f"{number}.dcm") for number in (0, 1)]
        (level,) = lazydicom.open_slide(files)  # without the odd one
        assert level.shape == (2, 20, 30)


@pytest.mark.parametrize(
    "change",
    [
        _set(_ORIENTATION, [0, -1, 0, -1, 1e-7, 0]),
        _spacing(0.00050000001, 0.001),
        _origin(20.0001, 40),
        _origin(20, 40, 7.5),
        _forget(_ORIENTATION),
        _forget("TotalPixelMatrixOriginSequence", "FrameOfReferenceUID"),
        _forget("SharedFunctionalGroupsSequence"),
    ],
)
def test_instances_of_one_level_may_be_rounded_or_say_less(
    change: Callable[[Dataset], object],
) -> None:
    (level,) = lazydicom.open_slide(_two_channels(change, cuts=False))

    assert level.shape[0] == 3
    assert level.coords["path"].values.tolist() == ["0", "1", "2"]


# --- choice ----------------------------------------------------------------------------


def test_labels_are_given_only_where_they_are_named() -> None:
    slide = make_slide(matrix=(20, 20), tile=(5, 5))
    label = make_slide(matrix=(6, 7), tile=(6, 7), kind="LABEL", level=9)
    files = [*slide.files, *label.files]

    (volume,) = lazydicom.open_slide(files)
    (named,) = lazydicom.open_slide(files, image="label")

    assert volume.shape == (20, 20, 3)
    assert np.array_equal(named, label.truth[0, 0])
    assert "<img" not in named._repr_html_()
    assert "<img" in volume._repr_html_()
    with pytest.raises(InvalidDicomError, match=r"No overview image.*LABEL, VOLUME"):
        lazydicom.open_slide(files, image="overview")


def test_one_of_several_slides_is_chosen_by_uid_or_number() -> None:
    first = make_slide(matrix=(20, 20), tile=(5, 5), name="first")
    second = make_slide(matrix=(9, 9), tile=(5, 5), name="second")
    files = [*first.files, *second.files]

    with pytest.raises(InvalidDicomError, match="2 slides; choose one with series="):
        lazydicom.open_slide(files)
    dataset = second.datasets[0]
    for name in (dataset.SeriesInstanceUID, dataset.PyramidUID):
        (level,) = lazydicom.open_slide(files, series=str(name))
        assert np.array_equal(level, second.truth[0, 0])
    with pytest.raises(TypeError, match="'squeze'; is it 'squeeze'"):
        lazydicom.open_slide(files, squeze=True)  # type: ignore[call-arg]


# --- real files --------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:The codestream is marked as YCbCr")
def test_a_real_pyramid_of_twelve_levels_has_its_tiles_at_their_places() -> None:
    folder = require_shared_data("13_wsi/cmu_small_region")

    levels = lazydicom.open_slide(folder)

    assert len(levels) == 12
    for level in levels:
        (image,) = level.images
        rows, columns = image.format.pixel.rows, image.format.pixel.columns
        for row in range(-(-level.shape[0] // rows)):
            for column in range(-(-level.shape[1] // columns)):
                top, left = row * rows, column * columns
                tile = level[top : top + rows, left : left + columns]
                across = -(-level.shape[1] // columns)
                frame = image.frame(row * across + column)
                assert np.array_equal(tile, frame[: tile.shape[0], : tile.shape[1]])


def test_opening_a_slide_needs_no_pydicom(tmp_path: Path) -> None:
    files = make_slide(matrix=(20, 20), tile=(5, 5), sparse=True).files
    (tmp_path / "a.dcm").write_bytes(files[0])
    code = (
        "import sys, lazydicom\n"
        f"(level,) = lazydicom.open_slide({str(tmp_path)!r})\n"
        "level[3:9, 4:7]\n"
        "assert 'pydicom' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- DICOMweb ----------------------------------------------------------------------------


def test_tiles_come_from_a_server_in_batches() -> None:
    slide = make_slide(
        matrix=(20, 20), tile=(5, 5), sparse=True, shuffled=True, keep=0.8, samples=1
    )
    (dataset,) = slide.datasets
    frames = np.frombuffer(dataset.PixelData, np.uint8)[: dataset.NumberOfFrames * 50]
    del dataset.PixelData
    with WadoServer() as server:
        dataset.SOPInstanceUID = "1.9"
        server.metadata = json.loads(dataset.to_json())
        server.frames = lambda numbers: Answer(
            multipart(frames_of(frames.reshape(-1, 50), numbers))
        )
        (level,) = lazydicom.open_slide([server.url], fill_value=0)
        opening = len(server.asked)

        values = level[3:17, 4:19]

    assert np.array_equal(values, slide.truth[0, 0, 3:17, 4:19])
    assert len(server.asked) - opening < 8


def test_windows_that_differ_from_tile_to_tile_are_refused() -> None:
    slide = make_slide(matrix=(20, 20), tile=(5, 5), sparse=True, samples=1)
    for number, group in enumerate(slide.datasets[0].PerFrameFunctionalGroupsSequence):
        item = Dataset()
        item.RescaleSlope, item.RescaleIntercept, item.RescaleType = number + 1, 0, "US"
        group.PixelValueTransformationSequence = [item]
    (level,) = lazydicom.open_slide(slide.files)

    with pytest.raises(UnsupportedError, match="Tiles of one plane that differ"):
        lazydicom.apply_modality_lut(level)


def test_confocal_pyramids_are_tiled_like_slides() -> None:
    slide = make_slide(matrix=(50, 70), tile=(16, 24))
    for one in slide.datasets:
        one.SOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.9"
        one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID

    (level,) = lazydicom.open_slide(slide.files)

    np.testing.assert_array_equal(np.asarray(level), slide.truth[0, 0])
