"""Where labelled values lie in the patient, computed from their coordinates.

``z``, ``y`` and ``x`` are mm along fixed directions, so they stay true whatever is selected,
and the affine follows from them. A direction is three numbers: the way of 1 mm of the
coordinate. That of a tilted gantry leans, so planes have an offset besides.
"""

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

AXES: Final = ("x", "y", "z")
STALE: Final = frozenset(("affine", "spacing", "orientation"))
"""Attributes of an array that hold for all of it and for no part."""
_UNEVEN: Final = 0.25
"""Part of a step by which a position may be off: some are written with few decimals."""
_LETTERS: Final = (("L", "R"), ("P", "A"), ("S", "I"))
"""Letter of the positive and of the negative way along the axes of the patient."""


class Line(NamedTuple):
    """Positions along one axis."""

    first: float
    step: float
    direction: NDArray[np.float64]


def directions_of(
    affine: NDArray[np.float64], first: Mapping[str, float]
) -> dict[str, list[float]]:
    """Return where x, y and z lead, and the offset, of coordinates that begin at `first`."""
    columns = affine[:3, :3].T
    right, down = (column / np.linalg.norm(column) for column in columns[:2])
    up = columns[2] / (columns[2] @ np.cross(right, down))
    offset = affine[:3, 3] - first["x"] * right - first["y"] * down - first["z"] * up
    named = {
        "direction_x": right,
        "direction_y": down,
        "direction_z": up,
        "direction_offset": np.round(offset, 9) + 0.0,
    }
    return {name: vector.tolist() for name, vector in named.items()}


def line_of(
    name: str,
    values: NDArray[np.float64],
    direction: Sequence[float],
    spacing: float,
) -> Line:
    """Return first position and step of a coordinate; `spacing` is that of a single one.

    Raises
    ------
    ValueError
        If positions are not evenly spaced, or there are none.
    """
    if not values.size:
        raise ValueError(f"Nothing is selected along {name}: it has no affine")
    step = spacing
    if values.size > 1:
        step = float((values[-1] - values[0]) / (values.size - 1))
        even = values[0] + step * np.arange(values.size)
        if not step or np.abs(values - even).max() > _UNEVEN * abs(step):
            raise ValueError(f"{name} is not evenly spaced: it has no affine")
    return Line(float(values[0]), step, np.array(direction, np.float64))


def affine_of_lines(
    lines: Mapping[str, Line], offset: Sequence[float]
) -> NDArray[np.float64]:
    """Return the matrix from (x, y, z, 1), counted in pixels, to mm in LPS."""
    affine = np.eye(4)
    affine[:3, 3] = offset
    for column, name in enumerate(AXES):
        line = lines[name]
        affine[:3, column] = line.step * line.direction
        affine[:3, 3] += line.first * line.direction
    return affine


def assign_axes(directions: Mapping[str, NDArray[Any]], code: str) -> dict[str, str]:
    """Return the axis that lies nearest to each letter of a code, as ``{"x": "z", …}``.

    Raises
    ------
    ValueError
        If the code does not name each way of the patient once.
    """
    ways = [_way(letter) for letter in code]
    if sorted(int(np.abs(way).argmax()) for way in ways) != [0, 1, 2]:
        raise ValueError(f"Expected a code such as 'LPS', not {code!r}")
    units = {name: one / np.linalg.norm(one) for name, one in directions.items()}
    best = max(
        permutations(AXES),
        key=lambda names: sum(
            abs(units[n] @ w) for n, w in zip(names, ways, strict=True)
        ),
    )
    return dict(zip(AXES, best, strict=True))


def is_backwards(direction: NDArray[Any], letter: str) -> bool:
    """Return whether a direction leads away from a letter of the patient."""
    return float(direction @ _way(letter)) < 0


def _way(letter: str) -> NDArray[np.float64]:
    for axis, (positive, negative) in enumerate(_LETTERS):
        if letter in {positive, negative}:
            way = np.zeros(3)
            way[axis] = 1 if letter == positive else -1
            return way
    return np.zeros(3)
