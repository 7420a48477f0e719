"""Codestreams of several tiles."""

from __future__ import annotations

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
