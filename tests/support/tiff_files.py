"""Make a DICOM file a TIFF, too: header in the preamble, directories behind the pixels."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from dicom_elements import element

if TYPE_CHECKING:
    from collections.abc import Sequence

TILE_OFFSETS = 324
TILE_BYTE_COUNTS = 325


def make_dual(
    file: bytes,
    *directories: Sequence[tuple[int, int]],
    big: bool = False,
    order: str = "<",
    loop: bool = False,
) -> bytes:
    """Add a directory for each list of tiles (offset, length).

    `loop` makes the last directory point at the first.
    """
    word = "Q" if big else "I"
    start = len(file) + 12  # (FFFC,FFFC) OB of undefined use
    body = b""
    for number, tiles in enumerate(directories):
        here = start + len(body)
        last = number == len(directories) - 1
        body += _directory(tiles, here, word, order, start if loop else 0, last=last)
    padding = element(0xFFFCFFFC, "OB", body, pad=True)
    head = b"II" if order == "<" else b"MM"
    head += struct.pack(order + "H", 43 if big else 42)
    head += struct.pack(order + "HH", 8, 0) if big else b""
    head += struct.pack(order + word, start)
    return head + file[len(head) :] + padding


def _directory(
    tiles: Sequence[tuple[int, int]],
    here: int,
    word: str,
    order: str,
    after_last: int,
    *,
    last: bool,
) -> bytes:
    size, count = struct.calcsize(word), "Q" if word == "Q" else "H"
    kind = 16 if word == "Q" else 4
    values = here + struct.calcsize(count) + 2 * (4 + 2 * size) + size
    columns = [[offset for offset, _ in tiles], [length for _, length in tiles]]
    entries, data = b"", b""
    for tag, column in zip((TILE_OFFSETS, TILE_BYTE_COUNTS), columns, strict=True):
        packed = struct.pack(f"={len(column)}{word}".replace("=", order), *column)
        inline = packed.ljust(size, b"\0")
        if len(packed) > size:
            inline = struct.pack(order + word, values + len(data))
            data += packed
        entries += struct.pack(f"{order}HH{word}", tag, kind, len(column)) + inline
    after = after_last if last else values + len(data)
    head = struct.pack(order + count, 2)
    return head + entries + struct.pack(order + word, after) + data
