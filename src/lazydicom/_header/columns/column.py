"""Columns: one made of the bytes of a file or of plain values, and tables below each other.

A column is a NumPy array with a row per frame, or per instance: numbers of shape (rows,
values), NaN where there is none; text of shape (rows,), empty where there is none.
"""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lazydicom._header.attributes import TEXT
from lazydicom._header.values import Values, decode_values, is_shared
from lazydicom.errors import LimitError

Columns: TypeAlias = dict[str, NDArray[Any]]
"""Columns by name, all of the same number of rows."""
Bytes2D = NDArray[np.uint8]
_BINARY: Final = {
    "US": "u2",
    "SS": "i2",
    "UL": "u4",
    "SL": "i4",
    "FL": "f4",
    "FD": "f8",
}
_WIDEST_TEXT: Final = 64
"""Bytes of memory: 16 characters, as SH and CS have."""
_FREE: Final = 1 << 26
_MOST_PER_BYTE: Final = 8
"""Bytes of memory for each byte of the file."""
UNREADABLE: Final = float("inf")
"""What stands in a column for text that is no number: no decimal string is infinite."""
LONGEST_TEXT: Final = 128
"""Twice the longest of these VRs (PS3.5 section 6.2); writers exceed theirs."""
MOST_VALUES: Final = 16
"""Of an attribute whose number of values is not fixed."""
_BACKSLASH: Final = ord("\\")
_UNDERSCORE: Final = ord("_")
_SPACE: Final = ord(" ")


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
        return in_capitals(texts) if vr == "CS" else texts
    return number_column(
        data, offsets, lengths, vr=vr, width=width, little_endian=little_endian
    )


def in_capitals(texts: NDArray[np.str_]) -> NDArray[np.str_]:
    """Return texts in capitals; `numpy.char` loses an interrupt that comes then.

    >>> in_capitals(np.array(["Siemens", "é 7 z"])).tolist()
    ['SIEMENS', 'é 7 Z']
    """
    if not texts.dtype.itemsize or not texts.size:
        return texts
    codes = np.ascontiguousarray(texts)[..., None].view(np.uint32)
    small = (codes >= ord("a")) & (codes <= ord("z"))
    capitals = codes - np.uint32(ord("a") - ord("A")) * small
    named: NDArray[np.str_] = capitals.view(texts.dtype)[..., 0]
    return named


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


def shared_text(column: NDArray[Any]) -> NDArray[Any]:
    """Keep long texts once each: one of them must not make the rows of all frames as long.

    >>> shared_text(np.array(["a", 20 * "b", 20 * "b"])).dtype
    dtype('O')
    """
    if column.dtype.kind != "U" or column.dtype.itemsize <= _WIDEST_TEXT:
        return column
    kept: dict[str, str] = {}
    texts = [kept.setdefault(text, text) for text in column.tolist()]
    return np.array(texts, object)


def check_claim(tables: Sequence[Columns], frames: int, length: int) -> None:
    """Refuse columns that are many times as large as the bytes that they were read from.

    Raises
    ------
    LimitError
        If one frame has many attributes, and millions of frames have none of them.
    """
    widths: dict[str, int] = {}
    for table in tables:
        for name, column in table.items():
            width = column.dtype.itemsize * math.prod(column.shape[1:])
            widths[name] = max(widths.get(name, 0), width)
    claimed = frames * sum(widths.values())
    if claimed > _FREE and claimed > _MOST_PER_BYTE * length:
        message = f"The attributes of {frames} frames take {claimed} bytes of memory"
        raise LimitError(f"{message}, {length} bytes hold them")


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
    if len(known) == len(pieces) and all(_is_one_row(piece) for piece in known):
        first = known[0]
        if all(len(piece) and _is_same(piece[:1], first[:1]) for piece in known):
            return np.broadcast_to(first[:1], (sum(counts), *first.shape[1:]))
    if known[0].ndim == 1:
        column = np.full(sum(counts), "", np.result_type(*known))
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


def with_shared(columns: Columns) -> Columns:
    """Return columns of which those that are the same everywhere take the memory of one row.

    >>> with_shared({"a": np.array(["CT", "CT"])})["a"].strides
    (0,)
    """
    return {name: _shared(column) for name, column in columns.items()}


