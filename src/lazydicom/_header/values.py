"""From the bytes of a data element's value to Python values (PS3.5 section 6.2)."""

import math
import re
import struct
from collections.abc import Callable
from typing import Final, TypeAlias

Values: TypeAlias = tuple[int | float | str, ...]

_NUMBERS: Final = {
    "US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "AT": "I",
    "UV": "Q", "SV": "q",
}  # fmt: skip
_INTEGERS: Final = frozenset(("US", "SS", "UL", "SL", "UV", "SV", "IS"))
_NUMERIC: Final = _INTEGERS | {"DS", "FL", "FD"}
_PADDING: Final = " \t\r\n\0"
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
"""PS3.5 table 6.2-1, and a plus in front."""


def decode_values(vr: str, data: bytes, *, little_endian: bool = True) -> Values:
    r"""Decode the values of one element; text is read as Latin-1, padding is dropped.

    An empty value has no values. Code strings come in upper case. Text that is no number
    where a number must stand raises `ValueError`, which does not quote it.

    >>> decode_values("DS", b"0.5\\-1 ")
    (0.5, -1.0)
    """
    if vr in _NUMBERS:
        return _numbers(_NUMBERS[vr], data, "<" if little_endian else ">")
    text = data.decode("latin-1").rstrip("\0 ")
    parts = tuple(map(plain_text, text.split("\\"))) if text.strip(_PADDING) else ()
    convert = _CONVERSIONS.get(vr)
    return parts if convert is None else tuple(convert(part) for part in parts)


def decode_as(
    vr: str, declared: str, data: bytes, *, little_endian: bool = True
) -> Values:
    r"""Decode the values of one element whose header declares a VR, ``""`` for none.

    Writers give numbers another VR than the standard; 16-bit words keep the sign that is
    asked for, where the standard says "US or SS".

    >>> decode_as("US", "UL", b"\4\0\0\0"), decode_as("IS", "US", b"\4\0")
    ((4,), (4,))
    """
    differs = {vr, declared} <= _NUMERIC and {vr, declared} != {"US", "SS"}
    values = decode_values(
        declared if differs else vr, data, little_endian=little_endian
    )
    if not differs or vr not in _INTEGERS:
        return values
    return tuple(map(as_integer, values))


def reads_alike(vr: str, declared: str) -> bool:
    """Return whether bytes of a declared VR mean the same in the VR that is asked for.

    >>> reads_alike("DS", "LO"), reads_alike("FD", "DS"), reads_alike("FD", "")
    (True, False, True)
    """
    if declared in {"", "UN", vr} or {vr, declared} == {"US", "SS"}:
        return True
    return vr not in _NUMBERS and declared not in _NUMBERS


def as_integer(value: float | str) -> int:
    """Return a number as an integer.

    Raises
    ------
    ValueError
        If it has a fraction: `int` would cut it off.
    """
    if not float(value).is_integer():
        raise ValueError("it is no integer")
    return int(value)


def plain_text(text: str) -> str:
    """Return text without the blanks and zeros around it, which mean nothing."""
    return text.strip(_PADDING)


def _numbers(code: str, data: bytes, order: str) -> Values:
    size = struct.calcsize(code)
    count = len(data) // size
    return struct.unpack(f"{order}{count}{code}", data[: count * size])


def _integer(text: str) -> int:
    """Read an integer string."""
    number = _number(text)
    if not number.is_integer():
        raise ValueError("it is no integer")
    return int(number)


def _decimal(text: str) -> float:
    return _number(text) if text else math.nan


def _number(text: str) -> float:
    """Read a number; Python would take ``1_0`` for ten, and ``nan`` and ``1e400`` too."""
    if not _NUMBER.fullmatch(text):
        raise ValueError("it is no number")
    number = float(text)
    if math.isinf(number):
        raise ValueError("it is a number beyond all bounds")
    return number


_CONVERSIONS: Final[dict[str, Callable[[str], float | str]]] = {
    "IS": _integer,
    "DS": _decimal,
    "CS": str.upper,
}
