"""Every byte that comes over a network is the byte that was asked for."""

import logging
import pickle
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import fsspec
import numpy as np
import pytest
from dicom_files import make_native
from range_server import PERMANENT, TRANSIENT, RangeServer, Request
from retry_waits import shorten_stalls

import lazydicom
from lazydicom._bytes.open import open_source
from lazydicom._bytes.ranges import MOST_REQUESTS, read_many
from lazydicom._bytes.remote import response
from lazydicom._bytes.source import ByteRange, ByteSource
from lazydicom.errors import SourceChangedError, SourceError

FILE = make_native(rows=64, columns=64, number_of_frames=40)
PIXELS = np.asarray(lazydicom.open_image(FILE))
DATA = random.Random(1).randbytes(300_000)
SPAN = ByteRange(1000, 50_000)
CHANGED = {"404", "other-etag", "no-etag"}
COMPARED = {"other-etag", "no-etag"}
SLOW = {"stall", "silence"}


@pytest.fixture
def server() -> Iterator[RangeServer]:
    with RangeServer({"a.dcm": FILE, "data": DATA, "bucket/data": DATA}) as running:
        yield running


@pytest.fixture(params=["http", "s3", "gs", "abfs"])
def open_it(
    request: pytest.FixtureRequest, server: RangeServer
) -> Callable[[], ByteSource]:
    url, options = server.open_by(request.param, "data")
    return lambda: open_source(url, options)


@pytest.fixture
def opened(open_it: Callable[[], ByteSource]) -> ByteSource:
    return open_it()


def test_opening_asks_once_and_the_first_block_is_there(server: RangeServer) -> None:
    source = open_source(server.url("data"))

    block = source.read(ByteRange(0, 1000))

    assert block == DATA[:1000]
    assert len(server.requests) == 1


def test_neighbours_come_in_one_request_and_far_ones_do_not(
    opened: ByteSource, server: RangeServer
) -> None:
    spans = [ByteRange(290_000, 10), ByteRange(10, 20), ByteRange(5, 9)]
    server.forget()

    read = read_many(opened, spans)

    assert read == [DATA[span.offset : span.stop] for span in spans]
    assert sorted(request.offset for request in server.requests) == [5, 290_000]


@pytest.mark.parametrize("fault", [f for f in PERMANENT if f not in CHANGED])
def test_an_answer_that_is_not_the_range_is_an_error(
    fault: str, opened: ByteSource, server: RangeServer
) -> None:
    server.fault = lambda _: fault

    with pytest.raises(SourceError, match="at byte 1000") as raised:
        opened.read(SPAN)

    assert not isinstance(raised.value, SourceChangedError)


@pytest.mark.parametrize("fault", sorted(CHANGED))
def test_an_object_that_is_not_the_one_opened_is_an_error(
    fault: str, opened: ByteSource, server: RangeServer
) -> None:
    server.fault = lambda _: fault

    with pytest.raises(SourceChangedError, match="changed since it was opened"):
        opened.read(SPAN)


@pytest.mark.parametrize("fault", sorted({*PERMANENT, "404"} - COMPARED))
def test_opening_notices_what_does_not_depend_on_an_earlier_answer(
    fault: str, open_it: Callable[[], object], server: RangeServer
) -> None:
    server.fault = lambda _: fault

    with pytest.raises(SourceError):
        open_it()


