"""Real codestreams of every transfer syntax, made with encoders of imagecodecs."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import imagecodecs
import numpy as np
from PIL import Image

from lazydicom._decode.format import FrameFormat
from lazydicom._decode.frame import decode_frame
from lazydicom._header.image_pixel import ImagePixel
from lazydicom._header.transfer_syntax import TRANSFER_SYNTAXES

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_JPEG: Final = "1.2.840.10008.1.2.4."


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of pixels."""

    dtype: str
    bits_stored: int
    bits_allocated: int
    samples: int = 1
    shape: tuple[int, int] = (61, 83)


KINDS: Final = {
    "8 bits": Kind("u1", 8, 8),
    "8 bits, signed": Kind("i1", 8, 8),
    "8 in 16 bits": Kind("u2", 8, 16),
    "10 in 16 bits": Kind("u2", 10, 16, shape=(64, 64)),
    "12 in 16 bits": Kind("u2", 12, 16),
    "12 in 16 bits, signed": Kind("i2", 12, 16),
    "16 bits": Kind("u2", 16, 16),
    "16 bits, signed": Kind("i2", 16, 16, shape=(40, 200)),
    "24 in 32 bits": Kind("u4", 24, 32),
    "32 bits": Kind("u4", 32, 32),
    "1 bit": Kind("u1", 1, 1, shape=(61, 83)),
    "RGB": Kind("u1", 8, 8, samples=3),
    "RGB, odd and small": Kind("u1", 8, 8, samples=3, shape=(17, 19)),
    "RGB, 16 bits": Kind("u2", 16, 16, samples=3),
}

GRAY_16: Final = (
    "10 in 16 bits",
    "12 in 16 bits",
    "12 in 16 bits, signed",
    "16 bits",
    "16 bits, signed",
)
GRAY_8: Final = ("8 bits", "8 bits, signed")
RGB_8: Final = ("RGB", "RGB, odd and small")
ALL_8_AND_16: Final = (*GRAY_8, *GRAY_16, *RGB_8, "RGB, 16 bits")


@dataclass(frozen=True, slots=True)
class Syntax:
    """A transfer syntax, what it can hold and how it is made."""

    uid: str
    kinds: tuple[str, ...]
    encode: Callable[[NDArray[Any], Kind], bytes]
    lossless: bool = True


def _unsigned(values: NDArray[Any]) -> NDArray[Any]:
    return values.view(values.dtype.str.replace("i", "u"))


def _narrow(values: NDArray[Any], kind: Kind) -> NDArray[Any]:
    """Make bytes of 8-bit samples, as writers of "8 in 16" do."""
    return values.astype(np.uint8) if kind.bits_stored <= 8 else values


def encode_rle(values: NDArray[Any], kind: Kind) -> bytes:
    """Encode each byte plane row by row (PS3.5 §G.3.1); 1-bit pixels are packed."""
    if kind.bits_allocated == 1:
        packed = np.packbits(values.reshape(-1), bitorder="little")
        return join_segments([_pack(packed.tobytes())])
    planes = np.moveaxis(values.reshape(*values.shape[:2], -1), -1, 0)
    segments = []
    for plane in planes:
        octets = np.ascontiguousarray(plane)[..., np.newaxis].view(np.uint8)
        for byte in reversed(range(octets.shape[-1])):
            rows = (row.tobytes() for row in octets[..., byte])
            segments.append(b"".join(map(_pack, rows)))
    return join_segments(segments)


def _pack(data: bytes) -> bytes:
    return bytes(imagecodecs.packbits_encode(data))


def join_segments(segments: list[bytes]) -> bytes:
    """Put an RLE header before segments; all but the last are padded."""
    padded = [part + bytes(len(part) % 2) for part in segments[:-1]] + segments[-1:]
    starts = np.cumsum([64, *map(len, padded)])[:-1]
    table = [len(padded), *starts, *[0] * (15 - len(padded))]
    return struct.pack("<16I", *table) + b"".join(padded)


def _deflate(values: NDArray[Any], kind: Kind) -> bytes:
    deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
    return deflate.compress(_native(values, kind)) + deflate.flush()


def _native(values: NDArray[Any], kind: Kind) -> bytes:
    if kind.bits_allocated == 1:
        return np.packbits(values.reshape(-1), bitorder="little").tobytes()
    return values.tobytes()


def _jpeg(values: NDArray[Any], kind: Kind) -> bytes:
    narrow = _narrow(values, kind)
    bits = 12 if narrow.itemsize == 2 else 8
    return bytes(imagecodecs.jpeg8_encode(narrow, level=90, bitspersample=bits))


