"""Modality LUT, VOI LUT and palette on NumPy arrays (PS3.3 C.11.1, C.11.2, C.7.6.3.1.5).

Parameters are numbers, or arrays that NumPy broadcasts to the values: one per frame.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lazydicom.errors import InvalidDicomError, UnsupportedError

Numbers: TypeAlias = float | NDArray[Any]
"""One for all values, or one per frame."""

_DISCRETE, _LINEAR, _INDIRECT = range(3)
"""Kinds of segments (PS3.3 C.7.9.2)."""


@dataclass(frozen=True, slots=True, eq=False)
class LookupTable:
    """What stored values become."""

    first: int
    """The value that becomes the first entry; lesser ones do too."""
    entries: NDArray[Any]
    """One row per value; columns, where there are some, are red, green, blue, alpha."""


def rescale(
    values: NDArray[Any], slope: Numbers, intercept: Numbers
) -> NDArray[np.float64]:
    """Apply Rescale Slope and Intercept, in double precision.

    >>> rescale(np.array([0, 10]), 2.0, -1024.0)
    array([-1024., -1004.])
    """
    scaled: NDArray[np.float64] = np.asarray(values).astype(np.float64)
    scaled *= slope
    scaled += intercept
    return scaled


def mask_and_rescale(
    values: NDArray[Any],
    slope: Numbers,
    intercept: Numbers,
    lowest: Numbers,
    highest: Numbers,
) -> NDArray[np.float64]:
    """Rescale, and let padding from `lowest` to `highest` be NaN; NaN masks nothing."""
    padding = (values >= lowest) & (values <= highest)
    scaled = rescale(values, slope, intercept)
    scaled[padding] = np.nan
    return scaled


def look_up(
    values: NDArray[Any],
    which: Numbers,
    *,
    tables: Sequence[LookupTable],
) -> NDArray[Any]:
    """Look values up in a table; `which` tells the number of each frame's table.

    Raises
    ------
    UnsupportedError
        If a value is NaN.

    >>> table = LookupTable(10, np.array([5, 6, 7], np.uint8))
    >>> look_up(np.array([0, 10, 11, 99]), 0, tables=[table])
    array([5, 5, 6, 7], dtype=uint8)
    """
    values = np.asarray(values)
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise UnsupportedError("A LUT has no entry for NaN, as in a hole of a series")
    if len(tables) == 1:
        return _look_up(values, tables[0])
    shape = (*values.shape, *tables[0].entries.shape[1:])
    out = np.empty(shape, tables[0].entries.dtype)
    which = np.broadcast_to(which, values.shape)
    for number in np.unique(which).tolist():
        here = which == number
        out[here] = _look_up(values[here], tables[number])
    return out


def _look_up(values: NDArray[Any], table: LookupTable) -> NDArray[Any]:
    last = len(table.entries) - 1
    places = np.clip(values, table.first, table.first + last, dtype=_wide(values))
    places = (places - table.first).astype(np.intp)
    looked_up: NDArray[Any] = table.entries[places]
    return looked_up


def _wide(values: NDArray[Any]) -> np.dtype[Any]:
    """Give a type that holds the values and every first value of a table."""
    return np.result_type(values.dtype, np.int32)


Window = Callable[..., NDArray[np.float64]]


def window_linear(
    values: NDArray[Any],
    center: Numbers,
    width: Numbers,
    lowest: Numbers,
    highest: Numbers,
) -> NDArray[np.float64]:
    """Spread a window over all of `lowest` to `highest` (PS3.3 C.11.2.1.2.1)."""
    return window_linear_exact(values, center - 0.5, width - 1, lowest, highest)


def window_linear_exact(
    values: NDArray[Any],
    center: Numbers,
    width: Numbers,
    lowest: Numbers,
    highest: Numbers,
) -> NDArray[np.float64]:
    """Spread a window whose edges are exact (PS3.3 C.11.2.1.3.2)."""
    values = np.asarray(values).astype(np.float64)
    below, above = values <= center - width / 2, values > center + width / 2
    with np.errstate(divide="ignore", invalid="ignore"):  # a width of 0 has no inside
        inside = ((values - center) / width + 0.5) * (highest - lowest) + lowest
    outside: NDArray[np.float64] = np.where(below, lowest, highest)
    return np.where(below | above, outside, inside)


def window_sigmoid(
    values: NDArray[Any],
    center: Numbers,
    width: Numbers,
    lowest: Numbers,
    highest: Numbers,
) -> NDArray[np.float64]:
    """Bend a window into an S (PS3.3 C.11.2.1.3.1)."""
    values = np.asarray(values).astype(np.float64)
    with np.errstate(over="ignore"):  # far below the window: the quotient is 0
        bent = (highest - lowest) / (1 + np.exp(-4 * (values - center) / width))
    result: NDArray[np.float64] = bent + lowest
    return result


WINDOWS: Final[dict[str, Window]] = {
    "LINEAR": window_linear,
    "LINEAR_EXACT": window_linear_exact,
    "SIGMOID": window_sigmoid,
}
"""By the value of VOI LUT Function (0028,1056)."""

NARROWEST: Final = {"LINEAR": 1.0}
"""Least width; with the other functions it must be more than 0."""


def expand_segments(words: NDArray[Any]) -> NDArray[Any]:
    """Expand Segmented Palette Color Lookup Table Data (PS3.3 C.7.9.2).

    `words` are the entries of the data, 8 or 16 bits each.

    Raises
    ------
    InvalidDicomError
        If a segment is of no known kind, or the first one is not discrete.

    >>> expand_segments(np.array([0, 2, 7, 9, 1, 3, 15], np.uint8))
    array([ 7,  9, 11, 13, 15], dtype=uint8)
    """
    table: list[int] = []
    _expand(words.tolist(), 0, len(words), table, word_bytes=words.itemsize)
    return np.array(table, words.dtype)


def _expand(
    data: list[int], position: int, segments: int, table: list[int], *, word_bytes: int
) -> None:
    """Append what the next segments give; a last word alone is padding."""
    while segments and position + 1 < len(data):
        kind, length = data[position : position + 2]
        position, segments = position + 2, segments - 1
        if kind != _DISCRETE and not table:
            raise InvalidDicomError("The first segment of a palette must be discrete")
        if kind == _DISCRETE:
            table += data[position : position + length]
            position += length
        elif kind == _LINEAR:
            table += _line(table[-1], data[position], length)
            position += 1
        elif kind == _INDIRECT:
            words = 4 // word_bytes
            target = _byte_offset(data[position : position + words], word_bytes)
            if target // word_bytes >= position - 2:
                raise InvalidDicomError("A palette segment repeats later ones")
            _expand(data, target // word_bytes, length, table, word_bytes=word_bytes)
            position += words
        else:
            raise InvalidDicomError(f"Palette segment of unknown kind {kind}")


def _byte_offset(words: list[int], word_bytes: int) -> int:
    """Join words, the least significant one first."""
    return sum(word << (8 * word_bytes * place) for place, word in enumerate(words))


def _line(start: int, stop: int, length: int) -> list[int]:
    """Give the values after `start` up to `stop`."""
    first = start + (stop - start) / max(length, 1)
    values: list[int] = np.rint(np.linspace(first, stop, length)).astype(int).tolist()
    return values
