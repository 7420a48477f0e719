"""Segmentations open as segments on the grid of their image, or as a label map of it."""

from __future__ import annotations

import pickle
import warnings
from copy import deepcopy
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import highdicom as hd
import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID
from segmentation_files import (
    AXIAL,
    SHAPE,
    TILTED,
    identify,
    label_map,
    last,
    make_ct,
    make_segments,
    write_ct,
    write_segmentation,
)
from slide_files import make_slide

import lazydicom
from lazydicom.errors import InvalidDicomError, LazyDicomWarning

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from lazydicom._array.label_map import OnOverlap

TRUTH = make_segments()
NUMBERS = (1, 2, 3)


def binary(path: Path, **options: Any) -> Path:  # noqa: ANN401
    write_segmentation(
        path, make_ct(), last(TRUTH).astype(np.uint8), "BINARY", **options
    )
    return path


@pytest.mark.parametrize("omit", [True, False])
def test_a_segment_is_an_axis_and_what_was_left_out_is_empty(
    tmp_path: Path, omit: bool
) -> None:
    seg = lazydicom.open_segmentation(
        binary(tmp_path / "a.dcm", omit_empty_frames=omit)
    )

    assert seg.dims == ("segment", "z", "y", "x")
    assert seg.coords["segment"].values.tolist() == [1, 2, 3]
    np.testing.assert_array_equal(seg[...], TRUTH)
    np.testing.assert_array_equal(seg[1, 2:4], 0)
    np.testing.assert_allclose(seg.coords["z"].values, 100 + 2.5 * np.arange(SHAPE[0]))


@pytest.mark.parametrize("numbers", [(1, 2, 3), (5, 9, 200), (1, 300, 1000)])
def test_a_label_map_gives_the_same_segments(
    tmp_path: Path, numbers: tuple[int, ...]
) -> None:
    dtype = np.uint8 if max(numbers) < 256 else np.uint16
    labels = label_map(TRUTH, numbers).astype(dtype)
    write_segmentation(
        tmp_path / "a.dcm",
        make_ct(),
        label_map(TRUTH, NUMBERS).astype(dtype),
        "LABELMAP",
    )
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    for item, number in zip(dataset.SegmentSequence[-3:], numbers, strict=True):
        item.SegmentNumber = number
    renumbered = np.array([0, *numbers], dtype)
    dataset.PixelData = renumbered[dataset.pixel_array].tobytes()
    dataset.PixelData += bytes(len(dataset.PixelData) % 2)
    dataset.BitsAllocated = dataset.BitsStored = 8 * renumbered.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.save_as(tmp_path / "b.dcm")

    seg = lazydicom.open_segmentation(tmp_path / "b.dcm")
    combined = lazydicom.open_segmentation(tmp_path / "b.dcm", combine="labelmap")

    assert seg.coords["segment"].values.tolist() == list(numbers)
    np.testing.assert_array_equal(seg[...], TRUTH)
    np.testing.assert_array_equal(combined[...], labels)


def test_fractions_are_stored_values_or_parts_of_their_maximum(tmp_path: Path) -> None:
    parts = (TRUTH * np.linspace(0, 1, SHAPE[2])).astype(np.float32)
    write_segmentation(
        tmp_path / "a.dcm",
        make_ct(),
        last(parts),
        "FRACTIONAL",
        max_fractional_value=200,
    )

    stored = lazydicom.open_segmentation(tmp_path / "a.dcm")
    unit = lazydicom.open_segmentation(tmp_path / "a.dcm", fractional="unit")

    np.testing.assert_allclose(np.asarray(stored) / 200, parts, atol=1 / 400 + 1e-6)
    assert unit.dtype == np.float32
    np.testing.assert_allclose(np.asarray(unit), parts, atol=1 / 400 + 1e-6)


def test_fractions_above_their_maximum_are_kept_with_a_warning(tmp_path: Path) -> None:
    parts = TRUTH.astype(np.float32)
    write_segmentation(
        tmp_path / "a.dcm",
        make_ct(),
        last(parts),
        "FRACTIONAL",
        max_fractional_value=200,
    )
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    dataset.MaximumFractionalValue = 100
    dataset.save_as(tmp_path / "b.dcm")
    unit = lazydicom.open_segmentation(tmp_path / "b.dcm", fractional="unit")

    with pytest.warns(LazyDicomWarning, match="up to 200 are above .* 100"):
        values = np.asarray(unit)

    assert values.max() == 2


