"""Opening a segmentation: its frames become segments on a grid, no pixel is read."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from numbers import Real
from typing import Any, Final, Literal, TypeAlias, Unpack

import numpy as np

from lazydicom._arrange.concatenation import check_concatenations
from lazydicom._arrange.frame_table import tabulate
from lazydicom._arrange.segments.description import Segment, read_segments
from lazydicom._arrange.segments.grid import arrange_label_map, arrange_segments
from lazydicom._arrange.segments.like import lay_on, say_misfit
from lazydicom._arrange.segments.values import (
    Names,
    OnUnknown,
    as_unit,
    background,
    choose,
    of_label_map,
)
from lazydicom._array.array import DicomArray
from lazydicom._array.computed import FrameArray
from lazydicom._array.frame_table import FrameTable
from lazydicom._array.image import DicomImage
from lazydicom._array.label_map import LabelMap, OnOverlap
from lazydicom._array.lazy_array import check_lazy
from lazydicom._header import tags
from lazydicom._header.pydicom import uid_name
from lazydicom._open.instance import (
    OpenKeywords,
    OpenOptions,
    check_choice,
    open_options,
)
from lazydicom._open.many.files import Instances, open_instances
from lazydicom._open.many.problems import raise_problem
from lazydicom._open.series import open_series
from lazydicom.errors import InvalidDicomError, LazyDicomError

Fractional: TypeAlias = Literal["stored", "unit"]

_SEGMENTATIONS: Final = frozenset(
    ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
)
_SLIDE: Final = "1.2.840.10008.5.1.4.1.1.77.1.6"
_NO_PIXELS: Final = ("No Pixel Data", "Expected one element of pixels")
_OWN_KEYWORDS: Final = (
    "segments",
    "like",
    "combine",
    "fractional",
    "labels",
    "on_overlap",
    "on_unknown",
    "tolerance_mm",
)


def open_segmentation(
    url: Instances,
    storage_options: Mapping[str, Any] | None = None,
    *,
    segments: Names = None,
    like: FrameArray | None = None,
    combine: Literal["labelmap"] | None = None,
    fractional: Fractional = "stored",
    labels: bool = False,
    on_overlap: OnOverlap = "error",
    on_unknown: OnUnknown = "error",
    tolerance_mm: float = 0.01,
    **options: Unpack[OpenKeywords],
) -> FrameArray:
    """Open a segmentation as a lazy array of its segments.

    Parameters
    ----------
    url : str, os.PathLike, bytes, pydicom Dataset, or a list of them
        One instance, or the parts of a concatenation.
    storage_options : mapping, optional
        Arguments of the fsspec filesystem.
    segments : int, str, or a list of them, optional
        Numbers or labels of the segments to open; by default all.
    like : DicomArray or ComputedArray, optional
        The image that was segmented: the result has exactly its z, y and x, in its order.
        Nothing is resampled: what does not lie on it is an error that says by how many mm.
    combine : {"labelmap"}, optional
        One number per voxel, that of its segment, instead of an axis of segments.
    fractional : {"stored", "unit"}
        ``"unit"`` divides the values of a FRACTIONAL segmentation by their maximum.
    labels : bool
        Add the coordinates ``label``, which is free text, and ``color`` (``"#dd8265"``, ""
        where none is recommended) along the segments. xarray then selects by label, too.
    on_overlap : {"error", "first", "last"}
        With `combine`, what a voxel gets that two segments hold, by segment number.
    on_unknown : {"error", "keep"}
        A value of a label map that no segment describes, when it is read.
    tolerance_mm : float
        How far planes and pixels may lie beside those of `like`.
    **options
        All options of `open_image`.

    Returns
    -------
    DicomArray, ComputedArray or LabelMap
        With the axes ``('segment', 'z', 'y', 'x')``; combined ``('z', 'y', 'x')``. Planes
        and segments without a frame are empty: that is what leaving one out means.

    Raises
    ------
    LazyDicomError
        If it is no segmentation, contradicts itself, or does not lie on `like`.

    Examples
    --------
    >>> import lazydicom
    >>> seg = lazydicom.open_segmentation("liver.dcm")  # doctest: +SKIP
    >>> seg.dims, seg.coords["segment"].values  # doctest: +SKIP
    (('segment', 'z', 'y', 'x'), array([1]))
    """
    check_choice("on_overlap", on_overlap, OnOverlap)
    check_choice("on_unknown", on_unknown, OnUnknown)
    check_choice("fractional", fractional, Fractional)
    if combine not in {None, "labelmap"}:
        raise ValueError(f"combine must be 'labelmap' or None, not {combine!r}")
    _check_like(like, tolerance_mm)
    checked = open_options("open_segmentation", options, others=_OWN_KEYWORDS)
    table = _tabulate(url, storage_options or {}, checked)
    other = _other_class(table)
    if other is not None:
        if like is not None:
            array = open_series(url, storage_options, **options)
            other += f"; {say_misfit(array, like, tolerance_mm=tolerance_mm)}"
        message = f"Expected a segmentation, found {other}"
        raise InvalidDicomError(message, url=table.images[0].url)
    table = _in_order(table)
    described, kind = read_segments(table.images[0]), _kind(table)
    lay = partial(_lay, like=like, tolerance_mm=tolerance_mm)
    if kind == "LABELMAP":
        stored = arrange_label_map(table, background=background(table, described))
        return of_label_map(
            lay(stored),
            described,
            segments,
            combine=combine is not None,
            on_unknown=on_unknown,
            labels=labels,
        )
    array = lay(arrange_segments(table, described))
    array = choose(array, described, segments, labels=labels)
    if combine is not None:
        return _combined(array, kind, on_overlap)
    if kind == "FRACTIONAL" and fractional == "unit":
        return as_unit(array, table)
    return array


def _combined(array: DicomArray, kind: str, on_overlap: OnOverlap) -> LabelMap:
    """Return one number per voxel, of segments that are 0 or 1."""
    if kind == "FRACTIONAL":
        raise ValueError("A FRACTIONAL segmentation has no label map: values overlap")
    numbers = array.coords["segment"].values
    if 0 in numbers:
        message = "Segment 0 has no label map: 0 is where no segment is"
        raise InvalidDicomError(message, url=array.images[0].url)
    return LabelMap(array, numbers, on_overlap)


def segment_table(array: FrameArray) -> tuple[Segment, ...]:
    """Return what a segmentation says of its segments, by number.

    Parameters
    ----------
    array : DicomArray, ComputedArray or LabelMap
        What `open_segmentation` returned, or `open_image` of a segmentation.

    Returns
    -------
    tuple of Segment
        Number, label, coded category, type and anatomic region, algorithm, colour and
        tracking; those of the axis ``segment`` where there is one.

    Raises
    ------
    InvalidDicomError
        If there is no Segment Sequence, or one that contradicts itself.
    TypeError
        If it is something else, such as the name of a file.
    """
    check_lazy(array, "segment_table")
    described = read_segments(array.images[0])
    column = array.frames.numbers("segment_number")[:, 0]
    counted = [
        replace(item.read(), frames=int((column == item.number).sum()))
        for item in described
    ]
    shown = array.coords.get("segment")
    if shown is None:
        return tuple(counted)
    numbers = set(np.asarray(shown.values).reshape(-1).tolist())
    return tuple(segment for segment in counted if segment.number in numbers)


def _check_like(like: FrameArray | None, tolerance_mm: float) -> None:
    """Refuse what is no image with rows and columns, and what is no distance.

    Raises
    ------
    TypeError, ValueError
        If it is something else.
    """
    if like is not None:
        check_lazy(like, "like=")
        if not {"y", "x"} <= set(like.dims):
            raise ValueError(f"Expected like= with axes y and x, found {like.dims}")
    if not isinstance(tolerance_mm, Real):
        kind = type(tolerance_mm).__name__
        raise TypeError(f"Expected tolerance_mm: a number, found {kind}")
    if not 0 <= tolerance_mm < np.inf:
        raise ValueError(f"Expected tolerance_mm of 0 or more, found {tolerance_mm}")


def _tabulate(
    url: Instances, storage_options: Mapping[str, Any], options: OpenOptions
) -> FrameTable:
    """Return the table of all frames; whatever cannot be read is an error."""
    try:
        opened = open_instances(url, storage_options, options)
    except LazyDicomError as error:
        _add_advice(error)
        raise
    for problem in opened.problems:
        if problem.error is not None:
            _add_advice(problem.error)
            raise_problem(problem)
    table = tabulate(opened.batches)
    for image in table.images:
        _check_frames(image)
    return table


def _check_frames(image: DicomImage) -> None:
    """Refuse a file that lacks frames: they would pass for empty ones."""
    declared = image.header.image_pixel.number_of_frames
    if len(image) < declared:
        message = (
            f"{len(image)} of {declared} frames are stored; the others are no empty ones:"
            " open_image takes those that are there"
        )
        raise InvalidDicomError(message, url=image.url)


def _add_advice(error: LazyDicomError) -> None:
    """Name what reads contours, where a file has no pixels."""
    if error.tag == tags.PIXEL_DATA and error.message.startswith(_NO_PIXELS):
        error.message += (
            ". A segmentation has pixels; an RT Structure Set holds contours, which"
            " rt-utils, dcmrtstruct2nii and SlicerRT turn into masks"
        )


def _in_order(table: FrameTable) -> FrameTable:
    """Order the parts of a concatenation by the frames that precede each."""
    offset = table.numbers("concatenation_frame_offset")[:, 0]
    order = np.lexsort((table.frame, table.image, np.nan_to_num(offset)))
    uids = set(table.text("concatenation_uid").tolist())
    if len(table.images) > 1 and (len(uids) > 1 or uids == {""}):
        message = (
            f"Expected one segmentation, found {len(table.images)} instances that are no"
            " parts of one concatenation; open each by itself"
        )
        raise InvalidDicomError(message, url=table.images[0].url)
    check_concatenations(table, may_lack=False)
    return table.take(order)


def _other_class(table: FrameTable) -> str | None:
    """Return what instances are that are no segmentation, and what opens them."""
    classes = set(table.instances["sop_class_uid"].tolist()) - _SEGMENTATIONS
    if not classes:
        return None
    name = uid_name(min(classes)) or f"SOP Class {min(classes)}"
    opener = "open_slide" if min(classes) == _SLIDE else "open_series"
    return f"{name}, which {opener} opens"


def _kind(table: FrameTable) -> str:
    kinds = set(table.instances["segmentation_type"].tolist())
    kind = str(kinds.pop()) if len(kinds) == 1 else ""
    if kind not in {"BINARY", "FRACTIONAL", "LABELMAP"}:
        message = "Segmentation Type is none of BINARY, FRACTIONAL and LABELMAP"
        raise InvalidDicomError(message, url=table.images[0].url)
    return kind


def _lay(
    array: DicomArray, *, like: FrameArray | None, tolerance_mm: float
) -> DicomArray:
    return array if like is None else lay_on(array, like, tolerance_mm=tolerance_mm)
