"""A small file of each kind of pixel."""

from __future__ import annotations

from dicom_files import DEFLATED, EXPLICIT_BIG, IMPLICIT_LITTLE, make_native

FILES = {
    "gray": make_native(number_of_frames=7, rows=6, columns=5),
    "signed": make_native(bits_stored=12, pixel_representation=1),
    "bits": make_native(number_of_frames=9, rows=3, columns=5, bits_allocated=1),
    "color": make_native(
        samples_per_pixel=3,
        bits_allocated=8,
        planar_configuration=1,
        photometric_interpretation="RGB",
    ),
    "float": make_native(keyword="FloatPixelData", bits_allocated=32),
    "double": make_native(keyword="DoubleFloatPixelData", bits_allocated=64),
    "implicit": make_native(transfer_syntax=IMPLICIT_LITTLE),
    "big endian": make_native(transfer_syntax=EXPLICIT_BIG),
    "deflated": make_native(transfer_syntax=DEFLATED),
}
