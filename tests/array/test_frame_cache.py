"""Decoded frames kept for viewers."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from dicom_files import make_native

import lazydicom
from lazydicom._array.work.cache import FrameCache

FRAME_BYTES = 4 * 5 * 2


@pytest.fixture
def data() -> bytes:
    return make_native(rows=4, columns=5, number_of_frames=6, bits_allocated=16)


def test_a_frame_used_lately_is_not_read_again(data: bytes) -> None:
    array = lazydicom.open_image(data, frame_cache_bytes=2 * FRAME_BYTES)
    first = array[3]

    again = array[3]

    assert np.array_equal(first, again)
    assert array.images[0].cache is not None
    assert array.images[0].cache.nbytes == FRAME_BYTES


def test_writing_into_a_frame_does_not_change_the_kept_one(data: bytes) -> None:
    array = lazydicom.open_image(data, frame_cache_bytes=2 * FRAME_BYTES)
    expected = lazydicom.open_image(data)[3]

    array[3][...] = 0
    array[3][...] = 1

    assert np.array_equal(array[3], expected)


def test_bytes_bound_what_is_kept(data: bytes) -> None:
    array = lazydicom.open_image(data, frame_cache_bytes=2 * FRAME_BYTES + 1)

    for number in range(6):
        array[number]

    cache = array.images[0].cache
    assert cache is not None
    assert cache.nbytes == 2 * FRAME_BYTES
    assert cache.get(5) is not None
    assert cache.get(0) is None


def test_a_frame_larger_than_the_bound_is_not_kept() -> None:
    cache = FrameCache(max_bytes=3)

    cache.put(0, np.zeros(4, np.uint8))

    assert cache.get(0) is None
    assert cache.nbytes == 0


def test_kept_frames_do_not_travel(data: bytes) -> None:
    array = lazydicom.open_image(data, frame_cache_bytes=1 << 20)
    array[0]

    travelled = pickle.loads(pickle.dumps(array))

    assert travelled.images[0].cache.nbytes == 0
    assert np.array_equal(travelled[0], array[0])


def test_by_default_every_frame_is_read(data: bytes) -> None:
    assert lazydicom.open_image(data).images[0].cache is None
