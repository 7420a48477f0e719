"""Whether codecs that others know give exactly our values, and which.

That depends on every frame of a file: it must be one fragment, its codestream must say the
same as the header of the file, and it must be whole, because most decoders make up what is
missing. So every frame is looked at; one that differs, and our own codec is named.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.image import DicomImage
from lazydicom._bytes.source import ByteRange
from lazydicom._decode.format import FrameFormat
from lazydicom._decode.frame import decoder_elsewhere, has_decoder_elsewhere
from lazydicom._frames.fragment_reader import FragmentReader
from lazydicom._frames.reader import fragment_reader

Config: TypeAlias = dict[str, Any]
"""A codec, as numcodecs writes it into JSON."""

_ITEM_TAG: Final = np.frombuffer(b"\xfe\xff\x00\xe0", np.uint8)
_HEADER: Final = 8
_LARGEST_LOOK: Final = 1 << 26
"""64 MiB are fetched from elsewhere to look at all frames; more are not."""


def community_codec(image: DicomImage) -> Config | None:
    """Choose the codec of encapsulated frames, ``None`` where only ours will do."""
    reader, pixel = fragment_reader(image.reader), image.format.pixel
    plain = image.format.decoder == "imagecodecs" and pixel.bits_allocated > 1
    plain = plain and has_decoder_elsewhere(image.format)
    if not plain or reader is None:
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
        return _choose(data.data, list(spans), image.format)


def _choose(
    data: memoryview, spans: list[tuple[int, int]], format_: FrameFormat
) -> Config | None:
    start, stop = spans[0]
    first = decoder_elsewhere(data[start:stop], format_)
    if first is None:
        return None
    prefix = bytes(data[start : start + first.prefix])
    for start, stop in spans:
        same = prefix and bytes(data[start : start + len(prefix)]) == prefix
        if same and _is_ended(bytes(data[max(stop - 3, start) : stop])):
            continue
        decoder = decoder_elsewhere(data[start:stop], format_)
        if decoder is None or decoder.config != first.config:
            return None
    return first.config


def _is_ended(tail: bytes) -> bool:
    """Return whether EOI or EOC is there, with a byte of padding or without."""
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
    """Yield the bytes of all frames, and where in the file they begin."""
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