# --- combined -----------------------------------------------------------------


def test_segments_become_one_label_map(tmp_path: Path) -> None:
    labels = lazydicom.open_segmentation(binary(tmp_path / "a.dcm"), combine="labelmap")

    assert labels.dims == ("z", "y", "x")
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels[...], label_map(TRUTH, NUMBERS))
    np.testing.assert_array_equal(
        labels[-1, ::-2, [3, 1]], label_map(TRUTH, NUMBERS)[-1, ::-2, [3, 1]]
    )
    again = pickle.loads(pickle.dumps(labels))
    np.testing.assert_array_equal(again[2:4], labels[2:4])


OVERLAPPING = make_segments(overlap=True)


@pytest.fixture(scope="module")
def overlapping(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("overlap") / "a.dcm"
    write_segmentation(path, make_ct(), last(OVERLAPPING).astype(np.uint8), "BINARY")
    return path


def test_an_overlap_is_an_error_that_names_both_segments_and_the_voxel(
    overlapping: Path,
) -> None:
    labels = lazydicom.open_segmentation(overlapping, combine="labelmap")
    z, y, x = np.argwhere(OVERLAPPING.sum(axis=0) > 1)[0].tolist()
    first, second = np.flatnonzero(OVERLAPPING[:, z, y, x])[:2] + 1

    with pytest.raises(
        InvalidDicomError,
        match=rf"Segments {first} and {second} both hold .* \({z}, {y}, {x}\)",
    ):
        labels.read(..., threads=1)


@given(data=st.data())
def test_first_and_last_are_by_number_under_any_threads_and_chunks(
    overlapping: Path, data: st.DataObject
) -> None:
    which: OnOverlap = data.draw(st.sampled_from(["first", "last"]))
    numbers = OVERLAPPING * np.array(NUMBERS).reshape(-1, 1, 1, 1)
    least = np.where(OVERLAPPING, numbers, 99).min(axis=0)
    expected = (
        numbers.max(axis=0) if which == "last" else np.where(least == 99, 0, least)
    )
    labels = lazydicom.open_segmentation(
        overlapping, combine="labelmap", on_overlap=which
    )
    start = data.draw(st.integers(0, SHAPE[0] - 1))
    key = (
        slice(start, None),
        slice(None, None, data.draw(st.sampled_from([1, 2, -1]))),
    )

    values = labels.read(key, threads=data.draw(st.sampled_from([1, 2, 8])))

    np.testing.assert_array_equal(values, expected[key])


def test_fractions_have_no_label_map(tmp_path: Path) -> None:
    write_segmentation(
        tmp_path / "a.dcm", make_ct(), last(TRUTH).astype(np.float32), "FRACTIONAL"
    )

    with pytest.raises(ValueError, match="no label map"):
        lazydicom.open_segmentation(tmp_path / "a.dcm", combine="labelmap")


# --- some segments ------------------------------------------------------------


@pytest.mark.parametrize("segments", [[3, 1], ["Label 3", 1]])
@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_segments_are_chosen_by_number_or_label(
    tmp_path: Path, kind: str, segments: list[int | str]
) -> None:
    pixels = last(TRUTH) if kind == "BINARY" else label_map(TRUTH, NUMBERS)
    write_segmentation(tmp_path / "a.dcm", make_ct(), pixels.astype(np.uint8), kind)

    seg = lazydicom.open_segmentation(
        tmp_path / "a.dcm", segments=segments, labels=True
    )
    labels = lazydicom.open_segmentation(
        tmp_path / "a.dcm", segments=segments, combine="labelmap"
    )

    assert seg.coords["segment"].values.tolist() == [1, 3]
    assert seg.coords["label"].values.tolist() == ["Label 1", "Label 3"]
    np.testing.assert_array_equal(seg[...], TRUTH[[0, 2]])
    np.testing.assert_array_equal(labels[...], label_map(TRUTH[[0, 2]], (1, 3)))


def test_a_segment_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="0 segments are 'Spleen'"):
        lazydicom.open_segmentation(binary(tmp_path / "a.dcm"), segments="Spleen")


