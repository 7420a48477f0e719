"""YCbCr becomes RGB as PS3.3 C.7.6.3.1.2 says, whatever block a pixel falls into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lazydicom._decode import color
from lazydicom._decode.color import ybr_422_to_rgb, ybr_to_rgb

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = color._BLOCK


def _rgb(
    luma: NDArray[np.uint8], cb: NDArray[np.uint8], cr: NDArray[np.uint8]
) -> NDArray[Any]:
    """Compute with real numbers; a value half-way between two may be either."""
    y, b, r = (one.astype(np.float64) for one in (luma, cb, cr))
    green = (-0.114 * 1.772 * (b - 128) - 0.299 * 1.402 * (r - 128)) / 0.587
    exact = (y + 1.402 * (r - 128), y + green, y + 1.772 * (b - 128))
    return np.stack(exact, axis=-1).clip(0, 255)


@pytest.mark.parametrize("luma", [0, 1, 76, 128, 200, 255])
def test_every_chrominance_is_rounded_to_the_nearest(luma: int) -> None:
    cb, cr = np.meshgrid(*2 * [np.arange(256, dtype=np.uint8)])
    frame = np.stack([np.full_like(cb, luma), cb, cr], axis=-1)
    pairs = np.stack([frame[..., 0], 255 - frame[..., 0], cb, cr], axis=-1)
    out = np.empty((*cb.shape, 2, 3), np.uint8)

    ybr_422_to_rgb(pairs.reshape(-1), out.reshape(-1, 3))
    ybr_to_rgb(frame)

    for values, first in (
        (frame, luma),
        (out[..., 0, :], luma),
        (out[..., 1, :], 255 - luma),
    ):
        off = np.abs(values - _rgb(np.full_like(cb, first), cb, cr))
        assert off.max() <= 0.501


@pytest.mark.parametrize("count", [0, 1, 2, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 3])
def test_the_last_block_may_be_of_any_length(count: int) -> None:
    samples = np.random.default_rng(count).integers(0, 256, (count, 4), np.uint8)
    luma, chroma = samples[:, :2].reshape(-1), samples[:, 2:].repeat(2, axis=0)
    frame = np.column_stack([luma, chroma])
    out = np.empty_like(frame)

    ybr_422_to_rgb(samples.reshape(-1), out)
    ybr_to_rgb(frame)

    assert np.array_equal(frame, out)
    if count:
        assert np.abs(frame - _rgb(luma, *chroma.T)).max() <= 0.501
