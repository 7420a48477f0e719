"""What the Image Pixel module says, and how its pixels are laid out as bytes.

PS3.3 §C.7.6.3, PS3.5 §8 and §D.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict

import numpy as np
from dicom_elements import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, element

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

Keyword = Literal["PixelData", "FloatPixelData", "DoubleFloatPixelData"]

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_BLOCK: Final = 1 << 16
FLOATS: Final = {
    "FloatPixelData": (0x7FE00008, "OF", 32),
    "DoubleFloatPixelData": (0x7FE00009, "OD", 64),
}


class Geometry(TypedDict, total=False):
    """The arguments of `layout`, which every maker of files takes."""

    number_of_frames: int
    rows: int
    columns: int
    samples_per_pixel: int
    bits_allocated: int
    bits_stored: int | None
    pixel_representation: int
    planar_configuration: int | None
    photometric_interpretation: str | None
    transfer_syntax: str
    keyword: Keyword


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What the Image Pixel module of a file says, and in which encoding."""

    number_of_frames: int
    rows: int
    columns: int
    samples_per_pixel: int
    bits_allocated: int
    bits_stored: int
    pixel_representation: int
    planar_configuration: int | None
    photometric_interpretation: str
    transfer_syntax: str
    keyword: Keyword

    @property
    def implicit(self) -> bool:
        return self.transfer_syntax == IMPLICIT_LITTLE

    @property
    def big_endian(self) -> bool:
        return self.transfer_syntax == EXPLICIT_BIG

    @property
    def pixel_vr(self) -> str:
        if self.keyword != "PixelData":
            return FLOATS[self.keyword][1]
        return "OW" if self.implicit or self.bits_allocated > 8 else "OB"

    @property
    def dtype(self) -> np.dtype[Any]:
        if self.keyword != "PixelData":
            return np.dtype(f"f{self.bits_allocated // 8}")
        kind = "i" if self.pixel_representation and self.bits_allocated > 1 else "u"
        return np.dtype(f"{kind}{max(1, self.bits_allocated // 8)}")

    @property
    def shape(self) -> tuple[int, ...]:
        plane = (self.number_of_frames, self.rows, self.columns)
        samples = self.samples_per_pixel
        return plane if samples == 1 else (*plane, samples)

    def element(self, tag: int, vr: str, value: bytes) -> bytes:
        return element(
            tag, vr, value, implicit=self.implicit, big_endian=self.big_endian
        )

    def us(self, tag: int, value: int) -> bytes:
        order = ">" if self.big_endian else "<"
        return self.element(tag, "US", struct.pack(order + "H", value))


def layout(
    *,
    number_of_frames: int = 3,
    rows: int = 4,
    columns: int = 5,
    samples_per_pixel: int = 1,
    bits_allocated: int = 16,
    bits_stored: int | None = None,
    pixel_representation: int = 0,
    planar_configuration: int | None = None,
    photometric_interpretation: str | None = None,
    transfer_syntax: str = EXPLICIT_LITTLE,
    keyword: Keyword = "PixelData",
) -> Layout:
    """Fill in what follows from the rest."""
    color = samples_per_pixel > 1
    if planar_configuration is None and color:
        planar_configuration = 0
    if keyword != "PixelData":
        bits_allocated = FLOATS[keyword][2]
    return Layout(
        number_of_frames=number_of_frames,
        rows=rows,
        columns=columns,
        samples_per_pixel=samples_per_pixel,
        bits_allocated=bits_allocated,
        bits_stored=bits_stored or bits_allocated,
        pixel_representation=pixel_representation,
        planar_configuration=planar_configuration,
        photometric_interpretation=photometric_interpretation
        or ("RGB" if color else "MONOCHROME2"),
        transfer_syntax=transfer_syntax,
        keyword=keyword,
    )


def header(
    made: Layout,
    declared_frames: str | None,
    elements: Mapping[int, bytes | None] | None,
) -> bytes:
    """Everything in front of Pixel Data, in the order of the tags."""
    known = {**_image_pixel(made, declared_frames), **(elements or {})}
    return b"".join(known[tag] or b"" for tag in sorted(known))


def _image_pixel(made: Layout, declared_frames: str | None) -> dict[int, bytes | None]:
    attributes: dict[int, bytes | None] = {
        0x00080016: made.element(0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.7.2"),
        0x00080018: made.element(0x00080018, "UI", b"1.2.3.4"),
        0x00280002: made.us(0x00280002, made.samples_per_pixel),
        0x00280004: made.element(
            0x00280004, "CS", made.photometric_interpretation.encode()
        ),
        0x00280010: made.us(0x00280010, made.rows),
        0x00280011: made.us(0x00280011, made.columns),
        0x00280100: made.us(0x00280100, made.bits_allocated),
    }
    if made.planar_configuration is not None:
        attributes[0x00280006] = made.us(0x00280006, made.planar_configuration)
    if declared_frames is not None:
        text = declared_frames.format(made.number_of_frames)
        attributes[0x00280008] = made.element(0x00280008, "IS", text.encode())
    if made.keyword == "PixelData":  # the float modules have none of these
        attributes[0x00280101] = made.us(0x00280101, made.bits_stored)
        attributes[0x00280102] = made.us(0x00280102, made.bits_stored - 1)
        attributes[0x00280103] = made.us(0x00280103, made.pixel_representation)
    return attributes


def pack(pixels: NDArray[Any], made: Layout, *, vr: str) -> bytes:
    """Lay values out as PS3.5 §8.1.1 and §D say."""
    assert made.photometric_interpretation != "YBR_FULL_422", "give pixel_bytes"
    values = pixels.astype(made.dtype, copy=False)
    same = values is pixels or np.array_equal(values, pixels)
    assert same, "pixels do not fit their layout"
    if made.planar_configuration == 1:
        values = np.moveaxis(values, 3, 1)
    if made.bits_allocated == 1:
        packed = np.packbits(values.reshape(-1), bitorder="little").tobytes()
    else:
        order: Literal[">", "<"] = ">" if made.big_endian else "<"
        packed = values.astype(made.dtype.newbyteorder(order), copy=False).tobytes()
    if made.big_endian and vr == "OW" and made.bits_allocated <= 8:
        packed += bytes(len(packed) % 2)
        return np.frombuffer(packed, "<u2").byteswap().tobytes()
    return packed


def pattern(made: Layout) -> NDArray[Any]:
    """Values that use all stored bits and rarely repeat."""
    values = np.empty(np.prod(made.shape, dtype=np.int64), made.dtype)
    for start in range(0, len(values), _BLOCK):  # eight bytes each, of a block alone
        stop = min(start + _BLOCK, len(values))
        words = np.arange(start + 1, stop + 1, dtype=np.uint64) * _GOLDEN
        values[start:stop] = _values_of(words, made)
    return values.reshape(made.shape)


def _values_of(words: NDArray[np.uint64], made: Layout) -> NDArray[Any]:
    if made.keyword != "PixelData":
        return (words >> 40).astype(made.dtype) / 7 - 1000
    signed = words.view(np.int64) if made.dtype.kind == "i" else words
    return signed >> (64 - made.bits_stored)
