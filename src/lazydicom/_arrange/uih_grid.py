"""Grids of United Imaging: many planes in one frame, like mosaics, each with its own place.

Image Type says VFRAME; private elements hold the number of planes and an item for each.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._header import tags
from lazydicom._header.columns.column import seconds_of
from lazydicom._header.dataset import read_sequence
from lazydicom._header.header import Header
from lazydicom._header.values import Elements

GRID: Final = "VFRAME"
"""What Image Type says."""
_OWNER: Final = "Image Private Header"


def grid_planes(elements: Elements) -> int | None:
    """Return the number of planes in a grid, ``None`` where nobody tells."""
    numbers = elements.get(tags.UIH_NUMBER_OF_IMAGES_IN_GRID, "DS")
    if not _is_owned(elements) or not numbers or not float(numbers[0]).is_integer():
        return None
    return int(numbers[0])


def grid_positions(header: Header, planes: int) -> NDArray[np.float64] | None:
    """Return the positions of the planes of a grid; ``None`` of what is no grid.

    NaN stands where a plane has none.
    """
    words = header.elements.get(tags.IMAGE_TYPE, "CS")
    if GRID not in words or not _is_owned(header.elements):
        return None
    items = read_sequence(header, tags.UIH_FRAMES_OF_GRID)
    positions = np.full((planes, 3), np.nan)
    if len(items) != planes:
        return positions
    for row, item in enumerate(items):
        position = item.get("ImagePositionPatient") or ()
        if len(position) == 3:
            positions[row] = [float(one) for one in position]
    return positions


def grid_times(header: Header, planes: int) -> NDArray[np.float64] | None:
    """Return the seconds after the first plane at which each was taken, where items tell."""
    if GRID not in header.elements.get(tags.IMAGE_TYPE, "CS"):
        return None
    if not _is_owned(header.elements):
        return None
    clocks = [
        str(item.get("AcquisitionTime") or "")
        for item in read_sequence(header, tags.UIH_FRAMES_OF_GRID)
    ]
    seconds = np.array(
        [seconds_of(f"19700101{one}") if one else np.nan for one in clocks]
    )
    if len(seconds) != planes or not np.isfinite(seconds).all():
        return None
    since_first: NDArray[np.float64] = np.round(seconds - seconds.min(), 6)
    return since_first


def _is_owned(elements: Elements) -> bool:
    owner = elements.get(tags.UIH_OWNER, "LO")
    return [str(one).strip() for one in owner] == [_OWNER]
