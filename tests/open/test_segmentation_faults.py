"""What contradicts itself is an error: nothing is empty by accident."""

from __future__ import annotations

import warnings
from copy import deepcopy
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import UID
from segmentation_files import (
    SHAPE,
    as_segmentation,
    label_map,
    last,
    make_ct,
    make_segments,
    write_binary,
    write_segmentation,
)
from slide_files import BROKEN_SIDES, as_bytes, make_slide, set_sides

import lazydicom
from lazydicom.errors import InvalidDicomError, LazyDicomWarning

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


TRUTH = make_segments()
NUMBERS = (1, 2, 3)


def changed(path: Path, change: Any) -> Path:  # noqa: ANN401
    dataset = pydicom.dcmread(write_binary(path))
    change(dataset)
    dataset.save_as(path)
    return path


def number_of(dataset: Any, frame: int) -> Any:  # noqa: ANN401
    group = dataset.PerFrameFunctionalGroupsSequence[frame]
    return group.SegmentIdentificationSequence[0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda d: setattr(number_of(d, 2), "ReferencedSegmentNumber", 7),
            "of segment 7, which is not described, frame 2",
        ),
        (
            lambda d: setattr(d.SegmentSequence[1], "SegmentNumber", 1),
            "Segment 1 is described twice",
        ),
        (lambda d: delattr(d, "SegmentSequence"), "Expected a Segment Sequence"),
        (
            lambda d: setattr(
                d.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0],
                "ImagePositionPatient",
                d.PerFrameFunctionalGroupsSequence[1]
                .PlanePositionSequence[0]
                .ImagePositionPatient,
            ),
            "place of frame 0, frame 1",
        ),
        (
            lambda d: setattr(
                d.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence[0],
                "ImagePositionPatient",
                [-20, -15, 101.7],
            ),
            "no distance divides",
        ),
        (lambda d: setattr(d, "SegmentationType", "WHATEVER"), "Segmentation Type"),
        (
            lambda d: setattr(d, "SOPClassUID", "1.2.840.10008.5.1.4.1.1.2"),
            "open_series",
        ),
    ],
)
def test_what_contradicts_itself_is_an_error(
    tmp_path: Path,
    change: Any,  # noqa: ANN401
    reason: str,
) -> None:
    path = changed(tmp_path / "a.dcm", change)

    with pytest.raises(InvalidDicomError, match=reason):
        lazydicom.open_segmentation(path)


@pytest.mark.parametrize("combine", [None, "labelmap"])
def test_a_value_that_nothing_describes_is_an_error_when_it_is_read(
    tmp_path: Path,
    combine: Any,  # noqa: ANN401
) -> None:
    labels = label_map(TRUTH, NUMBERS).astype(np.uint8)
    write_segmentation(tmp_path / "a.dcm", make_ct(), labels, "LABELMAP")
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    dataset.PixelData = dataset.PixelData[:300] + b"\x77" + dataset.PixelData[301:]
    dataset.save_as(tmp_path / "b.dcm")
    seg = lazydicom.open_segmentation(tmp_path / "b.dcm", combine=combine)
    kept = lazydicom.open_segmentation(
        tmp_path / "b.dcm", combine=combine, on_unknown="keep"
    )

    with pytest.raises(InvalidDicomError, match=r"no segment describes.*frame \d"):
        np.asarray(seg)
    assert np.asarray(kept).shape == seg.shape


def test_an_unknown_keyword_is_a_type_error(tmp_path: Path) -> None:
    path = write_binary(tmp_path / "a.dcm")

    with pytest.raises(TypeError, match="is it 'combine'"):
        lazydicom.open_segmentation(path, combined="labelmap")  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="on_overlap must be"):
        lazydicom.open_segmentation(path, on_overlap="second")  # type: ignore[arg-type]


