"""The top-level elements of a file: where they lie, and the values of short ones.

A pydicom `Dataset` answers the same questions, so everything above asks only these.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from lazydicom._bytes.source import ByteSource
from lazydicom._header import tags
from lazydicom._header.file_meta import FileMeta
from lazydicom._header.image_pixel import (
    IMAGE_PIXEL_TAGS,
    PIXEL_TAGS,
    Attributes,
    make_image_pixel,
)
from lazydicom._header.lookahead import Block, Lookahead
from lazydicom._header.values import Values, decode_values
from lazydicom._header.walker import UNDEFINED, Element, Framing, read_element, walk
from lazydicom.errors import InvalidDicomError, LazyDicomError

LONGEST_HEADER: Final = 12
"""Tag, VR, two bytes of nothing and a length of 32 bits."""
_GROUPS_ONCE: Final = frozenset((0x0028, 0x7FE0))
_FUNCTIONAL_GROUPS: Final = frozenset(
    (tags.SHARED_FUNCTIONAL_GROUPS_SEQUENCE, tags.PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE)
)
"""Shared and per frame; no icon and no other Pixel Data stands in them."""


class Elements(Protocol):
    """What is asked of the top level of a data set."""

    def get(self, tag: int, vr: str) -> Values:
        """Decode a value; no values where the element is absent or empty."""
        ...

    def read(self, tag: int) -> bytes | None:
        """Read the bytes of a value, ``None`` where the element is absent."""
        ...

    def holds(self, tag: int) -> bool:
        """Return whether an element is there, empty or not."""
        ...

    def position(self, tag: int) -> int | None:
        """Tell the byte at which an element begins."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class FileElements:
    """Elements of a file, up to and with the one that holds the pixels."""

    source: ByteSource = field(repr=False)
    framing: Framing
    starts: Mapping[int, int] = field(repr=False)
    """First byte of each element, by tag, in the order of the file."""
    head: tuple[Block, ...] = field(repr=False)
    """What was read of the file to find them; other values are read when asked for."""

    def get(self, tag: int, vr: str) -> Values:
        """Decode a value; no values where the element is absent or empty.

        Raises
        ------
        InvalidDicomError
            If the bytes are no `vr`.
        """
        data = self.read(tag)
        try:
            little_endian = self.framing.little_endian
            return decode_values(vr, data or b"", little_endian=little_endian)
        except ValueError as error:
            raise InvalidDicomError(
                f"Expected a value of VR {vr}: {error}",
                url=self.source.url,
                offset=self.position(tag),
                tag=tag,
            ) from None

    def read(self, tag: int) -> bytes | None:
        """Read the bytes of a value, however long; ``None`` where there is none."""
        element = self.find(tag)
        if element is None or element.length == UNDEFINED:
            return None
        return self.lookahead(element.start).bytes_at(element.offset, element.length)

    def find(self, tag: int) -> Element | None:
        """Return where an element lies, ``None`` where it is absent."""
        start = self.starts.get(tag)
        if start is None:
            return None
        return read_element(self.lookahead(start), start, self.framing)

    def holds(self, tag: int) -> bool:
        """Return whether an element is there, empty or not."""
        return tag in self.starts

    def position(self, tag: int) -> int | None:
        """Tell the byte at which an element begins."""
        return self.starts.get(tag)

    def last(self, lookahead: Lookahead) -> Element | None:
        """Look where the walker stands, at the last element: it holds the pixels."""
        start = max(self.starts.values(), default=None)
        return None if start is None else read_element(lookahead, start, self.framing)

    def lookahead(self, start: int) -> Lookahead:
        """Look at the block that holds `start`, where there is one."""
        for offset, data in self.head:
            if offset <= start < offset + len(data):
                return Lookahead(self.source, data, offset)
        return Lookahead(self.source, None)


def read_elements(
    source: ByteSource, lookahead: Lookahead, meta: FileMeta
) -> FileElements:
    """Walk over the top level up to the element that holds the pixels.

    Raises
    ------
    InvalidDicomError
        If the bytes contradict the standard, or an element of group 0028 or 7FE0
        stands twice.
    """
    starts: dict[int, int] = {}
    for tag, start, length in walk(lookahead, meta.start, meta.framing):
        if tag in starts and tag >> 16 in _GROUPS_ONCE:
            message = "Element stands twice"
            raise InvalidDicomError(message, url=lookahead.url, offset=start, tag=tag)
        starts[tag] = start
        if tag in PIXEL_TAGS:
            break
        if length == UNDEFINED and tag in _FUNCTIONAL_GROUPS:
            ahead = _look_ahead(source, lookahead, meta, starts)
            if ahead is not None:
                starts[ahead.tag] = ahead.start
                break
    stop = max(starts.values(), default=0) + LONGEST_HEADER
    return FileElements(source, meta.framing, starts, lookahead.keep(meta.start, stop))


def image_pixel_attributes(elements: Elements) -> Attributes:
    """Collect the attributes of the Image Pixel module as plain values."""
    attributes: dict[str, int | str | None] = {}
    for name, (tag, vr) in IMAGE_PIXEL_TAGS.items():
        values = elements.get(tag, vr)
        one = values[0] if len(values) == 1 else "\\".join(map(str, values))
        attributes[name] = one if isinstance(one, int) else str(one) or None
    if attributes["number_of_frames"] is None:
        empty = elements.read(IMAGE_PIXEL_TAGS["number_of_frames"][0]) is not None
        attributes["number_of_frames"] = 0 if empty else None
    return attributes


def _look_ahead(
    source: ByteSource, lookahead: Lookahead, meta: FileMeta, starts: Mapping[int, int]
) -> Element | None:
    """Look for native Pixel Data where it must begin if it ends the file.

    A per-frame sequence of undefined length can only be walked. What is found must be
    the tag, its length must reach the last byte of the file exactly, and no other Pixel
    Data of this length may fit before it: a file of the same geometry could stand inside
    a trailing element.
    """
    if not meta.transfer_syntax.native:
        return None
    after = max(starts.values())
    head = lookahead.keep(meta.start, after)
    try:
        elements = FileElements(source, meta.framing, starts, head)
        attributes = image_pixel_attributes(elements)
        pixel = make_image_pixel(attributes, pixel_keyword=PIXEL_TAGS[tags.PIXEL_DATA])
    except LazyDicomError:
        return None  # whoever asks for the Image Pixel module hears of it
    length = (pixel.frame_bits * pixel.number_of_frames + 7) // 8
    length += length % 2
    start = lookahead.size - length - (8 if meta.framing.implicit_vr else 12)
    if not after <= start < after + length:
        return None
    found = read_element(lookahead, start, meta.framing)
    exact = found.length == length and found.offset + length == lookahead.size
    return found if found.tag == tags.PIXEL_DATA and exact else None
