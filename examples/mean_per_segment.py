"""The mean of a CT in each of many segments, in one pass over both.

    python examples/mean_per_segment.py

A CT of 40 planes and its segmentation are made first (by pydicom and highdicom). Both are
opened lazily, cut into the same chunks, and counted and summed by segment chunk by chunk:
each frame is read once, however many segments there are, and memory holds a few chunks.
"""

import tempfile
from pathlib import Path

import dask.array as da
import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

import lazydicom

SHAPE = (40, 128, 128)
SEGMENTS = 12


def ellipsoids() -> NDArray[np.uint8]:
    """Return a label map of some ellipsoids."""
    random = np.random.default_rng(1)
    labels = np.zeros(SHAPE, np.uint8)
    axes = np.ogrid[tuple(map(slice, SHAPE))]
    for number in range(1, SEGMENTS + 1):
        centre, radius = random.uniform(0.2, 0.8, 3) * SHAPE, np.array(SHAPE) / 9
        parts = zip(axes, centre, radius, strict=True)
        distance = sum(((axis - c) / r) ** 2 for axis, c, r in parts)
        labels[distance <= 1] = number
    return labels


def write_ct(folder: Path, labels: NDArray[np.uint8]) -> list[Dataset]:
    """Write a plane per file: 20 HU more for each segment number, and noise."""
    planes = []
    noise = np.random.default_rng(2).normal(0, 15, SHAPE)
    for number, values in enumerate(20.0 * labels + noise):
        plane = dcmread(str(get_testdata_file("CT_small.dcm", download=False)))
        plane.SOPInstanceUID = generate_uid()
        plane.file_meta.MediaStorageSOPInstanceUID = plane.SOPInstanceUID
        plane.ImagePositionPatient = [-158, -179, 2 * number]
        plane.PixelData = (values + 1024).round().astype(np.int16).tobytes()
        plane.save_as(folder / f"{number:03}.dcm")
        planes.append(plane)
    return planes


def write_segmentation(
    path: Path, planes: list[Dataset], labels: NDArray[np.uint8]
) -> None:
    """Write all segments as a BINARY segmentation."""
    described = [
        hd.seg.SegmentDescription(
            number, f"part {number}", codes.SCT.Tissue, codes.SCT.Tissue, "MANUAL"
        )
        for number in range(1, SEGMENTS + 1)
    ]
    uids = generate_uid(), generate_uid()
    hd.seg.Segmentation(
        planes, labels, "BINARY", described, uids[0], 9, uids[1], 1, "", "x", "1", "0"
    ).save_as(path)


def count_and_sum(
    labels: NDArray[np.uint8], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how many voxels of a chunk each segment has, and the sum of their values."""
    numbers = labels.reshape(-1)
    counts = np.bincount(numbers, minlength=SEGMENTS + 1)
    sums = np.bincount(numbers, values.reshape(-1), minlength=SEGMENTS + 1)
    return np.stack([counts, sums])[None]


def main() -> None:
    """Write both, open both, and print the mean of each segment."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        truth = ellipsoids()
        (folder / "ct").mkdir()
        planes = write_ct(folder / "ct", truth)
        write_segmentation(folder / "seg.dcm", planes, truth)

        ct = lazydicom.open_series(folder / "ct")
        labels = lazydicom.open_segmentation(
            folder / "seg.dcm", like=ct, combine="labelmap"
        )
        values = lazydicom.to_dask(lazydicom.apply_modality_lut(ct), frames_per_chunk=8)
        numbers = lazydicom.to_dask(labels, frames_per_chunk=8)
        blocks = da.map_blocks(
            count_and_sum,
            numbers,
            values,
            dtype=np.float64,
            chunks=((1,) * values.numblocks[0], (2,), (SEGMENTS + 1,)),
        )
        counts, sums = blocks.sum(axis=0).compute()

        print(f"{len(blocks)} chunks of {ct.shape}, each read once")
        for segment in lazydicom.segment_table(labels):
            number = segment.number
            mean = sums[number] / counts[number]
            print(
                f"{segment.label:>8}: {counts[number]:6.0f} voxels, mean {mean:6.1f} HU"
            )


if __name__ == "__main__":
    main()
