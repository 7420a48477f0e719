"""Pictures of a whole file or volume, small, in grey levels.

A contact sheet has evenly spaced frames side by side. Three planes are the axial, coronal and
sagittal ones through the middle: they look at the patient as radiologists do, from the feet
and from the front, with the left side of the patient to the right; sagittal planes from the
left, the front to the left.
"""

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.computed import FrameArray
from lazydicom._array.show.picture import (
    Picture,
    is_inverted,
    resize,
    shrink,
    to_picture,
)
from lazydicom.errors import UnsupportedError

_DOWN: Final = (2, 2, 1)
"""Patient axis (x, y, z: towards left, back, head) of the rows of each plane, the last
plane first: sagittal and coronal z, axial y."""
_ACROSS: Final = (1, 0, 0)


def contact_sheet(array: FrameArray, *, frames: int, tile: int) -> Picture:
    """Show up to `frames` evenly spaced frames, each at most `tile` pixels wide and high.

    Large frames are averaged down, small ones magnified by a whole number. Values between
    the 1st and the 99th percentile of what is shown become grey levels; 8-bit colour stays
    as it is. Only these frames are read.

    Returns
    -------
    ndarray of uint8, shape (height, width) or (height, width, 3)
    """
    shape = array.shape[: array.grid_axes]
    positions = np.unravel_index(_evenly_spaced(math.prod(shape), frames), shape)
    side = max(array.chunk_frames(1)[array.grid_axes :][:2])
    step, zoom = -(-side // tile), max(tile // side, 1)
    tiles = np.stack([shrink(array[at], step) for at in zip(*positions, strict=True)])
    color, inverted = tiles.ndim == 4, is_inverted(array.attrs)
    picture = to_picture(tiles, array.dtype, color=color, inverted=inverted)
    return _side_by_side(picture.repeat(zoom, axis=1).repeat(zoom, axis=2))


def is_volume(array: FrameArray) -> bool:
    """Return whether there are planes one behind the other, and where they are."""
    deep = "z" in array.dims and array.shape[array.dims.index("z")] > 1
    affine = array.attrs.get("affine")
    return deep and affine is not None and bool(np.any(np.asarray(affine)[:3, 2]))


def three_planes(array: FrameArray, *, tile: int) -> Picture:
    """Show three planes side by side, in the proportions of the patient.

    Of more than one volume the one in the middle is shown. Only the pixels of the planes
    are kept in memory.

    Parameters
    ----------
    array : DicomArray or ComputedArray
        With the axes z, y and x, and an affine.
    tile : int
        Pixels of the longest edge of the volume.

    Returns
    -------
    ndarray of uint8, shape (height, width) or (height, width, 3)

    Raises
    ------
    UnsupportedError
        If the array is no volume, or nothing tells its proportions.
    """
    if not is_volume(array):
        message = "Three planes need an array with z, y and x, and an affine"
        raise UnsupportedError(message, url=array.images[0].url)
    at = array.dims.index("z")
    first = tuple(length // 2 for length in array.shape[:at])
    steps = np.asarray(array.attrs["affine"])[:3, 2::-1]  # one along z, y, x
    places = _patient_axes(steps)
    mm = np.linalg.norm(steps, axis=0) * array.shape[at : at + 3]
    planes, sizes = [], []
    for fixed in (2, 1, 0):  # of the patient: axial, coronal, sagittal
        plane, size = _plane(array, first, places, steps, fixed)
        planes.append(plane)
        sizes.append([round(mm[axis] * tile / mm.max()) or 1 for axis in size])
    color = array.ndim == at + 4
    whole = to_picture(
        np.concatenate([plane.reshape(-1, *plane.shape[2:]) for plane in planes]),
        array.dtype,
        color=color,
        inverted=is_inverted(array.attrs),
    )
    return _beside(_cut(whole, planes), sizes)


def _evenly_spaced(count: int, wanted: int) -> NDArray[np.intp]:
    """Choose positions from the first to the last one.

    >>> _evenly_spaced(100, 4)
    array([ 0, 33, 66, 99])
    """
    return np.linspace(0, count - 1, min(count, wanted)).round().astype(np.intp)


def _side_by_side(tiles: Picture) -> Picture:
    count, height, width = tiles.shape[:3]
    columns = math.ceil(math.sqrt(count))
    rows = -(-count // columns)
    sheet = np.zeros((rows * columns, *tiles.shape[1:]), np.uint8)
    sheet[:count] = tiles
    grid = sheet.reshape(rows, columns, height, width, -1).swapaxes(1, 2)
    return grid.reshape(rows * height, columns * width, *tiles.shape[3:])


def _patient_axes(steps: NDArray[np.float64]) -> tuple[int, ...]:
    """Return which array axis runs along x, y and z of the patient, each used once."""
    cosines = np.abs(steps / np.linalg.norm(steps, axis=0))
    axes = [-1, -1, -1]
    for _ in range(3):
        patient, axis = np.unravel_index(cosines.argmax(), (3, 3))
        axes[patient] = int(axis)
        cosines[patient, :] = cosines[:, axis] = -1
    return tuple(axes)


def _plane(
    array: FrameArray,
    first: tuple[int, ...],
    places: Sequence[int],
    steps: NDArray[np.float64],
    fixed: int,
) -> tuple[NDArray[Any], tuple[int, int]]:
    """Read the middle plane across a patient axis, the right way up.

    Gives it with the array axes of its rows and columns.
    """
    down, across = _DOWN[fixed], _ACROSS[fixed]
    axis = places[fixed]
    begin = len(first)
    key: list[Any] = [*first, slice(None), slice(None), slice(None)]
    key[begin + axis] = array.shape[begin + axis] // 2
    plane = np.asarray(array[tuple(key)])
    rows, columns = places[down], places[across]
    if rows > columns:
        plane = plane.swapaxes(0, 1)
    if (steps[down, rows] > 0) == (down == 2):  # the head is up, the back is down
        plane = plane[::-1]
    if steps[across, columns] < 0:
        plane = plane[:, ::-1]
    return plane, (rows, columns)


def _cut(whole: Picture, planes: Sequence[NDArray[Any]]) -> list[Picture]:
    """Undo the joining of planes, whose grey levels belong together."""
    ends = np.cumsum([plane.shape[0] * plane.shape[1] for plane in planes])
    pieces = np.split(whole, ends[:-1])
    return [
        piece.reshape(plane.shape) for piece, plane in zip(pieces, planes, strict=True)
    ]


def _beside(planes: Sequence[Picture], sizes: Sequence[Sequence[int]]) -> Picture:
    """Set pictures side by side on black, each in its size and in the middle."""
    height = max(size[0] for size in sizes)
    parts = []
    for plane, (rows, columns) in zip(planes, sizes, strict=True):
        part = np.zeros((height, columns, *plane.shape[2:]), np.uint8)
        top = (height - rows) // 2
        part[top : top + rows] = resize(plane, rows, columns).round()
        parts.append(part)
    return np.concatenate(parts, axis=1)
