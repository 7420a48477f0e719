"""JPEG XL: lossless, recompressed JPEG, and lossy (PS3.5 section 8.2.15)."""

from typing import Any, Final

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
from lazydicom._decode.samples import decode_samples, fit_bits, to_rgb

JPEG_XL_LOSSLESS = "1.2.840.10008.1.2.4.110"
JPEG_RECOMPRESSION = "1.2.840.10008.1.2.4.111"


_GROUP: Final = 1024
"""Edge of the largest group; each has an entry of 12 bits in the table of contents."""


def preflight_jpeg_xl(data: BytesLike, format_: FrameFormat) -> JpegXlHeader:
    """Check a codestream before libjxl decodes it, which itself refuses one that is cut."""
    header = read_jpeg_xl_header(data)
    check_codestream(header.codestream, format_.pixel)
    groups = -(-format_.pixel.rows // _GROUP) * -(-format_.pixel.columns // _GROUP)
    check_least(len(data), groups, "JPEG XL")
    return header


def decode_jpeg_xl(
    data: BytesLike, header: JpegXlHeader, format_: FrameFormat, out: NDArray[Any]
) -> None:
    """Decode one frame.

    The codestream tells its own colour space, and the decoder gives RGB for XYB and for
    the YCbCr of a recompressed JPEG.
    """
    import imagecodecs

    decode = imagecodecs.jpegxl_decode
    decode_samples(decode, data, out, bits=header.codestream.bits, numthreads=1)
    lossy = format_.transfer_syntax.uid != JPEG_XL_LOSSLESS
    fit_bits(out, header.codestream.bits, format_.pixel, lossy=lossy)
    recompressed = format_.transfer_syntax.uid == JPEG_RECOMPRESSION
    is_rgb = recompressed or header.decodes_to_rgb
    if format_.converts_to_rgb and not is_rgb:
        to_rgb(out)


JPEG_XL: Final = Codec(
    "jpeg-xl",
    preflight_jpeg_xl,
    decode_jpeg_xl,
    first_bytes=FIRST_BYTES,
    media_types={"image/jxl": "1.2.840.10008.1.2.4.110"},
)
