"""Tiles of a slide that go into a store as they are: which codec gives exactly their values.

One rule: a level is kept where all its tiles are there, each is one codestream of JPEG with 8
bits, and all are told to a decoder in the same words. Any other level is decoded.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from lazydicom._array.array import DicomArray
from lazydicom._array.grid import Tiles
from lazydicom._array.image import DicomImage
from lazydicom._array.lazy_array import LazyArray
from lazydicom._bytes.source import BytesLike
from lazydicom._decode.format import FrameFormat
from lazydicom._decode.frame import decoder_elsewhere, has_decoder_elsewhere
from lazydicom._views.zarr_codec import JPEG_NAME, JpegCodec
from lazydicom.errors import LazyDicomError

_FRAMES_AT_ONCE: Final = 256


def tile_codec(array: LazyArray) -> JpegCodec | None:
    """Return the codec of all tiles of a level, ``None`` where it is to be decoded.

    Every tile is read, and its header looked at: one that differs, and all are decoded.
    """
    if not isinstance(array, DicomArray) or not _is_whole(array):
        return None
    codecs = _codecs(array.images)
    first = next(codecs)
    return first if first is not None and all(one == first for one in codecs) else None


def _is_whole(array: DicomArray) -> bool:
    """Return whether the array is made of tiles that are all there, and that we decode."""
    grid = array.grid
    if not isinstance(grid.layout, Tiles) or grid.crop is not None:
        return False
    if (grid.numbers < 0).any():
        return False
    formats = [image.format for image in array.images]
    return all(
        one.decoder == "imagecodecs" and has_decoder_elsewhere(one) for one in formats
    )


def _codecs(images: Sequence[DicomImage]) -> Iterator[JpegCodec | None]:
    """Return the codec of each frame, ``None`` where nobody else gives its values."""
    for image in images:
        for start in range(0, len(image), _FRAMES_AT_ONCE):
            some = range(start, min(start + _FRAMES_AT_ONCE, len(image)))
            try:
                frames = image.reader.read(some)
            except LazyDicomError as error:
                raise error.locate(url=image.url) from None
            yield from (_codec(data, image.format) for data in frames)


def _codec(data: BytesLike, format_: FrameFormat) -> JpegCodec | None:
    decoder = decoder_elsewhere(data, format_)
    if decoder is None or decoder.config["id"] != JPEG_NAME:
        return None
    names = ("colorspace_jpeg", "colorspace_data")
    return JpegCodec(*(decoder.config.get(name) for name in names))
