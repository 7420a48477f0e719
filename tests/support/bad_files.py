"""Files that must be refused with an error of ours, and what is wrong with each.

`BAD_FILES["NumberOfFrames is negative"].make()` gives the bytes. Structure and
bombs are here, wrong pixels in `bad_pixels`; files that are merely odd, and are
read, in `odd_files`.
"""

from __future__ import annotations

import random
import struct
import zlib
from functools import cache, partial
from typing import TYPE_CHECKING, Final, NamedTuple

from bad_pixels import BAD_PIXELS
from dicom_elements import (
    DEFLATED,
    ITEM,
    RLE,
    UNDEFINED,
    deflate,
    dicom_file,
    element,
    element_header,
    file_meta,
    item,
    sequence,
)
from dicom_files import make_native, stored_pixels
from pixel_layout import header, layout

if TYPE_CHECKING:
    from collections.abc import Callable

PRIVATE_SEQUENCE: Final = 0x00091010
ICON_SEQUENCE: Final = 0x00880200
PIXELS: Final = stored_pixels().tobytes()
PIXEL_DATA: Final = element(0x7FE00010, "OW", PIXELS)
HEADER: Final = header(layout(), "{}", None)
META_END: Final = 132 + len(file_meta())
PIXEL_START: Final = META_END + len(HEADER)


class BadFile(NamedTuple):
    """A file that no reader can take pixels from."""

    reason: str
    """What is wrong, as a sentence."""
    make: Callable[[], bytes]


def nested_sequences(depth: int) -> bytes:
    """Nest `depth` sequences of undefined length, each with one item."""
    head = element_header(PRIVATE_SEQUENCE, "SQ", UNDEFINED)
    head += struct.pack("<HHI", ITEM >> 16, ITEM & 0xFFFF, UNDEFINED)
    tail = sequence(PRIVATE_SEQUENCE, b"", undefined=True)[len(head) :]
    return head * depth + tail * depth


def icon_sequence() -> bytes:
    """Make a small image of its own, in front of the real one."""
    icon = layout(rows=2, columns=2, bits_allocated=8)
    pixels = element(0x7FE00010, "OB", b"icon")
    return sequence(ICON_SEQUENCE, header(icon, None, None) + pixels)


