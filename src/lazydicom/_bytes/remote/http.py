"""Ranges over HTTP, through the sessions of fsspec's and gcsfs' filesystems, each checked.

What a caller gave for one server is not told to another one that redirects lead to: aiohttp
takes `Authorization` away there, but keeps all other headers, a token by a name of its own
among them, and puts its session's credentials back.
"""

import errno
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from lazydicom._bytes.location import ANY, Version, chain
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.remote.response import (
    NO_RANGES,
    TransientError,
    UnknownSizeError,
    UnreachableError,
    check_response,
    collect,
    is_strong,
)
from lazydicom._bytes.source import Buffer, ByteRange
from lazydicom.errors import SourceError

if TYPE_CHECKING:
    from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
    from yarl import URL

_ONE_BYTE: Final = ByteRange(1, 1)
"""Not the first one: some servers respond to that with all of a small file."""
_NOBODY_THERE: Final = {
    errno.ECONNREFUSED,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.EADDRNOTAVAIL,
}


async def fetch_http(
    filesystem: Any,  # noqa: ANN401 (fsspec has no types)
    path: str,
    span: ByteRange,
    known: Version | None,
    buffer: Buffer,
    *,
    stall_s: float,
    minimum_rate: int,
) -> Version:
    """Fetch one range with one request; see `check_response` for the errors."""
    session = await filesystem.set_session()
    options = {**filesystem.kwargs}
    own_headers = options.pop("headers", None) or {}
    url = filesystem.encode_url(path)
    ask = partial(get, session, url, stall_s=stall_s)
    headers = _headers(own_headers, span, known)
    try:
        async with ask({**options, "headers": headers}) as response:
            version = await read_response(
                response, span, known, buffer, minimum_rate=minimum_rate
            )
            came_whole = known is None and response.status == 200
            sure = response.headers.get("accept-ranges", "").lower() == "bytes"
    except UnknownSizeError:
        size = await _size_by_head(session, url, {**options, "headers": own_headers})
        known = Version(size, ANY)
        async with ask({**options, "headers": headers}) as response:
            tag = await read_response(
                response, span, known, buffer, minimum_rate=minimum_rate
            )
        return Version(size, tag.tag)
    if came_whole and not sure and version.size > 1:
        headers = _headers(own_headers, _ONE_BYTE, version)
        async with ask({**options, "headers": headers}) as response:
            if response.status == 200:
                raise SourceError(NO_RANGES)
    return version


async def fetch_gcs(
    filesystem: Any,  # noqa: ANN401 (gcsfs has no types)
    path: str,
    span: ByteRange,
    known: Version | None,
    buffer: Buffer,
    *,
    stall_s: float,
    minimum_rate: int,
) -> Version:
    """Fetch one range of Google Cloud Storage; the generation of an object is its version.

    The request of gcsfs itself waits for the whole body, and asks again by itself.
    """
    request = {"Range": f"bytes={span.offset}-{span.stop - 1}"}
    await filesystem._set_session()  # noqa: SLF001 (what its own request is made of)
    options = {
        "headers": filesystem._get_headers(request),  # noqa: SLF001
        "params": filesystem._get_params({}),  # noqa: SLF001
    }
    url = filesystem.url(path)
    async with get(filesystem.session, url, options, stall_s=stall_s) as response:
        return await read_response(
            response, span, known, buffer, minimum_rate=minimum_rate
        )


async def _size_by_head(
    session: Any,  # noqa: ANN401 (of aiohttp)
    url: Any,  # noqa: ANN401
    options: Mapping[str, Any],
) -> int:
    """Ask for the length of an object, where no range tells."""
    headers = {**options["headers"], "Accept-Encoding": "identity"}
    settings = {**options, "headers": headers, "allow_redirects": True}
    async with session.head(url, **settings) as response:
        length = response.headers.get("content-length", "")
        if response.status != 200 or not length.isdigit():
            raise SourceError("The server does not tell how long the object is")
        return int(length)


