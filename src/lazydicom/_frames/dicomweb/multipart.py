"""Multipart responses of DICOMweb, taken apart and checked (RFC 2387, PS3.18 section 8.6.1).

A server may leave out the length of the whole, so that only the closing boundary tells that
nothing is missing; and it may write the transfer syntax inside the quotes of the type.
"""

import re
from typing import Final

from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._decode.frame import media_types
from lazydicom._header.transfer_syntax import EXPLICIT_LITTLE
from lazydicom.errors import SourceError

_BOUNDARY: Final = re.compile(r'boundary=(?:"([^"]+)"|([^";\s]+))', re.IGNORECASE)
_SYNTAX: Final = re.compile(r'transfer-syntax="?([0-9.]+)', re.IGNORECASE)
_TYPE: Final = re.compile(r'type="?([a-z0-9/.+-]+)', re.IGNORECASE)
_DEFAULTS: Final = {
    "application/octet-stream": EXPLICIT_LITTLE,
    **media_types(),
}
"""What a media type means that names no transfer syntax (PS3.18 table 8.7.3-5)."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One part: a frame."""

    data: memoryview
    transfer_syntax: str
    """UID of how it is encoded."""
    location: str
    """Where the server says it is, empty where it does not."""


def parse_multipart(content_type: str, body: bytes, *, frames: int) -> list[Part]:
    r"""Take a response apart.

    >>> body = b"--x\r\nContent-Type: image/jls\r\n\r\nframe\r\n--x--\r\n"
    >>> kind = 'multipart/related; type="image/jls"; boundary=x'
    >>> [part] = parse_multipart(kind, body, frames=1)
    >>> bytes(part.data), part.transfer_syntax
    (b'frame', '1.2.840.10008.1.2.4.80')

    Raises
    ------
    SourceError
        If it is something else, or cut.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind in _DEFAULTS:  # one frame, and nothing around it
        return [Part(memoryview(body), _syntax_of(content_type), "")]
    boundary = _BOUNDARY.search(content_type)
    if kind != "multipart/related" or boundary is None:
        message = (
            f"Expected multipart/related with a boundary, found {kind or 'nothing'}"
        )
        raise SourceError(message)
    marker = b"\r\n--" + (boundary[1] or boundary[2]).encode()
    parts = body.count(marker) - (not body.startswith(marker[2:]))
    if parts > frames:
        raise SourceError(f"Expected {frames} frames, the server sent {parts}")
    pieces = (b"\r\n" + body).split(marker)
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise SourceError("The response is cut: its closing boundary is missing")
    return [_part(memoryview(piece), content_type) for piece in pieces[1:-1]]


def _part(piece: memoryview, content_type: str) -> Part:
    head, blank_line, _ = bytes(piece[:4096]).partition(b"\r\n\r\n")
    if not blank_line:
        raise SourceError("A part of the response has no end of its header")
    lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    data = piece[len(head) + 4 :]
    length = headers.get("content-length", str(len(data)))
    if length != str(len(data)):
        raise SourceError(f"Expected a part of {length} bytes, found {len(data)}")
    own = headers.get("content-type") or _type_of_parts(content_type)
    return Part(data, _syntax_of(own), headers.get("content-location", ""))


def _type_of_parts(content_type: str) -> str:
    """Return the type of parts that say none, as the whole response says it."""
    kind = _TYPE.search(content_type)
    syntax = _SYNTAX.search(content_type)
    name = kind[1] if kind else "application/octet-stream"
    return f"{name}; transfer-syntax={syntax[1]}" if syntax else name


def _syntax_of(content_type: str) -> str:
    """Return the UID of a transfer syntax, empty where a type does not tell."""
    syntax = _SYNTAX.search(content_type)
    kind = content_type.partition(";")[0].strip().lower()
    return syntax[1] if syntax else _DEFAULTS.get(kind, "")
