"""Stepping over data elements without parsing them (PS3.5 section 7).

The walker reads tags and lengths only. Elements and items of defined length are one step;
inside undefined length it goes from delimiter to delimiter, with a stack of its own.
"""

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from lazydicom._bytes.deferred import deferred
from lazydicom._bytes.source import Lookahead
from lazydicom._header.tags import ITEM, ITEM_DELIMITER, SEQUENCE_DELIMITER
from lazydicom.errors import InvalidDicomError, LimitError, format_tag, warn

if TYPE_CHECKING:
    from lazydicom._header import item_patterns
else:
    item_patterns = deferred("lazydicom._header.item_patterns")

UNDEFINED: Final = 0xFFFFFFFF
"""Length of an element that ends with a delimiter."""
MAX_DEPTH: Final = 64
"""Nested sequences allowed, as in DCMTK."""

_LONG_VR: Final = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_SHORT_VR: Final = frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split()
)
_ITEM_TAGS: Final = frozenset((ITEM, ITEM_DELIMITER, SEQUENCE_DELIMITER))
_DELIMITERS: Final = _ITEM_TAGS - {ITEM}
_VR_NAMES: Final = {code: code.decode() for code in _LONG_VR | _SHORT_VR}
_ALL_VRS: Final = frozenset(_VR_NAMES.values())
_MOST_UNKNOWN: Final = 10_000
_PRINTABLE: Final = frozenset(range(0x20, 0x7F))
_ITEM_GROUP: Final = ITEM >> 16


class Element(NamedTuple):
    """Where one data element lies."""

    tag: int
    vr: str
    """Empty in implicit VR."""
    start: int
    """First byte of its tag."""
    offset: int
    """First byte of its value."""
    length: int
    """Length of its value, `UNDEFINED` where delimiters end it."""


class Framing(NamedTuple):
    """How tags and lengths are written."""

    little_endian: bool = True
    implicit_vr: bool = False


class _Formats(NamedTuple):
    """How `struct` reads one byte order."""

    explicit: struct.Struct
    length: struct.Struct
    tag: struct.Struct


_FORMATS: Final = {
    True: _Formats(struct.Struct("<HH2sH"), struct.Struct("<I"), struct.Struct("<HH")),
    False: _Formats(struct.Struct(">HH2sH"), struct.Struct(">I"), struct.Struct(">HH")),
}


def read_element(lookahead: Lookahead, start: int, framing: Framing) -> Element:
    """Read tag, VR and length of the element at `start`."""
    at = lookahead.seek(start, 8)
    formats = _FORMATS[framing.little_endian]
    group, number, code, short = formats.explicit.unpack_from(lookahead.buffer, at)
    tag = group << 16 | number
    if framing.implicit_vr or tag in _ITEM_TAGS:
        (length,) = formats.length.unpack_from(lookahead.buffer, at + 4)
        return Element(tag, "", start, start + 8, length)
    if code in _SHORT_VR:
        return Element(tag, _VR_NAMES[code], start, start + 8, short)
    if code in _LONG_VR:
        at = lookahead.seek(start, 12)
        (length,) = formats.length.unpack_from(lookahead.buffer, at + 8)
        return Element(tag, _VR_NAMES[code], start, start + 12, length)
    return _read_unknown(lookahead, Element(tag, "", start, start + 8, short), framing)


def _read_unknown(lookahead: Lookahead, short: Element, framing: Framing) -> Element:
    """Read an element of a VR that is not known, as what fits before what follows.

    VRs to come have a length of 32 bits (PS3.5 section 6.2), writers give 16 bits to those
    that they do not know, among them ``??`` and two blanks; others write implicit VR.
    """
    lookahead.unknown += 1
    if lookahead.unknown > _MOST_UNKNOWN:
        message = f"More than {_MOST_UNKNOWN} elements of a VR that is not known"
        raise LimitError(message, url=lookahead.url, offset=short.start, tag=short.tag)
    length_of = _FORMATS[framing.little_endian].length.unpack_from
    at = lookahead.seek(short.start, 8)
    code = bytes(lookahead.buffer[at + 4 : at + 6])
    (length,) = length_of(lookahead.buffer, at + 4)
    readings = [short._replace(length=length)]
    if all(map(_PRINTABLE.__contains__, code)):
        vr = code.decode("ascii")
        readings.insert(0, short._replace(vr=vr))
        if code.isupper() and code.isalpha() and short.length == 0:
            readings[:0] = _read_future(lookahead, short._replace(vr=vr), framing)
    fitting = (one for one in readings if _fits(lookahead, one, framing))
    return next(fitting, readings[0])


