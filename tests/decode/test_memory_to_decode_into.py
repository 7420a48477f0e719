"""Memory for colours lies between the places where libjpeg-turbo writes past the cache."""

from __future__ import annotations

import numpy as np
import pytest

from lazydicom._decode.format import FrameFormat, memory_for
from lazydicom._header.image_pixel import ImagePixel
from lazydicom._header.transfer_syntax import TRANSFER_SYNTAXES

JPEG = "1.2.840.10008.1.2.4.50"


def _format(samples: int, bits: int, syntax: str) -> FrameFormat:
    pixel = ImagePixel(
        rows=4,
        columns=4,
        samples_per_pixel=samples,
        bits_allocated=bits,
        bits_stored=bits,
        high_bit=bits - 1,
        pixel_representation=0,
        photometric_interpretation="RGB" if samples == 3 else "MONOCHROME2",
        planar_configuration=0,
        number_of_frames=1,
    )
    return FrameFormat(pixel, TRANSFER_SYNTAXES[syntax])


@pytest.mark.parametrize("shape", [(256, 256, 3), (1, 1, 3), (7, 5, 3), (0, 4, 3)])
@pytest.mark.parametrize("before", range(3))
def test_memory_for_colours_begins_between_lines_of_32_bytes(
    shape: tuple[int, ...], before: int
) -> None:
    others = [np.empty(16 * k + 1, np.uint8) for k in range(before)]

    out = memory_for(shape, _format(3, 8, JPEG))

    assert out.shape == shape
    assert out.flags.c_contiguous
    assert out.flags.writeable
    assert not out.size or out.ctypes.data % 32 == 16
    assert len(others) == before


def test_memory_for_other_values_is_numpys_own() -> None:
    for format_ in (
        _format(1, 8, JPEG),
        _format(3, 16, JPEG),
        _format(3, 8, "1.2.840.10008.1.2.1"),
    ):
        out = memory_for((4, 4), format_)

        assert out.flags.owndata
        assert out.dtype == format_.pixel.dtype
