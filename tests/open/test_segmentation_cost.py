"""What reading segments costs: the bytes of the frames that are asked for, each once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
from counting import CountingSource
from segmentation_files import (
    SHAPE,
    label_map,
    last,
    make_ct,
    make_segments,
    write_segmentation,
)

import lazydicom
from lazydicom._array.label_map import LabelMap

if TYPE_CHECKING:
    from pathlib import Path

    from lazydicom import ComputedArray, DicomArray

TRUTH = make_segments()
PLANE = SHAPE[1] * SHAPE[2]
BITS_NBYTES = PLANE // 8 + 2
"""The bytes that a frame of bits touches, at most."""


def counted(array: DicomArray) -> tuple[DicomArray, CountingSource]:
    (image,) = array.images
    assert image.reader.source is not None
    counter = CountingSource(image.reader.source)
    reader = replace(image.reader, source=counter)  # type: ignore[type-var]
    return replace(array, images=(replace(image, reader=reader),)), counter


@pytest.fixture
def seg(tmp_path: Path) -> tuple[DicomArray, CountingSource]:
    pixels = last(TRUTH).astype(np.uint8)
    write_segmentation(tmp_path / "a.dcm", make_ct(), pixels, "BINARY")
    opened = lazydicom.open_segmentation(tmp_path / "a.dcm")
    assert isinstance(opened, lazydicom.DicomArray)
    return counted(opened)


@pytest.mark.parametrize(
    "key", [np.s_[2, 5], np.s_[2, 5:6], np.s_[-1, -1], np.s_[2, 5, 3:5], np.s_[2, [5]]]
)
def test_a_plane_of_a_segment_costs_its_bytes(
    seg: tuple[DicomArray, CountingSource], key: tuple[int | slice, ...]
) -> None:
    array, counter = seg

    values = array[key]

    assert np.array_equal(values, TRUTH[key])
    assert counter.reads == 1
    assert counter.bytes_read <= BITS_NBYTES


def test_a_plane_that_was_left_out_costs_nothing(
    seg: tuple[DicomArray, CountingSource],
) -> None:
    array, counter = seg

    assert not array[1, 2].any()
    assert not array[1, 2:4].any()
    assert counter.reads == 0


@pytest.mark.parametrize("key", [3, slice(3, 4), np.s_[3, 2:5, ::2]])
def test_a_plane_of_a_label_map_reads_what_is_stored_of_it(
    seg: tuple[DicomArray, CountingSource], key: int | slice
) -> None:
    array, counter = seg
    labels = LabelMap(array, np.array([1, 2, 3]))

    assert np.array_equal(labels[key], label_map(TRUTH, (1, 2, 3))[key])
    assert counter.bytes_read <= 2 * BITS_NBYTES  # of three segments, one has no frame
    assert labels.plan(key).frames == 2


@pytest.mark.parametrize("key", [np.s_[:, 3], np.s_[[0, 2], 3], np.s_[1:, 3:4, 2:5]])
@pytest.mark.parametrize("combine", [None, "labelmap"])
def test_a_frame_of_a_label_map_is_decoded_once_for_all_segments(
    tmp_path: Path, key: tuple[int | slice, ...], combine: Literal["labelmap"] | None
) -> None:
    labels = label_map(TRUTH, (1, 2, 3)).astype(np.uint8)
    write_segmentation(tmp_path / "a.dcm", make_ct(), labels, "LABELMAP")
    opened = lazydicom.open_segmentation(tmp_path / "a.dcm", combine=combine)
    assert isinstance(opened, lazydicom.ComputedArray)
    assert isinstance(opened.source, lazydicom.DicomArray)
    stored, counter = counted(opened.source)
    array: ComputedArray = replace(opened, source=stored)
    own = key if combine is None else key[1:]
    expected = TRUTH if combine is None else labels

    assert np.array_equal(array[own], expected[own])
    assert counter.reads == 1
    assert counter.bytes_read <= PLANE
    assert array.plan(own).frames == 1


def test_chunks_of_a_label_map_hold_all_segments_of_few_planes(tmp_path: Path) -> None:
    labels = label_map(TRUTH, (1, 2, 3)).astype(np.uint8)
    write_segmentation(tmp_path / "a.dcm", make_ct(), labels, "LABELMAP")

    seg = lazydicom.open_segmentation(tmp_path / "a.dcm")

    assert seg.chunk_frames(1) == (1, 1, *SHAPE[1:])
    assert seg.chunk_frames(7) == (3, 2, *SHAPE[1:])
    assert seg.isel(segment=1).chunk_frames(7) == SHAPE
    one = seg.isel(segment=slice(1, 2), z=slice(1, 4))
    assert np.array_equal(one[...], TRUTH[1:2, 1:4])
    assert np.array_equal(seg.isel(segment=1)[...], TRUTH[1])