def test_the_table_says_what_highdicom_says(tmp_path: Path) -> None:
    path = binary(tmp_path / "a.dcm")
    seg = lazydicom.open_segmentation(path)

    table = lazydicom.segment_table(seg)

    theirs = hd.seg.segread(path)
    for segment in table:
        item = theirs.get_segment_description(segment.number)
        assert segment.label == item.segment_label
        assert segment.type is not None
        assert segment.type.value == item.segmented_property_type.value
        assert segment.category is not None
        assert segment.category.meaning == item.segmented_property_category.meaning
        assert segment.tracking_uid == item.tracking_uid
        assert segment.frames == int((TRUTH[segment.number - 1].any(axis=(1, 2))).sum())
        assert segment.cielab == pytest.approx(
            (20.0 + segment.number, segment.number - 45.0, 30.0), abs=0.01
        )
    assert "tracking 1" not in repr(table)


# --- on the grid of an image --------------------------------------------------


@pytest.mark.parametrize("orientation", [AXIAL, TILTED])
@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_it_lies_on_its_image_in_any_order_and_in_part(
    tmp_path: Path, kind: str, orientation: tuple[float, ...]
) -> None:
    planes = make_ct(orientation=orientation)
    pixels = last(TRUTH) if kind == "BINARY" else label_map(TRUTH, NUMBERS)
    write_segmentation(tmp_path / "a.dcm", planes, pixels.astype(np.uint8), kind)
    ct = lazydicom.open_series(write_ct(tmp_path / "ct", planes))
    part = {"z": slice(4, 1, -1), "y": slice(1, 8), "x": slice(None, None, -1)}

    whole = lazydicom.open_segmentation(tmp_path / "a.dcm", like=ct)
    cropped = lazydicom.open_segmentation(tmp_path / "a.dcm", like=ct.isel(**part))
    labels = lazydicom.open_segmentation(
        tmp_path / "a.dcm", like=ct.isel(**part), combine="labelmap"
    )

    key = (slice(4, 1, -1), slice(1, 8), slice(None, None, -1))
    np.testing.assert_array_equal(whole[...], TRUTH)
    np.testing.assert_array_equal(cropped[...], TRUTH[(slice(None), *key)])
    np.testing.assert_array_equal(labels[...], label_map(TRUTH, NUMBERS)[key])
    np.testing.assert_array_equal(cropped.coords["z"], ct.isel(**part).coords["z"])


@pytest.mark.parametrize(
    "part",
    [
        {"z": slice(None, None, 2)},
        {"z": slice(None, None, -2), "x": slice(8, 1, -3)},
        {"z": slice(1, 6, 4), "y": slice(None, None, 2), "x": slice(3, 4)},
        {"z": slice(5, 6), "y": slice(None, None, 4)},
        {"z": slice(None, None, -1), "y": slice(7, None, -1)},
    ],
)
@pytest.mark.parametrize("combine", [None, "labelmap"])
def test_it_lies_on_every_other_plane_and_pixel_of_its_image(
    tmp_path: Path, part: dict[str, slice], combine: Literal["labelmap"] | None
) -> None:
    planes = make_ct(orientation=TILTED)
    binary = last(TRUTH).astype(np.uint8)
    write_segmentation(tmp_path / "a.dcm", planes, binary, "BINARY")
    ct = lazydicom.open_series(write_ct(tmp_path / "ct", planes)).isel(**part)

    seg = lazydicom.open_segmentation(tmp_path / "a.dcm", like=ct, combine=combine)

    key = tuple(part.get(name, slice(None)) for name in "zyx")
    expected: NDArray[Any] = TRUTH[(slice(None), *key)]
    if combine is not None:
        expected = label_map(TRUTH, NUMBERS)[key]
    assert seg.shape[-3:] == ct.shape
    np.testing.assert_array_equal(seg[...], expected)


