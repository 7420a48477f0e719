"""How a notebook shows an array: what it is in words, and its middle frame."""

import math
from collections.abc import Mapping
from typing import Any, Final, Protocol

import numpy as np

from lazydicom._array.coordinate import Coordinate
from lazydicom._array.image import DicomImage
from lazydicom._array.show.picture import encode_png, is_inverted, thumbnail
from lazydicom._array.work.plan import ReadPlan, print_size
from lazydicom._frames.index import is_distant
from lazydicom.errors import LazyDicomError, redact_url

_PLANE: Final = ("y", "x")
_SIDE: Final = 128
"""Pixels of the picture at most, in width and height."""


class Shown(Protocol):
    """What there is to show of an array."""

    @property
    def images(self) -> tuple[DicomImage, ...]:
        """The instances whose frames are read."""
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
        """Type of the values."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes of all values."""
        ...

    @property
    def coords(self) -> Mapping[str, Coordinate]:
        """Coordinates by name."""
        ...

    @property
    def attrs(self) -> Mapping[str, Any]:
        """Technical attributes."""
        ...

    @property
    def grid_axes(self) -> int:
        """Leading axes along which frames stand."""
        ...

    def chunk_frames(self, frames: int) -> tuple[int, ...]:
        """Return the lengths of a chunk of so many frames."""
        ...

    def read(self, key: Any) -> Any:  # noqa: ANN401 (NumPy's)
        """Read what an index expression touches."""
        ...

    def plan(self, key: Any) -> ReadPlan:  # noqa: ANN401
        """Return what that costs."""
        ...


def array_html(array: Shown) -> str:
    """Set facts beside a picture, or beside the reason why there is none.

    All text is escaped: names in a file or a URL may hold anything.
    """
    from base64 import b64encode  # deferred, with html: 5 ms that notebooks need
    from html import escape

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
    """Return in words what this is; nothing of a patient."""
    image, files = array.images[0], len(array.images)
    labels = array.coords.items()
    axes = (f"{d}: {n:,}" for d, n in zip(array.dims, array.shape, strict=True))
    names = (f"{name} [{one.units}]" if one.units else name for name, one in labels)
    chunk = array.chunk_frames(1)
    counts = (-(-n // max(one, 1)) for n, one in zip(array.shape, chunk, strict=True))
    size = print_size(math.prod(chunk) * array.dtype.itemsize)
    more = f" and {files - 1:,} more" if files > 1 else ""
    return {
        "Axes": ", ".join(axes),
        "Values": f"{array.dtype}, {print_size(array.nbytes)} once decoded",
        "Chunks": f"{math.prod(counts):,}, each a frame of {size}",
        "Coordinates": ", ".join(names) or "none",
        "Transfer syntax": image.format.transfer_syntax.name,
        "Source": f"{redact_url(image.url)}{more}",
    }


def _middle_frame(array: Shown) -> tuple[bytes | None, str]:
    """Read one frame for a picture, or say why that is not done."""
    key, where = _middle(array)
    reason = _not_shown(array, key, where)
    if reason is not None:
        return None, reason
    try:
        frame = array.read(key)
    except LazyDicomError as error:
        return None, f"{type(error).__name__}: {error}"
    picture = thumbnail(frame, _SIDE, inverted=is_inverted(array.attrs))
    return encode_png(picture), f"At {where}"


def _not_shown(array: Shown, key: tuple[int | slice, ...], where: str) -> str | None:
    """Return why no frame is read, ``None`` where one is."""
    if 0 in array.shape or not {*_PLANE} <= {*array.dims}:
        return "There is no plane to show"
    if "LABEL" in array.attrs.get("image_type", ()):
        return "A label names a patient: it is not shown"
    if any(is_distant(image.reader) for image in array.images):
        return f"The frame at {where} is far away: it is read when it is asked for"
    if any(image.parts is not None for image in array.images):
        return f"The frame at {where} takes more than itself to read"
    return None if array.plan(key).frames else f"There is no frame at {where}"


def _middle(array: Shown) -> tuple[tuple[int | slice, ...], str]:
    """Return the expression of the frame in the middle, and where that is in words."""
    chunk, key, words = array.chunk_frames(1), [], []
    for axis, (name, length) in enumerate(zip(array.dims, array.shape, strict=True)):
        one: int | slice = slice(None)
        if axis < array.grid_axes:
            middle = length // 2
            words.append(f"{name} {middle}")
            start = middle // chunk[axis] * chunk[axis]
            tiled = name in _PLANE
            one = slice(start, start + chunk[axis]) if tiled else middle
        key.append(one)
    return tuple(key), ", ".join(words)
