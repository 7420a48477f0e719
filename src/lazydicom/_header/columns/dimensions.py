"""Values of the dimensions that an object declares (PS3.3 section C.7.6.17).

A Dimension Index Pointer names an attribute, a Functional Group Pointer the sequence that it
stands in: together they say what an index of each frame counts.
"""

import re
import struct
from typing import Final

import numpy as np

from lazydicom._header import tags
from lazydicom._header.attributes import FRAME_ATTRIBUTES, Path
from lazydicom._header.columns.column import Columns, make_column
from lazydicom._header.columns.sequences import sequence_values
from lazydicom._header.elements import FileElements
from lazydicom._header.header import Header
from lazydicom._header.pydicom import attribute_name
from lazydicom._header.values import Values, decode_values

PREFIX: Final = "dimension_of_"
"""What the names of the columns begin with; then comes the keyword in snake case."""
_NUMBERS: Final = frozenset(
    ("DS", "IS", "FD", "FL", "US", "SS", "UL", "SL", "UV", "SV")
)
_TEXTS: Final = frozenset(("CS", "SH", "LO", "UI"))
_WIDEST: Final = 3
"""Values of an attribute: a direction has three."""
_NO_AXES: Final = frozenset(("repetition_time", "optical_path"))
_KNOWN: Final = frozenset(
    path
    for name, one in FRAME_ATTRIBUTES.items()
    for path in one.paths
    if name not in _NO_AXES
)
"""Columns of frames that are axes, or places, already."""
_WORDS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def dimension_columns(header: Header, frames: int) -> Columns:
    """Return a column for each declared dimension that no other column gives the values of.

    Text is that of the frames; it may be anybody's, so it only tells frames apart.
    """
    paths = [path for path in _declared(header) if path not in _KNOWN]
    return {
        name: column
        for path in dict.fromkeys(paths)
        for name, column in _column(header, path, frames).items()
    }


def _declared(header: Header) -> list[Path]:
    pointers = [(tags.FUNCTIONAL_GROUP_POINTER,), (tags.DIMENSION_INDEX_POINTER,)]
    items = sequence_values(header, tags.DIMENSION_INDEX_SEQUENCE, pointers)
    little_endian = _is_little_endian(header)
    paths: list[Path] = []
    for item in items:
        numbers = [_tag_of(bytes(value), little_endian=little_endian) for value in item]
        if all(numbers):
            paths.append((numbers[0], numbers[1]))
    return paths


def _tag_of(data: bytes, *, little_endian: bool) -> int:
    """Return the tag of an AT value, two words; 0 where it is none."""
    if len(data) != 4:
        return 0
    group, element = struct.unpack("<2H" if little_endian else ">2H", data)
    return int(group << 16 | element)


def _column(header: Header, path: Path, frames: int) -> Columns:
    keyword, vr = attribute_name(path[1])
    if not keyword or vr not in _NUMBERS | _TEXTS:
        return {}
    rows = [
        _values(bytes(value), vr, header)
        for (value,) in sequence_values(
            header, tags.PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, [path], most=frames
        )
    ]
    if len(rows) != frames or not any(rows):
        return {}
    name = PREFIX + _WORDS.sub("_", keyword).lower()
    if vr in _TEXTS:
        return {name: make_column(rows, vr=vr, width=0)}
    widest = max(map(len, rows))
    if widest > _WIDEST:
        return {}
    return {name: make_column(rows, vr=vr, width=widest).astype(np.float64)}


def _values(data: bytes, vr: str, header: Header) -> Values:
    try:
        return decode_values(vr, data, little_endian=_is_little_endian(header))
    except ValueError:
        return ()


def _is_little_endian(header: Header) -> bool:
    """Return the byte order of what `sequence_values` gives; a Dataset is written anew."""
    if not isinstance(header.elements, FileElements):
        return True
    return header.meta.framing.little_endian
