"""What the values of a segmentation mean: segments chosen, fractions, values of a label map."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from lazydicom._arrange.segments.description import SegmentItem
from lazydicom._array.array import DicomArray
from lazydicom._array.computed import ComputedArray, FrameFunction
from lazydicom._array.coordinate import Coordinate
from lazydicom._array.frame_table import FrameTable
from lazydicom._array.grid import HOLE, Tiles
from lazydicom.errors import InvalidDicomError, warn

OnUnknown: TypeAlias = Literal["error", "keep"]
Names: TypeAlias = Sequence[int | str] | int | str | None
"""Numbers or labels of segments; ``None``: all."""


def background(table: FrameTable, described: Sequence[SegmentItem]) -> int:
    """Return the value of what is no segment.

    Raises
    ------
    InvalidDicomError
        If a segment has a number that no stored value can be.
    """
    image = table.images[0]
    bits = 8 * image.format.pixel.dtype.itemsize
    beyond = [s.number for s in described if s.number >> bits]
    if beyond:
        message = f"Segment {beyond[0]} is beyond the stored values, of {bits} bits"
        raise InvalidDicomError(message, url=image.url)
    padding = table.instances["padding_value"][0, 0]
    if 0 <= padding < 1 << bits:
        return int(padding)
    if np.isfinite(padding):
        text = (
            f"Pixel Padding Value is beyond the stored values, of {bits} bits: ignored"
        )
        warn(text, url=image.url)
    return next((s.number for s in described if s.is_background), 0)


def _chosen(described: Sequence[SegmentItem], segments: Names) -> list[int]:
    """Return the places of the segments that are asked for.

    Raises
    ------
    KeyError
        If a number or a label is not there, or a label is that of two segments.
    """
    if segments is None:
        return list(range(len(described)))
    single = isinstance(segments, str) or hasattr(segments, "__index__")
    wanted = [segments] if single else list(cast("Any", segments))
    places = []
    for key in wanted:
        same = [
            place
            for place, segment in enumerate(described)
            if key == (segment.label if isinstance(key, str) else segment.number)
        ]
        if len(same) != 1:
            numbers = [segment.number for segment in described]
            raise KeyError(f"{len(same)} segments are {key!r}, of numbers {numbers}")
        places.append(same[0])
    return sorted(set(places))


def choose(
    array: DicomArray,
    described: Sequence[SegmentItem],
    segments: Names,
    *,
    labels: bool,
) -> DicomArray:
    places = _chosen(described, segments)
    grid = replace(array.grid, numbers=np.ascontiguousarray(array.grid.numbers[places]))
    return replace(
        array,
        grid=grid,
        coords={
            **array.coords,
            **_coords([described[k] for k in places], labels=labels),
        },
    )


def _coords(described: Sequence[SegmentItem], *, labels: bool) -> dict[str, Coordinate]:
    numbers = np.array([segment.number for segment in described], np.int64)
    coords = {"segment": Coordinate(("segment",), numbers)}
    if labels:
        texts = np.array([segment.label for segment in described], np.str_)
        coords["label"] = Coordinate(("segment",), texts)
        colors = [_hexadecimal(segment.rgb) for segment in described]
        coords["color"] = Coordinate(("segment",), np.array(colors, np.str_))
    return coords


def _hexadecimal(rgb: tuple[int, int, int] | None) -> str:
    """Return a colour as web pages write it, "" where there is none."""
    return "" if rgb is None else "#" + bytes(rgb).hex()


def as_unit(array: DicomArray, table: FrameTable) -> ComputedArray:
    declared = table.instances["maximum_fractional_value"][0, 0]
    if not np.isfinite(declared) or declared <= 0:
        message = "Expected a Maximum Fractional Value above 0"
        raise InvalidDicomError(message, url=table.images[0].url)
    kernel = partial(_to_unit, url=table.images[0].url)
    maximum = np.array(declared, np.float32)
    function = FrameFunction(kernel, (maximum,), np.dtype(np.float32), "fractions")
    return ComputedArray(array, function)


def _to_unit(
    values: NDArray[Any], maximum: NDArray[np.float32], *, url: str
) -> NDArray[np.float32]:
    largest = values.max(initial=0)
    if largest > maximum:
        message = (
            f"Values up to {largest} are above Maximum Fractional Value {maximum:g}"
        )
        warn(message, url=url)
    return np.asarray(values / maximum, np.float32)


def of_label_map(
    array: DicomArray,
    described: Sequence[SegmentItem],
    segments: Names,
    *,
    combine: bool,
    on_unknown: OnUnknown,
    labels: bool,
) -> ComputedArray:
    """Return a label map as it is, or as an axis of segments that are 0 or 1."""
    fill = array.fill_value
    background = int(fill) if isinstance(fill, int | float) else 0
    known = np.array([background, *(s.number for s in described)], np.int64)
    shown = [described[k] for k in _chosen(described, segments)]
    if segments is None:
        shown = [s for s in shown if s.number != background]
    numbers = np.array([segment.number for segment in shown], np.int64)
    check = partial(
        _check_known,
        known=known if on_unknown == "error" else None,
        url=array.images[0].url,
    )
    frames = array.grid.numbers
    if isinstance(array.grid.layout, Tiles):  # a region has many of them
        frames = np.full(array.grid.shape, HOLE)
    frames = frames.reshape(*array.grid.shape, 1, 1)
    if combine:
        keep = None if segments is None else numbers
        kernel = partial(_keep, check=check, keep=keep, background=background)
        function = FrameFunction(kernel, (frames,), array.dtype, "segments")
        return ComputedArray(array, function)
    repeated = np.repeat(array.grid.numbers[None], len(numbers), axis=0)
    spread = replace(
        array,
        grid=replace(array.grid, numbers=repeated),
        dims=("segment", *array.dims),
        coords={**array.coords, **_coords(shown, labels=labels)},
    )
    of_axis = numbers.reshape(-1, *(1,) * array.ndim)
    kernel = partial(_is_segment, check=check)
    function = FrameFunction(
        kernel,
        (of_axis, frames[None]),
        np.dtype(np.uint8),
        "segments",
        repeats=True,
    )
    return ComputedArray(spread, function)


def _keep(
    values: NDArray[Any],
    frames: NDArray[np.int64],
    *,
    check: Any,  # noqa: ANN401
    keep: NDArray[np.int64] | None,
    background: int,
) -> NDArray[Any]:
    check(values, frames)
    if keep is None:
        return values
    return np.where(np.isin(values, keep), values, np.asarray(background, values.dtype))


def _is_segment(
    values: NDArray[Any],
    numbers: NDArray[np.int64],
    frames: NDArray[np.int64],
    *,
    check: Any,  # noqa: ANN401
) -> NDArray[np.uint8]:
    check(values, frames)
    same: NDArray[np.bool_] = values == numbers.astype(values.dtype)
    return same.view(np.uint8)


def _check_known(
    values: NDArray[Any],
    frames: NDArray[np.int64],
    *,
    known: NDArray[np.int64] | None,
    url: str,
) -> None:
    """Refuse a value that nothing describes."""
    if known is None:
        return
    described = np.zeros(1 << (8 * values.dtype.itemsize), np.bool_)
    described[known] = True
    if described[: int(values.max(initial=0)) + 1].all():  # numbers seldom skip
        return
    right = described[values]
    if not right.all():
        where = tuple(np.argwhere(~right)[0])
        frame = int(np.broadcast_to(frames, values.shape)[where])
        message = 'A value that no segment describes; on_unknown="keep" takes it'
        raise InvalidDicomError(message, url=url, frame=frame if frame >= 0 else None)