def test_a_segmentation_of_every_other_pixel_lies_on_these(tmp_path: Path) -> None:
    coarse = make_ct((3, 5, 6), spacing=(5.0, 1.4, 1.8))
    masks = make_segments(2, (3, 5, 6))
    pixels = last(masks).astype(np.uint8)
    write_segmentation(tmp_path / "a.dcm", coarse, pixels, "BINARY", (1, 2))
    ct = lazydicom.open_series(write_ct(tmp_path / "ct", make_ct()))
    every = {"z": slice(None, None, 2), "y": slice(0, 9, 2), "x": slice(0, 11, 2)}

    seg = lazydicom.open_segmentation(tmp_path / "a.dcm", like=ct.isel(**every))

    np.testing.assert_array_equal(seg[...], masks)
    with pytest.raises(InvalidDicomError, match=r"along x are 1\.8 mm, in like= 0\.9"):
        lazydicom.open_segmentation(tmp_path / "a.dcm", like=ct)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"origin": (-20.0, -15.0, 101.0)}, r"1\.000 mm beside .* along z"),
        ({"origin": (-20.0, -15.3, 100.0)}, r"0\.300 mm beside .* along y"),
        ({"origin": (-20.02, -15.0, 100.0)}, r"0\.020 mm beside .* along x"),
        ({"spacing": (1.25, 0.7, 0.9)}, r"1\.250 mm beside .* along z"),
        ({"spacing": (2.5, 0.7, 0.91)}, r"along x are 0\.91 mm, in like= 0\.9"),
        ({"orientation": TILTED}, "turned by"),
        ({"reference": "another"}, "Another Frame of Reference"),
        ({"shape": (6, 8, 11)}, "have 8 pixels along y, those of like= 9"),
    ],
)
def test_what_does_not_lie_on_the_image_is_an_error_with_the_distance(
    tmp_path: Path, changed: dict[str, Any], reason: str
) -> None:
    planes = make_ct(**changed)
    masks = make_segments(shape=changed.get("shape", SHAPE))
    write_segmentation(
        tmp_path / "a.dcm", planes, last(masks).astype(np.uint8), "BINARY"
    )
    ct = lazydicom.open_series(write_ct(tmp_path / "ct", make_ct()))

    with pytest.raises(InvalidDicomError, match=reason):
        lazydicom.open_segmentation(tmp_path / "a.dcm", like=ct)


def test_what_lies_within_the_tolerance_is_taken(tmp_path: Path) -> None:
    planes = make_ct(origin=(-20.0, -15.0, 100.004))
    write_segmentation(
        tmp_path / "a.dcm", planes, last(TRUTH).astype(np.uint8), "BINARY"
    )
    ct = lazydicom.open_series(write_ct(tmp_path / "ct", make_ct()))

    seg = lazydicom.open_segmentation(tmp_path / "a.dcm", like=ct)

    np.testing.assert_array_equal(seg[...], TRUTH)
    with pytest.raises(InvalidDicomError, match=r"0\.004 mm"):
        lazydicom.open_segmentation(tmp_path / "a.dcm", like=ct, tolerance_mm=0.001)


# --- what is wrong ------------------------------------------------------------


def changed(path: Path, change: Any) -> Path:  # noqa: ANN401
    dataset = pydicom.dcmread(binary(path))
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
    path = binary(tmp_path / "a.dcm")

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


@pytest.mark.parametrize(
    ("origin", "spacing", "reason"),
    [
        ((-20.0, -15.0, 101.0), 2.5, r"1\.000 mm beside the nearest .* SimpleITK"),
        ((-19.6, -15.3, 100.0), 2.5, r"0\.500 mm beside the nearest .* SimpleITK"),
        (
            (-20.0, -15.0, 100.0),
            1.25,
            r"0\.000 mm .* 1\.250 mm beside .* along z; noth",
        ),
        ((-20.0, -15.0, 102.5), 2.5, "it lies on the voxels of like= as it is"),
    ],
)
def test_a_dose_on_an_image_is_resampling_which_is_refused_with_the_distance(
    tmp_path: Path, origin: tuple[float, ...], spacing: float, reason: str
) -> None:
    write_dose(tmp_path / "dose.dcm", origin, spacing)
    ct = lazydicom.open_series(write_ct(tmp_path / "ct", make_ct()))

    with pytest.raises(InvalidDicomError, match=f"RT Dose Storage, which .*{reason}"):
        lazydicom.open_segmentation(tmp_path / "dose.dcm", like=ct)


def test_a_dose_of_another_frame_of_reference_has_no_distance(tmp_path: Path) -> None:
    write_dose(tmp_path / "dose.dcm", (-20.0, -15.0, 100.0), 2.5)
    other = make_ct(reference="another")
    ct = lazydicom.open_series(write_ct(tmp_path / "ct", other))

    with pytest.raises(InvalidDicomError, match="Another Frame of Reference") as caught:
        lazydicom.open_segmentation(tmp_path / "dose.dcm", like=ct)
    assert "0.000" not in str(caught.value)


