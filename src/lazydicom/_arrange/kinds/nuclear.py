"""Nuclear medicine: vectors say what each frame is of (PS3.3 section C.8.4.8).

Frame Increment Pointer names the vectors; each counts from 1. Reconstructed slices lie in
the patient (section C.8.4.15): the sign of Spacing Between Slices is their direction.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._arrange.kinds.pointer import pointed_tags
from lazydicom._header import tags
from lazydicom._header.columns.column import Columns
from lazydicom._header.dataset import read_sequence
from lazydicom._header.header import Header
from lazydicom.errors import warn

if TYPE_CHECKING:
    from pydicom import Dataset

_SOP_CLASSES: Final = frozenset(
    ("1.2.840.10008.5.1.4.1.1.20", "1.2.840.10008.5.1.4.1.1.5")
)
VECTORS: Final = {
    tags.ENERGY_WINDOW_VECTOR: "energy_window",
    tags.DETECTOR_VECTOR: "detector",
    tags.PHASE_VECTOR: "phase",
    tags.ROTATION_VECTOR: "rotation",
    tags.R_R_INTERVAL_VECTOR: "rr_interval",
    tags.TIME_SLOT_VECTOR: "time_slot",
    tags.SLICE_VECTOR: "slice",
    tags.ANGULAR_VIEW_VECTOR: "angular_view",
    tags.TIME_SLICE_VECTOR: "time_slice",
}
_FULL_TURN: Final = 360.0


def is_nuclear(header: Header) -> bool:
    """Return whether an instance is an NM image."""
    sop_class = "".join(map(str, header.elements.get(tags.SOP_CLASS_UID, "UI")[:1]))
    return sop_class in _SOP_CLASSES


def nuclear_columns(header: Header, frames: int) -> Columns:
    """Return what each frame is of, with energies, angles and times, and where it lies."""
    indices = dict(_vectors(header, frames))
    columns = {name: index[:, None] for name, index in indices.items()}
    if "energy_window" in indices:
        columns |= _energies(header, indices["energy_window"])
    if "angular_view" in indices:
        columns |= _angles(header, indices)
    if "phase" in indices:
        columns |= _times(header, indices)
    if "time_slot" in indices:
        columns |= _slots(header, indices["time_slot"])
    if "slice" in indices:
        columns |= _places(header, indices["slice"])
    return columns


def _vectors(header: Header, frames: int) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Yield the vectors that are named, all where none is, and have a value per frame."""
    pointed = pointed_tags(header, VECTORS)
    for tag in pointed or VECTORS:
        values = np.array(header.elements.get(tag, "US"), np.float64)
        if len(values) == frames:
            yield VECTORS[tag], values
        elif pointed:
            name = VECTORS[tag].replace("_", " ")
            message = f"Expected {frames} values in the vector of {name}, found "
            warn(f"{message}{len(values)}: it is left out", url=header.url)


def _energies(header: Header, windows: NDArray[np.float64]) -> Columns:
    """Return the limits of the energy window of each frame in keV."""
    limits = []
    for item in read_sequence(header, tags.ENERGY_WINDOW_INFORMATION_SEQUENCE):
        ranges = _items(item, "EnergyWindowRangeSequence")
        pair = (
            [
                _number(one, f"EnergyWindow{end}Limit")
                for one in ranges[:1]
                for end in ("Lower", "Upper")
            ]
            if ranges
            else [np.nan, np.nan]
        )
        limits.append(pair)
    lower, upper = _of_index(np.array(limits).reshape(-1, 2), windows).T
    return {"energy_lower": lower[:, None], "energy_upper": upper[:, None]}