@cache
def deflate_bomb(size: int = 300_000_000) -> bytes:
    """Inflate to `size` zeros in front of Pixel Data."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)

    def packed(data: bytes) -> bytes:
        """Deflate without a look at what came before."""
        return compressor.compress(data) + compressor.flush(zlib.Z_FULL_FLUSH)

    begin = packed(HEADER + element_header(0x50091010, "OB", size))
    zeros = packed(bytes(1_000_000)) * (size // 1_000_000)
    end = compressor.compress(PIXEL_DATA) + compressor.flush()
    return _with_meta(begin + zeros + end, DEFLATED)


def _random_bytes() -> bytes:
    return random.Random(7).randbytes(65_536)


def _with_meta(body: bytes, transfer_syntax: str) -> bytes:
    """Put File Meta in front of bytes that are already deflated."""
    return bytes(128) + b"DICM" + file_meta(transfer_syntax) + body


def _cut(stop: int) -> bytes:
    return make_native()[:stop]


def _before(extra: bytes) -> Callable[[], bytes]:
    """Put elements where every reader must step over them: before group 0028."""
    return partial(make_native, elements={PRIVATE_SEQUENCE: extra})


def _file(dataset: bytes, transfer_syntax: str | None = None) -> Callable[[], bytes]:
    if transfer_syntax is None:
        return partial(dicom_file, dataset)
    return partial(dicom_file, dataset, transfer_syntax=transfer_syntax)


def _private(vr: str, length: int, value: bytes = b"") -> bytes:
    return element(PRIVATE_SEQUENCE, vr, value, length=length)


NOT_DICOM: Final[dict[str, Callable[[], bytes]]] = {
    "The file is empty": bytes,
    "The file is shorter than preamble and prefix": partial(bytes, 131),
    "The file ends after the prefix": lambda: bytes(128) + b"DICM",
    "The file is random": _random_bytes,
    "The file is all zeros": partial(bytes, 4096),
    "The file is a login page": lambda: b"<!DOCTYPE html><title>Log in</title>" * 99,
    "The preamble is there, the prefix is not": lambda: make_native().replace(
        b"DICM", b"DUCM"
    ),
    "The file ends after File Meta": _file(b""),
    "The file ends within File Meta": partial(_cut, 160),
    "An element of File Meta runs over the end of the file": lambda: (
        bytes(128) + b"DICM" + element(0x00020010, "OB", b"1.2", length=1 << 30)
    ),
    "The Transfer Syntax is unknown": partial(
        make_native, file_meta=file_meta("1.2.3.4.5")
    ),
}

BAD_STRUCTURE: Final[dict[str, Callable[[], bytes]]] = {
    "There is no Pixel Data": _file(HEADER),
    "Pixel Data stands in an icon only": _file(HEADER + icon_sequence()),
    "Pixel Data stands twice, unlike": partial(
        make_native, trailing=element(0x7FE00010, "OW", bytes(len(PIXELS)))
    ),
    "Pixel Data stands twice, one longer": partial(
        make_native, trailing=element(0x7FE00010, "OW", PIXELS + bytes(2))
    ),
    "Pixel Data and Float Pixel Data both stand": partial(
        make_native, extra_before=element(0x7FE00008, "OF", bytes(240))
    ),
    "Pixel Data stands in an unfinished sequence only": _file(
        HEADER
        + element_header(ICON_SEQUENCE, "SQ", UNDEFINED)
        + item(HEADER + PIXEL_DATA, length=UNDEFINED)
    ),
    "Pixel Data stands before some of its attributes": _file(PIXEL_DATA + HEADER[:-30]),
    "Pixel Data is empty": partial(make_native, pixel_bytes=b""),
    "Pixel Data has undefined length in a native Transfer Syntax": _file(
        HEADER + element(0x7FE00010, "OW", item(PIXELS), undefined=True)
    ),
    "Pixel Data has length FFFFFFFE": _file(
        HEADER + element(0x7FE00010, "OW", PIXELS, length=0xFFFFFFFE)
    ),
    "Pixel Data has defined length in an encapsulated Transfer Syntax": _file(
        HEADER + PIXEL_DATA, RLE
    ),
    "The file ends within the tag of Pixel Data": partial(_cut, PIXEL_START + 3),
    "The file ends within the length of Pixel Data": partial(_cut, PIXEL_START + 10),
    "The file ends before the value of Pixel Data": partial(_cut, PIXEL_START + 12),
    "The file ends within a tag": partial(_cut, META_END + 2),
    "The file ends within a value": partial(_cut, META_END + 20),
    "The file ends between two elements": _file(HEADER[:-10]),
    "An element has length FFFFFFFE": _before(_private("OB", 0xFFFFFFFE, b"abcd")),
    "An element runs over the end of the file": _before(_private("OB", 1 << 20)),
    "An element takes Pixel Data into its value": _before(_private("OB", 20)),
    "A plain element has undefined length": _before(_private("UT", UNDEFINED, b"ab")),
    "A delimiter stands outside a sequence": _before(
        sequence(PRIVATE_SEQUENCE, undefined=True) * 2 + item(b"", undefined=True)[8:]
    ),
    "An item has length FFFFFFFE": _before(
        element(PRIVATE_SEQUENCE, "SQ", item(b"ab", length=0xFFFFFFFE), undefined=True)
    ),
    "An item runs over the end of the file": _before(
        element(PRIVATE_SEQUENCE, "SQ", item(b"ab", length=1 << 20), undefined=True)
    ),
    "An item lacks its delimiter": _before(
        element(PRIVATE_SEQUENCE, "SQ", item(b"", length=UNDEFINED), undefined=True)
    ),
    "A sequence lacks its delimiter": _before(
        _private("SQ", UNDEFINED, item(b"", undefined=True))
    ),
    "A sequence of undefined length holds no item": _before(
        element(PRIVATE_SEQUENCE, "SQ", b"garbage!" * 2, undefined=True)
    ),
    "Sequences are nested 65 deep": _before(nested_sequences(65)),
    "Sequences are nested 3,000 deep": _before(nested_sequences(3_000)),
    "Sequences are nested 100,000 deep": lambda: make_native(
        elements={PRIVATE_SEQUENCE: nested_sequences(100_000)}
    ),
    "Sequences are nested 3,000 deep and never end": _file(
        HEADER + nested_sequences(3_000)[: 3_000 * 20]
    ),
}

BAD_DEFLATE: Final[dict[str, Callable[[], bytes]]] = {
    "The deflated data set is garbage": lambda: _with_meta(_random_bytes(), DEFLATED),
    "The deflated data set is empty": lambda: _with_meta(b"", DEFLATED),
    "The deflated data set is not deflated": lambda: _with_meta(
        HEADER + PIXEL_DATA, DEFLATED
    ),
    "The deflated data set is cut": lambda: _with_meta(
        deflate(HEADER + PIXEL_DATA)[:-40], DEFLATED
    ),
    "The deflated data set is a bomb": deflate_bomb,
}

BAD_FILES: Final = {
    name: BadFile(f"{name}.", make)
    for name, make in (NOT_DICOM | BAD_STRUCTURE | BAD_DEFLATE | BAD_PIXELS).items()
}
