"""What opening and reading over a network cost in requests and bytes.

``benchmarks/remote_budgets.py`` prints them, with times, for ``docs/performance.md``.
"""

import random
from collections.abc import Iterator

import numpy as np
import pytest
from dicom_files import make_native
from range_server import RangeServer
from remote_files import FRAME, KIB, encapsulated, enhanced, native

import lazydicom


@pytest.fixture
def server() -> Iterator[RangeServer]:
    with RangeServer({}) as running:
        yield running


def test_a_native_frame_costs_two_requests_and_its_bytes(server: RangeServer) -> None:
    server.files["a"] = native(20)

    lazydicom.open_image(server.url("a"))[7]

    assert len(server.requests) == 2
    assert server.bytes_sent <= FRAME + 64 * KIB


def test_a_per_frame_sequence_is_stepped_over(server: RangeServer) -> None:
    server.files["a"] = enhanced()

    lazydicom.open_image(server.url("a"))[1234]

    assert len(server.requests) <= 3
    assert server.bytes_sent <= 256 * KIB


def test_a_frame_behind_a_table_costs_two_requests(server: RangeServer) -> None:
    server.files["a"] = encapsulated("basic")

    lazydicom.open_image(server.url("a")).images[0].encoded_frame(150)

    assert len(server.requests) == 2
    assert server.bytes_sent <= 265 * KIB


def test_the_first_frame_without_a_table_costs_a_tenth_at_most(
    server: RangeServer,
) -> None:
    server.files["a"] = encapsulated("empty")
    image = lazydicom.open_image(server.url("a")).images[0]

    image.encoded_frame(0)
    first = len(server.requests), server.bytes_sent
    server.forget()
    assert len(image.index) == 200
    walk = server.bytes_sent

    size = len(server.files["a"])
    assert first[0] <= 40
    assert first[1] <= size / 10
    assert walk <= size


def test_random_frames_cost_one_request_each_at_most(server: RangeServer) -> None:
    server.files["a"] = native(60)
    array = lazydicom.open_image(server.url("a"))
    chosen = sorted(random.Random(3).sample(range(60), 30))
    server.forget()

    array[chosen]

    assert len(server.requests) <= 30
    assert server.bytes_sent == 30 * FRAME


def test_a_part_of_each_frame_is_read_at_once(server: RangeServer) -> None:
    server.files["a"] = make_native(rows=64, columns=64, number_of_frames=100)
    expected = np.asarray(lazydicom.open_image(server.files["a"]))
    array = lazydicom.open_image(server.url("a"))
    server.forget()

    part = array[:, 5:9, ::2]

    assert np.array_equal(part, expected[:, 5:9, ::2])
    assert len(server.requests) == 1