def write_dose(path: Path, origin: tuple[float, ...], spacing: float) -> None:
    dataset = make_ct()[0]
    dataset.SOPClassUID = UID("1.2.840.10008.5.1.4.1.1.481.2")
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.Modality, dataset.NumberOfFrames = "RTDOSE", 3
    dataset.ImagePositionPatient = list(origin)
    dataset.FrameIncrementPointer = 0x3004000C
    dataset.GridFrameOffsetVector = [0, spacing, 2 * spacing]
    dataset.DoseGridScaling, dataset.DoseUnits = 0.5, "GY"
    dataset.PixelData *= 3
    dataset.save_as(path, enforce_file_format=True)


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
    dataset = pydicom.dcmread(binary(folder / "whole.dcm"))
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
    path = binary(tmp_path / "a.dcm")

    with pytest.raises(kind, match=reason):
        lazydicom.open_segmentation(path, **options)


def test_an_image_without_a_place_has_no_segments_on_it(tmp_path: Path) -> None:
    path = binary(tmp_path / "a.dcm")
    write_ct(tmp_path / "ct", make_ct())
    image = lazydicom.open_image(tmp_path / "ct" / "99.dcm")
    across = lazydicom.open_series(tmp_path / "ct").isel(y=3)

    with pytest.raises(InvalidDicomError, match="Nothing tells where like= lies"):
        lazydicom.open_segmentation(path, like=image)
    with pytest.raises(ValueError, match="like= with axes y and x"):
        lazydicom.open_segmentation(path, like=across)


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


def test_two_segmentations_are_not_one(tmp_path: Path) -> None:
    paths = [binary(tmp_path / f"{k}.dcm") for k in range(2)]
    dataset = pydicom.dcmread(paths[1])
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    dataset.save_as(paths[1])

    with pytest.raises(InvalidDicomError, match="Expected one segmentation, found 2"):
        lazydicom.open_segmentation(paths)


# --- over a slide -------------------------------------------------------------


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("slide") / "slide.dcm"
    (dataset,) = make_slide(matrix=(50, 70), tile=(16, 16)).datasets
    identify(dataset)
    dataset.save_as(path, enforce_file_format=True)
    return path


SLIDE_TRUTH = make_segments(shape=(1, 50, 70))
SLIDE_TRUTH[:, :, 16:32, 16:48] = False  # whole tiles are empty


@pytest.mark.parametrize("organization", ["TILED_FULL", "TILED_SPARSE"])
@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP", "FRACTIONAL"])
def test_tiles_of_segments_lie_on_a_level_of_their_slide(
    tmp_path: Path, slide: Path, kind: str, organization: str
) -> None:
    pixels = (
        label_map(SLIDE_TRUTH, NUMBERS) if kind == "LABELMAP" else last(SLIDE_TRUTH)
    )
    full = organization == "TILED_FULL"
    write_segmentation(
        tmp_path / "a.dcm",
        [pydicom.dcmread(slide)],
        pixels.astype(np.float32 if kind == "FRACTIONAL" else np.uint8),
        kind,
        tile_pixel_array=True,
        dimension_organization_type=organization if full else None,
        omit_empty_frames=not full,
        max_fractional_value=1,
    )
    (level,) = lazydicom.open_slide(slide)
    part = {"y": slice(3, 40), "x": slice(60, 10, -1)}

    seg = lazydicom.open_segmentation(tmp_path / "a.dcm", like=level)
    cropped = lazydicom.open_segmentation(tmp_path / "a.dcm", like=level.isel(**part))

    assert seg.dims == ("segment", "z", "y", "x")
    np.testing.assert_array_equal(seg[...], SLIDE_TRUTH)
    np.testing.assert_array_equal(cropped[...], SLIDE_TRUTH[..., 3:40, 60:10:-1])


def test_planes_whose_distance_nobody_tells_find_no_place(tmp_path: Path) -> None:
    pixels = last(TRUTH).astype(np.uint8)
    write_segmentation(tmp_path / "a.dcm", make_ct(), pixels, "BINARY")
    ct = lazydicom.open_series(make_ct())
    flat = ct.attrs["affine"].copy()
    flat[:3, 2] = 0  # as focal planes of a slide may have it
    unknown = replace(ct, attrs={**ct.attrs, "affine": flat})

    with pytest.raises(InvalidDicomError, match="Nothing tells how far"):
        lazydicom.open_segmentation(tmp_path / "a.dcm", like=unknown)


# --- views --------------------------------------------------------------------


