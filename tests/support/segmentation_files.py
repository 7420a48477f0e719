"""Segmentations of a synthetic CT, written by highdicom, with the truth beside them."""

from __future__ import annotations

import warnings
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    SegmentationStorage,
    generate_uid,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom.uid import UID

SHAPE = (6, 9, 11)
"""Frames of 99 bits: none but every eighth begins with a byte."""
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
TILTED = (0.8, 0.6, 0.0, 0.0, 0.0, -1.0)


def uid(*words: object) -> UID:
    return generate_uid(entropy_srcs=["segmentations", *map(str, words)])


def make_ct(
    shape: tuple[int, int, int] = SHAPE,
    *,
    orientation: Sequence[float] = AXIAL,
    origin: Sequence[float] = (-20.0, -15.0, 100.0),
    spacing: tuple[float, float, float] = (2.5, 0.7, 0.9),
    reference: str = "frame of reference",
) -> list[Dataset]:
    """Make the planes of a CT in the order of their normal."""
    normal = np.cross(orientation[:3], orientation[3:])
    return [
        _plane(
            np.arange(shape[1] * shape[2], dtype=np.uint16).reshape(shape[1:]) + z,
            z,
            np.array(origin) + z * spacing[0] * normal,
            orientation,
            spacing[1:],
            uid(reference),
        )
        for z in range(shape[0])
    ]


def _plane(  # noqa: PLR0917 (of one caller)
    pixels: NDArray[np.uint16],
    z: int,
    position: NDArray[np.float64],
    orientation: Sequence[float],
    spacing: Sequence[float],
    reference: UID,
) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = uid("instance", z, position[2])
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = uid("series"), reference
    identify(dataset)
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "CT", 1, z + 1
    dataset.ImagePositionPatient = [round(float(one), 6) for one in position]
    dataset.ImageOrientationPatient = list(orientation)
    dataset.PixelSpacing, dataset.SliceThickness = list(spacing), 1
    dataset.set_pixel_data(pixels, "MONOCHROME2", 16)
    return dataset


def identify(dataset: Dataset) -> None:
    """Add the empty attributes that highdicom copies from a source."""
    dataset.StudyInstanceUID, dataset.PositionReferenceIndicator = uid("study"), ""
    if "FrameOfReferenceUID" not in dataset:
        dataset.FrameOfReferenceUID = uid("frame of reference")
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex"):
        setattr(dataset, keyword, "")
    for keyword in ("StudyID", "StudyDate", "StudyTime", "AccessionNumber"):
        setattr(dataset, keyword, "")
    dataset.ReferringPhysicianName = ""


def make_segments(
    count: int = 3, shape: tuple[int, ...] = SHAPE, *, overlap: bool = False
) -> NDArray[np.bool_]:
    """Make the truth: (segment, z, y, x). The second one skips planes."""
    random = np.random.default_rng(count)
    owner = random.integers(0, count + 2, shape)
    masks = np.stack([owner == k for k in range(count)])
    if overlap:
        masks |= random.random(masks.shape) < 0.05
    masks[1:2, 2:4] = False
    return masks


def describe(number: int) -> hd.seg.SegmentDescription:
    return hd.seg.SegmentDescription(
        number,
        f"Label {number}",
        codes.SCT.Organ,
        (codes.SCT.Liver, codes.SCT.Kidney, codes.SCT.Spleen)[number % 3],
        hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        tracking_uid=uid("tracking", number),
        tracking_id=f"tracking {number}",
        display_color=hd.color.CIELabColor(
            20.0 + number % 70, number % 90 - 45.0, 30.0
        ),
    )


def write_segmentation(
    path: Path,
    sources: Sequence[Dataset],
    pixels: NDArray[Any],
    kind: str,
    numbers: Sequence[int] = (1, 2, 3),
    **options: Any,  # noqa: ANN401 (of highdicom)
) -> hd.seg.Segmentation:
    """Write (z, y, x, segment), or a label map (z, y, x)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seg = hd.seg.Segmentation(
            list(sources),
            pixels,
            kind,
            [describe(number) for number in numbers],
            series_instance_uid=uid("segmentation"),
            series_number=9,
            sop_instance_uid=uid("segmentation", path.name),
            instance_number=1,
            manufacturer="synthetic",
            manufacturer_model_name="x",
            software_versions="0",
            device_serial_number="0",
            **options,
        )
        seg.save_as(path)
    return seg


def write_binary(path: Path, **options: Any) -> Path:  # noqa: ANN401 (of highdicom)
    """Write the segments of `make_segments` on the planes of `make_ct`."""
    pixels = last(make_segments()).astype(np.uint8)
    write_segmentation(path, make_ct(), pixels, "BINARY", **options)
    return path


def last(masks: NDArray[Any]) -> NDArray[Any]:
    """Put the axis of segments last, as highdicom wants it."""
    return np.moveaxis(masks, 0, -1)


def label_map(masks: NDArray[np.bool_], numbers: Sequence[int]) -> NDArray[np.int64]:
    """Return the greatest number at each voxel."""
    each: NDArray[np.int64] = masks * np.array(numbers).reshape(-1, 1, 1, 1)
    labels: NDArray[np.int64] = each.max(axis=0)
    return labels


def stored_as(
    kind: str, masks: NDArray[Any], numbers: Sequence[int] = (1, 2, 3)
) -> NDArray[np.uint8]:
    """Return the masks as highdicom takes them for a kind of segmentation."""
    pixels = label_map(masks, numbers) if kind == "LABELMAP" else last(masks)
    return pixels.astype(np.uint8)


def write_ct(folder: Path, planes: Sequence[Dataset]) -> Path:
    """Write a series whose names run against its planes."""
    folder.mkdir()
    for number, plane in enumerate(planes):
        plane.save_as(folder / f"{99 - number}.dcm", enforce_file_format=True)
    return folder


def as_segmentation(slide: Dataset, count: int = 1) -> Dataset:
    """Return a slide as fractions of segments, which its optical paths become."""
    dataset = deepcopy(slide)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = (
        SegmentationStorage
    )
    dataset.SOPInstanceUID = uid("of", slide.SOPInstanceUID)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.Modality, dataset.SegmentationType = "SEG", "FRACTIONAL"
    dataset.MaximumFractionalValue = 255
    dataset.SegmentSequence = [Dataset() for _ in range(count)]
    for number, segment in enumerate(dataset.SegmentSequence, 1):
        segment.SegmentNumber, segment.SegmentLabel = number, f"Label {number}"
    del dataset.OpticalPathSequence
    for item in dataset.get("PerFrameFunctionalGroupsSequence", ()):
        path = int(item.OpticalPathIdentificationSequence[0].OpticalPathIdentifier)
        name = Dataset()
        name.ReferencedSegmentNumber = count - path + 1
        item.SegmentIdentificationSequence = [name]
        del item.OpticalPathIdentificationSequence
    return dataset
