"""The first bytes of many local files: a read each, into memory that is there already."""

import os
import stat
from contextlib import suppress
from typing import TypeAlias

from lazydicom._bytes.containers.member import Member
from lazydicom._bytes.containers.slice import SliceSource
from lazydicom._bytes.containers.zip import ZipDirectory
from lazydicom._bytes.local.source import LocalSource, open_to_read, read_into
from lazydicom._bytes.location import Url, version_of_stat
from lazydicom._bytes.source import ByteRange, ByteSource
from lazydicom.errors import LazyDicomError

File: TypeAlias = Url | Member


def is_near(file: File) -> bool:
    """Return whether a file is local, or a member of a local zip file."""
    if isinstance(file, Member):
        container = file.container
        whole = container.whole if isinstance(container, ZipDirectory) else None
        return isinstance(whole, LocalSource)
    return isinstance(file, str) and os.path.isabs(file)  # noqa: PTH117


def is_plain_source(source: ByteSource) -> bool:
    """Return whether bytes lie in a local file as they are."""
    whole = source.whole if isinstance(source, SliceSource) else source
    return isinstance(whole, LocalSource)


def read_head(file: File, out: memoryview) -> ByteSource | None:
    """Fill `out` with the first bytes; ``None`` where that is not as simple as that."""
    if isinstance(file, Member):
        with suppress(LazyDicomError):
            source = file.container.open(file)
            if is_plain_source(source):
                length = min(out.nbytes, source.size())
                out[:length] = source.read(ByteRange(0, length))
                return source
        return None
    return _read_local_head(str(file), out)


def _read_local_head(path: str, out: memoryview) -> LocalSource | None:
    """Read without a look beforehand: a named pipe must not make it wait."""
    try:
        descriptor = open_to_read(path, wait=False)
    except OSError:
        return None
    try:
        now = os.fstat(descriptor)
        if not stat.S_ISREG(now.st_mode):
            return None
        read_into(descriptor, out[: now.st_size], 0)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return LocalSource(path, version_of_stat(now))
