"""Servers that say it in another way, that give no ranges, or that are not there."""

from __future__ import annotations

import functools
import gc
import http.server
import socket
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from aiohttp.connector import Connection
from dicom_files import make_native
from range_server import RangeServer

import lazydicom
from lazydicom._bytes import rate
from lazydicom.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PIXELS = np.arange(40 * 64 * 64, dtype=np.uint16).reshape(40, 64, 64)
FILE = make_native(PIXELS)
SMALL = make_native(PIXELS[:1])
PLACES = ("a.dcm", "bucket/a.dcm", "container/a.dcm")


@pytest.mark.parametrize("file", [FILE, SMALL], ids=["large", "small"])
@pytest.mark.parametrize("way", ["upper", "spaced", "equal", "star"])
@pytest.mark.parametrize("protocol", ["http", "s3"])
def test_a_range_is_known_however_it_is_written(
    file: bytes, way: str, protocol: str
) -> None:
    with RangeServer(dict.fromkeys(PLACES, file)) as server:
        if protocol == "s3" and way == "star" and file is FILE:
            return  # S3 always tells
        url, options = server.open_by(protocol, "a.dcm")
        server.fault = lambda _: f"{way}-range"
        array = lazydicom.open_image(url, options)

        assert np.array_equal(array, PIXELS[: len(array)])
        assert len(array) == (40 if file is FILE else 1)


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[str]:
    """Serve a folder as `python -m http.server` does: without ranges."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    handler = functools.partial(Quiet, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("frames", [1, 7, 8, 40])
def test_a_server_without_ranges_is_told_when_opening_whatever_the_size(
    plain: str, tmp_path: Path, frames: int
) -> None:
    (tmp_path / "a.dcm").write_bytes(make_native(PIXELS[:frames]))

    with pytest.raises(SourceError, match=r"ignores Range.*simplecache::"):
        lazydicom.open_image(f"{plain}/a.dcm")
    array = lazydicom.open_image(f"simplecache::{plain}/a.dcm")
    assert np.array_equal(array, PIXELS[:frames])


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_an_address_of_ipv6_opens() -> None:
    try:
        with RangeServer({"a.dcm": FILE}, host="::1") as server:
            array = lazydicom.open_image(server.url("a.dcm"))
            series = lazydicom.open_series([server.url("a.dcm")])

            assert np.array_equal(array[7], PIXELS[7])
            assert np.array_equal(np.squeeze(series)[3], PIXELS[3])
    except OSError as error:
        if "address" not in str(error):
            raise
        pytest.skip("there is no address ::1 here")


def test_a_bucket_that_its_readers_pay_for_is_told_so() -> None:
    with RangeServer(dict.fromkeys(PLACES, FILE)) as server:
        url, options = server.open_by("s3", "a.dcm")
        lazydicom.open_image(url, {**options, "requester_pays": True})

        assert all("x-amz-request-payer: requester" in h.lower() for h in server.heads)


def unused_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


NOWHERE = {
    "http, nobody listens": ("http://127.0.0.1:{port}/a.dcm", {}),
    "http, no such host": ("http://no-such-host.invalid/a.dcm", {}),
    "s3, nobody listens": (
        "s3://bucket/a.dcm",
        {"key": "a", "secret": "b", "endpoint_url": "http://127.0.0.1:{port}"},
    ),
    "s3, no such host": (
        "s3://bucket/a.dcm",
        {"key": "a", "secret": "b", "endpoint_url": "http://no-such-host.invalid"},
    ),
    "gs, nobody listens": (
        "gs://bucket/a.dcm",
        {"token": "anon", "endpoint_url": "http://127.0.0.1:{port}"},
    ),
}


@pytest.mark.parametrize("kind", NOWHERE)
def test_a_server_that_is_not_there_is_told_soon(kind: str, waits: list[float]) -> None:
    url, options = NOWHERE[kind]
    port = unused_port()
    filled: dict[str, Any] = {
        name: text.format(port=port) for name, text in options.items()
    }

    with pytest.raises(SourceError, match=r"No connection|name of the server"):
        lazydicom.open_image(url.format(port=port), filled)

    assert sum(waits) < 2


@pytest.mark.parametrize(
    ("url", "options", "text"),
    [
        ("s3://bucket/a.dcm", {"anonn": True}, "no option 'anonn'; is it 'anon'"),
        ("s3://bucket/a.dcm", {"endpoint": "x"}, "is it 'endpoint_url'"),
        ("gs://bucket/a.dcm", {"tokn": "anon"}, "is it 'token'"),
        ("http://127.0.0.1:1/a.dcm", {"header": {}}, "is it 'headers'"),
        ("http://127.0.0.1:1/a.dcm", {"nonsense": 1}, "http does not take one"),
    ],
)
def test_a_misspelt_option_names_that_of_the_filesystem(
    url: str, options: dict[str, Any], text: str
) -> None:
    with pytest.raises(TypeError, match=text) as raised:
        lazydicom.open_image(url, options)

    assert isinstance(raised.value, SourceError)


def test_absent_credentials_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/absent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/absent")
    with RangeServer(dict.fromkeys(PLACES, FILE)) as server:
        options = {**server.s3_options(), "skip_instance_cache": True}
        del options["key"], options["secret"]

        with pytest.raises(SourceError, match=r"no credentials; pass key= and secret="):
            lazydicom.open_image("s3://bucket/a.dcm", options)


@pytest.mark.parametrize("kind", ["http", "s3", "gs", "abfs", "zip"])
def test_a_body_that_comes_drop_by_drop_ends(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(rate, "_FREE_S", 0.3)
    data = FILE if kind != "zip" else bytes(1000) + FILE
    with RangeServer(dict.fromkeys(PLACES, data), bytes_per_s=1000) as server:
        where, options = server.open_by("http" if kind == "zip" else kind, "a.dcm")
        where = f"zip://b.dcm::{where}" if kind == "zip" else where

        with pytest.raises(SourceError, match=r"less than 100000 bytes/s"):
            lazydicom.open_image(where, options, minimum_rate=100_000)

        assert not connections_held(server.port)


def connections_held(port: int) -> list[Connection]:
    """Return connections that a body which was not read to its end keeps."""
    made = [one for one in gc.get_objects() if isinstance(one, Connection)]
    return [one for one in made if one._key.port == port and one._protocol is not None]


@pytest.mark.parametrize("minimum_rate", [0, 500])
def test_a_slow_body_comes_where_the_caller_waits(
    monkeypatch: pytest.MonkeyPatch, minimum_rate: int
) -> None:
    monkeypatch.setattr(rate, "_FREE_S", 0.0)
    with RangeServer({"a.dcm": FILE}, bytes_per_s=200_000) as server:
        array = lazydicom.open_image(server.url("a.dcm"), minimum_rate=minimum_rate)

        assert array[0].shape
