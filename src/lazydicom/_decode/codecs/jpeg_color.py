"""What the components of a JPEG codestream are: RGB or YCbCr (PS3.5 section 8.2.1).

Old encoders left PhotometricInterpretation as it was before compression, so that for lossy
processes the markers of the codestream decide, as they do for libjpeg; without any of them the
header does. Lossless processes code whatever samples the header names, whatever the markers.

==============  =============  =====================  ==========  ==================
process         marker         component ids          header      components are
==============  =============  =====================  ==========  ==================
lossless        any            any                    YBR_FULL*   YCbCr
lossless        any            any                    other       as the header says
lossy           JFIF           any                    any         YCbCr
lossy           Adobe 1        any                    any         YCbCr
lossy           Adobe 0        any                    any         RGB
lossy           none, Adobe 2  R G B, r g b           any         RGB
lossy           none, Adobe 2  other                  YBR_FULL*   YCbCr
lossy           none, Adobe 2  other                  other       as the header says
==============  =============  =====================  ==========  ==================

JFIF wins over Adobe, as for libjpeg. Other kinds of YCbCr (YBR_PARTIAL_*) have no conversion
and stay as they are stored, whatever is marked.
"""

from typing import Final

from lazydicom._decode.codecs.headers.jpeg import LOSSLESS, JpegHeader
from lazydicom._decode.format import YBR_FULL, FrameFormat

_RGB_IDS: Final = (b"RGB", b"rgb")
_ADOBE: Final = {0: "RGB", 1: "YCbCr"}


def holds_ybr(header: JpegHeader, format_: FrameFormat) -> bool:
    """Return whether the components are YCbCr that becomes RGB."""
    pixel = format_.pixel
    if pixel.samples_per_pixel == 1:
        return False
    said, ybr = _marked(header, format_), pixel.photometric_interpretation in YBR_FULL
    if said is None:
        return ybr
    other_ybr = pixel.photometric_interpretation.startswith("YBR") and not ybr
    return said == "YCbCr" and not other_ybr


def overruled(header: JpegHeader, format_: FrameFormat) -> tuple[str, ...]:
    """Return what is odd where the codestream overrules the header."""
    ybr = holds_ybr(header, format_)
    if format_.color == "stored" or ybr == format_.converts_to_rgb:
        return ()
    marked = "YCbCr" if ybr else "RGB"
    message = (
        f"The codestream is marked as {marked}, PhotometricInterpretation says otherwise:"
        f" it is read as {marked}"
    )
    return (message,)


def _marked(header: JpegHeader, format_: FrameFormat) -> str | None:
    """Return what the markers say, ``None`` where they do not count."""
    if header.process in LOSSLESS or format_.photometric_given:
        return None
    if header.jfif:
        return "YCbCr"
    if header.adobe_transform in _ADOBE:
        return _ADOBE[header.adobe_transform]
    return "RGB" if header.component_ids in _RGB_IDS else None
