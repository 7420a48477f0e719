"""Byte strings that begin and end as codestreams do; nobody can decode them."""

from __future__ import annotations

import struct
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from lazydicom._bytes.source import MemorySource

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from lazydicom._bytes.source import ByteRange, BytesLike

JPEG: Final = "1.2.840.10008.1.2.4.50"
JPEG_LS: Final = "1.2.840.10008.1.2.4.80"
JPEG_2000: Final = "1.2.840.10008.1.2.4.90"
JPEG_XL: Final = "1.2.840.10008.1.2.4.110"
HTJ2K: Final = "1.2.840.10008.1.2.4.201"
RLE: Final = "1.2.840.10008.1.2.5"
DEFLATED_FRAME: Final = "1.2.840.10008.1.2.8.1"

WITH_END_MARKER: Final = (JPEG, JPEG_LS, JPEG_2000, HTJ2K)
ONE_FRAGMENT: Final = (RLE, DEFLATED_FRAME)

_AROUND: Final = {
    JPEG: (b"\xff\xd8\xff\xdb", b"\xff\xd9"),
    JPEG_LS: (b"\xff\xd8\xff\xf7", b"\xff\xd9"),
    JPEG_2000: (b"\xff\x4f\xff\x51", b"\xff\xd9"),
    HTJ2K: (b"\xff\x4f\xff\x51", b"\xff\xd9"),
    JPEG_XL: (b"\xff\x0a", b""),
    RLE: (struct.pack("<16I", 1, 64, *[0] * 14), b""),
    DEFLATED_FRAME: (b"", b""),
}


def codestream(syntax: str, body: bytes = b"pixels") -> bytes:
    """Put `body` between what a codestream begins and ends with.

    No byte of it is FF, so that there is no marker inside, nor what a file begins with.
    """
    before, after = _AROUND[syntax]
    body = body.replace(b"\xff", b"\x7f").replace(b"\x0c", b"\x0d")
    return before + body + after


def joined(fragments: Sequence[bytes]) -> bytes:
    """Join fragments as they stand in the file, padded to even lengths."""
    return b"".join(part + bytes(len(part) % 2) for part in fragments)


@dataclass(frozen=True, eq=False)
class UnmappedSource(MemorySource):
    """Bytes that must be fetched, and a list of what was."""

    reads: list[ByteRange] = field(default_factory=list)

    def read(self, span: ByteRange) -> BytesLike:
        self.reads.append(span)
        return super().read(span)

    def mapped(self) -> AbstractContextManager[memoryview | None]:
        return nullcontext(None)

    def __reduce__(self) -> tuple[object, ...]:
        return (UnmappedSource, (bytes(self.data), self.url))
