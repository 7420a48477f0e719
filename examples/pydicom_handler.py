"""lazydicom in the place of pydicom's own handler for native Pixel Data."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

import lazydicom


def write_file(path: Path, pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    """Write colour frames."""
    dataset = Dataset()
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.set_pixel_data(pixels, "RGB", 8)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)


def main() -> None:
    """Read the same pixels with both handlers."""
    pixels = np.random.default_rng(0).integers(0, 256, (4, 30, 40, 3), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sc.dcm"
        write_file(path, pixels)

        by_pydicom = pydicom.dcmread(path).pixel_array

        pydicom.config.pixel_data_handlers = [lazydicom.numpy_handler]
        dataset = pydicom.dcmread(path)
        dataset.pixel_array_options(
            use_v2_backend=True
        )  # else pydicom 3 asks no handler
        by_lazydicom = dataset.pixel_array

    print(f"handlers: {[h.HANDLER_NAME for h in pydicom.config.pixel_data_handlers]}")
    print(f"shape {by_lazydicom.shape}, {by_lazydicom.dtype}")
    print(f"equal to pydicom's own: {np.array_equal(by_lazydicom, by_pydicom)}")
    print(f"equal to what was written: {np.array_equal(by_lazydicom, pixels)}")


if __name__ == "__main__":
    main()
