"""Levels of one image hold the same: channels, times, focal planes, and lie the same way.

Copies pair levels by index, so whatever stands at one index must be one thing.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.computed import FrameArray
from lazydicom._array.lazy_array import LazyArray
from lazydicom._bytes.deferred import deferred
from lazydicom._export.inputs import PlainArray, url_of
from lazydicom.errors import UnsupportedError

if TYPE_CHECKING:
    from lazydicom._arrange.slides import stated
else:
    stated = deferred("lazydicom._arrange.slides.stated")

_PLANE: Final = ("y", "x")
_SINGLE: Final = ("path", "z")
"""Axes that levels of a slide do not have where each has one of them."""
_NOUNS: Final = {
    "path": ("optical path", "optical paths"),
    "z": ("plane", "planes"),
    "sample": ("sample of a pixel", "samples of a pixel"),
}
_SAME_DIRECTION: Final = 1e-3
_SAME_POSITION: Final = 1e-5
"""Numbers that differ less are equal, and those that differ by less than `_SAME_PART`."""
_SAME_PART: Final = 1e-3
"""Of the way from one position to the next."""
_OF_SLIDES: Final = "missing_tiles"
"""Each level that `open_slide` makes has this attribute, no other array."""
_MOST_LISTED: Final = 5


def check_alike(levels: Sequence[LazyArray]) -> None:
    """Refuse levels that do not hold what the finest holds; all have the same axes.

    Raises
    ------
    UnsupportedError
        If one has other channels, times or focal planes, or has them in another order, or
        its rows and columns run in other directions.
    """
    finest = levels[0]
    axes = [dim for dim in dict.fromkeys((*finest.dims, *_SINGLE)) if dim not in _PLANE]
    positions = {dim: _positions(finest, dim) for dim in axes if len(levels) > 1}
    for number, level in enumerate(levels[1:], 1):
        for dim in axes:
            reason = _length_differs(finest, level, dim, number)
            reason = reason or _positions_differ(positions[dim], level, dim, number)
            if reason:
                _refuse(level, reason)
        if _runs_elsewhere(finest, level):
            directions = "has rows and columns in other directions than level 0"
            _refuse(level, f"Level {number} {directions}")


def _length_differs(
    finest: LazyArray, level: LazyArray, dim: str, number: int
) -> str | None:
    """Return why, where two levels do not have as many positions along an axis."""
    if dim not in level.dims:
        return None
    own, first = (array.shape[array.dims.index(dim)] for array in (level, finest))
    if own == first or (dim == "z" and not (_is_slide(finest) or _is_slide(level))):
        return None  # volumes become coarser along z too
    return f"Level {number} holds {own} {_noun(dim, own)}, level 0 holds {first}"


def _positions_differ(
    first: NDArray[Any] | None, level: LazyArray, dim: str, number: int
) -> str | None:
    """Return why, where two levels have other things along an axis, as far as is known."""
    own = None if first is None else _positions(level, dim)
    if own is None or first is None or len(own) != len(first):
        return None
    if own.dtype.kind != first.dtype.kind:
        return None  # one counts, or numbers, what the other measures, or names
    differ = _numbers_differ if own.dtype.kind in "iuf" else _names_differ
    reason = differ(first, own, dim)
    return f"Level {number} holds {reason}" if reason else None


def _numbers_differ(first: NDArray[Any], own: NDArray[Any], dim: str) -> str | None:
    if np.allclose(own, first, rtol=0, atol=_tolerance(first), equal_nan=True):
        return None
    unit = " mm" if dim == "z" and own.dtype.kind == "f" else ""
    places = [f"{_listed(one)}{unit}" for one in (own, first)]
    return f"{_noun(dim, len(own))} at {places[0]}, level 0 at {places[1]}"


def _names_differ(first: NDArray[Any], own: NDArray[Any], dim: str) -> str | None:
    """Return which ones differ by their number: names are free text."""
    names, known = own.tolist(), first.tolist()
    if names == known:
        return None
    noun = _noun(dim, len(names))
    if len(names) == 1:
        return f"another {noun} than level 0"
    if sorted(map(str, names)) == sorted(map(str, known)):
        return f"the {len(names)} {noun} of level 0 in another order"
    differ = [name not in known for name in names]
    if not any(differ):  # one name stands twice
        differ = [name != other for name, other in zip(names, known, strict=True)]
    which = ", ".join(str(k) for k, other in enumerate(differ) if other)
    numbers = f"number {which}, counted from 0, is none of the {len(known)} of level 0"
    return f"{len(names)} {noun}: {numbers}"


def _tolerance(positions: NDArray[Any]) -> float:
    steps = np.abs(np.diff(positions.astype(np.float64)))
    shortest = float(steps[steps > 0].min(initial=np.inf))
    return max(_SAME_POSITION, _SAME_PART * shortest if steps.any() else 0.0)


def _is_slide(array: LazyArray) -> bool:
    return _OF_SLIDES in array.attrs


def _noun(dim: str, count: int) -> str:
    one, several = _NOUNS.get(dim, (f"position along {dim}", f"positions along {dim}"))
    return one if count == 1 else several


def _listed(positions: NDArray[Any]) -> str:
    words = [f"{one:.6g}" for one in positions[:_MOST_LISTED].tolist()]
    return ", ".join(words) + (" …" if len(positions) > _MOST_LISTED else "")


def _positions(array: LazyArray, dim: str) -> NDArray[Any] | None:
    """Return what stands along an axis, or at its only position; nothing if unknown."""
    coords = array.coords
    if isinstance(array, PlainArray):  # takes numbers along; names are needed too
        coords = getattr(array.values, "coords", coords)
    if dim in coords and set(coords[dim].dims) <= {dim}:
        values = np.atleast_1d(np.asarray(coords[dim].values))
        return None if "" in values.tolist() else values
    if dim in array.dims or not (isinstance(array, FrameArray) and _is_slide(array)):
        return None
    state = {"path": stated.path_of, "z": stated.height_of}[dim](array.images)
    return None if state is None else np.array([state])


def _runs_elsewhere(finest: LazyArray, level: LazyArray) -> bool:
    """Return whether rows or columns of two levels run in other directions."""
    first, own = _directions(finest), _directions(level)
    if first is None or own is None:
        return False
    return bool((np.abs(first - own) > _SAME_DIRECTION).any())


def _directions(array: LazyArray) -> NDArray[np.float64] | None:
    """Return unit vectors along x and y, as the affine has them."""
    affine = np.asarray(array.attrs.get("affine", ()))
    if affine.shape != (4, 4) or affine.dtype.kind not in "iuf":
        return None
    vectors = affine[:3, :2].astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=0)
    return vectors / lengths if (lengths > 0).all() else None


def _refuse(level: LazyArray, reason: str) -> NoReturn:
    advice = "give levels that hold the same, or the finest alone"
    raise UnsupportedError(f"{reason}: {advice}", url=url_of(level))
