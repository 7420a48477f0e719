"""The body of a response: as long as it can be, unpacked no further, at a least rate.

What a server sends is a claim: a header without a length, or of gigabytes, or a few bytes that
unpack into gigabytes (RFC 9110, 8.4). It is read as it comes, and unpacked here, so that no
more is held than was asked for.
"""

import zlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from lazydicom._bytes.rate import Rate
from lazydicom.errors import LimitError, SourceError

if TYPE_CHECKING:
    from requests import Response

_BLOCK: Final = 1 << 16
_RATIO_FREE: Final = 1 << 22
_MAX_RATIO: Final = 100
"""JSON that says the same of each frame packs 30 : 1."""
_DENSE_FREE: Final = 1 << 20
_LEAST_VALUE: Final = 6
"""Bytes of JSON for each value; an element has six values in thirty-five bytes at most."""
ENCODINGS: Final = "gzip"
"""What a server is asked for."""


class Most(NamedTuple):
    """What the body of a response may be."""

    length: int
    """In bytes, unpacked."""
    minimum_rate: int
    """Bytes in a second that it must have."""
    frames: int = 0
    """Parts that were asked for."""


def read_body(response: "Response", most: Most) -> bytes:
    """Read a response to its end.

    Raises
    ------
    LimitError
        If it is longer than what was asked for can be.
    SourceError
        If it is packed otherwise than asked for, cut, or comes drop by drop.
    """
    if response._content_consumed:  # noqa: SLF001 (by somebody else; nothing is left)
        return bytes(response.content)
    body = bytearray()
    for block in _unpacked(response, most):
        body += block
        if len(body) > most.length:
            raise LimitError(
                f"Expected {most.length} bytes at most, the server sent more"
            )
    return bytes(body)


def read_beginning(response: "Response", most: Most) -> bytes:
    """Read the first bytes of a response, and leave the rest."""
    body = bytearray()
    for block in _unpacked(response, most):
        body += block
        if len(body) >= most.length:
            break
    return bytes(body[: most.length])


def check_json(body: bytes) -> None:
    """Refuse JSON that becomes many times as many values as metadata of its length.

    Raises
    ------
    LimitError
        If it does: millions of empty objects, for one.
    """
    if len(body) > _DENSE_FREE:
        values = sum(map(body.count, (b"{", b"[", b",")))
        if values * _LEAST_VALUE > len(body):
            raise LimitError(f"The metadata hold {values} values in {len(body)} bytes")


def _unpacked(response: "Response", most: Most) -> Iterator[bytes]:
    packing = _packing(response.headers)
    blocks = _blocks(response, most)
    return blocks if packing == "identity" else _unpack(blocks)


def _packing(headers: Mapping[str, str]) -> str:
    packing = headers.get("Content-Encoding", "").strip().lower() or "identity"
    if packing not in {"identity", "gzip", "x-gzip"}:
        raise SourceError("The server packs in a way that it was not asked for")
    return packing


def _blocks(response: "Response", most: Most) -> Iterator[bytes]:
    """Read the bytes as they come: `requests` would unpack whole blocks at once."""
    rate, received = Rate(most.minimum_rate), 0
    while block := response.raw.read1(_BLOCK, decode_content=False):
        received += len(block)
        rate.check(received)
        yield block


def _unpack(blocks: Iterator[bytes]) -> Iterator[bytes]:
    stream, packed, unpacked = zlib.decompressobj(zlib.MAX_WBITS | 16), 0, 0
    for block in blocks:
        packed, rest = packed + len(block), block
        while rest and not stream.eof:
            try:
                part = stream.decompress(rest, _BLOCK)
            except zlib.error:
                raise SourceError("The response does not unpack") from None
            unpacked += len(part)
            if unpacked > _RATIO_FREE and unpacked > _MAX_RATIO * packed:
                raise LimitError(f"The response unpacks to more than {_MAX_RATIO} : 1")
            yield part
            rest = stream.unconsumed_tail
    if packed and not stream.eof:
        raise SourceError("The response is cut: its gzip stream has no end")
