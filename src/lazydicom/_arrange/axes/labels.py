"""Coordinates and attributes of frames that have found their place on a grid.

What varies and is no axis, as times, weightings, movements do, is a coordinate along those axes
alone on which it varies.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._arrange.axes.components import component_codes, component_names
from lazydicom._arrange.axes.dimensions import declared_labels
from lazydicom._arrange.axes.find import Axis
from lazydicom._arrange.axes.names import COUNTED_AXES, VALUE_AXES
from lazydicom._arrange.csa import csa_numbers
from lazydicom._arrange.geometry import (
    SAME_PLANE,
    Planes,
    Stack,
    affine_of,
    gantry_tilt,
    has_spacing,
    normal_of,
)
from lazydicom._array.coordinate import Coordinate
from lazydicom._array.frame_table import FrameTable
from lazydicom._array.grid import HOLE
from lazydicom._array.image import DicomImage
from lazydicom._header import tags
from lazydicom._header.columns.dimensions import PREFIX
from lazydicom._header.values import technical_attributes

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
    "energy_lower": "keV",
    "energy_upper": "keV",
}
"""Columns that become an attribute where they are the same in all frames, else coordinates."""
_COLUMNS: Final = {**VALUE_AXES, "b_value": ("b_value", "s/mm2")}
"""Column and unit of axes that are at a value."""
_VARYING: Final = {
    "slice_time": "s",
    "inversion_time": "ms",
    "trigger_time": "ms",
    "frame_reference_time": "ms",
    "flip_angle": "deg",
    "repetition_time": "ms",
    "kvp": "kV",
    "x_ray_tube_current": "mA",
    "exposure": "mAs",
    "gantry_angle": "deg",
    "b_value": "s/mm2",
    "positioner_primary_angle": "deg",
    "positioner_secondary_angle": "deg",
    "table_vertical": "mm",
    "table_longitudinal": "mm",
    "table_lateral": "mm",
}
"""Columns that are a coordinate where frames differ in them, with their units."""
_CLOCKS: Final = {
    "temporal_offset": 1.0,
    "acquisition_time": 1.0,
    "reference_time": 1.0,
    "trigger_time": 1e-3,
    "frame_reference_time": 1e-3,
    "content_time": 1.0,
}
"""Columns that tell the time of a frame, and how long their unit is."""
_SAME_TIME: Final = 1e-3
"""Seconds."""
_SAME_PART: Final = 0.01
"""Of an interval."""


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


def pixel_labels(table: FrameTable) -> tuple[dict[str, Coordinate], dict[str, Any]]:
    """Return what is known of pixels that have no z: rows and columns in mm, the place."""
    spacings = table.numbers("pixel_spacing")
    attributes = technical_attributes(
        table.images[table.image[0]].header.elements,
        url=table.images[table.image[0]].url,
    )
    names = ("image_position_patient", "image_orientation_patient")
    attrs = {name: attributes[name] for name in names if name in attributes}
    if not has_spacing(spacings).all():
        get = table.images[table.image[0]].header.elements.get
        spacings = np.array([get(tags.IMAGE_PLANE_PIXEL_SPACING, "DS")], np.float64)
    if not has_spacing(spacings).all() or (spacings != spacings[0]).any():
        return {}, attrs
    attrs["pixel_spacing"] = spacings[0].tolist()
    rows, columns = table.images[0].plane_shape[:2]
    lengths = {"y": (rows, spacings[0, 0]), "x": (columns, spacings[0, 1])}
    coords = {
        name: Coordinate((name,), step * np.arange(length), "mm")
        for name, (length, step) in lengths.items()
    }
    return coords, attrs


def axis_labels(
    axis: Axis, axes: list[Axis], table: FrameTable
) -> dict[str, Coordinate]:
    """Return the coordinates along one of the axes."""
    if axis.name == "time":
        return {"time": time_label(axis, axes, table)}
    if axis.name == "component":
        names = component_names(table, axis.codes)
        return {"component": Coordinate(("component",), names)}
    if axis.name == "quantity" and axis.source == "quantity":
        first = np.unique(axis.codes, return_index=True)[1]
        values = table.text("quantity")[first]  # a label would be free text
        return {"quantity": Coordinate(("quantity",), values)}
    if axis.name == "diffusion":
        return _diffusion(axis, table)
    if axis.source.startswith(PREFIX):
        return declared_labels(axis.name, axis.source, axis.codes, table)
    positions, units = _positions(axis, table)
    return {axis.name: Coordinate((axis.name,), positions, units)}


def _positions(axis: Axis, table: FrameTable) -> tuple[NDArray[Any], str]:
    """Return the values along an axis and their unit, a count where none is known."""
    if axis.name in COUNTED_AXES:
        values = _along(axis, table.numbers(f"{axis.name}_value")[:, 0])
        if np.isfinite(values).all():
            return values, COUNTED_AXES[axis.name]
        return _along(axis, table.numbers(axis.name)[:, 0]), ""
    if axis.source == "echo_number":
        return _along(axis, table.numbers("echo_number")[:, 0]), ""
    if axis.name in _COLUMNS:
        column, units = _COLUMNS[axis.name]
        return _along(axis, table.numbers(column)[:, 0]), units
    if axis.name == "cardiac_phase":
        units = "ms" if axis.source == "trigger_delay" else "%"
        return _along(axis, table.numbers(axis.source)[:, 0]), units
    return np.arange(axis.length), ""


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
            coords[name] = spread(column[:, 0], places, dims, units)
    coords |= varying_labels(table, places, dims)
    kinds = np.unique(table.text("rescale_type"))
    if len(kinds) == 1 and kinds[0]:
        attrs["rescale_type"] = str(kinds[0])
    if first.format.pixel.samples_per_pixel > 1 and first.format.converts_to_rgb:
        attrs["photometric_interpretation"] = "RGB"
    if str(table.text("manufacturer")[0]).lower().startswith("siemens"):
        attrs |= phase_encoding(first)
    if source:
        coords |= origin_labels(table, places, dims)
        attrs |= _uids(first)
    return coords, attrs


def phase_encoding(image: DicomImage) -> dict[str, bool]:
    """Return whether phases are encoded along the direction that the attribute names.

    Only the CSA header of Siemens tells it.
    """
    name = "PhaseEncodingDirectionPositive"
    told = csa_numbers(image.header.elements, (name,)).get(name)
    return {} if told is None else {"phase_encoding_positive": bool(told[0])}


def origin_labels(
    table: FrameTable, places: NDArray[np.int64], dims: tuple[str, ...]
) -> dict[str, Coordinate]:
    """Return instance and frame of each place; nothing and -1 for holes."""
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
    uids = {name: get(tag, "UI") for name, tag in wanted.items()}
    return {name: str(values[0]) for name, values in uids.items() if values}


def _along(axis: Axis, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the smallest value at each position of an axis, NaN where there is none."""
    smallest = np.full(axis.length, np.inf)
    known = np.isfinite(values)
    np.minimum.at(smallest, axis.codes[known], values[known])
    smallest[np.isinf(smallest)] = np.nan
    return smallest


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


