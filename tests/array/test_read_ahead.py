"""Parts are read ahead of who takes them, in order, and nobody waits for who cannot come."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from functools import partial
from itertools import count, islice
from threading import Event, get_ident
from typing import TYPE_CHECKING

import numpy as np
import pytest
from forked import in_child
from series_files import write_volume

import lazydicom
from lazydicom._array import array as array_module
from lazydicom._array.work.ahead import read_ahead
from lazydicom._array.work.parallel import Task, computing_pool
from lazydicom._bytes.per_process import available_cores
from lazydicom.errors import InvalidDicomError, LazyDicomWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WAYS = [(1, False), (2, False), (5, False), (2, True)]


def later(number: int) -> int:
    time.sleep(0.002 * (number % 3))
    return number


@pytest.mark.parametrize(("threads", "waits"), WAYS)
@pytest.mark.parametrize("length", [0, 1, 2, 3, 40])
def test_parts_come_in_order(threads: int, length: int, *, waits: bool) -> None:
    jobs = (partial(later, number) for number in range(length))

    assert list(read_ahead(jobs, threads=threads, waits=waits)) == list(range(length))


@contextmanager
def busy_pool() -> Iterator[None]:
    """Keep all threads that compute busy."""
    free = Event()
    held = [Task(free.wait) for _ in range(available_cores())]
    for task in held:
        computing_pool().give(task.help)
    try:
        yield
    finally:
        free.set()
        for task in held:
            task.end()


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_parts_come_where_every_helper_is_busy_elsewhere(threads: int) -> None:
    jobs = (partial(later, number) for number in range(20))

    with busy_pool():
        taken = list(read_ahead(jobs, threads=threads, waits=False))

    assert taken == list(range(20))


def test_many_iterators_at_once_do_not_wait_for_each_other() -> None:
    rows = [
        read_ahead((partial(later, n) for n in range(9)), threads=2, waits=False)
        for _ in range(12)
    ]

    assert list(zip(*rows, strict=True)) == [(number,) * 12 for number in range(9)]


@pytest.mark.parametrize(("threads", "waits"), WAYS)
def test_no_more_is_begun_than_some_parts_ahead(threads: int, *, waits: bool) -> None:
    asked = count()
    jobs = (partial(later, next(asked)) for _ in range(100))

    parts = read_ahead(jobs, threads=threads, waits=waits)
    taken = list(islice(parts, 3))
    parts.close()  # type: ignore[attr-defined]

    assert taken == [0, 1, 2]
    assert next(asked) <= 3 + threads + 2


@pytest.mark.parametrize(("threads", "waits"), WAYS)
def test_an_error_comes_in_the_place_of_its_part(threads: int, *, waits: bool) -> None:
    def job(number: int) -> int:
        if number == 4:
            raise ZeroDivisionError
        return later(number)

    parts = read_ahead(
        map(partial(partial, job), range(9)), threads=threads, waits=waits
    )

    assert [next(parts) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(ZeroDivisionError):
        next(parts)


def test_ctrl_c_goes_to_who_iterates() -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    jobs: list[Callable[[], int]] = [partial(later, 0), interrupted, partial(later, 2)]
    with busy_pool():
        parts = read_ahead(jobs, threads=2, waits=False)

        with pytest.raises(KeyboardInterrupt):
            list(parts)


@pytest.mark.parametrize("waits", [False, True])
def test_what_was_taken_is_kept_by_nobody_else(*, waits: bool) -> None:
    class Block:
        """Counts those that are alive."""

        alive = 0

        def __init__(self) -> None:
            Block.alive += 1

        def __del__(self) -> None:
            Block.alive -= 1

    most = 0
    for block in read_ahead([Block] * 60, threads=2, waits=waits):
        most = max(most, Block.alive)
        del block

    assert Block.alive == 0
    assert most <= 2 + 2 + 1


@pytest.mark.parametrize("block", [1, 60, 1 << 20])
@pytest.mark.parametrize("fill_value", [0, 7])
def test_iterating_gives_what_reading_gives_holes_included(
    tmp_path: Path, block: int, fill_value: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(array_module, "_BLOCK_BYTES", block)
    write_volume(tmp_path, planes=12, skip=frozenset({3, 4, 8}))
    with pytest.warns(LazyDicomWarning, match="missing"):
        array = lazydicom.open_series(tmp_path, on_gap="fill", fill_value=fill_value)

    assert np.array_equal(np.stack(list(array)), np.asarray(array))


def test_iterating_over_a_hole_that_nobody_fills_is_an_error_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(array_module, "_BLOCK_BYTES", 1)
    write_volume(tmp_path, planes=6, skip=frozenset({3}))
    with pytest.warns(LazyDicomWarning, match="missing"):
        frames = iter(lazydicom.open_series(tmp_path, on_gap="fill"))

    assert [int(next(frames)[0, 0]) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(InvalidDicomError, match="missing"):
        next(frames)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("taken", [0, 1, 7])
@pytest.mark.parametrize("waits", [False, True])
def test_a_child_takes_parts_that_helpers_had_begun_in_its_parent(
    taken: int, *, waits: bool
) -> None:
    parent, main, begun, free = os.getpid(), get_ident(), Event(), Event()

    def job(number: int) -> int:
        if number > taken and os.getpid() == parent and get_ident() != main:
            begun.set()
            assert free.wait(60)
        return number

    jobs = (partial(job, number) for number in range(20))
    parts = read_ahead(jobs, threads=2, waits=waits)
    first = list(islice(parts, taken + 1))
    assert begun.wait(60)

    code = in_child(lambda: list(parts) == list(range(taken + 1, 20)))
    free.set()

    assert code == 0
    assert [*first, *parts] == list(range(20))
