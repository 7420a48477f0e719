"""From the bytes of a data element's value to Python values, and which may be written down.

PS3.5 section 6.2 says how values are encoded. Writers, and people, put names into any element:
what stands in attributes, keys, exports and labels is a term of the standard (PS3.3, PS3.16)
or nothing.
"""

import math
import re
import struct
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lazydicom._header import tags
from lazydicom._header.image_pixel import PHOTOMETRIC_INTERPRETATIONS
from lazydicom.errors import InvalidDicomError, warn

Values: TypeAlias = tuple[int | float | str, ...]

_NUMBERS: Final = {
    "US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "AT": "I",
    "UV": "Q", "SV": "q",
}  # fmt: skip
_ONE_NUMBER: Final = {
    order + code: struct.Struct(order + code)
    for order in "<>"
    for code in _NUMBERS.values()
}
_INTEGERS: Final = frozenset(("US", "SS", "UL", "SL", "UV", "SV", "IS"))
_NUMERIC: Final = _INTEGERS | {"DS", "FL", "FD"}
_PADDING: Final = " \t\r\n\0"
_NUMBER: Final = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
"""PS3.5 table 6.2-1, and a plus in front."""
_UID: Final = r"[0-9.]{1,64}"
_SOP_CLASS: Final = r"1\.2\.840\.10008\.5\.1\.4(\.[0-9]{1,3}){1,6}"
_TERMS: Final = {
    "modality": (
        "AR ASMT AU BDUS BI BMD CD CF CFM CP CR CS CT CTPROTOCOL DD DF DG DM DMS DOC DS DX "
        "EC ECG EEG EMG EOG EPS ES FA FID FS GM HC HD IO IOL IVOCT IVUS KER KO LEN LP LS M3D "
        "MA MG MR MS NM OAM OCT OP OPM OPR OPT OPTBSV OPTENF OPV OSS OT PA PLAN POS PR PT PX "
        "REG RESP RF RG RTDOSE RTIMAGE RTINTENT RTPLAN RTRAD RTRECORD RTSEGANN RTSTRUCT RWV "
        "SC SEG SM SMR SR SRF ST STAIN TEXTUREMAP TG US VA VF VIDD XA XAPROTOCOL XC"
    ),
    "lossy_image_compression": "00 01",
    "dose_units": "GY RELATIVE",
    "dose_type": "PHYSICAL EFFECTIVE ERROR",
    "burned_in_annotation": "YES NO",
    "rescale_type": "OD HU US MGML Z_EFF ED EDW HU_MOD PCT",
    "in_plane_phase_encoding_direction": "ROW COL COLUMN OTHER",
    "units": (
        "CNTS NONE CM2 CM2ML PCNT CPS BQML MGMINML UMOLMINML MLMING MLG 1CM UMOLML PROPCNTS "
        "PROPCPS MLMINML MLML GML STDDEV SUV"
    ),
}
_SETS: Final = {name: frozenset(words.split()) for name, words in _TERMS.items()} | {
    "photometric_interpretation": PHOTOMETRIC_INTERPRETATIONS
}
TECHNICAL_ATTRIBUTES: Final = {
    "sop_class_uid": (tags.SOP_CLASS_UID, "UI"),
    "modality": (tags.MODALITY, "CS"),
    "image_orientation_patient": (tags.IMAGE_ORIENTATION_PATIENT, "DS"),
    "image_position_patient": (tags.IMAGE_POSITION_PATIENT, "DS"),
    "photometric_interpretation": (tags.PHOTOMETRIC_INTERPRETATION, "CS"),
    "pixel_spacing": (tags.PIXEL_SPACING, "DS"),
    "imager_pixel_spacing": (tags.IMAGER_PIXEL_SPACING, "DS"),
    "slice_thickness": (tags.SLICE_THICKNESS, "DS"),
    "spacing_between_slices": (tags.SPACING_BETWEEN_SLICES, "DS"),
    "frame_time": (tags.FRAME_TIME, "DS"),
    "echo_time": (tags.ECHO_TIME, "DS"),
    "repetition_time": (tags.REPETITION_TIME, "DS"),
    "in_plane_phase_encoding_direction": (
        tags.IN_PLANE_PHASE_ENCODING_DIRECTION,
        "CS",
    ),
    "bits_stored": (tags.BITS_STORED, "US"),
    "rescale_intercept": (tags.RESCALE_INTERCEPT, "DS"),
    "rescale_slope": (tags.RESCALE_SLOPE, "DS"),
    "window_center": (tags.WINDOW_CENTER, "DS"),
    "window_width": (tags.WINDOW_WIDTH, "DS"),
    "lossy_image_compression": (tags.LOSSY_IMAGE_COMPRESSION, "CS"),
    "dose_grid_scaling": (tags.DOSE_GRID_SCALING, "DS"),
    "dose_units": (tags.DOSE_UNITS, "CS"),
    "dose_type": (tags.DOSE_TYPE, "CS"),
    "burned_in_annotation": (tags.BURNED_IN_ANNOTATION, "CS"),
}
"""The technical attributes that leave a file by default, with tag and VR.

None of them stands in PS3.15 table E.1-1, and none is free text: patient data, UIDs of
instances, dates and names are never in this table.
"""
DESCRIPTIONS: Final = {
    "series_description": (tags.SERIES_DESCRIPTION, "LO"),
    "protocol_name": (tags.PROTOCOL_NAME, "LO"),
    "study_date": (tags.STUDY_DATE, "DA"),
}
"""What people write and may tell of a patient: for those who ask for it by name."""


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
    if vr == declared:  # as ever
        return decode_values(vr, data, little_endian=little_endian)
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
    one = _ONE_NUMBER[order + code]
    if len(data) == one.size:  # as ever
        return one.unpack(data)
    count = len(data) // one.size
    return struct.unpack(f"{order}{count}{code}", data[: count * one.size])


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
    if not _number_pattern().fullmatch(text):
        raise ValueError("it is no number")
    number = float(text)
    if math.isinf(number):
        raise ValueError("it is a number beyond all bounds")
    return number


