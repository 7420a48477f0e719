"""The values of a short sequence at the top level, item by item (PS3.5 section 7.5)."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from lazydicom._bytes.source import BytesLike, KeptSource, Lookahead
from lazydicom._header import tags
from lazydicom._header.attributes import Path
from lazydicom._header.columns.functional_groups import as_file
from lazydicom._header.columns.items import SequenceItems, read_items
from lazydicom._header.columns.layout import Tree, WalkedItem, walk_item, wanted_tree
from lazydicom._header.elements import FileElements
from lazydicom._header.header import Header
from lazydicom._header.pydicom import DatasetElements
from lazydicom._header.walker import (
    UNDEFINED,
    Framing,
    end_of,
    inner_framing,
    read_element,
)

_FRAME_GROUPS: Final = tags.PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE
"""May be as long as the file: its end is not looked for."""
_SHORT: Final = 1 << 12
"""To walk through a few items takes less time than to learn how they are framed."""


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
    lookahead = elements.lookahead(element.start)
    if element.length == UNDEFINED and tag != _FRAME_GROUPS:
        stop = end_of(lookahead, element, header.meta.framing, stop)
    framing = inner_framing(lookahead, element, header.meta.framing)
    tree = wanted_tree(paths)
    if stop - element.offset <= _SHORT and lookahead.holds(element.offset, stop):
        found = _walk_items(lookahead, range(element.offset, stop), framing, tree)
        return [_values_of(lookahead, one, len(paths)) for one in islice(found, most)]
    source = KeptSource(header.source, elements.head)
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


def _walk_items(
    lookahead: Lookahead, span: range, framing: Framing, tree: Tree
) -> Iterator[WalkedItem]:
    """Walk through items, one by one, up to the end of the value or its delimiter."""
    at = span.start
    while at < span.stop:
        if read_element(lookahead, at, framing).tag == tags.SEQUENCE_DELIMITER:
            return
        item = walk_item(lookahead, at, framing, tree)
        yield item
        at = item.end


def _values_of(
    lookahead: Lookahead, item: WalkedItem, count: int
) -> tuple[BytesLike, ...]:
    spans = (item.values.get(number, (0, 0)) for number in range(count))
    return tuple(lookahead.bytes_at(*span) if span[1] else b"" for span in spans)
