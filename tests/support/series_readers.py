"""Volumes as other programs read them from the same files: SimpleITK, dcm2niix, highdicom."""

from __future__ import annotations

import gc
import shutil
import subprocess
import sys
import warnings
import zipfile
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pydicom

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_RAS_TO_LPS = np.diag([-1, -1, 1, 1])
_PLANES_FIRST = np.eye(4)[[2, 1, 0, 3]]


class Volume(NamedTuple):
    """One volume as another program reads it."""

    affine: NDArray[np.float64]
    """From (x, y, z, 1), counted in pixels, to mm in LPS."""
    values: NDArray[Any]
    """z, y, x and samples, as they are stored."""
    rescaled: NDArray[Any] | None = None
    """The same with slopes and intercepts applied, where the program did so."""


def read_by_simpleitk(path: Path, scratch: Path) -> list[Volume]:
    """Read a volume through GDCM, rescaled."""
    sitk = import_module("SimpleITK")
    files = files_of(path, scratch)
    folder = str(files[0].parent)
    names = sitk.ImageSeriesReader().GetGDCMSeriesFileNames(folder)
    image = sitk.ReadImage(names if len(files) > 1 else str(files[0]))
    affine = np.eye(4)
    direction = np.array(image.GetDirection()).reshape(3, 3)
    affine[:3, :3] = direction * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    values = sitk.GetArrayFromImage(image)
    return [Volume(affine, values, rescaled=values)]


def read_by_dcm2niix(path: Path, scratch: Path) -> list[Volume]:
    """Read the volumes of all NIfTI files, in their order."""
    nibabel = import_module("nibabel")
    program = import_module("dcm2niix").bin
    folder = scratch / "files"
    folder.mkdir()
    for number, file in enumerate(files_of(path, scratch)):
        shutil.copy(file, folder / f"{number}.dcm")
    # No JSON file, no compression, volumes as they were scanned.
    options = ["-b", "n", "-z", "n", "-x", "i", "-f", "%s", "-o", str(scratch)]
    subprocess.run([program, *options, str(folder)], check=True, capture_output=True)
    images = map(nibabel.load, sorted(scratch.glob("*.nii")))
    return [volume for image in images for volume in _volumes_of_nifti(image)]


def _volumes_of_nifti(image: Any) -> list[Volume]:  # noqa: ANN401
    affine = _RAS_TO_LPS @ image.affine
    stored = image.dataobj.get_unscaled()
    if stored.dtype.names:
        samples = [stored[name].T for name in stored.dtype.names]
        return [Volume(affine, np.stack(samples, axis=-1))]
    both = [values.T for values in (stored, np.asarray(image.dataobj))]
    each = [values if values.ndim == 4 else values[None] for values in both]
    return [Volume(affine, *one) for one in zip(*each, strict=True)]


@contextmanager
def leaks_ignored() -> Iterator[None]:
    """Let highdicom forget its databases, which Python 3.13 warns of, here and now."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        if sys.version_info >= (3, 13):  # a collection takes 80 ms
            gc.collect()


def read_by_highdicom(path: Path, scratch: Path) -> list[Volume]:
    """Read the one volume that highdicom makes of an Enhanced file or a series."""
    with leaks_ignored():
        return _volumes_of_highdicom(path, scratch)


def _volumes_of_highdicom(path: Path, scratch: Path) -> list[Volume]:
    highdicom = import_module("highdicom")
    datasets = [pydicom.dcmread(file) for file in files_of(path, scratch)]
    for dataset in datasets:  # it wants one, and de-identified files have none
        dataset.setdefault("FrameOfReferenceUID", "1.2.3")
    transforms = ("real_world", "modality", "voi")
    stored: dict[str, Any] = {f"apply_{one}_transform": False for one in transforms}
    stored["apply_icc_profile"] = False
    if len(datasets) > 1:
        volume = highdicom.get_volume_from_series(datasets, **stored)
    else:
        image = highdicom.image.Image.from_dataset(datasets[0])
        volume = image.get_volume(**stored)
    return [Volume(volume.affine @ _PLANES_FIRST, volume.array)]


def files_of(path: Path, scratch: Path) -> list[Path]:
    """Give the files of a folder or of a zip file, or the one file."""
    if path.suffix == ".zip":
        path, archive = scratch / "unpacked", path
        zipfile.ZipFile(archive).extractall(path)
        path = next(path.rglob("*.dcm")).parent
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.is_file())
    return [path]
