"""The axes of a set of frames, found in what varies (PS3.3 section C.7.6.17).

Frames of one plane differ in something: echo, b-value, time. An attribute is an axis if it
cuts the frames into a full grid with the axes found before, and what is left over can still
be told apart. Times differ from plane to plane, so there the rank within each cell counts.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lazydicom._arrange.axes.clocks import (
    are_few,
    places_of_times,
    proves_copies,
    rank,
    steps_are_lost,
    ticks,
    time_of,
)
from lazydicom._arrange.axes.components import component_codes, component_names
from lazydicom._arrange.axes.dimensions import declared_axes
from lazydicom._arrange.axes.names import AXIS_ORDER, COUNTED_AXES, VALUE_AXES
from lazydicom._array.frame_table import (
    Codes,
    FrameTable,
    coded,
    combine,
    determined,
    in_turn,
)

_FULL: Final = 0.5
"""A grid less full than this is none; holes leave it fuller."""
_NEARLY_FULL: Final = 0.75
"""Values that are not as frequent as others make an axis only in a grid as full as this."""

CLOCKS: Final = (
    "acquisition_time",
    "reference_time",
    "frame_reference_time",
    "trigger_time",
    "acquisition_number",
    "content_time",
)
_IN_TURN: Final = frozenset(
    ("acquisition_time", "reference_time", "acquisition_number", "content_time")
)
"""Columns that count on and on: with them, planes taken in turn keep step."""
COUNTERS: Final = ("instance_number", "frame")
"""What tells frames apart where nothing else does."""
_RANKED: Final = frozenset((*CLOCKS, *COUNTERS))
"""Columns whose ranks make an axis, whatever else the frames say."""


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

    Where two frames of a plane stay alike, so does their place on all axes. Values that
    are less frequent than others, as b = 0 among many directions, are an axis only if the
    grid is nearly full then; else ranks tell more.
    """
    axes, refused = _find(table, planes, balanced=False)
    if not _is_nearly_full(axes, planes):
        balanced, _ = _find(table, planes, balanced=True)
        if _fullness(balanced, planes) >= _fullness(axes, planes):
            axes = balanced
    if refused:
        axes = _but_for_copies(axes, table, planes)
    axes = [_with_lost_times(axis, axes, table, planes) for axis in axes]
    return sorted((_named(axis, table) for axis in axes), key=_order)


def named_axes(table: FrameTable) -> list[Axis]:
    """Return the axes that frames without positions name, if they are a full grid of them."""
    by_value = ("longitudinal_distance", "slide_z", "dimension_index_values")
    naming = (*COUNTED_AXES, *by_value)
    there = [name for name in naming if name in table.columns]  # of any series
    if not any(np.isfinite(table.numbers(name)).any() for name in there):
        return []
    planes = np.zeros(len(table), np.int64)
    axes = find_axes(table, planes)
    places = combine(planes, *(axis.codes for axis in axes))
    told = all(determined(places, coded(table.numbers(name))) for name in COUNTED_AXES)
    counted = any(_kind(axis.name) == "repeat" for axis in axes)
    return axes if told and not counted and _fullness(axes, planes) == 1 else []


def _but_for_copies(axes: list[Axis], table: FrameTable, planes: Codes) -> list[Axis]:
    """Return axes along which a few frames stand twice, where counts would mix volumes.

    A volume may lack a plane of which another has two: each plane has as many frames then,
    and ranks of Instance Numbers put frames of one echo or time into the volume of another.
    """
    ranked = any(axis.source in _RANKED for axis in axes)
    if not ranked and _fullness(axes, planes) > 0:
        return axes
    others, _ = _find(table, planes, balanced=True, copies=True)
    volumes = combine(np.zeros_like(planes), *(axis.codes for axis in axes))
    told = (axis.codes for axis in others if axis.source not in COUNTERS)
    return axes if all(determined(volumes, codes) for codes in told) else others


def _find(
    table: FrameTable, planes: Codes, *, balanced: bool, copies: bool = False
) -> tuple[list[Axis], bool]:
    """Find axes in turn; tell whether something varies that is none.

    Of a few planes, `copies` may stand at one place.
    """
    axes: list[Axis] = []
    cells, refused = planes, False
    for name, source, codes in _candidates(table, planes):
        if np.bincount(cells).max() == 1:
            break
        may_copy = copies and proves_copies(source, table.numbers)
        by_clock = _by_clock_of_copies if may_copy else _by_clock
        place = by_clock(table, source, cells, planes) if source in _RANKED else None
        if place is None and name != "repeat":
            even = balanced or name == "diffusion"
            if _is_axis(cells, codes, planes, axes, balanced=even, copies=may_copy):
                place = codes
        if place is None or place.max() == 0:
            refused = refused or codes.max() > 0
            continue
        axis = Axis(_new_name(name, axes), place, source)
        if not copies or _filled([*axes, axis], planes) >= _NEARLY_FULL:
            axes.append(axis)
            cells = combine(cells, place)
    return axes, bool(refused)


