"""A DICOMweb server on loopback that answers whatever a test wants it to.

>>> with WadoServer() as server:
...     server.url.startswith("dicomweb+http://127.0.0.1:")
True
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PIXELS = np.arange(4 * 6 * 5, dtype=np.uint8).reshape(4, 5, 6)
NATIVE = "Content-Type: application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"
RELATED = 'multipart/related; type="application/octet-stream"; boundary='


class Answer(NamedTuple):
    body: bytes
    content_type: str = f"{RELATED}x"
    status: int = 200
    location: str = ""
    has_length: bool = True
    """Else the end of the connection ends the answer, as after a crash."""


def metadata(**changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """Describe `PIXELS`; ``t00280004=("CS", ["RGB"])`` changes an element."""
    elements: dict[str, Any] = {
        "t00080018": ("UI", ["1.9"]),
        "t00280002": ("US", [1]),
        "t00280004": ("CS", ["MONOCHROME2"]),
        "t00280008": ("IS", [4]),
        "t00280010": ("US", [5]),
        "t00280011": ("US", [6]),
        "t00280100": ("US", [8]),
        "t00280101": ("US", [8]),
        "t00280102": ("US", [7]),
        "t00280103": ("US", [0]),
    }
    return {
        tag[1:]: {"vr": vr, "Value": values}
        for tag, (vr, values) in (elements | changes).items()
    }


def multipart(
    parts: Sequence[bytes], *headers: str, boundary: str = "x", preamble: bytes = b""
) -> bytes:
    """Put parts together; `headers` are those of each part, by default `NATIVE`."""
    head = "\r\n".join(headers or (NATIVE,)).encode() + b"\r\n\r\n"
    marker = f"\r\n--{boundary}".encode()
    pieces = (marker + b"\r\n" + head + part for part in parts)
    return preamble + b"".join(pieces) + marker + b"--\r\n"


def frames_of(pixels: np.ndarray[Any, Any], numbers: Sequence[int]) -> list[bytes]:
    return [pixels[number - 1].tobytes() for number in numbers]


@dataclass
class WadoServer:
    """Serves one instance; `frames` gets the numbers that are asked for."""

    metadata: Any = field(default_factory=metadata)
    frames: Callable[[list[int]], Answer] = lambda numbers: Answer(
        multipart(frames_of(PIXELS, numbers))
    )
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Paths and headers of requests."""

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"dicomweb+http://{self.host}/studies/1/series/2/instances/1.9"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    def answer(self, path: str) -> Answer:
        last = path.rpartition("/")[2]
        if last != "metadata":
            return self.frames([int(number) for number in last.split(",")])
        if isinstance(self.metadata, Answer):
            return self.metadata
        given = self.metadata
        body = given if isinstance(given, bytes) else json.dumps([given]).encode()
        return Answer(body, "application/dicom+json")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.asked.append((self.path, dict(self.headers)))
                answer = server.answer(self.path)
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.content_type)
                if answer.has_length:
                    self.send_header("Content-Length", str(len(answer.body)))
                self.close_connection = not answer.has_length
                if answer.location:
                    self.send_header("Location", answer.location)
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler
