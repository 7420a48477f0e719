"""What OME-Zarr 0.5 says of an array: axes, scale and translation, windows of channels."""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.computed import ComputedArray, FrameArray
from lazydicom._array.lazy_array import LazyArray
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._export.inputs import url_of
from lazydicom._views.lut.parameters import frame_columns, rescale_columns
from lazydicom.errors import UnsupportedError

VERSION: Final = "0.5"
_SPACE: Final = ("z", "y", "x")
_UNITS: Final = {"mm": "millimeter", "s": "second"}
_EVEN: Final = 0.05
"""Steps of a regular axis differ by less than this part of a step."""
_RGB: Final = (("red", "FF0000"), ("green", "00FF00"), ("blue", "0000FF"))
_COARSE: Final = 2.0
"""An axis is not halved while its pixels are so much longer than the shortest."""


@dataclass(frozen=True, slots=True)
class OmeAxis:
    """An axis of the copy."""

    name: str
    kind: str
    """time, channel or space."""
    dim: str
    """Its name in the array."""
    position: int
    """Its number in the array."""
    unit: str
    """As UDUNITS has it; empty where nobody tells."""
    scale: float
    translation: float

    def to_json(self) -> dict[str, str]:
        """Write it as the specification asks."""
        axis = {"name": self.name, "type": self.kind}
        return axis | {"unit": self.unit} if self.unit else axis


Placed: TypeAlias = tuple[Sequence[OmeAxis], Sequence[float]]
"""The axes of a level, and how many of their steps one of its pixels is long."""


def find_axes(array: LazyArray) -> list[OmeAxis]:
    """Order the axes: time, channel, space.

    Axes of length 1 that have no place are left out.

    Raises
    ------
    UnsupportedError
        If there are more than OME-Zarr has places for.
    """
    places: dict[str, tuple[str, str]] = {
        "time": ("t", "time"),
        "sample": ("c", "channel"),
    }
    places |= {name: (name, "space") for name in _SPACE}
    others = [
        dim
        for dim, length in zip(array.dims, array.shape, strict=True)
        if dim not in places and length > 1
    ]
    free = "sample" not in array.dims
    if len(others) > 1 or (others and not free):
        raise UnsupportedError(
            f"OME-Zarr has no place for the axes {', '.join(others)} of {array.dims}: "
            "export one position of each at a time, such as array.isel(frame=0)",
            url=url_of(array),
        )
    places |= dict.fromkeys(others, ("c", "channel"))
    axes = [
        _axis(array, position, *places[dim])
        for position, dim in enumerate(array.dims)
        if dim in places
    ]
    return sorted(axes, key=lambda axis: "tczyx".index(axis.name))


def _axis(array: LazyArray, position: int, name: str, kind: str) -> OmeAxis:
    dim = array.dims[position]
    nowhere = OmeAxis(name, kind, dim, position, unit="", scale=1.0, translation=0.0)
    coordinate = array.coords.get(dim)
    if kind == "channel" or coordinate is None or coordinate.units not in _UNITS:
        return nowhere
    values = np.asarray(coordinate.values, np.float64)
    steps = np.diff(values)
    step = float(steps.mean()) if steps.size else _thickness(array, dim)
    if not step > 0 or (np.abs(steps - step) > _EVEN * step).any():
        return nowhere
    unit, first = _UNITS[coordinate.units], float(values[0])
    return OmeAxis(name, kind, dim, position, unit, scale=step, translation=first)


def _thickness(array: LazyArray, dim: str) -> float:
    """Return the distance that a part of an array had to the next, else the extent."""
    known = dict(zip(_SPACE, array.attrs.get("spacing", ()), strict=False))
    if np.isfinite(known.get(dim, np.nan)) and known[dim] > 0:
        return float(known[dim])
    thickness = array.attrs.get("slice_thickness", 1.0) if dim == "z" else 1.0
    return thickness if isinstance(thickness, float) and thickness > 0 else 1.0


def halving(
    axes: Sequence[OmeAxis], shape: Sequence[int], done: Sequence[int]
) -> list[int]:
    """Choose the factors to the next level, so that voxels come nearer to cubes."""
    lengths = [axis.scale * factor for axis, factor in zip(axes, done, strict=True)]
    plane = min(lengths[-2:])
    return [
        2
        if length > 1
        and axis.kind == "space"
        and (axis.name != "z" or (bool(axis.unit) and pixel < _COARSE * plane))
        else 1
        for axis, length, pixel in zip(axes, shape, lengths, strict=True)
    ]


def given_levels(arrays: Sequence[LazyArray]) -> list[Placed]:
    """Place levels that are there already by their coordinates, else by their lengths."""
    finest = find_axes(arrays[0])
    levels: list[Placed] = []
    for array in arrays:
        pairs = zip(finest, find_axes(array), strict=True)
        placed = [
            (own, 1.0)
            if fine.unit and own.unit
            else (fine, arrays[0].shape[fine.position] / array.shape[own.position])
            for fine, own in pairs
        ]
        levels.append(([axis for axis, _ in placed], [factor for _, factor in placed]))
    return levels