def _angles(header: Header, indices: dict[str, NDArray[np.float64]]) -> Columns:
    """Return the angle of the detector of each view in degrees.

    Angles increase counter-clockwise, seen from the feet (section C.8.4.11).
    """
    rotations = read_sequence(header, tags.ROTATION_INFORMATION_SEQUENCE)
    if not rotations:
        return {}
    facts = np.array(
        [
            (
                _number(item, "StartAngle"),
                _number(item, "AngularStep")
                * (-1 if str(item.get("RotationDirection", "")) == "CW" else 1),
            )
            for item in rotations
        ]
    )
    views = indices["angular_view"]
    own = _of_index(facts, indices.get("rotation", np.ones_like(views)))
    angles = (own[:, 0] + own[:, 1] * (views - 1)) % _FULL_TURN
    return {"angular_view_value": angles[:, None]}


def _times(header: Header, indices: dict[str, NDArray[np.float64]]) -> Columns:
    """Return the time at which each frame of a dynamic study begins, in seconds."""
    starts, durations, clock = [], [], 0.0
    for item in read_sequence(header, tags.PHASE_INFORMATION_SEQUENCE):
        delay = np.nan_to_num(_number(item, "PhaseDelay"))
        duration = _number(item, "ActualFrameDuration")
        pause = np.nan_to_num(_number(item, "PauseBetweenFrames"))
        starts.append(clock + delay)
        durations.append(duration + pause)
        clock += delay + (duration + pause) * _number(item, "NumberOfFramesInPhase")
    phases = indices["phase"]
    facts = np.stack([starts, durations], axis=1) if starts else np.empty((0, 2))
    own = _of_index(facts, phases)
    steps = indices.get("time_slice", np.ones_like(phases)) - 1
    seconds = (own[:, 0] + own[:, 1] * steps) / 1000
    return {"acquisition_time": seconds[:, None]} if np.isfinite(seconds).all() else {}


def _slots(header: Header, slots: NDArray[np.float64]) -> Columns:
    """Return the time of each slot after the R wave, in seconds."""
    gates = read_sequence(header, tags.GATED_INFORMATION_SEQUENCE)
    data = [item for gate in gates for item in _items(gate, "DataInformationSequence")]
    if not data:
        return {}
    step = _number(data[0], "FrameTime") / 1000
    return {"time_slot_value": ((slots - 1) * step)[:, None]}


def _places(header: Header, slices: NDArray[np.float64]) -> Columns:
    """Return where reconstructed slices lie in the patient."""
    detectors = read_sequence(header, tags.DETECTOR_INFORMATION_SEQUENCE)
    if not detectors:
        return {}
    position = _numbers(detectors[0], "ImagePositionPatient")
    orientation = _numbers(detectors[0], "ImageOrientationPatient")
    spacing = header.elements.get(tags.SPACING_BETWEEN_SLICES, "DS")
    spacing = spacing or header.elements.get(tags.SLICE_THICKNESS, "DS")
    if len(position) != 3 or len(orientation) != 6 or not spacing:
        return {}
    normal = np.cross(orientation[:3], orientation[3:])
    steps = (slices - slices.min())[:, None] * float(spacing[0])
    return {
        "position": position + steps * normal,
        "orientation": np.tile(orientation, (len(slices), 1)),
    }


def _of_index(facts: NDArray[Any], index: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the row of each index, which counts from 1; NaN beyond the last."""
    rows = np.full((len(index), 2), np.nan)
    inside = (index >= 1) & (index <= len(facts))
    rows[inside] = facts[index[inside].astype(int) - 1]
    return rows


def _items(item: "Dataset", keyword: str) -> "list[Dataset]":
    """Return the items of a sequence; what has its tag may be none."""
    items = item.get(keyword)
    if not isinstance(items, Sequence):
        return []
    return [one for one in items if hasattr(one, "get")]


def _number(item: "Dataset", keyword: str) -> float:
    """Return a number, NaN where there is none."""
    return _float(item.get(keyword))


def _numbers(item: "Dataset", keyword: str) -> NDArray[np.float64]:
    values = item.get(keyword)
    several = isinstance(values, Sequence) and not isinstance(values, str | bytes)
    return np.array([_float(one) for one in values] if several else [])


def _float(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:  # empty, text, or several
        return float("nan")
