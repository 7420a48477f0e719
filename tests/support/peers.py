"""How others read the same files: ways that benchmarks show beside ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dicomsdl
import pydicom
import SimpleITK
from pydicom.pixels.utils import iter_pixels

if TYPE_CHECKING:
    from pathlib import Path


def pydicom_frames(path: Path) -> None:
    """Decode all frames of a file, one after the other, by the decoders of pydicom."""
    for _ in iter_pixels(path):
        pass


def pydicom_headers(folder: Path, *, pixels: bool = False) -> list[pydicom.Dataset]:
    """Read the header of each file, or all of it, and sort files by their position."""
    datasets = [
        pydicom.dcmread(path, stop_before_pixels=not pixels)
        for path in folder.iterdir()
    ]
    return sorted(datasets, key=lambda one: float(one.ImagePositionPatient[2]))


def dicomsdl_frames(path: Path, count: int) -> None:
    """Decode all frames of a file, one after the other."""
    dataset = dicomsdl.open(str(path))
    for number in range(count):
        dataset.pixelData(number, storedvalue=True)


def dicomsdl_frame(path: Path, number: int) -> None:
    """Open a file and decode one frame."""
    dicomsdl.open(str(path)).pixelData(number, storedvalue=True)


def dicomsdl_headers(folder: Path) -> None:
    """Read the header of each file, and sort files by their position."""
    found = [
        (dicomsdl.open(str(path)).ImagePositionPatient[2], path)
        for path in folder.iterdir()
    ]
    found.sort()


def simpleitk_series(folder: Path) -> list[str]:
    """Find the files of the one series of a folder, in their order in space."""
    reader: Any = SimpleITK.ImageSeriesReader  # which has no types
    return [*reader.GetGDCMSeriesFileNames(str(folder))]


def simpleitk_image(path: Path | list[str]) -> None:
    """Read all of one file, or a series."""
    files = str(path) if not isinstance(path, list) else path
    SimpleITK.GetArrayViewFromImage(SimpleITK.ReadImage(files))
