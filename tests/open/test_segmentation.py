"""Segmentations open as segments, or as a label map."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any, Literal

import highdicom as hd
import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from segmentation_files import (
    SHAPE,
    label_map,
    last,
    make_ct,
    make_segments,
    stored_as,
    write_binary,
    write_segmentation,
)

import lazydicom
from lazydicom.errors import InvalidDicomError, LazyDicomWarning

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lazydicom._array.label_map import OnOverlap

TRUTH = make_segments()
NUMBERS = (1, 2, 3)


@pytest.mark.parametrize("omit", [True, False])
def test_a_segment_is_an_axis_and_what_was_left_out_is_empty(
    tmp_path: Path, omit: bool
) -> None:
    seg = lazydicom.open_segmentation(
        write_binary(tmp_path / "a.dcm", omit_empty_frames=omit)
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
    labels = lazydicom.open_segmentation(
        write_binary(tmp_path / "a.dcm"), combine="labelmap"
    )

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


@pytest.mark.parametrize("value", [1, 2, 255])
@pytest.mark.parametrize("overlap", [True, False])
def test_segments_of_bytes_become_a_label_map(
    tmp_path: Path, value: int, overlap: bool
) -> None:
    masks = OVERLAPPING if overlap else TRUTH
    pixels = last(masks).astype(np.float32)
    write_segmentation(tmp_path / "a.dcm", make_ct(), pixels, "FRACTIONAL")
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    dataset.SegmentationType = "BINARY"  # as nobody should write them
    values = np.frombuffer(dataset.PixelData, np.uint8)
    dataset.PixelData = np.where(values > 0, value, 0).astype(np.uint8).tobytes()
    dataset.save_as(tmp_path / "a.dcm")
    path, both = tmp_path / "a.dcm", "last" if overlap else "error"

    labels = lazydicom.open_segmentation(path, combine="labelmap", on_overlap=both)  # type: ignore[arg-type]

    np.testing.assert_array_equal(labels[...], label_map(masks, NUMBERS))
    np.testing.assert_array_equal(labels[2, 1:5], labels[...][2, 1:5])
    if overlap:
        with pytest.raises(InvalidDicomError, match="both hold the voxel"):
            lazydicom.open_segmentation(path, combine="labelmap")[...]


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
    pixels = stored_as(kind, TRUTH)
    write_segmentation(tmp_path / "a.dcm", make_ct(), pixels, kind)

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
        lazydicom.open_segmentation(write_binary(tmp_path / "a.dcm"), segments="Spleen")


def test_the_table_says_what_highdicom_says(tmp_path: Path) -> None:
    path = write_binary(tmp_path / "a.dcm")
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


# --- views --------------------------------------------------------------------


@pytest.mark.parametrize("combine", [None, "labelmap"])
@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_every_view_and_copy_has_the_same_labels(
    tmp_path: Path,
    kind: str,
    combine: Any,  # noqa: ANN401
) -> None:
    import zarr

    pixels = stored_as(kind, TRUTH)
    write_segmentation(tmp_path / "a.dcm", make_ct(), pixels, kind)
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
