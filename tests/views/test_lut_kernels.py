"""Palettes of segments, expanded (PS3.3 C.7.9.2)."""

import numpy as np
import pytest

from lazydicom._views.lut.kernels import expand_segments
from lazydicom.errors import InvalidDicomError


def test_segments_repeat_earlier_ones_by_their_byte_offset() -> None:
    start = [0, 2, 10, 20]
    line = [1, 2, 40]
    eight_bits = [*start, *line, 2, 1, 4, 0, 0, 0]  # the line begins at byte 4
    sixteen_bits = [*start, *line, 2, 1, 8, 0]

    for words, dtype in ((eight_bits, np.uint8), (sixteen_bits, np.uint16)):
        table = expand_segments(np.array(words, dtype))

        assert table.tolist() == [10, 20, 30, 40, 40, 40]


def test_segments_repeat_those_that_repeat() -> None:
    start = [0, 1, 5]
    twice = [2, 1, 0, 0]
    both = [2, 2, 0, 0]

    table = expand_segments(np.array([*start, *twice, *both], np.uint16))

    assert table.tolist() == [5, 5, 5, 5]


@pytest.mark.timeout(20)
def test_segments_that_repeat_without_end_are_an_error() -> None:
    doubling = [0, 1, 5]
    for number in range(40):
        doubling += [2, number + 1, 0, 0]
    empty = [0, 1, 5, 0, 0]
    for number in range(40):
        empty += [2, number + 1, 6, 0]
    deep = [0, 1, 5, 0, 0]
    for number in range(9000):
        place = len(deep) - 4 if number else 3
        deep += [2, 1, 2 * place % 0x10000, 2 * place // 0x10000]

    for words in (doubling, empty, deep):
        with pytest.raises(InvalidDicomError, match="more than 65536 entries"):
            expand_segments(np.array(words, np.uint16))


@pytest.mark.parametrize(
    "words",
    [
        [1, 2, 40, 0],
        [0, 1, 5, 7, 1, 1],
        [2, 1, 0, 0],
        [0, 1, 5, 1, 3],
        [0, 1, 5, 2, 1, 0],
        [0, 1, 5, 2, 1, 6, 0],
    ],
)
def test_segments_that_mean_nothing_are_an_error(words: list[int]) -> None:
    with pytest.raises(InvalidDicomError):
        expand_segments(np.array(words, np.uint16))
