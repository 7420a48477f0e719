"""What vendors say in private elements, for instances that lack the public attribute.

b-values of GE, Siemens, Philips and United Imaging; directions of Philips; whether an image of
GE is magnitude, phase, real or imaginary.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._header.columns.column import Columns

_B_VALUES: Final = (
    ("ge", "GEMS_PARM_01"),
    ("siemens", "SIEMENS MR HEADER"),
    ("philips", "Philips Imaging DD 001"),
    ("uih", "Image Private Header"),
)
"""Vendors, and the name under which they own the element of the b-value."""
_GE_FLAG: Final = 1_000_000_000
"""GE adds it to b-values of some sequences."""
_GE_KINDS: Final = ("MAGNITUDE", "PHASE", "REAL", "IMAGINARY")
"""By number."""
_PHILIPS_MR: Final = "Philips MR Imaging DD 001"


def private_columns(columns: Columns) -> Columns:
    """Return the columns that private ones of instances give."""
    return {
        "private_b_value": _private_b_values(columns),
        "private_direction": _private_directions(columns),
        "private_component": _private_components(columns),
    }


def _private_b_values(columns: Columns) -> NDArray[np.float64]:
    """Take the b-value of a vendor where the element is his, by name or by manufacturer."""
    makers = np.char.lower(columns["manufacturer"])
    b_values = np.full((len(makers), 1), np.nan)
    for vendor, name in _B_VALUES:
        owner, values = columns[f"{vendor}_owner"], columns[f"{vendor}_b_value"]
        his = (owner == name) | ((owner == "") & np.char.startswith(makers, vendor))
        known = his[:, None] & np.isfinite(values)
        flagged = (vendor == "ge") & (values >= _GE_FLAG)
        b_values[known] = np.where(flagged, values - _GE_FLAG, values)[known]
    return b_values


def _private_directions(columns: Columns) -> NDArray[np.float64]:
    """Return the directions of Philips in LPS; none where there is no weighting."""
    parts = [columns[f"philips_direction_{name}"] for name in "xyz"]
    directions = np.concatenate(parts, axis=1).astype(np.float64)
    his = columns["philips_mr_owner"] == _PHILIPS_MR
    directions[~his | ~directions.any(axis=1)] = np.nan
    return directions


def _private_components(columns: Columns) -> NDArray[np.str_]:
    """Return what GE says an image is, nothing where it is not by GE."""
    kinds = columns["ge_image_kind"][:, 0]
    his = columns["ge_owner"] == "GEMS_PARM_01"
    words = np.full(len(kinds), "", "U9")
    for number, word in enumerate(_GE_KINDS):
        words[his & (kinds == number)] = word
    return words
