"""From the bytes of a data element's value to Python values (PS3.5 section 6.2)."""

import struct
from collections.abc import Callable
from typing import Final, TypeAlias

Values: TypeAlias = tuple[int | float | str, ...]

_NUMBERS: Final = {
    "US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "AT": "I",
    "UV": "Q", "SV": "q",
}  # fmt: skip


def decode_values(vr: str, data: bytes, *, little_endian: bool = True) -> Values:
    r"""Decode the values of one element; text is read as ASCII, padding is dropped.

    An empty value has no values. Text that is no number where a number must stand
    raises `ValueError`.

    >>> decode_values("DS", b"0.5\\-1 ")
    (0.5, -1.0)
    """
    if vr in _NUMBERS:
        return _numbers(_NUMBERS[vr], data, "<" if little_endian else ">")
    text = data.decode("latin-1").rstrip("\0 ")
    parts = tuple(part.strip() for part in text.split("\\")) if text.strip() else ()
    convert = _TEXT_NUMBERS.get(vr)
    return parts if convert is None else tuple(convert(part) for part in parts)


def _numbers(code: str, data: bytes, order: str) -> Values:
    size = struct.calcsize(code)
    count = len(data) // size
    return struct.unpack(f"{order}{count}{code}", data[: count * size])


def _integer(text: str) -> int:
    """Read an integer string; Python would take ``1_0`` for ten."""
    number = float(text)
    if "_" in text or not number.is_integer():
        raise ValueError(text)
    return int(number)


def _decimal(text: str) -> float:
    if "_" in text:
        raise ValueError(text)
    return float(text) if text else float("nan")


_TEXT_NUMBERS: Final[dict[str, Callable[[str], float]]] = {
    "IS": _integer,
    "DS": _decimal,
}
