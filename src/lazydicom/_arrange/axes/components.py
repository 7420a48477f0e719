"""Kinds of images in one series: magnitude and phase, water and fat, originals and maps."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.frame_table import Codes, FrameTable, coded, combine

_COMPONENTS: Final = frozenset(
    (
        "M", "P", "R", "I", "MAGNITUDE", "PHASE", "REAL", "IMAGINARY", "MIXED",
        "M_FFE", "P_FFE", "R_FFE", "I_FFE", "M_SE", "P_SE", "PHASE MAP", "B0", "B1",
        "ADC", "FA", "TRACEW", "W", "F", "IP", "OP", "WATER", "FAT", "IN_PHASE",
        "OUT_PHASE", "AXIAL", "LOCALIZER", "PRIMARY", "SECONDARY", "ORIGINAL",
        "DERIVED", "DIFFUSION", "NONE", "FIELD_MAP", "VELOCITY MAP",
        "GENERATED_2D", "TOMO_PROJ", "TOMOSYNTHESIS",
    )
)  # fmt: skip
"""Words for kinds of images that may be shown; others might be anybody's free text."""


def component_codes(table: FrameTable) -> Codes:
    """Return a code for each kind of image, by the words of their types."""
    names = ("frame_type", "complex_component")
    return combine(*(coded(table.text(name)) for name in names))


def component_names(table: FrameTable, codes: NDArray[np.int64]) -> NDArray[Any]:
    """Return a name for each kind, by the words in which they differ; else a count.

    `codes` is the kind of each frame.
    """
    rows = np.unique(codes, return_index=True)[1].tolist()
    types, complex_ = table.text("frame_type"), table.text("complex_component")
    words = [[*str(types[row]).split("\\"), str(complex_[row])] for row in rows]
    names = ["\\".join(_differing(one, words)) for one in words]
    if len(set(names)) < len(names):
        return np.arange(len(names))
    return np.array(names)


def _differing(words: Sequence[str], others: Sequence[Sequence[str]]) -> list[str]:
    common = set(others[0]).intersection(*others)
    known = [word for word in words if word not in common and word in _COMPONENTS]
    return list(dict.fromkeys(known))
