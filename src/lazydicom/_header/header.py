"""The header of a file: its elements, the Image Pixel module, and where pixels begin.

Nothing below the top level is looked at, and Pixel Data is found, not read. The pydicom
`Dataset` is made only when somebody asks for it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from lazydicom._bytes.cached import cached
from lazydicom._bytes.containers.inflate import InflatedSource
from lazydicom._bytes.source import (
    ByteRange,
    ByteSource,
    Lookahead,
    MemorySource,
    ReadableFile,
    open_lookahead,
)
from lazydicom._header import tags
from lazydicom._header.elements import (
    LONGEST_HEADER,
    Elements,
    FileElements,
    image_pixel_attributes,
    read_elements,
    with_trailing_attributes,
)
from lazydicom._header.file_meta import FileMeta, read_file_meta, shown_uid
from lazydicom._header.image_pixel import (
    IMAGE_PIXEL_TAGS,
    PIXEL_TAGS,
    ImagePixel,
    make_image_pixel,
    oddities,
)
from lazydicom._header.pydicom import (
    DATASET_URL,
    DatasetElements,
    only_ours,
    parse_data_set,
    transfer_syntax_uid,
)
from lazydicom._header.transfer_syntax import TRANSFER_SYNTAXES, TransferSyntax
from lazydicom._header.walker import (
    UNDEFINED,
    Element,
    Framing,
    end_of,
    end_of_value,
    read_element,
)
from lazydicom.errors import (
    InvalidDicomError,
    LazyDicomError,
    UnsupportedError,
    format_tag,
    warn,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom import DataElement, Dataset


_SIZES: Final = (tags.ROWS, tags.COLUMNS, tags.BITS_ALLOCATED)
"""Without them there is no image."""
_BLOCK: Final = 1 << 20
_MOST_SHOWN: Final = 5


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
        """Yield a lookahead on Pixel Data; what is here already is not fetched again."""
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


def read_header(
    source: ByteSource, given: TransferSyntax | None = None, *, tables: bool = True
) -> Header:
    """Walk over the top level of a file up to its pixels.

    Parameters
    ----------
    source : ByteSource
        The file.
    given : TransferSyntax, optional
        What the caller says of the pixels, whatever the file declares.
    tables : bool
        Whether offset tables will be read, so that far away a long one is fetched at once.

    Raises
    ------
    InvalidDicomError
        If the bytes contradict the standard, or there are no pixels.
    UnsupportedError
        If the transfer syntax or the pixel format is not known.
    """
    with open_lookahead(source) as lookahead:
        meta = read_file_meta(lookahead, given)
        if not meta.transfer_syntax.deflated:
            return _read_data_set(source, lookahead, meta, tables=tables)
    inflated = InflatedSource(source, meta.start)
    with open_lookahead(inflated) as lookahead:
        return _read_data_set(inflated, lookahead, meta, tables=False)


def header_of_dataset(
    dataset: "Dataset", given: TransferSyntax | None = None
) -> Header:
    """Return the header of a `Dataset` in memory; its pixels are not copied.

    Raises
    ------
    InvalidDicomError
        If it holds no pixels, or twice, or an element contradicts the standard.
    """
    uid = transfer_syntax_uid(dataset)
    syntax = _known_syntax(uid) if given is None else given
    elements = DatasetElements(dataset)
    pixel_tags = [tag for tag in PIXEL_TAGS if tag in dataset]
    if len(pixel_tags) != 1:
        message = (
            f"Expected one element of pixels in the Dataset, found {len(pixel_tags)}"
        )
        raise InvalidDicomError(message, tag=tags.PIXEL_DATA)
    with only_ours("pydicom cannot parse pixels", url=DATASET_URL, tag=pixel_tags[0]):
        vr = "" if syntax.implicit_vr else str(dataset[pixel_tags[0]].VR)
        pixels = memoryview(elements.pixels(pixel_tags[0]))
    source = MemorySource(pixels, url=DATASET_URL)
    pixel_data = Element(pixel_tags[0], vr, 0, 0, source.size())
    framing = Framing(syntax.little_endian, syntax.implicit_vr)
    meta = FileMeta(syntax, framing, 0, 0, declared="" if given is None else uid)
    pixel = _image_pixel(elements, pixel_data, syntax, source.url)
    return Header(source, meta, elements, pixel_data, pixel)


def read_sequence(header: Header, tag: int) -> "Sequence[Dataset]":
    """Read the items of one sequence of the top level; none where it is absent."""
    elements, framing = header.elements, header.meta.framing
    if isinstance(elements, DatasetElements):
        with only_ours("pydicom cannot parse a sequence", url=header.url, tag=tag):
            return elements.dataset[tag].value if tag in elements.dataset else ()
    assert isinstance(elements, FileElements)
    element = elements.find(tag)
    if element is None:
        return ()
    with open_lookahead(header.source) as lookahead:
        end = end_of(lookahead, element, framing, header.pixel_data.start)
    data = header.source.read(ByteRange(element.start, end - element.start))
    dataset = parse_data_set(b"", bytes(data), framing, url=header.url)
    with only_ours("pydicom cannot parse a sequence", url=header.url, tag=tag):
        items: Sequence[Dataset] = dataset[tag].value
    return items


def _known_syntax(uid: str) -> TransferSyntax:
    if uid not in TRANSFER_SYNTAXES:
        message = f"Transfer syntax {shown_uid(uid)} is not known"
        raise UnsupportedError(message, tag=tags.TRANSFER_SYNTAX_UID)
    return TRANSFER_SYNTAXES[uid]


def _read_data_set(
    source: ByteSource, lookahead: Lookahead, meta: FileMeta, *, tables: bool
) -> Header:
    elements = read_elements(source, lookahead, meta, tables=tables)
    pixel_data = _pixel_element(lookahead, elements)
    if not all(map(elements.holds, _SIZES)):
        elements = _with_trailing(elements, lookahead, pixel_data)
    syntax = meta.transfer_syntax
    pixel = _image_pixel(elements, pixel_data, syntax, source.url)
    pixel_data = _unwrapped(pixel_data, pixel, lookahead, syntax)
    _check_after(lookahead, pixel_data, meta.framing)
    _check_repeated(elements, pixel)
    return Header(source, meta, elements, pixel_data, pixel)


def _pixel_element(lookahead: Lookahead, elements: FileElements) -> Element:
    element = elements.pixel_data(lookahead)
    if element is None:
        message = "No Pixel Data, Float Pixel Data or Double Float Pixel Data"
        raise InvalidDicomError(
            message, url=lookahead.url, offset=lookahead.size, tag=tags.PIXEL_DATA
        )
    return element


def _with_trailing(
    elements: FileElements, lookahead: Lookahead, pixel_data: Element
) -> FileElements:
    """Return the elements with what stands behind the pixels and must before (PS3.5 7.1)."""
    try:
        complete = with_trailing_attributes(elements, lookahead, pixel_data)
    except LazyDicomError:
        return elements  # the error will name what is missing
    if len(complete.starts) > len(elements.starts):
        warn("Attributes of the pixels stand behind them", url=lookahead.url)
    return complete


def _unwrapped(
    pixel_data: Element, pixel: ImagePixel, lookahead: Lookahead, syntax: TransferSyntax
) -> Element:
    """Return native pixels of more than 4 GiB with the length that 32 bits cannot hold."""
    length = (pixel.frame_bits * pixel.number_of_frames + 7) // 8
    length += length % 2
    wrapped = length > UNDEFINED and pixel_data.length == length & UNDEFINED
    if not wrapped or not syntax.native or pixel_data.offset + length > lookahead.size:
        return pixel_data
    message = f"Length of Pixel Data is {length} bytes, its low 32 bits are written"
    warn(message, url=lookahead.url)
    return pixel_data._replace(length=length)


def _check_after(lookahead: Lookahead, pixel_data: Element, framing: Framing) -> None:
    """Refuse a second element of pixels, unless it is the first one again."""
    end = pixel_data.offset + pixel_data.length
    if pixel_data.length == UNDEFINED or end + LONGEST_HEADER > lookahead.size:
        return
    following = read_element(lookahead, end, framing)
    if following.tag not in PIXEL_TAGS:
        return
    if following[:2] == pixel_data[:2] and following.length == pixel_data.length:
        end_of_value(lookahead, following, lookahead.size)
        if _same_values(lookahead.source, pixel_data, following):
            warn("Pixel Data stands twice, the same both times", url=lookahead.url)
            return
    message = "A second element of pixels"
    raise InvalidDicomError(message, url=lookahead.url, offset=end, tag=following.tag)


def _same_values(source: ReadableFile, one: Element, other: Element) -> bool:
    """Compare two values block by block."""
    blocks = range(0, one.length, _BLOCK)
    return all(
        source.read(ByteRange(one.offset + start, size))
        == source.read(ByteRange(other.offset + start, size))
        for start in blocks
        for size in [min(_BLOCK, one.length - start)]
    )


def _check_repeated(elements: FileElements, pixel: ImagePixel) -> None:
    """Warn of elements that stand twice; where two of them disagree, the first holds.

    Raises
    ------
    InvalidDicomError
        If decoding depends on it.
    """
    url, repeated = elements.source.url, elements.repeated
    for tag, repetition in repeated.items():
        if not repetition.alike and tag in _decisive(pixel):
            message = "Element stands twice, with different values"
            raise InvalidDicomError(message, url=url, offset=repetition.start, tag=tag)
    unlike = [tag for tag, repetition in repeated.items() if not repetition.alike]
    shown = ", ".join(map(format_tag, unlike[:_MOST_SHOWN]))
    if unlike:
        warn(f"Elements stand twice, the first is taken: {shown}", url=url)
    elif repeated:
        shown = ", ".join(map(format_tag, list(repeated)[:_MOST_SHOWN]))
        warn(f"Elements stand twice, with the same value: {shown}", url=url)


def _decisive(pixel: ImagePixel) -> set[int]:
    """Return the elements that decoding depends on."""
    gray = pixel.samples_per_pixel == 1
    needless = {"high_bit", *(("planar_configuration",) if gray else ())}
    return {tag for name, (tag, _) in IMAGE_PIXEL_TAGS.items() if name not in needless}


def _image_pixel(
    elements: Elements, pixel_data: Element, syntax: TransferSyntax, url: str
) -> ImagePixel:
    """Make the Image Pixel value; errors name the element and its byte."""
    try:
        attributes = image_pixel_attributes(elements)
        pixel = make_image_pixel(
            attributes,
            pixel_keyword=PIXEL_TAGS[pixel_data.tag],
            native=syntax.native,
            pixel_length=pixel_data.length,
        )
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
    dataset = parse_data_set(bytes(group_2), body, meta.framing, url=header.url)
    assert isinstance(header.elements, FileElements)
    for tag, repetition in header.elements.repeated.items():
        if not repetition.alike:
            dataset[tag] = _first(header, tag)  # pydicom takes the last
    return dataset


def _first(header: Header, tag: int) -> "DataElement":
    """Return the first of several elements of one tag."""
    elements, framing = header.elements, header.meta.framing
    assert isinstance(elements, FileElements)
    element = elements.find(tag)
    assert element is not None
    with open_lookahead(header.source) as lookahead:
        end = end_of(lookahead, element, framing, header.pixel_data.start)
        data = lookahead.bytes_at(element.start, end - element.start)
    dataset = parse_data_set(b"", data, framing, url=header.url)
    with only_ours("pydicom cannot parse an element", url=header.url, tag=tag):
        return dataset[tag]


def _read_trailing(header: Header) -> bytes:
    """Read what follows the pixels; nothing where their end cannot be found."""
    source, size = header.source, header.source.size()
    with open_lookahead(source) as lookahead:
        try:
            end = end_of(lookahead, header.pixel_data, header.meta.framing, size)
        except LazyDicomError:
            return b""
    return bytes(source.read(ByteRange(end, size - end)))
