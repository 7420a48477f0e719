"""Whether codecs that others know give exactly our values, and which.

That depends on every frame of a file: it must be one fragment, its codestream must say the
same as the header of the file, and it must be whole, because most decoders make up what is
missing. So every frame is looked at; one that differs, and our own codec is named.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.image import DicomImage
from lazydicom._bytes.ranges import ByteRange
from lazydicom._decode.codecs.jpeg import preflight_jpeg
from lazydicom._decode.codecs.jpeg_2000 import (
    holds_planes,
    is_for_openjph,
    preflight_jpeg_2000,
)
from lazydicom._decode.codecs.jpeg_ls import preflight_jpeg_ls
from lazydicom._decode.codecs.rle import is_plainly_padded, preflight_rle
from lazydicom._decode.format import FrameFormat
from lazydicom._decode.preflight import Codestream
from lazydicom._frames.fragment_reader import FragmentReader
from lazydicom._header.image_pixel import ImagePixel
from lazydicom._views.references.urls import file_reader
from lazydicom.errors import LazyDicomError

Config: TypeAlias = dict[str, Any]
"""A codec, as numcodecs writes it into JSON."""

_ITEM_TAG: Final = np.frombuffer(b"\xfe\xff\x00\xe0", np.uint8)
_HEADER: Final = 8
_LARGEST_LOOK: Final = 1 << 26
"""64 MiB are fetched from elsewhere to look at all frames; more are not."""


class _Seen(NamedTuple):
    """What one codestream says."""

    config: Config | None
    """The codec that gives our values."""
    prefix: int
    """Leading bytes that say it: a frame that begins with the same says the same. 0: every
    frame is looked at."""


def community_codec(image: DicomImage) -> Config | None:
    """Choose the codec of encapsulated frames, ``None`` where only ours will do."""
    look = _LOOKS.get(image.format.transfer_syntax.codec or "")
    reader, pixel = file_reader(image), image.format.pixel
    plain = image.format.decoder == "imagecodecs" and pixel.bits_allocated > 1
    if look is None or not plain or not isinstance(reader, FragmentReader):
        return None
    with _bytes_of(reader) as (data, base):
        starts, lengths = reader.index.offsets - base, reader.index.lengths
        if data is None or (lengths <= _HEADER).any():
            return None
        if (starts + lengths > data.size).any():
            return None
        if not _are_single_items(data, starts, lengths):
            return None
        spans = zip(
            (starts + _HEADER).tolist(), (starts + lengths).tolist(), strict=True
        )
        return _choose(data, list(spans), image.format, look)


def _choose(
    data: NDArray[np.uint8],
    spans: list[tuple[int, int]],
    format_: FrameFormat,
    look: "_Look",
) -> Config | None:
    first = _look(look, data, spans[0], format_)
    if first.config is None:
        return None
    start = spans[0][0]
    prefix = data[start : start + first.prefix].tobytes()
    for span in spans:
        same = (
            first.prefix and data[span[0] : span[0] + len(prefix)].tobytes() == prefix
        )
        if same and _is_ended(data, span):
            continue
        if _look(look, data, span, format_).config != first.config:
            return None
    return first.config


def _look(
    look: "_Look", data: NDArray[np.uint8], span: tuple[int, int], format_: FrameFormat
) -> _Seen:
    """Look at a whole codestream; one that our decoder refuses is left to it."""
    try:
        return look(data[span[0] : span[1]].data, format_)
    except LazyDicomError:
        return _Seen(None, 0)


def _is_ended(data: NDArray[np.uint8], span: tuple[int, int]) -> bool:
    """Return whether EOI or EOC is there, with a byte of padding or without."""
    tail = data[max(span[1] - 3, span[0]) : span[1]].tobytes()
    return tail.endswith(b"\xff\xd9") or tail == b"\xff\xd9\0"


def _are_single_items(
    data: NDArray[np.uint8], starts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> bool:
    heads = data[starts[:, np.newaxis] + np.arange(_HEADER)]
    tagged = (heads[:, :4] == _ITEM_TAG).all()
    values = np.ascontiguousarray(heads[:, 4:]).view("<u4")[:, 0]
    return bool(tagged and (values == lengths - _HEADER).all())


@contextmanager
def _bytes_of(
    reader: FragmentReader,
) -> Iterator[tuple[NDArray[np.uint8] | None, int]]:
    """Lend the bytes of all frames, and tell where in the file they begin."""
    index = reader.index
    start = int(index.offsets.min())
    length = int((index.offsets + index.lengths).max()) - start
    with reader.source.mapped() as view:
        if view is not None:
            yield np.frombuffer(view, np.uint8), 0
        elif length > _LARGEST_LOOK:
            yield None, 0
        else:
            data = reader.source.read(ByteRange(start, length))
            yield np.frombuffer(data, np.uint8), start


def _look_at_jpeg_2000(data: memoryview, format_: FrameFormat) -> _Seen:
    header = preflight_jpeg_2000(bytes(data), format_)
    signed = header.signed == bool(format_.pixel.pixel_representation)
    exact = signed and _fits(header.codestream, format_.pixel) and not header.start
    fast = is_for_openjph(header, format_)
    name = "imagecodecs_htj2k" if fast else "imagecodecs_jpeg2k"
    if not exact or format_.converts_to_rgb or (fast and holds_planes(header)):
        return _Seen(None, 0)
    return _Seen({"id": name}, 0)  # tile-parts may be missing, which decoders make up


def _look_at_jpeg_ls(data: memoryview, format_: FrameFormat) -> _Seen:
    header = preflight_jpeg_ls(bytes(data), format_)
    if not _is_plain(header.codestream, format_.pixel):
        return _Seen(None, 0)
    return _Seen({"id": "imagecodecs_jpegls"}, header.scan)


def _look_at_jpeg(data: memoryview, format_: FrameFormat) -> _Seen:
    header = preflight_jpeg(bytes(data), format_)
    if not _is_plain(header.codestream, format_.pixel):
        return _Seen(None, 0)
    prefix = 0 if header.restart_interval else header.scan  # an interval may be missing
    return _Seen({"id": "imagecodecs_jpeg"}, prefix)


def _look_at_rle(data: memoryview, format_: FrameFormat) -> _Seen:
    offsets, pixel = preflight_rle(data, format_), format_.pixel
    used = pixel.bits_stored == 8 * pixel.dtype.itemsize
    plain = pixel.samples_per_pixel == 1 and used
    if not plain or not is_plainly_padded(data, offsets, format_):
        return _Seen(None, 0)
    dtype = pixel.dtype.newbyteorder("<").str
    return _Seen({"id": "imagecodecs_dicomrle", "dtype": dtype}, 0)


def _fits(found: Codestream, pixel: ImagePixel) -> bool:
    """Return whether samples come out in words of our size."""
    itemsize = 1 if found.bits <= 8 else 2 if found.bits <= 16 else 4
    return itemsize == pixel.dtype.itemsize


def _is_plain(found: Codestream, pixel: ImagePixel) -> bool:
    """Tell one unsigned sample per pixel, without spare bits: signs would be lost."""
    unsigned = pixel.pixel_representation == 0 and pixel.samples_per_pixel == 1
    return unsigned and _fits(found, pixel) and found.bits <= pixel.bits_stored


_Look: TypeAlias = Callable[[memoryview, FrameFormat], _Seen]
_LOOKS: Final[dict[str, _Look]] = {
    "htj2k": _look_at_jpeg_2000,
    "jpeg": _look_at_jpeg,
    "jpeg-2000": _look_at_jpeg_2000,
    "jpeg-ls": _look_at_jpeg_ls,
    "rle": _look_at_rle,
}
