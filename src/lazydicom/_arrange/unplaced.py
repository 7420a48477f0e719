"""Frames without positions in the patient: in their order, or along axes that they name."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lazydicom._arrange.axes.find import named_axes
from lazydicom._arrange.axes.labels import axis_labels, frame_labels, pixel_labels
from lazydicom._arrange.concatenation import object_order
from lazydicom._arrange.faults import CUT, TAKE_ONE, Fault, occurrences, some_of
from lazydicom._array.coordinate import Coordinate
from lazydicom._array.frame_table import FrameTable, coded
from lazydicom._array.grid import empty_places
from lazydicom.errors import redact_url


class Lines(NamedTuple):
    """Where frames stand, and what is known of them."""

    places: NDArray[np.int64]
    """Row of the frame at each position."""
    dims: tuple[str, ...]
    coords: dict[str, Coordinate]
    attrs: dict[str, Any]


def line_up(table: FrameTable, *, source: bool) -> Lines:
    """Line up frames that no position orders, along the axes that they name."""
    axes = named_axes(table)
    if not axes:
        return _in_order(table, source=source)
    dims = tuple(axis.name for axis in axes)
    shape = [axis.length for axis in axes]
    places = empty_places(shape, url=table.images[0].url)
    places[tuple(axis.codes for axis in axes)] = np.arange(len(table))
    coords, attrs = frame_labels(table, places, dims, source=source)
    for axis in axes:
        coords |= axis_labels(axis, axes, table)
    where, pixels = pixel_labels(table)
    return Lines(places, dims, coords | where, attrs | pixels)


def _in_order(table: FrameTable, *, source: bool) -> Lines:
    """Line up frames in their order, along the time where one file tells it."""
    seconds = table.numbers("acquisition_time")[:, 0]
    cine = len(table.images) == 1 and (np.diff(seconds) > 0).all() and len(table) > 1
    name = "time" if cine else "frame"
    places = np.arange(len(table))
    coords, attrs = frame_labels(table, places, (name,), source=source)
    coords.pop("acquisition_time", None)
    where, pixels = pixel_labels(table)
    coords, attrs = coords | where, attrs | pixels
    if cine:
        coords["time"] = Coordinate(("time",), seconds - seconds[0], "s")
        time_source = str(table.text("time_source")[0])
        attrs |= {"time_source": time_source} if time_source else {}
    return Lines(places, (name,), coords, attrs)


def faults_without_places(table: FrameTable) -> Iterator[Fault]:
    """Return why frames without positions are no array: copies, and several objects."""
    copies = _repeated_instances(table)
    if copies is not None:
        yield copies
    objects = object_order(table)[0][table.image]
    sizes = np.bincount(objects)
    of_stills = sizes[objects] == 1  # they make a stack
    pieces = np.where(of_stills, -1, objects)
    firsts, pieces = np.unique(pieces, return_index=True, return_inverse=True)[1:]
    pieces = np.argsort(np.argsort(firsts))[pieces]  # in the order of Instance Number
    if len(firsts) > 1:
        names = _names(table, table.image[np.sort(firsts)])
        text = f"Instances of several frames without positions: {names}"
        yield Fault(text, CUT, pieces, can_be_filled=False)


def _repeated_instances(table: FrameTable) -> Fault | None:
    """Find files of one instance, which is all that tells a copy without a position."""
    images, firsts, image = np.unique(
        table.image, return_index=True, return_inverse=True
    )
    order = np.argsort(firsts)  # of images, as their frames come
    objects, offsets = object_order(table)
    parts = np.stack([objects, coded(offsets)])[:, images[order]]
    earlier, copies = occurrences(parts)
    if not earlier.max():
        return None
    names = _names(table, images[order][copies > 1])
    text = f"Several files hold one instance: {names}"
    cut = earlier[np.argsort(order)][image.reshape(-1)]
    return Fault(text, TAKE_ONE, cut, can_be_filled=False)


def _names(table: FrameTable, images: Iterable[int]) -> str:
    """Name the files of images, the first ones of many."""
    urls = [redact_url(table.images[k].url) for k in images]
    return some_of(urls, len(urls))
