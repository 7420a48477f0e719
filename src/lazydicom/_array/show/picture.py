"""Pixels that people look at: small, in grey levels or colour, encoded as PNG."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Picture: TypeAlias = NDArray[np.uint8]


def to_picture(
    values: NDArray[Any], dtype: np.dtype[Any], *, color: bool, inverted: bool
) -> Picture:
    """Return grey levels to values between the 1st and the 99th percentile.

    Parameters
    ----------
    values : ndarray
        Any shape; of colour, the last axis holds the samples.
    dtype : dtype
        Type of the stored values: 8-bit colour stays as it is.
    color : bool
        Whether they are colours.
    inverted : bool
        Whether the lowest value is white.
    """
    grey = values if color and dtype == np.uint8 else _spread(values)
    return (255 - grey if inverted else grey).astype(np.uint8)


def thumbnail(frame: NDArray[Any], side: int, *, inverted: bool) -> Picture:
    """Make a small picture of one frame, at most `side` pixels wide and high."""
    small = shrink(frame, -(-max(frame.shape[:2]) // side))
    color = frame.ndim == 3
    return to_picture(small, frame.dtype, color=color, inverted=inverted)


def shrink(frame: NDArray[Any], step: int) -> NDArray[np.float64]:
    """Average blocks of `step` × `step` pixels; those at the edge may be smaller."""
    for axis in (0, 1):
        starts = np.arange(0, frame.shape[axis], step)
        counts = np.diff(starts, append=frame.shape[axis])
        # infinities of both signs in one block, or sums beyond the largest double
        with np.errstate(invalid="ignore", over="ignore"):
            sums = np.add.reduceat(frame, starts, axis=axis, dtype=np.float64)
        others = [a for a in range(sums.ndim) if a != axis]
        frame = sums / np.expand_dims(counts, others)
    return frame


def resize(frame: NDArray[Any], height: int, width: int) -> NDArray[np.float64]:
    """Interpolate linearly between pixel centres; shrink first what becomes smaller.

    >>> resize(np.array([[0, 4]]), 1, 4)
    array([[0., 1., 3., 4.]])
    """
    resized = np.asarray(frame, np.float64)
    for axis, length in enumerate((height, width)):
        here = resized.shape[axis]
        at = ((np.arange(length) + 0.5) * here / length - 0.5).clip(0, here - 1)
        low = at.astype(np.intp)
        high = np.minimum(low + 1, here - 1)
        part = np.expand_dims(at - low, [a for a in range(resized.ndim) if a != axis])
        resized = resized.take(low, axis) * (1 - part) + resized.take(high, axis) * part
    return resized


def is_inverted(attrs: Mapping[str, Any]) -> bool:
    """Return whether the lowest value is white: MONOCHROME1 (PS3.3 section C.7.6.3.1.2)."""
    return bool(attrs.get("photometric_interpretation") == "MONOCHROME1")


def encode_png(picture: Picture) -> bytes:
    """Encode a picture as PNG."""
    import imagecodecs

    return bytes(imagecodecs.png_encode(picture))


def _spread(values: NDArray[Any]) -> NDArray[np.float64]:
    """Spread values between two percentiles over 0 to 255; what is no number becomes 0."""
    numbers = np.where(np.isfinite(values), values, np.nan).astype(np.float64)
    if np.isnan(numbers).all():
        return np.zeros(values.shape)
    low, high = np.nanpercentile(numbers, (1, 99))
    if low == high:
        low, high = np.nanmin(numbers), np.nanmax(numbers)
    if low == high:
        return np.zeros(values.shape)
    # halves, since the difference of the largest doubles is infinite
    scaled = (numbers / 2 - low / 2) / (high / 2 - low / 2)
    grey: NDArray[np.float64] = np.nan_to_num(scaled.clip(0, 1) * 255)
    return grey
