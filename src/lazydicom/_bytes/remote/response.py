"""Is a response the range that was asked for, and if not, is it asked for again (RFC 9110, 14).

Clients of HTTP and of object stores hand out bytes whatever the server sent: the whole
file, half of the range, another range, a login page. Here every response is compared with
the request before one byte of it is used. What may come another time is asked for again: the
clients' own retries are switched off. A fault that stays ends in an error within ten seconds; a
transfer that is slow but goes on is left alone.
"""

import errno
import random
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final, TypeGuard, TypeVar

from lazydicom._bytes.location import Version, is_same
from lazydicom._bytes.rate import Rate
from lazydicom._bytes.source import ByteRange
from lazydicom.errors import SourceChangedError, SourceError, source_error

_CONTENT_RANGE: Final = re.compile(
    r"bytes[ =]\s*(\d+)\s*-\s*(\d+)\s*/\s*(\d+|\*)", re.IGNORECASE
)
_PACKINGS: Final = frozenset(("gzip", "deflate", "br", "zstd", "compress"))
_TRY_AGAIN: Final = frozenset((408, 425, 429, 500, 502, 503, 504))
_BUSY: Final = frozenset((429, 503))
_VERSION_HEADERS: Final = ("x-goog-generation", "etag", "last-modified")
_REFUSED: Final = {
    401: "The server asks for credentials (status 401)",
    403: "The server refuses access (status 403)",
    404: "There is no such object (status 404)",
    410: "The object is gone (status 410)",
    416: "The object is shorter than the range asked for (status 416)",
}
_NUMBERS: Final = {
    401: errno.EACCES,
    403: errno.EACCES,
    404: errno.ENOENT,
    410: errno.ENOENT,
}
_GONE: Final = frozenset((404, 410, 412, 416))
"""Responses that mean, for an object once opened, that it is not the same any more."""


NO_RANGES: Final = (
    "The server ignores Range: it responds with the whole file; "
    "put simplecache:: in front of the URL to copy the file first"
)
T = TypeVar("T")
TRIES: Final = 6
"""Faults in one of ten requests lose one read in a million."""
LIMIT_S: Final = 9.0
"""Time that failed tries and the waits between them may take."""
_FIRST_STALL_S: Final = 1.5
_STALL_GROWTH: Final = 1.25
"""Silence leaves time for four tries: with three, one read in 40,000 was lost where every
35th request falls silent."""
_FIRST_WAIT_S: Final = 0.1
_UNREACHABLE_S: Final = 0.6
"""A server that is being restarted is waited for so long; a typo in its name, too."""


class UnknownSizeError(SourceError):
    """The range is right, but nothing tells how long the object is."""


class TransientError(SourceError):
    """The bytes may come when they are asked for again."""

    wait_s: float = 0.0
    """How long the server asks to wait."""


class BusyError(TransientError):
    """The server says that it is asked too much."""


class UnreachableError(TransientError):
    """There is no server at this address, or nobody knows the address."""


def check_response(
    status: int, headers: Mapping[str, str], span: ByteRange, known: Version | None
) -> Version:
    """Compare a response with the request, before its body is read.

    Parameters
    ----------
    status : int
        Status of the response.
    headers : mapping
        Its headers, by name in lower case.
    span : ByteRange
        What was asked for. Without `known` the object may be shorter.
    known : Version, optional
        The object as it was when it was opened.

    Raises
    ------
    SourceChangedError
        If the object is not the one that was opened.
    SourceError
        If the response is not the range that was asked for.
    TransientError
        If it may be, next time.
    """
    if status == 200 and _is_whole(headers, span):
        size = int(headers["content-length"])
        first, last = 0, size - 1
    elif status != 206:
        raise _status_error(status, headers, known)
    else:
        first, last, size_text = _content_range(headers)
        size = _size_of(size_text, last, span, known)
    version = Version(size, _tag(headers))
    if known is not None and not is_same(known, version):
        raise SourceChangedError("The object changed since it was opened")
    wanted = ByteRange(span.offset, min(span.length, size - span.offset))
    got = ByteRange(first, last + 1 - first)
    _check_range(got, wanted)
    _check_body_headers(headers, wanted.length)
    return version


def is_strong(tag: int | str) -> TypeGuard[str]:
    """Return whether a tag may stand in If-Match: an entity tag that is not weak.

    >>> is_strong('"5e0"'), is_strong('W/"5e0"'), is_strong("Sat, 21 Nov 2026")
    (True, False, False)
    """
    return isinstance(tag, str) and tag.startswith('"')


