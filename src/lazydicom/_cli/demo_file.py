"""The files of the demonstration: one that pydicom ships, one made here.

pydicom is imported late, so that other commands start without it.
"""

import struct
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pydicom import Dataset

SIDE: Final = 512
FRAME_NBYTES: Final = SIDE * SIDE * 2
MOST_FRAMES: Final = 8000
"""Beyond 4 GiB native Pixel Data has no length."""


def shipped_file() -> str:
    """Return the path of a real RT Dose of 15 frames; it is part of pydicom's wheel."""
    import pydicom.data

    path = pydicom.data.get_testdata_file("rtdose.dcm", download=False)
    if path is None:
        raise FileNotFoundError("pydicom is installed without its test files")
    return str(path)


def write_enhanced(path: Path, *, frames: int) -> None:
    """Write an Enhanced MR file with functional groups for every frame."""
    dataset = _enhanced_mr(frames)
    dataset.save_as(path, enforce_file_format=True)
    length = frames * FRAME_NBYTES
    with path.open("ab") as file:
        file.write(struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, length))
        file.writelines(made_frame(number).data for number in range(frames))


def made_frame(number: int) -> NDArray[np.uint16]:
    """Return the pixels of one frame: a phantom on its way round, and the frame's number."""
    frame = np.roll(_phantom(), 3 * number, axis=1)
    frame[0, 0] = number
    return frame


@cache
def _phantom() -> NDArray[np.uint16]:
    """Draw two ellipses, noisy inside, in 12 bits; the background is masked."""
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    body = 900.0 * ((x / 0.7) ** 2 + (y / 0.9) ** 2 < 1)
    organ = 1200.0 * (((x - 0.2) / 0.2) ** 2 + ((y + 0.1) / 0.3) ** 2 < 1)
    noise = np.random.default_rng(0).normal(100, 12, (SIDE, SIDE))
    values: NDArray[np.float64] = body + organ + noise * (body > 0)
    return values.clip(0, 4095).astype("<u2")


def _enhanced_mr(frames: int) -> "Dataset":
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import (
        EnhancedMRImageStorage,
        ExplicitVRLittleEndian,
        generate_uid,
    )

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = EnhancedMRImageStorage
    dataset.SOPInstanceUID = generate_uid()
    dataset.Modality = "MR"
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.NumberOfFrames = frames
    dataset.Rows = dataset.Columns = SIDE
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.SharedFunctionalGroupsSequence = [_shared_groups()]
    dataset.PerFrameFunctionalGroupsSequence = list(map(_frame_groups, range(frames)))
    return dataset


def _shared_groups() -> "Dataset":
    measures = _item(PixelSpacing=[0.5, 0.5], SliceThickness=0.5)
    orientation = _item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    return _item(
        PixelMeasuresSequence=[measures], PlaneOrientationSequence=[orientation]
    )


def _frame_groups(number: int) -> "Dataset":
    content = _item(StackID="1", InStackPositionNumber=number + 1)
    position = _item(ImagePositionPatient=[-128, -128, number / 2])
    return _item(FrameContentSequence=[content], PlanePositionSequence=[position])


def _item(**elements: object) -> "Dataset":
    from pydicom.dataset import Dataset

    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item
