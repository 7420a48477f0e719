"""Segmentations of several focal planes: heights as slides have them, and like= by height."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from segmentation_files import as_segmentation
from slide_files import make_slide

import lazydicom
from lazydicom.errors import InvalidDicomError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

PLANES = 3
EVEN, UNEVEN = (0.0, 2.0, 4.0), (1.0, 3.0, 9.0)
"""In µm."""


def make_level(
    *, sparse: bool = True, heights: tuple[float, ...] = EVEN, segments: int = 1
) -> tuple[Dataset, NDArray[Any]]:
    """Return a level of focal planes at some heights, and its truth: (path, z, y, x)."""
    made = make_slide(
        matrix=(20, 30),
        tile=(8, 8),
        paths=segments,
        planes=PLANES,
        samples=1,
        sparse=sparse,
        shuffled=sparse,
    )
    (dataset,) = made.datasets
    (origin,) = dataset.TotalPixelMatrixOriginSequence
    origin.ZOffsetInSlideCoordinateSystem = heights[0]
    for item in dataset.get("PerFrameFunctionalGroupsSequence", ()):
        (position,) = item.PlanePositionSlideSequence
        k = EVEN.index(float(position.ZOffsetInSlideCoordinateSystem))
        position.ZOffsetInSlideCoordinateSystem = heights[k]
    return dataset, made.truth


@pytest.mark.parametrize(
    ("sparse", "heights"),
    [(False, EVEN), (False, (3.0, 5.0, 7.0)), (True, EVEN), (True, UNEVEN)],
)
def test_focal_planes_lie_where_those_of_the_slide_lie(
    sparse: bool,
    heights: tuple[float, ...],
) -> None:
    dataset, truth = make_level(sparse=sparse, heights=heights)
    (level,) = lazydicom.open_slide(dataset)

    array = lazydicom.open_segmentation(as_segmentation(dataset))

    np.testing.assert_array_equal(array[0], truth[0])
    np.testing.assert_allclose(array.coords["z"].values, np.array(heights) / 1000)
    np.testing.assert_array_equal(array.attrs["affine"], level.attrs["affine"])
    np.testing.assert_array_equal(array.attrs["spacing"], level.attrs["spacing"])


@pytest.mark.parametrize(
    "part",
    [
        {},
        {"z": slice(1, 2)},
        {"z": slice(None, None, -1)},
        {"z": slice(0, None, 2)},
        {"z": slice(1, None), "y": slice(3, 17), "x": slice(25, 4, -2)},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("sparse", "heights"), [(False, (3.0, 5.0, 7.0)), (True, EVEN), (True, UNEVEN)]
)
def test_a_segmentation_is_laid_on_the_focal_planes_of_its_slide(
    sparse: bool,
    heights: tuple[float, ...],
    part: dict[str, slice],
) -> None:
    dataset, truth = make_level(sparse=sparse, heights=heights)
    (level,) = lazydicom.open_slide(dataset)
    if heights == UNEVEN and part.get("z") == slice(0, None, 2):
        with pytest.raises(InvalidDicomError, match=r"Plane 1 lies 0\.002 mm beside"):
            lazydicom.open_segmentation(
                as_segmentation(dataset), like=level.isel(**part)
            )
        return

    on = lazydicom.open_segmentation(as_segmentation(dataset), like=level.isel(**part))

    keys = tuple(part.get(name, slice(None)) for name in "zyx")
    np.testing.assert_array_equal(on[0], truth[0][keys])


@pytest.mark.parametrize("heights", [EVEN, UNEVEN])
@pytest.mark.parametrize("plane", range(PLANES))
def test_one_focal_plane_of_a_slide_has_its_segments(
    heights: tuple[float, ...], plane: int
) -> None:
    dataset, truth = make_level(heights=heights)
    (level,) = lazydicom.open_slide(dataset)

    on = lazydicom.open_segmentation(as_segmentation(dataset), like=level.isel(z=plane))

    np.testing.assert_array_equal(on[0, 0], truth[0, plane])


def of_planes(dataset: Dataset, kept: Callable[[float], bool]) -> Dataset:
    """Return a sparse level with the tiles of some focal planes alone."""
    items = dataset.PerFrameFunctionalGroupsSequence
    chosen = [
        kept(float(one.PlanePositionSlideSequence[0].ZOffsetInSlideCoordinateSystem))
        for one in items
    ]
    other = deepcopy(dataset)
    frames = np.frombuffer(dataset.PixelData, np.uint8).reshape(len(items), -1)
    other.PerFrameFunctionalGroupsSequence = [
        item for item, keep in zip(items, chosen, strict=True) if keep
    ]
    other.PixelData, other.NumberOfFrames = frames[chosen].tobytes(), sum(chosen)
    return other


@pytest.mark.parametrize("heights", [EVEN, UNEVEN])
@pytest.mark.parametrize("left_out", range(PLANES))
def test_focal_planes_without_segments_are_empty(
    heights: tuple[float, ...], left_out: int
) -> None:
    dataset, truth = make_level(heights=heights)
    (level,) = lazydicom.open_slide(dataset)
    segments = of_planes(dataset, lambda z: z != heights[left_out])
    alone = of_planes(dataset, lambda z: z == heights[left_out])

    on = lazydicom.open_segmentation(as_segmentation(segments), like=level)
    other = lazydicom.open_segmentation(as_segmentation(alone), like=level)

    expected = truth[0].copy()
    expected[left_out] = 0
    np.testing.assert_array_equal(on[0], expected)
    np.testing.assert_array_equal(other[0], truth[0] - expected)


@pytest.mark.parametrize("height", [0.5, 3.0, 5.0, 6.0, -2.0])
@pytest.mark.parametrize("heights", [EVEN, (0.0, 2.0, 7.0)])
def test_a_focal_plane_that_the_slide_lacks_is_an_error(
    heights: tuple[float, ...], height: float
) -> None:
    """Its segments would be lost."""
    dataset, _ = make_level(heights=heights)
    (level,) = lazydicom.open_slide(dataset)
    moved = as_segmentation(dataset)
    for item in moved.PerFrameFunctionalGroupsSequence:
        (position,) = item.PlanePositionSlideSequence
        if position.ZOffsetInSlideCoordinateSystem == heights[1]:
            position.ZOffsetInSlideCoordinateSystem = height

    with pytest.raises(
        InvalidDicomError, match=r"beside the nearest|on no focal plane"
    ):
        lazydicom.open_segmentation(moved, like=level)


def test_a_slide_of_one_focal_plane_takes_no_segments_of_another() -> None:
    dataset, truth = make_level()
    first = of_planes(dataset, lambda z: z == 0)
    (level,) = lazydicom.open_slide(first)

    on = lazydicom.open_segmentation(as_segmentation(first), like=level)
    np.testing.assert_array_equal(on[0, 0], truth[0, 0])
    for like in (level, level.isel(y=slice(2, 9))):
        with pytest.raises(InvalidDicomError, match="Plane 1 lies"):
            lazydicom.open_segmentation(as_segmentation(dataset), like=like)


def test_segments_of_an_unknown_focal_plane_are_not_lost() -> None:
    dataset, _ = make_level(sparse=False, heights=(4.0, 6.0, 8.0))
    (level,) = lazydicom.open_slide(dataset)
    one = deepcopy(dataset)
    one.TotalPixelMatrixFocalPlanes, one.NumberOfFrames = 1, dataset.NumberOfFrames // 3
    one.PixelData = dataset.PixelData[: len(dataset.PixelData) // 3]
    del one.TotalPixelMatrixOriginSequence[0].ZOffsetInSlideCoordinateSystem

    for like in (level, level.isel(z=1)):
        with pytest.raises(
            InvalidDicomError, match=r"which focal plane|beside the nearest"
        ):
            lazydicom.open_segmentation(as_segmentation(one), like=like)


def test_a_focal_plane_without_a_height_among_others_is_an_error() -> None:
    dataset, _ = make_level()
    item = dataset.PerFrameFunctionalGroupsSequence[4]
    del item.PlanePositionSlideSequence[0].ZOffsetInSlideCoordinateSystem

    with pytest.raises(InvalidDicomError, match="Z Offset is missing, frame 4"):
        lazydicom.open_segmentation(as_segmentation(dataset))


def test_focal_planes_whose_distance_nobody_tells_are_counted_and_not_laid() -> None:
    dataset, truth = make_level(sparse=False)
    measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    known = deepcopy(dataset)
    del measures.SpacingBetweenSlices
    (level,) = lazydicom.open_slide(known)

    with pytest.warns(UserWarning, match="how far focal planes are apart"):
        array = lazydicom.open_segmentation(as_segmentation(dataset))
    np.testing.assert_array_equal(array[0], truth[0])
    assert array.coords["z"].units == ""
    with (
        pytest.warns(UserWarning, match="how far focal planes are apart"),
        pytest.raises(InvalidDicomError, match="Nothing tells how far"),
    ):
        lazydicom.open_segmentation(as_segmentation(dataset), like=level)


# --- without a Total Pixel Matrix Origin --------------------------------------


@pytest.mark.parametrize(
    "part",
    [
        {"y": slice(None, None, -1)},
        {"x": slice(None, None, -1)},
        {"y": slice(0, 8), "x": slice(0, 8)},
        {"z": slice(None, None, -1)},
        {"z": slice(0, 2)},
        {"z": 1},
    ],
    ids=str,
)
def test_a_part_of_a_level_without_an_origin_takes_no_segments(
    part: dict[str, Any],
) -> None:
    dataset, truth = make_level(sparse=False)
    del dataset.TotalPixelMatrixOriginSequence
    (level,) = lazydicom.open_slide(dataset)

    on = lazydicom.open_segmentation(as_segmentation(dataset), like=level)
    np.testing.assert_array_equal(on[0], truth[0])
    with pytest.raises(InvalidDicomError, match=r"a part|other ones|without positions"):
        lazydicom.open_segmentation(as_segmentation(dataset), like=level.isel(**part))


def test_the_first_tile_of_a_level_without_an_origin_is_no_level_of_that_size() -> None:
    (small,) = make_slide(matrix=(8, 8), tile=(8, 8), samples=1).datasets
    (large,) = make_slide(matrix=(16, 24), tile=(8, 8), samples=1).datasets
    for one in (small, large):
        del one.TotalPixelMatrixOriginSequence
    (level,) = lazydicom.open_slide(large)
    part = level.isel(y=slice(8, 16), x=slice(8, 16))

    with pytest.raises(InvalidDicomError, match="a part or runs backwards"):
        lazydicom.open_segmentation(as_segmentation(small), like=part)


def test_directions_of_another_slide_are_an_error() -> None:
    dataset, _ = make_level(sparse=False)
    del dataset.TotalPixelMatrixOriginSequence
    (level,) = lazydicom.open_slide(dataset)
    turned = as_segmentation(dataset)
    turned.ImageOrientationSlide = [0, 1, 0, 1, 0, 0]

    with pytest.raises(InvalidDicomError, match="other directions"):
        lazydicom.open_segmentation(turned, like=level)


# --- the order of TILED_FULL --------------------------------------------------


def full_with_groups(segments: int = 2) -> tuple[Dataset, NDArray[Any]]:
    """Return a TILED_FULL segmentation whose functional groups say the same places."""
    made = make_slide(
        matrix=(12, 20), tile=(8, 8), paths=segments, planes=2, samples=1, sparse=True
    )
    dataset = as_segmentation(made.datasets[0], segments)
    dataset.DimensionOrganizationType = "TILED_FULL"
    return dataset, made.truth


def test_functional_groups_that_say_the_order_of_tiles_are_taken() -> None:
    dataset, truth = full_with_groups()

    np.testing.assert_array_equal(lazydicom.open_segmentation(dataset)[...], truth)


@pytest.mark.parametrize(
    ("sequence", "keyword", "word"),
    [
        ("PlanePosition", "RowPositionInTotalImagePixelMatrix", "tile_row"),
        ("PlanePosition", "ColumnPositionInTotalImagePixelMatrix", "tile_column"),
        ("PlanePosition", "ZOffsetInSlideCoordinateSystem", "focal plane"),
        ("SegmentIdentification", "ReferencedSegmentNumber", "segment_number"),
    ],
)
def test_functional_groups_that_say_another_order_are_an_error(
    sequence: str, keyword: str, word: str
) -> None:
    dataset, _ = full_with_groups()
    name = sequence + ("SlideSequence" if sequence == "PlanePosition" else "Sequence")
    items = dataset.PerFrameFunctionalGroupsSequence
    values = [getattr(getattr(item, name)[0], keyword) for item in items]
    for item, value in zip(items, reversed(values), strict=True):
        setattr(getattr(item, name)[0], keyword, value)

    with pytest.raises(InvalidDicomError, match=f"counts another {word}.*frame 0"):
        lazydicom.open_segmentation(dataset)


@pytest.mark.parametrize("cuts", [(), (3,), (2, 9)])
def test_parts_of_a_concatenation_are_counted_on(cuts: tuple[int, ...]) -> None:
    made = make_slide(
        matrix=(12, 20),
        tile=(8, 8),
        paths=2,
        planes=2,
        samples=1,
        sparse=True,
        cuts=cuts,
    )
    parts = [as_segmentation(one, 2) for one in made.datasets]
    for part in parts:
        part.DimensionOrganizationType = "TILED_FULL"

    np.testing.assert_array_equal(
        lazydicom.open_segmentation(parts[::-1])[...], made.truth
    )

    item = parts[-1].PerFrameFunctionalGroupsSequence[-1]
    item.SegmentIdentificationSequence[0].ReferencedSegmentNumber = 1
    with pytest.raises(InvalidDicomError, match=r"segment_number.*: 2, not 1, frame"):
        lazydicom.open_segmentation(parts)


def test_a_label_map_is_laid_on_focal_planes() -> None:
    made = make_slide(matrix=(12, 20), tile=(8, 8), planes=2, samples=1, sparse=True)
    (level,) = lazydicom.open_slide(made.datasets)
    dataset = as_segmentation(made.datasets[0])
    dataset.DimensionOrganizationType = "TILED_FULL"
    dataset.SegmentationType = "LABELMAP"
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.66.7"
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID

    on = lazydicom.open_segmentation(
        dataset,
        like=level.isel(z=slice(None, None, -1)),
        combine="labelmap",
        on_unknown="keep",
    )

    np.testing.assert_array_equal(on[...], made.truth[0, ::-1])


def test_a_number_of_frames_that_is_none_of_whole_planes_is_an_error() -> None:
    dataset, _ = make_level(sparse=False, segments=2)
    dataset.NumberOfFrames -= 1
    dataset.PixelData = dataset.PixelData[: -2 * 64]

    with pytest.raises(InvalidDicomError, match="3 focal planes, 2 segments; found"):
        lazydicom.open_segmentation(as_segmentation(dataset, 2))