@pytest.fixture
def soon(waits: list[float], monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let a stall be noticed after a quarter of a second, and nothing wait between tries."""
    shorten_stalls(monkeypatch, times=6)
    return waits


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("fault", TRANSIENT)
def test_a_fault_that_passes_is_not_seen(
    fault: str, opened: ByteSource, server: RangeServer
) -> None:
    faults = iter([fault] if fault in SLOW else [fault, fault])
    server.fault = lambda _: next(faults, None)

    assert opened.read(SPAN) == DATA[SPAN.offset : SPAN.stop]


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("open_it", ["http"], indirect=True)
def test_three_stalls_in_a_row_are_not_seen(
    opened: ByteSource, server: RangeServer
) -> None:
    faults = iter(["silence", "stall", "silence"])
    server.fault = lambda _: next(faults, None)

    assert opened.read(SPAN) == DATA[SPAN.offset : SPAN.stop]


@pytest.mark.parametrize(
    ("open_it", "fault"),
    [("http", "503"), ("s3", "503"), ("http", "reset"), ("http", "stall")],
    indirect=["open_it"],
)
def test_a_fault_that_stays_ends_in_an_error(
    fault: str,
    opened: ByteSource,
    server: RangeServer,
    soon: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(response, "LIMIT_S", 1.5 if fault in SLOW else response.LIMIT_S)

    check_end(fault, opened, server, within_s=100)

    assert 1 <= sum(soon) < 10 or fault in SLOW


@pytest.mark.heavy
@pytest.mark.parametrize("fault", TRANSIENT)
def test_every_fault_that_stays_ends_in_an_error_within_ten_seconds(
    fault: str, opened: ByteSource, server: RangeServer
) -> None:
    check_end(fault, opened, server, within_s=10)


def check_end(
    fault: str, opened: ByteSource, server: RangeServer, *, within_s: float
) -> None:
    server.fault = lambda _: fault
    begin = time.monotonic()

    with pytest.raises(SourceError, match="gave up"):
        opened.read(SPAN)

    assert time.monotonic() - begin < within_s


@pytest.mark.usefixtures("waits")
def test_reads_are_right_though_one_request_in_ten_fails(
    opened: ByteSource, server: RangeServer
) -> None:
    quick = [fault for fault in TRANSIENT if fault not in SLOW]
    check_reads(opened, server, faults=quick, count=100)


@pytest.mark.heavy
def test_a_thousand_reads_are_right_though_one_request_in_ten_fails(
    opened: ByteSource, server: RangeServer
) -> None:
    check_reads(opened, server, faults=list(TRANSIENT), count=1000)


def check_reads(
    opened: ByteSource, server: RangeServer, *, faults: list[str], count: int
) -> None:
    """Read while requests fail by chance, but none of one range as often as it is tried.

    Chance alone lets all tries of a read fail, once in some thousand runs.
    """
    chance = random.Random(2)
    failed: Counter[int] = Counter()

    def fail(request: Request) -> str | None:
        if chance.random() > 0.1 or failed[request.offset] == response.TRIES - 1:
            return None
        failed[request.offset] += 1
        return chance.choice(faults)

    server.fault = fail
    starts = [chance.randrange(200_000) for _ in range(count)]

    def is_right(start: int) -> bool:
        return opened.read(ByteRange(start, 5000)) == DATA[start : start + 5000]

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(is_right, starts))


@pytest.mark.parametrize("open_it", ["http", "s3"], indirect=True)
def test_a_slow_transfer_is_left_alone(
    open_it: Callable[[], ByteSource],
    server: RangeServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shorten_stalls(monkeypatch, times=1.5)  # it takes longer than a stall
    source = open_it()
    server.bytes_per_s = 250_000

    assert source.read(ByteRange(0, 300_000)) == DATA

    assert len(server.requests) == 2


def test_a_wish_to_wait_is_heard(
    opened: ByteSource, server: RangeServer, waits: list[float]
) -> None:
    faults = iter(["429"])
    server.fault, server.retry_after = lambda _: next(faults, None), "5"

    opened.read(SPAN)

    assert waits == [5]


def test_an_object_replaced_after_opening_is_an_error(server: RangeServer) -> None:
    array = lazydicom.open_image(server.url("a.dcm"))
    server.files["a.dcm"] = make_native(np.flip(PIXELS))

    with pytest.raises(SourceChangedError):
        array[3]


def test_an_object_replaced_in_memory_is_an_error() -> None:
    filesystem = fsspec.filesystem("memory")
    filesystem.pipe_file("/replaced.dcm", FILE)
    array = lazydicom.open_image("memory://replaced.dcm")
    assert np.array_equal(array[3], PIXELS[3])
    filesystem.pipe_file("/replaced.dcm", make_native(np.flip(PIXELS)))

    with pytest.raises(SourceChangedError):
        array[3]


def test_no_more_requests_wait_at_once_than_the_bound(server: RangeServer) -> None:
    waiting, most, lock = 0, 0, threading.Lock()
    server.latency_s = 0.02
    source = open_source(server.url("data"))

    def count(_: Request) -> None:
        nonlocal waiting, most
        with lock:
            waiting += 1
            most = max(most, waiting)
            server._loop.call_later(0.02, leave)

    def leave() -> None:
        nonlocal waiting
        waiting -= 1

    server.fault = count

    with ThreadPoolExecutor(100) as pool:
        list(pool.map(lambda at: source.read(ByteRange(at, 10)), range(600)))

    assert 2 < most <= MOST_REQUESTS


def test_secrets_are_in_no_text(
    server: RangeServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="lazydicom")
    url = server.url("a.dcm").replace("://", "://user:canary-password@")
    array = lazydicom.open_image(url + "?sig=canary-signature")
    server.fault = lambda _: "401"

    with pytest.raises(SourceError) as raised:
        array[3]

    texts = [repr(array), repr(array.images[0].reader), caplog.text]
    texts += [str(raised.value), repr(raised.value.__context__)]
    assert "canary" not in "".join(texts)


def test_a_pickle_holds_only_the_options_that_the_caller_passed(
    server: RangeServer,
) -> None:
    plain = pickle.dumps(open_source(server.url("data")))
    options = pickle.dumps(open_source("s3://bucket/data", server.s3_options()))

    assert len(plain) < 400
    assert b"canary-secret" in options
    assert DATA[:50] not in plain


def test_a_pickled_source_reads(opened: ByteSource) -> None:
    again: Any = pickle.loads(pickle.dumps(opened))

    assert again.read(SPAN) == DATA[SPAN.offset : SPAN.stop]


def test_a_small_file_may_come_whole(server: RangeServer) -> None:
    server.files["small"] = DATA[:5000]
    server.fault = lambda q: "no-range" if q.offset == 0 else None

    source = open_source(server.url("small"))

    assert source.size() == 5000
    assert source.read(ByteRange(0, 5000)) == DATA[:5000]
    assert source.read(ByteRange(10, 50)) == DATA[10:60]


def test_an_unknown_protocol_is_named() -> None:
    with pytest.raises(SourceError, match="nowhere"):
        open_source("nowhere://a/b")