def _shared(column: NDArray[Any]) -> NDArray[Any]:
    if len(column) < 2 or column.dtype.kind not in "fU" or is_shared(column):
        return column
    first, last = column[:1], column[-1:]
    if not _equal(first, last).all() or not _equal(column, first).all():
        return column
    return np.broadcast_to(first.copy(), column.shape)


def _is_one_row(column: NDArray[Any]) -> bool:
    return len(column) == 1 or is_shared(column)


def _is_same(one: NDArray[Any], two: NDArray[Any]) -> bool:
    alike = one.shape == two.shape and one.dtype.kind == two.dtype.kind
    return alike and bool(_equal(one, two).all())


def _equal(one: NDArray[Any], two: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where values are the same; NaN, which stands for none, is like NaN."""
    same: NDArray[np.bool_] = one == two
    return same if one.dtype.kind != "f" else same | (np.isnan(one) & np.isnan(two))


def lookaheads(data: NDArray[np.uint8], length: int) -> Bytes2D:
    """View every stretch of `length` bytes, wherever it begins."""
    shape = (max(len(data) - length + 1, 0), length)
    return np.ndarray(shape, np.uint8, buffer=data, strides=(1, 1))


def number_column(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    lengths: NDArray[np.int64],
    *,
    vr: str,
    width: int,
    little_endian: bool,
) -> NDArray[np.float64]:
    """Decode numbers; NaN where a frame has no value, infinity where its text is no number.

    Parameters
    ----------
    data : ndarray of uint8
        A block of the file.
    offsets, lengths : ndarray of int64
        Where each frame's value lies in it; a length of 0 is no value.
    vr : str
        ``DT`` gives seconds.
    width : int
        Values per frame, 0 for as many as there are, up to `MOST_VALUES`.
    little_endian : bool
        Byte order of binary VRs.
    """
    parts = []
    for length, which in _by_length(lengths):
        rows = lookaheads(data, length)[offsets[which]]
        values = _numbers(rows, vr, width, little_endian=little_endian)
        if vr == "IS":
            values = np.where(values == np.rint(values), values, UNREADABLE)
        parts.append((which, values[:, :MOST_VALUES]))
    widest = max((values.shape[1] for _, values in parts), default=0)
    column = np.full((len(offsets), width or widest), np.nan)
    for which, values in parts:
        column[which, : values.shape[1]] = values
    return column


def text_column(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], lengths: NDArray[np.int64]
) -> NDArray[np.str_]:
    """Decode text, backslashes included; padding of each value is dropped.

    Of a longer text the first `LONGEST_TEXT` characters are kept: one of them must not make
    the rows of all frames as long.
    """
    lengths = np.minimum(lengths, LONGEST_TEXT)
    texts = np.zeros(len(offsets), "U1")
    for length, which in _by_length(lengths):
        rows = lookaheads(data, length)[offsets[which]]
        values = np.char.strip(_decode(rows[:1] if _all_equal(rows) else rows))
        if _has_padding_inside(rows):
            values = np.array([_without_padding(one) for one in values.tolist()])
        texts = texts.astype(np.promote_types(texts.dtype, values.dtype), copy=False)
        texts[which] = values
    return texts


def _by_length(
    lengths: NDArray[np.int64],
) -> list[tuple[int, slice | NDArray[np.intp]]]:
    """Return each length of a value, and which rows have it."""
    if len(lengths) and (lengths == lengths[0]).all():  # as ever: `unique` sorts
        first = int(lengths[0])
        return [(first, slice(None))] if first > 0 else []
    return [
        (length, np.flatnonzero(lengths == length))
        for length in np.unique(lengths[lengths > 0]).tolist()
    ]


@lru_cache(maxsize=4096)
def seconds_of(text: str) -> float:
    """Return the seconds of a DT value, or of a date and a time written together.

    What is no time is NaN.

    >>> seconds_of("19700101000001.5")
    1.5
    """
    text, sign, zone = _split_zone(text.strip())
    digits, _, fraction = text.partition(".")
    if not (digits + fraction).isdecimal() or len(digits) < 4:
        return float("nan")
    full = digits.ljust(6, "0") if len(digits) < 8 else digits
    try:
        moment = _moment(full)
    except (OverflowError, ValueError):
        return float("nan")
    offset = sign * (int(zone[:2]) * 3600 + int(zone[2:4]) * 60) if zone else 0
    return moment + (float(f"0.{fraction}") if fraction else 0.0) - offset


def _moment(digits: str) -> float:
    year, month, day = int(digits[:4]), int(digits[4:6] or 1), int(digits[6:8] or 1)
    clock = digits[8:14].ljust(6, "0")
    day_start = datetime(year, month or 1, day or 1, tzinfo=UTC)
    hours, minutes, seconds = int(clock[:2]), int(clock[2:4]), int(clock[4:6])
    span = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return (day_start + span).timestamp()


def _split_zone(text: str) -> tuple[str, int, str]:
    for mark, sign in (("+", 1), ("-", -1)):
        if mark in text:
            before, _, zone = text.partition(mark)
            return before, sign, zone if len(zone) == 4 and zone.isdecimal() else ""
    return text, 1, ""


def _numbers(
    rows: Bytes2D, vr: str, width: int, *, little_endian: bool
) -> NDArray[np.float64]:
    """Decode values of one length, one row per frame."""
    if len(rows) > 1 and _all_equal(rows):
        one = _numbers(rows[:1], vr, width, little_endian=little_endian)
        return np.broadcast_to(one, (len(rows), one.shape[1]))
    if vr in _BINARY:
        return _binary(rows, _BINARY[vr], width, little_endian=little_endian)
    if vr == "DT":
        seconds = [seconds_of(text) for text in _decode(rows).tolist()]
        return np.array(seconds, np.float64)[:, None]
    return _decimals(rows, width)


def _binary(
    rows: Bytes2D, code: str, width: int, *, little_endian: bool
) -> NDArray[np.float64]:
    dtype = np.dtype(("<" if little_endian else ">") + code)
    count = rows.shape[1] // dtype.itemsize
    count = min(count, width) if width else count
    used = np.ascontiguousarray(rows[:, : count * dtype.itemsize])
    return used.view(dtype).astype(np.float64).reshape(len(rows), count)


def _decimals(rows: Bytes2D, width: int) -> NDArray[np.float64]:
    counts = (rows == _BACKSLASH).sum(axis=1) + 1
    count = int(counts[0])
    plain = (counts == count).all() and not (rows == _UNDERSCORE).any()
    if plain and (not width or count == width):
        joined = b"\\".join(rows.reshape(-1).view(f"S{rows.shape[1]}").tolist())
        try:
            numbers = np.array(joined.split(b"\\")).astype(np.float64)
        except ValueError:
            pass  # an empty value, or none at all: one by one
        else:
            if np.isfinite(numbers).all():
                return numbers.reshape(len(rows), count)
    return _one_by_one(rows, width)


def _one_by_one(rows: Bytes2D, width: int) -> NDArray[np.float64]:
    values = [_decimals_of(row.tobytes()) for row in rows]
    widest = width or max(len(one) for one in values)
    numbers = np.full((len(rows), widest), np.nan)
    for row, one in enumerate(values):
        numbers[row, : len(one)] = one[:widest]
    return numbers


def _decimals_of(data: bytes) -> tuple[Any, ...]:
    try:
        return decode_values("DS", data)
    except ValueError:
        return (UNREADABLE,)


def _decode(rows: Bytes2D) -> NDArray[np.str_]:
    """Read bytes as Latin-1: each is the number of its character."""
    texts: NDArray[np.str_] = rows.astype(np.uint32, order="C").view(
        f"U{rows.shape[1]}"
    )
    return texts[:, 0]


def _has_padding_inside(rows: Bytes2D) -> bool:
    edge, space = rows == _BACKSLASH, rows == _SPACE
    beside = (edge[:, 1:] & space[:, :-1]) | (space[:, 1:] & edge[:, :-1])
    return bool(beside.any())


def _without_padding(text: str) -> str:
    return "\\".join(part.strip() for part in text.split("\\"))


def _all_equal(rows: Bytes2D) -> bool:
    return bool((rows == rows[0]).all())
