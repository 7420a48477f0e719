"""Ranks of frames by what counts on: times, acquisition numbers, instance numbers.

Clocks differ from plane to plane, so the rank within each cell of a grid counts. Equal
counts prove nothing: where every plane lacks another time, ranks would mix volumes. A clock
that ticks evenly shows it, and says where the holes are.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]
Numbers = NDArray[np.float64]

STEADY: Final = 0.25
"""A tick may be off by this part of an interval."""
_EVEN: Final = 0.1
"""Of a clock that is even without doubt."""
_LOST: Final = 1.5
"""An interval so much longer than the usual one lacks a tick."""
_LONG: Final = 0.75
"""Of the longest while without a delay."""
_MOST_CUTS: Final = 16
_MOST_LOST: Final = 16
"""Times that a cell may lack before a frame, for those of others to be compared."""
_FULL: Final = 0.5
"""A grid less full than this is none; holes leave it fuller."""
_UNPROVEN: Final = frozenset(("content_time", "instance_number", "frame"))
"""Columns that frames may share without being copies."""
_OF_SECONDS: Final = frozenset(("acquisition_time", "reference_time"))
_FEW: Final = 0.5
"""Of the planes; where more have copies, whole volumes stand twice."""


def rank(cells: Codes, values: Numbers) -> Codes | None:
    """Rank the frames within each cell, ``None`` unless all cells have as many.

    >>> rank(np.array([0, 0, 1, 1]), np.array([5.0, 3, 8, 9])).tolist()
    [1, 0, 0, 1]
    """
    counts = np.bincount(cells)
    size = int(counts[0])
    if (counts != size).any() or not np.isfinite(values).all():
        return None
    order = np.lexsort((values, cells))
    ordered = values[order].reshape(-1, size)
    if size > 1 and (np.diff(ordered, axis=1) <= 0).any():
        return None
    ranks = np.empty(len(cells), np.int64)
    ranks[order] = np.arange(len(cells)) % size
    return ranks


def steps_are_lost(cells: Codes, values: Numbers, ranks: Codes) -> bool:
    """Return whether an interval of some cells is longer than the same one of others."""
    size = int(ranks.max()) + 1
    if size < 3:
        return False
    times = np.empty((int(cells.max()) + 1, size))
    times[cells, ranks] = values
    intervals = np.diff(times, axis=1)
    usual = np.quantile(intervals, 0.5, axis=1, keepdims=True, method="lower")
    relative = intervals / usual
    longest, shortest = relative.max(axis=0), relative.min(axis=0)
    return bool(((longest >= _LOST) & (longest - shortest > _LOST - 1)).any())


def ticks(cells: Codes, values: Numbers, *, steady: float = STEADY) -> Codes | None:
    """Count the ticks of an even clock, ``None`` if it is none or the grid is too empty.

    A tick may be off by the part `steady` of an interval.

    Each cell may have a delay of its own: planes are taken one after the other.

    >>> cells = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    >>> ticks(cells, np.array([0.0, 10, 20, 40, 1, 11, 31, 41])).tolist()
    [0, 1, 2, 4, 0, 1, 3, 4]
    """
    if not np.isfinite(values).all():
        return None
    interval = _usual_interval(cells, values)
    if interval is None:
        return None
    delays = _delays(cells, values, interval)
    grids = [
        _counted(cells, (values - one[cells]) / interval, steady) for one in delays
    ]
    known = [codes for codes in grids if codes is not None]
    if known:
        return min(known, key=_fewest_then_stopped)
    return _counted(cells, (values - _firsts(cells, values)[cells]) / interval, steady)


def places_of_times(cells: Codes, values: Numbers, *, in_turn: bool) -> Codes | None:
    """Return the place of each time where cells may lack some, ``None`` where none is known.

    Of an even clock the ticks count; else the times that cells have in common, if they are
    taken `in_turn`.
    """
    codes = ticks(cells, values, steady=_EVEN)
    if codes is None and in_turn:
        codes = aligned(cells, values)
    codes = ticks(cells, values) if codes is None else codes
    if codes is None:
        return None  # else without times that no cell has
    return np.unique(codes, return_inverse=True)[1].astype(np.int64)


def aligned(cells: Codes, values: Numbers) -> Codes | None:
    """Count the times of a clock that need not be even, ``None`` where cells keep no step.

    Cells that are taken in turn have the same times but for a delay of their own. Where
    some lack a time, the others say which one.

    >>> cells = np.array([0, 0, 0, 1, 1, 1])
    >>> aligned(cells, np.array([0.0, 7, 10, 3.1, 7.1, 10.1])).tolist()
    [0, 2, 3, 1, 2, 3]
    """
    if not np.isfinite(values).all():
        return None
    shortest = _shortest_interval(cells, values)
    if shortest is None or _taken_apart(cells, values):
        return None
    common = values - _delays_of_pairs(cells, values, _EVEN * shortest)[cells]
    order = np.argsort(common, kind="stable")
    steps = np.diff(common[order])
    new = steps > shortest / 2
    if (steps[~new] > STEADY * shortest).any():
        return None
    codes = np.empty(len(values), np.int64)
    codes[order] = np.concatenate([[0], np.cumsum(new)])
    return codes if _is_grid(cells, codes) else None


def _shortest_interval(cells: Codes, values: Numbers) -> float | None:
    """Return the shortest interval within a cell, ``None`` where there is none."""
    order = np.lexsort((values, cells))
    intervals = np.diff(values[order])[np.diff(cells[order]) == 0]
    if not len(intervals) or (intervals <= 0).any():
        return None
    return float(intervals.min())


def _taken_apart(cells: Codes, values: Numbers) -> bool:
    """Return whether a cell ends before another begins: gated ones have clocks of their own."""
    lasts = np.full(int(cells.max()) + 1, -np.inf)
    np.maximum.at(lasts, cells, values)
    return bool(lasts.min() <= _firsts(cells, values).max())


def _delays_of_pairs(cells: Codes, values: Numbers, apart: float) -> Numbers:
    """Return the delay of each cell against the fullest one, by most pairs."""
    counts = np.bincount(cells)
    times = np.sort(values[cells == counts.argmax()])
    delays = np.zeros(len(counts))
    for cell in range(len(counts)):
        own = np.sort(values[cells == cell])
        away = np.arange(len(own))[:, None] - np.arange(len(times))
        near = np.abs(away) <= len(times) - len(own) + _MOST_LOST
        differences = np.sort((own[:, None] - times)[near])
        first = np.searchsorted(differences, differences - apart)
        last = np.searchsorted(differences, differences + apart, side="right")
        votes = last - first
        best = np.flatnonzero(votes == votes.max())
        nearest = best[np.abs(differences[best]).argmin()]
        delays[cell] = differences[first[nearest] : last[nearest]].mean()
    return delays


def _fewest_then_stopped(codes: Codes) -> tuple[int, int]:
    """Prefer few ticks; then a scan that was stopped to one that began in the middle."""
    return int(codes.max()), -int((codes == 0).sum())


def _counted(cells: Codes, steps: Numbers, steady: float) -> Codes | None:
    """Return whole steps, ``None`` where they are none or make no grid."""
    whole = np.rint(steps)
    if np.abs(steps - whole).max() > steady:
        return None
    codes: Codes = (whole - whole.min()).astype(np.int64)
    return codes if _is_grid(cells, codes) else None


def _usual_interval(cells: Codes, values: Numbers) -> float | None:
    order = np.lexsort((values, cells))
    intervals = np.diff(values[order])[np.diff(cells[order]) == 0]
    if not len(intervals) or (intervals <= 0).any():
        return None
    return float(np.quantile(intervals, 0.5, method="lower"))  # one that there is


def _firsts(cells: Codes, values: Numbers) -> Numbers:
    """Return the first time of each cell."""
    firsts = np.full(int(cells.max()) + 1, np.inf)
    np.minimum.at(firsts, cells, values)
    return firsts


def _delays(cells: Codes, values: Numbers, interval: float) -> Iterator[Numbers]:
    """Yield the delay of each cell within one interval.

    Delays lie on a circle, which is cut where nothing lies for a long while.
    """
    angle = np.exp(2j * np.pi * (values - values.min()) / interval)
    sums = np.bincount(cells, angle.real) + 1j * np.bincount(cells, angle.imag)
    parts = np.angle(sums) / (2 * np.pi) % 1.0
    around = np.sort(parts)
    gaps = np.diff([around[-1] - 1, *around])
    for start in around[gaps > _LONG * gaps.max()][:_MOST_CUTS].tolist():
        yield values.min() + ((parts - start) % 1.0 + start) * interval


def _is_grid(cells: Codes, codes: Codes) -> bool:
    """Return whether no two frames of a cell have one tick, and holes are few."""
    length = int(codes.max()) + 1
    places = cells * length + codes
    alone = len(np.unique(places)) == len(places)
    return alone and len(places) > _FULL * length * (int(cells.max()) + 1)


def proves_copies(source: str, column: Callable[[str], NDArray[Any]]) -> bool:
    """Return whether frames of one plane that share a value of a column are copies.

    Clocks that tell whole seconds may have one second for two frames.
    """
    if source in _UNPROVEN:
        return False
    if source not in _OF_SECONDS:
        return True
    times = np.unique(time_of(column(source)))
    return bool((times % 1).any() or np.diff(times).min(initial=np.inf) > 1)


def are_few(odd: NDArray[np.bool_], planes: Codes) -> bool:
    """Return whether few of the planes have odd frames."""
    return len(np.unique(planes[odd])) <= _FEW * (int(planes.max()) + 1)


def time_of(values: NDArray[Any]) -> Numbers:
    """Return a column of one number per frame."""
    return np.asarray(values, np.float64)[:, 0]
