"""What axes are called, in which order they stand, and which columns give their values."""

from typing import Final

VALUE_AXES: Final = {
    "echo": ("echo_time", "ms"),
    "inversion": ("inversion_time", "ms"),
    "kvp": ("kvp", "kV"),
    "flip_angle": ("flip_angle", "deg"),
    "respiratory_phase": ("respiratory_phase", "%"),
    "segment": ("segment_number", ""),
    "location": ("longitudinal_distance", "mm"),
    "depth": ("slide_z", "um"),
}
"""Axes whose coordinate is a column: its name, and its unit."""
COUNTED_AXES: Final = {
    "energy_window": "",
    "detector": "",
    "rotation": "",
    "rr_interval": "",
    "phase": "",
    "time_slot": "s",
    "angular_view": "deg",
    "time_slice": "",
    "slice": "",
}
"""Axes whose positions a column counts; the unit is that of ``…_value``, where known."""
AXIS_ORDER: Final = (
    "energy_window",
    "detector",
    "rotation",
    "phase",
    "rr_interval",
    "time_slot",
    "angular_view",
    "time_slice",
    "slice",
    "time",
    "cardiac_phase",
    "respiratory_phase",
    "repeat",
    "diffusion",
    "b_value",
    "echo",
    "inversion",
    "kvp",
    "flip_angle",
    "component",
    "quantity",
    "segment",
    "dimension",
    "location",
    "depth",
)
"""From the slowest axis to the fastest; then come z, y, x."""
