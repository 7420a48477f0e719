"""A Zarr copy that is sharded, verified, and found out when a bit flips."""

import tempfile
from pathlib import Path

import numpy as np
import zarr
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

import lazydicom


def write_file(path: Path) -> None:
    """Write 60 frames in 12 bits, with a name in the header."""
    random = np.random.default_rng(0)
    smooth = np.add.outer(np.arange(256), np.arange(256)).astype(np.uint16)
    pixels = smooth + random.integers(0, 16, (60, 256, 256), np.uint16)
    dataset = Dataset()
    dataset.SOPClassUID = CTImageStorage
    dataset.PatientName = "Example^Patient"
    dataset.set_pixel_data(pixels, "MONOCHROME2", 12)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)


def flip_a_bit(store: Path) -> None:
    """Damage a byte in the middle of the first shard."""
    shard = store / "c" / "0" / "0" / "0"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)


def main() -> None:
    """Export, read back, compare, damage, verify."""
    with tempfile.TemporaryDirectory() as folder:
        source, copy = Path(folder, "ct.dcm"), Path(folder, "ct.zarr")
        write_file(source)
        array = lazydicom.open_image(source)

        report = lazydicom.to_zarr(array, copy, chunks=1, shards=20)
        ratio = report.nbytes / report.stored_nbytes
        print(f"{report.number_of_chunks} chunks, {ratio:.1f} times smaller")

        stored = zarr.open_array(copy, mode="r")
        print(f"axes: {stored.metadata.dimension_names}")
        same = np.array_equal(np.asarray(stored[...]), np.asarray(array))
        print(f"same pixels: {same}")

        texts = [path.read_bytes() for path in copy.rglob("*") if path.is_file()]
        print(f"the name is in the store: {any(b'Example' in text for text in texts)}")

        print(f"verified: {lazydicom.verify(copy).ok}")
        flip_a_bit(copy)
        print(f"verified after a bit flipped: {lazydicom.verify(copy).ok}")


if __name__ == "__main__":
    main()
