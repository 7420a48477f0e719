"""How a notebook shows an array: what it is in words, and its middle frame."""

from base64 import b64encode
from collections.abc import Mapping
from html import escape
from typing import Any, Final, Protocol

import numpy as np

from lazydicom._array.coordinate import Coordinate
from lazydicom._array.grid import HOLE, FrameGrid
from lazydicom._array.image import DicomImage
from lazydicom._array.picture import encode_png, is_inverted, thumbnail
from lazydicom._array.plan import print_size
from lazydicom.errors import LazyDicomError, redact_url

_SIDE: Final = 128
"""Pixels of the picture at most, in width and height."""


class Shown(Protocol):
    """What there is to show of an array."""

    @property
    def images(self) -> tuple[DicomImage, ...]:
        """The instances whose frames stand in the grid."""
        ...

    @property
    def grid(self) -> FrameGrid:
        """Which frame stands where."""
        ...

    @property
    def dims(self) -> tuple[str, ...]:
        """Name of each axis."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored values."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes of all values once decoded."""
        ...

    @property
    def coords(self) -> Mapping[str, Coordinate]:
        """Coordinates by name."""
        ...

    @property
    def attrs(self) -> Mapping[str, Any]:
        """Technical attributes."""
        ...

    def image_of(self, number: int) -> tuple[DicomImage, int]:
        """Return which image a frame belongs to, and its number there."""
        ...


def array_html(array: Shown) -> str:
    """Set facts beside a picture, or beside the reason why there is none.

    All text is escaped: names in a file or a URL may hold anything.
    """
    rows = "".join(
        f'<tr><th style="text-align:left">{escape(name)}</th>'
        f'<td style="text-align:left">{escape(fact)}</td></tr>'
        for name, fact in _facts(array).items()
    )
    png, note = _middle_frame(array)
    picture = escape(note)
    if png is not None:
        source = f"data:image/png;base64,{b64encode(png).decode()}"
        picture = f'<img src="{source}" alt="{picture}" title="{picture}">'
    return (
        '<div style="display:flex;gap:1em;align-items:center">'
        f"<table>{rows}</table><div>{picture}</div></div>"
    )


def _facts(array: Shown) -> dict[str, str]:
    """Say for people what this is; nothing of a patient."""
    image, files = array.images[0], len(array.images)
    pixel, labels = image.format.pixel, array.coords.items()
    axes = (f"{d}: {n:,}" for d, n in zip(array.dims, array.shape, strict=True))
    names = (f"{name} [{one.units}]" if one.units else name for name, one in labels)
    frames, size = array.grid.numbers.size, print_size(pixel.frame_nbytes)
    more = f" and {files - 1:,} more" if files > 1 else ""
    return {
        "Axes": ", ".join(axes),
        "Values": f"{array.dtype}, {print_size(array.nbytes)} once decoded",
        "Chunks": f"{frames:,}, each a frame of {size}",
        "Coordinates": ", ".join(names) or "none",
        "Transfer syntax": image.format.transfer_syntax.name,
        "Source": f"{redact_url(image.url)}{more}",
    }


def _middle_frame(array: Shown) -> tuple[bytes | None, str]:
    """Read one frame for a picture, or say why that is not done."""
    middle = tuple(length // 2 for length in array.grid.shape)
    where = ", ".join(f"{d} {at}" for d, at in zip(array.dims, middle, strict=False))
    number = int(array.grid.numbers[middle])
    if number == HOLE:
        return None, f"There is no frame at {where}"
    image, own = array.image_of(number)
    if not image.reads_alone(own):
        return None, f"The frame at {where} takes more than itself to read"
    try:
        frame = image.frame(own)
    except LazyDicomError as error:
        return None, f"{type(error).__name__}: {error}"
    picture = thumbnail(frame, _SIDE, inverted=is_inverted(array.attrs))
    return encode_png(picture), f"At {where}"
