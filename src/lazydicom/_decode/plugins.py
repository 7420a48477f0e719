"""Decoding with the plugins that pydicom finds, because the caller asks for it."""

from typing import Any

from numpy.typing import NDArray

from lazydicom._bytes.source import BytesLike
from lazydicom._decode.format import FrameFormat
from lazydicom._decode.native import clear_unused_bits
from lazydicom.errors import DecodeError, UnsupportedError


def decode_with_plugins(
    data: BytesLike, format_: FrameFormat, out: NDArray[Any], *, converted: bool = False
) -> None:
    """Decode one frame as `pydicom.pixels.get_decoder` does, plugin after plugin.

    `converted`: whether plugins themselves make RGB of such a codestream.

    Raises
    ------
    UnsupportedError
        If pydicom knows no decoder, or has no plugin for it.
    DecodeError
        If no plugin decodes the frame, or what comes out is not the frame.
    """
    from pydicom.encaps import encapsulate
    from pydicom.pixels.decoders.base import get_decoder

    try:
        decoder = get_decoder(format_.transfer_syntax.uid)
    except NotImplementedError as error:
        raise UnsupportedError(f"pydicom: {error}") from error
    if not decoder.is_available:
        needs = "; ".join(decoder.missing_dependencies)
        raise UnsupportedError(f"pydicom finds no plugin: {needs}")
    frame = encapsulate([bytes(data)], has_bot=False)
    raw = converted or format_.color == "stored"
    try:
        values, _ = decoder.as_array(frame, index=0, raw=raw, **_options(format_))
    except BaseException as error:  # a panic of a plugin in Rust is no Exception
        if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit):
            raise
        raise DecodeError(f"No plugin of pydicom decodes it: {error}") from error
    if values.shape != out.shape or values.dtype != out.dtype:
        shape_text = f"{values.dtype} {values.shape}"
        raise DecodeError(
            f"Expected {out.dtype} {out.shape}, a plugin gave {shape_text}"
        )
    out[...] = values
    clear_unused_bits(out, format_.pixel)


def _options(format_: FrameFormat) -> dict[str, Any]:
    pixel = format_.pixel
    options = {
        name: getattr(pixel, name)
        for name in (
            "rows",
            "columns",
            "samples_per_pixel",
            "photometric_interpretation",
            "bits_allocated",
            "bits_stored",
            "pixel_representation",
            "pixel_keyword",
        )
    }
    # Of native pixels only: pydicom would take samples side by side for planes, and where
    # a plugin does give planes it tells itself.
    return options | {"planar_configuration": 0, "number_of_frames": 1}
