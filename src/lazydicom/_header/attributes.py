"""The attributes that the library reads: of frames, of whole instances, and technical ones.

Those of frames may differ from frame to frame. Enhanced objects hold them in functional groups
(PS3.3 section C.7.6.16.2), classic ones at the top level of each instance.
"""

from typing import Final, NamedTuple, TypeAlias

from lazydicom._header import tags

Path: TypeAlias = tuple[int, ...]
"""Tags of the sequences that lead to an element, and its own."""


_SLIDE: Final = tags.PLANE_POSITION_SLIDE_SEQUENCE
_REAL_WORLD: Final = tags.REAL_WORLD_VALUE_MAPPING_SEQUENCE
_SOURCE: Final = (tags.DERIVATION_IMAGE_SEQUENCE, tags.SOURCE_IMAGE_SEQUENCE)


class FrameAttribute(NamedTuple):
    """Where one attribute of a frame stands."""

    paths: tuple[Path, ...]
    """Inside an item of the functional groups; the first that is there holds."""
    vr: str
    width: int
    """Values per frame, 0 where their number is not fixed."""
    classic: tuple[int, str] | None = None
    """Tag and VR at the top level of a classic instance."""


FRAME_ATTRIBUTES: Final = {
    "position": FrameAttribute(
        ((tags.PLANE_POSITION_SEQUENCE, tags.IMAGE_POSITION_PATIENT),),
        "DS",
        3,
        (tags.IMAGE_POSITION_PATIENT, "DS"),
    ),
    "orientation": FrameAttribute(
        ((tags.PLANE_ORIENTATION_SEQUENCE, tags.IMAGE_ORIENTATION_PATIENT),),
        "DS",
        6,
        (tags.IMAGE_ORIENTATION_PATIENT, "DS"),
    ),
    "pixel_spacing": FrameAttribute(
        ((tags.PIXEL_MEASURES_SEQUENCE, tags.PIXEL_SPACING),),
        "DS",
        2,
        (tags.PIXEL_SPACING, "DS"),
    ),
    "slice_thickness": FrameAttribute(
        ((tags.PIXEL_MEASURES_SEQUENCE, tags.SLICE_THICKNESS),),
        "DS",
        1,
        (tags.SLICE_THICKNESS, "DS"),
    ),
    "spacing_between_slices": FrameAttribute(
        ((tags.PIXEL_MEASURES_SEQUENCE, tags.SPACING_BETWEEN_SLICES),),
        "DS",
        1,
        (tags.SPACING_BETWEEN_SLICES, "DS"),
    ),
    "dimension_index_values": FrameAttribute(
        ((tags.FRAME_CONTENT_SEQUENCE, tags.DIMENSION_INDEX_VALUES),), "UL", 0
    ),
    "stack_id": FrameAttribute(
        ((tags.FRAME_CONTENT_SEQUENCE, tags.STACK_ID),), "SH", 0, (tags.STACK_ID, "SH")
    ),
    "in_stack_position": FrameAttribute(
        ((tags.FRAME_CONTENT_SEQUENCE, tags.IN_STACK_POSITION_NUMBER),),
        "UL",
        1,
        (tags.IN_STACK_POSITION_NUMBER, "UL"),
    ),
    "volume_position": FrameAttribute(
        ((tags.PLANE_POSITION_VOLUME_SEQUENCE, tags.IMAGE_POSITION_VOLUME),), "FD", 3
    ),
    "volume_orientation": FrameAttribute(
        ((tags.PLANE_ORIENTATION_VOLUME_SEQUENCE, tags.IMAGE_ORIENTATION_VOLUME),),
        "FD",
        6,
    ),
    "temporal_offset": FrameAttribute(
        ((tags.TEMPORAL_POSITION_SEQUENCE, tags.TEMPORAL_POSITION_TIME_OFFSET),),
        "FD",
        1,
    ),
    "temporal_position": FrameAttribute(
        ((tags.FRAME_CONTENT_SEQUENCE, tags.TEMPORAL_POSITION_INDEX),),
        "UL",
        1,
        (tags.TEMPORAL_POSITION_IDENTIFIER, "IS"),
    ),
    "acquisition_time": FrameAttribute(
        ((tags.FRAME_CONTENT_SEQUENCE, tags.FRAME_ACQUISITION_DATE_TIME),),
        "DT",
        1,
        (tags.ACQUISITION_DATE_TIME, "DT"),
    ),
    "reference_time": FrameAttribute(
        ((tags.FRAME_CONTENT_SEQUENCE, tags.FRAME_REFERENCE_DATE_TIME),), "DT", 1
    ),
    "acquisition_number": FrameAttribute(
        ((tags.FRAME_CONTENT_SEQUENCE, tags.FRAME_ACQUISITION_NUMBER),),
        "US",
        1,
        (tags.ACQUISITION_NUMBER, "IS"),
    ),
    "frame_type": FrameAttribute(
        (
            (tags.MR_IMAGE_FRAME_TYPE_SEQUENCE, tags.FRAME_TYPE),
            (tags.CT_IMAGE_FRAME_TYPE_SEQUENCE, tags.FRAME_TYPE),
            (tags.PET_FRAME_TYPE_SEQUENCE, tags.FRAME_TYPE),
            (tags.XA_XRF_FRAME_CHARACTERISTICS_SEQUENCE, tags.FRAME_TYPE),
            (tags.X_RAY_3D_FRAME_TYPE_SEQUENCE, tags.FRAME_TYPE),
            (tags.US_IMAGE_DESCRIPTION_SEQUENCE, tags.FRAME_TYPE),
            (tags.INTRAVASCULAR_OCT_FRAME_TYPE_SEQUENCE, tags.FRAME_TYPE),
            (tags.PARAMETRIC_MAP_FRAME_TYPE_SEQUENCE, tags.FRAME_TYPE),
        ),
        "CS",
        0,
        (tags.IMAGE_TYPE, "CS"),
    ),
    "complex_component": FrameAttribute(
        ((tags.MR_IMAGE_FRAME_TYPE_SEQUENCE, tags.COMPLEX_IMAGE_COMPONENT),),
        "CS",
        0,
        (tags.COMPLEX_IMAGE_COMPONENT, "CS"),
    ),
    "b_value": FrameAttribute(
        ((tags.MR_DIFFUSION_SEQUENCE, tags.DIFFUSION_B_VALUE),),
        "FD",
        1,
        (tags.DIFFUSION_B_VALUE, "FD"),
    ),
    "diffusion_direction": FrameAttribute(
        (
            (
                tags.MR_DIFFUSION_SEQUENCE,
                tags.DIFFUSION_GRADIENT_DIRECTION_SEQUENCE,
                tags.DIFFUSION_GRADIENT_ORIENTATION,
            ),
        ),
        "FD",
        3,
        (tags.DIFFUSION_GRADIENT_ORIENTATION, "FD"),
    ),
    "diffusion_directionality": FrameAttribute(
        ((tags.MR_DIFFUSION_SEQUENCE, tags.DIFFUSION_DIRECTIONALITY),),
        "CS",
        0,
        (tags.DIFFUSION_DIRECTIONALITY, "CS"),
    ),
    "echo_time": FrameAttribute(
        ((tags.MR_ECHO_SEQUENCE, tags.EFFECTIVE_ECHO_TIME),),
        "FD",
        1,
        (tags.ECHO_TIME, "DS"),
    ),
    "echo_number": FrameAttribute((), "IS", 1, (tags.ECHO_NUMBERS, "IS")),
    "inversion_time": FrameAttribute(
        ((tags.MR_MODIFIER_SEQUENCE, tags.INVERSION_TIMES),),
        "FD",
        1,
        (tags.INVERSION_TIME, "DS"),
    ),
    "trigger_delay": FrameAttribute(
        (
            (
                tags.CARDIAC_SYNCHRONIZATION_SEQUENCE,
                tags.NOMINAL_CARDIAC_TRIGGER_DELAY_TIME,
            ),
            (
                tags.CARDIAC_SYNCHRONIZATION_SEQUENCE,
                tags.ACTUAL_CARDIAC_TRIGGER_DELAY_TIME,
            ),
        ),
        "FD",
        1,
    ),
    "trigger_time": FrameAttribute((), "DS", 1, (tags.TRIGGER_TIME, "DS")),
    "cardiac_phase": FrameAttribute(
        (
            (
                tags.CARDIAC_SYNCHRONIZATION_SEQUENCE,
                tags.NOMINAL_PERCENTAGE_OF_CARDIAC_PHASE,
            ),
        ),
        "FL",
        1,
        (tags.NOMINAL_PERCENTAGE_OF_CARDIAC_PHASE, "FL"),
    ),
    "frame_reference_time": FrameAttribute(
        (), "DS", 1, (tags.FRAME_REFERENCE_TIME, "DS")
    ),
    "kvp": FrameAttribute(
        ((tags.CT_X_RAY_DETAILS_SEQUENCE, tags.KVP),), "DS", 1, (tags.KVP, "DS")
    ),
    "flip_angle": FrameAttribute(
        ((tags.MR_TIMING_AND_RELATED_PARAMETERS_SEQUENCE, tags.FLIP_ANGLE),),
        "DS",
        1,
        (tags.FLIP_ANGLE, "DS"),
    ),
    "repetition_time": FrameAttribute(
        ((tags.MR_TIMING_AND_RELATED_PARAMETERS_SEQUENCE, tags.REPETITION_TIME),),
        "DS",
        1,
        (tags.REPETITION_TIME, "DS"),
    ),
    "respiratory_phase": FrameAttribute(
        (
            (
                tags.RESPIRATORY_SYNCHRONIZATION_SEQUENCE,
                tags.NOMINAL_PERCENTAGE_OF_RESPIRATORY_PHASE,
            ),
        ),
        "FL",
        1,
        (tags.NOMINAL_PERCENTAGE_OF_RESPIRATORY_PHASE, "FL"),
    ),
    "gantry_angle": FrameAttribute((), "DS", 1, (tags.GANTRY_ANGLE, "DS")),
    "exposure": FrameAttribute((), "IS", 1, (tags.EXPOSURE, "IS")),
    "x_ray_tube_current": FrameAttribute((), "IS", 1, (tags.X_RAY_TUBE_CURRENT, "IS")),
    "longitudinal_distance": FrameAttribute(
        (
            (
                tags.INTRAVASCULAR_FRAME_CONTENT_SEQUENCE,
                tags.INTRAVASCULAR_LONGITUDINAL_DISTANCE,
            ),
        ),
        "FD",
        1,
    ),
    "segment_number": FrameAttribute(
        ((tags.SEGMENT_IDENTIFICATION_SEQUENCE, tags.REFERENCED_SEGMENT_NUMBER),),
        "US",
        1,
    ),
    "tile_row": FrameAttribute(
        ((_SLIDE, tags.ROW_POSITION_IN_TOTAL_IMAGE_PIXEL_MATRIX),),
        "SL",
        1,
    ),
    "tile_column": FrameAttribute(
        ((_SLIDE, tags.COLUMN_POSITION_IN_TOTAL_IMAGE_PIXEL_MATRIX),),
        "SL",
        1,
    ),
    "slide_z": FrameAttribute(
        ((_SLIDE, tags.Z_OFFSET_IN_SLIDE_COORDINATE_SYSTEM),),
        "DS",
        1,
    ),
    "optical_path": FrameAttribute(
        (
            (
                tags.OPTICAL_PATH_IDENTIFICATION_SEQUENCE,
                tags.OPTICAL_PATH_IDENTIFIER,
            ),
        ),
        "SH",
        0,
    ),
    "rescale_intercept": FrameAttribute(
        ((tags.PIXEL_VALUE_TRANSFORMATION_SEQUENCE, tags.RESCALE_INTERCEPT),),
        "DS",
        1,
        (tags.RESCALE_INTERCEPT, "DS"),
    ),
    "rescale_slope": FrameAttribute(
        ((tags.PIXEL_VALUE_TRANSFORMATION_SEQUENCE, tags.RESCALE_SLOPE),),
        "DS",
        1,
        (tags.RESCALE_SLOPE, "DS"),
    ),
    "rescale_type": FrameAttribute(
        ((tags.PIXEL_VALUE_TRANSFORMATION_SEQUENCE, tags.RESCALE_TYPE),),
        "LO",
        0,
        (tags.RESCALE_TYPE, "LO"),
    ),
    "philips_scale_slope": FrameAttribute(
        ((tags.PHILIPS_FRAME_SEQUENCE, tags.PHILIPS_SCALE_SLOPE),), "FL", 1
    ),
    "real_world_slope": FrameAttribute(
        ((_REAL_WORLD, tags.REAL_WORLD_VALUE_SLOPE),),
        "FD",
        1,
    ),
    "real_world_intercept": FrameAttribute(
        ((_REAL_WORLD, tags.REAL_WORLD_VALUE_INTERCEPT),),
        "FD",
        1,
    ),
    "real_world_units": FrameAttribute(
        (
            (
                _REAL_WORLD,
                tags.MEASUREMENT_UNITS_CODE_SEQUENCE,
                tags.CODE_VALUE,
            ),
        ),
        "SH",
        0,
    ),
    "quantity": FrameAttribute(
        (
            (
                _REAL_WORLD,
                tags.QUANTITY_DEFINITION_SEQUENCE,
                tags.CONCEPT_CODE_SEQUENCE,
                tags.CODE_VALUE,
            ),
        ),
        "SH",
        0,
    ),
    "real_world_label": FrameAttribute(((_REAL_WORLD, tags.LUT_LABEL),), "SH", 0),
    "window_center": FrameAttribute(
        ((tags.FRAME_VOI_LUT_SEQUENCE, tags.WINDOW_CENTER),),
        "DS",
        0,
        (tags.WINDOW_CENTER, "DS"),
    ),
    "window_width": FrameAttribute(
        ((tags.FRAME_VOI_LUT_SEQUENCE, tags.WINDOW_WIDTH),),
        "DS",
        0,
        (tags.WINDOW_WIDTH, "DS"),
    ),
    "voi_lut_function": FrameAttribute(
        ((tags.FRAME_VOI_LUT_SEQUENCE, tags.VOI_LUT_FUNCTION),),
        "CS",
        0,
        (tags.VOI_LUT_FUNCTION, "CS"),
    ),
    "source_sop_instance_uid": FrameAttribute(
        ((*_SOURCE, tags.REFERENCED_SOP_INSTANCE_UID),),
        "UI",
        0,
    ),
    "source_frame_number": FrameAttribute(
        ((*_SOURCE, tags.REFERENCED_FRAME_NUMBER),),
        "IS",
        0,
    ),
}
"""Every column, by name: numbers are float64, text is str, times are seconds."""

INSTANCE_SEQUENCES: Final = {
    "has_modality_lut": tags.MODALITY_LUT_SEQUENCE,
    "has_voi_lut": tags.VOI_LUT_SEQUENCE,
    "has_real_world_values": tags.REAL_WORLD_VALUE_MAPPING_SEQUENCE,
}
"""Sequences of whole instances: columns say whether they are there, 1 or 0."""

TEXT: Final = frozenset(("SH", "LO", "CS", "UI", "DA", "TM"))

PLACE: Final = frozenset(
    (tags.IMAGE_POSITION_PATIENT, tags.IMAGE_ORIENTATION_PATIENT, tags.PIXEL_SPACING)
)
"""Position, orientation, spacing: without them, pixels stand in the wrong place."""

COMPUTED: Final = frozenset(
    ("rescale_slope", "rescale_intercept", "window_center", "window_width")
)
"""Columns whose numbers change pixels: one that is no number is an error there."""
