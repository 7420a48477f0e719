"""Sessions are kept by server, not by token, and only some."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from lazydicom._frames.dicomweb import client

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("dicomweb_client")
SERVER = "http://127.0.0.1:1/dw"


@pytest.fixture(autouse=True)
def none_yet() -> Iterator[None]:
    client._here.forget()
    yield
    client._here.forget()


def with_token(number: int) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {number}"}}


def test_a_renewed_token_takes_the_place_of_the_old_one() -> None:
    made = [client._client(SERVER, with_token(k)) for k in range(50)]

    assert len(client._clients()) == 1
    assert made[-1] is client._client(SERVER, with_token(49))
    headers = made[-1]._session.headers
    assert headers["Authorization"] == "Bearer 49"


def test_clients_of_some_servers_are_kept() -> None:
    first = client._client(f"{SERVER}/0", {})
    for k in range(50):
        client._client(f"{SERVER}/{k}", {})

    assert len(client._clients()) <= 4
    assert client._client(f"{SERVER}/0", {}) is not first
    assert client._client(f"{SERVER}/49", {}) is client._client(f"{SERVER}/49", {})


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_of_a_fork_has_clients_of_its_own() -> None:
    client._client(SERVER, {})

    child = os.fork()
    if child == 0:
        os._exit(len(client._clients()))

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
