"""Frame Increment Pointer: which attribute tells the frames apart (PS3.3 section C.7.6.6)."""

from collections.abc import Iterable

from lazydicom._header import tags
from lazydicom._header.header import Header
from lazydicom.errors import InvalidDicomError


def pointed_tags(header: Header, known: Iterable[int]) -> list[int]:
    """Return those of the known tags that the pointer names, in its order.

    The two halves of a tag are words: as one number of little endian, they change places.
    """
    try:
        values = header.elements.get(tags.FRAME_INCREMENT_POINTER, "AT")
    except InvalidDicomError:
        return []  # an odd pointer points at nothing
    numbers = [int(value) for value in values]
    names = [(one, (one & 0xFFFF) << 16 | one >> 16) for one in numbers]
    wanted = set(known)
    return [tag for pair in names for tag in dict.fromkeys(pair) if tag in wanted]
