"""A dask reduction over a multi-frame file, in far less memory than the file has."""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian

import lazydicom

FRAMES, SIDE = 150, 512


def write_file(path: Path) -> None:
    """Write frames of noise, frame number `k` around the value 1000 + k."""
    noise = np.random.default_rng(0).integers(0, 100, (SIDE, SIDE), np.uint16)
    levels = np.arange(1000, 1000 + FRAMES, dtype=np.uint16)
    dataset = Dataset()
    dataset.SOPClassUID = EnhancedMRImageStorage
    dataset.set_pixel_data(noise + levels[:, None, None], "MONOCHROME2", 12)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)


def main() -> None:
    """Compute the mean image and the mean of every frame."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mr.dcm"
        write_file(path)
        array = lazydicom.open_image(path)
        print(f"{array.shape} {array.dtype}, {array.nbytes / 1e6:.0f} MB of pixels")

        values: Any = lazydicom.to_dask(array)
        print(f"dask chunks hold {values.chunks[0][0]} frames; nothing is read yet")

        start = time.perf_counter()
        mean_image = values.mean(axis=0).compute()
        seconds = time.perf_counter() - start
        print(f"mean image {mean_image.shape}: {seconds:.2f} s")

        of_frames = values.mean(axis=(1, 2)).compute()
        rise = np.diff(of_frames)
        print(f"mean of each frame: rises by {rise.min():.3f} to {rise.max():.3f}")

        one = values[123].max().compute()
        print(f"largest value of frame 123: {one} (that frame alone was decoded)")


if __name__ == "__main__":
    main()