def test_contours_are_refused_with_the_name_of_what_reads_them(tmp_path: Path) -> None:
    dataset = make_ct()[0]
    del dataset.PixelData
    dataset.SOPClassUID = UID("1.2.840.10008.5.1.4.1.1.481.3")
    dataset.save_as(tmp_path / "rt.dcm", enforce_file_format=True)

    for url in (tmp_path / "rt.dcm", dataset):
        with pytest.raises(InvalidDicomError, match="rt-utils"):
            lazydicom.open_segmentation(url)


def test_a_series_with_frames_left_out_names_the_opener_that_fits(
    tmp_path: Path,
) -> None:
    write_segmentation(
        tmp_path / "a.dcm", make_ct(), last(TRUTH[1:2]).astype(np.uint8), "BINARY", (1,)
    )

    with pytest.raises(InvalidDicomError, match="open_segmentation"):
        lazydicom.open_series(tmp_path / "a.dcm")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda numbers: numbers[1:], "frame 0 of a concatenation, found 4"),
        (lambda numbers: numbers[:1] + numbers[2:], "frame 4 of .*, found 9"),
        (lambda numbers: numbers[:2], "3 parts of a concatenation, found 2"),
        (lambda numbers: numbers[1:2], "frame 0 of a concatenation, found 4"),
        (lambda numbers: numbers + numbers[1:2], "frame 9 of .*, found 4"),
    ],
)
def test_parts_that_are_missing_are_not_taken_for_empty_frames(
    tmp_path: Path, change: Callable[[list[int]], list[int]], reason: str
) -> None:
    parts = write_parts(tmp_path, (4, 9))

    with pytest.raises(InvalidDicomError, match=reason):
        lazydicom.open_segmentation([parts[k] for k in change([0, 1, 2])])


def test_parts_of_a_concatenation_are_one_in_any_order(tmp_path: Path) -> None:
    parts = write_parts(tmp_path, (4, 9))

    seg = lazydicom.open_segmentation([parts[2], parts[0], parts[1]])

    np.testing.assert_array_equal(seg[...], TRUTH)


def write_parts(folder: Path, cuts: tuple[int, ...]) -> list[Path]:
    """Cut a BINARY segmentation into a concatenation."""
    dataset = pydicom.dcmread(write_binary(folder / "whole.dcm"))
    frames, pixels = int(dataset.NumberOfFrames), dataset.Rows * dataset.Columns
    bits = np.unpackbits(np.frombuffer(dataset.PixelData, np.uint8), bitorder="little")[
        : frames * pixels
    ]
    groups = dataset.PerFrameFunctionalGroupsSequence
    paths = []
    for number, (start, stop) in enumerate(pairwise((0, *cuts, frames))):
        packed = np.packbits(bits[start * pixels : stop * pixels], bitorder="little")
        dataset.PixelData = packed.tobytes() + bytes(len(packed) % 2)
        dataset.NumberOfFrames = stop - start
        dataset.PerFrameFunctionalGroupsSequence = groups[start:stop]
        dataset.ConcatenationUID, dataset.InConcatenationNumber = "1.2.3", number + 1
        dataset.InConcatenationTotalNumber = len(cuts) + 1
        dataset.ConcatenationFrameOffsetNumber = start
        dataset.SOPInstanceUID = UID(f"1.2.3.{number + 1}")
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        paths.append(folder / f"part{number}.dcm")
        dataset.save_as(paths[-1])
    return paths


@pytest.mark.parametrize(
    ("options", "kind", "reason"),
    [
        ({"like": "ct/"}, TypeError, "like= takes a DicomArray .* not str"),
        ({"like": np.zeros(SHAPE)}, TypeError, "like= takes a DicomArray"),
        ({"tolerance_mm": "1"}, TypeError, "tolerance_mm: a number, found str"),
        ({"tolerance_mm": -1}, ValueError, "0 or more, found -1"),
        ({"tolerance_mm": float("nan")}, ValueError, "0 or more, found nan"),
        ({"combine": True}, ValueError, "combine must be"),
        ({"segments": 9}, KeyError, r"0 segments are 9, of numbers \[1, 2, 3\]"),
        ({"segments": [2, "Liver"]}, KeyError, "0 segments are 'Liver'"),
    ],
)
def test_an_argument_that_means_nothing_is_refused(
    tmp_path: Path, options: dict[str, Any], kind: type[Exception], reason: str
) -> None:
    path = write_binary(tmp_path / "a.dcm")

    with pytest.raises(kind, match=reason):
        lazydicom.open_segmentation(path, **options)


