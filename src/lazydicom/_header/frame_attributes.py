"""What is known of a single frame: the attributes that may differ from frame to frame.

Enhanced objects hold them in functional groups (PS3.3 section C.7.6.16.2), classic ones at
the top level of each instance.
"""

from typing import Final, NamedTuple, TypeAlias

Path: TypeAlias = tuple[int, ...]
"""Tags of the sequences that lead to an element, and its own."""


class FrameAttribute(NamedTuple):
    """Where one attribute of a frame stands."""

    paths: tuple[Path, ...]
    """Inside an item of the functional groups; the first that is there holds."""
    vr: str
    width: int
    """Values per frame, 0 where their number is not fixed."""
    classic: tuple[int, str] | None = None
    """Tag and VR at the top level of a classic instance."""


_MR_IMAGE_FRAME_TYPE: Final = 0x00189226
_CT_IMAGE_FRAME_TYPE: Final = 0x00189329
_PET_FRAME_TYPE: Final = 0x00189751
_XA_XRF_FRAME_CHARACTERISTICS: Final = 0x00189412
_FRAME_CONTENT: Final = 0x00209111
_MR_DIFFUSION: Final = 0x00189117
_CARDIAC_SYNCHRONIZATION: Final = 0x00189118
_PIXEL_MEASURES: Final = 0x00289110
_PIXEL_VALUE_TRANSFORMATION: Final = 0x00289145
_FRAME_VOI_LUT: Final = 0x00289132
_DERIVATION: Final = 0x00089124
_SOURCE_IMAGE: Final = 0x00082112

