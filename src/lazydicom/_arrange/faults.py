"""What keeps frames from being a full grid: which files to look at, how they could be cut."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._arrange.axes.find import Axis
from lazydicom._arrange.concatenation import object_order
from lazydicom._arrange.geometry import Planes, Stack, even_runs, has_several_gaps
from lazydicom._array.frame_table import (
    Codes,
    FrameTable,
    combine,
    count_objects,
)
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom.errors import redact_url

CUT: Final = "Choose on_gap='split'"
_ANY: Final = "Choose on_gap='fill' or 'split'"
TAKE_ONE: Final = "Take one of them, or on_gap='split'"
_NAMED: Final = 5
"""Files that a message names."""


@dataclass(frozen=True, slots=True, eq=False)
class PlacedFrames:
    """Frames of one orientation, and what was found about them."""

    table: FrameTable
    planes: Planes
    stack: Stack | None
    """``None`` where planes lie at uneven distances."""
    axes: list[Axis]
    segments: Codes | None
    """Segment of each frame, ``None`` where the axes tell segments apart."""


@dataclass(frozen=True, slots=True, eq=False)
class Fault:
    """One reason why frames are no full grid."""

    message: str
    advice: str
    """What the caller may choose."""
    cut: NDArray[np.int64]
    """Piece of each frame, if the caller wants them cut."""
    can_be_filled: bool
    is_of_places: bool = False
    """Whether it is the places of planes that do not fit, not their number."""


def faults_of(placed: PlacedFrames) -> Iterator[Fault]:
    """Return every reason why frames are no full grid."""
    segments = placed.segments
    if segments is not None:  # a pixel of one means something else than of another
        firsts = np.unique(segments, return_index=True)[1]
        text = (
            f"Frames of several segments in one volume: {name_frames(placed, firsts)}"
        )
        yield Fault(text, CUT, segments, can_be_filled=False)
    if placed.planes.fields.max():
        yield _side_by_side(placed)
    cells = np.stack([placed.planes.index, *(axis.codes for axis in placed.axes)])
    occurrence, copies = occurrences(cells)
    if occurrence.max():
        names = name_frames(placed, np.flatnonzero(copies > 1))
        text = f"Several frames stand at one place: {names}{_alike(placed.axes)}"
        cut = _cut_of_copies(placed.table, cells, occurrence)
        yield Fault(text, TAKE_ONE, cut, can_be_filled=False)
    if placed.stack is None:
        yield _unevenness(placed)
    elif placed.stack.slots[-1] + 1 > len(placed.planes.z):
        text = f"Planes are missing: {_gaps(placed)}"
        runs = np.cumsum(np.diff(placed.stack.slots, prepend=0) > 1, dtype=np.int64)
        if has_several_gaps(placed.planes):
            text = f"Planes lie at several spacings: {_gaps(placed)}"
            runs = even_runs(placed.planes.z)
        yield Fault(
            text,
            _ANY,
            runs[placed.planes.index],
            can_be_filled=True,
            is_of_places=True,
        )
    if placed.axes and not occurrence.max():
        yield from _missing_frames(placed)


def _cut_of_copies(
    table: FrameTable, cells: NDArray[np.int64], occurrence: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Cut off single copies, or copies of the very same frames; else part instances.

    Of many single frames at every place, nobody knows which ones of two places belong
    together: where one is missing, those that come later have another number of earlier
    ones. So each place is a piece, unless all have as many, which Instance Number orders.
    """
    places = np.unique(cells, axis=1, return_inverse=True)[1].reshape(-1)
    counts = np.bincount(places)
    objects = count_objects(table.instances["sop_instance_uid"])[table.image]
    distinct = np.unique(np.stack([places, objects, table.frame]), axis=1).shape[1]
    few = 2 * int((counts == 1).sum()) >= len(counts)
    several = len(table.images) < len(table)
    if few or distinct == len(counts) or len(counts) == 1:
        if several and len(table.images) > 1:
            return _layers_of_images(table, places)
        return _by_volume(cells, occurrence) if few else occurrence
    numbers = table.numbers("instance_number")[:, 0]
    if np.ptp(counts) == 0 and len(np.unique(numbers)) == len(numbers):
        return occurrence
    if not several or len(table.images) == 1:
        return places
    whole = object_order(table)[0][table.image]
    return whole if np.ptp(whole) else table.image


def _layers_of_images(table: FrameTable, places: NDArray[np.int64]) -> Codes:
    """Put each image as a whole above those that have frames at its places.

    So do objects of several images, which stay together, and frames of one image.
    """
    whole = object_order(table)[0][table.image]
    layers = occurrences(np.stack([table.image, places]))[0]
    layers = _lie_above(table.image, layers, combine(places, whole))
    return _lie_above(whole, layers, places)


def _lie_above(owners: Codes, layers: Codes, places: Codes) -> Codes:
    """Lift the frames of each owner above those of earlier ones at its places."""
    lifted = layers.copy()
    free = np.zeros(int(places.max()) + 1, np.int64)
    owner, firsts = np.unique(owners, return_index=True)
    by_owner = np.argsort(owners, kind="stable")
    starts = np.searchsorted(owners[by_owner], owner)
    rows_of_owners = np.split(by_owner, starts[1:])
    for k in np.argsort(firsts).tolist():
        rows = rows_of_owners[k]
        lifted[rows] += free[places[rows]].max()
        free[places[rows]] = lifted[rows].max() + 1
    return lifted


