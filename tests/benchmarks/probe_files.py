"""Write the files that `probes.py` reads, by the library of this checkout.

python tests/benchmarks/probe_files.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import numpy as np
from codec_frames import SYNTAXES, Kind, make_pixels
from codestream_samples import codestream
from dicom_files import make_native
from encapsulated_files import make_encapsulated
from enhanced_files import write_enhanced
from series_files import write_volume

JPEG: Final = "1.2.840.10008.1.2.4."
GRAY: Final = Kind("u2", 12, 16, shape=(256, 256))
GRAY_8: Final = Kind("u1", 8, 8, shape=(256, 256))
COLOUR: Final = Kind("u1", 8, 8, samples=3, shape=(256, 256))
ENCODED: Final = {
    "RLE": ("1.2.840.10008.1.2.5", GRAY, 100),
    "RLE, RGB": ("1.2.840.10008.1.2.5", COLOUR, 100),
    "JPEG": (f"{JPEG}50", GRAY_8, 100),
    "JPEG, RGB": (f"{JPEG}50", COLOUR, 100),
    "JPEG, 12 bits": (f"{JPEG}51", GRAY, 60),
    "JPEG lossless": (f"{JPEG}70", GRAY, 60),
    "JPEG-LS": (f"{JPEG}80", GRAY, 40),
    "JPEG 2000": (f"{JPEG}90", GRAY, 20),
    "HTJ2K": (f"{JPEG}201", GRAY, 60),
    "JPEG XL": (f"{JPEG}110", GRAY, 30),
    "deflated frames": ("1.2.840.10008.1.2.8.1", GRAY, 100),
}
"""Transfer syntax, pixels, and frames that are read at once, on one thread."""
TABLES: Final = ("basic", "empty")


def make_files(folder: Path) -> None:
    """Write what the works read."""
    encoded = folder / "encoded"
    encoded.mkdir(parents=True)
    random = np.random.default_rng(0)
    small = random.integers(0, 4096, (4000, 64, 64), np.uint16)
    large = random.integers(0, 4096, (200, 512, 512), np.uint16)
    (folder / "small.dcm").write_bytes(make_native(small))
    (folder / "large.dcm").write_bytes(make_native(large))
    planes = random.integers(0, 256, (20, 3, 512, 512), np.uint8)
    (folder / "planar.dcm").write_bytes(
        make_native(
            pixel_bytes=planes.tobytes(),
            number_of_frames=20,
            rows=512,
            columns=512,
            samples_per_pixel=3,
            bits_allocated=8,
            planar_configuration=1,
            photometric_interpretation="RGB",
        )
    )
    for name, (uid, kind, count) in ENCODED.items():
        (encoded / f"{name}.dcm").write_bytes(encoded_file(uid, kind, count))
    for table in TABLES:
        stream = codestream(f"{JPEG}50", bytes(2000))
        file = make_encapsulated(
            [stream] * 20_000, transfer_syntax=f"{JPEG}50", table=table
        )
        (folder / f"{table}.dcm").write_bytes(file)
    for undefined in (False, True):
        write_enhanced(
            folder / f"groups-{undefined}.dcm",
            undefined=undefined,
            number_of_frames=5000,
            rows=2,
            columns=2,
        )
    (folder / "series").mkdir()
    write_volume(folder / "series", planes=400)


def encoded_file(uid: str, kind: Kind, count: int) -> bytes:
    """Return a file of so many frames of one picture."""
    syntax = next(syntax for syntax in SYNTAXES if syntax.uid == uid)
    color = "YBR_FULL_422" if uid == f"{JPEG}50" else "RGB"
    return make_encapsulated(
        [syntax.encode(make_pixels(kind), kind)] * count,
        transfer_syntax=uid,
        rows=kind.shape[0],
        columns=kind.shape[1],
        samples_per_pixel=kind.samples,
        bits_allocated=kind.bits_allocated,
        bits_stored=kind.bits_stored,
        photometric_interpretation="MONOCHROME2" if kind.samples == 1 else color,
        planar_configuration=0 if kind.samples == 3 else None,
    )


if __name__ == "__main__":
    make_files(Path(sys.argv[1]))
