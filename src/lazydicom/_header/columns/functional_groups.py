"""Columns of per-frame attributes, straight from the bytes (PS3.3 section C.7.6.16).

100,000 frames are 100,000 items of a sequence; none of them becomes a `Dataset`.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._bytes.source import KeptSource, Lookahead, MemorySource
from lazydicom._header import tags
from lazydicom._header.attributes import COMPUTED, FRAME_ATTRIBUTES, PLACE
from lazydicom._header.columns.column import (
    Columns,
    check_claim,
    read_column,
    shared_text,
    stack_columns,
    unreadable,
)
from lazydicom._header.columns.items import SequenceItemBatch, SequenceItems, read_items
from lazydicom._header.columns.layout import wanted_tree
from lazydicom._header.elements import FileElements, read_elements
from lazydicom._header.header import Header
from lazydicom._header.pydicom import DatasetElements
from lazydicom._header.transfer_syntax import (
    EXPLICIT_LITTLE,
    TRANSFER_SYNTAXES,
    FileMeta,
)
from lazydicom._header.walker import (
    UNDEFINED,
    Element,
    Framing,
    end_of,
    inner_framing,
    read_element,
)
from lazydicom.errors import InvalidDicomError, LimitError, format_tag, warn

_NO_PIXELS: Final = b"\xe0\x7f\x10\0OW\0\0\0\0\0\0"
"""An empty element of Pixel Data: where the header of a file ends."""

_GROUPS: Final = (
    tags.PIXEL_REPRESENTATION,
    tags.SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
    tags.PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE,
)
_PLACES: Final = [
    (name, path)
    for name, attribute in FRAME_ATTRIBUTES.items()
    for path in attribute.paths
]
_TREE: Final = wanted_tree(path for _, path in _PLACES)
_VRS: Final = tuple(FRAME_ATTRIBUTES[name].vr for name, _ in _PLACES)


def has_frame_groups(header: Header) -> bool:
    """Return whether there are functional groups of single frames."""
    if isinstance(header.elements, DatasetElements):
        return header.elements.holds(tags.PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE)
    element = _find(header, tags.PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE)
    return element is not None and element.length != 0


def functional_group_columns(header: Header) -> Columns:
    """Read the functional groups of a file, the shared ones and those per frame.

    What stands in neither has no column. A shared value holds for every frame that has
    none of its own.

    Raises
    ------
    InvalidDicomError
        If the groups contradict the standard, or are not one item per frame.
    """
    if isinstance(header.elements, DatasetElements):
        header = as_file(header, header.elements, _GROUPS)
    frames = header.image_pixel.number_of_frames
    per_frame = tags.PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE
    items, own = _read_groups(header, per_frame, enough=frames + 1)
    if items not in {0, frames}:
        number = "more" if items > frames else items
        message = f"Expected functional groups of {frames} frames, found {number}"
        raise _invalid(header, message)
    _, shared = _read_groups(header, tags.SHARED_FUNCTIONAL_GROUPS_SEQUENCE, enough=1)
    return {
        name: _merge(own.get(name), shared.get(name), frames)
        for name in FRAME_ATTRIBUTES
        if name in own or name in shared
    }


def as_file(
    header: Header, elements: DatasetElements, wanted: tuple[int, ...]
) -> Header:
    """Write some elements of a `Dataset` as a file holds them: there is one way to read."""
    data = elements.written(wanted, url=header.url) + _NO_PIXELS
    source = MemorySource(data, header.url)
    lookahead = Lookahead(source, data)
    meta = FileMeta(TRANSFER_SYNTAXES[EXPLICIT_LITTLE], Framing(), 0, 0)
    top_level = read_elements(source, lookahead, meta)
    pixel_data = top_level.pixel_data(lookahead)
    assert pixel_data is not None
    return Header(source, meta, top_level, pixel_data, header.image_pixel)


def _read_groups(header: Header, tag: int, *, enough: int) -> tuple[int, Columns]:
    """Count the items of one of the two sequences, and read their columns.

    Reading ends when there are `enough` items, or some more.
    """
    items = _sequence(header, tag)
    counts: list[int] = []
    tables: list[Columns] = []
    for count, columns in () if items is None else _read_batches(header, items):
        counts.append(count)
        tables.append(columns)
        if sum(counts) >= enough:
            break
    if not tables:
        return 0, {}
    assert items is not None
    try:
        check_claim(tables, sum(counts), items.stop - items.start)
    except LimitError as error:
        raise error.locate(url=header.url, offset=items.start) from None
    return sum(counts), stack_columns(tables, counts)


def _sequence(header: Header, tag: int) -> SequenceItems | None:
    """Return where the items of a sequence lie."""
    element = _find(header, tag)
    if element is None or element.length == 0:
        return None
    stop = element.offset + element.length
    if element.length == UNDEFINED:
        stop = header.pixel_data.start
    assert isinstance(header.elements, FileElements), "an element was found"
    lookahead = header.elements.lookahead(element.start)
    framing = inner_framing(lookahead, element, header.meta.framing)
    source = KeptSource(header.source, header.elements.head)
    start, count = element.offset, len(_PLACES)
    return SequenceItems(source, framing, start, stop, _TREE, count, _VRS)


def _find(header: Header, tag: int) -> Element | None:
    """Find one of the two sequences; opening may have looked ahead of the second."""
    elements, framing = header.elements, header.meta.framing
    if not isinstance(elements, FileElements):
        return None
    shared = elements.find(tags.SHARED_FUNCTIONAL_GROUPS_SEQUENCE)
    if (
        tag == tags.SHARED_FUNCTIONAL_GROUPS_SEQUENCE
        or elements.find(tag)
        or shared is None
    ):
        return elements.find(tag)
    lookahead = elements.lookahead(shared.start)
    behind = end_of(lookahead, shared, framing, header.pixel_data.start)
    element = read_element(lookahead, behind, framing)
    return element if element.tag == tag else None


def _read_batches(
    header: Header, items: SequenceItems
) -> Iterator[tuple[int, Columns]]:
    for batch in read_items(items):
        columns = _decode(batch, little_endian=items.framing.little_endian)
        for name in filter(lambda name: unreadable(columns[name]), columns):
            columns[name] = _checked(header, name, columns[name])
        yield batch.places.offsets.shape[1], columns


def _checked(header: Header, name: str, column: NDArray[Any]) -> NDArray[Any]:
    """Return a column without what is no number, with a warning.

    Raises
    ------
    InvalidDicomError
        If it says where frames lie.
    """
    attribute = FRAME_ATTRIBUTES[name]
    message = f"Expected numbers of VR {attribute.vr} in the functional groups"
    tag = attribute.paths[0][-1]
    if tag in PLACE:
        offset = header.elements.position(tags.PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE)
        raise InvalidDicomError(message, url=header.url, offset=offset, tag=tag)
    warn(f"{message}, {name} {format_tag(tag)} holds others", url=header.url)
    return column if name in COMPUTED else np.where(np.isinf(column), np.nan, column)


def _decode(batch: SequenceItemBatch, *, little_endian: bool) -> Columns:
    """Decode what a batch of items holds; an absent column is left out."""
    columns: Columns = {}
    for number, (name, _) in enumerate(_PLACES):
        offsets, lengths = (part[number] for part in batch.places)
        if name in columns or not lengths.any():
            continue
        attribute = FRAME_ATTRIBUTES[name]
        columns[name] = shared_text(
            read_column(
                batch.data,
                offsets,
                lengths,
                vr=attribute.vr,
                width=attribute.width,
                little_endian=little_endian,
            )
        )
    return columns


def _merge(
    own: NDArray[Any] | None, shared: NDArray[Any] | None, frames: int
) -> NDArray[Any]:
    """Return the value of each frame, the shared one where it has none of its own."""
    if own is None:
        assert shared is not None
        return np.broadcast_to(shared[:1], (frames, *shared.shape[1:]))
    if shared is None:
        return own
    missing = own == "" if own.ndim == 1 else np.isnan(own).all(axis=1)
    if not missing.any():
        return own
    if own.ndim == 1:
        return np.where(missing, shared[:1], own)
    width = max(own.shape[1], shared.shape[1])
    own, shared = _widened(own, width), _widened(shared, width)
    return np.where(missing[:, None], shared[:1], own)


def _widened(column: NDArray[Any], width: int) -> NDArray[Any]:
    """Add values that are none."""
    more = ((0, 0), (0, width - column.shape[1]))
    return np.pad(column, more, constant_values=np.nan)


def _invalid(header: Header, message: str) -> InvalidDicomError:
    offset = header.elements.position(tags.PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE)
    return InvalidDicomError(
        message,
        url=header.url,
        offset=offset,
        tag=tags.PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE,
    )
