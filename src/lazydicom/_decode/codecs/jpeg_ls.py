"""JPEG-LS, lossless and near-lossless (PS3.5 section 8.2.3, ISO/IEC 14495-1)."""

import re
from functools import partial
from typing import Any, Final, NamedTuple

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
from lazydicom._decode.preflight import (
    END_OF_IMAGE,
    check_codestream,
    check_end,
    check_least,
)
from lazydicom._decode.samples import (
    SamplesDecoding,
    decode_planes,
    fitting,
    samples_decoder,
)
from lazydicom.errors import DecodeError, UnsupportedError

_PLANE: Final = re.compile(rb"\xff\xda\x00\x08\x01(.)", re.DOTALL)
"""The header of a scan of one component, and which it is."""


class JpegLsDecoding(NamedTuple):
    """How the codestreams of a file that begin alike are decoded, decided once for all."""

    header: JpegHeader
    """What they begin with."""
    format: FrameFormat
    """What the file says of them."""
    samples: SamplesDecoding
    """How their samples become stored values."""
    planes: bool
    """Whether each component has a scan of its own (interleave mode 0)."""


_last: JpegLsDecoding | None = None
"""Most frames are decoded as the one before."""


def decode_jpeg_ls(
    data: BytesLike, decoding: JpegLsDecoding, format_: FrameFormat, out: NDArray[Any]
) -> None:
    """Decode one frame, however its components are interleaved."""
    del format_  # it was looked at before
    decoding.samples.into(data, out)


def preflight_jpeg_ls(data: BytesLike, format_: FrameFormat) -> JpegLsDecoding:
    """Check a codestream before CharLS decodes it."""
    global _last  # noqa: PLW0603 (replaced as a whole: threads never see half of it)
    header, decoding = read_jpeg_header(data), _last
    if (
        decoding is None
        or decoding.format is not format_
        or decoding.header is not header
    ):
        decoding = _last = _decoding_of(header, format_)
    # A bit for each line at the least: a run takes it as a whole.
    length, least = len(data) - header.scan, format_.pixel.rows // 8
    if length < least:
        check_least(length, least, "JPEG-LS")
    if length < 2 or data[-2:] != END_OF_IMAGE:  # as ever it ends there
        check_end(data, header.scan, "EOI")
    if decoding.planes:
        _check_planes(data, header)
    return decoding


def _decoding_of(header: JpegHeader, format_: FrameFormat) -> JpegLsDecoding:
    """Decide how to decode codestreams that begin so."""
    import imagecodecs

    if header.process != SOF_JPEG_LS:
        marker = f"FF{header.process:02X}"
        raise DecodeError(f"Expected a JPEG-LS frame header (FFF7), found {marker}")
    check_codestream(header.codestream, format_.pixel)
    bits, decode = header.codestream.bits, imagecodecs.jpegls_decode
    full = (1 << bits) - 1
    if header.largest not in {0, full}:
        raise UnsupportedError(
            f"JPEG-LS with values up to {header.largest} (MAXVAL) has no decoder that is"
            f" right: CharLS takes them for up to {full}"
        )
    _check_scan_header(header.scan_header)
    planes = header.scan_header[4] == 1 < header.codestream.samples
    samples = SamplesDecoding(
        decode=partial(decode_planes, decode, bits=bits)
        if planes
        else samples_decoder(decode, bits, format_.pixel),
        fit=fitting(bits, format_.pixel, lossy=_near(header) > 0),
        to_rgb=format_.color == "rgb" and holds_ybr(header, format_),
    )
    return JpegLsDecoding(header, format_, samples, planes=planes)


def _check_scan_header(scan_header: bytes) -> None:
    """Refuse a first SOS that lacks what it says: components, NEAR and how they interleave."""
    if len(scan_header) < 8 or len(scan_header) < 8 + 2 * scan_header[4]:
        raise DecodeError(
            f"The scan header (SOS) has {len(scan_header)} bytes: too few"
        )


def _near(header: JpegHeader) -> int:
    """Return how far values may be off: NEAR of the first scan."""
    return header.scan_header[5 + 2 * header.scan_header[4]]


def _check_planes(data: BytesLike, header: JpegHeader) -> None:
    """Refuse what CharLS decodes to other pixels than were encoded, without an error."""
    planes = b"".join(_PLANE.findall(data, header.scan))
    if planes != header.component_ids:
        raise UnsupportedError(
            f"JPEG-LS with planes in the order {planes.hex(' ')} has no decoder:"
            f" CharLS takes them for {header.component_ids.hex(' ')}"
        )


def _elsewhere(data: BytesLike, format_: FrameFormat) -> Elsewhere | None:
    header = preflight_jpeg_ls(data, format_).header
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
