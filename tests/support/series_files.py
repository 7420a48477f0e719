"""Classic series as files: one instance per plane, time and echo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from dicom_files import element, make_native

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def write_instance(
    path: Path,
    *,
    z: float,
    number: int,
    value: int = 0,
    series: str = "1.2.3",
    orientation: tuple[float, ...] = AXIAL,
    texts: dict[int, tuple[str, str]] | None = None,
) -> Path:
    """Write a plane of 3×4 pixels, all `value`, at (-10, -20, z)."""
    normal = np.cross(orientation[:3], orientation[3:])
    position = np.array([-10.0, -20.0, 0.0]) + z * normal
    values = {
        0x00080008: ("CS", "ORIGINAL\\PRIMARY"),
        0x00080016: ("UI", "1.2.840.10008.5.1.4.1.1.4"),
        0x00080018: ("UI", f"{series}.{number}"),
        0x00080060: ("CS", "MR"),
        0x0020000E: ("UI", series),
        0x00200011: ("IS", series.rpartition(".")[2]),
        0x00200013: ("IS", str(number)),
        0x00200032: ("DS", _text(position)),
        0x00200037: ("DS", _text(orientation)),
        0x00280030: ("DS", "2\\1.5"),
        **(texts or {}),
    }
    elements = {
        tag: element(tag, vr, text.encode("latin-1"))
        for tag, (vr, text) in values.items()
    }
    pixels = np.full((1, 3, 4), value, np.uint16)
    path.write_bytes(make_native(pixels, elements=dict(elements)))
    return path


def write_volume(
    folder: Path, *, planes: int = 4, skip: frozenset[int] = frozenset()
) -> None:
    """Write planes 2.5 mm apart whose value is their number; leave some out."""
    for k in range(planes):
        if k not in skip:
            write_instance(folder / f"{k}.dcm", z=2.5 * k, number=k + 1, value=k)


def write_times_and_echoes(folder: Path, order: NDArray[np.int64]) -> None:
    """Write 3 times × 2 echoes × 4 planes; `order` numbers files and instances."""
    for place in range(24):
        time, echo, plane = np.unravel_index(place, (3, 2, 4))
        number = int(order[place])
        texts = {
            0x00180081: ("DS", f"{10 * (echo + 1)}"),
            0x00080032: ("TM", f"1200{10 + 2 * time:02d}.{plane}"),
        }
        path = folder / f"{number:03d}"
        z = 2.5 * plane
        write_instance(path, z=z, number=number, value=place, texts=texts)


def _text(values: NDArray[np.float64] | tuple[float, ...]) -> str:
    return "\\".join(f"{one:.10g}" for one in values)
