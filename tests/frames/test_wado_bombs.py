"""Bodies of a DICOMweb server that are larger, slower or packed otherwise than asked for."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
import zlib
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest
from traced_memory import traced
from wado_server import NATIVE, PIXELS, frames_of, metadata, multipart

import lazydicom
from lazydicom._bytes import rate
from lazydicom.errors import LazyDicomError, LimitError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

GZIP: Final = {"Content-Encoding": "gzip"}
MANY: Final = 150 << 20
"""Bytes of a body that nobody asked for."""


class Reply:
    """A body in blocks, so that no test holds hundreds of megabytes."""

    def __init__(
        self,
        body: bytes,
        times: int = 1,
        tail: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.body, self.times, self.tail = body, times, tail
        self.headers = headers or {}
        self.wait_s = 0.0


@contextmanager
def serve(of_metadata: Reply, of_frames: Callable[[list[int]], Reply]) -> Iterator[str]:
    """Serve one instance, each connection in a thread."""
    listener = socket.create_server(("127.0.0.1", 0))

    def talk(connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as request:
            while line := request.readline():
                while request.readline().strip():
                    pass
                path = line.split()[1].decode()
                last = path.rpartition("/")[2]
                if last == "metadata":
                    reply, kind = of_metadata, "application/dicom+json"
                else:
                    numbers = [int(number) for number in last.split(",")]
                    reply = of_frames(numbers)
                    kind = (
                        'multipart/related; type="application/octet-stream"; boundary=x'
                    )
                send(connection, reply, kind)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    port = listener.getsockname()[1]
    yield f"dicomweb+http://127.0.0.1:{port}/studies/1/series/2/instances/1.9"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def send(connection: socket.socket, reply: Reply, kind: str) -> None:
    length = len(reply.body) * reply.times + len(reply.tail)
    headers = {"Content-Type": kind, "Content-Length": str(length), **reply.headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    connection.sendall(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode())
    for _ in range(reply.times):
        connection.sendall(reply.body)
        time.sleep(reply.wait_s)
    connection.sendall(reply.tail)


def honest(numbers: list[int]) -> Reply:
    return Reply(multipart(frames_of(PIXELS, numbers)))


META: Final = json.dumps([metadata()]).encode()


def bomb(length: int, begin: bytes = b"") -> Reply:
    """Pack zeros a thousand to one."""
    return Reply(packed_zeros(length, begin), headers=GZIP)


@cache
def packed_zeros(length: int, begin: bytes) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    block = bytes(1 << 20)
    packed = packer.compress(begin)
    packed += b"".join(packer.compress(block) for _ in range(length >> 20))
    return packed + packer.flush()


def drops(body: bytes) -> Reply:
    reply = Reply(body[:1], times=len(body))
    reply.wait_s = 0.05
    return reply


def blanks(length: int) -> Reply:
    return Reply(b" " * (1 << 20), times=length >> 20, tail=META)


BAD_METADATA: Final[dict[str, Callable[[], Reply]]] = {
    "longer than any": lambda: blanks(MANY),
    "packed a thousand to one": lambda: bomb(MANY, META),
    "packed within packed": lambda: Reply(
        gzip.compress(bomb(MANY).body), headers={"Content-Encoding": "gzip, gzip"}
    ),
    "packed as nobody asked": lambda: Reply(META, headers={"Content-Encoding": "br"}),
    "cut inside a packed stream": lambda: Reply(gzip.compress(META)[:-9], headers=GZIP),
    "no packed stream": lambda: Reply(META, headers=GZIP),
    "millions of empty objects": lambda: Reply(
        b"[" + b"{}," * (1 << 22), tail=META[1:]
    ),
    "millions of empty lists": lambda: Reply(b"[" + b"[]," * (1 << 22), tail=META[1:]),
    "millions of small numbers": lambda: Reply(b"[" + b"1," * (1 << 22), tail=META[1:]),
    "nested without end": lambda: Reply(b"[" * (1 << 20)),
    "a number of a million digits": lambda: Reply(b"[" + b"1" * (1 << 20) + b"]"),
    "nothing": lambda: Reply(b""),
}


@pytest.mark.parametrize("kind", BAD_METADATA)
def test_metadata_that_are_a_bomb_are_an_error_of_few_megabytes(kind: str) -> None:
    reply = BAD_METADATA[kind]()
    with serve(reply, honest) as url:

        def act() -> None:
            with pytest.raises((SourceError, LimitError), match=r"instances/1\.9"):
                lazydicom.open_image(url)

        assert traced(act)[1] < 256 << 20


BAD_FRAMES: Final[dict[str, Callable[[], Reply]]] = {
    "longer than any": lambda: Reply(bytes(1 << 20), times=MANY >> 20),
    "packed a thousand to one": lambda: bomb(MANY),
    "a part a thousand to one": lambda: bomb(MANY, b"\r\n--x\r\n" + NATIVE.encode()),
    "thousands of empty parts": lambda: Reply(b"\r\n--x" * 10_000, tail=b"--"),
    "two parts for one": lambda: Reply(multipart(frames_of(PIXELS, [1, 1]))),
    "packed as nobody asked": lambda: Reply(b"", headers={"Content-Encoding": "zstd"}),
    "a length that does not come": lambda: Reply(
        b"", headers={"Content-Length": "9" * 30}
    ),
    "a length below zero": lambda: Reply(b"x" * 50, headers={"Content-Length": "-5"}),
}


@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize("kind", BAD_FRAMES)
@pytest.mark.parametrize("when", ["opening", "later"])
def test_frames_that_are_a_bomb_are_an_error_of_few_megabytes(
    kind: str, when: str
) -> None:
    asked: list[int] = []
    bad = BAD_FRAMES[kind]()

    def frames(numbers: list[int]) -> Reply:
        asked.append(len(numbers))
        return honest(numbers) if when == "later" and len(asked) == 1 else bad

    with serve(Reply(META), frames) as url:

        def act() -> None:
            options = {"timeout": 0.1}
            with pytest.raises(LazyDicomError, match=r"instances/1\.9"):
                np.asarray(lazydicom.open_image(url, options))

        assert traced(act)[1] < 64 << 20


def test_an_honest_server_may_pack() -> None:
    def frames(numbers: list[int]) -> Reply:
        return Reply(gzip.compress(honest(numbers).body), headers=GZIP)

    with serve(Reply(gzip.compress(META), headers=GZIP), frames) as url:
        assert np.array_equal(lazydicom.open_image(url), PIXELS)


@pytest.mark.parametrize("where", ["metadata", "frames"])
def test_a_body_that_comes_drop_by_drop_ends_behind_a_web_service_too(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate, "_FREE_S", 0.2)
    slow = drops(META) if where == "metadata" else Reply(META)
    frames = honest if where == "metadata" else lambda _: drops(bytes(400))
    with serve(slow, frames) as url, pytest.raises(SourceError, match="minimum_rate"):
        lazydicom.open_image(url, minimum_rate=1000)


def test_a_claim_of_the_metadata_is_refused_before_a_frame_is_asked_for() -> None:
    claim = json.dumps([metadata(t00280010=("US", [65535]), t00280011=("US", [65535]))])
    asked: list[int] = []

    def frames(numbers: list[int]) -> Reply:
        asked.extend(numbers)
        return honest(numbers)

    with serve(Reply(claim.encode()), frames) as url:
        with pytest.raises(LimitError, match=r"max_frame_bytes.*instances/1\.9"):
            lazydicom.open_image(url)

        assert not asked