@pytest.mark.parametrize("combine", [None, "labelmap"])
@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_every_view_and_copy_has_the_same_labels(
    tmp_path: Path,
    kind: str,
    combine: Any,  # noqa: ANN401
) -> None:
    import zarr

    pixels = last(TRUTH) if kind == "BINARY" else label_map(TRUTH, NUMBERS)
    write_segmentation(tmp_path / "a.dcm", make_ct(), pixels.astype(np.uint8), kind)
    seg: Any = lazydicom.open_segmentation(tmp_path / "a.dcm", combine=combine)
    expected: NDArray[Any] = np.asarray(seg)

    values = lazydicom.to_dask(seg)
    table = lazydicom.to_xarray(seg)
    lazydicom.to_zarr(seg, tmp_path / "copy.zarr")
    view: Any = zarr.open_array(lazydicom.ZarrStore(seg), mode="r")

    np.testing.assert_array_equal(values.compute(), expected)
    np.testing.assert_array_equal(table.to_numpy(), expected)
    assert table.dims == seg.dims
    copy: Any = zarr.open_array(tmp_path / "copy.zarr", mode="r")
    np.testing.assert_array_equal(copy[...], expected)
    np.testing.assert_array_equal(view[...], expected)
    assert lazydicom.verify(tmp_path / "copy.zarr", seg).ok


@pytest.mark.parametrize("swapped", [True, False])
def test_a_frame_that_refers_to_another_plane_is_a_warning(
    tmp_path: Path, swapped: bool
) -> None:
    planes = make_ct()
    path = tmp_path / "a.dcm"
    write_segmentation(path, planes, last(TRUTH).astype(np.uint8), "BINARY")
    if swapped:
        first, second = planes[0].SOPInstanceUID, planes[1].SOPInstanceUID
        for plane, name in ((planes[0], second), (planes[1], first)):
            plane.SOPInstanceUID = plane.file_meta.MediaStorageSOPInstanceUID = name
    ct = lazydicom.open_series(write_ct(tmp_path / "ct", planes))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        seg = lazydicom.open_segmentation(path, like=ct)

    np.testing.assert_array_equal(seg[...], TRUTH)
    said = [str(one.message) for one in caught if "refer to other" in str(one.message)]
    assert len(said) == swapped
    assert all("6 of 16 frames" in one and "plane 0" in one for one in said)


@pytest.mark.parametrize("unknown", [True, False])
def test_a_label_map_with_a_palette_gives_its_stored_values(
    tmp_path: Path, unknown: bool
) -> None:
    stored = label_map(TRUTH, NUMBERS).astype(np.uint8)
    path = tmp_path / "a.dcm"
    write_segmentation(path, make_ct(), stored, "LABELMAP")
    dataset = pydicom.dcmread(path)
    dataset.PhotometricInterpretation = "PALETTE COLOR"
    for name in ("Red", "Green", "Blue"):
        head = f"{name}PaletteColorLookupTable"
        dataset.add_new(f"{head}Descriptor", "US", [256, 0, 8])
        setattr(dataset, f"{head}Data", bytes(range(255, -1, -1)))
    if unknown:
        items = dataset.SegmentSequence
        dataset.SegmentSequence = [one for one in items if one.SegmentNumber != 3]
    dataset.save_as(path)
    keep: Literal["keep", "error"] = "keep" if unknown else "error"

    labels = lazydicom.open_segmentation(path, combine="labelmap", on_unknown=keep)
    segments = lazydicom.open_segmentation(path, on_unknown=keep)

    np.testing.assert_array_equal(labels[...], stored)
    shown = segments.coords["segment"].values.tolist()
    assert shown == list(NUMBERS[: 3 - unknown])
    for k, number in enumerate(shown):
        np.testing.assert_array_equal(segments[k], stored == number)
    if unknown:
        with pytest.raises(InvalidDicomError, match="that no segment describes"):
            lazydicom.open_segmentation(path, combine="labelmap")[...]


def test_fractions_above_their_maximum_are_a_warning_with_both_numbers(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.dcm"
    pixels = last(TRUTH).astype(np.float32)
    write_segmentation(path, make_ct(), pixels, "FRACTIONAL", max_fractional_value=200)
    dataset = pydicom.dcmread(path)
    dataset.MaximumFractionalValue = 100
    dataset.save_as(path)

    seg = lazydicom.open_segmentation(path, fractional="unit")

    with pytest.warns(LazyDicomWarning, match="up to 200 are above .* 100"):
        values = seg[...]
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, TRUTH * 2.0)
