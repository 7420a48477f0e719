"""Coordinates and attributes of frames that have found their place on a grid."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._arrange.axes import Axis
from lazydicom._arrange.geometry import (
    Planes,
    Stack,
    affine_of,
    gantry_tilt,
    has_spacing,
    normal_of,
)
from lazydicom._arrange.stack import technical_attributes
from lazydicom._array.coordinate import Coordinate
from lazydicom._array.frame_table import FrameTable
from lazydicom._array.grid import HOLE
from lazydicom._array.image import DicomImage
from lazydicom._header import tags

_PER_FRAME: Final = (
    "image_position_patient",
    "image_orientation_patient",
    "pixel_spacing",
    "window_center",
    "window_width",
    "rescale_slope",
    "rescale_intercept",
    "echo_time",
    "slice_thickness",
    "spacing_between_slices",
)
"""Attributes that columns say better."""
_CONSTANTS: Final = {
    "rescale_slope": "",
    "rescale_intercept": "",
    "window_center": "",
    "window_width": "",
    "echo_time": "ms",
    "slice_thickness": "mm",
    "spacing_between_slices": "mm",
}
"""Columns that become an attribute where they are the same in all frames, else coordinates."""
_UNITS: Final = {
    "b_value": "s/mm2",
    "echo": "ms",
    "inversion": "ms",
    "kvp": "kV",
}
_COLUMN_OF: Final = {"echo": "echo_time", "inversion": "inversion_time"}
_SECONDS: Final = {
    "acquisition_time": 1.0,
    "reference_time": 1.0,
    "trigger_time": 1e-3,
    "frame_reference_time": 1e-3,
    "content_time": 1.0,
}
"""Columns that tell the time of a frame, and how long their unit is."""
_COMPONENTS: Final = frozenset(
    (
        "M", "P", "R", "I", "MAGNITUDE", "PHASE", "REAL", "IMAGINARY", "MIXED",
        "M_FFE", "P_FFE", "R_FFE", "I_FFE", "M_SE", "P_SE", "PHASE MAP", "B0", "B1",
        "ADC", "FA", "TRACEW", "W", "F", "IP", "OP", "WATER", "FAT", "IN_PHASE",
        "OUT_PHASE", "AXIAL", "LOCALIZER", "PRIMARY", "SECONDARY", "ORIGINAL",
        "DERIVED", "DIFFUSION", "NONE", "FIELD_MAP", "VELOCITY MAP",
    )
)  # fmt: skip
"""Words for kinds of images that may be shown; others might be anybody's free text."""


def geometry_labels(
    table: FrameTable, planes: Planes, stack: Stack, frame_shape: tuple[int, ...]
) -> tuple[dict[str, Coordinate], dict[str, Any]]:
    """Return the coordinates z, y, x in mm, and the attributes that say where they are."""
    orientation = table.numbers("orientation")[0]
    spacings = table.numbers("pixel_spacing")[:1]
    spacing = spacings[0]
    normal = normal_of(orientation)
    slots = np.arange(int(stack.slots[-1]) + 1)
    coords = {"z": Coordinate(("z",), np.interp(slots, stack.slots, planes.z), "mm")}
    distance = float(stack.step @ normal) if len(slots) > 1 else float("nan")
    attrs: dict[str, Any] = {"orientation": orientation.tolist()}
    if has_spacing(spacings).all():
        for name, direction, length, pixel in (
            ("y", orientation[3:], frame_shape[0], spacing[0]),
            ("x", orientation[:3], frame_shape[1], spacing[1]),
        ):
            first = float(stack.origin @ direction)
            values = first + pixel * np.arange(length)
            coords[name] = Coordinate((name,), values, "mm")
        attrs["spacing"] = [distance, *spacing.tolist()]
        attrs["affine"] = affine_of(orientation, spacing, stack)
    tilt = gantry_tilt(stack.step, normal)
    if tilt is not None:
        attrs["gantry_tilt"] = tilt
    return coords, attrs


def axis_labels(axis: Axis, table: FrameTable) -> dict[str, Coordinate]:
    """Return the coordinates along one axis."""
    if axis.name == "time":
        return {"time": _time(axis, table)}
    if axis.name == "component":
        return {"component": _component(axis, table)}
    if axis.name == "diffusion":
        return _diffusion(axis, table)
    column = table.numbers(_COLUMN_OF.get(axis.name, axis.source))
    if axis.name in _UNITS:
        values = _along(axis, column[:, 0])
        return {axis.name: Coordinate((axis.name,), values, _UNITS[axis.name])}
    if axis.name == "cardiac_phase":
        units = "ms" if axis.source == "trigger_delay" else "%"
        values = _along(axis, column[:, 0])
        return {axis.name: Coordinate((axis.name,), values, units)}
    return {axis.name: Coordinate((axis.name,), np.arange(axis.length))}


