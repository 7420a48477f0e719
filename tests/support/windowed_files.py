"""Images with rescaling and VOI windows."""

from __future__ import annotations

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
)


def windowed(
    *,
    function: str = "LINEAR",
    signed: bool = False,
    width: str = "400\\20",
    frames: int = 1,
) -> Dataset:
    """Make a 12-bit image that is rescaled, with two windows."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = 16, 64, frames
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = int(signed)
    dataset.RescaleSlope, dataset.RescaleIntercept = "0.5", "-100"
    dataset.WindowCenter, dataset.WindowWidth = "40\\300", width
    dataset.VOILUTFunction = function
    values = (np.arange(frames * 1024) * 4 % 4096 - 2048 * signed).astype(np.int16)
    dataset.PixelData = values.tobytes()
    return dataset
