"""Attributes of whole instances that may leave a file, and those for who asks by name."""

from typing import Final

from lazydicom._header import tags

TECHNICAL_ATTRIBUTES: Final = {
    "sop_class_uid": (tags.SOP_CLASS_UID, "UI"),
    "modality": (tags.MODALITY, "CS"),
    "image_orientation_patient": (tags.IMAGE_ORIENTATION_PATIENT, "DS"),
    "image_position_patient": (tags.IMAGE_POSITION_PATIENT, "DS"),
    "photometric_interpretation": (tags.PHOTOMETRIC_INTERPRETATION, "CS"),
    "pixel_spacing": (tags.PIXEL_SPACING, "DS"),
    "imager_pixel_spacing": (tags.IMAGER_PIXEL_SPACING, "DS"),
    "slice_thickness": (tags.SLICE_THICKNESS, "DS"),
    "spacing_between_slices": (tags.SPACING_BETWEEN_SLICES, "DS"),
    "frame_time": (tags.FRAME_TIME, "DS"),
    "echo_time": (tags.ECHO_TIME, "DS"),
    "repetition_time": (tags.REPETITION_TIME, "DS"),
    "bits_stored": (tags.BITS_STORED, "US"),
    "rescale_intercept": (tags.RESCALE_INTERCEPT, "DS"),
    "rescale_slope": (tags.RESCALE_SLOPE, "DS"),
    "window_center": (tags.WINDOW_CENTER, "DS"),
    "window_width": (tags.WINDOW_WIDTH, "DS"),
    "lossy_image_compression": (tags.LOSSY_IMAGE_COMPRESSION, "CS"),
    "dose_grid_scaling": (tags.DOSE_GRID_SCALING, "DS"),
    "dose_units": (tags.DOSE_UNITS, "CS"),
    "dose_type": (tags.DOSE_TYPE, "CS"),
    "burned_in_annotation": (tags.BURNED_IN_ANNOTATION, "CS"),
}
"""The technical attributes that leave a file by default, with tag and VR.

None of them stands in PS3.15 table E.1-1, and none is free text: patient data, UIDs of
instances, dates and names are never in this table.
"""

DESCRIPTIONS: Final = {
    "series_description": (tags.SERIES_DESCRIPTION, "LO"),
    "protocol_name": (tags.PROTOCOL_NAME, "LO"),
    "study_date": (tags.STUDY_DATE, "DA"),
}
"""What people write and may tell of a patient: for those who ask for it by name."""
