"""What a caller passes to reach a file stands in no text, and travels only if it was passed."""

import logging
import pickle
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from dicom_files import make_native
from range_server import RangeServer
from servers import free_port

import lazydicom
from lazydicom.errors import SourceError

FILE = make_native(rows=64, columns=64, number_of_frames=40)
PROTOCOLS = ["http", "s3", "gs", "abfs"]


@pytest.fixture
def server() -> Iterator[RangeServer]:
    with RangeServer({"a.dcm": FILE, "bucket/a.dcm": FILE}) as running:
        yield running


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, logger="lazydicom")
    return caplog


def texts_of(error: BaseException) -> str:
    """Give all that may be printed of an error, but not the lines of these tests."""
    shown = traceback.TracebackException.from_exception(error)
    lines = [f"{frame.name} {frame.locals}" for frame in shown.stack]
    return " ".join([str(error), repr(error), *lines, *chain_of(error)])


def chain_of(error: BaseException) -> Iterator[str]:
    for other in (error.__context__, error.__cause__):
        if other is not None:
            yield repr(other)
            yield from chain_of(other)


def with_canaries(protocol: str, options: dict[str, Any]) -> dict[str, Any]:
    if protocol == "http":
        return {"headers": {"Authorization": "Bearer canary-secret"}}
    return options


@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("fault", ["401", "login", "404", "cut", "gzip"])
def test_secrets_of_an_open_array_are_in_no_text(
    protocol: str, fault: str, server: RangeServer, log: pytest.LogCaptureFixture
) -> None:
    url, options = server.open_by(protocol, "a.dcm")
    options = with_canaries(protocol, options)
    array = lazydicom.open_image(url, options)
    server.fault = lambda _: fault

    with pytest.raises(SourceError) as raised:
        array[3]

    shown = [repr(array), repr(array.images[0].reader), log.text]
    shown += [repr(array.images[0].reader.source), texts_of(raised.value)]
    for secret in ("canary", "Y2FuYXJ5LXNlY3JldA"):
        assert secret not in " ".join(shown)


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("sftp://127.0.0.1/a.dcm", {"port": 1, "username": "u", "password": "canary"}),
        ("sftp://u:canary@127.0.0.1:1/a.dcm", {}),
        ("sftp://127.0.0.1/a.dcm", {"canary": 1}),
        ("ftp://u:canary@127.0.0.1:1/a.dcm", {}),
        ("s3://bucket/a.dcm", {"endpoint_url": "canary", "secret": "canary"}),
        ("s3://bucket/a.dcm", {"canary": 1}),
        ("s3://canary:canary@bucket/a.dcm", {"profile": "canary"}),
        ("http://127.0.0.1:99999/a.dcm?sig=canary", {}),
        ("http://127.0.0.1:1/a.dcm", {"auth": "canary"}),
        ("abfs://container/a.dcm", {"connection_string": "canary"}),
        ("zip://canary", {}),
        ("zip://a.dcm::sftp://u:canary@127.0.0.1:1/a.zip", {}),
        ("simplecache::sftp://u:canary@127.0.0.1:1/a.dcm", {}),
        ("nowhere://u:canary@host/a.dcm", {}),
    ],
)
def test_what_cannot_be_opened_is_an_error_without_secrets(
    url: str, options: dict[str, Any], log: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(SourceError) as opening:
        lazydicom.open_image(url, options)
    with pytest.raises(SourceError) as listing:
        lazydicom.open_series(url, options)

    place = "zip://canary" if url == "zip://canary" else ""  # a name, no secret
    shown = texts_of(opening.value) + texts_of(listing.value) + log.text
    assert "canary" not in (shown.replace(place, "") if place else shown)


@pytest.mark.parametrize("protocol", ["s3", "abfs"])
def test_secrets_that_the_machine_knows_do_not_travel(
    protocol: str, server: RangeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, options = server.open_by(protocol, "a.dcm")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "canary-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", options.pop("secret", "canary-secret"))
    monkeypatch.setenv(
        "AZURE_STORAGE_CONNECTION_STRING", options.pop("connection_string", "")
    )
    options.pop("key", None)
    array = lazydicom.open_image(url, options)
    assert array[3].shape == (64, 64)

    travelling = pickle.dumps(array)

    for secret in (b"canary", b"Y2FuYXJ5LXNlY3JldA"):
        assert secret not in travelling


def test_a_bucket_is_no_object(server: RangeServer) -> None:
    for protocol in ("s3", "gs", "abfs"):
        _, options = server.open_by(protocol, "a.dcm")

        with pytest.raises(SourceError, match=f"in {protocol}://bucket"):
            lazydicom.open_image(f"{protocol}://bucket", options)


def test_a_port_where_nobody_listens_is_an_error_within_ten_seconds(
    waits: list[float],
) -> None:
    with pytest.raises(SourceError, match="No connection: Connection refused"):
        lazydicom.open_image(f"http://127.0.0.1:{free_port()}/a.dcm")
    assert sum(waits) < 10