@cache
def _number_pattern() -> re.Pattern[str]:
    return re.compile(_NUMBER)


_CONVERSIONS: Final[dict[str, Callable[[str], float | str]]] = {
    "IS": _integer,
    "DS": _decimal,
    "CS": str.upper,
}


def shown_uid(uid: str) -> str:
    """Return a UID for a message; anything else is not quoted.

    >>> shown_uid("1.2.3"), shown_uid("DOE^JOHN")
    ("'1.2.3'", 'that is no UID')
    """
    return repr(uid) if re.fullmatch(_UID, uid) else "that is no UID"


def is_term(name: str, text: str) -> bool:
    """Return whether a text may be written down as an attribute of this name.

    >>> is_term("modality", "CT"), is_term("modality", "DOE^JOHN"), is_term("other", "x")
    (True, False, True)
    """
    if name == "sop_class_uid":
        return re.fullmatch(_SOP_CLASS, text) is not None
    return name not in _SETS or text in _SETS[name]


class Elements(Protocol):
    """What is asked of the top level of a data set."""

    def get(self, tag: int, vr: str) -> Values:
        """Decode a value; no values where the element is absent or empty."""
        ...

    def read(self, tag: int) -> bytes | None:
        """Read the bytes of a value, ``None`` where the element is absent."""
        ...

    def holds(self, tag: int) -> bool:
        """Return whether an element is there, empty or not."""
        ...

    def position(self, tag: int) -> int | None:
        """Return the byte at which an element begins."""
        ...


def technical_attributes(elements: Elements, *, url: str) -> dict[str, object]:
    """Collect the technical attributes that stand at the top level.

    One that cannot be read is left out with a warning: no pixel depends on it. Text that is
    none of the terms of the standard is left out, too: it may name a patient.
    """
    attributes: dict[str, object] = {}
    for name, (tag, vr) in TECHNICAL_ATTRIBUTES.items():
        try:
            values = elements.get(tag, vr)
        except InvalidDicomError as error:
            warn(f"{name} is left out. {error.message}", url=url)
            continue
        if not values:
            continue
        if any(isinstance(value, float) and math.isnan(value) for value in values):
            warn(f"{name} is left out. It lacks a value", url=url)
        elif all(is_term(name, str(value)) for value in values):
            attributes[name] = values[0] if len(values) == 1 else list(values)
    return attributes


def terms_alone(columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return columns whose text is a defined term, or empty, where the standard has some."""
    return {name: _terms_of(name, column) for name, column in columns.items()}


def _terms_of(name: str, column: Any) -> Any:  # noqa: ANN401
    if name not in _SETS and name != "sop_class_uid":
        return column
    one = column[:1] if is_shared(column) else column
    kinds = dict.fromkeys(one.tolist())
    if all(is_term(name, text) for text in kinds):
        return column
    terms = {text: text if is_term(name, text) else "" for text in kinds}
    known = np.array([terms[text] for text in one.tolist()], column.dtype)
    return np.broadcast_to(known, column.shape)


def is_shared(column: NDArray[Any]) -> bool:
    """Return whether all rows of a column are one in memory: a value of all frames."""
    return len(column) > 1 and column.strides[0] == 0
