"""What stands where no tile is stored (PS3.3 section C.8.12.4.1.5)."""

from typing import Any, Literal

import numpy as np

from lazydicom._arrange.slides.facts import SlideFacts
from lazydicom._array.fill import FillValue
from lazydicom.errors import InvalidDicomError, warn

_TO_RGB = np.array(
    (
        (3.2404542, -1.5371385, -0.4985314),
        (-0.9692660, 1.8760108, 0.0415560),
        (0.0556434, -0.2040259, 1.0572252),
    )
)
"""CIE XYZ to linear sRGB, white of D65."""
_WHITE = np.array((0.95047, 1.0, 1.08883))


def background_of(
    facts: SlideFacts, wanted: FillValue | Literal["auto"], *, has_holes: bool
) -> tuple[FillValue, list[int] | None]:
    """Return the value of holes, and the colour that the file declares.

    ``"auto"`` takes the declared colour; without one, white where pixels are colours, 0
    where they are intensities.

    Raises
    ------
    InvalidDicomError
        If there are holes, and colours are signed: white is no value of theirs.
    ValueError
        If the value is none that pixels can have.
    """
    pixel = facts.image.format.pixel
    samples = pixel.samples_per_pixel
    declared = _declared(facts)
    if wanted == "auto":
        customary = _customary(facts) if has_holes else 0
        if declared is None and facts.absent is not None and has_holes:
            _warn_of_unused(facts, customary)
        return customary if declared is None else _simple(declared), declared
    if wanted is None:
        return None, declared
    values = list(wanted) if isinstance(wanted, tuple | list) else [wanted]
    if len(values) not in {1, samples}:
        raise ValueError(f"Expected a fill_value of {samples} samples, got {wanted!r}")
    for value in values:
        if pixel.dtype.kind != "f" and not _fits(value, pixel.dtype):
            raise ValueError(f"fill_value {wanted!r} is no {pixel.dtype}")
    return _simple(values), declared


def _declared(facts: SlideFacts) -> list[int] | None:
    """Return the declared colour in the range of stored values, ``None`` without one."""
    pixel = facts.image.format.pixel
    if facts.absent is None or pixel.samples_per_pixel != 3 or pixel.dtype.kind != "u":
        return None
    largest = 2**pixel.bits_stored - 1
    return [round(one * largest / 255) for one in lab_to_rgb(facts.absent)]


def _customary(facts: SlideFacts) -> int:
    """Return white of colours, 0 of intensities."""
    pixel = facts.image.format.pixel
    if pixel.samples_per_pixel == 1:
        return 0
    if pixel.dtype.kind != "u":
        text = f"Tiles are missing, and white is no colour of type {pixel.dtype}"
        raise InvalidDicomError(f"{text}: fill_value= says one", url=facts.image.url)
    return int(2**pixel.bits_stored - 1)


def _warn_of_unused(facts: SlideFacts, customary: int) -> None:
    """Warn where the declared colour is none that pixels can have, unless it is black, 0."""
    assert facts.absent is not None
    if customary == 0 and not any(lab_to_rgb(facts.absent)):
        return
    message = (
        f"Pixels are no RGB: the declared absent pixel is not used, {customary} is"
    )
    warn(message, url=facts.image.url)


def lab_to_rgb(encoded: tuple[int, ...]) -> list[int]:
    """Return the sRGB colour of a CIELab value as PS3.3 C.10.7.1.1 encodes it.

    >>> lab_to_rgb((65535, 32896, 32896)), lab_to_rgb((0, 32896, 32896))
    ([255, 255, 255], [0, 0, 0])
    """
    lightness = encoded[0] / 65535 * 100
    a, b = (one / 65535 * 255 - 128 for one in encoded[1:])
    middle = (lightness + 16) / 116
    parts = np.array((middle + a / 500, middle, middle - b / 200))
    cubes = np.where(parts > 6 / 29, parts**3, 3 * (6 / 29) ** 2 * (parts - 4 / 29))
    linear = np.clip(_TO_RGB @ (cubes * _WHITE), 0, 1)
    curved = np.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055
    )
    colors: list[int] = np.rint(curved * 255).astype(int).tolist()
    return colors


def _simple(values: list[float] | list[int]) -> FillValue:
    """Return one number where all samples are alike."""
    return values[0] if len(set(values)) == 1 else tuple(values)


def _fits(value: object, dtype: np.dtype[Any]) -> bool:
    if not isinstance(value, int | float | np.number):
        return False
    limits = np.iinfo(dtype)
    return float(value).is_integer() and limits.min <= float(value) <= limits.max
