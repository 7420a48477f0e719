"""Columns of attributes that stand at the top level of instances."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._arrange.kinds.dose import dose_scaling
from lazydicom._arrange.kinds.private import private_columns
from lazydicom._arrange.kinds.spread import frames_of
from lazydicom._array.image import DicomImage
from lazydicom._header.attributes import (
    COMPUTED,
    FRAME_ATTRIBUTES,
    INSTANCE_SEQUENCES,
    PLACE,
)
from lazydicom._header.columns.column import Columns, make_column
from lazydicom._header.columns.instances import INSTANCE_ATTRIBUTES
from lazydicom._header.columns.values import UNREADABLE, seconds_of
from lazydicom._header.values import Values
from lazydicom.errors import InvalidDicomError, warn

_COMPUTED: Final = frozenset(
    classic[0]
    for name in COMPUTED
    if (classic := FRAME_ATTRIBUTES[name].classic) is not None
)
_HALF_A_DAY: Final = 43_200


def instance_columns(images: Sequence[DicomImage]) -> Columns:
    """Read what holds for whole instances, a row per image."""
    columns = {
        name: make_column([_values(image, tag, vr) for image in images], vr=vr, width=1)
        for name, (tag, vr) in INSTANCE_ATTRIBUTES.items()
    }
    for name, tag in INSTANCE_SEQUENCES.items():
        holds = [image.header.elements.holds(tag) for image in images]
        columns[name] = np.array(holds, np.float64)[:, None]
    return columns


def frame_columns(
    images: Sequence[DicomImage],
    names: Iterable[str] = FRAME_ATTRIBUTES,
    *,
    strict: bool = True,
) -> Columns:
    """Read the attributes of classic instances, a row per frame."""
    columns: Columns = {}
    for name in names:
        attribute = FRAME_ATTRIBUTES[name]
        if attribute.classic is None:
            continue
        tag, vr = attribute.classic
        values = [_values(image, tag, vr, strict=strict) for image in images]
        if any(values):
            columns[name] = make_column(values, vr=vr, width=attribute.width)
    lengths = [image.number_of_planes for image in images]
    if names is FRAME_ATTRIBUTES and lengths == [1] * len(images):
        _add_dose(columns, images)
    if lengths != [1] * len(images):
        columns = {k: np.repeat(v, lengths, axis=0) for k, v in columns.items()}
        if names is FRAME_ATTRIBUTES:
            _spread_frames(columns, images)
    return columns


def with_derived(columns: Columns) -> Columns:
    """Add the columns that follow from those of instances: times, b-values of vendors."""
    times = {
        "instance_time": ("acquisition_date", "acquisition_clock"),
        "content_time": ("content_date", "content_clock"),
    }
    series = np.unique(columns["series_instance_uid"], return_inverse=True)[1]
    derived = {
        name: _seconds(columns[date], columns[clock], series)
        for name, (date, clock) in times.items()
    }
    return {**columns, **derived, **private_columns(columns)}


def _values(image: DicomImage, tag: int, vr: str, *, strict: bool = True) -> Values:
    """Read an attribute; one that is no `vr` is left out with a warning.

    Raises
    ------
    InvalidDicomError
        If it says where the frame lies, and the caller is `strict`.
    """
    try:
        return image.header.elements.get(tag, vr)
    except InvalidDicomError as error:
        if strict and tag in PLACE:
            raise
        warn(str(error), url=image.url)
        return (UNREADABLE,) if tag in _COMPUTED else ()


def _seconds(
    dates: NDArray[Any], clocks: NDArray[Any], series: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return seconds since 1970, or since an unknown midnight if a series lacks a date."""
    dates = np.char.replace(dates, ".", "")  # as ACR-NEMA wrote them
    undated = (np.char.str_len(dates) != len("YYYYMMDD")) & (clocks != "")
    dateless = np.isin(series, series[undated])
    known = np.where(dateless, "19700101", dates)
    pairs = zip(known.tolist(), clocks.tolist(), strict=True)
    texts = (date + clock.replace(":", "") if clock else "" for date, clock in pairs)
    seconds = np.array([seconds_of(text) for text in texts], np.float64)
    for one in np.unique(series[dateless]):
        _pass_midnight(seconds, np.flatnonzero(series == one))
    return seconds[:, None]


def _pass_midnight(seconds: NDArray[np.float64], rows: NDArray[np.int64]) -> None:
    """Move clocks that went on after midnight to the next day: no series takes half one."""
    own = seconds[rows]
    if np.isfinite(own).any():
        early = own < np.nanmax(own) - _HALF_A_DAY
        seconds[rows[early]] += 2 * _HALF_A_DAY


def _spread_frames(columns: Columns, images: Sequence[DicomImage]) -> None:
    """Separate the frames of multi-frame instances, as far as they say how."""
    frames = sum(image.number_of_planes for image in images)
    for name, width in (("acquisition_time", 1), ("position", 3)):
        columns.setdefault(name, np.full((frames, width), np.nan))
    start = 0
    for image in images:
        rows = slice(start, start + image.number_of_planes)
        start += image.number_of_planes
        if image.number_of_planes > 1:
            columns["position"][rows] = np.nan  # what stands there is that of the first
            for name, values in frames_of(image).items():
                _put(columns, name, values, rows, frames)


def _add_dose(columns: Columns, images: Sequence[DicomImage]) -> None:
    """Add the scaling of doses of one plane."""
    for row, image in enumerate(images):
        scaling = dose_scaling(image.header, 1)
        for name, values in scaling.items():
            _put(columns, name, values, slice(row, row + 1), len(images))


def _put(
    columns: Columns, name: str, values: NDArray[Any], rows: slice, frames: int
) -> None:
    """Put the values of one image into its rows of a column, which may be new."""
    if values.ndim == 1:
        column = columns.get(name, np.zeros(frames, "U1"))
        longest = np.promote_types(column.dtype, values.dtype)
        columns[name] = column.astype(longest)
    elif name not in columns:
        columns[name] = np.full((frames, values.shape[1]), np.nan)
    columns[name][rows] = values
