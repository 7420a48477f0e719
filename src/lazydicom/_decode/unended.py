"""JPEG and JPEG-LS whose end marker is missing, but no pixel.

The caller allows truncated files. A decoder that is handed the marker decodes what it finds
and makes up what lacks, so the frame is decoded twice: with bytes before the marker that
would change the pixels, if any pixel had to be read from there.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lazydicom._bytes.source import BytesLike
from lazydicom._decode.codec import Codec
from lazydicom._decode.codecs.headers.jpeg import SOF_PROGRESSIVE
from lazydicom._decode.codecs.jpeg import JpegDecoding
from lazydicom._decode.format import FrameFormat
from lazydicom._decode.preflight import END_OF_IMAGE
from lazydicom.errors import DecodeError


def decode_unended(
    codec: Codec, data: BytesLike, format_: FrameFormat, out: NDArray[Any]
) -> tuple[str, ...]:
    """Decode a codestream without end marker; return what is odd about it.

    Raises
    ------
    DecodeError
        If pixels lack, too.
    """
    fault = DecodeError("Expected an end marker (FFD9), found none")
    for codestream in _beginnings(bytes(data)):
        try:
            odd = _decode(codec, codestream + END_OF_IMAGE, format_, out)
            _check_alone(codec, codestream, format_, out)
        except DecodeError as error:
            fault = error
        else:
            return ("EOI (FFD9) is missing, and no pixel is", *odd)
    raise fault


def _beginnings(data: bytes) -> Iterator[bytes]:
    """Yield the codestream: without half a marker, and without a byte of padding."""
    yield data.removesuffix(b"\xff")
    if data.endswith(b"\0"):
        yield data[:-1].removesuffix(b"\xff")


def _check_alone(
    codec: Codec, codestream: bytes, format_: FrameFormat, out: NDArray[Any]
) -> None:
    longer = np.empty_like(out)
    try:
        _decode(codec, codestream + codec.probe + END_OF_IMAGE, format_, longer)
    except DecodeError:
        return  # the decoder itself says that it is too much
    if not np.array_equal(out, longer):
        raise DecodeError("Expected data of all pixels before the end: it is cut")


def _decode(
    codec: Codec, data: bytes, format_: FrameFormat, out: NDArray[Any]
) -> tuple[str, ...]:
    header = codec.preflight(data, format_)
    if isinstance(header, JpegDecoding) and header.header.process == SOF_PROGRESSIVE:
        raise DecodeError(
            "Expected EOI (FFD9), found none: nothing tells whether scans lack, too"
        )
    codec.decode(data, header, format_, out)
    return () if codec.oddities is None else codec.oddities(header, format_)
