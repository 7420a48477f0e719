"""Encapsulated frames: which function decodes which transfer syntax."""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from numpy.typing import NDArray

from lazydicom._decode.format import FrameFormat
from lazydicom._decode.jpeg import decode_jpeg
from lazydicom._decode.jpeg_2000 import decode_jpeg_2000
from lazydicom._decode.jpeg_ls import decode_jpeg_ls
from lazydicom._decode.jpeg_xl import decode_jpeg_xl
from lazydicom._decode.preflight import check_size
from lazydicom._decode.rle import decode_rle
from lazydicom._decode.wrapped_native import decode_deflated, decode_uncompressed
from lazydicom._source import BytesLike
from lazydicom.errors import UnsupportedError

_Decode: TypeAlias = Callable[[bytes, FrameFormat, NDArray[Any]], None]

_DECODERS: Final[dict[str, _Decode]] = {
    "deflate": decode_deflated,
    "htj2k": decode_jpeg_2000,
    "jpeg": decode_jpeg,
    "jpeg-2000": decode_jpeg_2000,
    "jpeg-ls": decode_jpeg_ls,
    "jpeg-xl": decode_jpeg_xl,
    "rle": decode_rle,
    "uncompressed": decode_uncompressed,
}
"""By codec family, as the table of transfer syntaxes names it."""


def decode_encapsulated(
    data: BytesLike, format_: FrameFormat, out: NDArray[Any]
) -> None:
    """Decode the codestream of one frame; see `decode_frame`."""
    check_size(format_.pixel, format_.max_frame_bytes)
    decode = _DECODERS.get(format_.transfer_syntax.codec or "")
    if decode is None:
        raise _no_decoder(format_)
    decode(data if isinstance(data, bytes) else bytes(data), format_, out)


def _no_decoder(format_: FrameFormat) -> UnsupportedError:
    name = format_.transfer_syntax.name
    if format_.transfer_syntax.codec == "video":
        return UnsupportedError(
            f"{name}: the frames of a video depend on each other, so none of them is a"
            " range of bytes that decodes alone"
        )
    return UnsupportedError(f"No decoder for {name}")
