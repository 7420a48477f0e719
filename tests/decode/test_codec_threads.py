"""One large frame may use all cores; frames beside each other get a thread each."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
from encapsulated_files import make_encapsulated

import lazydicom

if TYPE_CHECKING:
    from numpy.typing import NDArray

J2K = "1.2.840.10008.1.2.4.90"


def _file(side: int) -> tuple[bytes, NDArray[Any]]:
    values = np.arange(side * side, dtype=np.uint16).reshape(side, side)
    data = bytes(imagecodecs.jpeg2k_encode(values, level=0, codecformat="j2k"))
    file = make_encapsulated([data] * 3, rows=side, columns=side, transfer_syntax=J2K)
    return file, values


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note how many threads the decoder is told to take."""
    numbers: list[int] = []
    real = imagecodecs.jpeg2k_decode

    def decode(data: bytes, *, numthreads: int, out: NDArray[Any]) -> object:
        numbers.append(numthreads)
        return real(data, numthreads=numthreads, out=out)

    monkeypatch.setattr(imagecodecs, "jpeg2k_decode", decode)
    monkeypatch.setattr("lazydicom._array.work.cores.available_cores", lambda: 4)
    return numbers


def test_one_large_frame_uses_all_cores(asked: list[int]) -> None:
    file, values = _file(800)

    frame = lazydicom.open_image(file)[1]

    assert asked == [4]
    assert np.array_equal(frame, values)


def test_a_small_frame_uses_one(asked: list[int]) -> None:
    _ = lazydicom.open_image(_file(100)[0])[1]

    assert asked == [1]


def test_several_frames_use_one_each(asked: list[int]) -> None:
    array = lazydicom.open_image(_file(800)[0])

    np.asarray(array)
    for _ in array:
        pass

    assert asked == [1] * 6


def test_a_thread_that_is_not_the_main_one_uses_one(asked: list[int]) -> None:
    array = lazydicom.open_image(_file(800)[0])
    thread = threading.Thread(target=lambda: array[0])
    thread.start()
    thread.join()

    assert asked == [1]


def test_who_asks_for_one_thread_gets_one(asked: list[int]) -> None:
    file, values = _file(800)
    array = lazydicom.open_image(file)

    frames = [array.read(key, threads=1) for key in (0, slice(1, 2), [2])]

    assert asked == [1, 1, 1]
    assert all(np.array_equal(np.squeeze(frame), values) for frame in frames)
