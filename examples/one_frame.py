"""One frame costs its bytes: every request to the storage is printed.

The file lies in memory behind fsspec, as it could lie in S3. It holds 500 frames of
256 × 256 pixels.
"""

from io import BytesIO
from typing import Any

import fsspec
import numpy as np
from fsspec.implementations.memory import MemoryFileSystem
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian

import lazydicom


class TalkingFileSystem(MemoryFileSystem):  # type: ignore[misc] # fsspec ships no types
    """Memory that prints what is asked of it."""

    def cat_file(
        self, path: str, start: int = 0, end: int | None = None, **more: object
    ) -> bytes:
        """Read a range of bytes."""
        data: bytes = super().cat_file(path, start, end, **more)
        print(f"  request: {len(data):,} bytes from byte {start:,} on")
        return data


def make_file(pixels: np.ndarray[Any, np.dtype[np.uint16]]) -> bytes:
    """Make a multi-frame file."""
    dataset = Dataset()
    dataset.SOPClassUID = EnhancedMRImageStorage
    dataset.set_pixel_data(pixels, "MONOCHROME2", 12)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def main() -> None:
    """Open a file, read one frame, and say what was read."""
    pixels = np.random.default_rng(0).integers(0, 4096, (500, 256, 256), np.uint16)
    file = make_file(pixels)
    fsspec.register_implementation("memory", TalkingFileSystem, clobber=True)
    fsspec.filesystem("memory").pipe("/mr.dcm", file)
    print(f"A file of {len(file):,} bytes")

    print("Opening:")
    array = lazydicom.open_image("memory://mr.dcm")
    print(f"  {array.shape[0]} frames of {array.shape[1]} × {array.shape[2]} pixels")

    index = array.images[0].index
    print(
        f"Frame 321 lies at byte {index.offsets[321]:,}, {index.lengths[321]:,} bytes"
    )

    print("array[321]:")
    frame = array[321]
    print(f"  equal to what was written: {np.array_equal(frame, pixels[321])}")

    print("array[[3, 321], 100:110, ::2], two frames far apart:")
    part = array[[3, 321], 100:110, ::2]
    print(f"  a part of shape {part.shape}")


if __name__ == "__main__":
    main()
