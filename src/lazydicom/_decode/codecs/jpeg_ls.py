"""JPEG-LS, lossless and near-lossless (PS3.5 section 8.2.3, ISO/IEC 14495-1)."""

import re
from typing import Any, Final

from numpy.typing import NDArray

from lazydicom._bytes.source import BytesLike
from lazydicom._decode.codec import Codec, Elsewhere, is_plain
from lazydicom._decode.codecs.headers.jpeg import (
    FIRST_BYTES,
    SOF_JPEG_LS,
    JpegHeader,
    read_jpeg_header,
)
from lazydicom._decode.codecs.jpeg_color import holds_ybr
from lazydicom._decode.format import FrameFormat
from lazydicom._decode.preflight import check_codestream, check_end, check_least
from lazydicom._decode.samples import decode_planes, decode_samples, fit_bits, to_rgb
from lazydicom.errors import DecodeError, UnsupportedError

_PLANE: Final = re.compile(rb"\xff\xda\x00\x08\x01(.)", re.DOTALL)
"""The header of a scan of one component, and which it is."""


def decode_jpeg_ls(
    data: BytesLike, header: JpegHeader, format_: FrameFormat, out: NDArray[Any]
) -> None:
    """Decode one frame, however its components are interleaved."""
    import imagecodecs

    bits = header.codestream.bits
    decode = decode_planes if _holds_planes(data, header) else decode_samples
    decode(imagecodecs.jpegls_decode, data, out, bits=bits)
    fit_bits(out, bits, format_.pixel, lossy=_near(data, header) > 0)
    if format_.color == "rgb" and holds_ybr(header, format_):
        to_rgb(out)


def _near(data: BytesLike, header: JpegHeader) -> int:
    """Return how far values may be off: NEAR of the first scan."""
    return data[header.scan + 5 + 2 * data[header.scan + 4]]


def _holds_planes(data: BytesLike, header: JpegHeader) -> bool:
    """Return whether each component has a scan of its own (interleave mode 0)."""
    components_in_scan = data[header.scan + 4]
    return components_in_scan == 1 < header.codestream.samples


def preflight_jpeg_ls(data: BytesLike, format_: FrameFormat) -> JpegHeader:
    """Check a codestream before CharLS decodes it."""
    header = read_jpeg_header(data)
    if header.process != SOF_JPEG_LS:
        marker = f"FF{header.process:02X}"
        raise DecodeError(f"Expected a JPEG-LS frame header (FFF7), found {marker}")
    check_codestream(header.codestream, format_.pixel)
    # A bit for each line at the least: a run takes it as a whole.
    check_least(len(data) - header.scan, format_.pixel.rows // 8, "JPEG-LS")
    check_end(data, header.scan, "EOI")
    _check_for_charls(data, header)
    return header


def _check_for_charls(data: BytesLike, header: JpegHeader) -> None:
    """Refuse what CharLS decodes to other pixels than were encoded, without an error."""
    full = (1 << header.codestream.bits) - 1
    if header.largest not in {0, full}:
        raise UnsupportedError(
            f"JPEG-LS with values up to {header.largest} (MAXVAL) has no decoder that is"
            f" right: CharLS takes them for up to {full}"
        )
    if _holds_planes(data, header):
        planes = b"".join(_PLANE.findall(data, header.scan))
        if planes != header.component_ids:
            raise UnsupportedError(
                f"JPEG-LS with planes in the order {planes.hex(' ')} has no decoder:"
                f" CharLS takes them for {header.component_ids.hex(' ')}"
            )


def _elsewhere(data: BytesLike, format_: FrameFormat) -> Elsewhere | None:
    header = preflight_jpeg_ls(data, format_)
    if not is_plain(header.codestream.bits, format_):
        return None
    return Elsewhere({"id": "imagecodecs_jpegls"}, header.scan)


JPEG_LS: Final = Codec(
    "jpeg-ls",
    preflight_jpeg_ls,
    decode_jpeg_ls,
    first_bytes=FIRST_BYTES,
    ends_with_marker=True,
    probe=b"\x80",  # CharLS reads up to a byte of zeros, and refuses what it does not read
    elsewhere=_elsewhere,
    media_types={"image/jls": "1.2.840.10008.1.2.4.80"},
)
