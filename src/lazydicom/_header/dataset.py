"""A pydicom `Dataset` in place of a file, and sequences of a file as `Dataset`s of pydicom."""

from typing import TYPE_CHECKING

from lazydicom._bytes.source import ByteRange, MemorySource, open_lookahead
from lazydicom._header import tags
from lazydicom._header.elements import FileElements
from lazydicom._header.header import Header, image_pixel_of
from lazydicom._header.image_pixel import PIXEL_TAGS
from lazydicom._header.pydicom import (
    DATASET_URL,
    DatasetElements,
    only_ours,
    parse_data_set,
    transfer_syntax_uid,
)
from lazydicom._header.transfer_syntax import (
    TRANSFER_SYNTAXES,
    FileMeta,
    TransferSyntax,
)
from lazydicom._header.values import shown_uid
from lazydicom._header.walker import Element, Framing, end_of
from lazydicom.errors import InvalidDicomError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom import Dataset


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
    pixel = image_pixel_of(elements, pixel_data, syntax, source.url)
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
