"""JPEG 2000 and High-Throughput JPEG 2000 (PS3.5 sections 8.2.4 and 8.2.14)."""

from dataclasses import replace
from functools import partial
from typing import Any, Final, NamedTuple

from numpy.typing import NDArray

from lazydicom._bytes.source import BytesLike
from lazydicom._decode.codec import Codec, Elsewhere, fits
from lazydicom._decode.codecs.headers.jpeg_2000 import (
    FIRST_BYTES,
    Jpeg2000Header,
    check_tile_parts,
    read_jpeg_2000_header,
    read_main_segments,
)
from lazydicom._decode.codecs.unraised import call_and_raise
from lazydicom._decode.format import FrameFormat
from lazydicom._decode.preflight import check_codestream
from lazydicom._decode.samples import (
    allowed_threads,
    decode_planes,
    decode_samples,
    fit_bits,
    to_rgb,
)
from lazydicom.errors import UnsupportedError

_OPENJPEG_BITS: Final = 24
"""With 25 bits it gives other pixels than were encoded, and no error."""
_LOSSLESS: Final = ("1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202")


def decode_jpeg_2000(
    data: BytesLike, header: Jpeg2000Header, format_: FrameFormat, out: NDArray[Any]
) -> None:
    """Decode one frame; its own header tells how blocks are coded.

    The decoder undoes YBR_RCT and YBR_ICT, which belong to the codestream.
    """
    import imagecodecs

    codestream = data[header.start :] if header.start else data  # no boxes of JP2
    bits, signed = header.codestream.bits, header.signed
    if _is_for_openjph(header, format_):
        put = decode_planes if _holds_planes(header) else decode_samples
        decode = partial(call_and_raise, imagecodecs.htj2k_decode)
        put(decode, codestream, out, bits=bits, signed=signed)
    else:
        decode = partial(imagecodecs.jpeg2k_decode, numthreads=allowed_threads(out))
        decode_samples(decode, codestream, out, bits=bits, signed=signed)
    lossy = header.quantized or not header.reversible
    fit_bits(out, bits, format_.pixel, signed=signed, lossy=lossy)
    if format_.converts_to_rgb:
        to_rgb(out)


class _Seen(NamedTuple):
    """A main header that was read and checked."""

    format: FrameFormat
    """What the file says of the frame."""
    encoded: bytes
    """The bytes up to the end of the first marker behind the main header."""
    header: Jpeg2000Header


_last: _Seen | None = None
"""The frames of a file mostly have the same main header, and reading it takes 10 µs."""


def preflight_jpeg_2000(data: BytesLike, format_: FrameFormat) -> Jpeg2000Header:
    """Check a codestream before OpenJPEG or OpenJPH see it."""
    global _last  # noqa: PLW0603 (replaced as a whole: threads never see half of it)
    seen = _last
    if (
        seen is None
        or seen.format is not format_
        or data[: len(seen.encoded)] != seen.encoded
    ):
        seen = _last = _read_main_header(data, format_)
    header = check_tile_parts(data, len(seen.encoded) - 2, seen.header)
    bits = header.codestream.bits
    if bits > _OPENJPEG_BITS and not _is_for_openjph(header, format_):
        raise UnsupportedError(
            f"JPEG 2000 of {bits} bits has no decoder that is right: OpenJPEG is exact"
            f" up to {_OPENJPEG_BITS}"
        )
    return header


def _read_main_header(data: BytesLike, format_: FrameFormat) -> _Seen:
    header = read_jpeg_2000_header(data)
    check_codestream(header.codestream, format_.pixel)
    if header.part_2:
        raise UnsupportedError("JPEG 2000 with extensions of Part 2 has no decoder")
    if header.subsampled and (
        format_.decoder != "pydicom" or format_.color == "stored"
    ):
        raise UnsupportedError(
            "JPEG 2000 with subsampled colour has no decoder here that is right: open it"
            ' with decoder="pydicom" and color="rgb", for Pillow or pylibjpeg-openjpeg'
        )
    at, header = read_main_segments(data, header)
    return _Seen(format_, bytes(data[: at + 2]), header)


def _is_for_openjph(header: Jpeg2000Header, format_: FrameFormat) -> bool:
    """Return whether a frame is high-throughput and lossless.

    OpenJPH is twice as fast as OpenJPEG; but a value that loss carries beyond its range
    begins anew at the other end there, and black becomes white.
    """
    lossless = format_.transfer_syntax.uid in _LOSSLESS and not header.quantized
    return header.high_throughput and lossless


def _holds_planes(header: Jpeg2000Header) -> bool:
    """Return whether OpenJPH gives colour as one plane after the other."""
    return header.codestream.samples > 1 and not header.mixed


def _elsewhere(data: BytesLike, format_: FrameFormat) -> Elsewhere | None:
    header = preflight_jpeg_2000(data, format_)
    signed = header.signed == bool(format_.pixel.pixel_representation)
    bits = header.codestream.bits
    exact = signed and fits(bits, format_) and bits <= format_.pixel.bits_stored
    fast = _is_for_openjph(header, format_)
    if (
        not exact
        or header.start
        or format_.converts_to_rgb
        or (fast and _holds_planes(header))
    ):
        return None
    # Tile-parts may be missing, which decoders make up: each frame is looked at.
    return Elsewhere({"id": "imagecodecs_htj2k" if fast else "imagecodecs_jpeg2k"})


JPEG_2000: Final = Codec(
    "jpeg-2000",
    preflight_jpeg_2000,
    decode_jpeg_2000,
    first_bytes=FIRST_BYTES,
    ends_with_marker=True,
    elsewhere=_elsewhere,
    media_types={
        "image/jp2": "1.2.840.10008.1.2.4.90",
        "image/jpx": "1.2.840.10008.1.2.4.92",
    },
)
HTJ2K: Final = replace(
    JPEG_2000,
    name="htj2k",
    media_types={"image/jphc": "1.2.840.10008.1.2.4.201"},
)
