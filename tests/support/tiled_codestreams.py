"""Codestreams of several tiles."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import TYPE_CHECKING

import imagecodecs
from PIL import Image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def tiles_of_jpeg_2000(values: NDArray[np.uint8]) -> bytes:
    file = BytesIO()
    image = Image.fromarray(values)
    image.save(file, "JPEG2000", no_jp2=True, tile_size=(32, 32))
    return file.getvalue()


def tiles_of_htj2k(values: NDArray[np.uint8]) -> bytes:
    return bytes(imagecodecs.htj2k_encode(values, reversible=True, tile=(32, 32)))


def subsampled_jpeg_2000(
    planes: list[NDArray[np.uint8]], steps: tuple[int, int]
) -> bytes:
    """Put planes together, chrominance with fewer samples, as one codestream.

    With one precinct and the progression by component (CPRL), its packets are those of
    each plane alone, one plane after the other.
    """
    alone = [_parts(plane) for plane in planes]
    head, sot = alone[0][0], alone[0][1]
    length = int.from_bytes(head[4:6], "big")
    sizes = b"".join(bytes([7, *step]) for step in ((1, 1), steps, steps))
    siz = struct.pack(">H", 38 + 9) + head[6:40] + struct.pack(">H", 3) + sizes
    rest = bytearray(head[4 + length :])
    cod = rest.index(b"\xff\x52")
    rest[cod + 5], rest[cod + 8] = 4, 0  # CPRL, components as they are
    tile = sot[12:] + b"\xff\x93" + b"".join(part[2] for part in alone)
    place = struct.pack(">HIBB", 0, 12 + len(tile), 0, 1)
    segments = [head[:4], siz, bytes(rest), sot[:4], place, tile, b"\xff\xd9"]
    return b"".join(segments)


def _parts(plane: NDArray[np.uint8]) -> tuple[bytes, bytes, bytes]:
    """Return main header, tile-part header and packets of a plane."""
    data = bytes(
        imagecodecs.jpeg2k_encode(
            plane, level=0, codecformat="j2k", reversible=True, resolutions=2
        )
    )
    sot = data.index(b"\xff\x90\x00\x0a")
    sod = data.index(b"\xff\x93", sot)
    return data[:sot], data[sot:sod], data[sod + 2 : -2]