def test_a_file_that_was_cut_does_not_lack_segments(tmp_path: Path) -> None:
    path = changed(
        tmp_path / "a.dcm",
        lambda dataset: setattr(dataset, "PixelData", dataset.PixelData[:-20]),
    )

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LazyDicomWarning)
        with pytest.raises(InvalidDicomError, match=r"14 of 16 frames are stored"):
            lazydicom.open_segmentation(path, allow_truncated=True)
    with pytest.raises(InvalidDicomError, match="allow_truncated"):
        lazydicom.open_segmentation(path)


@pytest.mark.parametrize("spacing", [(0.7, 0.91), (1.4, 1.8)])
def test_frames_of_pixels_of_another_size_are_an_error(
    tmp_path: Path, spacing: tuple[float, float]
) -> None:
    def change(dataset: Any) -> None:  # noqa: ANN401
        (shared,) = dataset.SharedFunctionalGroupsSequence
        for item in dataset.PerFrameFunctionalGroupsSequence:
            item.PixelMeasuresSequence = deepcopy(shared.PixelMeasuresSequence)
        del shared.PixelMeasuresSequence
        item = dataset.PerFrameFunctionalGroupsSequence[2]
        item.PixelMeasuresSequence[0].PixelSpacing = list(spacing)

    with pytest.raises(InvalidDicomError, match=r"of another size .* frame 2"):
        lazydicom.open_segmentation(changed(tmp_path / "a.dcm", change))


def test_positions_without_orientation_are_an_error(tmp_path: Path) -> None:
    def change(dataset: Any) -> None:  # noqa: ANN401
        del dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence

    with pytest.raises(InvalidDicomError, match="a position and no orientation"):
        lazydicom.open_segmentation(changed(tmp_path / "a.dcm", change))


def _turn(directions: list[float]) -> Callable[[Any], None]:
    def change(dataset: Any) -> None:  # noqa: ANN401
        (shared,) = dataset.SharedFunctionalGroupsSequence
        orientation = shared.PlaneOrientationSequence[0]
        orientation.ImageOrientationPatient = directions

    return change


def test_directions_are_made_unit_vectors_as_those_of_a_series(tmp_path: Path) -> None:
    expected = lazydicom.open_segmentation(write_binary(tmp_path / "right.dcm"))
    path = changed(tmp_path / "a.dcm", _turn([2, 0, 0, 0, 0.5, 0]))

    with pytest.warns(LazyDicomWarning, match="are no unit vectors, made so"):
        array = lazydicom.open_segmentation(path)

    np.testing.assert_allclose(array.attrs["affine"], expected.attrs["affine"])
    for name in "zyx":
        own, other = array.coords[name].values, expected.coords[name].values
        np.testing.assert_allclose(own, other)


@pytest.mark.parametrize(
    ("directions", "reason"),
    [
        ([1, 0, 0, 0.5, 0.8660254, 0], "60.0 degrees apart, expected 90"),
        ([1, 0, 0, 1, 0, 0], "no orientation that spans a plane"),
        ([0] * 6, "no orientation that spans a plane"),
    ],
)
def test_directions_that_are_no_axes_are_an_error(
    tmp_path: Path, directions: list[float], reason: str
) -> None:
    with pytest.raises(InvalidDicomError, match=reason):
        lazydicom.open_segmentation(changed(tmp_path / "a.dcm", _turn(directions)))