def _by_volume(
    cells: NDArray[np.int64], occurrence: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Part copies of several volumes, unless they are all the planes of these."""
    copies = np.flatnonzero(occurrence > 0)
    planes, *axes = cells[:, copies]
    volumes = combine(occurrence[copies], *axes)
    if len(np.unique(planes)) * (int(volumes.max()) + 1) == len(copies):
        return occurrence
    cut = np.zeros_like(occurrence)
    cut[copies] = 1 + volumes
    return cut


def _alike(axes: Sequence[Axis]) -> str:
    """Say what tells the other frames of a plane apart."""
    names = ", ".join(axis.source for axis in axes)
    return f", alike in {names}" if names else ""


def _side_by_side(placed: PlacedFrames) -> Fault:
    """Name the fields of view that share the heights of their planes."""
    fields = placed.planes.fields
    firsts = np.unique(fields, return_index=True)[1]
    positions = placed.table.numbers("position")[firsts].round(2).tolist()
    text = f"{len(firsts)} fields of view lie side by side, first at {positions}: "
    text += name_frames(placed, firsts)
    return Fault(text, CUT, fields, can_be_filled=False, is_of_places=True)


def _unevenness(placed: PlacedFrames) -> Fault:
    """Separate uneven gaps from even ones whose planes are shifted sideways."""
    planes = placed.planes
    runs = even_runs(planes.z)
    text = f"Gaps between planes are uneven: {_gaps(placed)}"
    if has_several_gaps(planes):
        text = f"Planes lie at several spacings: {_gaps(placed)}"
    if not runs.max():
        first = np.unique(planes.index, return_index=True)[1]
        text = f"Planes do not lie on one line: {name_frames(placed, first)}"
        runs = np.arange(len(planes.z))
    cut = runs[planes.index]
    return Fault(text, CUT, cut, can_be_filled=False, is_of_places=True)


def _missing_frames(placed: PlacedFrames) -> Iterator[Fault]:
    """Find planes that are there at one time, echo or another, and not at all."""
    frames, slowest = len(placed.table), placed.axes[0].codes
    lengths = [axis.length for axis in placed.axes]
    expected = len(placed.planes.z) * int(np.prod(lengths))
    if expected > frames:
        text = f"{expected - frames} of {expected} frames are missing: "
        text += _missing(placed)
        complete = np.bincount(slowest) == expected // lengths[0]
        cut = np.where(complete[slowest], -1, slowest)  # no two of the others together
        yield Fault(text, _ANY, cut, can_be_filled=True)


def occurrences(
    cells: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count, for each frame, the earlier ones in its cell, and all that are in it."""
    order = np.lexsort(cells)
    ordered = cells[:, order]
    new = np.concatenate([[True], (np.diff(ordered, axis=1) != 0).any(axis=0)])
    starts = np.flatnonzero(new)
    sizes = np.diff([*starts, len(order)])
    earlier, copies = np.empty_like(order), np.empty_like(order)
    earlier[order] = np.arange(len(order)) - np.repeat(starts, sizes)
    copies[order] = np.repeat(sizes, sizes)
    return earlier, copies


def some_of(texts: Sequence[str], count: int, *, between: str = ", ") -> str:
    """Return the first of some texts, and how many more there are of `count`.

    >>> some_of(["a.dcm", "b.dcm"], 2), some_of(list("abcdef"), 9)
    ('a.dcm, b.dcm', 'a, b, c, d, e and 4 more')
    """
    more = f" and {count - _NAMED} more" if count > _NAMED else ""
    return between.join(texts[:_NAMED]) + more


def name_frames(placed: PlacedFrames, rows: NDArray[np.int64]) -> str:
    """Name frames by position and file."""
    table = placed.table
    names = []
    for row in rows[:_NAMED].tolist():
        image = table.images[table.image[row]]
        frame = f" frame {table.frame[row]}" if image.number_of_planes > 1 else ""
        z = placed.planes.z[placed.planes.index[row]]
        names.append(f"{redact_url(image.url)}{frame} (z = {z:.2f} mm)")
    return some_of(names, len(rows))


def _gaps(placed: PlacedFrames) -> str:
    """Name the planes on both sides of gaps that are not like the smallest one."""
    z = placed.planes.z
    gaps = np.diff(z)
    odd = np.flatnonzero(gaps > 1.1 * gaps.min())
    texts = []
    for k in odd[:_NAMED].tolist():
        below, above = (
            np.flatnonzero(placed.planes.index == plane)[:1] for plane in (k, k + 1)
        )
        text = f"{gaps[k]:.2f} mm instead of {gaps.min():.2f} mm between "
        texts.append(
            f"{text}{name_frames(placed, below)} and {name_frames(placed, above)}"
        )
    return some_of(texts, len(odd), between="; ")


def _missing(placed: PlacedFrames) -> str:
    """Name the empty places of the grid."""
    axes = placed.axes
    shape = (*(axis.length for axis in axes), len(placed.planes.z))
    there = np.zeros(shape, np.bool_)
    there[(*(axis.codes for axis in axes), placed.planes.index)] = True
    empty = np.argwhere(~there)
    texts = []
    for *codes, plane in empty[:_NAMED].tolist():
        at = [f"{axis.name} {code}" for axis, code in zip(axes, codes, strict=True)]
        texts.append(" ".join([*at, f"z = {placed.planes.z[plane]:.2f} mm"]))
    folder = redact_url(placed.table.images[0].url).rpartition("/")[0]
    beside = f" beside the files of {folder}" if folder else ""
    return some_of(texts, len(empty)) + beside
