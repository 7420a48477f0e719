"""A small file of each codec."""

from __future__ import annotations

from codec_frames import CASES, KINDS, make_frame
from dicom_files import make_encapsulated


def codec_file(case: str) -> bytes:
    frame, kind = make_frame(case), KINDS[CASES[case][1]]
    return make_encapsulated(
        [frame.data] * 3,
        rows=kind.shape[0],
        columns=kind.shape[1],
        samples_per_pixel=kind.samples,
        bits_allocated=kind.bits_allocated,
        bits_stored=kind.bits_stored,
        pixel_representation=frame.format.pixel.pixel_representation,
        photometric_interpretation=frame.format.pixel.photometric_interpretation,
        planar_configuration=0 if kind.samples > 1 else None,
        transfer_syntax=frame.format.transfer_syntax.uid,
    )
