"""Whether instances may be parts, channels or planes of one total pixel matrix.

They are laid on each other pixel by pixel, so they must lie at one place of the slide (PS3.3
section C.8.12.4.1.1). What a file does not say is not compared.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeAlias

import numpy as np

from lazydicom._arrange.geometry import SAME_DIRECTION, SAME_SPACING
from lazydicom._arrange.slides.facts import SlideFacts
from lazydicom._header import tags
from lazydicom.errors import InvalidDicomError

Numbers: TypeAlias = Sequence[float]
_APART: Final = ": their pixels do not lie on each other"
_SAME_ORIGIN: Final = 0.5
"""Of a pixel: of matrices that lie closer, each pixel has its own one next to it."""


def check_alike(facts: Sequence[SlideFacts]) -> None:
    """Refuse instances of one level that differ in size, type, colour or place.

    Raises
    ------
    InvalidDicomError
        If two of them do; it names both files.
    """
    for other in facts[1:]:
        _check_looks(facts[0], other)
    _check_places(facts)
    _check_frames_of_reference(facts)


def turned(first: SlideFacts, other: SlideFacts) -> bool:
    """Return whether both say where rows and columns run, and these are other directions."""
    if first.orientation is None or other.orientation is None:
        return False
    return _turned(first.orientation, other.orientation)


def _check_looks(first: SlideFacts, other: SlideFacts) -> None:
    looks = []
    for one in (first, other):
        pixel = one.image.format.pixel
        size = f"{one.tile[0]}×{one.tile[1]}"
        looks.append(f"{size}, {pixel.samples_per_pixel} samples of {pixel.dtype}")
    if looks[0] != looks[1]:
        message = f"Expected tiles of {looks[0]} as in {first.name}, found {looks[1]}"
        raise InvalidDicomError(message, url=other.image.url)


def _check_places(facts: Sequence[SlideFacts]) -> None:
    """Compare each instance with the first that says as much."""
    pixel_mm = min((min(one.spacing) for one in facts if one.spacing), default=0.0)
    orientations = [(one, one.orientation) for one in facts if one.orientation]
    spacings = [(one, one.spacing) for one in facts if one.spacing]
    origins = [
        (one, one.origin[:2]) for one in facts if one.origin
    ]  # planes differ in z
    _compare(orientations, "the orientation", tags.IMAGE_ORIENTATION_SLIDE, _turned)
    _compare(spacings, "pixels in mm of", tags.PIXEL_SPACING, _resized)
    moved = partial(_moved, within=_SAME_ORIGIN * pixel_mm)
    tag = tags.TOTAL_PIXEL_MATRIX_ORIGIN_SEQUENCE
    _compare(origins, "the first pixel, in mm, at", tag, moved)


def _turned(first: Numbers, own: Numbers) -> bool:
    return bool(np.abs(np.subtract(own, first)).max() > SAME_DIRECTION)


def _resized(first: Numbers, own: Numbers) -> bool:
    return bool(np.abs(np.divide(own, first) - 1).max() > SAME_SPACING)


def _moved(first: Numbers, own: Numbers, *, within: float) -> bool:
    return bool(np.abs(np.subtract(own, first)).max() > within)


def _compare(
    stated: Sequence[tuple[SlideFacts, Numbers]],
    noun: str,
    tag: int,
    differ: Callable[[Numbers, Numbers], bool],
) -> None:
    for one, own in stated[1:]:
        first, expected = stated[0]
        if own != expected and differ(expected, own):
            texts = [
                ", ".join(f"{k:.9g}" for k in numbers) for numbers in (expected, own)
            ]
            message = f"Expected {noun} {texts[0]} as in {first.name}, found {texts[1]}"
            raise InvalidDicomError(message + _APART, url=one.image.url, tag=tag)


def _check_frames_of_reference(facts: Sequence[SlideFacts]) -> None:
    stated = [one for one in facts if one.frame_of_reference]
    for one in stated[1:]:
        if one.frame_of_reference != stated[0].frame_of_reference:
            message = (
                f"Expected the Frame of Reference of {stated[0].name}, found another"
            )
            tag = tags.FRAME_OF_REFERENCE_UID
            raise InvalidDicomError(message + _APART, url=one.image.url, tag=tag)
