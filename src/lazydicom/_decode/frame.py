"""`decode_frame`: one door to all decoders, and to what else is known of codecs."""

from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from lazydicom._bytes.deferred import deferred
from lazydicom._bytes.source import BytesLike
from lazydicom._decode.codec import Elsewhere
from lazydicom._decode.codecs.jpeg import decode_told as decode_told  # noqa: PLC0414 (handed on)
from lazydicom._decode.codecs.registry import CODECS
from lazydicom._decode.format import FrameFormat, too_large
from lazydicom._decode.native import decode_native
from lazydicom._header.transfer_syntax import TransferSyntax
from lazydicom.errors import DecodeError, LazyDicomError, UnsupportedError

if TYPE_CHECKING:
    from lazydicom._decode import isolation, plugins, unended
else:
    isolation = deferred("lazydicom._decode.isolation")
    plugins = deferred("lazydicom._decode.plugins")
    unended = deferred("lazydicom._decode.unended")


def decode_frame(
    data: BytesLike, frame: int, format_: FrameFormat, out: NDArray[Any]
) -> tuple[str, ...]:
    """Decode one frame into `out`; return what is odd about it all the same.

    Parameters
    ----------
    data : bytes or memoryview
        The encoded frame; native: the bytes that it touches.
    frame : int
        Frame number, counted from 0.
    format_ : FrameFormat
        How it is encoded.
    out : ndarray, shape `frame_shape`, dtype of the stored values
        C-contiguous.

    Raises
    ------
    DecodeError
        If the bytes do not decode to exactly this frame.
    UnsupportedError
        If there is no decoder for the transfer syntax.
    """
    if format_.transfer_syntax.native:
        decode_native(data, frame, format_, out)
        return ()
    isolated = format_.isolation == "process"
    decode = isolation.decode_isolated if isolated else decode_encapsulated
    try:
        return decode(data, format_, out)
    except LazyDicomError as error:
        raise error.locate(frame=frame) from error.__cause__


def decode_encapsulated(
    data: BytesLike, format_: FrameFormat, out: NDArray[Any]
) -> tuple[str, ...]:
    """Decode the codestream of one frame in this process; see `decode_frame`."""
    if out.nbytes > format_.max_frame_bytes:
        raise too_large(out.nbytes, format_.max_frame_bytes)
    codec = CODECS.get(format_.transfer_syntax.codec or "")
    if codec is None:
        raise _without_decoder(format_.transfer_syntax)
    try:
        header = codec.preflight(data, format_)
    except DecodeError:
        if not (format_.allow_truncated and codec.probe):
            raise
        return unended.decode_unended(codec, data, format_, out)
    if format_.decoder == "pydicom":
        converted = bool(getattr(header, "subsampled", False))
        plugins.decode_with_plugins(data, format_, out, converted=converted)
        return ()
    codec.decode(data, header, format_, out)
    return () if codec.oddities is None else codec.oddities(header, format_)


def has_decoder_elsewhere(format_: FrameFormat) -> bool:
    """Return whether anybody else may give our values, by the codec family alone."""
    codec = CODECS.get(format_.transfer_syntax.codec or "")
    return codec is not None and codec.elsewhere is not None


def decoder_elsewhere(data: BytesLike, format_: FrameFormat) -> Elsewhere | None:
    """Return which codec of numcodecs gives exactly our values, ``None`` without any.

    A codestream that our decoder refuses is left to it.
    """
    codec = CODECS.get(format_.transfer_syntax.codec or "")
    if codec is None or codec.elsewhere is None:
        return None
    try:
        return codec.elsewhere(data, format_)
    except LazyDicomError:
        return None


def media_types() -> dict[str, str]:
    """Return the media types of all codecs, and what transfer syntax each means alone.

    >>> media_types()["image/jls"]
    '1.2.840.10008.1.2.4.80'
    """
    return {
        name: uid
        for codec in CODECS.values()
        for name, uid in codec.media_types.items()
    }


def _without_decoder(syntax: TransferSyntax) -> UnsupportedError:
    if syntax.codec == "video":
        return UnsupportedError(
            f"{syntax.name}: the frames of a video depend on each other, so none of them"
            " is a range of bytes that decodes alone"
        )
    return UnsupportedError(f"No decoder for {syntax.name}")
