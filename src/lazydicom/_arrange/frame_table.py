"""From images to the table of their frames: headers are read here, once.

Classic instances have their attributes at the top level, Enhanced ones in functional groups.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lazydicom._arrange.kinds.dose import dose_scaling
from lazydicom._arrange.kinds.private import complete_private
from lazydicom._arrange.kinds.spread import frames_of
from lazydicom._arrange.siemens_mosaic import mosaic_as_tiles
from lazydicom._arrange.uih_grid import GRID
from lazydicom._array.frame_table import FrameTable, complete
from lazydicom._array.image import DicomImage
from lazydicom._bytes.deferred import deferred
from lazydicom._header import tags
from lazydicom._header.attributes import (
    COMPUTED,
    FRAME_ATTRIBUTES,
    INSTANCE_SEQUENCES,
    PLACE,
)
from lazydicom._header.columns.column import (
    UNREADABLE,
    Columns,
    make_column,
    seconds_of,
    stack_columns,
    with_shared,
)
from lazydicom._header.columns.instances import INSTANCE_ATTRIBUTES
from lazydicom._header.columns.vendors import VENDOR_ELEMENTS
from lazydicom._header.elements import has_functional_groups, private_tags
from lazydicom._header.values import Values, terms_alone
from lazydicom.errors import InvalidDicomError, warn

if TYPE_CHECKING:
    from lazydicom._header.columns import dimensions, functional_groups
else:
    dimensions = deferred("lazydicom._header.columns.dimensions")
    functional_groups = deferred("lazydicom._header.columns.functional_groups")

_AT_TOP_LEVEL: Final = (
    "rescale_slope",
    "rescale_intercept",
    "rescale_type",
    "window_center",
    "window_width",
    "voi_lut_function",
)
"""Attributes that writers put outside of the functional groups as well."""
_COMPUTED: Final = frozenset(
    classic[0]
    for name in COMPUTED
    if (classic := FRAME_ATTRIBUTES[name].classic) is not None
)
_MAKERS: Final = ("siemens", "canon", "toshiba")
"""Who writes more than private elements of its own."""
_TILED: Final = frozenset(("MOSAIC", GRID))
"""Words of Image Type of frames that hold several planes."""
_HALF_A_DAY: Final = 43_200


class Batch(NamedTuple):
    """Images, and what was read of them already."""

    images: Sequence[DicomImage]
    known: tuple[Columns, Columns] | None = None
    """Of single-frame images: columns of frames and of instances, a row per image."""


def batch_of(images: Iterable[DicomImage]) -> Batch:
    """Return images to tabulate, with mosaics knowing their planes."""
    return Batch([mosaic_as_tiles(i) if _is_mosaic(i) else i for i in images])


def _is_mosaic(image: DicomImage) -> bool:
    words = image.header.elements.get(tags.IMAGE_TYPE, "CS")
    return not _TILED.isdisjoint(words) and len(image) == 1


def tabulate_images(images: tuple[DicomImage, ...]) -> FrameTable:
    """Put the frames of images into one table, for those that need no place in space.

    Raises
    ------
    InvalidDicomError
        As `tabulate`, but for a position that is none.
    """
    return tabulate([Batch(images)], strict=False)


def tabulate(batches: Sequence[Batch], *, strict: bool = True) -> FrameTable:
    """Put the frames of all images into one table.

    Where it is `strict`, a position, orientation or spacing that is no number is an error,
    else a warning.

    Raises
    ------
    InvalidDicomError
        If functional groups contradict the standard or the number of frames.
    """
    parts = [part for batch in batches for part in _parts(batch, strict=strict)]
    images = tuple(image for part in parts for image in part.images)
    planes = [[image.number_of_planes for image in part.images] for part in parts]
    lengths = [number for of_part in planes for number in of_part]
    frames = stack_columns([part.frames for part in parts], list(map(sum, planes)))
    ones = [len(part.images) for part in parts]
    instances = with_derived(stack_columns([part.instances for part in parts], ones))
    columns = (terms_alone(with_shared(each)) for each in (frames, instances))
    table = FrameTable(images, *_places(lengths), *columns)
    _complete(table, "acquisition_time", "instance_time")
    if _is_of_a_vendor(table):
        complete_private(table)
    return table


def _is_of_a_vendor(table: FrameTable) -> bool:
    """Return whether there is anything to look for; millions of frames may have nothing."""
    for name, column in (*table.instances.items(), *table.columns.items()):
        own = name in VENDOR_ELEMENTS and column.dtype.kind == "f"
        if own and np.isfinite(column).any():
            return True
    makers = table.instances.get("manufacturer", np.zeros(0, np.str_))
    return any(maker.lower().startswith(_MAKERS) for maker in set(makers.tolist()))


def _places(lengths: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return image and number of each frame."""
    if len(lengths) == 1:  # of millions of frames, for one: no memory but the numbers
        return np.broadcast_to(np.int64(0), lengths[0]), np.arange(lengths[0])
    numbers = [np.arange(length) for length in lengths]
    return np.repeat(np.arange(len(lengths)), lengths), np.concatenate(numbers)


