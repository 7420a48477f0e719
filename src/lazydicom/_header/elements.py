"""The top-level elements of a file: where they lie, which stand twice, and short values.

A pydicom `Dataset` can be asked for the same, so everything above asks for nothing else.
"""

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Final, NamedTuple

from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.source import (
    FIRST_BLOCK,
    Block,
    ByteRange,
    ByteSource,
    Lookahead,
    ReadableFile,
)
from lazydicom._header import tags
from lazydicom._header.image_pixel import (
    IMAGE_PIXEL_TAGS,
    PIXEL_TAGS,
    Attributes,
    ImagePixel,
    decisive_tags,
    make_image_pixel,
)
from lazydicom._header.transfer_syntax import FileMeta
from lazydicom._header.values import Elements, Values, decode_as
from lazydicom._header.walker import (
    UNDEFINED,
    Element,
    Framing,
    end_of,
    read_element,
    walk,
)
from lazydicom.errors import (
    InvalidDicomError,
    LazyDicomError,
    LimitError,
    format_tag,
    warn,
)

LONGEST_HEADER: Final = 12
"""Tag, VR, two bytes of nothing and a length of 32 bits."""
_MOST_ELEMENTS: Final = 1 << 18
"""Each costs some hundred bytes of memory; dumps of scanners hold some thousand."""
_BLOCK: Final = 0x10
"""The first private block of a group, which writers use."""
_LAST_BLOCK: Final = 0x40
_IN_BLOCK: Final = 0xFF
_GROUP: Final = 16
"""Bits of an element number."""
_MOST_REPEATED: Final = 1000
_COMPARED: Final = 1 << 20
"""Bytes of two long values that are read at once."""
_MOST_SHOWN: Final = 5
_LARGEST_TWIN: Final = 1 << 20
"""Longer values are not compared."""
_FUNCTIONAL_GROUPS: Final = frozenset(
    (tags.SHARED_FUNCTIONAL_GROUPS_SEQUENCE, tags.PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE)
)
"""Shared and per frame; no icon and no other Pixel Data stands in them."""


class PrivateElement(NamedTuple):
    """A private element, and whose it is."""

    creator: str
    manufacturer: str
    """How the manufacturer's name begins, in lower case."""
    tag: int
    """As if its block was the first one."""
    vr: str
    width: int = 1


class Repetition(NamedTuple):
    """Where an element stands again."""

    start: int
    """First byte of the second one, or of the first that has another value."""
    alike: bool
    """Whether all of them have the same value."""


@dataclass(frozen=True, slots=True, eq=False)
class FileElements:
    """Elements of a file, up to and with the one that holds the pixels."""

    source: ByteSource = field(repr=False)
    framing: Framing
    starts: Mapping[int, int] = field(repr=False)
    """First byte of each element, by tag; of those that stand twice, of the first."""
    head: tuple[Block, ...] = field(repr=False)
    """What was read of the file to find them; other values are read when asked for."""
    repeated: Mapping[int, Repetition] = field(default_factory=dict, repr=False)
    """Elements that stand more than once, by tag."""

    def get(self, tag: int, vr: str) -> Values:
        """Decode a value; no values where the element is absent or empty.

        Numbers that are written in another VR of numbers are read in that one.

        Raises
        ------
        InvalidDicomError
            If the bytes are no `vr`.
        """
        start = self.starts.get(tag)
        if start is None:
            return ()
        lookahead = self.lookahead(start)
        element = read_element(lookahead, start, self.framing)
        if element.length == UNDEFINED:
            return ()
        data = lookahead.bytes_at(element.offset, element.length)
        try:
            little_endian = self.framing.little_endian
            return decode_as(vr, element.vr, data, little_endian=little_endian)
        except ValueError as error:
            raise InvalidDicomError(
                f"Expected a value of VR {vr}, found {element.length} bytes: {error}",
                url=self.source.url,
                offset=element.start,
                tag=tag,
            ) from None

    def read(self, tag: int) -> bytes | None:
        """Read the bytes of a value, however long; ``None`` where there is none."""
        element = self.find(tag)
        if element is None or element.length == UNDEFINED:
            return None
        return self._value(element)

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
        """Return the byte at which an element begins."""
        return self.starts.get(tag)

    def pixel_data(self, lookahead: Lookahead) -> Element | None:
        """Return the element that holds the pixels, ``None`` where the walk met none."""
        start = next(
            (self.starts[tag] for tag in PIXEL_TAGS if tag in self.starts), None
        )
        return None if start is None else read_element(lookahead, start, self.framing)

    def lookahead(self, start: int) -> Lookahead:
        """Return a lookahead on the block that holds `start`, where there is one."""
        found, farthest = None, start
        for block in self.head:
            offset, data = block
            if offset <= start and offset + len(data) > farthest:
                found, farthest = block, offset + len(data)
        if found is None:
            return Lookahead(self.source, None)
        return Lookahead(self.source, found.data, found.offset)

    def _value(self, element: Element) -> bytes:
        return self.lookahead(element.start).bytes_at(element.offset, element.length)