FRAME_ATTRIBUTES: Final = {
    "position": FrameAttribute(
        ((0x00209113, 0x00200032),), "DS", 3, (0x00200032, "DS")
    ),
    "orientation": FrameAttribute(
        ((0x00209116, 0x00200037),), "DS", 6, (0x00200037, "DS")
    ),
    "pixel_spacing": FrameAttribute(
        ((_PIXEL_MEASURES, 0x00280030),), "DS", 2, (0x00280030, "DS")
    ),
    "slice_thickness": FrameAttribute(
        ((_PIXEL_MEASURES, 0x00180050),), "DS", 1, (0x00180050, "DS")
    ),
    "spacing_between_slices": FrameAttribute(
        ((_PIXEL_MEASURES, 0x00180088),), "DS", 1, (0x00180088, "DS")
    ),
    "dimension_index_values": FrameAttribute(((_FRAME_CONTENT, 0x00209157),), "UL", 0),
    "stack_id": FrameAttribute(
        ((_FRAME_CONTENT, 0x00209056),), "SH", 0, (0x00209056, "SH")
    ),
    "in_stack_position": FrameAttribute(
        ((_FRAME_CONTENT, 0x00209057),), "UL", 1, (0x00209057, "UL")
    ),
    "temporal_position": FrameAttribute(
        ((_FRAME_CONTENT, 0x00209128),), "UL", 1, (0x00200100, "IS")
    ),
    "acquisition_time": FrameAttribute(
        ((_FRAME_CONTENT, 0x00189074),), "DT", 1, (0x0008002A, "DT")
    ),
    "reference_time": FrameAttribute(((_FRAME_CONTENT, 0x00189151),), "DT", 1),
    "acquisition_number": FrameAttribute(
        ((_FRAME_CONTENT, 0x00209156),), "US", 1, (0x00200012, "IS")
    ),
    "frame_type": FrameAttribute(
        (
            (_MR_IMAGE_FRAME_TYPE, 0x00089007),
            (_CT_IMAGE_FRAME_TYPE, 0x00089007),
            (_PET_FRAME_TYPE, 0x00089007),
            (_XA_XRF_FRAME_CHARACTERISTICS, 0x00089007),
        ),
        "CS",
        0,
        (0x00080008, "CS"),
    ),
    "complex_component": FrameAttribute(
        ((_MR_IMAGE_FRAME_TYPE, 0x00089208),), "CS", 0, (0x00089208, "CS")
    ),
    "b_value": FrameAttribute(
        ((_MR_DIFFUSION, 0x00189087),), "FD", 1, (0x00189087, "FD")
    ),
    "diffusion_direction": FrameAttribute(
        ((_MR_DIFFUSION, 0x00189076, 0x00189089),), "FD", 3, (0x00189089, "FD")
    ),
    "diffusion_directionality": FrameAttribute(
        ((_MR_DIFFUSION, 0x00189075),), "CS", 0, (0x00189075, "CS")
    ),
    "echo_time": FrameAttribute(
        ((0x00189114, 0x00189082),), "FD", 1, (0x00180081, "DS")
    ),
    "inversion_time": FrameAttribute(
        ((0x00189115, 0x00189079),), "FD", 1, (0x00180082, "DS")
    ),
    "trigger_delay": FrameAttribute(
        (
            (_CARDIAC_SYNCHRONIZATION, 0x00209153),
            (_CARDIAC_SYNCHRONIZATION, 0x00189084),
        ),
        "FD",
        1,
    ),
    "trigger_time": FrameAttribute((), "DS", 1, (0x00181060, "DS")),
    "cardiac_phase": FrameAttribute(
        ((_CARDIAC_SYNCHRONIZATION, 0x00209241),), "FL", 1, (0x00209241, "FL")
    ),
    "frame_reference_time": FrameAttribute((), "DS", 1, (0x00541300, "DS")),
    "kvp": FrameAttribute(
        ((0x00189325, 0x00180060),), "DS", 1, (0x00180060, "DS")
    ),
    "segment_number": FrameAttribute(((0x0062000A, 0x0062000B),), "US", 1),
    "rescale_intercept": FrameAttribute(
        ((_PIXEL_VALUE_TRANSFORMATION, 0x00281052),), "DS", 1, (0x00281052, "DS")
    ),
    "rescale_slope": FrameAttribute(
        ((_PIXEL_VALUE_TRANSFORMATION, 0x00281053),), "DS", 1, (0x00281053, "DS")
    ),
    "rescale_type": FrameAttribute(
        ((_PIXEL_VALUE_TRANSFORMATION, 0x00281054),), "LO", 0, (0x00281054, "LO")
    ),
    "window_center": FrameAttribute(
        ((_FRAME_VOI_LUT, 0x00281050),), "DS", 0, (0x00281050, "DS")
    ),
    "window_width": FrameAttribute(
        ((_FRAME_VOI_LUT, 0x00281051),), "DS", 0, (0x00281051, "DS")
    ),
    "voi_lut_function": FrameAttribute(
        ((_FRAME_VOI_LUT, 0x00281056),), "CS", 0, (0x00281056, "CS")
    ),
    "source_sop_instance_uid": FrameAttribute(
        ((_DERIVATION, _SOURCE_IMAGE, 0x00081155),), "UI", 0
    ),
    "source_frame_number": FrameAttribute(
        ((_DERIVATION, _SOURCE_IMAGE, 0x00081160),), "IS", 0
    ),
}  # fmt: skip
"""Every column, by name: numbers are float64, text is str, times are seconds."""

INSTANCE_ATTRIBUTES: Final = {
    "series_instance_uid": (0x0020000E, "UI"),
    "sop_instance_uid": (0x00080018, "UI"),
    "concatenation_uid": (0x00209161, "UI"),
    "frame_of_reference_uid": (0x00200052, "UI"),
    "modality": (0x00080060, "CS"),
    "series_number": (0x00200011, "IS"),
    "instance_number": (0x00200013, "IS"),
    "acquisition_date": (0x00080022, "DA"),
    "acquisition_clock": (0x00080032, "TM"),
    "content_date": (0x00080023, "DA"),
    "content_clock": (0x00080033, "TM"),
    "manufacturer": (0x00080070, "LO"),
    "ge_owner": (0x00430010, "LO"),
    "ge_b_value": (0x00431039, "IS"),
    "siemens_owner": (0x00190010, "LO"),
    "siemens_b_value": (0x0019100C, "IS"),
    "philips_owner": (0x20010010, "LO"),
    "philips_b_value": (0x20011003, "FL"),
}
"""What holds for a whole instance, with tag and VR; the first value counts."""

TEXT: Final = frozenset(("SH", "LO", "CS", "UI", "DA", "TM"))
