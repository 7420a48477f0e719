"""Large planes that are stored as tiles, with what a reader must give.

>>> array, truth = tiled_array(plane=(7, 9), tile=(3, 4))
>>> array.shape == truth.shape
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import imagecodecs
import numpy as np
from dicom_files import make_native
from encapsulated_files import make_encapsulated

import lazydicom
from lazydicom._array.grid import HOLE, FrameGrid, Tiles

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

Coding = Literal["native", "JPEG-LS"]
JPEG_LS = "1.2.840.10008.1.2.4.80"


def tiled_array(
    *,
    plane: tuple[int, int],
    tile: tuple[int, int],
    outer: tuple[int, ...] = (),
    samples: int = 1,
    coding: Coding = "native",
    holes: Collection[int] = (),
    fill_value: float | tuple[float, ...] | None = None,
    seed: int = 0,
) -> tuple[lazydicom.DicomArray, NDArray[Any]]:
    """Make planes of tiles that are stored in random order, those of `holes` left out."""
    random = np.random.default_rng(seed)
    colors = (samples,) if samples > 1 else ()
    dtype = np.uint8 if samples > 1 else np.uint16
    truth = random.integers(1, 200, (*outer, *plane, *colors)).astype(dtype)
    tiles = _cut(truth.reshape(-1, *plane, *colors), tile)
    counts = tuple(-(-n // t) for n, t in zip(plane, tile, strict=True))
    stored = random.permutation([k for k in range(len(tiles)) if k not in holes])
    if not len(stored):
        stored = np.array([0])  # a file has a frame, nobody places it
    numbers = np.full(len(tiles), HOLE)
    for place, k in enumerate(stored.tolist()):
        if k not in holes:
            numbers[k] = place
    file = _file(tiles[stored], coding)
    images = lazydicom.open_image(file).images
    grid = FrameGrid(numbers.reshape(*outer, *counts), Tiles(tile, plane))
    dims = (*("path", "z")[: len(outer)], "y", "x", "sample")
    array = lazydicom.DicomArray(
        images, grid, dims[: truth.ndim], fill_value=fill_value
    )
    return array, _with_holes(
        truth, numbers.reshape(grid.numbers.shape), tile, fill_value
    )


def _cut(planes: NDArray[Any], tile: tuple[int, int]) -> NDArray[Any]:
    """Cut planes into tiles; what is beyond the plane has a value that nobody may see."""
    rows, columns = planes.shape[1:3]
    down, across = -(-rows // tile[0]), -(-columns // tile[1])
    padded = np.full(
        (len(planes), down * tile[0], across * tile[1], *planes.shape[3:]),
        255,
        planes.dtype,
    )
    padded[:, :rows, :columns] = planes
    split = padded.reshape(len(planes), down, tile[0], across, tile[1], -1)
    return split.swapaxes(2, 3).reshape(-1, *tile, *planes.shape[3:])


def _file(tiles: NDArray[Any], coding: Coding) -> bytes:
    samples = tiles.shape[3] if tiles.ndim == 4 else 1
    bits = 8 * tiles.dtype.itemsize
    if coding == "native":
        return make_native(tiles, bits_allocated=bits)
    return make_encapsulated(
        [bytes(imagecodecs.jpegls_encode(one)) for one in tiles],
        transfer_syntax=JPEG_LS,
        rows=tiles.shape[1],
        columns=tiles.shape[2],
        samples_per_pixel=samples,
        bits_allocated=bits,
    )


def _with_holes(
    truth: NDArray[Any],
    numbers: NDArray[np.int64],
    tile: tuple[int, int],
    fill_value: float | tuple[float, ...] | None,
) -> NDArray[Any]:
    if fill_value is None:
        return truth
    values = truth.copy()
    for *outer, row, column in np.argwhere(numbers == HOLE).tolist():
        rows = slice(row * tile[0], (row + 1) * tile[0])
        columns = slice(column * tile[1], (column + 1) * tile[1])
        where: tuple[Any, ...] = (*outer, rows, columns)
        values[where] = fill_value
    return values