def read_elements(
    source: ByteSource, lookahead: Lookahead, meta: FileMeta, *, tables: bool = False
) -> FileElements:
    """Walk over the top level up to the element that holds the pixels.

    Where offset `tables` are to be read, a long one is fetched with what follows it.

    Raises
    ------
    InvalidDicomError
        If the bytes contradict the standard.
    LimitError
        If there are more elements than any image has.
    """
    starts: dict[int, int] = {}
    repeated: dict[int, Repetition] = {}
    repetitions = 0
    for tag, start, length in walk(lookahead, meta.start, meta.framing):
        if tag in starts:
            repetitions += 1
            if repetitions > _MOST_REPEATED:
                message = f"More than {_MOST_REPEATED} elements stand again"
                raise LimitError(message, url=lookahead.url, offset=start, tag=tag)
            _note_repetition(repeated, starts[tag], lookahead, start, meta.framing)
            continue
        starts[tag] = start
        if len(starts) > _MOST_ELEMENTS:
            message = f"More than {_MOST_ELEMENTS} elements"
            raise LimitError(message, url=lookahead.url, offset=start, tag=tag)
        if tag in PIXEL_TAGS:
            break
        if tables and tag == tags.EXTENDED_OFFSET_TABLE and length != UNDEFINED:
            lookahead.fetch_whole(start, 2 * (length + LONGEST_HEADER) + FIRST_BLOCK)
        if length == UNDEFINED and tag in _FUNCTIONAL_GROUPS:
            ahead = _look_ahead(source, lookahead, meta, starts)
            if ahead is not None:
                starts[ahead.tag] = ahead.start
                break
    stop = max(starts.values(), default=0) + LONGEST_HEADER
    head = lookahead.keep(meta.start, stop)
    return FileElements(source, meta.framing, starts, head, repeated)


def with_trailing_attributes(
    elements: FileElements, lookahead: Lookahead, pixel_data: Element
) -> FileElements:
    """Add what is missing of the Image Pixel module and stands behind the pixels.

    Raises
    ------
    InvalidDicomError
        If the bytes contradict the standard.
    """
    framing = elements.framing
    wanted = {tag for tag, _ in IMAGE_PIXEL_TAGS.values()} - elements.starts.keys()
    end = end_of(lookahead, pixel_data, framing, lookahead.size)
    starts = dict(elements.starts)
    for tag, start, _ in walk(lookahead, end, framing):
        if tag in wanted:
            starts.setdefault(tag, start)
    return replace(elements, starts=starts)


def _note_repetition(
    repeated: dict[int, Repetition],
    first: int,
    lookahead: Lookahead,
    start: int,
    framing: Framing,
) -> None:
    """Note that an element stands again, and whether with the same value."""
    one, other = (read_element(lookahead, at, framing) for at in (first, start))
    known = repeated.get(one.tag)
    if known is not None and not known.alike:
        return
    alike = one[1] == other[1] and one.length == other.length < _LARGEST_TWIN
    if alike:
        values = [lookahead.bytes_at(each.offset, each.length) for each in (one, other)]
        alike = values[0] == values[1]
    if known is None or not alike:
        repeated[one.tag] = Repetition(start, alike)


def check_repeated(elements: FileElements, pixel: ImagePixel) -> None:
    """Warn of elements that stand twice; where two of them disagree, the first holds.

    Raises
    ------
    InvalidDicomError
        If decoding depends on it.
    """
    url, repeated = elements.source.url, elements.repeated
    for tag, repetition in repeated.items():
        if not repetition.alike and tag in decisive_tags(pixel):
            message = "Element stands twice, with different values"
            raise InvalidDicomError(message, url=url, offset=repetition.start, tag=tag)
    unlike = [tag for tag, repetition in repeated.items() if not repetition.alike]
    shown = ", ".join(map(format_tag, unlike[:_MOST_SHOWN]))
    if unlike:
        warn(f"Elements stand twice, the first is taken: {shown}", url=url)
    elif repeated:
        shown = ", ".join(map(format_tag, list(repeated)[:_MOST_SHOWN]))
        warn(f"Elements stand twice, with the same value: {shown}", url=url)


