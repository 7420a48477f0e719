"""Colour JPEG whose samples, markers and component names are chosen one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import imagecodecs
import numpy as np
from encapsulated_files import make_encapsulated

if TYPE_CHECKING:
    from numpy.typing import NDArray

JFIF: Final = b"\xff\xe0\x00\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0"


def adobe(transform: int) -> bytes:
    """Make the Adobe marker segment."""
    return b"\xff\xee\x00\x0eAdobe\0\x64\0\0\0\0" + bytes([transform])


MARKERS: Final = {
    "none": b"",
    "JFIF": JFIF,
    "Adobe 0": adobe(0),
    "Adobe 1": adobe(1),
    "Adobe 2": adobe(2),
    "JFIF, Adobe 0": JFIF + adobe(0),
}
IDS: Final = {"1 2 3": b"\x01\x02\x03", "R G B": b"RGB", "r g b": b"rgb"}
_y, _x = np.mgrid[:32, :48]
SAMPLES: Final = np.stack(
    [_x * 4 + 20, _y * 5 + 20, (_x + _y) * 2 + 40], axis=-1
).astype(np.uint8)
"""What the codestreams hold, RGB or YCbCr."""


def to_rgb(samples: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Convert YCbCr as PS3.3 C.7.6.3.1.2 has it."""
    luma, cb, cr = np.moveaxis(samples.astype(float), -1, 0)
    red = luma + 1.402 * (cr - 128)
    green = luma - 0.344136 * (cb - 128) - 0.714136 * (cr - 128)
    blue = luma + 1.772 * (cb - 128)
    rgb: NDArray[np.float64] = np.stack([red, green, blue], -1).clip(0, 255)
    return rgb


def colour_jpeg(process: str, markers: str, ids: str) -> bytes:
    """Make a codestream of `SAMPLES`."""
    options: Any = {"colorspace": "rgb", "outcolorspace": "rgb"}
    if process == "lossless":
        data = imagecodecs.jpeg8_encode(SAMPLES, lossless=True, **options)
    else:
        data = imagecodecs.jpeg8_encode(SAMPLES, level=97, subsampling="444", **options)
    return _renamed(bytes(data), MARKERS[markers], IDS[ids])


def _renamed(data: bytes, markers: bytes, ids: bytes) -> bytes:
    """Put other markers and names of components into a codestream."""
    out, at, code = bytearray(data[:2] + markers), 2, 0
    while code != 0xDA:
        code = data[at + 1]
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        segment = bytearray(data[at:end])
        if code in {0xC0, 0xC1, 0xC3}:
            segment[10:19:3] = ids
        elif code == 0xDA:
            segment[5:11:2] = ids
        if not 0xE0 <= code <= 0xEF:
            out += segment
        at = end
    return bytes(out) + data[at:]


def colour_file(process: str, markers: str, ids: str, photometric: str) -> bytes:
    """Make a file of one frame."""
    tail = {"lossy": "50", "lossless": "70"}[process]
    data = colour_jpeg(process, markers, ids)
    return make_encapsulated(
        [data + bytes(len(data) % 2)],
        transfer_syntax=f"1.2.840.10008.1.2.4.{tail}",
        rows=32,
        columns=48,
        samples_per_pixel=3,
        bits_allocated=8,
        photometric_interpretation=photometric,
    )
