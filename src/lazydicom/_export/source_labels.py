"""Where each frame of a copy came from: instance and frame number."""

import numpy as np

from lazydicom._array.array import DicomArray
from lazydicom._array.coordinate import Coordinate
from lazydicom._array.grid import HOLE

_SOP_INSTANCE_UID = 0x00080018


def source_labels(array: DicomArray) -> dict[str, Coordinate]:
    """Name instance and frame of each grid position; nothing and -1 for holes.

    The header of every instance is asked for its UID.
    """
    uids: list[str] = []
    numbers: list[int] = []
    for image in array.images:
        found = image.header.elements.get(_SOP_INSTANCE_UID, "UI")
        uids += [str(found[0]) if found else ""] * len(image)
        numbers += range(len(image))
    places = array.grid.numbers
    names, frames = np.array([*uids, ""]), np.array([*numbers, HOLE], np.int64)
    dims = array.dims[: places.ndim]
    return {
        "sop_instance_uid": Coordinate(dims, names[places]),
        "frame_number": Coordinate(dims, frames[places]),
    }