def multiscales(levels: Sequence[Placed], method: str) -> dict[str, Any]:
    """Describe all levels, the finest first."""
    centred = method == "mean"
    datasets = [
        {
            "path": str(number),
            "coordinateTransformations": [
                {"type": "scale", "scale": _scales(axes, factors)},
                {
                    "type": "translation",
                    "translation": _translations(axes, factors, centred=centred),
                },
            ],
        }
        for number, (axes, factors) in enumerate(levels)
    ]
    return {
        "name": "pixels",
        "axes": [axis.to_json() for axis in levels[0][0]],
        "datasets": datasets,
        "type": method,
    }


def _scales(axes: Sequence[OmeAxis], factors: Sequence[float]) -> list[float]:
    return [axis.scale * factor for axis, factor in zip(axes, factors, strict=True)]


def _translations(
    axes: Sequence[OmeAxis], factors: Sequence[float], *, centred: bool
) -> list[float]:
    """Place the centre of the first pixel: amid those that became its mean."""
    return [
        axis.translation + (axis.scale * (factor - 1) / 2 if centred else 0.0)
        for axis, factor in zip(axes, factors, strict=True)
    ]


def omero(array: LazyArray, axes: Sequence[OmeAxis]) -> dict[str, Any] | None:
    """Return each channel the window that the file asks for; ``None`` where it asks none."""
    channel = next((axis for axis in axes if axis.kind == "channel"), None)
    if channel is not None and channel.dim == "sample":
        return _colors(array)
    window = _window(array)
    limits = _stored_limits(array) if channel and channel.dim == "path" else None
    if window is None and limits is not None:  # optical paths have names to show
        low, high = limits
        window = {"min": low, "max": high, "start": low, "end": high}
    if window is None:
        return None
    names = [""] if channel is None else _labels(array, channel)
    gray = [_channel("FFFFFF", name, window) for name in names]
    return {"channels": gray, "rdefs": {"model": "greyscale"}}


def _colors(array: LazyArray) -> dict[str, Any] | None:
    """Show red, green and blue in full; with alpha they are more than channels."""
    if array.shape[-1] != len(_RGB):
        return None
    stored = array.images and not isinstance(array, ComputedArray)
    if array.dtype.kind in "ui" and not stored:  # the entries of a palette
        highest = float(np.iinfo(array.dtype).max)
    else:
        _, highest = _stored_limits(array) or (0.0, 1.0)
    window = {"min": 0.0, "max": highest, "start": 0.0, "end": highest}
    return {"channels": [_channel(color, name, window) for name, color in _RGB]}


def _channel(color: str, label: str, window: dict[str, float]) -> dict[str, Any]:
    channel: dict[str, Any] = {"active": True, "color": color, "window": window}
    return channel | {"label": label} if label else channel


def _labels(array: LazyArray, axis: OmeAxis) -> list[str]:
    coordinate = array.coords.get(axis.dim)
    values = (
        range(array.shape[axis.position]) if coordinate is None else coordinate.values
    )
    return [f"{axis.dim} {value}" for value in values]


def _window(array: LazyArray) -> dict[str, float] | None:
    """Return the widest of the first windows, in the units of the values."""
    if not isinstance(array, FrameArray):  # of dask or xarray: nothing is known
        return None
    centers, widths = frame_columns(array, "window_center", "window_width")
    if np.isnan(centers[:, 0]).all() or np.isnan(widths[:, 0]).all():
        return None
    start = float(np.nanmin(centers[:, 0] - widths[:, 0] / 2))
    end = float(np.nanmax(centers[:, 0] + widths[:, 0] / 2))
    stored = not isinstance(array, ComputedArray)
    if isinstance(array, ComputedArray) and array.function.name != "Modality LUT":
        return None
    slope, intercept = _scaling(array)
    if stored:
        if (
            slope.min() != slope.max()
            or intercept.min() != intercept.max()
            or not slope[0]
        ):
            return None
        start, end = ((one - intercept[0]) / slope[0] for one in (start, end))
        slope, intercept = np.ones(1), np.zeros(1)
    limits = _stored_limits(array) or (start, end)
    values = [one * slope + intercept for one in limits]
    start, end = sorted((float(start), float(end)))
    lowest, highest = float(np.min(values)), float(np.max(values))
    return {"min": lowest, "max": highest, "start": start, "end": end}


def _scaling(array: FrameArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return rescale_columns(array) or (np.ones(1), np.zeros(1))


def _stored_limits(array: LazyArray) -> tuple[float, float] | None:
    if not array.images:
        return None
    pixel = array.images[0].format.pixel
    if pixel.dtype.kind == "f":
        return None
    span = 2.0**pixel.bits_stored
    lowest = -span / 2 if pixel.pixel_representation else 0.0
    return lowest, lowest + span - 1
