"""The headers of a tar file, one after the other (POSIX.1-2001 pax, ustar, GNU).

Each tells where the next one lies. Far away, some are guessed and fetched together: files of a
series are as long as each other. `tarfile` keeps a kilobyte for each header, and its patterns
take quadratic time for headers made to harm.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from lazydicom._bytes.ranges import MAX_BLOCK, read_many
from lazydicom._bytes.source import (
    FIRST_BLOCK,
    ByteRange,
    BytesLike,
    ByteSource,
    is_distant,
)
from lazydicom.errors import LimitError, SourceError

BLOCK: Final = 512
_READ: Final = 4 * BLOCK
"""A header, and the two of pax before it."""
_NEAR: Final = 1 << 13
"""Here a read takes as long as copying so many bytes."""
_MOST_GUESSES: Final = 64
_LONGEST_NAME: Final = 1 << 16
"""Bytes of a name, and of what else pax says of one file."""
_PAX: Final = ord("x")
_GNU: Final = {ord("L"): "path", ord("K"): "link"}
_NAMES: Final = frozenset((_PAX, *_GNU))
"""Headers that say more of the one after them."""
_GLOBAL: Final = ord("g")
_SPARSE: Final = ord("S")
_SPARSE_KEY: Final = b"GNU.sparse"
_REGULAR: Final = frozenset(b"0\0007")
_WITHOUT_DATA: Final = frozenset(b"123456")
"""Links, devices, folders: no data follow, whatever they say."""


class TarFile(NamedTuple):
    """One regular file."""

    name: str
    start: int
    length: int


def read_headers(whole: ByteSource) -> Iterator[TarFile]:
    """Yield the regular files of a tar file.

    Raises
    ------
    SourceError
        If it is no tar file, or is damaged.
    LimitError
        If a name is longer than any.
    """
    ahead, offset, more = _Ahead(whole), 0, dict[str, str]()
    while offset + BLOCK <= whole.size():
        header = ahead.header(offset, first=not more)
        if not any(header):
            break
        kind, length = header[156], _checked_length(header, whole, offset)
        offset += BLOCK
        if kind in _NAMES:
            data = ahead.rest(offset, length)
            more |= _pax(data) if kind == _PAX else {_GNU[kind]: _text(data)}
        elif kind != _GLOBAL:
            if kind == _SPARSE:
                offset = _behind_sparse(ahead, header, offset)
            length = 0 if kind in _WITHOUT_DATA else _length(more, length)
            file = _file(header, more, offset, length)
            more = {}
            if file is not None:
                yield file
        offset += -(-length // BLOCK) * BLOCK
    if offset == 0:
        raise _no_tar(whole)


def _file(
    header: bytes, more: dict[str, str], offset: int, length: int
) -> TarFile | None:
    """Return a regular file; sparse ones do not lie as they are."""
    name = more.get("path") or _name(header)
    is_sparse = _text(_SPARSE_KEY) in more
    is_folder = header[156] == 0 and name.endswith("/")  # of writers of old
    if header[156] not in _REGULAR or is_sparse or is_folder:
        return None
    return TarFile(name, offset, length)


def _checked_length(header: bytes, whole: ByteSource, offset: int) -> int:
    """Compare a header with its checksum, and return the length of what follows."""
    total = sum(header[:148]) + 8 * ord(" ") + sum(header[156:])
    try:
        known, length = _number(header[148:156]), _number(header[124:136])
    except ValueError:
        known = length = -1
    if (known != total and known != _signed_sum(header)) or length < 0:
        if offset == 0:
            raise _no_tar(whole)
        raise SourceError("The tar file is damaged", url=whole.url, offset=offset)
    return length


def _signed_sum(header: bytes) -> int:
    """Return the checksum as writers of old took it."""
    fields = header[:148] + b" " * 8 + header[156:]
    return sum(fields) - 256 * sum(one > 127 for one in fields)


def _number(field: bytes) -> int:
    """Read octal digits, or the binary number of GNU where it is too large for them."""
    if field[0] in {0x80, 0xFF}:
        signed = field[0] == 0xFF
        return int.from_bytes(field[1:], "big", signed=signed)
    text = field.partition(b"\0")[0].strip()
    if text and not text.isdigit():
        raise ValueError(text)
    return int(text or b"0", 8)


def _length(more: dict[str, str], length: int) -> int:
    """Return the length of a file; pax may tell it where octal digits cannot."""
    size = more.get("size", "")
    return int(size) if size.isascii() and size.isdigit() and len(size) < 20 else length


def _pax(data: BytesLike) -> dict[str, str]:
    """Read the records of a pax header, a line ``18 path=a/b.dcm`` each."""
    records, rest = dict[str, str](), bytes(data)
    begin = 0
    while begin < len(rest):
        space = rest.find(b" ", begin, begin + 20)
        digits = rest[begin:space]
        if space < 0 or not digits.isdigit() or int(digits) <= len(digits) + 1:
            break
        end = begin + int(digits)
        key, _, value = rest[space + 1 : end - 1].partition(b"=")
        if key in {b"path", b"size"} or key.startswith(_SPARSE_KEY):
            records[_text(key[: len(_SPARSE_KEY)])] = _text(value)
        begin = end
    return records


def _name(header: bytes) -> str:
    """Return the name of ustar: a prefix may stand apart."""
    name, prefix = _text(header[:100]), _text(header[345:500])
    is_ustar = header[257:263] == b"ustar\0"
    return f"{prefix}/{name}" if is_ustar and prefix else name


def _text(data: BytesLike) -> str:
    return bytes(data).partition(b"\0")[0].decode(errors="surrogateescape")


def _behind_sparse(ahead: "_Ahead", header: bytes, offset: int) -> int:
    """Step over the map of a sparse file of GNU."""
    is_extended = header[482]
    while is_extended:
        is_extended = bytes(ahead.rest(offset, BLOCK))[504:505] not in {b"", b"\0"}
        offset += BLOCK
    return offset


def _no_tar(whole: ByteSource) -> SourceError:
    return SourceError("Could not open: Expected a tar file", url=whole.url)


class _Ahead:
    """Headers, fetched with those that are likely to come."""

    def __init__(self, whole: ByteSource) -> None:
        self._whole = whole
        self._far = is_distant(whole)
        self._begin = 0
        self._step = 0
        """From one file to the next."""
        self._fetched_step = 0
        """What it was when headers were fetched the last time."""
        self._run = FIRST_BLOCK
        self._guesses = 1
        self._blocks: dict[int, memoryview] = {}
        """By where they begin."""

    def header(self, offset: int, *, first: bool) -> bytes:
        """Read a header, the first one of a file or another."""
        if first:
            self._step, self._begin = offset - self._begin, offset
        block = self._held(offset, BLOCK)
        if block is None:
            self._fetch(offset)
            block = self._held(offset, BLOCK)
        assert block is not None, "inside the file"
        return bytes(block)

    def rest(self, offset: int, length: int) -> BytesLike:
        """Read what belongs to a header."""
        if length > _LONGEST_NAME:
            message = f"A name in a tar file takes {length} bytes"
            raise LimitError(message, url=self._whole.url, offset=offset)
        held = self._held(offset, length)
        return self._whole.read(ByteRange(offset, length)) if held is None else held

    def _held(self, offset: int, length: int) -> memoryview | None:
        for begin, block in self._blocks.items():
            if begin <= offset and offset + length <= begin + len(block):
                return block[offset - begin :][:length]
        return None

    def _fetch(self, offset: int) -> None:
        size = self._whole.size()
        spans = [
            ByteRange(place, min(length, size - place))
            for place, length in self._likely(offset)
            if place + BLOCK <= size
        ]
        blocks = read_many(self._whole, spans)
        self._blocks = {
            span.offset: memoryview(block)
            for span, block in zip(spans, blocks, strict=True)
        }

    def _likely(self, offset: int) -> list[tuple[int, int]]:
        """Return where to read how much."""
        if not self._far and self._step > _NEAR:
            return [(offset, _READ)]
        if self._step <= FIRST_BLOCK:  # short files: all of them
            self._run = min(2 * self._run, MAX_BLOCK)
            return [(offset, self._run // 2)]
        alike = self._step == self._fetched_step
        self._guesses = min(4 * self._guesses, _MOST_GUESSES) if alike else 1
        self._fetched_step = self._step
        return [(offset + k * self._step, _READ) for k in range(self._guesses)]
