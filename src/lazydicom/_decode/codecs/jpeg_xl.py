"""JPEG XL: lossless, recompressed JPEG, and lossy (PS3.5 section 8.2.15)."""

from typing import Any, Final, NamedTuple

from numpy.typing import NDArray

from lazydicom._bytes.source import BytesLike
from lazydicom._decode.codec import Codec
from lazydicom._decode.codecs.headers.jpeg_xl import (
    FIRST_BYTES,
    JpegXlHeader,
    read_jpeg_xl_header,
)
from lazydicom._decode.format import FrameFormat
from lazydicom._decode.preflight import check_codestream, check_least
from lazydicom._decode.samples import SamplesDecoding, fitting, samples_decoder

JPEG_XL_LOSSLESS = "1.2.840.10008.1.2.4.110"
JPEG_RECOMPRESSION = "1.2.840.10008.1.2.4.111"
_GROUP: Final = 1024
"""Edge of the largest group; each has an entry of 12 bits in the table of contents."""


class JpegXlDecoding(NamedTuple):
    """How the codestreams of a file that say the same are decoded, decided once for all."""

    header: JpegXlHeader
    """What they say of themselves."""
    format: FrameFormat
    """What the file says of them."""
    samples: SamplesDecoding
    """How their samples become stored values."""
    least: int
    """Bytes that a codestream has at the very least."""


_last: JpegXlDecoding | None = None
"""Most frames are decoded as the one before."""


def preflight_jpeg_xl(data: BytesLike, format_: FrameFormat) -> JpegXlDecoding:
    """Check a codestream before libjxl decodes it, which itself refuses one that is cut."""
    global _last  # noqa: PLW0603 (replaced as a whole: threads never see half of it)
    header, decoding = read_jpeg_xl_header(data), _last
    if decoding is None or decoding.format is not format_ or decoding.header != header:
        decoding = _last = _decoding_of(header, format_)
    if len(data) < decoding.least:
        check_least(len(data), decoding.least, "JPEG XL")
    return decoding


def _decoding_of(header: JpegXlHeader, format_: FrameFormat) -> JpegXlDecoding:
    """Decide how to decode codestreams.

    They tell their own colour space, and the decoder gives RGB for XYB and for the YCbCr of
    a recompressed JPEG.
    """
    import imagecodecs

    check_codestream(header.codestream, format_.pixel)
    bits, decode = header.codestream.bits, imagecodecs.jpegxl_decode
    groups = -(-format_.pixel.rows // _GROUP) * -(-format_.pixel.columns // _GROUP)
    uid = format_.transfer_syntax.uid
    is_rgb = uid == JPEG_RECOMPRESSION or header.decodes_to_rgb
    samples = SamplesDecoding(
        decode=samples_decoder(decode, bits, format_.pixel, numthreads=1),
        fit=fitting(bits, format_.pixel, lossy=uid != JPEG_XL_LOSSLESS),
        to_rgb=format_.converts_to_rgb and not is_rgb,
    )
    return JpegXlDecoding(header, format_, samples, least=groups)


def decode_jpeg_xl(
    data: BytesLike, decoding: JpegXlDecoding, format_: FrameFormat, out: NDArray[Any]
) -> None:
    """Decode one frame."""
    del format_  # it was looked at before
    decoding.samples.into(data, out)


JPEG_XL: Final = Codec(
    "jpeg-xl",
    preflight_jpeg_xl,
    decode_jpeg_xl,
    first_bytes=FIRST_BYTES,
    media_types={"image/jxl": "1.2.840.10008.1.2.4.110"},
)
