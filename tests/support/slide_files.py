"""Synthetic slides in every layout, each with the pixels that a reader must give.

>>> slide = make_slide(matrix=(7, 9), tile=(4, 4))
>>> len(slide.files), slide.truth.shape
(1, (1, 1, 7, 9, 3))
"""

from __future__ import annotations

import io
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import imagecodecs
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, generate_uid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

Coding = Literal["native", "JPEG-LS"]
_SYNTAXES = {"native": "1.2.840.10008.1.2.1", "JPEG-LS": "1.2.840.10008.1.2.4.80"}
_SLIDE = UID("1.2.840.10008.5.1.4.1.1.77.1.6")
_FOCAL_MM = 0.002


@dataclass(frozen=True)
class Slide:
    """Files of one level, and what is in them."""

    datasets: list[Dataset]
    truth: NDArray[Any]
    """(path, z, y, x[, sample]); 0 where nothing is stored."""
    stored: NDArray[np.bool_]
    """(path, z, y, x)."""

    @property
    def files(self) -> list[bytes]:
        return [as_bytes(one) for one in self.datasets]


def make_slide(
    *,
    matrix: tuple[int, int],
    tile: tuple[int, int],
    paths: int = 1,
    planes: int = 1,
    samples: int = 3,
    sparse: bool = False,
    keep: float = 1.0,
    shuffled: bool = False,
    cuts: Sequence[int] = (),
    coding: Coding = "native",
    kind: str = "VOLUME",
    level: int = 0,
    spacing: float = 0.0005,
    absent: Sequence[int] | None = None,
    name: str = "slide",
    seed: int = 0,
) -> Slide:
    """Make one level; `cuts` are the frames at which a concatenation is cut."""
    random = np.random.default_rng(seed)
    colors = (samples,) if samples > 1 else ()
    dtype = np.uint8 if samples > 1 else np.uint16
    truth = random.integers(1, 200, (paths, planes, *matrix, *colors)).astype(dtype)
    counts = [-(-n // t) for n, t in zip(matrix, tile, strict=True)]
    order = list(itertools.product(range(paths), range(planes), *map(range, counts)))
    order = [one for one in order if random.random() < keep] or order[:1]
    if shuffled:
        order = [order[k] for k in random.permutation(len(order))]
    stored = np.zeros(truth.shape[:4], bool)
    frames = []
    for path, plane, row, column in order:
        rows = slice(row * tile[0], (row + 1) * tile[0])
        columns = slice(column * tile[1], (column + 1) * tile[1])
        part = truth[path, plane, rows, columns]
        frame = np.full((*tile, *colors), 255, dtype)  # padding that nobody may see
        frame[: part.shape[0], : part.shape[1]] = part
        frames.append(frame)
        stored[path, plane, rows, columns] = True
    datasets = []
    edges = [0, *[cut for cut in cuts if cut < len(frames)], len(frames)]
    for start, stop in itertools.pairwise(edges):
        dataset = _header(matrix, tile, paths, planes, frames[0], kind, level, spacing)
        _identify(dataset, name, level, kind, start)
        dataset.DimensionOrganizationType = "TILED_SPARSE" if sparse else "TILED_FULL"
        if sparse:
            dataset.PerFrameFunctionalGroupsSequence = [
                _position(tile, f"{paths - path}", *place)
                for path, *place in order[start:stop]
            ]
        if len(edges) > 2:
            dataset.ConcatenationUID = _uid(name, level, "whole")
            dataset.ConcatenationFrameOffsetNumber = start
            dataset.InConcatenationTotalNumber = len(edges) - 1
        if absent is not None:
            dataset.RecommendedAbsentPixelCIELabValue = list(absent)
        _store(dataset, frames[start:stop], coding)
        datasets.append(dataset)
    truth[~stored] = 0
    return Slide(datasets, truth, stored)


def changed(slide: Slide, change: Callable[[Dataset], object]) -> list[bytes]:
    """Return the files after a change to the first one."""
    change(slide.datasets[0])
    return slide.files


BROKEN_SIDES = [
    (8, None, "8×0"),
    (None, 9, "0×9"),
    (None, None, "0×0"),
    (0, 9, "0×9"),
    (8, 0, "8×0"),
    (0, 0, "0×0"),
]
"""Rows and columns of a total pixel matrix of 8×9 that is none, and what is found."""


def set_sides(dataset: Dataset, rows: int | None, columns: int | None) -> None:
    """Change the total pixel matrix; ``None`` takes a side away."""
    sides = {"TotalPixelMatrixRows": rows, "TotalPixelMatrixColumns": columns}
    for name, length in sides.items():
        if length is None:
            del dataset[name]
        else:
            setattr(dataset, name, length)


def as_bytes(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _uid(*words: object) -> UID:
    return generate_uid(entropy_srcs=["slide", *map(str, words)])


def _identify(dataset: Dataset, name: str, level: int, kind: str, start: int) -> None:
    instance = _uid(name, level, kind, start)
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = instance
    dataset.StudyInstanceUID = _uid(name, "study")
    dataset.SeriesInstanceUID = _uid(name, "series")
    dataset.PyramidUID = _uid(name, "pyramid")


def _header(  # noqa: PLR0917 (all of them are properties of the slide)
    matrix: tuple[int, int],
    tile: tuple[int, int],
    paths: int,
    planes: int,
    frame: NDArray[Any],
    kind: str,
    level: int,
    spacing: float,
) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = _SLIDE
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "SM", 1, level + 1
    dataset.ImageType = ["ORIGINAL", "PRIMARY", kind, "NONE"]
    dataset.Rows, dataset.Columns = tile
    dataset.TotalPixelMatrixRows, dataset.TotalPixelMatrixColumns = matrix
    dataset.TotalPixelMatrixFocalPlanes = planes
    dataset.SamplesPerPixel = 3 if frame.ndim == 3 else 1
    dataset.PhotometricInterpretation = "RGB" if frame.ndim == 3 else "MONOCHROME2"
    if frame.ndim == 3:
        dataset.PlanarConfiguration = 0
    bits = 8 * frame.dtype.itemsize
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit, dataset.PixelRepresentation = bits - 1, 0
    dataset.ImageOrientationSlide = [0, -1, 0, -1, 0, 0]
    origin = Dataset()
    origin.XOffsetInSlideCoordinateSystem = 20.0
    origin.YOffsetInSlideCoordinateSystem = 40.0
    dataset.TotalPixelMatrixOriginSequence = [origin]
    dataset.OpticalPathSequence = [Dataset() for _ in range(paths)]
    for number, path in enumerate(dataset.OpticalPathSequence):
        path.OpticalPathIdentifier = f"{paths - number}"  # not in the order of words
        path.ICCProfile = b"profile " + bytes([number, 0])
    measures = Dataset()
    measures.PixelSpacing = [spacing, 2 * spacing]
    measures.SpacingBetweenSlices = _FOCAL_MM
    shared = Dataset()
    shared.PixelMeasuresSequence = [measures]
    dataset.SharedFunctionalGroupsSequence = [shared]
    return dataset


def _position(
    tile: tuple[int, int], identifier: str, plane: int, row: int, column: int
) -> Dataset:
    position, name, item = Dataset(), Dataset(), Dataset()
    position.RowPositionInTotalImagePixelMatrix = row * tile[0] + 1
    position.ColumnPositionInTotalImagePixelMatrix = column * tile[1] + 1
    position.ZOffsetInSlideCoordinateSystem = plane * _FOCAL_MM * 1000  # µm
    name.OpticalPathIdentifier = identifier
    item.PlanePositionSlideSequence = [position]
    item.OpticalPathIdentificationSequence = [name]
    return item


def _encode(frame: NDArray[Any]) -> bytes:
    room = 2 * frame.nbytes + 1024  # noise becomes longer
    return bytes(imagecodecs.jpegls_encode(frame, out=room))


def _store(dataset: Dataset, frames: Sequence[NDArray[Any]], coding: Coding) -> None:
    dataset.file_meta.TransferSyntaxUID = UID(_SYNTAXES[coding])
    dataset.NumberOfFrames = len(frames)
    if coding == "native":
        data = b"".join(frame.tobytes() for frame in frames)
        dataset.PixelData = data + b"\0" * (len(data) % 2)
    else:
        encoded = [_encode(frame) for frame in frames]
        dataset.PixelData = encapsulate(encoded)
    dataset["PixelData"].VR = "OB" if dataset.BitsAllocated == 8 else "OW"
    dataset["PixelData"].is_undefined_length = coding != "native"
