"""Columns: one made of the bytes of a file or of plain values, and tables below each other.

A column is a NumPy array with a row per frame, or per instance: numbers of shape (rows,
values), NaN where there is none; text of shape (rows,), empty where there is none.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lazydicom._header.attributes import TEXT
from lazydicom._header.columns.values import (
    LONGEST_TEXT,
    MOST_VALUES,
    UNREADABLE,
    number_column,
    seconds_of,
    text_column,
)
from lazydicom._header.values import Values

Columns: TypeAlias = dict[str, NDArray[Any]]
"""Columns by name, all of the same number of rows."""


def read_column(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    lengths: NDArray[np.int64],
    *,
    vr: str,
    width: int,
    little_endian: bool,
) -> NDArray[Any]:
    """Return a column of the values that lie at `offsets` in a block of a file."""
    if vr in TEXT:
        texts = text_column(data, offsets, lengths)
        return np.char.upper(texts) if vr == "CS" else texts
    return number_column(
        data, offsets, lengths, vr=vr, width=width, little_endian=little_endian
    )


def make_column(rows: Sequence[Values], *, vr: str, width: int) -> NDArray[Any]:
    """Return a column of decoded values.

    >>> make_column([(1, 2), ()], vr="US", width=0)
    array([[ 1.,  2.],
           [nan, nan]])
    """
    if vr in TEXT:
        texts = ("\\".join(map(str, values)) for values in rows)
        return np.array([text[:LONGEST_TEXT] for text in texts], np.str_)
    if vr == "DT":
        rows = [tuple(seconds_of(str(text)) for text in values) for values in rows]
    widest = width or min(max(map(len, rows), default=0), MOST_VALUES)
    column = np.full((len(rows), widest), np.nan)
    for row, values in enumerate(rows):
        column[row, : len(values)] = values[:widest]
    return column


def unreadable(column: NDArray[Any]) -> bool:
    """Return whether text stands in a column of numbers where a number belongs."""
    return column.dtype.kind == "f" and bool((column == UNREADABLE).any())


def stack_columns(tables: Sequence[Columns], counts: Sequence[int]) -> Columns:
    """Return tables below each other; what one of them lacks is empty there.

    >>> stack_columns([{"a": np.zeros((1, 1))}, {}], [1, 1])["a"]
    array([[ 0.],
           [nan]])
    """
    if len(tables) == 1:
        return dict(tables[0])
    names = dict.fromkeys(name for table in tables for name in table)
    return {
        name: _stack([table.get(name) for table in tables], counts) for name in names
    }


def _stack(
    pieces: Sequence[NDArray[Any] | None], counts: Sequence[int]
) -> NDArray[Any]:
    """Return one column of pieces, at least one of which is there."""
    known = [piece for piece in pieces if piece is not None]
    if known[0].ndim == 1:
        column = np.zeros(sum(counts), np.result_type(*known))
    else:
        widest = max(piece.shape[1] for piece in known)
        column = np.full((sum(counts), widest), np.nan)
    start = 0
    for piece, count in zip(pieces, counts, strict=True):
        if piece is not None:
            rows = (slice(start, start + count), *map(slice, piece.shape[1:]))
            column[rows] = piece
        start += count
    return column
