"""Ranges over HTTP, through the session of fsspec's filesystem, each response checked."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from lazydicom._bytes.ranges import ByteRange
from lazydicom._bytes.remote.response import (
    TransientError,
    check_response,
    collect,
    is_strong,
)
from lazydicom._bytes.source import Buffer
from lazydicom._bytes.version import Version
from lazydicom.errors import SourceError


async def fetch_http(
    filesystem: Any,  # noqa: ANN401 (fsspec has no types)
    path: str,
    span: ByteRange,
    known: Version | None,
    buffer: Buffer,
    *,
    stall_s: float,
) -> Version:
    """Fetch one range with one request; see `check_response` for the errors."""
    session = await filesystem.set_session()
    options = {**filesystem.kwargs}
    options["headers"] = _headers(options.get("headers") or {}, span, known)
    url = filesystem.encode_url(path)
    async with get(session, url, options, stall_s=stall_s) as response:
        return await read_response(response, span, known, buffer)


async def read_response(
    response: Any,  # noqa: ANN401 (of aiohttp)
    span: ByteRange,
    known: Version | None,
    buffer: Buffer,
) -> Version:
    """Check a response, then read its body as it comes."""
    version = check_response(response.status, response.headers, span, known)
    length = min(span.length, version.size - span.offset)
    await collect(response.content.iter_any(), buffer(length))
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
    except (aiohttp.ClientError, OSError) as error:
        raise TransientError(f"Connection lost: {type(error).__name__}") from None


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
