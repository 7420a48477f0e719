"""From a header to the image whose frames it describes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from lazydicom._array.image import DicomImage
from lazydicom._decode.format import FrameFormat
from lazydicom._decode.preflight import check_size
from lazydicom._frames.fragment_reader import open_fragments
from lazydicom._frames.index import FrameIndex
from lazydicom._frames.native import open_native
from lazydicom._frames.partial_reader import open_partial
from lazydicom._frames.reader import FrameReader, native_reader
from lazydicom._header import tags
from lazydicom._header.header import Header
from lazydicom._header.image_pixel import IMAGE_PIXEL_TAGS
from lazydicom._open.options import OpenOptions
from lazydicom.errors import LimitError, UnsupportedError

MAX_FRAMES: Final = 1 << 24
"""16,777,216: no object is known with a tenth of that, and a few kilobytes of deflated
zeros claim more."""


def open_instance(
    load_header: Callable[[], Header], options: OpenOptions
) -> DicomImage:
    """Read a header and index the frames behind it.

    Raises
    ------
    LazyDicomError
        As `lazydicom.open_image` says.
    """
    header = load_header()
    if options.photometric_interpretation is not None:
        header = replace(header, image_pixel=options.overruled(header.image_pixel))
    format_ = options.frame_format(
        header.image_pixel,
        header.transfer_syntax,
        swapped_pairs=_swapped_pairs(header),
    )
    _check_size(header, options.max_frame_bytes)
    reader = _frame_reader(header, format_, options)
    _check_count(header, len(reader))
    native = native_reader(reader)
    if native is not None:
        format_ = with_padding(format_, native.index)
    image = DicomImage(reader, format_, load_header, options.frame_cache())
    vars(image)["header"] = header  # read already; it does not travel
    return image


def _check_size(header: Header, max_frame_bytes: int) -> None:
    """Refuse frames that would take more memory than allowed, before any is asked for."""
    try:
        check_size(header.image_pixel.frame_nbytes, max_frame_bytes)
    except LimitError as error:
        error.tag = IMAGE_PIXEL_TAGS["rows"][0]
        raise error.locate(url=header.url, offset=header.pixel_data.start) from None


def _check_count(header: Header, frames: int) -> None:
    """Refuse more frames than a grid is made for: it takes 8 bytes for each."""
    if frames > MAX_FRAMES:
        message = f"Expected at most {MAX_FRAMES} frames, found {frames}"
        raise LimitError(message, url=header.url, offset=header.pixel_data.start)


def _swapped_pairs(header: Header) -> bool:
    """Return whether pixels are smaller than the words they are written in (PS3.5 annex A.3).

    A `Dataset` made in memory says "OB or OW": its bytes are still in their own order.
    """
    big = header.transfer_syntax.native and not header.transfer_syntax.little_endian
    words = header.pixel_data.vr == "OW"
    pixel = header.image_pixel
    return big and words and (pixel.packed or pixel.bits_allocated == 8)


def _frame_reader(
    header: Header, format_: FrameFormat, options: OpenOptions
) -> FrameReader:
    if not header.transfer_syntax.native:
        partial = open_partial(header) if options.keeps_declared else None
        return (
            partial
            if partial is not None
            else open_fragments(
                header,
                allow_truncated=options.allow_truncated,
                on_extra_frames=options.on_extra_frames,
            )
        )
    reader = open_native(
        header,
        swapped_pairs=format_.swapped_pairs,
        lends=options.lends,
        tolerance=options.tolerance,
    )
    check_color(format_, url=header.url, offset=header.pixel_data.start)
    return reader


def with_padding(format_: FrameFormat, index: FrameIndex | None) -> FrameFormat:
    """Return the format of frames, which may be padded one by one."""
    stride = None if index is None else index.stride
    if stride is None or stride.frame_bits == format_.pixel.frame_bits:
        return format_
    return replace(format_, padded=True)


def check_color(format_: FrameFormat, *, url: str, offset: int | None) -> None:
    """Refuse YCbCr that has no conversion: that of 8 bits is the only one defined."""
    dtype = format_.pixel.dtype
    if format_.converts_to_rgb and dtype != np.uint8:
        raise UnsupportedError(
            f'YCbCr of type {dtype} is not converted: open it with color="stored"',
            url=url,
            offset=offset,
            tag=tags.PHOTOMETRIC_INTERPRETATION,
        )
