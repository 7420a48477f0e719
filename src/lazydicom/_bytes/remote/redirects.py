"""Redirects over HTTP: what a caller gave for one server is not told to another.

aiohttp takes `Authorization` away where a redirect leads elsewhere, but keeps all other
headers, a token by a name of its own among them, and puts its session's credentials back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from lazydicom._bytes.location import chain

if TYPE_CHECKING:
    from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
    from yarl import URL

_REQUEST: Final = frozenset(
    ("accept", "accept-encoding", "host", "if-match", "range", "user-agent")
)
"""Headers that any server may see."""


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
    given = options.get("middlewares", of_session)
    return {**options, "middlewares": (*given, SameOrigin(origin))}


def _place(url: "URL") -> tuple[str, str | None, int | None]:
    return url.scheme, url.host, url.port