def component_label(
    table: FrameTable, places: NDArray[np.int64], dims: tuple[str, ...]
) -> dict[str, Coordinate]:
    """Return the kind of each frame, where kinds differ and are no axis."""
    words = (table.text("frame_type"), table.text("complex_component"))
    if "component" in dims or all((one == one[0]).all() for one in words):
        return {}
    codes = component_codes(table)
    names = component_names(table, codes)
    if names.dtype.kind != "U":
        return {}  # words that may be anybody's: numbers tell nothing
    return {"component": spread(names[codes], places, dims, "")}


def spread(
    values: NDArray[Any], places: NDArray[np.int64], dims: tuple[str, ...], units: str
) -> Coordinate:
    """Spread values of frames over the grid, along those axes only on which they vary."""
    grid = values[places]
    if (places == HOLE).any():
        grid[places == HOLE] = "" if values.dtype.kind == "U" else np.nan
        return Coordinate(dims, grid, units)
    kept = list(dims)
    for axis in reversed(range(len(dims))):
        first = grid.take([0], axis=axis)
        same = (grid == first) | ((grid != grid) & (first != first))  # noqa: PLR0124
        if len(kept) > 1 and same.all():
            grid = first.squeeze(axis)
            del kept[axis]
    return Coordinate(tuple(kept), grid, units)


