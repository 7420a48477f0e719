"""Encapsulated frames: what checks and what decodes each codec family."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from numpy.typing import NDArray

from lazydicom._bytes.source import BytesLike
from lazydicom._decode.codecs.jpeg import decode_jpeg, preflight_jpeg
from lazydicom._decode.codecs.jpeg_2000 import decode_jpeg_2000, preflight_jpeg_2000
from lazydicom._decode.codecs.jpeg_ls import decode_jpeg_ls, preflight_jpeg_ls
from lazydicom._decode.codecs.jpeg_xl import decode_jpeg_xl, preflight_jpeg_xl
from lazydicom._decode.codecs.native_fragments import (
    decode_deflated,
    decode_uncompressed,
    frame_length,
    preflight_uncompressed,
)
from lazydicom._decode.codecs.pydicom import decode_with_plugins
from lazydicom._decode.codecs.rle import decode_rle, preflight_rle
from lazydicom._decode.format import FrameFormat
from lazydicom._decode.preflight import check_size
from lazydicom.errors import UnsupportedError


class _Codec(NamedTuple):
    """Two functions of one codec family."""

    preflight: Callable[[BytesLike, FrameFormat], Any]
    """Compares the codestream with the header of the file; gives what it read."""
    decode: Callable[[BytesLike, Any, FrameFormat, NDArray[Any]], None]
    """Decodes, with what `preflight` gave."""


_JPEG_2000: Final = _Codec(preflight_jpeg_2000, decode_jpeg_2000)
_CODECS: Final = {
    "deflate": _Codec(frame_length, decode_deflated),
    "htj2k": _JPEG_2000,
    "jpeg": _Codec(preflight_jpeg, decode_jpeg),
    "jpeg-2000": _JPEG_2000,
    "jpeg-ls": _Codec(preflight_jpeg_ls, decode_jpeg_ls),
    "jpeg-xl": _Codec(preflight_jpeg_xl, decode_jpeg_xl),
    "rle": _Codec(preflight_rle, decode_rle),
    "uncompressed": _Codec(preflight_uncompressed, decode_uncompressed),
}
"""By codec family, as the table of transfer syntaxes names it."""


def decode_encapsulated(
    data: BytesLike, format_: FrameFormat, out: NDArray[Any]
) -> None:
    """Decode the codestream of one frame; see `decode_frame`."""
    check_size(out.nbytes, format_.max_frame_bytes)
    codec = _CODECS.get(format_.transfer_syntax.codec or "")
    if codec is None:
        raise _no_decoder(format_)
    header = codec.preflight(data, format_)
    if format_.decoder == "pydicom":
        decode_with_plugins(data, format_, out)
    else:
        codec.decode(data, header, format_, out)


def _no_decoder(format_: FrameFormat) -> UnsupportedError:
    name = format_.transfer_syntax.name
    if format_.transfer_syntax.codec == "video":
        return UnsupportedError(
            f"{name}: the frames of a video depend on each other, so none of them is a"
            " range of bytes that decodes alone"
        )
    return UnsupportedError(f"No decoder for {name}")
