"""What contradicts a grid: planes of one volume that differ in what no axis tells apart."""

import numpy as np

from lazydicom._arrange.axes.find import Axis, Codes, coded, combine, determined
from lazydicom._array.frame_table import FrameTable


def indices_contradict(table: FrameTable, planes: Codes) -> bool:
    """Return whether one position in a stack means several planes, or the other way round."""
    stacks = coded(table.text("stack_id"))
    places = combine(stacks, coded(table.numbers("in_stack_position")))
    known = bool(np.isfinite(table.numbers("in_stack_position")).all())
    return known and not (determined(planes, places) and determined(places, planes))


def mixed_segments(table: FrameTable, axes: list[Axis]) -> Codes | None:
    """Return the segment of each frame, ``None`` where the axes tell segments apart."""
    segments = coded(table.numbers("segment_number"))
    volumes = _volumes(table, axes)
    return None if determined(volumes, segments) else segments


def mixed_kinds(table: FrameTable, axes: list[Axis]) -> list[str]:
    """Name what differs between planes of one volume, and no axis tells apart."""
    volumes = _volumes(table, axes)
    kinds = {
        name: coded(table.numbers(name))
        for name in ("echo_time", "inversion_time", "b_value")
    }
    kinds["complex_component"] = coded(table.text("complex_component"))
    return [n for n, codes in kinds.items() if not determined(volumes, codes)]


def _volumes(table: FrameTable, axes: list[Axis]) -> Codes:
    """Return each frame the number of its volume: its place on all axes."""
    return combine(np.zeros(len(table), np.int64), *(axis.codes for axis in axes))