def _read_future(
    lookahead: Lookahead, short: Element, framing: Framing
) -> list[Element]:
    """Read the length of 32 bits that follows two bytes of nothing, if it is there."""
    if short.start + 12 > lookahead.size:
        return []
    at = lookahead.seek(short.start, 12)
    length_of = _FORMATS[framing.little_endian].length.unpack_from
    (length,) = length_of(lookahead.buffer, at + 8)
    return [short._replace(offset=short.start + 12, length=length)]


def _fits(lookahead: Lookahead, element: Element, framing: Framing) -> bool:
    """Return whether what follows an element looks like one that may follow it."""
    undefined = element.length == UNDEFINED
    end = element.offset + (0 if undefined else element.length)
    if end + 8 > lookahead.size:
        return end == lookahead.size and not undefined
    at = lookahead.seek(end, 8)
    group, number = _FORMATS[framing.little_endian].tag.unpack_from(
        lookahead.buffer, at
    )
    following = group << 16 | number
    if undefined:
        return following in {ITEM, SEQUENCE_DELIMITER}
    return bool(following >= element.tag and following != ITEM)


def walk(
    lookahead: Lookahead, start: int, framing: Framing
) -> Iterator[tuple[int, int, int]]:
    """Yield tag, first byte and length of each element from `start` to the end of the file.

    Each is stepped over as a whole. This loop meets every element of every file of a
    series, so it makes no `Element` of those that are read most: short VRs and implicit.

    Raises
    ------
    InvalidDicomError
        If an element runs over the end of the file, or what follows is no element.
    LimitError
        If sequences are nested deeper than 64.
    """
    formats, implicit, size = (
        _FORMATS[framing.little_endian],
        framing.implicit_vr,
        lookahead.size,
    )
    while start < size:
        at = lookahead.seek(start, 8)
        group, number, code, length = formats.explicit.unpack_from(lookahead.buffer, at)
        tag, offset = group << 16 | number, start + 8
        if implicit:
            (length,) = formats.length.unpack_from(lookahead.buffer, at + 4)
        elif code not in _SHORT_VR:
            offset, length = read_element(lookahead, start, framing)[3:]
        yield tag, start, length
        end = offset + length
        if length == UNDEFINED or end > size or group == _ITEM_GROUP:
            end = end_of(
                lookahead, read_element(lookahead, start, framing), framing, size
            )
        start = end


def end_of(lookahead: Lookahead, element: Element, framing: Framing, stop: int) -> int:
    """Return the byte after an element."""
    if element.tag == ITEM and element.length != UNDEFINED:
        warn(f"Item outside a sequence at byte {element.start}", url=lookahead.url)
    elif element.tag in _ITEM_TAGS:
        message = f"Expected a data element, found {format_tag(element.tag)}"
        raise InvalidDicomError(message, url=lookahead.url, offset=element.start)
    if element.length != UNDEFINED:
        return end_of_value(lookahead, element, stop)
    return _end_of_undefined(lookahead, element, framing, stop)


