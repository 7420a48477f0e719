"""Encapsulated files far away: bytes that must be fetched, and a list of what was."""

import random
import struct
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from lazydicom._bytes.source import ByteRange, BytesLike, MemorySource

JPEG = "1.2.840.10008.1.2.4.70"


RLE = "1.2.840.10008.1.2.5"


FAKE_ITEM = b"\xfe\xff\x00\xe0" + struct.pack("<I", 40) + b"\xff\xd8\xff\xe0"


@dataclass(frozen=True, slots=True, eq=False)
class FarMemory(MemorySource):
    """Bytes that must be fetched, and a list of what was."""

    reads: list[ByteRange] = field(default_factory=list)

    def read(self, span: ByteRange) -> BytesLike:
        self.reads.append(span)
        return MemorySource.read(self, span)

    def read_many(self, spans: Sequence[ByteRange]) -> list[BytesLike]:
        return [self.read(span) for span in spans]

    def mapped(self) -> AbstractContextManager[memoryview | None]:
        return nullcontext(None)

    def __reduce__(self) -> tuple[object, ...]:
        return (FarMemory, (bytes(self.data), self.url))


def jpeg(length: int, seed: int, *, fakes: bool = False) -> bytes:
    chance = random.Random(seed)
    body = bytearray(chance.randbytes(length))
    if fakes:
        for _ in range(3):
            at = chance.randrange(max(length - len(FAKE_ITEM), 1))
            body[at : at + len(FAKE_ITEM)] = FAKE_ITEM
    return b"\xff\xd8\xff\xe0" + bytes(body[: length // 2 * 2]) + b"\xff\xd9"


def rle(length: int, seed: int) -> bytes:
    body = random.Random(seed).randbytes(length // 2 * 2)
    return struct.pack("<16I", 1, 64, *[0] * 14) + body
