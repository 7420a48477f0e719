"""Which images are Siemens mosaics or grids of others, and where their tiles lie.

Neither stands in the standard: the number of tiles and the direction of the planes are in
private elements of Siemens, the CSA header and the protocol.
"""

import math
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._arrange.geometry import normal_of, spans_plane
from lazydicom._arrange.uih_grid import GRID, grid_planes, grid_positions
from lazydicom._array.grid import Parts
from lazydicom._array.image import DicomImage
from lazydicom._header import tags
from lazydicom._header.elements import Elements
from lazydicom.errors import InvalidDicomError, warn

_CSA_MARK: Final = b"SV10"
_CSA_TAG: Final = struct.Struct("<64si4siii")
_CSA_ITEM: Final = struct.Struct("<4i")
_NEARLY: Final = 0.01
"""Two directions that differ less are one, but for rounding."""
_SLICES: Final = re.compile(rb"sSliceArray\.lSize\s*=\s*(0x[0-9a-fA-F]+|\d+)")


def mosaics_as_tiles(images: Sequence[DicomImage]) -> list[DicomImage]:
    """Return the images, with mosaics knowing their planes; others stay as they are."""
    return [_as_tiles(image) if _is_mosaic(image) else image for image in images]


def tile_positions(image: DicomImage) -> NDArray[np.float64]:
    """Return the centre of the first pixel of each tile, NaN where it is not told.

    Image Position (Patient) is that of a plane as large as the mosaic, around the centre of
    the first tile.
    """
    elements = image.header.elements
    of_grid = grid_positions(image.header, image.planes_per_frame)
    if of_grid is not None:
        return of_grid
    position = _numbers(elements, tags.IMAGE_POSITION_PATIENT, 3)
    orientation = _numbers(elements, tags.IMAGE_ORIENTATION_PATIENT, 6)
    spacing = _numbers(elements, tags.PIXEL_SPACING, 2)
    distance = _numbers(elements, tags.SPACING_BETWEEN_SLICES, 1)
    if not spans_plane(orientation[None]).all():
        return np.full((image.planes_per_frame, 3), np.nan)
    normal = _slice_normal(elements, normal_of(orientation))
    mosaic, (rows, columns) = image.format.pixel, image.plane_shape[:2]
    right = (mosaic.columns - columns) / 2 * spacing[1] * orientation[:3]
    down = (mosaic.rows - rows) / 2 * spacing[0] * orientation[3:]
    steps = np.arange(image.planes_per_frame)[:, None] * np.abs(distance) * normal
    positions: NDArray[np.float64] = position + right + down + steps
    return positions


def _is_mosaic(image: DicomImage) -> bool:
    words = image.header.elements.get(tags.IMAGE_TYPE, "CS")
    return bool({"MOSAIC", GRID} & set(map(str, words))) and len(image) == 1


def _as_tiles(image: DicomImage) -> DicomImage:
    tiles = _number_of_tiles(image.header.elements)
    if tiles is None:
        warn("A mosaic that does not tell its number of tiles", url=image.url)
        return image
    return _with_planes(image, tiles)


def _with_planes(image: DicomImage, planes: int) -> DicomImage:
    """Let planes be parts of the frame: a square of as many as fit.

    Raises
    ------
    InvalidDicomError
        If rows or columns are no multiple of the planes along them.
    """
    pixel = image.format.pixel
    across = math.isqrt(max(planes, 1) - 1) + 1
    if planes < 1 or pixel.rows % across or pixel.columns % across:
        message = (
            f"Expected a mosaic of {planes} tiles, found {pixel.rows}×{pixel.columns}"
        )
        raise InvalidDicomError(message, url=image.url)
    parts = Parts((pixel.rows // across, pixel.columns // across), across)
    mosaic = replace(image, parts=parts, planes_per_frame=planes)
    if "header" in vars(image):
        vars(mosaic)["header"] = image.header
    return mosaic


def _number_of_tiles(elements: Elements) -> int | None:
    if GRID in elements.get(tags.IMAGE_TYPE, "CS"):
        return grid_planes(elements)
    count = elements.get(tags.SIEMENS_NUMBER_OF_IMAGES_IN_MOSAIC, "US")
    if count:
        return int(count[0])
    values = _csa_numbers(elements, "NumberOfImagesInMosaic")
    if len(values) and values.item(0).is_integer():
        return int(values[0])
    protocol = _SLICES.search(elements.read(tags.SIEMENS_CSA_SERIES_HEADER) or b"")
    if protocol is None:
        return None
    return int(protocol[1], 16 if protocol[1][:2] == b"0x" else 10)


def _slice_normal(
    elements: Elements, normal: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the direction of the planes: only the CSA header says which way they count."""
    vector = _csa_numbers(elements, "SliceNormalVector")
    ways = (normal, -normal) if len(vector) == 3 else ()
    parallel = any(np.allclose(vector, way, rtol=0, atol=_NEARLY) for way in ways)
    return vector if parallel else normal


def _csa_numbers(elements: Elements, name: str) -> NDArray[np.float64]:
    """Look a name up in the CSA image header, version 2; none if they are no numbers."""
    data = elements.read(tags.SIEMENS_CSA_IMAGE_HEADER) or b""
    if not data.startswith(_CSA_MARK):
        return np.empty(0)
    try:
        texts = next((values for one, values in _csa_tags(data) if one == name), [])
        return np.array([float(one) for one in texts])
    except (struct.error, ValueError):
        return np.empty(0)  # the protocol and the orientation say it as well


def _csa_tags(data: bytes) -> Iterator[tuple[str, list[str]]]:
    (count,) = struct.Struct("<I").unpack_from(data, 8)
    at = 16
    for _ in range(count):
        name, _, _, _, items, _ = _CSA_TAG.unpack_from(data, at)
        at += _CSA_TAG.size
        values = []
        for _ in range(items):
            length = _CSA_ITEM.unpack_from(data, at)[1]
            if length < 0:
                raise ValueError(length)
            at += _CSA_ITEM.size
            values.append(data[at : at + length].split(b"\0")[0].decode("latin-1"))
            at += -(-length // 4) * 4
        yield name.split(b"\0")[0].decode("latin-1"), [v.strip() for v in values if v]


def _numbers(elements: Elements, tag: int, count: int) -> NDArray[np.float64]:
    values = elements.get(tag, "DS")
    return np.array(values if len(values) == count else [np.nan] * count, np.float64)
