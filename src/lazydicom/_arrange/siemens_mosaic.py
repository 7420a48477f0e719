"""Where the tiles of Siemens mosaics, and of grids of others, lie.

Neither stands in the standard: the number of tiles and the direction of the planes are in
private elements of Siemens, the CSA header and the protocol.
"""

import math
import re
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._arrange.csa import csa_numbers
from lazydicom._arrange.geometry import normal_of, spans_plane
from lazydicom._arrange.uih_grid import GRID, grid_planes, grid_positions, grid_times
from lazydicom._array.grid import Parts
from lazydicom._array.image import DicomImage
from lazydicom._header import tags
from lazydicom._header.columns.vendors import SIEMENS_SLICE_TIMES
from lazydicom._header.elements import private_tag
from lazydicom._header.values import Elements
from lazydicom.errors import InvalidDicomError, warn

_NEARLY: Final = 0.01
"""Two directions that differ less are one, but for rounding."""
_SLICES: Final = re.compile(rb"sSliceArray\.lSize\s*=\s*(0x[0-9a-fA-F]+|\d+)")


def mosaic_as_tiles(image: DicomImage) -> DicomImage:
    """Return a mosaic that knows its planes, as far as it tells their number."""
    tiles = _number_of_tiles(image.header.elements)
    if tiles is None:
        warn("A mosaic that does not tell its number of tiles", url=image.url)
        return image
    return _with_planes(image, tiles)


def tile_times(image: DicomImage) -> NDArray[np.float64] | None:
    """Return the seconds after the beginning of the volume at which each tile was taken."""
    elements, tiles = image.header.elements, image.planes_per_frame
    of_grid = grid_times(image.header, tiles)
    if of_grid is not None:
        return of_grid
    tag = private_tag(elements, SIEMENS_SLICE_TIMES)
    times = np.array(elements.get(tag, "FD") if tag is not None else (), np.float64)
    if not len(times):
        times = _csa_numbers(elements, "MosaicRefAcqTimes")
    if len(times) < tiles or not np.isfinite(times[:tiles]).all():
        return None
    return np.asarray(times[:tiles] - times[:tiles].min()) / 1000


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
    """Look a name up in the CSA image header; none if they are no numbers."""
    return csa_numbers(elements, (name,)).get(name, np.empty(0))


def _numbers(elements: Elements, tag: int, count: int) -> NDArray[np.float64]:
    values = elements.get(tag, "DS")
    return np.array(values if len(values) == count else [np.nan] * count, np.float64)
