"""How stored values become physical ones: the same way in all frames, or each in its own."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.computed import FrameArray
from lazydicom._array.frame_table import FrameTable
from lazydicom._array.image import DicomImage
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._header import tags
from lazydicom._header.image_pixel import ImagePixel
from lazydicom._views.lut.parameters import complete_rescale, frame_columns, on_grid

_FLOAT_PADDING: Final = {
    "FloatPixelData": (
        "FL",
        tags.FLOAT_PIXEL_PADDING_VALUE,
        tags.FLOAT_PIXEL_PADDING_RANGE_LIMIT,
    ),
    "DoubleFloatPixelData": (
        "FD",
        tags.DOUBLE_FLOAT_PIXEL_PADDING_VALUE,
        tags.DOUBLE_FLOAT_PIXEL_PADDING_RANGE_LIMIT,
    ),
}
"""Padding Value and its Range Limit with their VR, by the element that holds the pixels."""
_CT_IMAGE_STORAGE: Final = "1.2.840.10008.5.1.4.1.1.2"
_UNSPECIFIED: Final = "US"


@dataclass(frozen=True, slots=True, eq=False)
class FrameScaling:
    """Numbers of all frames, or arrays with the axes of the grid."""

    slope: NDArray[np.float64]
    intercept: NDArray[np.float64]
    lowest: NDArray[np.float64]
    """Least value that is padding, NaN where none is."""
    highest: NDArray[np.float64]
    units: str
    """Of scaled values; empty where frames differ, or nobody tells."""

    @property
    def parameters(self) -> tuple[NDArray[np.float64], ...]:
        """All four."""
        return (self.slope, self.intercept, self.lowest, self.highest)

    @property
    def per_frame(self) -> bool:
        """Whether four numbers are not enough, or padding is more than one value."""
        if any(one.ndim for one in self.parameters):
            return True
        return bool(self.lowest < self.highest)

    @property
    def keeps_values(self) -> bool:
        """Whether nothing is scaled."""
        return bool(np.all(self.slope == 1) and np.all(self.intercept == 0))


def frame_scaling(array: FrameArray, *, strict: bool = True) -> FrameScaling:
    """Collect what the headers say; a slope of 1 where they say nothing.

    Raises
    ------
    InvalidDicomError
        If a slope or intercept is no number, and the caller is `strict`: he computes.
    """
    table = array.frames
    lowest, highest = _padding(table)[table.image].T
    names = ("rescale_slope", "rescale_intercept", "rescale_type")
    slopes, intercepts, types = frame_columns(array, *names, strict=strict)
    columns = complete_rescale(slopes, intercepts)
    slope, intercept = columns or (np.ones_like(lowest), np.zeros_like(lowest))
    return FrameScaling(
        slope=on_grid(slope, array),
        intercept=on_grid(intercept, array),
        lowest=on_grid(lowest, array),
        highest=on_grid(highest, array),
        units=_common_units(table, types),
    )


def _common_units(table: FrameTable, types: NDArray[Any]) -> str:
    """Name the units where all frames have the same."""
    kinds = {str(one) for one in np.unique(types)}
    if kinds == {""}:
        kinds = {str(one) for one in np.unique(table.text("gray_units"))}
    if kinds == {""}:
        named = table.instances["units"]
        ct = table.instances["sop_class_uid"] == _CT_IMAGE_STORAGE
        kinds = {str(one) for one in np.where((named == "") & ct, "HU", named)}
    return "" if len(kinds) > 1 or kinds == {_UNSPECIFIED} else kinds.pop()


def _padding(table: FrameTable) -> NDArray[np.float64]:
    """Return the range of padding of each image: (images, 2), NaN where it has none."""
    names = ("padding_value", "padding_limit")
    columns = [table.instances[name][:, 0] for name in names]
    ranges = np.full((len(table.images), 2), np.nan)
    for row, image in enumerate(table.images):
        pixel = image.format.pixel
        if pixel.samples_per_pixel > 1:
            continue  # only gray ones have some
        if pixel.pixel_keyword in _FLOAT_PADDING:
            ends = _float_padding(image)
        else:
            ends = [_signed(float(column[row]), pixel) for column in columns]
        ranges[row] = _range_of(ends, pixel.dtype)
    return ranges


def _range_of(ends: list[float], dtype: np.dtype[Any]) -> tuple[float, float]:
    """Return the least and the greatest value; NaN where one cannot be stored."""
    known = [end for end in ends if not np.isnan(end)]
    if np.isnan(ends[0]) or not all(_fits(end, dtype) for end in known):
        return (float("nan"), float("nan"))
    return min(known), max(known)


def _signed(value: float, pixel: ImagePixel) -> float:
    """Return 16 bits that were read without a sign as the pixels have them."""
    return value - 0x10000 if pixel.pixel_representation and value >= 0x8000 else value


def _float_padding(image: DicomImage) -> list[float]:
    """Read the padding of floating point pixels, which have tags of their own."""
    vr, *both = _FLOAT_PADDING[image.format.pixel.pixel_keyword]
    values = [image.header.elements.get(tag, vr)[:1] for tag in both]
    return [float(one[0]) if one else float("nan") for one in values]


def _fits(value: float, dtype: np.dtype[Any]) -> bool:
    """Return whether a stored value can be this one."""
    if dtype.kind == "f":
        return True
    limits = np.iinfo(dtype)
    return bool(limits.min <= value <= limits.max)
