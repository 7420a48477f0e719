"""Times of the frames of cines: ultrasound, angiography, endoscopy (PS3.3 section C.7.6.5).

Frame Increment Pointer decides which attribute holds; without it, what says most.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._arrange.kinds.pointer import pointed_tags
from lazydicom._header import tags
from lazydicom._header.columns.column import Columns
from lazydicom._header.header import Header
from lazydicom._header.values import Elements

_NAMES: Final = {
    tags.FRAME_TIME_VECTOR: "Frame Time Vector",
    tags.FRAME_TIME: "Frame Time",
    tags.CINE_RATE: "Cine Rate",
    tags.RECOMMENDED_DISPLAY_FRAME_RATE: "Recommended Display Frame Rate",
}
_INCREMENTS: Final = {
    "positioner_primary_angle": (
        tags.POSITIONER_PRIMARY_ANGLE,
        tags.POSITIONER_PRIMARY_ANGLE_INCREMENT,
    ),
    "positioner_secondary_angle": (
        tags.POSITIONER_SECONDARY_ANGLE,
        tags.POSITIONER_SECONDARY_ANGLE_INCREMENT,
    ),
    "table_vertical": (0, tags.TABLE_VERTICAL_INCREMENT),
    "table_longitudinal": (0, tags.TABLE_LONGITUDINAL_INCREMENT),
    "table_lateral": (0, tags.TABLE_LATERAL_INCREMENT),
}
"""Angles and positions of XA: where they begin, and the change of each frame from there."""


def cine_columns(header: Header, frames: int) -> Columns:
    """Return seconds since the first frame, what tells them, and angles and positions."""
    columns: Columns = {}
    seconds, name = frame_seconds(header, frames)
    if name:
        columns["acquisition_time"] = seconds[:, None]
        columns["time_source"] = np.repeat(name, frames)
    for column, (first, increment) in _INCREMENTS.items():
        changes = _numbers(header.elements, increment)
        if len(changes) == frames:
            start = _numbers(header.elements, first) if first else np.zeros(1)
            columns[column] = (start[:1].sum() + changes)[:, None]
    return columns


def frame_seconds(header: Header, frames: int) -> tuple[NDArray[np.float64], str]:
    """Return the time of each frame, and the attribute that tells it; no name for none."""
    pointed = pointed_tags(header, _NAMES)
    for tag in dict.fromkeys([*pointed, *_NAMES]):
        values = _numbers(header.elements, tag)
        seconds = _seconds(tag, values, frames)
        if seconds is not None:
            return seconds, _NAMES[tag]
    return np.full(frames, np.nan), ""


def _seconds(tag: int, values: NDArray[Any], frames: int) -> NDArray[np.float64] | None:
    """Return times by one attribute, ``None`` where it tells none."""
    if tag == tags.FRAME_TIME_VECTOR:
        if len(values) != frames or (values[1:] <= 0).any():
            return None
        return np.asarray(np.cumsum(values) - values[0]) / 1000
    if not len(values) or not values[0] > 0:
        return None
    step = values[0] / 1000 if tag == tags.FRAME_TIME else 1 / values[0]
    return np.asarray(np.arange(frames) * step, np.float64)


def _numbers(elements: Elements, tag: int) -> NDArray[np.float64]:
    return np.array(elements.get(tag, "DS"), np.float64)
