"""Codestreams of whole words, where fewer bits are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import imagecodecs
import numpy as np
from codec_frames import KINDS, encode_rle

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

JPEG: Final = "1.2.840.10008.1.2.4."


def encode_jpeg_2000(words: NDArray[Any]) -> bytes:
    return bytes(
        imagecodecs.jpeg2k_encode(words, level=0, codecformat="j2k", reversible=True)
    )


def encode_htj2k(words: NDArray[Any]) -> bytes:
    return bytes(imagecodecs.htj2k_encode(words, reversible=True))


def _jpeg_ls(words: NDArray[Any]) -> bytes:
    return bytes(imagecodecs.jpegls_encode(words))


def _lossless_jpeg(words: NDArray[Any]) -> bytes:
    bits = 8 * words.itemsize
    return bytes(imagecodecs.jpeg8_encode(words, lossless=True, bitspersample=bits))


def _jpeg_xl(words: NDArray[Any]) -> bytes:
    return bytes(imagecodecs.jpegxl_encode(words, lossless=True, effort=1))


def _rle(words: NDArray[Any]) -> bytes:
    return encode_rle(words, KINDS["16 bits"])


ENCODERS: Final[dict[str, tuple[str, Callable[[NDArray[Any]], bytes]]]] = {
    "JPEG lossless": (f"{JPEG}70", _lossless_jpeg),
    "JPEG-LS": (f"{JPEG}80", _jpeg_ls),
    "JPEG 2000": (f"{JPEG}90", encode_jpeg_2000),
    "HTJ2K": (f"{JPEG}201", encode_htj2k),
    "JPEG XL": (f"{JPEG}110", _jpeg_xl),
    "RLE": ("1.2.840.10008.1.2.5", _rle),
}


def pixels_of_bits(bits: int, *, signed: bool) -> NDArray[Any]:
    """Make every kind of value that so many bits hold, the extremes among them."""
    low = -(1 << bits - 1) if signed else 0
    values = np.linspace(low, low + (1 << bits) - 1, 16 * 24).round()
    return values.reshape(16, 24).astype(np.int16 if signed else np.uint16)
