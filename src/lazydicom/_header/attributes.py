"""The technical attributes that leave a file by default.

None of them stands in PS3.15 table E.1-1, and none is free text: patient data, UIDs of
instances, dates and names are never in this table.
"""

from typing import Final

TECHNICAL_ATTRIBUTES: Final = {
    "sop_class_uid": (0x00080016, "UI"),
    "modality": (0x00080060, "CS"),
    "image_orientation_patient": (0x00200037, "DS"),
    "image_position_patient": (0x00200032, "DS"),
    "photometric_interpretation": (0x00280004, "CS"),
    "pixel_spacing": (0x00280030, "DS"),
    "imager_pixel_spacing": (0x00181164, "DS"),
    "slice_thickness": (0x00180050, "DS"),
    "spacing_between_slices": (0x00180088, "DS"),
    "frame_time": (0x00181063, "DS"),
    "echo_time": (0x00180081, "DS"),
    "repetition_time": (0x00180080, "DS"),
    "bits_stored": (0x00280101, "US"),
    "rescale_intercept": (0x00281052, "DS"),
    "rescale_slope": (0x00281053, "DS"),
    "window_center": (0x00281050, "DS"),
    "window_width": (0x00281051, "DS"),
    "lossy_image_compression": (0x00282110, "CS"),
    "burned_in_annotation": (0x00280301, "CS"),
}
"""Tag and VR of each attribute, by keyword in snake case."""
