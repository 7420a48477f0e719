"""Files that `gzip` packed: unpacked once into a spill, as deflated files are (RFC 1952)."""

from typing import Final

from lazydicom._bytes.containers.inflate import InflatedSource
from lazydicom._bytes.ranges import ByteRange
from lazydicom._bytes.source import ByteSource, MemorySource

_MAGIC: Final = b"\x1f\x8b\x08"
_SUFFIXES: Final = (".gz", ".tgz")


def unpacked(source: ByteSource, name: str) -> ByteSource:
    """Return a file as it was before `gzip`, itself where it was not packed.

    Files are told by their names, so that others cost no read; bytes by how they begin.
    """
    named = name.partition("?")[0].lower().endswith(_SUFFIXES)
    if not named and not isinstance(source, MemorySource):
        return source
    if source.size() < len(_MAGIC):
        return source
    if bytes(source.read(ByteRange(0, len(_MAGIC)))) != _MAGIC:
        return source
    return InflatedSource(source, 0, packing="gzip")