def _by_clock_of_copies(
    table: FrameTable, source: str, cells: Codes, planes: Codes
) -> Codes | None:
    """Return the place of each frame by a clock; frames of one time are copies."""
    times = combine(cells, coded(table.numbers(source)))
    firsts, own, counts = np.unique(
        times, return_index=True, return_inverse=True, return_counts=True
    )[1:]
    if not are_few(counts[own] > 1, planes):
        return None
    places = _by_clock(table.take(firsts), source, cells[firsts], planes[firsts])
    return None if places is None else places[own]


def _fullness(axes: list[Axis], planes: Codes) -> float:
    """Return the part of the grid that is full, nothing where frames share a place."""
    cells = combine(planes, *(axis.codes for axis in axes))
    return 0.0 if np.bincount(cells).max() > 1 else _filled(axes, planes)


def _filled(axes: list[Axis], planes: Codes) -> float:
    """Return the part of the grid where some frame stands."""
    cells = combine(planes, *(axis.codes for axis in axes))
    size = int(planes.max()) + 1
    for axis in axes:
        size *= axis.length
    return (int(cells.max()) + 1) / size


def _is_nearly_full(axes: list[Axis], planes: Codes) -> bool:
    return _fullness(axes, planes) > _NEARLY_FULL


def _by_clock(
    table: FrameTable, source: str, cells: Codes, planes: Codes
) -> Codes | None:
    """Return the place of each frame by a clock, ``None`` where planes do not keep step."""
    values = _clock(table, source)
    ranks = rank(cells, values)
    if ranks is None:
        return _with_holes(source, cells, values)
    axis = Axis("time", ranks, source)
    if source not in COUNTERS and not _are_times(axis, table, planes):
        return places_of_times(cells, values, in_turn=source in _IN_TURN)
    if steps_are_lost(cells, values, ranks):
        with_holes = ticks(cells, values)
        return ranks if with_holes is None else with_holes
    return ranks


def _with_holes(source: str, cells: Codes, values: NDArray[np.float64]) -> Codes | None:
    """Return the place of each frame where cells have not as many; a few are missing."""
    if np.ptp(np.bincount(cells)) == 0:
        return None
    codes = places_of_times(cells, values, in_turn=source in _IN_TURN)
    if codes is None or source not in COUNTERS:
        return codes
    length = int(codes.max()) + 1  # a copy or two are no repetition
    full = len(cells) / (length * (int(cells.max()) + 1))
    return codes if length > 2 and full > _NEARLY_FULL else None


def _clock(table: FrameTable, source: str) -> NDArray[np.float64]:
    if source == "frame":
        return table.frame.astype(np.float64)
    return time_of(table.numbers(source))


def _are_times(ranks: Axis, table: FrameTable, planes: Codes) -> bool:
    """Return whether ranks are the same times in all planes: none may lack the first."""
    times = coded(table.numbers(ranks.source))
    once = determined(times, ranks.codes)
    return once and not intervals_contradict(ranks, table, planes)


def _with_lost_times(
    axis: Axis, axes: list[Axis], table: FrameTable, planes: Codes
) -> Axis:
    """Return an axis of times with those that another clock proves to be lost.

    Counts may be equal, and the clock that was ranked may not say that planes differ.
    """
    if _kind(axis.name) not in {"time", "repeat"}:
        return axis
    cells = combine(planes, *(one.codes for one in axes if one is not axis))
    for source in sorted(_IN_TURN - {axis.source}):
        if intervals_contradict(axis._replace(source=source), table, cells):
            times = time_of(table.numbers(source))
            codes = places_of_times(cells, times, in_turn=True)
            if codes is not None and codes.max() >= axis.length:
                return axis._replace(codes=codes)
    return axis


def _new_name(name: str, axes: list[Axis]) -> str:
    """Return the second axis of one kind a number: several columns may tell a time."""
    same = sum(_kind(axis.name) == name for axis in axes)
    return f"{name}_{same + 1}" if same else name


