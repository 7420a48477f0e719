"""Files that are large enough for a network to matter."""

import random

from dicom_files import make_native
from encapsulated_files import make_encapsulated
from enhanced_files import make_enhanced

FRAME = 512 * 512 * 2


KIB = 1024
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"


def native(number_of_frames: int) -> bytes:
    return make_native(rows=512, columns=512, number_of_frames=number_of_frames)


def enhanced() -> bytes:
    return make_enhanced(rows=16, columns=16, number_of_frames=20_000, undefined=False)


def encapsulated(table: str) -> bytes:
    frames = [
        b"\xff\xd8\xff\xe0" + random.Random(at).randbytes(200_000) + b"\xff\xd9"
        for at in range(200)
    ]
    return make_encapsulated(
        frames,
        table="empty" if table == "empty" else "basic",
        transfer_syntax=JPEG_LOSSLESS,
    )