def _end_of_undefined(
    lookahead: Lookahead, outermost: Element, framing: Framing, stop: int
) -> int:
    """Step over an element of undefined length; items and sequences on a stack."""
    stack = [inner_framing(lookahead, outermost, framing)]
    in_item = False
    position = outermost.offset
    patterns = item_patterns.ItemPatterns()
    while stack:
        if len(stack) == 1 and not in_item:
            position = patterns.skip(lookahead, position)
        if in_item:
            position = _skip_plain(lookahead, position, stack[-1], stop, patterns)
        element = read_element(lookahead, position, stack[-1])
        tag, position = element.tag, element.offset
        if tag == SEQUENCE_DELIMITER and not in_item:
            stack.pop()
            in_item = True
        elif tag == ITEM_DELIMITER and in_item:
            in_item = False
        elif (tag == ITEM) == in_item or tag in _DELIMITERS:
            raise _misplaced(lookahead, element, in_item=in_item)
        elif element.length != UNDEFINED:
            position = end_of_value(lookahead, element, stop)
        elif in_item:
            _check_depth(lookahead, element, len(stack))
            stack.append(inner_framing(lookahead, element, stack[-1]))
            in_item = False
        else:
            in_item = True
        value = position - element.offset
        patterns.note(
            item_patterns.Step(element.start, element.offset - element.start, value)
        )
    return position


def _skip_plain(
    lookahead: Lookahead,
    start: int,
    framing: Framing,
    stop: int,
    patterns: "item_patterns.ItemPatterns",
) -> int:
    """Step over elements of defined length that lie in memory, the most frequent ones."""
    formats, implicit = _FORMATS[framing.little_endian], framing.implicit_vr
    buffer, base = lookahead.buffer, lookahead.base
    last = min(lookahead.stop, stop) - 12
    while base <= start <= last:
        group, _, code, length = formats.explicit.unpack_from(buffer, start - base)
        header = 8
        if implicit:
            (length,) = formats.length.unpack_from(buffer, start - base + 4)
        elif code in _LONG_VR:
            header = 12
            (length,) = formats.length.unpack_from(buffer, start - base + 8)
        elif code not in _SHORT_VR:
            return start
        end = start + header + length
        if group == _ITEM_GROUP or end > stop or length == UNDEFINED:
            return start
        if patterns.learning:
            patterns.note(item_patterns.Step(start, header, length))
        start = end
    return start


def end_of_value(lookahead: Lookahead, element: Element, stop: int) -> int:
    """Return the byte after a value of defined length."""
    end = element.offset + element.length
    if end > stop:
        message = f"Value of {element.length} bytes runs over byte {stop}"
        raise InvalidDicomError(
            message, url=lookahead.url, offset=element.start, tag=element.tag
        )
    return end


def inner_framing(lookahead: Lookahead, element: Element, framing: Framing) -> Framing:
    """Return how the items of a sequence are written.

    UN is implicit VR little endian inside (PS3.5 section 6.2.2); there are writers that go
    on as they write everything else, and what stands in the first item shows it.
    """
    if element.vr != "UN":
        return framing
    explicit = dict.fromkeys((framing, Framing()))
    shown = (form for form in explicit if _begins_in(lookahead, element, form))
    return next(shown, Framing(implicit_vr=True))


def _begins_in(lookahead: Lookahead, sequence: Element, framing: Framing) -> bool:
    """Return whether the first element of the first item has an explicit VR.

    A length of 32 bits may look like a VR, with a length of 0 behind it.
    """
    start = sequence.offset + 8
    if start + 12 > lookahead.size:
        return False
    item = read_element(lookahead, sequence.offset, framing)
    if item.tag != ITEM:
        return False
    first = read_element(lookahead, start, framing)
    known = first.vr in _ALL_VRS and (first.length > 0 or first.offset > start + 8)
    ends_item = first.offset + first.length == start + item.length
    return known and (ends_item or _fits(lookahead, first, framing))


def _check_depth(lookahead: Lookahead, element: Element, depth: int) -> None:
    if depth >= MAX_DEPTH:
        message = f"Sequences nested deeper than {MAX_DEPTH}"
        raise LimitError(
            message, url=lookahead.url, offset=element.start, tag=element.tag
        )


def _misplaced(
    lookahead: Lookahead, element: Element, *, in_item: bool
) -> InvalidDicomError:
    expected = "a data element" if in_item else "Item (FFFE,E000)"
    message = f"Expected {expected}, found {format_tag(element.tag)}"
    return InvalidDicomError(message, url=lookahead.url, offset=element.start)
