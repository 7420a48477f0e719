"""Data elements as bytes, right or deliberately wrong (PS3.5 §7, PS3.10 §7).

The tests write their files with this module rather than with pydicom, which
refuses to write most of what a reader must survive.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

EXPLICIT_LITTLE: Final = "1.2.840.10008.1.2.1"
EXPLICIT_BIG: Final = "1.2.840.10008.1.2.2"
IMPLICIT_LITTLE: Final = "1.2.840.10008.1.2"
DEFLATED: Final = "1.2.840.10008.1.2.1.99"
RLE: Final = "1.2.840.10008.1.2.5"

UNDEFINED: Final = 0xFFFFFFFF
ITEM: Final = 0xFFFEE000
ITEM_END: Final = 0xFFFEE00D
SEQUENCE_END: Final = 0xFFFEE0DD

LONG_VRS: Final = frozenset(
    ("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV")
)
BINARY_VRS: Final = LONG_VRS - {"UC", "UR", "UT"} | {"UI"}


def element(
    tag: int,
    vr: str,
    value: bytes = b"",
    *,
    implicit: bool = False,
    big_endian: bool = False,
    undefined: bool = False,
    length: int | None = None,
    pad: bool = True,
) -> bytes:
    """One element; `length` lies about the value, `undefined` also delimits it.

    >>> element(0x00100020, "LO", b"abc").hex(" ")
    '10 00 20 00 4c 4f 04 00 61 62 63 20'
    """
    if pad and len(value) % 2:
        value += b"\0" if vr in BINARY_VRS else b" "
    if length is None:
        length = UNDEFINED if undefined else len(value)
    head = element_header(tag, vr, length, implicit=implicit, big_endian=big_endian)
    end = _bare(SEQUENCE_END, big_endian=big_endian) if undefined else b""
    return head + value + end


def element_header(
    tag: int, vr: str, length: int, *, implicit: bool = False, big_endian: bool = False
) -> bytes:
    """Tag, VR and length, without the value."""
    order = ">" if big_endian else "<"
    words = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
    if implicit:
        return words + struct.pack(order + "I", length)
    if vr in LONG_VRS:
        return words + vr.encode() + b"\0\0" + struct.pack(order + "I", length)
    return words + vr.encode() + struct.pack(order + "H", length)


def item(
    content: bytes = b"",
    *,
    undefined: bool = False,
    big_endian: bool = False,
    length: int | None = None,
) -> bytes:
    """One item of a sequence, or one fragment of encapsulated Pixel Data.

    >>> item(b"ab").hex(" ")
    'fe ff 00 e0 02 00 00 00 61 62'
    """
    if length is None:
        length = UNDEFINED if undefined else len(content)
    head = _bare(ITEM, length, big_endian=big_endian)
    end = _bare(ITEM_END, big_endian=big_endian) if undefined else b""
    return head + content + end


def sequence(
    tag: int,
    *items: bytes,
    undefined: bool = False,
    implicit: bool = False,
    big_endian: bool = False,
    length: int | None = None,
    vr: str = "SQ",
) -> bytes:
    """A sequence of the contents of its items, with items of the same kind."""
    contents = (item(i, undefined=undefined, big_endian=big_endian) for i in items)
    return element(
        tag,
        vr,
        b"".join(contents),
        implicit=implicit,
        big_endian=big_endian,
        undefined=undefined,
        length=length,
        pad=False,
    )


def delimiter(*, big_endian: bool = False) -> bytes:
    """Sequence Delimitation Item (FFFE,E0DD)."""
    return _bare(SEQUENCE_END, big_endian=big_endian)


def file_meta(
    transfer_syntax: str | None = EXPLICIT_LITTLE,
    *,
    sop_class: str = "1.2.840.10008.5.1.4.1.1.7.2",
    group_length: int | None = None,
    extra: bytes = b"",
) -> bytes:
    """File Meta group; `group_length` lies, a `transfer_syntax` of None is absent."""
    group = element(0x00020001, "OB", b"\0\1")
    group += element(0x00020002, "UI", sop_class.encode())
    group += element(0x00020003, "UI", b"1.2.3.4")
    if transfer_syntax is not None:
        group += element(0x00020010, "UI", transfer_syntax.encode())
    group += element(0x00020012, "UI", b"1.2.3") + extra
    if group_length is None:
        group_length = len(group)
    return element(0x00020000, "UL", struct.pack("<I", group_length)) + group


def dicom_file(
    dataset: bytes,
    *,
    transfer_syntax: str = EXPLICIT_LITTLE,
    preamble: bytes | bool = True,
    meta: bytes | bool = True,
) -> bytes:
    """Put preamble and File Meta in front of an encoded data set (PS3.10 §7.1)."""
    start = bytes(128) if preamble is True else preamble or b""
    group = file_meta(transfer_syntax) if meta is True else meta or b""
    body = deflate(dataset) if transfer_syntax == DEFLATED else dataset
    return start + (b"DICM" if start else b"") + group + body


def deflate(data: bytes) -> bytes:
    """Raw deflate, padded to an even length (PS3.5 §A.5)."""
    compressor = zlib.compressobj(6, zlib.DEFLATED, -15)
    packed = compressor.compress(data) + compressor.flush()
    return packed + bytes(len(packed) % 2)


def _bare(tag: int, length: int = 0, *, big_endian: bool = False) -> bytes:
    """Items and delimiters have no VR, whatever the Transfer Syntax."""
    return element_header(tag, "", length, implicit=True, big_endian=big_endian)