def test_a_frame_without_directions_among_others_is_an_error(tmp_path: Path) -> None:
    def change(dataset: Any) -> None:  # noqa: ANN401
        (shared,) = dataset.SharedFunctionalGroupsSequence
        for item in dataset.PerFrameFunctionalGroupsSequence:
            item.PlaneOrientationSequence = deepcopy(shared.PlaneOrientationSequence)
        del shared.PlaneOrientationSequence
        del dataset.PerFrameFunctionalGroupsSequence[2].PlaneOrientationSequence

    with pytest.raises(InvalidDicomError, match=r"no orientation, others .* frame 2"):
        lazydicom.open_segmentation(changed(tmp_path / "a.dcm", change))


def test_two_segmentations_are_not_one(tmp_path: Path) -> None:
    paths = [write_binary(tmp_path / f"{k}.dcm") for k in range(2)]
    dataset = pydicom.dcmread(paths[1])
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    dataset.save_as(paths[1])

    with pytest.raises(InvalidDicomError, match="Expected one segmentation, found 2"):
        lazydicom.open_segmentation(paths)


def label_map_file(path: Path, change: Callable[[Any], object]) -> Path:
    """Write a label map of 8 bits that was changed."""
    labels = label_map(TRUTH, NUMBERS).astype(np.uint8)
    write_segmentation(path, make_ct(), labels, "LABELMAP")
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)
    return path


@pytest.mark.parametrize("on_unknown", ["error", "keep"])
@pytest.mark.parametrize("number", [256, 257, 300, 65_535])
def test_a_segment_that_no_stored_value_can_be_is_no_other_segment(
    tmp_path: Path,
    number: int,
    on_unknown: Any,  # noqa: ANN401
) -> None:
    def renumber(dataset: Any) -> None:  # noqa: ANN401
        dataset.SegmentSequence[-1].SegmentNumber = number

    path = label_map_file(tmp_path / "a.dcm", renumber)

    with pytest.raises(InvalidDicomError, match=f"Segment {number} is beyond"):
        lazydicom.open_segmentation(path, on_unknown=on_unknown)


@pytest.mark.parametrize("padding", [256, 20_035])
def test_padding_that_no_stored_value_can_be_is_no_background(
    tmp_path: Path, padding: int
) -> None:
    path = label_map_file(
        tmp_path / "a.dcm", lambda d: d.add_new("PixelPaddingValue", "US", padding)
    )

    with pytest.warns(LazyDicomWarning, match="Padding Value is beyond"):
        labels = lazydicom.open_segmentation(path, combine="labelmap")

    assert np.array_equal(np.asarray(labels), label_map(TRUTH, NUMBERS))


@pytest.mark.parametrize("memory", [False, True])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize(("rows", "columns", "found"), BROKEN_SIDES)
def test_a_tiled_segmentation_without_a_whole_matrix_is_an_error(
    rows: int | None, columns: int | None, found: str, *, sparse: bool, memory: bool
) -> None:
    slide = make_slide(matrix=(8, 9), tile=(4, 4), sparse=sparse, samples=1)
    dataset = as_segmentation(slide.datasets[0])
    set_sides(dataset, rows, columns)

    with pytest.raises(InvalidDicomError, match=f"total pixel matrix, found {found}"):
        lazydicom.open_segmentation(dataset if memory else as_bytes(dataset))


@pytest.mark.parametrize("sparse", [False, True])
def test_directions_of_a_tiled_segmentation_are_those_of_a_slide(
    *, sparse: bool
) -> None:
    slide = make_slide(matrix=(8, 9), tile=(4, 4), sparse=sparse, samples=1)
    dataset = as_segmentation(slide.datasets[0])
    expected = lazydicom.open_segmentation(dataset).attrs["affine"]

    dataset.ImageOrientationSlide = [0, -2, 0, -0.5, 0, 0]
    with pytest.warns(LazyDicomWarning, match="are no unit vectors, made so"):
        array = lazydicom.open_segmentation(dataset)
    np.testing.assert_allclose(array.attrs["affine"], expected)

    dataset.ImageOrientationSlide = [1, 0, 0, 0.5, 0.8660254, 0]
    with pytest.raises(InvalidDicomError, match=r"60\.0 degrees apart, expected 90"):
        lazydicom.open_segmentation(dataset)