def _progressive(values: NDArray[Any], kind: Kind) -> bytes:
    file = BytesIO()
    image = Image.fromarray(_narrow(values, kind))
    image.save(file, "JPEG", progressive=True, quality=90)
    return file.getvalue()


def _lossless_jpeg(predictor: int) -> Callable[[NDArray[Any], Kind], bytes]:
    def encode(values: NDArray[Any], kind: Kind) -> bytes:
        return bytes(
            imagecodecs.jpeg8_encode(
                _unsigned(_narrow(values, kind)),
                lossless=True,
                predictor=predictor,
                colorspace="rgb" if kind.samples == 3 else None,
                outcolorspace="rgb" if kind.samples == 3 else None,
            )
        )

    return encode


def _jpeg_ls(near: int) -> Callable[[NDArray[Any], Kind], bytes]:
    def encode(values: NDArray[Any], kind: Kind) -> bytes:
        return bytes(
            imagecodecs.jpegls_encode(_unsigned(_narrow(values, kind)), level=near)
        )

    return encode


def _jpeg_2000(*, reversible: bool) -> Callable[[NDArray[Any], Kind], bytes]:
    def encode(values: NDArray[Any], kind: Kind) -> bytes:
        return bytes(
            imagecodecs.jpeg2k_encode(
                _narrow(values, kind) if values.dtype.kind == "u" else values,
                level=0 if reversible else 40,
                codecformat="j2k",
                reversible=reversible,
                bitspersample=kind.bits_stored,
            )
        )

    return encode


def _htj2k(*, reversible: bool) -> Callable[[NDArray[Any], Kind], bytes]:
    def encode(values: NDArray[Any], kind: Kind) -> bytes:
        narrow = _narrow(values, kind) if values.dtype.kind == "u" else values
        level = None if reversible else 0.001
        return bytes(imagecodecs.htj2k_encode(narrow, level, reversible=reversible))

    return encode


def _jpeg_xl(*, lossless: bool) -> Callable[[NDArray[Any], Kind], bytes]:
    def encode(values: NDArray[Any], kind: Kind) -> bytes:
        narrow = _unsigned(_narrow(values, kind))
        if not lossless:
            return bytes(imagecodecs.jpegxl_encode(narrow, distance=1.0, effort=3))
        bits = 8 * narrow.itemsize if values.dtype.kind == "i" else kind.bits_stored
        return bytes(
            imagecodecs.jpegxl_encode(
                narrow, lossless=True, bitspersample=bits, effort=3
            )
        )

    return encode


def _recompressed_jpeg(values: NDArray[Any], kind: Kind) -> bytes:
    return bytes(imagecodecs.jpegxl_encode_jpeg(_jpeg(values, kind)))


RLE_LOSSLESS: Final = "1.2.840.10008.1.2.5"
DEFLATED_FRAME: Final = "1.2.840.10008.1.2.8.1"
UNCOMPRESSED: Final = "1.2.840.10008.1.2.1.98"
_EVERYTHING: Final = (
    *ALL_8_AND_16,
    "8 in 16 bits",
    "24 in 32 bits",
    "32 bits",
    "1 bit",
)
_JPEG_2000_KINDS: Final = (*ALL_8_AND_16, "8 in 16 bits", "1 bit", "24 in 32 bits")
_HTJ2K_KINDS: Final = (*ALL_8_AND_16, "8 in 16 bits", "24 in 32 bits", "32 bits")
_UNSIGNED_8: Final = ("8 bits", "8 in 16 bits", *RGB_8)

