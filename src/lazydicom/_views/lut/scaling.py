"""How stored values become physical ones: the same way in all frames, or each in its own."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.computed import FrameArray
from lazydicom._array.image import DicomImage
from lazydicom._header import tags
from lazydicom._views.lut.parameters import complete_rescale, frame_columns, on_grid

_PADDING: Final = {
    "PixelData": (tags.PIXEL_PADDING_VALUE, tags.PIXEL_PADDING_RANGE_LIMIT),
    "FloatPixelData": (
        tags.FLOAT_PIXEL_PADDING_VALUE,
        tags.FLOAT_PIXEL_PADDING_RANGE_LIMIT,
    ),
    "DoubleFloatPixelData": (
        tags.DOUBLE_FLOAT_PIXEL_PADDING_VALUE,
        tags.DOUBLE_FLOAT_PIXEL_PADDING_RANGE_LIMIT,
    ),
}
"""Pixel Padding Value and its Range Limit, by the element that holds the pixels."""
_PADDING_VRS: Final = {"FloatPixelData": "FL", "DoubleFloatPixelData": "FD"}
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


def frame_scaling(array: FrameArray) -> FrameScaling:
    """Collect what the headers say; a slope of 1 where they say nothing."""
    padding = np.array([_padding(image) for image in array.images], np.float64)
    lengths = [len(image) for image in array.images]
    lowest, highest = np.repeat(padding, lengths, axis=0).T
    names = ("rescale_slope", "rescale_intercept", "rescale_type")
    slopes, intercepts, types = frame_columns(array, *names)
    columns = complete_rescale(slopes, intercepts)
    slope, intercept = columns or (np.ones_like(lowest), np.zeros_like(lowest))
    return FrameScaling(
        slope=on_grid(slope, array),
        intercept=on_grid(intercept, array),
        lowest=on_grid(lowest, array),
        highest=on_grid(highest, array),
        units=_common_units(array, types),
    )


def _common_units(array: FrameArray, types: NDArray[Any]) -> str:
    """Name the units where all frames have the same."""
    kinds = {str(one) for one in np.unique(types)}
    if kinds == {""}:
        kinds = {_units(image) for image in array.images}
    return "" if len(kinds) > 1 or kinds == {_UNSPECIFIED} else kinds.pop()


def _units(image: DicomImage) -> str:
    """Return the Units of a PET, and those of a CT that names none."""
    get = image.header.elements.get
    named = "".join(map(str, get(tags.UNITS, "CS")[:1]))
    ct = get(tags.SOP_CLASS_UID, "UI")[:1] == (_CT_IMAGE_STORAGE,)
    return named or ("HU" if ct else "")


def _padding(image: DicomImage) -> tuple[float, float]:
    """Return the range of padding of an image; only gray ones have some."""
    header, pixel = image.header, image.header.image_pixel
    nothing = (float("nan"), float("nan"))
    if pixel.samples_per_pixel > 1:
        return nothing
    vr = _PADDING_VRS.get(pixel.pixel_keyword, ("US", "SS")[pixel.pixel_representation])
    found = [header.elements.get(tag, vr)[:1] for tag in _PADDING[pixel.pixel_keyword]]
    values = [float(one[0]) for one in found if one]
    if not found[0] or not all(_fits(value, pixel.dtype) for value in values):
        return nothing
    return min(values), max(values)


def _fits(value: float, dtype: np.dtype[Any]) -> bool:
    """Return whether a stored value can be this one."""
    if dtype.kind == "f":
        return True
    limits = np.iinfo(dtype)
    return bool(limits.min <= value <= limits.max)
