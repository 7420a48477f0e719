"""Modality LUT, VOI LUT and palette on NumPy arrays (PS3.3 C.11.1, C.11.2, C.7.6.3.1.5).

Parameters are numbers, or arrays that NumPy broadcasts to the values: one per frame.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom.errors import InvalidDicomError, UnsupportedError

Numbers: TypeAlias = float | NDArray[Any]
"""One for all values, or one per frame."""

_DISCRETE, _LINEAR, _INDIRECT = range(3)
"""Kinds of segments (PS3.3 C.7.9.2)."""
_MOST_ENTRIES: Final = 0x10000
"""Of a table; a few segments that repeat each other could give any number."""


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
    """Return a type that holds the values and every first value of a table."""
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
        If a segment is cut, or of no known kind, the first one is not discrete, or there
        are more entries than a table can have.

    >>> expand_segments(np.array([0, 2, 7, 9, 1, 3, 15], np.uint8))
    array([ 7,  9, 11, 13, 15], dtype=uint8)
    """
    data, word_bytes = words.tolist(), words.itemsize
    table: list[int] = []
    waiting, expanded = [(0, len(data))], 0
    while waiting and len(table) <= _MOST_ENTRIES and expanded <= 2 * _MOST_ENTRIES:
        position, segments = waiting.pop()
        if segments and position + 1 < len(data):  # a last word alone is padding
            after, repeated = _append(data, position, table, word_bytes)
            waiting += [(after, segments - 1), *repeated]
            expanded += 1
    if waiting:
        raise InvalidDicomError("A palette that expands to more than 65536 entries")
    return np.array(table, words.dtype)


def _append(
    data: list[int], position: int, table: list[int], word_bytes: int
) -> tuple[int, list[tuple[int, int]]]:
    """Append what a segment gives; tell where the next is, and what it repeats before."""
    kind, length = data[position : position + 2]
    if kind not in (_DISCRETE, _LINEAR, _INDIRECT):
        raise InvalidDicomError(f"Palette segment of unknown kind {kind}")
    if kind != _DISCRETE and not table:
        raise InvalidDicomError("The first segment of a palette must be discrete")
    words = {_DISCRETE: length, _LINEAR: 1, _INDIRECT: 4 // word_bytes}[kind]
    after = position + 2 + words
    operands = data[position + 2 : after]
    if kind == _DISCRETE:
        table += operands
        return after, []
    if len(operands) < words:
        raise InvalidDicomError("A palette ends inside a segment")
    if kind == _LINEAR:
        table += _line(table[-1], operands[0], length)
        return after, []
    target = _byte_offset(operands, word_bytes) // word_bytes
    if target >= position:
        raise InvalidDicomError("A palette segment repeats later ones")
    return after, [(target, length)]


def _byte_offset(words: list[int], word_bytes: int) -> int:
    """Join words, the least significant one first."""
    return sum(word << (8 * word_bytes * place) for place, word in enumerate(words))


def _line(start: int, stop: int, length: int) -> list[int]:
    """Return the values after `start` up to `stop`."""
    first = start + (stop - start) / max(length, 1)
    values: list[int] = np.rint(np.linspace(first, stop, length)).astype(int).tolist()
    return values
