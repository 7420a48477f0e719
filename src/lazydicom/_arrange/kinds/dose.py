"""RT Dose: where planes lie, and how stored values become gray (PS3.3 section C.8.8.3)."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._arrange.geometry import normal_of, spans_plane
from lazydicom._header import tags
from lazydicom._header.columns.column import Columns
from lazydicom._header.header import Header
from lazydicom.errors import warn

_UNITS: Final = {"GY": "Gy", "RELATIVE": "1"}
_SAME_HEIGHT: Final = 0.01
"""Millimetres."""
_UPRIGHT: Final = 1 - 1e-6
"""Of a normal that is the axis z, to 0.08 degrees."""
_NEITHER: Final = (
    "Grid Frame Offset Vector begins neither with 0 nor, in an axial grid, with z of Image"
    " Position (Patient): taken for distances from its first value, along the normal"
)


def dose_columns(header: Header, frames: int) -> Columns:
    """Return positions of planes by Grid Frame Offset Vector, and the scaling."""
    columns: Columns = {}
    positions = _positions(header, frames)
    if positions is not None:
        columns["position"] = positions
    return {**columns, **dose_scaling(header, frames)}


def dose_scaling(header: Header, frames: int) -> Columns:
    """Return Dose Grid Scaling as the rescale of each frame, where it is there."""
    scaling = header.elements.get(tags.DOSE_GRID_SCALING, "DS")
    if not scaling:
        return {}
    units = "".join(map(str, header.elements.get(tags.DOSE_UNITS, "CS")[:1]))
    return {
        "rescale_slope": np.full((frames, 1), float(scaling[0])),
        "rescale_intercept": np.zeros((frames, 1)),
        "gray_units": np.repeat(_UNITS.get(units, ""), frames),
    }


def _positions(header: Header, frames: int) -> NDArray[np.float64] | None:
    """Place the planes of a dose grid, whose offsets are relative or absolute.

    Both are distances from the first plane along the normal; what is neither is taken for
    that, with a warning (PS3.3 section C.8.8.3.2).
    """
    get = header.elements.get
    offsets = np.array(get(tags.GRID_FRAME_OFFSET_VECTOR, "DS"), np.float64)
    position = np.array(get(tags.IMAGE_POSITION_PATIENT, "DS"), np.float64)
    orientation = np.array(get(tags.IMAGE_ORIENTATION_PATIENT, "DS"), np.float64)
    if len(offsets) != frames or len(position) != 3 or len(orientation) != 6:
        return None
    if not spans_plane(orientation[None]).all():
        return None
    normal = normal_of(orientation)
    absolute = abs(offsets[0] - position[2]) < _SAME_HEIGHT and normal[2] > _UPRIGHT
    if frames > 1 and offsets[0] != 0 and not absolute:
        warn(_NEITHER, url=header.url)
    positions: NDArray[np.float64] = position + (offsets - offsets[0])[:, None] * normal
    return positions