SYNTAXES: Final = (
    Syntax(RLE_LOSSLESS, _EVERYTHING, encode_rle),
    Syntax(DEFLATED_FRAME, _EVERYTHING, _deflate),
    Syntax(UNCOMPRESSED, _EVERYTHING, _native),
    Syntax(f"{_JPEG}50", _UNSIGNED_8, _jpeg, lossless=False),
    Syntax(f"{_JPEG}51", ("8 bits", "12 in 16 bits"), _jpeg, lossless=False),
    Syntax(f"{_JPEG}53", _UNSIGNED_8, _progressive, lossless=False),
    Syntax(f"{_JPEG}55", _UNSIGNED_8, _progressive, lossless=False),
    Syntax(f"{_JPEG}57", ALL_8_AND_16, _lossless_jpeg(4)),
    Syntax(f"{_JPEG}70", (*ALL_8_AND_16, "8 in 16 bits"), _lossless_jpeg(1)),
    Syntax(f"{_JPEG}80", (*ALL_8_AND_16, "8 in 16 bits"), _jpeg_ls(0)),
    Syntax(
        f"{_JPEG}81", ("8 bits", "12 in 16 bits", "RGB"), _jpeg_ls(2), lossless=False
    ),
    Syntax(f"{_JPEG}90", _JPEG_2000_KINDS, _jpeg_2000(reversible=True)),
    Syntax(
        f"{_JPEG}91",
        ("8 bits", "12 in 16 bits", "16 bits, signed", "RGB"),
        _jpeg_2000(reversible=False),
        lossless=False,
    ),
    Syntax(f"{_JPEG}92", ("8 bits", "RGB"), _jpeg_2000(reversible=True)),
    Syntax(f"{_JPEG}93", ("8 bits",), _jpeg_2000(reversible=False), lossless=False),
    Syntax(f"{_JPEG}110", (*ALL_8_AND_16, "8 in 16 bits"), _jpeg_xl(lossless=True)),
    Syntax(f"{_JPEG}111", ("8 bits", "RGB"), _recompressed_jpeg, lossless=False),
    Syntax(f"{_JPEG}112", ("8 bits", "RGB"), _jpeg_xl(lossless=False), lossless=False),
    Syntax(f"{_JPEG}201", _HTJ2K_KINDS, _htj2k(reversible=True)),
    Syntax(f"{_JPEG}202", _HTJ2K_KINDS, _htj2k(reversible=True)),
    Syntax(f"{_JPEG}203", ("8 bits", "RGB"), _htj2k(reversible=False), lossless=False),
)

CASES: Final = {
    f"{syntax.uid} {kind}": (syntax, kind)
    for syntax in SYNTAXES
    for kind in syntax.kinds
}
"""Every syntax with every kind of pixels that it may hold."""
CASES_OF: Final = {
    syntax.uid: [f"{syntax.uid} {kind}" for kind in syntax.kinds] for syntax in SYNTAXES
}
"""The cases of each syntax, for a test that goes through them in a loop."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame before and after encoding."""

    values: NDArray[Any]
    data: bytes
    format: FrameFormat


@cache
def make_frame(case: str) -> Frame:
    """Make a frame of a case, once in a process; nobody may change its values."""
    syntax, name = CASES[case]
    kind = KINDS[name]
    values = make_pixels(kind)
    values.flags.writeable = False
    return Frame(values, syntax.encode(values, kind), format_of(syntax.uid, kind))


def make_pixels(kind: Kind) -> NDArray[Any]:
    """Make a smooth image with some noise, over the whole range of its bits."""
    y, x = np.mgrid[: kind.shape[0], : kind.shape[1]].astype(float)
    smooth = 0.5 + 0.45 * np.sin(x / 11) * np.cos(y / 7)
    planes = [np.roll(smooth, 5 * k, axis=1) for k in range(kind.samples)]
    noise = np.random.default_rng(0).uniform(-0.04, 0.04, (*kind.shape, kind.samples))
    unit = (np.stack(planes, axis=-1) + noise).clip(0, 1)
    values = np.round(unit * (2**kind.bits_stored - 1)).astype(np.int64)
    if kind.dtype.startswith("i"):
        values -= 2 ** (kind.bits_stored - 1)
    shape = kind.shape if kind.samples == 1 else (*kind.shape, kind.samples)
    pixels: NDArray[Any] = values.astype(kind.dtype).reshape(shape)
    return pixels


def format_of(uid: str, kind: Kind, photometric: str | None = None) -> FrameFormat:
    """Make what a header says of such pixels."""
    if photometric is None:
        photometric = "MONOCHROME2" if kind.samples == 1 else "RGB"
    pixel = ImagePixel(
        rows=kind.shape[0],
        columns=kind.shape[1],
        number_of_frames=1,
        samples_per_pixel=kind.samples,
        photometric_interpretation=photometric,
        planar_configuration=0,
        bits_allocated=kind.bits_allocated,
        bits_stored=kind.bits_stored,
        pixel_representation=int(kind.dtype.startswith("i")),
    )
    return FrameFormat(pixel, TRANSFER_SYNTAXES[uid])


def decode(data: bytes, format_: FrameFormat) -> NDArray[Any]:
    """Decode one frame into fresh memory that is no plausible image."""
    out = np.full(format_.pixel.frame_shape, 77, format_.pixel.dtype)
    decode_frame(data, 0, format_, out)
    return out
