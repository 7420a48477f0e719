"""An HTTP server on loopback that counts, waits, and misbehaves when it is told to.

>>> with RangeServer({"a.dcm": bytes(1000)}) as server:
...     server.url("a.dcm").startswith("http://127.0.0.1:")
True

Clients of S3, Google and Azure read from it, too: to get an object is a GET with a Range
there, and no signature is checked.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import socket
import struct
import threading
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import unquote

import s3_descriptions

if TYPE_CHECKING:
    from collections.abc import Callable

TRANSIENT = ("503", "429", "reset", "cut", "stall", "silence", "short")
"""What may go well when it is asked again."""
PERMANENT = (
    "no-range",
    "wrong-range",
    "other-range",
    "long",
    "login",
    "401",
    "404",
    "multipart",
    "gzip",
    "other-etag",
    "no-etag",
)


_STORES = re.compile(r"/download/storage/v1/b|/o(?=/)|/account(?=/)")
"""What Google and Azure put around the names of bucket and object."""


class Request(NamedTuple):
    method: str
    path: str
    offset: int
    length: int


class Reply(NamedTuple):
    status: str
    headers: dict[str, str]
    body: bytes


@dataclass
class RangeServer:
    """Serves `files` by range; every request waits `latency_s`."""

    files: dict[str, bytes]
    latency_s: float = 0.0
    fault: Callable[[Request], str | None] = lambda _: None
    """Names the misbehaviour for a request: of `TRANSIENT` or `PERMANENT`."""
    bytes_per_s: float = 0.0
    """How fast a body comes, in steps of a tenth of a second; 0: at once."""
    retry_after: str = "0"
    host: str = "127.0.0.1"
    moved_to: str = ""
    """URL of another server, to which every request is redirected."""
    heads: list[str] = field(default_factory=list)
    """Request lines and headers, as they came."""
    requests: list[Request] = field(default_factory=list)
    bytes_sent: int = 0

    def url(self, name: str) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/{name}"

    def s3_options(self) -> dict[str, Any]:
        s3_descriptions.share()
        return {
            "key": "AKIACANARY",
            "secret": "canary-secret",
            "endpoint_url": f"http://127.0.0.1:{self.port}",
            "client_kwargs": {"region_name": "us-east-1"},
        }

    def gcs_options(self) -> dict[str, Any]:
        endpoint = f"http://127.0.0.1:{self.port}"
        return {"endpoint_url": endpoint, "token": "anon", "project": "test"}

    def azure_options(self) -> dict[str, Any]:
        key = "Y2FuYXJ5LXNlY3JldA=="
        account = f"DefaultEndpointsProtocol=http;AccountName=account;AccountKey={key}"
        endpoint = f"BlobEndpoint=http://127.0.0.1:{self.port}/account"
        return {"connection_string": f"{account};{endpoint};"}

    def open_by(self, protocol: str, name: str) -> tuple[str, dict[str, Any]]:
        """Give URL and options of a file in the bucket, or of the same over HTTP."""
        options = {
            "http": dict,
            "s3": self.s3_options,
            "gs": self.gcs_options,
            "abfs": self.azure_options,
        }[protocol]()
        http = protocol == "http"
        return self.url(name) if http else f"{protocol}://bucket/{name}", options

    def forget(self) -> None:
        self.heads.clear()
        self.requests.clear()
        self.bytes_sent = 0

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._stalled: list[asyncio.Future[None]] = []
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        starting = asyncio.run_coroutine_threadsafe(self._start(), self._loop)
        self.port = starting.result(timeout=10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    async def _start(self) -> int:
        self._connections: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._accept, self.host, 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _stop(self) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while request := await self._read_request(reader):
                await asyncio.sleep(self.latency_s)
                self.requests.append(request)
                if not await self._answer(request, writer):
                    break
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        """Send the reply, or what the fault makes of it; False ends the connection."""
        fault = self.fault(request)
        if fault == "reset":
            _reset(writer)
            return False
        if fault == "silence":
            await asyncio.sleep(60)
        reply = self._reply(request)
        if fault in BENT:
            reply = BENT[fault](reply, self.files.get(request.path, b""), request)
        if fault == "429":
            reply = _with(reply, Retry_After=self.retry_after)
        headers = {"Content-Length": str(len(reply.body)), **reply.headers}
        lines = [f"HTTP/1.1 {reply.status}", *(f"{k}: {v}" for k, v in headers.items())]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        if request.method == "HEAD":
            return True
        body = reply.body
        if fault in {"cut", "stall"}:
            body = body[: len(body) // 2]
        step = int(self.bytes_per_s / 10) or len(body) + 1
        for at in range(0, len(body), step):
            self.bytes_sent += len(body[at : at + step])
            writer.write(body[at : at + step])
            await writer.drain()
            await asyncio.sleep(0.1 if self.bytes_per_s else 0)
        if fault == "stall":
            await asyncio.sleep(60)
        return fault != "cut"

    async def _read_request(self, reader: asyncio.StreamReader) -> Request | None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        except asyncio.IncompleteReadError:
            return None
        self.heads.append(head)
        method, path, _ = head.split(" ", 2)
        asked = re.search(
            r"\r\n(?:x-ms-)?range: bytes=(\d+)-(\d+)", head, re.IGNORECASE
        )
        offset, last = (int(asked[1]), int(asked[2])) if asked else (0, -2)
        path = _STORES.sub("", path.partition("?")[0]).lstrip("/")
        return Request(method, path, offset, last + 1 - offset)

    def _reply(self, request: Request) -> Reply:
        if self.moved_to:
            place = {"Location": f"{self.moved_to}{request.path}"}
            return Reply("307 Temporary Redirect", place, b"")
        data = self.files.get(request.path, self.files.get(unquote(request.path)))
        if data is None:
            return Reply("404 Not Found", {}, b"no such file")
        headers = {"ETag": _etag(data)}
        if request.length < 0:
            return Reply("200 OK", headers, data)
        if request.offset >= len(data):
            unsatisfied = {"Content-Range": f"bytes */{len(data)}"}
            return Reply("416 Range Not Satisfiable", unsatisfied, b"")
        body = data[request.offset : request.offset + request.length]
        last = request.offset + len(body) - 1
        headers["Content-Range"] = f"bytes {request.offset}-{last}/{len(data)}"
        return Reply("206 Partial Content", headers, body)


@lru_cache
def _etag(data: bytes) -> str:
    return f'"{hashlib.sha256(data).hexdigest()[:16]}"'


def _with(reply: Reply, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return reply._replace(headers={**reply.headers, **named})


def _without(reply: Reply, name: str) -> dict[str, str]:
    return {key: value for key, value in reply.headers.items() if key != name}


def _shifted(reply: Reply, data: bytes, request: Request) -> Reply:
    first = request.offset + 2
    last = first + len(reply.body) - 1
    return _with(reply, Content_Range=f"bytes {first}-{last}/{len(data)}")


def _with_range(
    change: Callable[[str], str],
) -> Callable[[Reply, bytes, Request], Reply]:
    """Write Content-Range in another way."""

    def bend(reply: Reply, _data: bytes, _request: Request) -> Reply:
        if "Content-Range" not in reply.headers:
            return reply
        return _with(reply, Content_Range=change(reply.headers["Content-Range"]))

    return bend


BENT: dict[str, Callable[[Reply, bytes, Request], Reply]] = {
    "upper-range": _with_range(lambda text: text.replace("bytes", "BYTES")),
    "spaced-range": _with_range(lambda text: text.replace("-", " - ")),
    "equal-range": _with_range(lambda text: text.replace("bytes ", "bytes=")),
    "star-range": _with_range(lambda text: f"{text.partition('/')[0]}/*"),
    "no-range": lambda r, d, _: Reply("200 OK", _without(r, "Content-Range"), d),
    "wrong-range": _shifted,
    "other-range": lambda r, d, q: _shifted(
        r._replace(body=d[q.offset + 2 :][: len(r.body)]), d, q
    ),
    "short": lambda r, _d, _q: r._replace(body=r.body[: len(r.body) // 2]),
    "long": lambda r, _d, _q: r._replace(body=r.body + b"more"),
    "login": lambda _r, _d, _q: Reply(
        "200 OK", {"Content-Type": "text/html"}, b"<html>please log in</html>"
    ),
    "401": lambda _r, _d, _q: Reply("401 Unauthorized", {}, b""),
    "404": lambda _r, _d, _q: Reply("404 Not Found", {}, b""),
    "503": lambda _r, _d, _q: Reply("503 Service Unavailable", {}, b"busy"),
    "429": lambda _r, _d, _q: Reply("429 Too Many Requests", {}, b""),
    "multipart": lambda r, _d, _q: Reply(
        r.status, {"Content-Type": "multipart/byteranges; boundary=x"}, b"--x" + r.body
    ),
    "gzip": lambda r, _d, _q: _with(r, Content_Encoding="gzip"),
    "other-etag": lambda r, _d, _q: _with(r, ETag='"another"'),
    "no-etag": lambda r, _d, _q: r._replace(headers=_without(r, "ETag")),
    "wrong-bytes": lambda r, _d, _q: r._replace(body=bytes(len(r.body))),
}


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST, as a machine that went away does."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
