"""`decode_frame`: one door to all decoders."""

from typing import Any

from numpy.typing import NDArray

from lazydicom._bytes.source import BytesLike
from lazydicom._decode.encapsulated import decode_encapsulated
from lazydicom._decode.format import FrameFormat
from lazydicom._decode.isolation import decode_isolated
from lazydicom._decode.native import decode_native
from lazydicom.errors import LazyDicomError


def decode_frame(
    data: BytesLike, frame: int, format_: FrameFormat, out: NDArray[Any]
) -> None:
    """Decode one frame into `out`.

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
        return
    isolated = format_.isolation == "process"
    decode = decode_isolated if isolated else decode_encapsulated
    try:
        decode(data, format_, out)
    except LazyDicomError as error:
        raise error.locate(frame=frame) from error.__cause__
