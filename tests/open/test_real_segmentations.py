"""Segmentations of many writers: pixels as they are packed, tables as highdicom reads them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import highdicom as hd
import numpy as np
import pydicom
import pytest
from dicom_elements import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from highdicom.color import CIELabColor
from real_files import files_of_classes, real_file

import lazydicom

if TYPE_CHECKING:
    from pathlib import Path

    from lazydicom._arrange.segments.description import Code

SEGMENTATIONS: Final = files_of_classes(
    "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"
)
ON_ITS_IMAGE: Final = {
    "02_segmentation/liver.dcm": "ct-3slice",
    "02_segmentation/liver_deflate.dcm": "ct-3slice",
    "02_segmentation/liver_j2k.dcm": "ct-3slice",
    "02_segmentation/24x38x3_label.seg": "24x38x3_image",
}


CUT: Final = ("liver_1frame.dcm", "liver_expb_1frame.dcm")
"""Of pydicom: of one frame, with the functional groups of three."""


@pytest.fixture(params=[name for name in SEGMENTATIONS if not name.endswith(CUT)])
def path(request: pytest.FixtureRequest) -> Path:
    return real_file(request.param)


def decoded(path: Path) -> list[np.ndarray[Any, Any]]:
    """Unpack native frames; those of others as `open_image`, which oracles of its own prove."""
    dataset = pydicom.dcmread(path)
    syntax, bits = dataset.file_meta.TransferSyntaxUID, dataset.BitsAllocated
    if syntax not in {EXPLICIT_LITTLE, IMPLICIT_LITTLE} or bits > 8:
        return list(lazydicom.open_image(path)[...])
    flat = np.frombuffer(dataset.PixelData, np.uint8)
    if bits == 1:
        flat = np.unpackbits(flat, bitorder="little")
    shape = int(dataset.get("NumberOfFrames", 1)), dataset.Rows, dataset.Columns
    return list(flat[: int(np.prod(shape))].reshape(shape))


def test_each_frame_stands_in_its_segment_and_nothing_else(path: Path) -> None:
    seg = lazydicom.open_segmentation(path, on_unknown="keep")
    frames = decoded(path)
    table = lazydicom.segment_table(seg)

    values = np.asarray(seg)

    described = [segment.number for segment in table]
    assert seg.dims == ("segment", "z", "y", "x")
    assert seg.coords["segment"].values.tolist() == described
    if seg.attrs["sop_class_uid"].endswith(".7"):
        counts = Counter(np.concatenate([f.reshape(-1) for f in frames]).tolist())
        assert [int(one.sum()) for one in values] == [counts[k] for k in described]
    else:
        assert int(values.sum()) == sum(int(frame.sum()) for frame in frames)
    if seg.attrs["sop_class_uid"].endswith(".4") and "y" in seg.coords:
        placed = [n for n in seg.grid.numbers.reshape(-1).tolist() if n >= 0]
        assert sorted(placed) == list(range(len(frames)))
        for place in np.argwhere(seg.grid.numbers >= 0).tolist():
            number = int(seg.grid.numbers[tuple(place)])
            assert np.array_equal(values[tuple(place)], frames[number])


def test_the_table_and_its_colours_are_those_of_highdicom(path: Path) -> None:
    seg = lazydicom.open_segmentation(path, on_unknown="keep")
    dataset = pydicom.dcmread(path, stop_before_pixels=True)

    table = {one.number: one for one in lazydicom.segment_table(seg)}

    items = {int(item.SegmentNumber): item for item in dataset.SegmentSequence}
    background = dataset.get("PixelPaddingValue", 0)
    labelled = seg.attrs["sop_class_uid"].endswith(".7")
    assert set(items) - set(table) <= ({background} if labelled else set())
    for number, ours in table.items():
        theirs = hd.seg.SegmentDescription.from_dataset(items[number])
        assert ours.label == theirs.segment_label
        assert_same_code(ours.category, theirs.segmented_property_category)
        assert_same_code(ours.type, theirs.segmented_property_type)
        assert ours.algorithm_type == theirs.algorithm_type.value
        assert ours.tracking_uid == str(theirs.tracking_uid or "")
        assert ours.tracking_id == str(theirs.tracking_id or "")
        regions = theirs.anatomic_regions
        assert_same_code(ours.anatomic_region, regions[0] if regions else None)
        recommended = items[number].get("RecommendedDisplayCIELabValue")
        if recommended is None:
            assert ours.rgb is None
        else:
            colour = CIELabColor.from_dicom_value(recommended)
            assert ours.cielab == pytest.approx(colour.lab, abs=1e-6)
            assert ours.rgb == colour.to_rgb()


def assert_same_code(ours: Code | None, theirs: hd.sr.CodedConcept | None) -> None:
    if theirs is None:
        assert ours is None
    else:
        assert ours == (theirs.value, theirs.scheme_designator, theirs.meaning)


@pytest.mark.parametrize(("name", "image"), ON_ITS_IMAGE.items())
def test_it_lies_on_the_image_that_was_segmented(
    shared_data: Path, name: str, image: str
) -> None:
    ct = lazydicom.open_series(shared_data / "02_segmentation" / image)

    on_ct = lazydicom.open_segmentation(shared_data / name, like=ct)

    alone = lazydicom.open_segmentation(shared_data / name)
    assert on_ct.shape[1:] == ct.shape
    assert int(on_ct[...].sum()) == int(alone[...].sum())


def test_another_matrix_is_refused_with_both_numbers(shared_data: Path) -> None:
    folder = shared_data / "02_segmentation"
    ct = lazydicom.open_series(folder / "ct-3slice")

    with pytest.raises(lazydicom.errors.InvalidDicomError, match=r"510.*512"):
        lazydicom.open_segmentation(folder / "liver_nonbyte_aligned.dcm", like=ct)


@pytest.mark.parametrize("name", [n for n in SEGMENTATIONS if n.endswith(CUT)])
def test_groups_of_more_frames_than_there_are_are_an_error(name: str) -> None:
    with pytest.raises(lazydicom.errors.InvalidDicomError, match="groups of 1 frames"):
        lazydicom.open_segmentation(real_file(name))


def test_many_are_tried(shared_data: Path) -> None:
    del shared_data

    assert len(SEGMENTATIONS) >= 19
