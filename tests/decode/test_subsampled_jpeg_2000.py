"""JPEG 2000 whose chrominance has fewer samples, as one scanner of slides writes it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pytest
from codec_frames import Kind, decode, format_of
from colour_codestreams import to_rgb
from encapsulated_files import make_encapsulated
from tiled_codestreams import subsampled_jpeg_2000

import lazydicom
from lazydicom.errors import UnsupportedError

J2K: Final = "1.2.840.10008.1.2.4.90"
SHAPE: Final = (64, 96)
y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
LUMA: Final = (x * 2 + y // 2).astype(np.uint8)


def _frame(steps: tuple[int, int]) -> tuple[bytes, np.ndarray[Any, Any]]:
    across, down = steps
    cb, cr = np.full(SHAPE, 120, np.uint8), np.full(SHAPE, 135, np.uint8)
    cb[:, :32], cr[32:] = 150, 110
    planes = [LUMA, *(one[::down, ::across].copy() for one in (cb, cr))]
    rgb = to_rgb(np.stack([LUMA, cb, cr], -1))
    return subsampled_jpeg_2000(planes, steps), rgb


@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT"])
@pytest.mark.parametrize("steps", [(2, 1), (2, 2)])
def test_plugins_of_pydicom_give_rgb_once(
    steps: tuple[int, int], photometric: str
) -> None:
    data, rgb = _frame(steps)
    file = make_encapsulated(
        [data + bytes(len(data) % 2)] * 2,
        transfer_syntax=J2K,
        rows=SHAPE[0],
        columns=SHAPE[1],
        samples_per_pixel=3,
        bits_allocated=8,
        photometric_interpretation=photometric,
    )

    array = lazydicom.open_image(file, decoder="pydicom")

    assert np.abs(array[1] - rgb).max() <= 2
    with pytest.raises(UnsupportedError, match=r'decoder="pydicom"'):
        lazydicom.open_image(file)[0]


def test_a_decoder_that_is_wrong_is_never_asked() -> None:
    data, _ = _frame((2, 1))
    kind = Kind("u1", 8, 8, samples=3, shape=SHAPE)

    with pytest.raises(UnsupportedError, match="subsampled colour"):
        decode(data, format_of(J2K, kind, "YBR_FULL_422"))
