"""The picture of the README: a series of CT files, and three planes through its middle.

    python examples/three_planes.py [PICTURE]

The head is made of ellipsoids (after Shepp and Logan), so it is nobody's.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

import lazydicom
from lazydicom.cli import main as lazydicom_command

PLANES, SIDE = 80, 192
SPACING_MM = (2.0, 1.0, 1.0)
ELLIPSOIDS = [  # HU; half axes in z, y, x; centre in z, y, x: parts of half a volume
    (240, (0.92, 0.94, 0.76), (0.0, 0.0, 0.0)),
    (-180, (0.87, 0.88, 0.70), (0.0, 0.0, 0.0)),
    (-70, (0.40, 0.46, 0.12), (0.05, 0.05, 0.22)),
    (-70, (0.40, 0.50, 0.14), (0.05, 0.05, -0.22)),
    (55, (0.25, 0.20, 0.20), (-0.1, -0.5, 0.0)),
    (90, (0.14, 0.12, 0.12), (0.45, 0.3, 0.0)),
    (110, (0.09, 0.07, 0.09), (0.0, 0.62, 0.25)),
    (80, (0.12, 0.14, 0.08), (-0.45, 0.35, -0.3)),
    (120, (0.05, 0.05, 0.05), (0.1, 0.0, 0.0)),
]
AIR = -100
"""As little as this, so that the grey levels are spent on what is inside."""


def head() -> NDArray[np.int16]:
    """Return the volume in HU: air, and ellipsoids that add to each other."""
    axes = [np.linspace(-1.05, 1.05, n) for n in (PLANES, SIDE, SIDE)]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    volume = np.zeros((PLANES, SIDE, SIDE), np.int16)
    for value, (c, b, a), (z0, y0, x0) in ELLIPSOIDS:
        distance = ((z - z0) / c) ** 2 + ((y - y0) / b) ** 2 + ((x - x0) / a) ** 2
        volume[distance <= 1] += value
    volume[volume == 0] = AIR
    noise = np.random.default_rng(0).normal(0, 1, volume.shape)
    return (volume + noise).astype(np.int16)


def write_series(folder: Path) -> None:
    """Write a file per plane, as a scanner does."""
    series, study = generate_uid(entropy_srcs=["1"]), generate_uid(entropy_srcs=["2"])
    for number, plane in enumerate(head()):
        dataset = Dataset()
        dataset.SOPClassUID = CTImageStorage
        dataset.SeriesInstanceUID, dataset.StudyInstanceUID = series, study
        dataset.Modality = "CT"
        dataset.InstanceNumber = number + 1
        dataset.ImagePositionPatient = [-96, -96, SPACING_MM[0] * number]
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        dataset.PixelSpacing = list(SPACING_MM[1:])
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
        dataset.WindowCenter, dataset.WindowWidth = 40, 120
        stored = (plane + 1024).clip(0).astype(np.uint16)
        dataset.set_pixel_data(stored, "MONOCHROME2", 12)
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.save_as(folder / f"{number:03}.dcm", enforce_file_format=True)


def main() -> None:
    """Open the folder, say what it holds, and show it in its window."""
    picture = Path(sys.argv[1] if len(sys.argv) > 1 else "three-planes.png")
    with tempfile.TemporaryDirectory() as name:
        write_series(Path(name))
        array = lazydicom.open_series(name)
        print(f"{array.shape} {array.dims}; no pixel was read")
        arguments = ["preview", name, str(picture), "--tile", "240"]
        lazydicom_command(arguments, standalone_mode=False)


if __name__ == "__main__":
    main()
