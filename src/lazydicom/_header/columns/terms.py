"""Defined terms: text that is known to say nothing of a patient (PS3.3, PS3.16).

Writers, and people, put names into any element. What is written down elsewhere, in attributes,
keys, exports and labels, is one of the terms of the standard or nothing.
"""

import re
from typing import Any, Final

import numpy as np

from lazydicom._header.columns.column import Columns
from lazydicom._header.image_pixel import PHOTOMETRIC_INTERPRETATIONS

_SOP_CLASS: Final = re.compile(r"1\.2\.840\.10008\.5\.1\.4(\.[0-9]{1,3}){1,6}")
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
    "units": (
        "CNTS NONE CM2 CM2ML PCNT CPS BQML MGMINML UMOLMINML MLMING MLG 1CM UMOLML PROPCNTS "
        "PROPCPS MLMINML MLML GML STDDEV SUV"
    ),
}
_SETS: Final = {name: frozenset(words.split()) for name, words in _TERMS.items()} | {
    "photometric_interpretation": PHOTOMETRIC_INTERPRETATIONS
}


def is_term(name: str, text: str) -> bool:
    """Return whether a text may be written down as an attribute of this name.

    >>> is_term("modality", "CT"), is_term("modality", "DOE^JOHN"), is_term("other", "x")
    (True, False, True)
    """
    if name == "sop_class_uid":
        return _SOP_CLASS.fullmatch(text) is not None
    return name not in _SETS or text in _SETS[name]


def terms_alone(columns: Columns) -> Columns:
    """Return columns whose text is a defined term, or empty, where the standard has some."""
    return {name: _terms_of(name, column) for name, column in columns.items()}


def _terms_of(name: str, column: Any) -> Any:  # noqa: ANN401
    if name not in _SETS and name != "sop_class_uid":
        return column
    kinds, which = np.unique(column, return_inverse=True)
    known = [is_term(name, text) for text in kinds.tolist()]
    return np.where(known, kinds, "")[which]
