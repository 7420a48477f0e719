"""Well-formed DICOM files with pixels, made as bytes.

>>> file = make_native(rows=2, columns=3, number_of_frames=5)
>>> stored_pixels(rows=2, columns=3, number_of_frames=5).shape
(5, 2, 3)

Every ingredient can be replaced by a wrong one; `bad_files` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from dicom_elements import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    RLE,
    dicom_file,
    element,
    file_meta,
    item,
    sequence,
)
from encapsulated_files import encapsulate, make_encapsulated
from pixel_layout import FLOATS, header, layout, pack, pattern

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from pixel_layout import Geometry, Layout

__all__ = [
    "DEFLATED",
    "EXPLICIT_BIG",
    "EXPLICIT_LITTLE",
    "IMPLICIT_LITTLE",
    "RLE",
    "dicom_file",
    "element",
    "encapsulate",
    "file_meta",
    "item",
    "make_encapsulated",
    "make_native",
    "sequence",
    "stored_pixels",
]


def make_native(
    pixels: NDArray[Any] | None = None,
    *,
    vr: str | None = None,
    pixel_bytes: bytes | None = None,
    declared_frames: str | None = "{}",
    elements: Mapping[int, bytes | None] | None = None,
    extra_before: bytes = b"",
    trailing: bytes = b"",
    pad: bool = True,
    preamble: bytes | bool = True,
    file_meta: bytes | bool = True,
    **geometry: Unpack[Geometry],
) -> bytes:
    """Make a file of native pixels, by default 3 frames of 4 rows, 5 columns, 16 bits.

    Parameters
    ----------
    pixels
        Stored values of shape (frames, rows, columns[, samples]), which then
        give the geometry; by default those of `stored_pixels`.
    vr
        Of the Pixel Data; by default what the Transfer Syntax asks for.
    pixel_bytes
        The value of Pixel Data as it stands in the file, instead of packing.
    declared_frames
        What Number of Frames says; `{}` stands for the truth, None omits it.
    elements
        Encoded elements by tag that replace or join the usual ones; None omits.
    extra_before
        Encoded elements between the last of those and Pixel Data.
    trailing
        Encoded elements, or anything, after Pixel Data.
    pad
        Whether an odd value is padded to an even length.
    preamble, file_meta
        False leaves it out, bytes replace it.
    **geometry
        Image Pixel attributes, `transfer_syntax`, and the `keyword` of the pixels.
    """
    if pixels is not None:
        geometry["number_of_frames"], geometry["rows"], geometry["columns"] = (
            pixels.shape[:3]
        )
        geometry["samples_per_pixel"] = pixels.shape[3] if pixels.ndim == 4 else 1
    made = layout(**geometry)
    vr = vr or made.pixel_vr
    if pixel_bytes is None:
        pixel_bytes = pack(pattern(made) if pixels is None else pixels, made, vr=vr)
    dataset = (
        header(made, declared_frames, elements)
        + extra_before
        + _pixel_data(made, pixel_bytes, vr=vr, pad=pad)
        + trailing
    )
    return dicom_file(
        dataset,
        transfer_syntax=made.transfer_syntax,
        preamble=preamble,
        meta=file_meta,
    )


def stored_pixels(**geometry: Unpack[Geometry]) -> NDArray[Any]:
    """Give the values that `make_native` stores when it is given none.

    >>> stored_pixels(number_of_frames=1, rows=1, columns=4, bits_stored=12)
    array([[[2531,  966, 3498, 1933]]], dtype=uint16)
    """
    return pattern(layout(**geometry))


def _pixel_data(made: Layout, value: bytes, *, vr: str, pad: bool) -> bytes:
    tag = 0x7FE00010 if made.keyword == "PixelData" else FLOATS[made.keyword][0]
    return element(
        tag, vr, value, implicit=made.implicit, big_endian=made.big_endian, pad=pad
    )