def varying_labels(
    table: FrameTable, places: NDArray[np.int64], dims: tuple[str, ...]
) -> dict[str, Coordinate]:
    """Return coordinates of the columns in which frames differ."""
    coords = {
        name: spread(table.numbers(name)[:, 0], places, dims, units)
        for name, units in {**_VARYING, **dict.fromkeys(COUNTED_AXES, "")}.items()
        if name not in dims and (name != "slice" or "z" not in dims)
        if _varies(table.numbers(name))
    }
    directions = table.numbers("diffusion_direction")
    if "diffusion" not in dims and any(_varies(one[:, None]) for one in directions.T):
        coords |= {
            f"diffusion_{name}": spread(one, places, dims, "")
            for name, one in zip("xyz", directions.T, strict=False)
        }
    seconds = table.numbers("acquisition_time")[:, 0]
    if np.isfinite(seconds).all() and np.ptp(seconds) > 0:
        since_first = np.round(seconds - seconds.min(), 6)
        coords["acquisition_time"] = spread(since_first, places, dims, "s")
    return coords


def moved_origins(
    table: FrameTable,
    planes: Planes,
    stack: Stack,
    grid: tuple[NDArray[np.int64], tuple[str, ...]],
    *,
    pixel_mm: float,
) -> dict[str, Coordinate]:
    """Return the origin of each volume, where volumes moved by a fraction of a pixel.

    `grid` is the row of the frame at each position, and the names of the axes.
    """
    moves = table.numbers("position") - planes.positions[planes.index]
    if np.abs(moves).max() <= SAME_PLANE * pixel_mm:
        return {}
    origins = np.round(stack.origin + moves, 6)
    return {
        f"origin_{name}": spread(origins[:, k], *grid, "mm")
        for k, name in enumerate("xyz")
    }


def time_label(axis: Axis, axes: list[Axis], table: FrameTable) -> Coordinate:
    """Return seconds from the first position, a count where other axes tell other times."""
    for column, unit in _CLOCKS.items():
        seconds = _times(axis, axes, table.numbers(column)[:, 0] * unit)
        if seconds is not None:
            relative = np.round(seconds - seconds[0], 6)
            return Coordinate((axis.name,), relative, "s")
    return Coordinate((axis.name,), np.arange(axis.length))


def _times(
    axis: Axis, axes: list[Axis], seconds: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Return the time of each position, ``None`` where it does not hold or does not rise."""
    if np.isnan(seconds).any():
        return None
    shape = tuple(one.length for one in axes)
    begins = np.full(shape, np.inf)
    np.minimum.at(begins, tuple(one.codes for one in axes), seconds)
    number = [one.name for one in axes].index(axis.name)
    by_position = np.moveaxis(begins, number, 0).reshape(axis.length, -1)
    known = np.isfinite(by_position)
    if not known.any(axis=1).all():
        return None
    first = by_position.min(axis=1)
    last = np.where(known, by_position, -np.inf).max(axis=1)
    intervals = np.diff(first)
    if (intervals <= 0).any():
        return None
    tolerance = max(_SAME_TIME, _SAME_PART * intervals.min(initial=np.inf))
    return first if (last - first).max() <= tolerance else None


def _varies(column: NDArray[np.float64]) -> bool:
    values = column[:, 0]
    known = values[~np.isnan(values)]
    return known.size > 0 and bool(
        known.size < values.size or (known != known[0]).any()
    )