def same_values(source: ReadableFile, one: Element, other: Element) -> bool:
    """Compare two values block by block."""
    blocks = range(0, one.length, _COMPARED)
    return all(
        source.read(ByteRange(one.offset + start, size))
        == source.read(ByteRange(other.offset + start, size))
        for start in blocks
        for size in [min(_COMPARED, one.length - start)]
    )


def image_pixel_attributes(elements: Elements) -> Attributes:
    """Collect the attributes of the Image Pixel module as plain values."""
    attributes: dict[str, int | str | None] = {}
    for name, (tag, vr) in IMAGE_PIXEL_TAGS.items():
        values = elements.get(tag, "LO" if vr == "CS" else vr)  # as it is written
        one = values[0] if len(values) == 1 else "\\".join(map(str, values))
        attributes[name] = one if isinstance(one, int) else str(one) or None
    if attributes["number_of_frames"] is None:
        empty = elements.read(IMAGE_PIXEL_TAGS["number_of_frames"][0]) is not None
        attributes["number_of_frames"] = 0 if empty else None
    return attributes


def has_functional_groups(elements: Elements) -> bool:
    """Return whether an object has functional groups, as Enhanced ones do."""
    return any(map(elements.holds, _FUNCTIONAL_GROUPS))


def _look_ahead(
    source: ByteSource, lookahead: Lookahead, meta: FileMeta, starts: Mapping[int, int]
) -> Element | None:
    """Return native Pixel Data where it must begin if it ends the file, else ``None``.

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
    length = pixel.native_nbytes
    start = lookahead.size - length - (8 if meta.framing.implicit_vr else 12)
    if not after <= start < after + length:
        return None
    element = read_element(lookahead, start, meta.framing)
    exact = element.length == length and element.offset + length == lookahead.size
    return element if element.tag == tags.PIXEL_DATA and exact else None


def private_tags(
    elements: Elements, wanted: Mapping[str, PrivateElement]
) -> dict[str, int]:
    """Return where private elements are in a file, those that it has.

    A block of a group is owned by who is named as its creator (PS3.5 section 7.8.1). Archives
    move blocks, and some drop the names: there the manufacturer decides.
    """
    blocks: dict[tuple[str, int], int] = {}
    places: dict[str, int] = {}
    for name, one in wanted.items():
        key = (one.creator, one.tag >> _GROUP)
        if key not in blocks:
            blocks[key] = _block_of(elements, one)
        if blocks[key]:
            places[name] = _in_block(one.tag, blocks[key])
    return {name: tag for name, tag in places.items() if elements.holds(tag)}


def private_tag(elements: Elements, element: PrivateElement) -> int | None:
    """Return where one private element is in a file, ``None`` where it is not."""
    block = _block_of(elements, element)
    tag = _in_block(element.tag, block)
    return tag if block and elements.holds(tag) else None


def creator_tags(elements: Elements, wanted: Mapping[str, PrivateElement]) -> list[int]:
    """Return the tags that name creators in the groups of private elements."""
    groups = {one.tag >> _GROUP for one in wanted.values()}
    return [
        tag
        for group in sorted(groups)
        for block in range(_BLOCK, _LAST_BLOCK)
        if elements.holds(tag := group << _GROUP | block)
    ]


def _block_of(elements: Elements, element: PrivateElement) -> int:
    """Return the block of a group that the creator owns, 0 for none."""
    group = element.tag >> _GROUP << _GROUP
    named = False
    for block in range(_BLOCK, _LAST_BLOCK):
        if elements.holds(group | block):
            named = True
            creator = elements.get(group | block, "LO")
            if creator and str(creator[0]).strip() == element.creator:
                return block
    if named or not elements.holds(element.tag):
        return 0
    makers = elements.get(tags.MANUFACTURER, "LO")
    maker = str(makers[0]).lower() if makers else ""
    return _BLOCK if maker.startswith(element.manufacturer) else 0


def _in_block(tag: int, block: int) -> int:
    """Return a tag with another block."""
    return tag & ~(_IN_BLOCK << 8) | block << 8