def frame_labels(
    table: FrameTable, places: NDArray[np.int64], dims: tuple[str, ...], *, source: bool
) -> tuple[dict[str, Coordinate], dict[str, Any]]:
    """Return what is known of every frame: as attribute where it is the same in all.

    `places` holds the row of the frame at each grid position.
    """
    coords: dict[str, Coordinate] = {}
    first = table.images[table.image[places[places != HOLE][0]]]  # not that of a name
    attrs = technical_attributes(first.header.elements, url=first.url)
    attrs = {name: one for name, one in attrs.items() if name not in _PER_FRAME}
    for name, units in _CONSTANTS.items():
        column = table.numbers(name)
        known = column[:, ~np.isnan(column).all(axis=0)]
        if known.shape[1] and (known == known[0]).all():
            one = known[0].tolist()
            attrs[name] = one[0] if len(one) == 1 else one
        elif known.shape[1]:
            coords[name] = _on_grid(column[:, 0], places, dims, units)
    kinds = np.unique(table.text("rescale_type"))
    if len(kinds) == 1 and kinds[0]:
        attrs["rescale_type"] = str(kinds[0])
    if first.format.converts_to_rgb:
        attrs["photometric_interpretation"] = "RGB"
    if source:
        coords |= _source_labels(table, places, dims)
        attrs |= _uids(first)
    return coords, attrs


def _on_grid(
    values: NDArray[Any], places: NDArray[np.int64], dims: tuple[str, ...], units: str
) -> Coordinate:
    """Spread values over the grid, along those axes only on which they vary."""
    spread = values[places]
    if (places == HOLE).any():
        spread[places == HOLE] = "" if values.dtype.kind == "U" else np.nan
        return Coordinate(dims, spread, units)
    kept = list(dims)
    for axis in reversed(range(len(dims))):
        first = spread.take([0], axis=axis)
        same = (spread == first) | ((spread != spread) & (first != first))  # noqa: PLR0124
        if len(kept) > 1 and same.all():
            spread = first.squeeze(axis)
            del kept[axis]
    return Coordinate(tuple(kept), spread, units)


def _source_labels(
    table: FrameTable, places: NDArray[np.int64], dims: tuple[str, ...]
) -> dict[str, Coordinate]:
    names = table.text("sop_instance_uid")[places]
    names[places == HOLE] = ""
    frames = table.frame[places]
    frames[places == HOLE] = HOLE
    return {
        "sop_instance_uid": Coordinate(dims, names),
        "frame_number": Coordinate(dims, frames),
    }


def _uids(image: DicomImage) -> dict[str, str]:
    get = image.header.elements.get
    wanted = {
        "series_instance_uid": tags.SERIES_INSTANCE_UID,
        "frame_of_reference_uid": tags.FRAME_OF_REFERENCE_UID,
    }
    found = {name: get(tag, "UI") for name, tag in wanted.items()}
    return {name: str(values[0]) for name, values in found.items() if values}


def _along(axis: Axis, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the smallest value at each position of an axis, NaN where there is none."""
    smallest = np.full(axis.length, np.inf)
    known = np.isfinite(values)
    np.minimum.at(smallest, axis.codes[known], values[known])
    smallest[np.isinf(smallest)] = np.nan
    return smallest


def _time(axis: Axis, table: FrameTable) -> Coordinate:
    """Count seconds from the first position, where the files tell them."""
    for column, unit in _SECONDS.items():
        seconds = _along(axis, table.numbers(column)[:, 0] * unit)
        if np.isfinite(seconds).all() and (np.diff(seconds) > 0).all():
            relative = np.round(seconds - seconds[0], 6)
            return Coordinate(("time",), relative, "s")
    return Coordinate(("time",), np.arange(axis.length))


def _diffusion(axis: Axis, table: FrameTable) -> dict[str, Coordinate]:
    columns = {"b_value": (table.numbers("b_value")[:, 0], "s/mm2")}
    directions = table.numbers("diffusion_direction")
    if directions.shape[1] == 3:
        for name, part in zip("xyz", directions.T, strict=True):
            columns[f"diffusion_{name}"] = (part, "")
    coords = {"diffusion": Coordinate(("diffusion",), np.arange(axis.length))}
    for name, (values, units) in columns.items():
        coords[name] = Coordinate(("diffusion",), _along(axis, values), units)
    return coords


def _component(axis: Axis, table: FrameTable) -> Coordinate:
    """Name the kinds of images by the words in which they differ."""
    rows = [int(np.flatnonzero(axis.codes == k)[0]) for k in range(axis.length)]
    kinds, complex_ = table.text("frame_type"), table.text("complex_component")
    words = [[*str(kinds[row]).split("\\"), str(complex_[row])] for row in rows]
    names = ["\\".join(_differing(one, words)) for one in words]
    if len(set(names)) < len(names):
        return Coordinate(("component",), np.arange(axis.length))
    return Coordinate(("component",), np.array(names))


def _differing(words: Sequence[str], others: Sequence[Sequence[str]]) -> list[str]:
    common = set(others[0]).intersection(*others)
    known = [word for word in words if word not in common and word in _COMPONENTS]
    return list(dict.fromkeys(known))
