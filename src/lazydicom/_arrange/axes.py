"""The axes of a set of frames, found in what varies (PS3.3 section C.7.6.17).

Frames of one plane differ in something: echo, b-value, time. An attribute is an axis if
it cuts the frames into a full grid with the axes found before. Times differ from plane to
plane, so there the rank within each cell of the grid counts.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.frame_table import FrameTable

Codes = NDArray[np.int64]

_FULL: Final = 0.5
"""A grid less full than this is none; holes leave it fuller."""
_SIGNIFICANT: Final = 6
"""Decimals by which numbers are told apart."""

AXIS_ORDER: Final = (
    "time",
    "cardiac_phase",
    "repeat",
    "diffusion",
    "b_value",
    "echo",
    "inversion",
    "kvp",
    "component",
    "dimension",
)
"""From the slowest axis to the fastest; then come z, y, x."""
_RANKED: Final = (
    "acquisition_time",
    "reference_time",
    "frame_reference_time",
    "trigger_time",
    "acquisition_number",
    "content_time",
)
_IN_TURN: Final = frozenset(
    ("acquisition_time", "reference_time", "acquisition_number")
)
"""Columns that count on and on: with them, planes taken in turn keep step."""
_VALUE_AXES: Final = {
    "echo": ("echo_time", "ms"),
    "inversion": ("inversion_time", "ms"),
    "kvp": ("kvp", "kV"),
}


class Axis(NamedTuple):
    """One axis besides z, y and x."""

    name: str
    codes: Codes
    """Position of each frame on it."""
    source: str
    """The column that it was found in."""

    @property
    def length(self) -> int:
        """Number of positions."""
        return int(self.codes.max()) + 1


def find_axes(table: FrameTable, planes: Codes) -> list[Axis]:
    """Find the axes that tell the frames of one plane apart.

    Where two frames of a plane stay alike, so does their place on all axes.
    """
    axes: list[Axis] = []
    cells = planes
    for name, source, codes in _candidates(table, planes):
        if np.bincount(cells).max() == 1:
            break
        ranked = source in _RANKED or name == "repeat"
        found = _rank(cells, codes) if ranked else None
        ranks = found is not None and _are_times(
            Axis(name, found, source), table, planes
        )
        if not ranks and name != "repeat" and _is_axis(cells, codes, planes, axes):
            found = codes
        if found is not None and found.max() > 0:
            axes.append(Axis(_new_name(name, axes), found, source))
            cells = _combine(cells, found)
    return sorted(
        (_named(axis, table) for axis in axes),
        key=lambda axis: AXIS_ORDER.index(_kind(axis.name)),
    )


def _are_times(ranks: Axis, table: FrameTable, planes: Codes) -> bool:
    """Return whether ranks are the same times in all planes: none may lack the first."""
    times = _coded(table.numbers(ranks.source))
    once = _determined(times, ranks.codes)
    return once and not intervals_contradict(ranks, table, planes)


def _new_name(name: str, axes: list[Axis]) -> str:
    """Return the second axis of one kind a number: several columns may tell a time."""
    same = sum(_kind(axis.name) == name for axis in axes)
    return f"{name}_{same + 1}" if same else name


def _kind(name: str) -> str:
    return name.rstrip("0123456789_")


def _candidates(table: FrameTable, planes: Codes) -> Iterator[tuple[str, str, Codes]]:
    """Return name, column and codes of all that may be an axis, what says most first."""
    components = (_coded(table.text(n)) for n in ("frame_type", "complex_component"))
    yield "component", "frame_type", _combine(*components)
    for name, (column, _) in _VALUE_AXES.items():
        yield name, column, _coded(table.numbers(column))
    yield "diffusion", "b_value", diffusion_codes(table)
    for column in ("trigger_delay", "cardiac_phase"):
        yield "cardiac_phase", column, _coded(table.numbers(column))
    yield "time", "temporal_position", _coded(table.numbers("temporal_position"))
    for column in _RANKED:
        yield "time", column, _coded(table.numbers(column))
    for number, column in enumerate(table.numbers("dimension_index_values").T):
        codes = _coded(column[:, None])
        if not _determined(planes, codes):
            yield f"dimension_{number}", "dimension_index_values", codes
    yield "repeat", "instance_number", _coded(table.numbers("instance_number"))


def diffusion_codes(table: FrameTable) -> Codes:
    """Tell the diffusion weightings apart: b-value first, then direction."""
    columns = (
        table.numbers("b_value"),
        table.numbers("diffusion_direction"),
    )
    kinds = _coded(table.text("diffusion_directionality"))[:, None]
    return _coded(np.concatenate([*columns, kinds], axis=1))


def indices_contradict(table: FrameTable, planes: Codes) -> bool:
    """Return whether one position in a stack means several planes, or the other way round."""
    stacks = _coded(table.text("stack_id"))
    places = _combine(stacks, _coded(table.numbers("in_stack_position")))
    told = bool(np.isfinite(table.numbers("in_stack_position")).all())
    return told and not (_determined(planes, places) and _determined(places, planes))


def mixed_segments(table: FrameTable, axes: list[Axis]) -> Codes | None:
    """Return the segment of each frame, ``None`` where the axes tell segments apart."""
    segments = _coded(table.numbers("segment_number"))
    volumes = _volumes(table, axes)
    return None if _determined(volumes, segments) else segments


def mixed_kinds(table: FrameTable, axes: list[Axis]) -> list[str]:
    """Name what differs between planes of one volume, and no axis tells apart."""
    volumes = _volumes(table, axes)
    kinds = {
        name: _coded(table.numbers(name))
        for name in ("echo_time", "inversion_time", "b_value")
    }
    kinds["complex_component"] = _coded(table.text("complex_component"))
    return [n for n, codes in kinds.items() if not _determined(volumes, codes)]


def _volumes(table: FrameTable, axes: list[Axis]) -> Codes:
    """Return each frame the number of its volume: its place on all axes."""
    return _combine(np.zeros(len(table), np.int64), *(axis.codes for axis in axes))


def intervals_contradict(axis: Axis, table: FrameTable, planes: Codes) -> bool:
    """Return whether planes that were taken in turn have other intervals: some lack a frame.

    Planes taken one after the other, gated ones above all, may well differ.
    """
    if axis.source not in _IN_TURN:
        return False
    times = np.full((int(planes.max()) + 1, axis.length), np.inf)
    np.minimum.at(times, (planes, axis.codes), table.numbers(axis.source)[:, 0])
    if not np.isfinite(times).all() or times[:, 0].max() >= times[:, -1].min():
        return False
    intervals = np.diff(times, axis=1)
    since_first = times - times[:, :1]
    return bool(np.ptp(since_first, axis=0).max() > intervals.min() / 2)


def _coded(values: NDArray[Any]) -> Codes:
    """Count the distinct rows in their order; no value is the first one."""
    if values.dtype.kind == "f":
        values = np.nan_to_num(np.round(values, _SIGNIFICANT), nan=-np.inf) + 0.0
    axis = 0 if values.ndim == 2 else None
    if values.ndim == 2 and values.shape[1] == 1:
        values, axis = values[:, 0], None
    codes = np.unique(values, axis=axis, return_inverse=True)[1]
    return codes.reshape(-1).astype(np.int64)


def _combine(*codes: Codes) -> Codes:
    """Count the distinct combinations."""
    together = codes[0]
    for one in codes[1:]:
        together = _coded((together * (int(one.max()) + 1) + one)[:, None])
    return together


def _determined(cells: Codes, codes: Codes) -> bool:
    """Return whether `codes` is the same for all frames of a cell."""
    return int(_combine(cells, codes).max()) == int(cells.max())


def _is_axis(cells: Codes, codes: Codes, planes: Codes, axes: list[Axis]) -> bool:
    """Return whether `codes` cuts the cells evenly, holes apart."""
    if codes.max() == 0 or _determined(cells, codes):
        return False
    counts = np.bincount(_combine(cells, codes))
    size = int(planes.max() + 1) * int(codes.max() + 1)
    for axis in axes:
        size *= axis.length
    how_many = np.bincount(counts)
    usual = int(np.flatnonzero(how_many == how_many.max())[-1])
    return len(counts) / size > _FULL and int(counts.max()) <= usual


def _rank(cells: Codes, codes: Codes) -> Codes | None:
    """Rank the frames within each cell, ``None`` unless all cells have as many."""
    counts = np.bincount(cells)
    size = int(counts[0])
    order = np.lexsort((codes, cells))
    ordered = codes[order]
    within = np.diff(ordered)[np.diff(cells[order]) == 0]
    if (counts != size).any() or (within == 0).any():
        return None
    ranks = np.empty(len(cells), np.int64)
    ranks[order] = np.arange(len(cells)) % size
    return ranks


def _named(axis: Axis, table: FrameTable) -> Axis:
    """Name an axis after the diffusion weighting, where that is what varies along it."""
    weightings = diffusion_codes(table)
    b_values = _coded(table.numbers("b_value"))
    if axis.name == "diffusion":
        one_each = len(np.unique(b_values)) == axis.length
        return axis._replace(name="b_value" if one_each else "diffusion")
    counts_only = _kind(axis.name) in {"time", "repeat", "dimension"}
    if counts_only and b_values.max() > 0 and _determined(axis.codes, weightings):
        return axis._replace(name="diffusion")
    return axis
