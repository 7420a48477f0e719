"""Private elements of vendors that columns are read from.

No standard defines them: they count only where the public attribute is absent.
"""

from typing import Final

from lazydicom._header import tags
from lazydicom._header.elements import PrivateElement

_GE_B: Final = ("GEMS_PARM_01", "ge")
_GE_DIRECTION: Final = ("GEMS_ACQU_01", "ge")
_SIEMENS: Final = ("SIEMENS MR HEADER", "siemens")
_PHILIPS: Final = ("Philips Imaging DD 001", "philips")
_PHILIPS_MR: Final = ("Philips MR Imaging DD 001", "philips")
_UIH: Final = ("Image Private Header", "uih")

VENDOR_ELEMENTS: Final = {
    "ge_b_value": PrivateElement(*_GE_B, tags.GE_B_VALUE, "IS"),
    "ge_image_kind": PrivateElement(*_GE_B, tags.GE_IMAGE_KIND, "SS"),
    "ge_frequency": PrivateElement(*_GE_DIRECTION, tags.GE_DIRECTION_FREQUENCY, "DS"),
    "ge_phase": PrivateElement(*_GE_DIRECTION, tags.GE_DIRECTION_PHASE, "DS"),
    "ge_slice": PrivateElement(*_GE_DIRECTION, tags.GE_DIRECTION_SLICE, "DS"),
    "siemens_b_value": PrivateElement(*_SIEMENS, tags.SIEMENS_B_VALUE, "IS"),
    "siemens_direction": PrivateElement(
        *_SIEMENS, tags.SIEMENS_DIFFUSION_DIRECTION, "FD", 3
    ),
    "philips_b_value": PrivateElement(*_PHILIPS, tags.PHILIPS_B_VALUE, "FL"),
    "philips_x": PrivateElement(*_PHILIPS_MR, tags.PHILIPS_DIRECTION_RL, "FL"),
    "philips_y": PrivateElement(*_PHILIPS_MR, tags.PHILIPS_DIRECTION_AP, "FL"),
    "philips_z": PrivateElement(*_PHILIPS_MR, tags.PHILIPS_DIRECTION_FH, "FL"),
    "philips_scale_slope": PrivateElement(*_PHILIPS_MR, tags.PHILIPS_SCALE_SLOPE, "FL"),
    "uih_b_value": PrivateElement(*_UIH, tags.UIH_B_VALUE, "FD"),
    "uih_direction": PrivateElement(*_UIH, tags.UIH_DIFFUSION_DIRECTION, "FD", 3),
}
"""By the name of the column."""
SIEMENS_CSA: Final = PrivateElement(
    "SIEMENS CSA HEADER", "siemens", tags.SIEMENS_CSA_IMAGE_HEADER, "OB"
)
"""Holds a table of its own."""
SIEMENS_SLICE_TIMES: Final = PrivateElement(
    *_SIEMENS, tags.SIEMENS_MOSAIC_REF_ACQ_TIMES, "FD", 0
)
"""Of mosaics, a value for each tile, in ms."""
