"""Attributes that hold for whole instances."""

from typing import Final

from lazydicom._header import tags

INSTANCE_ATTRIBUTES: Final = {
    "series_instance_uid": (tags.SERIES_INSTANCE_UID, "UI"),
    "sop_instance_uid": (tags.SOP_INSTANCE_UID, "UI"),
    "concatenation_uid": (tags.CONCATENATION_UID, "UI"),
    "frame_of_reference_uid": (tags.FRAME_OF_REFERENCE_UID, "UI"),
    "modality": (tags.MODALITY, "CS"),
    "series_number": (tags.SERIES_NUMBER, "IS"),
    "instance_number": (tags.INSTANCE_NUMBER, "IS"),
    "acquisition_date": (tags.ACQUISITION_DATE, "DA"),
    "acquisition_clock": (tags.ACQUISITION_TIME, "TM"),
    "content_date": (tags.CONTENT_DATE, "DA"),
    "content_clock": (tags.CONTENT_TIME, "TM"),
    "manufacturer": (tags.MANUFACTURER, "LO"),
    "sop_class_uid": (tags.SOP_CLASS_UID, "UI"),
    "units": (tags.UNITS, "CS"),
    "phase_encoding": (tags.IN_PLANE_PHASE_ENCODING_DIRECTION, "CS"),
    "concatenation_frame_offset": (tags.CONCATENATION_FRAME_OFFSET_NUMBER, "UL"),
    "concatenation_parts": (tags.IN_CONCATENATION_TOTAL_NUMBER, "US"),
    "padding_value": (tags.PIXEL_PADDING_VALUE, "US"),
    "dimension_organization_type": (tags.DIMENSION_ORGANIZATION_TYPE, "CS"),
    "total_rows": (tags.TOTAL_PIXEL_MATRIX_ROWS, "UL"),
    "total_columns": (tags.TOTAL_PIXEL_MATRIX_COLUMNS, "UL"),
    "segmentation_type": (tags.SEGMENTATION_TYPE, "CS"),
    "maximum_fractional_value": (tags.MAXIMUM_FRACTIONAL_VALUE, "US"),
    "padding_limit": (tags.PIXEL_PADDING_RANGE_LIMIT, "US"),
}
"""What holds for a whole instance, with tag and VR; the first value counts."""
