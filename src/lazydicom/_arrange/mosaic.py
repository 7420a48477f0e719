"""Siemens mosaics."""

from collections.abc import Sequence
from lazydicom._image import DicomImage


def mosaics_as_tiles(images: Sequence[DicomImage]) -> Sequence[DicomImage]:
    """Pass."""
    return images