async def read_response(
    response: Any,  # noqa: ANN401 (of aiohttp)
    span: ByteRange,
    known: Version | None,
    buffer: Buffer,
    *,
    minimum_rate: int,
) -> Version:
    """Check a response, then read its body as it comes."""
    version = check_response(response.status, response.headers, span, known)
    length = min(span.length, version.size - span.offset)
    chunks = response.content.iter_any()
    await collect(chunks, buffer(length), minimum_rate=minimum_rate)
    return version


@asynccontextmanager
async def get(
    session: Any,  # noqa: ANN401 (of aiohttp)
    url: Any,  # noqa: ANN401
    options: Mapping[str, Any],
    *,
    stall_s: float,
) -> AsyncIterator[Any]:
    """Send a request; what the network does is a transient fault.

    Silence counts, not the time that a body takes which goes on.
    """
    import aiohttp

    quiet = aiohttp.ClientTimeout(total=None, sock_connect=stall_s, sock_read=stall_s)
    try:
        async with session.get(url, **{"timeout": quiet, **options}) as response:
            yield response
    except (aiohttp.InvalidURL, aiohttp.TooManyRedirects) as error:
        raise SourceError(f"Could not read: {type(error).__name__}") from None
    except TimeoutError:
        raise TransientError(f"No byte came for {stall_s:.0f} s") from None
    except SourceError:
        raise
    except aiohttp.ClientConnectorError as error:
        raise unreachable(error.os_error) from None
    except (aiohttp.ClientError, OSError) as error:
        raise TransientError(f"Connection lost: {type(error).__name__}") from None


_REQUEST: Final = frozenset(
    ("accept", "accept-encoding", "host", "if-match", "range", "user-agent")
)
"""Headers that any server may see."""


def unreachable(error: OSError) -> TransientError:
    """Return why there was no connection; the texts of systems hold no secret."""
    from socket import gaierror  # deferred: 3 ms, for files far away

    if isinstance(error, gaierror):
        return UnreachableError("Nobody knows the name of the server (DNS)")
    if error.errno in _NOBODY_THERE:
        return UnreachableError(f"No connection: {os.strerror(error.errno)}")
    return TransientError(f"Connection lost: {type(error).__name__}")


def _headers(
    given: dict[str, str], span: ByteRange, known: Version | None
) -> dict[str, str]:
    headers = {
        **given,
        "Range": f"bytes={span.offset}-{span.stop - 1}",
        "Accept-Encoding": "identity",
    }
    if known is not None and is_strong(known.tag):
        headers["If-Match"] = known.tag
    return headers


@dataclass(frozen=True, slots=True)
class SameOrigin:
    """A middleware of aiohttp; fsspec tells filesystems apart by its `repr`."""

    origin: str

    async def __call__(
        self, request: "ClientRequest", handler: "ClientHandlerType"
    ) -> "ClientResponse":
        """Send a request; to another server nothing of the caller but the address."""
        from yarl import URL

        if _place(request.url) != _place(URL(self.origin)):
            for name in set(request.headers):
                if name.lower() not in _REQUEST:
                    del request.headers[name]
        return await handler(request)


def keep_to_origin(url: str, storage_options: Mapping[str, Any]) -> dict[str, Any]:
    """Add the middleware to the options of HTTP, also where that ends a chain.

    >>> list(keep_to_origin("simplecache::https://host/a.dcm", {})["https"])
    ['middlewares']
    """
    last = chain(url)[-1]
    protocol = last.partition("://")[0]
    options = dict(storage_options)
    if protocol.lower() not in {"http", "https"}:
        return options
    if last == url:
        return _guarded(options, last)
    return options | {protocol: _guarded(options.get(protocol) or {}, last)}


def _guarded(options: Mapping[str, Any], url: str) -> dict[str, Any]:
    """Let it see requests last, after a middleware that adds credentials."""
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    of_session = (options.get("client_kwargs") or {}).get("middlewares", ())
    middlewares = options.get("middlewares", of_session)
    return {**options, "middlewares": (*middlewares, SameOrigin(origin))}


def _place(url: "URL") -> tuple[str, str | None, int | None]:
    return url.scheme, url.host, url.port
