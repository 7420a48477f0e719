"""Diffusion series as vendors write them: weightings in private elements alone."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from pydicom.uid import generate_uid
from written_series import AXIAL, DAY, plane

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Direction = tuple[float, float, float]
Weighting = tuple[float, Direction]
Words = dict[str, Any]
"""Attributes by keyword; private elements are under ``private``."""


class Vendor(NamedTuple):
    """Who writes a series, and how."""

    manufacturer: str
    words: Callable[[float, Direction], Words]
    common: Words


WEIGHTINGS: Final[list[Weighting]] = [
    (0.0, (0.0, 0.0, 0.0)),
    (1000.0, (1.0, 0.0, 0.0)),
    (1000.0, (0.0, 0.6, 0.8)),
    (1000.0, (0.48, -0.6, 0.64)),
    (2000.0, (0.48, -0.6, 0.64)),
]
OBLIQUE: Final = (0.8, 0.6, 0.0, -0.36, 0.48, -0.8)


def _ge(b: float, v: Direction) -> Words:
    names = zip((0xBB, 0xBC, 0xBD), v, strict=True)
    directions = [(0x19, "GEMS_ACQU_01", n, "DS", f"{one:.6f}") for n, one in names]
    b_value = (0x43, "GEMS_PARM_01", 0x39, "IS", [int(b), 8, 0, 0])
    return {"private": [*directions, b_value]}


def _siemens(b: float, v: Direction) -> Words:
    words: list[Any] = [(0x19, "SIEMENS MR HEADER", 0x0C, "IS", str(int(b)))]
    if any(v):
        words.append((0x19, "SIEMENS MR HEADER", 0x0E, "FD", list(v)))
    return {"private": words}


def _siemens_csa(b: float, v: Direction) -> Words:
    values: dict[str, list[str]] = {"B_value": [f"{b:.0f}"]}
    if any(v):
        values["DiffusionGradientDirection"] = [f"{one:.8f}" for one in v]
    return {"private": [(0x29, "SIEMENS CSA HEADER", 0x10, "OB", csa_header(values))]}


def _philips(b: float, v: Direction) -> Words:
    names = zip((0xB0, 0xB1, 0xB2), v, strict=True)
    owner = "Philips MR Imaging DD 001"
    directions = [(0x2005, owner, n, "FL", one) for n, one in names]
    b_value = (0x2001, "Philips Imaging DD 001", 0x03, "FL", b)
    return {"private": [b_value, *directions]}


def _canon(b: float, v: Direction) -> Words:
    text = "" if not b else f"b={b:.0f}({v[0]:.3f},{v[1]:.3f},{v[2]:.3f})"
    return {"DiffusionBValue": b, "ImageComments": text}


def _canon_by_comments(b: float, v: Direction) -> Words:
    return {"ImageComments": f"b={b:.0f}({v[0]:.3f},{v[1]:.3f},{v[2]:.3f})"}


def _hitachi(b: float, v: Direction) -> Words:
    return {"DiffusionBValue": b, "DiffusionGradientOrientation": list(v)}


def _uih(b: float, v: Direction) -> Words:
    owner = "Image Private Header"
    words: list[Any] = [(0x65, owner, 0x09, "FD", b)]
    if any(v):
        words.append((0x65, owner, 0x37, "FD", list(v)))
    return {"private": words}


VENDORS: Final = {
    "GE": Vendor("GE MEDICAL SYSTEMS", _ge, {"InPlanePhaseEncodingDirection": "COL"}),
    "GE by rows": Vendor(
        "GE MEDICAL SYSTEMS", _ge, {"InPlanePhaseEncodingDirection": "ROW"}
    ),
    "Siemens": Vendor("SIEMENS", _siemens, {}),
    "Siemens CSA": Vendor("SIEMENS", _siemens_csa, {}),
    "Philips": Vendor("Philips Medical Systems", _philips, {}),
    "Canon": Vendor("CANON_MEC", _canon, {"InPlanePhaseEncodingDirection": "COL"}),
    "Canon, by comments": Vendor("CANON_MEC", _canon_by_comments, {}),
    "Hitachi": Vendor("HITACHI", _hitachi, {}),
    "UIH": Vendor("UIH", _uih, {}),
}


def csa_header(values: dict[str, list[str]]) -> bytes:
    """Make a CSA header, version 2, of names and their values."""
    parts = [b"SV10", b"\4\3\2\1", struct.pack("<2I", len(values), 77)]
    for name, texts in values.items():
        head = (name.encode(), len(texts), b"FD", 4, len(texts), 77)
        parts.append(struct.pack("<64si4siii", *head))
        for text in texts:
            data = text.encode() + b"\0"
            parts.append(struct.pack("<4i", len(data), len(data), 77, len(data)))
            parts.append(data.ljust(-(-len(data) // 4) * 4, b"\0"))
    return b"".join(parts)


def write_diffusion(
    folder: Path,
    vendor: str,
    *,
    weightings: list[Weighting] = WEIGHTINGS,
    planes: int = 3,
    axes: tuple[float, ...] = AXIAL,
    **more: Any,  # noqa: ANN401 (attributes by keyword)
) -> None:
    """Write volumes whose planes are filled with 10 times the volume, and the plane."""
    who = VENDORS[vendor]
    normal = np.cross(axes[:3], axes[3:])
    uid = generate_uid()
    for volume, (b_value, direction) in enumerate(weightings):
        for k in range(planes):
            x, y, z = (3.0 * k * normal).tolist()
            plane(
                folder,
                10 * volume + k,
                (x, y, z),
                axes=axes,
                Manufacturer=who.manufacturer,
                PatientPosition="HFS",
                SeriesInstanceUID=uid,
                ImageType=["ORIGINAL", "PRIMARY", "DIFFUSION", "NONE"],
                SliceThickness=3,
                EchoTime=80,
                RepetitionTime=5000,
                InstanceNumber=1 + planes * volume + k,
                AcquisitionNumber=volume + 1,
                AcquisitionDate=DAY,
                AcquisitionTime=f"1200{5 * volume:02d}",
                **{**who.common, **who.words(b_value, direction), **more},
            )
