"""The header of a file: how it is encoded, its elements, and where pixels begin.

The standard's preamble, prefix and File Meta Information come first (PS3.10 section 7.1); old
files lack any of them, and some writers lie in them. What the first data element looks like
decides. Nothing below the top level is looked at, and Pixel Data is found, not read. The
pydicom `Dataset` is made only when somebody asks for it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import field
from typing import TYPE_CHECKING, Final

from lazydicom._bytes.cached import cached
from lazydicom._bytes.deferred import deferred
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.source import ByteRange, ByteSource, Lookahead, open_lookahead
from lazydicom._header import tags
from lazydicom._header.elements import (
    LONGEST_HEADER,
    FileElements,
    check_repeated,
    image_pixel_attributes,
    read_elements,
    same_values,
    with_trailing_attributes,
)
from lazydicom._header.image_pixel import (
    PIXEL_TAGS,
    ImagePixel,
    make_image_pixel,
    oddities,
)
from lazydicom._header.transfer_syntax import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    TRANSFER_SYNTAXES,
    FileMeta,
    TransferSyntax,
)
from lazydicom._header.values import Elements, decode_values, shown_uid
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
    LimitError,
    UnsupportedError,
    warn,
)

if TYPE_CHECKING:
    from pydicom import DataElement, Dataset

    from lazydicom._bytes.containers import inflate
    from lazydicom._header import pydicom as of_pydicom
else:
    inflate = deferred("lazydicom._bytes.containers.inflate")
    of_pydicom = deferred("lazydicom._header.pydicom")

_PREAMBLE: Final = 128
_PREFIX: Final = b"DICM"
_SHORTEST: Final = 8
_MOST_ELEMENTS: Final = 1000
_SIZES: Final = (tags.ROWS, tags.COLUMNS, tags.BITS_ALLOCATED)
"""Without them there is no image."""


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
        if isinstance(self.elements, FileElements):
            return _read_dataset(self, self.elements)
        assert isinstance(self.elements, of_pydicom.DatasetElements)
        return self.elements.without_pixels()


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
    inflated = inflate.InflatedSource(source, meta.start)
    with open_lookahead(inflated) as lookahead:
        return _read_data_set(inflated, lookahead, meta, tables=False)


def read_file_meta(
    lookahead: Lookahead, given: TransferSyntax | None = None
) -> FileMeta:
    """Read the File Meta Information, or conclude from the data set what it would say.

    `given` is what the caller says of the pixels, whatever the file declares.

    Raises
    ------
    InvalidDicomError
        If this is no DICOM file.
    UnsupportedError
        If the transfer syntax is not known.
    LimitError
        If there are more elements of group 0002 than anybody writes.
    """
    meta_start = _find_start(lookahead)
    uid, start = _read_group_2(lookahead, meta_start)
    written = _native_syntax_at(lookahead, start)
    if uid is None:
        warn("No transfer syntax in the File Meta Information", url=lookahead.url)
        uid = written or EXPLICIT_LITTLE
    if given is not None:
        form = TRANSFER_SYNTAXES[written] if written else given
        framing = Framing(form.little_endian, form.implicit_vr)
        return FileMeta(given, framing, start, meta_start, declared=uid)
    syntax = TRANSFER_SYNTAXES.get(uid)
    if syntax is None:
        message = f"Transfer syntax {shown_uid(uid)} is not known"
        tag = tags.TRANSFER_SYNTAX_UID
        raise UnsupportedError(message, url=lookahead.url, offset=start, tag=tag)
    if written is None or syntax.deflated:
        framing = Framing(syntax.little_endian, syntax.implicit_vr)
        return FileMeta(syntax, framing, start, meta_start)
    syntax, framing = _as_written(lookahead, syntax, TRANSFER_SYNTAXES[written])
    return FileMeta(syntax, framing, start, meta_start)


def find_data_set(lookahead: Lookahead) -> tuple[int, Framing]:
    """Return where the data set begins and how it is written, whatever the syntax is.

    Raises
    ------
    InvalidDicomError
        If this is no DICOM file.
    """
    start = _read_group_2(lookahead, _find_start(lookahead))[1]
    syntax = TRANSFER_SYNTAXES[_native_syntax_at(lookahead, start) or EXPLICIT_LITTLE]
    return start, Framing(syntax.little_endian, syntax.implicit_vr)


def image_pixel_of(
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


def _read_data_set(
    source: ByteSource, lookahead: Lookahead, meta: FileMeta, *, tables: bool
) -> Header:
    elements = read_elements(source, lookahead, meta, tables=tables)
    pixel_data = _pixel_element(lookahead, elements)
    if not all(map(elements.holds, _SIZES)):
        elements = _with_trailing(elements, lookahead, pixel_data)
    syntax = meta.transfer_syntax
    pixel = image_pixel_of(elements, pixel_data, syntax, source.url)
    pixel_data = _unwrapped(pixel_data, pixel, lookahead, syntax)
    _check_after(lookahead, pixel_data, meta.framing)
    check_repeated(elements, pixel)
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
    length = pixel.native_nbytes
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
        if same_values(lookahead.source, pixel_data, following):
            warn("Pixel Data stands twice, the same both times", url=lookahead.url)
            return
    message = "A second element of pixels"
    raise InvalidDicomError(message, url=lookahead.url, offset=end, tag=following.tag)


def _read_dataset(header: Header, elements: FileElements) -> "Dataset":
    source, meta = header.source, header.meta
    group_2 = source.read(ByteRange(meta.meta_start, meta.start - meta.meta_start))
    before = source.read(ByteRange(meta.start, header.pixel_data.start - meta.start))
    body = bytes(before) + _read_trailing(header)
    dataset = of_pydicom.parse_data_set(
        bytes(group_2), body, meta.framing, url=header.url
    )
    for tag, repetition in elements.repeated.items():
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
    dataset = of_pydicom.parse_data_set(b"", data, framing, url=header.url)
    with of_pydicom.only_ours(
        "pydicom cannot parse an element", url=header.url, tag=tag
    ):
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


def _find_start(lookahead: Lookahead) -> int:
    """Return the first data element: after the prefix, or at once where there is none."""
    start = _PREAMBLE + len(_PREFIX)
    if (
        lookahead.size >= start
        and lookahead.bytes_at(_PREAMBLE, len(_PREFIX)) == _PREFIX
    ):
        return start
    if lookahead.size >= _SHORTEST:
        group = lookahead.bytes_at(0, 2)
        if group in {b"\x02\x00", b"\x08\x00", b"\x00\x08"}:
            return 0
    message = "Expected prefix 'DICM' or a data element: this is no DICOM file"
    raise InvalidDicomError(message, url=lookahead.url, offset=0)


def _read_group_2(lookahead: Lookahead, start: int) -> tuple[str | None, int]:
    """Read elements as long as they are of group 0002; its length element may be wrong.

    A second File Meta Information may stand in the data set; the first one counts.
    """
    uid: str | None = None
    count, framing = 0, Framing()
    while (
        start + _SHORTEST <= lookahead.size
        and lookahead.bytes_at(start, 2) == b"\x02\x00"
    ):
        count += 1
        if count > _MOST_ELEMENTS:
            message = f"More than {_MOST_ELEMENTS} elements of group 0002"
            raise LimitError(message, url=lookahead.url, offset=start)
        element = read_element(lookahead, start, framing)
        end = element.offset + element.length
        if element.length == UNDEFINED or end > lookahead.size:
            message = f"Value of {element.length} bytes runs over the end of the file"
            raise InvalidDicomError(
                message, url=lookahead.url, offset=start, tag=element.tag
            )
        if element.tag == tags.TRANSFER_SYNTAX_UID:
            value = lookahead.bytes_at(element.offset, element.length)
            again = "".join(str(part) for part in decode_values("UI", value)[:1])
            if uid is not None and again not in {uid, ""}:
                message = "Transfer Syntax UID stands twice, the first is taken"
                warn(message, url=lookahead.url)
            uid = uid or again or None
        start = end
    return uid, start


def _native_syntax_at(lookahead: Lookahead, start: int) -> str | None:
    """Return the native syntax that the first data element is written in."""
    if start + _SHORTEST > lookahead.size:
        return None
    first = lookahead.bytes_at(start, _SHORTEST)
    if not (first[4:6].isalpha() and first[4:6].isupper()):  # that is no VR
        return IMPLICIT_LITTLE
    return EXPLICIT_BIG if first[0] == 0 and first[1] != 0 else EXPLICIT_LITTLE


def _as_written(
    lookahead: Lookahead, declared: TransferSyntax, written: TransferSyntax
) -> tuple[TransferSyntax, Framing]:
    """Believe the data set where it contradicts the declared VR form or byte order."""
    framing = Framing(written.little_endian, written.implicit_vr)
    if framing == Framing(declared.little_endian, declared.implicit_vr):
        return declared, framing
    order = "little" if written.little_endian else "big"
    form = "implicit VR" if written.implicit_vr else f"explicit VR, {order} endian"
    warn(f"Data set is in {form}, {declared.name} declared", url=lookahead.url)
    turned = written.little_endian != declared.little_endian
    return (written if turned and declared.native else declared), framing
