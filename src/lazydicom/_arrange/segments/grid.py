"""The grid of a segmentation: a frame at each segment and plane, a hole where it is empty."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._arrange.frame_table import tabulate_images
from lazydicom._arrange.segments.description import SegmentItem
from lazydicom._arrange.segments.planes import FramePlaces, place_frames
from lazydicom._array.array import DicomArray
from lazydicom._array.coordinate import Coordinate
from lazydicom._array.frame_table import FrameTable
from lazydicom._array.grid import FrameGrid, empty_places
from lazydicom._array.table_loader import FrameTableLoader
from lazydicom._header.values import technical_attributes
from lazydicom.errors import InvalidDicomError

_KEPT: Final = ("sop_class_uid", "modality", "bits_stored", "lossy_image_compression")


def arrange_segments(table: FrameTable, segments: Sequence[SegmentItem]) -> DicomArray:
    """Put frames of segments on a grid: (segment, z, y, x).

    Parameters
    ----------
    table : FrameTable
        Of all instances, in the order of their frames.
    segments : sequence of SegmentItem
        All that are described, by number.

    Raises
    ------
    InvalidDicomError
        If a frame is of no known segment, two frames have one place, or planes lie at
        uneven distances.
    """
    described = [segment.number for segment in segments]
    places = place_frames(table, described)
    index = _segment_index(table, described)
    numbers = _put(table, index, places, len(segments))
    array = _array(table, numbers, places, ("segment", "z", "y", "x"))
    values = np.array(described, np.int64)
    return replace(
        array, coords={**array.coords, "segment": Coordinate(("segment",), values)}
    )


def arrange_label_map(table: FrameTable, *, background: int) -> DicomArray:
    """Put the frames of a label map on a grid: (z, y, x).

    Raises
    ------
    InvalidDicomError
        As `arrange_segments`.
    """
    places = place_frames(table, ())
    index = np.zeros(len(table), np.int64)
    numbers = _put(table, index, places, 1)[0]
    array = _array(table, numbers, places, ("z", "y", "x"))
    return replace(array, fill_value=background)


def _segment_index(table: FrameTable, numbers: Sequence[int]) -> NDArray[np.int64]:
    """Return which segment each frame is of."""
    if table.instances["dimension_organization_type"][0] == "TILED_FULL":
        per_segment = max(len(table) // len(numbers), 1)
        return np.minimum(np.arange(len(table)) // per_segment, len(numbers) - 1)
    column = table.numbers("segment_number")[:, 0]
    if np.isnan(column).all() and len(numbers) == 1:
        return np.zeros(len(table), np.int64)
    known = np.isin(column, numbers)
    if not known.all():
        row = int(np.flatnonzero(~known)[0])
        image = table.images[table.image[row]]
        message = (
            "Frame names no segment"
            if np.isnan(column[row])
            else f"Frame is of segment {int(column[row])}, which is not described"
        )
        raise InvalidDicomError(message, url=image.url, frame=int(table.frame[row]))
    index: NDArray[np.int64] = np.searchsorted(numbers, column.astype(np.int64))
    return index


def _put(
    table: FrameTable,
    index: NDArray[np.int64],
    places: FramePlaces,
    segments: int,
) -> NDArray[np.int64]:
    """Return the number of the frame at each place."""
    shape: tuple[int, ...] = (segments, places.planes)
    at: tuple[NDArray[np.int64], ...] = (index, places.z)
    if places.tile is not None:
        shape, at = (*shape, *places.tiles), (*at, *places.tile)
    numbers = empty_places(shape, url=table.images[0].url)
    flat = np.ravel_multi_index(at, shape)
    order = np.argsort(flat, kind="stable")
    twice = np.flatnonzero(np.diff(flat[order]) == 0)
    if twice.size:
        first, second = order[twice[0]], order[twice[0] + 1]
        image = table.images[table.image[second]]
        message = f"Frame has the segment and the place of frame {table.frame[first]}"
        raise InvalidDicomError(message, url=image.url, frame=int(table.frame[second]))
    numbers.reshape(-1)[flat] = table.grid_numbers
    return numbers


def _array(
    table: FrameTable,
    numbers: NDArray[np.int64],
    places: FramePlaces,
    dims: tuple[str, ...],
) -> DicomArray:
    first = table.images[0]
    technical = technical_attributes(first.header.elements, url=first.url)
    attrs: dict[str, Any] = {k: one for k, one in technical.items() if k in _KEPT}
    attrs |= places.attrs or {}
    return DicomArray(
        table.images,
        FrameGrid(numbers, places.layout),
        dims,
        coords=dict(places.coords or {}),
        attrs=attrs,
        fill_value=0,
        load_frames=FrameTableLoader(table.images, tabulate_images, table),
    )
