"""How many requests a server gets at once follows from how it answers."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from range_server import RangeServer
from remote_files import FRAME, native

import lazydicom
from lazydicom._bytes.ranges import MOST_REQUESTS, REQUESTS
from lazydicom._bytes.remote import client as client_module
from lazydicom._bytes.remote.flow import Flow

if TYPE_CHECKING:
    from collections.abc import Callable

    from range_server import Request


def run_requests(
    flow: Flow, number: int, answer: Callable[[int], tuple[float, float]]
) -> int:
    """Make requests at once, each answered as told; give how many there were at most."""
    most = 0

    async def request(which: int) -> None:
        nonlocal most
        async with flow.slot():
            most = max(most, flow.running)
            await asyncio.sleep(0)
            flow.responded(*answer(which))

    async def all_of_them() -> None:
        await asyncio.gather(*map(request, range(number)))

    asyncio.run(all_of_them())
    return most


def test_a_server_that_makes_wait_gets_more_requests_up_to_a_bound() -> None:
    flow = Flow()

    most = run_requests(flow, 1000, lambda _: (0.1, 0.01))

    assert flow.limit == most == MOST_REQUESTS
    assert flow.running == 0


def test_a_server_that_is_slow_to_send_gets_no_more() -> None:
    flow = Flow()

    most = run_requests(flow, 1000, lambda _: (0.01, 0.1))

    assert flow.limit == most == REQUESTS


def test_answers_that_come_late_take_requests_back() -> None:
    flow = Flow()

    run_requests(flow, 1000, lambda which: (0.1 if which < 960 else 0.5, 0.01))

    assert REQUESTS <= flow.limit < MOST_REQUESTS


def test_a_server_that_became_slower_is_no_busy_one() -> None:
    flow = Flow()

    run_requests(flow, 1000, lambda which: (0.1 if which < 500 else 0.5, 0.01))

    assert flow.limit == MOST_REQUESTS


def test_a_busy_server_gets_half_once_for_all_that_were_under_way() -> None:
    flow = Flow()
    began = time.monotonic()

    for _ in range(10):
        flow.refused(began, busy=True)

    assert flow.limit == REQUESTS // 2
    for _ in range(10):
        flow.refused(time.monotonic() + 1, busy=True)
    assert flow.limit == 2


def test_a_server_that_is_busy_no_more_gets_as_many_as_before() -> None:
    flow = Flow()
    for _ in range(4):
        flow.refused(time.monotonic() + 1, busy=True)

    run_requests(flow, 100, lambda _: (0.01, 0.1))

    assert flow.limit == REQUESTS


def test_lost_connections_take_back_what_was_added() -> None:
    flow = Flow()
    run_requests(flow, 1000, lambda _: (0.1, 0.01))

    for expected in (32, REQUESTS, REQUESTS):
        flow.refused(time.monotonic() + 1, busy=False)
        assert flow.limit == expected


def test_who_gives_up_while_waiting_leaves_no_gap() -> None:
    flow = Flow()

    async def one(seconds: float) -> None:
        async with flow.slot():
            await asyncio.sleep(seconds)

    async def some() -> None:
        holding = [asyncio.ensure_future(one(0.02)) for _ in range(REQUESTS)]
        waiting = [asyncio.ensure_future(one(0)) for _ in range(40)]
        await asyncio.sleep(0.005)
        for task in waiting[::2]:
            task.cancel()
        await asyncio.gather(*holding, *waiting, return_exceptions=True)

    asyncio.run(some())

    assert flow.running == 0
    assert run_requests(flow, 40, lambda _: (0.01, 0.1)) == REQUESTS


@pytest.fixture
def flows() -> dict[str, Flow]:
    client_module._flows.forget()
    return client_module._flows()


def test_all_files_of_a_server_share_its_bound(flows: dict[str, Flow]) -> None:
    files = {name: native(20) for name in ("a", "b")}
    with RangeServer(files, latency_s=0.01) as server:
        arrays = [lazydicom.open_image(server.url(name)) for name in files]
        for array in arrays:
            _ = array[:, 7:9, :]

    assert list(flows) == [f"http://127.0.0.1:{server.port}"]


def test_a_server_that_is_busy_now_and_then_gives_all_frames(
    flows: dict[str, Flow],
) -> None:
    def busy(request: Request) -> str | None:
        return "503" if request.offset and len(server.requests) % 9 == 0 else None

    with RangeServer({"a": native(20)}) as server:
        array = lazydicom.open_image(server.url("a"))
        server.fault = busy
        part = array[:, 7:9, :]

    assert np.array_equal(part, np.asarray(lazydicom.open_image(native(20)))[:, 7:9])
    assert max(flow.limit for flow in flows.values()) <= MOST_REQUESTS


def test_iterating_asks_ahead_and_for_each_byte_once() -> None:
    with RangeServer({"a": native(40)}) as server:
        array = lazydicom.open_image(server.url("a"))
        server.forget()
        frames = sum(1 for _ in array)

        assert frames == 40
        assert server.bytes_sent == 40 * FRAME
        assert len(server.requests) <= 40 * FRAME / (4 << 20) + 4


def test_small_requests_of_one_file_are_made_together() -> None:
    with RangeServer({"a": native(24)}) as server:
        array = lazydicom.open_image(server.url("a"))
        server.forget()
        plan = array.plan(np.s_[:, 100:104, :])
        _ = array[:, 100:104, :]

        assert len(server.requests) == plan.requests == 24
        assert server.bytes_sent == plan.read_nbytes == 24 * 4 * 1024


def test_requests_to_s3_do_not_wait_for_connections() -> None:
    with RangeServer({"bucket/a": native(24)}) as server:
        url, options = server.open_by("s3", "a")
        array = lazydicom.open_image(url, storage_options=options)
        part = array[:, 100:104, :]
        client = client_module.remote_client(
            client_module.RemotePlace(url), options
        ).filesystem.s3

    assert client.meta.config.max_pool_connections == MOST_REQUESTS
    assert part.shape == (24, 4, 512)
