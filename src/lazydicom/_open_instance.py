"""From a header to the image whose frames it describes."""

from collections.abc import Callable

from lazydicom._decode.format import Color, Decoder, FrameFormat, Isolation
from lazydicom._fragment_reader import open_fragments
from lazydicom._frame_cache import FrameCache
from lazydicom._frame_index import OnExtraFrames
from lazydicom._frame_reader import FrameReader, RangeReader
from lazydicom._header import Header
from lazydicom._image import DicomImage
from lazydicom._native_frames import native_index
from lazydicom._trail_reader import open_trail


def open_instance(
    load_header: Callable[[], Header],
    *,
    color: Color,
    decoder: Decoder,
    isolation: Isolation,
    lends: bool,
    allow_truncated: bool,
    on_extra_frames: OnExtraFrames,
    frame_cache_bytes: int = 0,
) -> DicomImage:
    """Read a header and index the frames behind it.

    Raises
    ------
    LazyDicomError
        As `lazydicom.open_image` says.
    """
    header = load_header()
    format_ = FrameFormat(
        header.image_pixel,
        header.transfer_syntax,
        color,
        _swapped_pairs(header),
        decoder,
        isolation,
    )
    reader = _frame_reader(
        header,
        format_,
        lends=lends,
        allow_truncated=allow_truncated,
        on_extra_frames=on_extra_frames,
    )
    cache = FrameCache(frame_cache_bytes) if frame_cache_bytes > 0 else None
    image = DicomImage(reader, format_, load_header, cache)
    vars(image)["header"] = header  # read already; it does not travel
    return image


def _swapped_pairs(header: Header) -> bool:
    """Tell pixels smaller than the words they are written in (PS3.5 annex A.3)."""
    big = header.transfer_syntax.native and not header.transfer_syntax.little_endian
    words = header.pixel_data.vr != "OB"
    return big and words and header.image_pixel.bits_allocated <= 8


def _frame_reader(
    header: Header,
    format_: FrameFormat,
    *,
    lends: bool,
    allow_truncated: bool,
    on_extra_frames: OnExtraFrames,
) -> FrameReader:
    if not header.transfer_syntax.native:
        plain = not allow_truncated and on_extra_frames == "warn"
        trail = open_trail(header) if plain else None
        return (
            trail
            if trail is not None
            else open_fragments(
                header, allow_truncated=allow_truncated, on_extra_frames=on_extra_frames
            )
        )
    index = native_index(
        header,
        swapped_pairs=format_.swapped_pairs,
        allow_truncated=allow_truncated,
        on_extra_frames=on_extra_frames,
    )
    return RangeReader(header.source, index, lends=lends)
