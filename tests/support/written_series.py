"""Series of any kind as files, by pydicom: what a frame is at is what the caller says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

CT, MR, NM, US = (f"1.2.840.10008.5.1.4.1.1.{x}" for x in ("2", "4", "20", "3.1"))
ENHANCED_MR, ENHANCED_CT, ENHANCED_US, RT_DOSE = (
    f"1.2.840.10008.5.1.4.1.1.{x}" for x in ("4.1", "2.1", "6.2", "481.2")
)
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
DAY = "20200101"
ROWS, COLUMNS = 4, 5


def write(
    folder: Path,
    sop_class: str,
    values: Any,  # noqa: ANN401 (a number or one per frame)
    *,
    frames: int = 0,
    private: Iterable[tuple[int, str, int, str, object]] = (),
    **attributes: object,
) -> Path:
    """Write a file of 4×5 pixels whose frame k is filled with `values[k]`."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.3.1", "1.2.3.1.1"
    ds.SeriesNumber, ds.FrameOfReferenceUID = 1, "1.2.3.9"
    ds.Modality, ds.Rows, ds.Columns = "MR", ROWS, COLUMNS
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
    ds.PixelRepresentation = 0
    if frames:
        ds.NumberOfFrames = frames
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    for group, creator, number, vr, value in private:
        ds.private_block(group, creator, create=True).add_new(number, vr, value)
    pixels = np.atleast_1d(values).astype(np.uint16)
    ds.PixelData = np.repeat(pixels, ROWS * COLUMNS).tobytes()
    path = folder / f"{len(list(folder.iterdir())):03d}.dcm"
    ds.save_as(path, enforce_file_format=True)
    return path


def plane(
    folder: Path,
    value: int,
    position: tuple[float, float, float],
    *,
    axes: Any = AXIAL,  # noqa: ANN401
    spacing: Any = (1.0, 1.0),  # noqa: ANN401
    sop_class: Any = MR,  # noqa: ANN401
    **more: Any,  # noqa: ANN401 (attributes by keyword)
) -> Path:
    """Write one classic plane at a place."""
    if sop_class == CT:
        more.setdefault("Modality", "CT")
    return write(
        folder,
        sop_class,
        value,
        ImagePositionPatient=list(position),
        ImageOrientationPatient=list(axes),
        PixelSpacing=list(spacing),
        **more,
    )


def dataset(**attributes: object) -> Dataset:
    """Make a data set of elements by keyword."""
    ds = Dataset()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def sequence(**attributes: object) -> Sequence:
    """Make a sequence of one item."""
    return Sequence([dataset(**attributes)])


def enhanced(
    folder: Path,
    sop_class: str,
    frames: list[Dataset],
    *,
    indices: Iterable[tuple[int, int]] = (),
    **attributes: object,
) -> Path:
    """Write one axial multi-frame file; `indices` are pairs of pointer and group."""
    dimensions = [
        dataset(DimensionIndexPointer=pointer, FunctionalGroupPointer=group)
        for pointer, group in indices
    ]
    if dimensions:
        attributes["DimensionIndexSequence"] = Sequence(dimensions)
    shared = dataset(
        PlaneOrientationSequence=sequence(ImageOrientationPatient=list(AXIAL)),
        PixelMeasuresSequence=sequence(PixelSpacing=[1, 1]),
    )
    attributes.setdefault("SharedFunctionalGroupsSequence", Sequence([shared]))
    return write(
        folder,
        sop_class,
        range(len(frames)),
        frames=len(frames),
        PerFrameFunctionalGroupsSequence=Sequence(frames),
        **cast("Any", attributes),
    )


def at(z: float) -> Sequence:
    """Make a plane position."""
    return sequence(ImagePositionPatient=[0.0, 0.0, float(z)])


def corner(array: Any) -> Any:  # noqa: ANN401
    """Return the value that each frame is filled with."""
    return np.asarray(array)[..., 0, 0].tolist()
