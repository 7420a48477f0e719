"""The top-level elements of a file: where they lie, and the values of short ones.

A pydicom `Dataset` answers the same questions, so everything above asks only these.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from lazydicom._element_values import Values, decode_values
from lazydicom._file_meta import FileMeta
from lazydicom._image_pixel import (
    IMAGE_PIXEL_TAGS,
    PIXEL_TAGS,
    Attributes,
    make_image_pixel,
)
from lazydicom._ranges import ByteRange
from lazydicom._source import ByteSource
from lazydicom._walker import UNDEFINED, Element, Framing, read_element, walk
from lazydicom._window import Window
from lazydicom.errors import InvalidDicomError, LazyDicomError

_LARGEST_VALUE: Final = 4096
"""Longer values stay in the file."""
_GROUPS_ONCE: Final = frozenset((0x0028, 0x7FE0))
_PIXEL_DATA: Final = 0x7FE00010
_FUNCTIONAL_GROUPS: Final = frozenset((0x52009229, 0x52009230))
"""Shared and per frame; no icon and no other Pixel Data stands in them."""


class Elements(Protocol):
    """What is asked of the top level of a data set."""

    def get(self, tag: int, vr: str) -> Values:
        """Decode a value; no values where the element is absent or empty."""
        ...

    def read(self, tag: int) -> bytes | None:
        """Read the bytes of a value, ``None`` where the element is absent."""
        ...

    def position(self, tag: int) -> int | None:
        """Tell the byte at which an element begins."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class FileElements:
    """Elements of a file, up to and with the one that holds the pixels."""

    source: ByteSource = field(repr=False)
    framing: Framing
    where: Mapping[int, Element] = field(repr=False)
    """Place of each element, by tag, in the order of the file."""
    values: Mapping[int, bytes] = field(repr=False)
    """Bytes of the short values, by tag."""

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
        if tag in self.values:
            return self.values[tag]
        element = self.where.get(tag)
        if element is None or element.length == UNDEFINED:
            return None
        return bytes(self.source.read(ByteRange(element.offset, element.length)))

    def position(self, tag: int) -> int | None:
        """Tell the byte at which an element begins."""
        return self.where[tag].start if tag in self.where else None


def read_elements(source: ByteSource, window: Window, meta: FileMeta) -> FileElements:
    """Walk over the top level up to the element that holds the pixels.

    Raises
    ------
    InvalidDicomError
        If the bytes contradict the standard, or an element of group 0028 or 7FE0
        stands twice.
    """
    where: dict[int, Element] = {}
    values: dict[int, bytes] = {}
    elements = FileElements(source, meta.framing, where, values)
    for element in walk(window, meta.start, window.size, meta.framing):
        if element.tag in where and element.tag >> 16 in _GROUPS_ONCE:
            message = "Element stands twice"
            raise InvalidDicomError(
                message, url=window.url, offset=element.start, tag=element.tag
            )
        where[element.tag] = element
        if element.tag in PIXEL_TAGS:
            break
        if element.length == UNDEFINED and element.tag in _FUNCTIONAL_GROUPS:
            ahead = _look_ahead(window, meta, elements, element.offset)
            if ahead is not None:
                where[ahead.tag] = ahead
                break
        elif element.length <= min(_LARGEST_VALUE, window.size - element.offset):
            values[element.tag] = window.bytes_at(element.offset, element.length)
    return elements


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
    window: Window, meta: FileMeta, elements: Elements, after: int
) -> Element | None:
    """Look for native Pixel Data where it must begin if it ends the file.

    A per-frame sequence of undefined length can only be walked, a second for 100,000
    frames. What is found must be the tag, and its length must reach the last byte exactly.
    """
    if not meta.transfer_syntax.native:
        return None
    try:
        attributes = image_pixel_attributes(elements)
        pixel = make_image_pixel(attributes, pixel_keyword=PIXEL_TAGS[_PIXEL_DATA])
    except LazyDicomError:
        return None  # whoever asks for the Image Pixel module hears of it
    length = (pixel.frame_bits * pixel.number_of_frames + 7) // 8
    length += length % 2
    start = window.size - length - (8 if meta.framing.implicit_vr else 12)
    if start < after:
        return None
    found = read_element(window, start, meta.framing)
    exact = found.length == length and found.offset + length == window.size
    return found if found.tag == _PIXEL_DATA and exact else None
