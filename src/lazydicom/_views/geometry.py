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

from lazydicom._array.computed import FrameArray
from lazydicom._array.coordinate import Coordinate

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


def steps_of(
    affine: NDArray[np.float64],
    values: Mapping[str, NDArray[np.float64]],
    orientation: Sequence[float] | None = None,
) -> dict[str, float]:
    """Return by how many mm coordinates change from one pixel to the next.

    The sign is that of the coordinate, which counts backwards where the array is flipped. Of
    a single position it is that of the column along `orientation`, where that is given.

    >>> flipped = {"x": np.array([6.0, 4]), "y": np.zeros(1), "z": np.zeros(1)}
    >>> steps_of(np.diag([-2.0, 3, 5, 1]), flipped, [1, 0, 0, 0, 1, 0])
    {'x': -2.0, 'y': 3.0, 'z': 5.0}
    """
    columns = affine[:3, :3].T
    right, down = (column / np.linalg.norm(column) for column in columns[:2])
    lengths = (
        *np.linalg.norm(columns[:2], axis=1).tolist(),
        abs(float(columns[2] @ np.cross(right, down))),
    )
    ways = columns
    if orientation is not None:
        first, second = np.reshape(orientation, (2, 3))
        ways = np.stack([first, second, np.cross(first, second)])
    steps = {}
    for name, length, column, way in zip(AXES, lengths, columns, ways, strict=True):
        own = values[name]
        change = own[-1] - own[0] if own.size > 1 else column @ way
        steps[name] = -length if change < 0 else length
    return steps


def directions_of(
    affine: NDArray[np.float64],
    first: Mapping[str, float],
    steps: Mapping[str, float],
) -> dict[str, list[float]]:
    """Return where x, y and z lead, and the offset, of coordinates that begin at `first`."""
    named = {}
    offset = affine[:3, 3]
    for column, name in zip(affine[:3, :3].T, AXES, strict=True):
        direction = column / steps[name]
        offset = offset - first[name] * direction
        named[f"direction_{name}"] = (direction + 0.0).tolist()
    return {**named, "direction_offset": (np.round(offset, 9) + 0.0).tolist()}


def _steps(array: FrameArray) -> dict[str, float]:
    """Return the steps of z, y and x in mm; nothing where no affine says them."""
    affine = _affine(array)
    if affine is None:
        return {}
    values = {
        name: np.atleast_1d(np.asarray(array.coords[name].values, np.float64))
        for name in AXES
    }
    steps = steps_of(affine, values, array.attrs.get("orientation"))
    if "downsample" in array.attrs and values["z"].size == 1:
        # heights of a slide go up, whichever way its rows and columns run
        steps["z"] = float(np.copysign(steps["z"], affine[2, 2]))
    return steps


def _affine(array: FrameArray) -> NDArray[np.float64] | None:
    """Return the affine of an array with all coordinates, ``None`` without one.

    Focal planes without one step have one of 1 mm: their heights are those of the slide.
    """
    if "affine" not in array.attrs or any(name not in array.coords for name in AXES):
        return None
    affine = np.array(array.attrs["affine"], np.float64)
    if not affine[:3, 2].any():
        z = array.coords["z"]
        heights = np.ravel(z.values)
        if z.units != "mm":
            return None  # they are counted: nobody knows where they lie
        affine[2, 2] = -1.0 if heights.size and heights[-1] < heights[0] else 1.0
    return affine


def array_directions(array: FrameArray) -> dict[str, list[float]]:
    """Return where z, y and x lead; nothing where no affine says it."""
    steps, affine = _steps(array), _affine(array)
    if affine is None:
        return {}
    first = {
        name: float(np.ravel(array.coords[name].values)[0])
        for name in AXES
        if np.size(array.coords[name].values)
    }
    return directions_of(affine, first, steps) if len(first) == len(AXES) else {}


def array_spacings(array: FrameArray) -> dict[str, float]:
    """Return the steps that are known, those of single positions too."""
    known = dict(zip("zyx", array.attrs.get("spacing", ()), strict=False))
    steps = _steps(array).items()
    return {name: step for name, step in steps if np.isfinite(known.get(name, np.nan))}


def label_attrs(
    name: str,
    coordinate: Coordinate,
    directions: Mapping[str, list[float]],
    spacings: Mapping[str, float],
) -> dict[str, Any]:
    """Return what a coordinate says of itself: its unit, where it leads, and its step."""
    attrs: dict[str, Any] = {"units": coordinate.units} if coordinate.units else {}
    if name not in AXES or not directions:
        return attrs
    attrs["direction"] = directions[f"direction_{name}"]
    values = np.atleast_1d(coordinate.values)
    if values.size > 1:
        step = _even_step(values)
        attrs |= {} if step is None else {"spacing": step}
    elif name in spacings:
        attrs["spacing"] = spacings[name]
    if name == "z":
        attrs["offset"] = directions["direction_offset"]
    return attrs


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
        even = _even_step(values)
        if even is None:
            raise ValueError(f"{name} is not evenly spaced: it has no affine")
        step = even
    return Line(float(values[0]), step, np.array(direction, np.float64))


def _even_step(values: NDArray[np.float64]) -> float | None:
    """Return the step of several positions, ``None`` where no one step leads to all."""
    step = float((values[-1] - values[0]) / (values.size - 1))
    even = values[0] + step * np.arange(values.size)
    uneven = not step or np.abs(values - even).max() > _UNEVEN * abs(step)
    return None if uneven else step


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
