"""The header of a file: its elements, the Image Pixel module, and where pixels begin.

Nothing below the top level is looked at, and Pixel Data is found, not read. The pydicom
`Dataset` is made only when somebody asks for it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lazydicom._bytes.cached import cached
from lazydicom._bytes.inflate import InflatedSource
from lazydicom._bytes.ranges import ByteRange
from lazydicom._bytes.source import ByteSource, MemorySource
from lazydicom._header import tags
from lazydicom._header.elements import (
    LONGEST_HEADER,
    Elements,
    FileElements,
    image_pixel_attributes,
    read_elements,
)
from lazydicom._header.file_meta import FileMeta, read_file_meta
from lazydicom._header.image_pixel import (
    PIXEL_TAGS,
    ImagePixel,
    make_image_pixel,
    oddities,
)
from lazydicom._header.lookahead import Lookahead, open_lookahead
from lazydicom._header.pydicom import (
    DATASET_URL,
    DatasetElements,
    parse_data_set,
    transfer_syntax_uid,
)
from lazydicom._header.transfer_syntax import TRANSFER_SYNTAXES, TransferSyntax
from lazydicom._header.walker import UNDEFINED, Element, Framing, end_of, read_element
from lazydicom.errors import (
    InvalidDicomError,
    LazyDicomError,
    UnsupportedError,
    warn,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom import Dataset


@dataclass(frozen=True, eq=False)
class Header:
    """Everything before Pixel Data, and where that begins."""

    source: ByteSource = field(repr=False)
    """Where the offsets count; of a deflated file, the inflated bytes."""
    meta: FileMeta = field(repr=False)
    """How the data set is encoded and where it begins."""
    elements: Elements = field(repr=False)
    """The top level."""
    pixel_data: Element = field(repr=False)
    """The element that holds the frames."""
    image_pixel: ImagePixel

    @property
    def transfer_syntax(self) -> TransferSyntax:
        """How the frames are encoded."""
        return self.meta.transfer_syntax

    @property
    def url(self) -> str:
        """Name of the file."""
        return self.source.url

    @contextmanager
    def open_at_pixels(self) -> Iterator[Lookahead]:
        """Look at Pixel Data; what is here already is not fetched again."""
        with self.source.mapped() as memory:
            if memory is None and isinstance(self.elements, FileElements):
                yield self.elements.lookahead(self.pixel_data.start)
            else:
                yield Lookahead(self.source, memory)

    @cached
    def dataset(self) -> "Dataset":
        """The pydicom `Dataset` without its pixels, trailing elements included."""
        if isinstance(self.elements, DatasetElements):
            return self.elements.without_pixels()
        return _read_dataset(self)


def read_header(source: ByteSource) -> Header:
    """Walk over the top level of a file up to its pixels.

    Raises
    ------
    InvalidDicomError
        If the bytes contradict the standard, or there are no pixels.
    UnsupportedError
        If the transfer syntax or the pixel format is not known.
    """
    with open_lookahead(source) as lookahead:
        meta = read_file_meta(lookahead)
        if not meta.transfer_syntax.deflated:
            return _read_data_set(source, lookahead, meta)
    inflated = InflatedSource(source, meta.start)
    with open_lookahead(inflated) as lookahead:
        return _read_data_set(inflated, lookahead, meta)


def header_of_dataset(dataset: "Dataset") -> Header:
    """Take the header of a `Dataset` in memory; its pixels are not copied.

    Raises
    ------
    InvalidDicomError
        If it holds no pixels, or twice, or an element contradicts the standard.
    """
    syntax = _known_syntax(transfer_syntax_uid(dataset))
    elements = DatasetElements(dataset)
    found = [tag for tag in PIXEL_TAGS if tag in dataset]
    if len(found) != 1:
        message = f"Expected one element of pixels in the Dataset, found {len(found)}"
        raise InvalidDicomError(message, tag=tags.PIXEL_DATA)
    source = MemorySource(memoryview(elements.pixels(found[0])), url=DATASET_URL)
    vr = "" if syntax.implicit_vr else dataset[found[0]].VR
    pixel_data = Element(found[0], vr, 0, 0, source.size())
    framing = Framing(syntax.little_endian, syntax.implicit_vr)
    meta = FileMeta(syntax, framing, start=0, meta_start=0)
    pixel = _image_pixel(elements, pixel_data, source.url)
    return Header(source, meta, elements, pixel_data, pixel)


def read_sequence(header: Header, tag: int) -> "Sequence[Dataset]":
    """Read the items of one sequence of the top level; none where it is absent."""
    elements, framing = header.elements, header.meta.framing
    if isinstance(elements, DatasetElements):
        return elements.dataset[tag].value if tag in elements.dataset else ()
    assert isinstance(elements, FileElements)
    element = elements.find(tag)
    if element is None:
        return ()
    with open_lookahead(header.source) as lookahead:
        end = end_of(lookahead, element, framing, header.pixel_data.start)
    data = header.source.read(ByteRange(element.start, end - element.start))
    items: Sequence[Dataset] = parse_data_set(
        b"", bytes(data), framing, url=header.url
    )[tag].value
    return items


def _known_syntax(uid: str) -> TransferSyntax:
    if uid not in TRANSFER_SYNTAXES:
        raise UnsupportedError(
            f"Transfer syntax {uid!r} is not known", tag=tags.TRANSFER_SYNTAX_UID
        )
    return TRANSFER_SYNTAXES[uid]


def _read_data_set(source: ByteSource, lookahead: Lookahead, meta: FileMeta) -> Header:
    elements = read_elements(source, lookahead, meta)
    pixel_data = _pixel_element(lookahead, elements)
    _check_after(lookahead, pixel_data, meta.framing)
    pixel = _image_pixel(elements, pixel_data, source.url)
    return Header(source, meta, elements, pixel_data, pixel)


def _pixel_element(lookahead: Lookahead, elements: FileElements) -> Element:
    last = elements.last(lookahead)
    if last is None or last.tag not in PIXEL_TAGS:
        message = "No Pixel Data, Float Pixel Data or Double Float Pixel Data"
        raise InvalidDicomError(
            message, url=lookahead.url, offset=lookahead.size, tag=tags.PIXEL_DATA
        )
    return last


def _check_after(lookahead: Lookahead, pixel_data: Element, framing: Framing) -> None:
    """Refuse a second element of pixels: nobody can tell which one is meant."""
    end = pixel_data.offset + pixel_data.length
    if pixel_data.length == UNDEFINED or end + LONGEST_HEADER > lookahead.size:
        return
    following = read_element(lookahead, end, framing)
    if following.tag in PIXEL_TAGS:
        message = "A second element of pixels"
        raise InvalidDicomError(
            message, url=lookahead.url, offset=end, tag=following.tag
        )


def _image_pixel(elements: Elements, pixel_data: Element, url: str) -> ImagePixel:
    """Make the Image Pixel value; errors name the element and its byte."""
    keyword = PIXEL_TAGS[pixel_data.tag]
    try:
        attributes = image_pixel_attributes(elements)
        pixel = make_image_pixel(attributes, pixel_keyword=keyword)
    except LazyDicomError as error:
        at = elements.position(error.tag or 0)
        offset = pixel_data.start if at is None else at
        raise error.locate(url=url, offset=offset) from None
    for oddity in oddities(attributes, pixel):
        warn(oddity, url=url)
    return pixel


def _read_dataset(header: Header) -> "Dataset":
    source, meta = header.source, header.meta
    group_2 = source.read(ByteRange(meta.meta_start, meta.start - meta.meta_start))
    before = source.read(ByteRange(meta.start, header.pixel_data.start - meta.start))
    body = bytes(before) + _read_trailing(header)
    return parse_data_set(bytes(group_2), body, meta.framing, url=header.url)


def _read_trailing(header: Header) -> bytes:
    """Read what follows the pixels; nothing where their end cannot be found."""
    source, size = header.source, header.source.size()
    with open_lookahead(source) as lookahead:
        try:
            end = end_of(lookahead, header.pixel_data, header.meta.framing, size)
        except LazyDicomError:
            return b""
    return bytes(source.read(ByteRange(end, size - end)))