async def collect(
    chunks: AsyncIterator[bytes], out: memoryview, *, minimum_rate: int
) -> None:
    """Fill `out` with a body, which must be exactly as long.

    Raises
    ------
    SourceError
        If the body is longer, or comes drop by drop.
    TransientError
        If it is shorter.
    """
    filled, rate = 0, Rate(minimum_rate)
    async for chunk in chunks:
        if filled + len(chunk) > len(out):
            raise SourceError(f"Expected {len(out)} bytes, got more")
        out[filled : filled + len(chunk)] = chunk
        filled += len(chunk)
        rate.check(filled)
    if filled < len(out):
        raise TransientError(f"Expected {len(out)} bytes, got {filled}")


def _status_error(
    status: int, headers: Mapping[str, str], known: Version | None
) -> SourceError:
    if status in _TRY_AGAIN:
        kind = BusyError if status in _BUSY else TransientError
        error = kind(f"The server is not able to respond (status {status})")
        error.wait_s = _retry_after(headers)
        return error
    if known is not None and status in _GONE:
        reason = _REFUSED.get(status, f"status {status}")
        return SourceChangedError(f"The object changed since it was opened: {reason}")
    if status in _REFUSED:
        return source_error(_REFUSED[status], number=_NUMBERS.get(status))
    if "html" in headers.get("content-type", ""):
        message = f"Expected bytes, got a web page (status {status}): a login?"
        return SourceError(message)
    if status == 200:
        return SourceError(NO_RANGES)
    return SourceError(f"Unexpected status {status}")


def _is_whole(headers: Mapping[str, str], span: ByteRange) -> bool:
    """Return whether all there is was asked for; servers may then leave Range aside."""
    length = headers.get("content-length", "")
    web_page = "html" in headers.get("content-type", "")
    if span.offset != 0 or web_page or not length.isdigit():
        return False
    return 0 < int(length) <= span.length


def _size_of(size_text: str, last: int, span: ByteRange, known: Version | None) -> int:
    """Return how long an object is; a star says that the server does not tell."""
    if size_text != "*":
        return int(size_text)
    if known is not None:
        return known.size
    if last + 1 < span.stop:  # it ends before what was asked for
        return last + 1
    raise UnknownSizeError("The server does not tell how long the object is")


def _content_range(headers: Mapping[str, str]) -> tuple[int, int, str]:
    text = headers.get("content-range", "")
    match = _CONTENT_RANGE.fullmatch(text.strip())
    if match is None:
        found = "another one" if text else "none"
        raise SourceError(f"Expected a Content-Range of bytes, got {found}")
    return int(match[1]), int(match[2]), match[3]


def _check_range(got: ByteRange, wanted: ByteRange) -> None:
    if got == wanted:
        return
    message = f"Expected bytes {wanted.offset} to {wanted.stop}, "
    message += f"got {got.offset} to {got.stop}"
    short = got.offset == wanted.offset and got.stop < wanted.stop
    raise (TransientError if short else SourceError)(message)


def _check_body_headers(headers: Mapping[str, str], length: int) -> None:
    encoding = headers.get("content-encoding", "identity")
    if encoding not in {"identity", "", "aws-chunked"}:
        known = encoding if encoding in _PACKINGS else "another"
        raise SourceError(f"Expected plain bytes, got Content-Encoding {known}")
    declared = headers.get("content-length", "")
    if declared.isdigit() and int(declared) != length:
        error = TransientError if int(declared) < length else SourceError
        raise error(f"Expected {length} bytes, the server announces {declared}")


def _tag(headers: Mapping[str, str]) -> str:
    tags = (headers.get(name) for name in _VERSION_HEADERS)
    return next((tag for tag in tags if tag), "")


def _retry_after(headers: Mapping[str, str]) -> float:
    """Read Retry-After in seconds; a date is as good as no wish."""
    text = headers.get("retry-after", "")
    return float(text) if text.isdigit() else 0.0


async def ask_again(attempt: Callable[[float], Awaitable[T]]) -> T:
    """Await `attempt(stall_s)` until it succeeds or time is up.

    Parameters
    ----------
    attempt : callable
        Gets the seconds after which silence counts as a stall: later tries wait longer.

    Raises
    ------
    SourceError
        The last fault, when there were too many.
    """
    spent = 0.0
    for number in range(TRIES):
        stall_s = min(_FIRST_STALL_S * _STALL_GROWTH**number, LIMIT_S - spent)
        begin = time.monotonic()
        try:
            return await attempt(stall_s)
        except TransientError as error:
            message, wish_s = error.message, error.wait_s
            hopeless = isinstance(error, UnreachableError) and spent > _UNREACHABLE_S
        wait_s = max(_FIRST_WAIT_S * 2**number * random.uniform(0.5, 1.5), wish_s)  # noqa: S311
        spent += min(time.monotonic() - begin, stall_s) + wait_s
        if spent + _FIRST_STALL_S / 2 > LIMIT_S or number + 1 == TRIES or hopeless:
            break
        import asyncio  # deferred: 20 ms

        await asyncio.sleep(wait_s)
    raise SourceError(f"{message}; gave up after {number + 1} tries")
