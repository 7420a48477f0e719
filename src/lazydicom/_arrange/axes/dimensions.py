"""Axes that an object declares by a Dimension Index Pointer (PS3.3 section C.7.6.17)."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.coordinate import Coordinate
from lazydicom._array.frame_table import FrameTable
from lazydicom._header.columns.dimensions import PREFIX

_AXES: Final = {
    "monoenergetic_energy_equivalent": ("energy", "keV"),
    "velocity_encoding_direction": ("velocity_direction", ""),
    "optical_path_identifier": ("optical_path", ""),
    "repetition_time": ("repetition_time", "ms"),
    "table_position": ("table_position", "mm"),
    "gantry_detector_tilt": ("gantry_detector_tilt", "deg"),
    "x_ray_tube_current_in_m_a": ("x_ray_tube_current", "mA"),
    "exposure_time_in_ms": ("exposure_time", "ms"),
    "exposure_in_m_as": ("exposure", "mAs"),
    "positioner_primary_angle": ("positioner_primary_angle", "deg"),
    "positioner_secondary_angle": ("positioner_secondary_angle", "deg"),
    "beam_angle": ("beam_angle", "deg"),
    "depth_of_transverse_image": ("depth", "mm"),
    "illumination_wave_length": ("wavelength", "nm"),
}
"""Shorter names, and units; others are called by their keyword and have no unit."""


def declared_axes(table: FrameTable) -> Iterator[tuple[str, str, NDArray[np.generic]]]:
    """Yield name, column and values of each dimension that is declared."""
    for column in table.columns:
        if column.startswith(PREFIX):
            text = table.columns[column].dtype.kind == "U"
            values = table.text(column) if text else table.numbers(column)
            yield _name_and_units(column)[0], column, values


def declared_labels(
    name: str, column: str, codes: NDArray[np.int64], table: FrameTable
) -> dict[str, Coordinate]:
    """Return the coordinates of a declared axis: its values, or those of a direction.

    Text may be anybody's: it is counted.
    """
    firsts = np.unique(codes, return_index=True)[1]
    counts = {name: Coordinate((name,), np.arange(len(firsts)))}
    values, units = table.columns[column], _name_and_units(column)[1]
    if values.dtype.kind == "U":
        return counts
    values = table.numbers(column)[firsts]
    if values.shape[1] == 1:
        return {name: Coordinate((name,), values[:, 0], units)}
    parts = zip("xyz", values.T, strict=False)
    return counts | {
        f"{name}_{part}": Coordinate((name,), one, units) for part, one in parts
    }


def _name_and_units(column: str) -> tuple[str, str]:
    keyword = column.removeprefix(PREFIX)
    return _AXES.get(keyword, (keyword, ""))
