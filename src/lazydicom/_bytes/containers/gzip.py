"""Files that `gzip` packed: unpacked once into a spill, as deflated files are (RFC 1952)."""

from typing import Final

from lazydicom._bytes.containers.inflate import InflatedSource
from lazydicom._bytes.source import ByteRange, ByteSource

_MAGIC: Final = b"\x1f\x8b\x08"


def unpacked(source: ByteSource) -> ByteSource:
    """Return a file as it was before `gzip`, itself where it was not packed.

    Who calls asks for files of such a name only, so that others cost no read.
    """
    if source.size() < len(_MAGIC):
        return source
    if bytes(source.read(ByteRange(0, len(_MAGIC)))) != _MAGIC:
        return source
    return InflatedSource(source, 0, packing="gzip")
