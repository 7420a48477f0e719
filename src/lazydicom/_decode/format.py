"""How the frames of a file are encoded, and what the caller wants of them."""

import math
import sys
from ctypes import addressof, c_char
from dataclasses import astuple
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lazydicom._bytes.cached import cached
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._header import tags
from lazydicom._header.image_pixel import ImagePixel
from lazydicom._header.transfer_syntax import TransferSyntax
from lazydicom.errors import LimitError, UnsupportedError

Color: TypeAlias = Literal["rgb", "stored"]
Decoder: TypeAlias = Literal["imagecodecs", "pydicom"]
Isolation: TypeAlias = Literal["none", "process"]

YBR_FULL: Final = frozenset(("YBR_FULL", "YBR_FULL_422"))
"""YCbCr that becomes RGB; YBR_PARTIAL_* stays as it is stored."""
MAX_FRAME_BYTES: Final = 1 << 28
"""256 MiB: a larger frame is refused unless the caller allows it."""
_LINE: Final = 32
"""Bytes that one instruction writes; rows of tiles are multiples of it."""


@dataclass(frozen=True)
class FrameFormat:
    """All that decoding a frame needs besides its bytes and its number."""

    pixel: ImagePixel
    transfer_syntax: TransferSyntax
    color: Color = "rgb"
    """``"stored"`` keeps YCbCr."""
    swapped_pairs: bool = False
    """1-bit and 8-bit pixels written as OW in big endian: pairs of bytes are swapped."""
    decoder: Decoder = "imagecodecs"
    """Who decodes encapsulated frames; ``"pydicom"``: the plugins that it finds."""
    isolation: Isolation = "none"
    """``"process"`` decodes encapsulated frames in a worker process."""
    max_frame_bytes: int = MAX_FRAME_BYTES
    """A larger encapsulated frame is refused."""
    allow_truncated: bool = False
    """Whether a codestream without end marker may be decoded, if it holds all pixels."""
    photometric_given: bool = False
    """Whether PhotometricInterpretation is the caller's word: no codestream overrules it."""
    padded: bool = False
    """Native frames are padded one by one: each begins at a byte, or word, of its own."""

    @cached
    def in_order(self) -> bool:
        """Whether native bytes are the values, byte order and spare bits aside."""
        pixel = self.pixel
        planar = pixel.planar_configuration == 1 and pixel.samples_per_pixel > 1
        packed = pixel.packed
        moved = planar or packed or pixel.subsampled or self.swapped_pairs
        return not moved and not self.converts_to_rgb

    @cached
    def in_place(self) -> bool:
        """Whether the bytes of a frame in the file are its values, in that sense."""
        return self.transfer_syntax.native and self.in_order and not self.padded

    @cached
    def is_bits(self) -> bool:
        """Whether a frame is 1-bit pixels, packed without padding, in order."""
        pixel = self.pixel
        alone = pixel.bits_allocated == 1 and pixel.samples_per_pixel == 1
        padded = self.padded or self.swapped_pairs
        return alone and self.transfer_syntax.native and not padded

    @cached
    def as_stored(self) -> bool:
        """Whether the bytes of a frame are its values without any change."""
        pixel = self.pixel
        size = pixel.dtype.itemsize
        little = self.transfer_syntax.pixels_little_endian == (
            sys.byteorder == "little"
        )
        return (
            self.in_place and (little or size == 1) and (pixel.bits_stored == 8 * size)
        )

    @cached
    def identity(self) -> tuple[object, ...]:
        """All of it in plain values: what tells pixels that are decoded otherwise."""
        return astuple(self)

    @cached
    def converts_to_rgb(self) -> bool:
        """Whether stored YCbCr comes out as RGB."""
        ybr = self.pixel.photometric_interpretation in YBR_FULL
        return self.color == "rgb" and ybr


def check_color(format_: FrameFormat, *, url: str, offset: int | None) -> None:
    """Refuse YCbCr that has no conversion: that of 8 bits is the only one defined."""
    dtype = format_.pixel.dtype
    if format_.converts_to_rgb and dtype != np.uint8:
        raise UnsupportedError(
            f'YCbCr of type {dtype} is not converted: open it with color="stored"',
            url=url,
            offset=offset,
            tag=tags.PHOTOMETRIC_INTERPRETATION,
        )


def check_size(frame_nbytes: int, max_frame_bytes: int) -> None:
    """Refuse a frame that would take more memory than allowed."""
    if frame_nbytes > max_frame_bytes:
        raise too_large(frame_nbytes, max_frame_bytes)


def too_large(frame_nbytes: int, max_frame_bytes: int) -> LimitError:
    """Return the error of a frame that would take more memory than allowed."""
    return LimitError(
        f"Expected at most {max_frame_bytes} bytes per frame (max_frame_bytes),"
        f" found {frame_nbytes}; open it with max_frame_bytes={frame_nbytes} or more"
        " if you trust the file"
    )


def memory_for(shape: tuple[int, ...], format_: FrameFormat) -> NDArray[Any]:
    """Return memory for decoded frames, as fast to write as there is.

    libjpeg-turbo writes the rows of colours past the cache where they begin at multiples of
    32 bytes; then a tile of 256² takes 30 % longer. NumPy gives such memory by chance.
    """
    pixel, dtype = format_.pixel, format_.pixel.dtype
    native = format_.transfer_syntax.native
    if native or pixel.samples_per_pixel == 1 or dtype.itemsize > 1:
        return np.empty(shape, dtype)
    length = math.prod(shape)
    memory = np.empty(length + _LINE, dtype)
    skip = (_LINE // 2 - addressof(c_char.from_buffer(memory.data))) % _LINE
    return memory[skip : skip + length].reshape(shape)
