"""Directions of rows and columns that are usable: unit vectors, at right angles."""

from dataclasses import replace
from typing import Final

import numpy as np

from lazydicom._arrange.geometry import (
    SAME_DIRECTION,
    skew_degrees,
    spans_plane,
    unit_directions,
)
from lazydicom._array.frame_table import FrameTable
from lazydicom.errors import InvalidDicomError, warn

_MOST_SKEWED: Final = 1.0
"""Degrees; rounding of direction cosines gives less."""


def with_unit_directions(table: FrameTable) -> FrameTable:
    """Return the table with directions of unit length, with a warning where they had none.

    Raises
    ------
    InvalidDicomError
        If rows and columns are not at right angles: no affine of equal pixels describes it.
    """
    orientation = table.numbers("orientation")
    rows = np.flatnonzero(spans_plane(orientation))
    if not len(rows):
        return table
    given = orientation[rows]
    units = unit_directions(given)
    skewed = skew_degrees(units)
    worst = int(skewed.argmax())
    if skewed[worst] > _MOST_SKEWED:
        image = table.images[table.image[rows[worst]]]
        angle = 90 - skewed[worst]
        message = f"Rows and columns are {angle:.1f} degrees apart, expected 90"
        raise InvalidDicomError(message, url=image.url)
    odd = np.abs(given - units).max(axis=1) > SAME_DIRECTION
    if not odd.any():
        return table
    image = table.images[table.image[rows[int(odd.argmax())]]]
    warn("Directions of rows and columns are no unit vectors, made so", url=image.url)
    whole = orientation.copy()
    whole[rows[odd]] = units[odd]
    return replace(table, columns={**table.columns, "orientation": whole})
