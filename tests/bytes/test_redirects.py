"""A server that redirects elsewhere does not make us tell our secrets there."""

from __future__ import annotations

import base64
import warnings
from typing import TYPE_CHECKING, Any

import aiohttp
import numpy as np
import pytest
from dicom_files import make_native
from range_server import RangeServer

import lazydicom
from lazydicom.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "S3CR3T"  # noqa: S105 (that is the point)
HIDDEN = base64.b64encode(f"user:{SECRET}".encode()).decode()
FILE = make_native()


async def add_token(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    request.headers["X-Token"] = SECRET
    return await handler(request)


def basic_auth() -> aiohttp.BasicAuth:
    """Make what fsspec's documentation shows; aiohttp 4 will have another."""
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        return aiohttp.BasicAuth("user", SECRET)


OPTIONS: dict[str, dict[str, Any]] = {
    "a header": {"headers": {"X-Token": SECRET, "Authorization": SECRET}},
    "a cookie": {"cookies": {"session": SECRET}},
    "a header of the session": {"client_kwargs": {"headers": {"X-Token": SECRET}}},
    "a user of the session": {"client_kwargs": {"auth": basic_auth()}},
    "a cookie of the session": {"client_kwargs": {"cookies": {"session": SECRET}}},
    "a middleware": {"middlewares": (add_token,)},
    "a middleware of the session": {"client_kwargs": {"middlewares": (add_token,)}},
}


@pytest.fixture
def elsewhere() -> Iterator[RangeServer]:
    with RangeServer({"a.dcm": FILE}) as running:
        yield running


@pytest.fixture
def server(elsewhere: RangeServer) -> Iterator[RangeServer]:
    with RangeServer({}, moved_to=elsewhere.url("")) as running:
        yield running


def holds_a_secret(server: RangeServer) -> bool:
    return any(word in head for head in server.heads for word in (SECRET, HIDDEN))


@pytest.mark.filterwarnings("ignore:The 'auth' parameter:DeprecationWarning")
@pytest.mark.parametrize("kind", OPTIONS)
def test_another_server_gets_the_question_and_nothing_else(
    kind: str, server: RangeServer, elsewhere: RangeServer
) -> None:
    array = lazydicom.open_image(server.url("a.dcm"), OPTIONS[kind])

    assert np.array_equal(array, lazydicom.open_image(FILE))
    assert holds_a_secret(server)
    assert len(elsewhere.heads) == 2
    assert not holds_a_secret(elsewhere)


def test_a_redirect_on_the_same_server_keeps_what_was_given(
    elsewhere: RangeServer,
) -> None:
    elsewhere.files = {}
    elsewhere.moved_to = elsewhere.url("deeper/")

    with pytest.raises(SourceError, match="TooManyRedirects"):
        lazydicom.open_image(elsewhere.url("a.dcm"), OPTIONS["a header"])

    assert len(elsewhere.heads) > 2
    assert all(SECRET in head for head in elsewhere.heads)


def test_a_password_in_the_url_stays_at_its_server(
    server: RangeServer, elsewhere: RangeServer
) -> None:
    url = server.url("a.dcm").replace("://", f"://user:{SECRET}@")

    lazydicom.open_image(url)

    assert holds_a_secret(server)
    assert not holds_a_secret(elsewhere)


def test_a_copy_that_a_cache_makes_tells_nothing_either(
    server: RangeServer,
    elsewhere: RangeServer,
    tmp_path: Any,  # noqa: ANN401
) -> None:
    options = {
        "http": OPTIONS["a header"],
        "simplecache": {"cache_storage": str(tmp_path)},
    }

    lazydicom.open_image("simplecache::" + server.url("a.dcm"), options)

    assert holds_a_secret(server)
    assert elsewhere.heads
    assert not holds_a_secret(elsewhere)


def test_listing_a_folder_tells_nothing_either(
    server: RangeServer, elsewhere: RangeServer
) -> None:
    with pytest.raises(SourceError):
        lazydicom.open_series(server.url("folder/"), OPTIONS["a header"])

    assert holds_a_secret(server)
    assert elsewhere.heads
    assert not holds_a_secret(elsewhere)