class _Part(NamedTuple):
    """Images of one kind, and their columns."""

    images: Sequence[DicomImage]
    frames: Columns
    instances: Columns


def _parts(batch: Batch, *, strict: bool) -> Iterator[_Part]:
    if batch.known is not None:
        frames, instances = batch.known
        yield _Part(batch.images, frames, instances)
        return
    groups = groupby(
        batch.images, lambda image: has_functional_groups(image.header.elements)
    )
    for enhanced, group in groups:
        images = list(group)
        instances = instance_columns(images)
        if not enhanced:
            yield _Part(images, frame_columns(images, strict=strict), instances)
            continue
        for row, image in enumerate(images):
            own = {name: one[row : row + 1] for name, one in instances.items()}
            yield _Part([image], _enhanced_columns(image), own)


def _enhanced_columns(image: DicomImage) -> Columns:
    columns = functional_groups.functional_group_columns(image.header)
    frames = image.number_of_planes
    declared = image.header.image_pixel.number_of_frames
    if frames > declared:
        message = f"Functional groups of {declared} frames, {frames} are stored"
        raise InvalidDicomError(message, url=image.url)
    own = {name: column[:frames] for name, column in columns.items()}
    for name in ("position", "orientation"):  # of ultrasound, in a volume of its own
        if name not in own and f"volume_{name}" in own:
            own[name] = own[f"volume_{name}"]
    own |= dimensions.dimension_columns(image.header, frames)
    outside = [name for name in _AT_TOP_LEVEL if name not in own]
    top = frame_columns([image], outside) if outside else {}
    return own | top


def _complete(table: FrameTable, name: str, of_instance: str) -> None:
    """Let what holds for the instance stand where a frame has nothing of its own."""
    complete(table, name, table.numbers(of_instance))


def instance_columns(images: Sequence[DicomImage]) -> Columns:
    """Read what holds for whole instances, a row per image."""
    columns = {
        name: make_column([_values(image, tag, vr) for image in images], vr=vr, width=1)
        for name, (tag, vr) in INSTANCE_ATTRIBUTES.items()
    }
    columns |= _vendor_columns(images)
    for name, tag in INSTANCE_SEQUENCES.items():
        holds = [image.header.elements.holds(tag) for image in images]
        columns[name] = np.array(holds, np.float64)[:, None]
    return columns


def _vendor_columns(images: Sequence[DicomImage]) -> Columns:
    """Read the private elements that the library knows, where a file has some."""
    places = [private_tags(image.header.elements, VENDOR_ELEMENTS) for image in images]
    names = dict.fromkeys(name for place in places for name in place)
    columns: Columns = {}
    for name in names:
        element = VENDOR_ELEMENTS[name]
        pairs = zip(images, places, strict=True)
        values = [
            _values(image, place[name], element.vr) if name in place else ()
            for image, place in pairs
        ]
        columns[name] = make_column(values, vr=element.vr, width=element.width)
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
    if lengths != [1] * len(images):
        columns = {k: np.repeat(v, lengths, axis=0) for k, v in columns.items()}
        if names is FRAME_ATTRIBUTES:
            _spread_frames(columns, images)
    if names is FRAME_ATTRIBUTES:
        _add_dose(columns, images, lengths)
    return columns


def with_derived(columns: Columns) -> Columns:
    """Add the times that follow from dates and clocks of instances."""
    times = {
        "instance_time": ("acquisition_date", "acquisition_clock"),
        "content_time": ("content_date", "content_clock"),
    }
    series = np.unique(columns["series_instance_uid"], return_inverse=True)[1]
    derived = {
        name: _seconds(columns[date], columns[clock], series)
        for name, (date, clock) in times.items()
    }
    return {**columns, **derived}


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


def _add_dose(
    columns: Columns, images: Sequence[DicomImage], lengths: Sequence[int]
) -> None:
    """Add the scaling of doses of one plane; those of several are spread with it."""
    *starts, frames = accumulate(lengths, initial=0)
    for image, start, length in zip(images, starts, lengths, strict=True):
        if length > 1 or not image.header.elements.holds(tags.DOSE_GRID_SCALING):
            continue
        for name, values in dose_scaling(image.header, 1).items():
            _put(columns, name, values, slice(start, start + 1), frames)


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