def _kind(name: str) -> str:
    return name.rstrip("0123456789_")


def _order(axis: Axis) -> int:
    """Return the place of an axis among others; declared ones are dimensions."""
    kind = _kind(axis.name)
    return AXIS_ORDER.index(kind if kind in AXIS_ORDER else "dimension")


def _candidates(table: FrameTable, planes: Codes) -> Iterator[tuple[str, str, Codes]]:
    """Yield name, column and codes of all that may be an axis, what says most first."""
    for column in COUNTED_AXES:
        yield column, column, coded(table.numbers(column))
    kinds = component_codes(table)
    named = component_names(table, kinds).dtype.kind == "U"
    if named:
        yield "component", "frame_type", kinds
    yield from _by_value(table)
    if not named:  # words that a value explains, as the number of an echo
        yield "component", "frame_type", kinds
    yield "quantity", "quantity", in_turn(table.text("quantity"))
    yield "quantity", "real_world_label", in_turn(table.text("real_world_label"))
    for column in ("trigger_delay", "cardiac_phase"):
        yield "cardiac_phase", column, coded(table.numbers(column))
    yield "time", "temporal_offset", coded(table.numbers("temporal_offset"))
    yield "time", "temporal_position", coded(table.numbers("temporal_position"))
    for column in CLOCKS:
        yield "time", column, coded(table.numbers(column))
    for number, column in enumerate(table.numbers("dimension_index_values").T):
        codes = coded(column[:, None])
        if not determined(planes, codes):
            yield f"dimension_{number}", "dimension_index_values", codes
    yield "repeat", "instance_number", coded(table.numbers("instance_number"))
    if len(table.images) == 1:
        yield "repeat", "frame", table.frame


def _by_value(table: FrameTable) -> Iterator[tuple[str, str, Codes]]:
    """Yield what has a physical value, and the dimensions that objects declare."""
    for name, (column, _) in VALUE_AXES.items():
        yield name, column, coded(table.numbers(column))
    yield "echo", "echo_number", _echo_numbers(table)
    yield "diffusion", "b_value", diffusion_codes(table)
    for name, column, values in declared_axes(table):
        yield name, column, coded(values)


def _echo_numbers(table: FrameTable) -> Codes:
    """Return the number of the echo, which counts where no time tells it."""
    told = coded(table.numbers("echo_time")).max() > 0
    return coded(table.numbers("echo_number")) * (not told)


def diffusion_codes(table: FrameTable) -> Codes:
    """Return a code for each diffusion weighting: b-value first, then direction."""
    columns = (
        table.numbers("b_value"),
        table.numbers("diffusion_direction"),
    )
    kinds = coded(table.text("diffusion_directionality"))[:, None]
    return coded(np.concatenate([*columns, kinds], axis=1))


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


def _is_axis(
    cells: Codes,
    codes: Codes,
    planes: Codes,
    axes: list[Axis],
    *,
    balanced: bool,
    copies: bool,
) -> bool:
    """Return whether `codes` cuts the cells evenly, holes and a few `copies` apart."""
    if codes.max() == 0 or determined(cells, codes):
        return False
    together = combine(cells, codes)
    counts = np.bincount(together)
    size = int(planes.max() + 1) * int(codes.max() + 1)
    for axis in axes:
        size *= axis.length
    how_many = np.bincount(counts)
    usual = int(np.flatnonzero(how_many == how_many.max())[-1])
    odd = counts > usual
    if len(counts) / size <= _FULL:
        return False
    if odd.any() and not (copies and are_few(odd[together], planes)):
        return False
    return not balanced or _reaches(counts[together], codes, usual)


def _reaches(counts: Codes, codes: Codes, usual: int) -> bool:
    """Return whether each value is as frequent as others somewhere: the rest are holes."""
    most = np.zeros(int(codes.max()) + 1, np.int64)
    np.maximum.at(most, codes, counts)
    return bool((most >= usual).all())


def _named(axis: Axis, table: FrameTable) -> Axis:
    """Name an axis after the diffusion weighting, where that is what varies along it."""
    weightings = diffusion_codes(table)
    b_values = coded(table.numbers("b_value"))
    if axis.name == "diffusion":
        one_each = len(np.unique(b_values)) == axis.length
        return axis._replace(name="b_value" if one_each else "diffusion")
    counts_only = _kind(axis.name) in {"time", "repeat", "dimension"}
    if counts_only and b_values.max() > 0 and determined(axis.codes, weightings):
        return axis._replace(name="diffusion")
    return axis
