"""The values of a short sequence at the top level, item by item (PS3.5 section 7.5)."""

from collections.abc import Sequence
from typing import Final

from lazydicom._bytes.source import BytesLike, KeptSource
from lazydicom._header import tags
from lazydicom._header.attributes import Path
from lazydicom._header.columns.functional_groups import as_file
from lazydicom._header.columns.items import SequenceItems, read_items
from lazydicom._header.columns.layout import wanted_tree
from lazydicom._header.elements import FileElements
from lazydicom._header.header import Header
from lazydicom._header.pydicom import DatasetElements
from lazydicom._header.walker import UNDEFINED, end_of, inner_framing

_FRAME_GROUPS: Final = tags.PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE
"""May be as long as the file: its end is not looked for."""


def sequence_values(
    header: Header, tag: int, paths: Sequence[Path], *, most: int | None = None
) -> list[tuple[BytesLike, ...]]:
    """Return the bytes of some elements of each item; none where one is absent.

    Reading ends when there are `most` items, or some more.

    Raises
    ------
    InvalidDicomError
        If the bytes contradict the standard.
    """
    if isinstance(header.elements, DatasetElements):
        header = as_file(header, header.elements, (tag,))
    elements = header.elements
    assert isinstance(elements, FileElements)
    element = elements.find(tag)
    if element is None or element.length == 0:
        return []
    stop = element.offset + element.length
    if element.length == UNDEFINED:
        stop = header.pixel_data.start
    source = KeptSource(header.source, elements.head)
    lookahead = elements.lookahead(element.start)
    if element.length == UNDEFINED and tag != _FRAME_GROUPS:
        stop = end_of(lookahead, element, header.meta.framing, stop)
    framing = inner_framing(lookahead, element, header.meta.framing)
    tree = wanted_tree(paths)
    items = SequenceItems(source, framing, element.offset, stop, tree, len(paths))
    values: list[tuple[BytesLike, ...]] = []
    for batch in read_items(items):
        spans = zip(batch.places.offsets.T, batch.places.lengths.T, strict=True)
        for offsets, lengths in spans:
            pairs = zip(offsets.tolist(), lengths.tolist(), strict=True)
            values.append(
                tuple(bytes(batch.data[start : start + n]) for start, n in pairs)
            )
        if most is not None and len(values) >= most:
            break
    return values
