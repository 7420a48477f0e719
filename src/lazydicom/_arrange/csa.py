"""The table in a private element of Siemens, version 2: names, and texts that are values."""

import struct
from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lazydicom._header.columns.vendors import SIEMENS_CSA
from lazydicom._header.elements import private_tag
from lazydicom._header.values import Elements

Csa: TypeAlias = dict[str, NDArray[np.float64]]

_MARK: Final = b"SV10"
_TAG: Final = struct.Struct("<64si4siii")
_ITEM: Final = struct.Struct("<4i")


def csa_numbers(elements: Elements, names: Iterable[str]) -> Csa:
    """Look names up in the image header; one that is absent, or no numbers, is left out."""
    tag = private_tag(elements, SIEMENS_CSA)
    data = (elements.read(tag) or b"") if tag is not None else b""
    if not data.startswith(_MARK):
        return {}
    wanted, found = set(names), Csa()
    try:
        for name, texts in _entries(data, wanted):
            values = np.array([float(one) for one in texts])
            if len(values) and np.isfinite(values).all():
                found[name] = values
    except (struct.error, ValueError):
        return found  # what comes first is whole
    return found


def _entries(data: bytes, wanted: set[str]) -> Iterator[tuple[str, list[str]]]:
    (count,) = struct.Struct("<I").unpack_from(data, 8)
    at = 16
    for _ in range(count):
        raw, _, _, _, items, _ = _TAG.unpack_from(data, at)
        at += _TAG.size
        name = raw.split(b"\0")[0].decode("latin-1")
        values = []
        for _ in range(items):
            length = _ITEM.unpack_from(data, at)[1]
            if length < 0:
                raise ValueError(length)
            at += _ITEM.size
            values.append(data[at : at + length].split(b"\0")[0].decode("latin-1"))
            at += -(-length // 4) * 4
        if name in wanted:
            yield name, [value.strip() for value in values if value.strip()]
