"""Series of any kind as files, by pydicom: what a frame is at is what the caller says."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from pydicom.charset import convert_encodings
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import (
    correct_ambiguous_vr,
    write_data_element,
    write_file_meta_info,
)
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
    uid = generate_uid()
    own = dataset(SOPInstanceUID=uid, **attributes)
    for group, creator, number, vr, value in private:
        own.private_block(group, creator, create=True).add_new(number, vr, value)
    pixels = np.atleast_1d(values).astype(np.uint16)
    own.add_new("PixelData", "OW", np.repeat(pixels, ROWS * COLUMNS).tobytes())
    elements = _elements_of_all(sop_class, frames) | _encode(own)
    path = folder / f"{len(list(folder.iterdir())):03d}.dcm"
    body = b"".join(elements[tag] for tag in sorted(elements))
    path.write_bytes(_preamble_and_meta(sop_class, uid) + body)
    return path


@cache
def _elements_of_all(sop_class: str, frames: int) -> dict[int, bytes]:
    """Return what each file of a class has, as long as nobody says otherwise."""
    ds = dataset(
        SOPClassUID=sop_class,
        StudyInstanceUID="1.2.3.1",
        SeriesInstanceUID="1.2.3.1.1",
        SeriesNumber=1,
        FrameOfReferenceUID="1.2.3.9",
        Modality="MR",
        Rows=ROWS,
        Columns=COLUMNS,
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        BitsAllocated=16,
        BitsStored=16,
        HighBit=15,
        PixelRepresentation=0,
    )
    if frames:
        ds.NumberOfFrames = frames
    return _encode(ds)


def _encode(ds: Dataset) -> dict[int, bytes]:
    """Return the bytes of each element, by tag, as pydicom writes them."""
    ds.setdefault("PixelRepresentation", 0)  # says what "US or SS" is
    ds = correct_ambiguous_vr(ds, is_little_endian=True)
    encodings = convert_encodings(ds.get("SpecificCharacterSet", "ISO_IR 6"))
    elements = {}
    for element in ds:
        file = DicomBytesIO()
        file.is_little_endian, file.is_implicit_VR = True, False
        write_data_element(file, element, encodings)
        elements[int(element.tag)] = file.getvalue()
    return elements


def _preamble_and_meta(sop_class: str, uid: str) -> bytes:
    other = "1" * len(uid)
    return _meta_of_any(sop_class, other).replace(other.encode(), uid.encode())


@cache
def _meta_of_any(sop_class: str, uid: str) -> bytes:
    meta, file = FileMetaDataset(), DicomBytesIO()
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = UID(uid)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    write_file_meta_info(file, meta)
    return bytes(128) + b"DICM" + file.getvalue()


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
