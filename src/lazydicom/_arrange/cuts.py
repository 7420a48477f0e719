"""Where the header says that frames are of several volumes: stacks, then acquisitions."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._arrange.axes.find import diffusion_codes
from lazydicom._arrange.faults import Fault, PlacedFrames, faults_of, name_frames
from lazydicom._arrange.geometry import Planes
from lazydicom._array.frame_table import FrameTable, coded, combine, determined

Codes = NDArray[np.int64]
Place = Callable[[FrameTable], PlacedFrames]

_SPLIT: Final = "Choose on_gap='split'"
_FEWEST: Final = 2
"""Planes of a volume."""
_MOST_PARTS: Final = 64
"""Volumes in one series that are worth the trial."""
_KEYS: Final = {
    "stack_id": "Stack ID",
    "acquisition_number": "Acquisition Number",
    "temporal_position": "Temporal Position",
    "acquisition_time": "a pause of Acquisition Time",
}
_KINDS: Final = {
    "echo_time": "Echo Time",
    "inversion_time": "Inversion Time",
    "diffusion": "Diffusion b-value or direction",
    "kvp": "KVP",
    "flip_angle": "Flip Angle",
    "temporal_position": "Temporal Position",
    "frame_type": "Image Type",
    "complex_component": "Complex Image Component",
    "stack_id": "Stack ID",
}
"""What tells volumes apart where it is the same for all planes of one."""
_TEXTS: Final = frozenset(("frame_type", "complex_component", "stack_id"))
_HALF: Final = 0.5
_PAUSE: Final = 5
"""Times the usual interval between frames."""


def header_cut(placed: PlacedFrames, place: Place) -> Fault | None:
    """Return the cut into volumes that are regular by themselves, each by its number.

    Planes of a stack that are lost leave it a stack.
    """
    several = bool(placed.axes) or placed.planes.fields.max() > 0
    for column, name in _KEYS.items():
        if column == "acquisition_time" and several:
            continue  # volumes have pauses, too
        codes = _codes(placed.table, column)
        holes = column == "stack_id"
        parts = _regular_parts(placed.table, codes, place, may_lack=holes)
        if parts:
            text = f"Frames are of {len(parts)} volumes by {name}: "
            firsts = np.unique(codes, return_index=True)[1]
            text += name_frames(placed, firsts)
            return Fault(text, _SPLIT, codes, can_be_filled=False)
    return None


def overlapping_acquisitions(placed: PlacedFrames, place: Place) -> Fault | None:
    """Find acquisitions that share some planes, as passes do; volumes share them all."""
    codes = _codes(placed.table, "acquisition_number")
    count = int(codes.max()) + 1
    if not 1 < count <= _MOST_PARTS:
        return None
    planes = [set(placed.planes.index[codes == k].tolist()) for k in range(count)]
    planes.sort(key=min)
    if any(one <= other or other <= one for one, other in pairwise(planes)):
        return None
    return header_cut(placed, place)


def shifted_acquisitions(placed: PlacedFrames, place: Place) -> Fault | None:
    """Find volumes of several acquisitions whose planes alternate, as if they were one."""
    codes = _codes(placed.table, "acquisition_number")
    if placed.axes or not _interleave(codes, placed.planes):
        return None
    if not _regular_parts(placed.table, codes, place):
        return None
    firsts = np.unique(codes, return_index=True)[1]
    text = "Planes of several acquisitions alternate: " + name_frames(placed, firsts)
    return Fault(text, _SPLIT, codes, can_be_filled=False)


def mixed_repetition(placed: PlacedFrames) -> Fault | None:
    """Find volumes that Instance Number alone tells apart, and that mix kinds of frames."""
    volumes = combine(*(axis.codes for axis in placed.axes))
    for column, name in _KINDS.items():
        codes = _codes(placed.table, column)
        pairs, numbers = np.unique(
            np.stack([volumes, codes]), axis=1, return_inverse=True
        )
        kinds = np.bincount(pairs[0])
        if kinds.max() == 1 or determined(placed.planes.index, codes):
            continue
        frequency = np.bincount(numbers.reshape(-1))
        most = np.zeros(len(kinds), np.int64)
        np.maximum.at(most, pairs[0], frequency)
        rare = np.flatnonzero(frequency[numbers.reshape(-1)] < most[volumes])
        odd = rare if len(rare) else np.flatnonzero(kinds[volumes] > 1)
        text = f"Frames of one volume differ in {name}: {name_frames(placed, odd)}"
        return Fault(text, _SPLIT, codes, can_be_filled=False)
    return None


def place_moved(placed: PlacedFrames, place: Place, pixel_mm: float) -> Planes | None:
    """Return the planes of volumes that are one but for a movement of less than a pixel.

    A plane is then that of the fullest volume which lies nearest.
    """
    for column in ("temporal_position", "acquisition_number"):
        codes = _codes(placed.table, column)
        parts = _regular_parts(placed.table, codes, place, may_lack=True)
        if not parts:
            continue
        fullest = max(parts, key=lambda part: len(part.planes.z)).planes
        gap = float(np.diff(fullest.z).min())
        index = np.empty(len(codes), np.int64)
        far = 0.0
        for k, part in enumerate(parts):
            nearest = np.abs(part.planes.z[:, None] - fullest.z).argmin(axis=1)
            moves = part.planes.positions - fullest.positions[nearest]
            far = max(far, float(np.abs(moves).max()))
            index[codes == k] = nearest[part.planes.index]
        if far >= min(pixel_mm, _HALF * gap):
            continue
        fields = np.zeros(len(index), np.int64)
        return Planes(index, fullest.positions, fullest.z, fields)
    return None


def _codes(table: FrameTable, column: str) -> Codes:
    if column == "acquisition_time":
        return _between_pauses(table.numbers(column)[:, 0])
    if column == "diffusion":
        return diffusion_codes(table)
    text = column in _TEXTS
    return coded(table.text(column) if text else table.numbers(column))


def _between_pauses(seconds: NDArray[np.float64]) -> Codes:
    """Return the number of the scan of each frame: a pause is far longer than others."""
    codes = np.zeros(len(seconds), np.int64)
    if len(seconds) < 2 or not np.isfinite(seconds).all():
        return codes
    order = np.argsort(seconds, kind="stable")
    steps = np.diff(seconds[order])
    pause = _PAUSE * float(np.quantile(steps, 0.5, method="lower"))
    codes[order] = np.concatenate([[0], np.cumsum((steps > pause) & (steps > 1))])
    return codes


def _regular_parts(
    table: FrameTable, codes: Codes, place: Place, *, may_lack: bool = False
) -> list[PlacedFrames] | None:
    """Return the parts, ``None`` unless there are several and each is a regular volume.

    One that `may_lack` planes is regular but for them.
    """
    count = int(codes.max()) + 1
    if not 1 < count <= _MOST_PARTS:
        return None
    parts = list(_placed_parts(table, codes, place, may_lack=may_lack))
    return parts if len(parts) == count else None


def _placed_parts(
    table: FrameTable, codes: Codes, place: Place, *, may_lack: bool
) -> Iterator[PlacedFrames]:
    """Yield the parts up to the first that is no regular volume."""
    for code in range(int(codes.max()) + 1):
        part = place(table.take(np.flatnonzero(codes == code)))
        faults = (f for f in faults_of(part) if not (may_lack and f.can_be_filled))
        if len(part.planes.z) < _FEWEST or next(faults, None) is not None:
            return
        yield part


def _interleave(codes: Codes, planes: Planes) -> bool:
    """Return whether the heights of two parts overlap without having a plane in common."""
    heights = planes.z[planes.index]
    ranges = [
        (heights[codes == k].min(), heights[codes == k].max())
        for k in range(int(codes.max()) + 1)
    ]
    ranges.sort()
    return any(following[0] < before[1] for before, following in pairwise(ranges))
