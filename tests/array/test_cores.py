"""No more threads decode than there are cores, whoever asks, from however many threads."""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from interrupts import is_interrupted

from lazydicom._array.work import cores as cores_module
from lazydicom._array.work import parallel
from lazydicom._array.work.ahead import read_ahead
from lazydicom._array.work.cores import Cores, default_threads
from lazydicom._array.work.parallel import run
from lazydicom._bytes.per_process import available_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Counter:
    """Counts how many threads are in a job at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.now = self.most = self.done = 0

    def job(self) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.0005)  # so that others have their chance to be too many
        with self._lock:
            self.now -= 1
            self.done += 1


@pytest.fixture(params=[1, 2, 3, 4])
def number(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Have so many cores."""
    cores: int = request.param
    for module in (cores_module, parallel):
        monkeypatch.setattr(module, "available_cores", lambda: cores)
    monkeypatch.setattr(cores_module, "_PATIENCE_S", 60)  # a busy machine is no matter
    for kept in (cores_module.cores, parallel.computing_pool):
        monkeypatch.setattr(kept, "_values", [])
    return cores


@pytest.mark.parametrize("callers", [1, 2, 3, 6])
@pytest.mark.parametrize("threads", [None, 1, 8])
def test_callers_and_their_helpers_are_no_more_than_the_cores(
    number: int, callers: int, threads: int | None
) -> None:
    counter = Counter()

    def read() -> None:
        run([counter.job] * 12, threads=threads, requests=4)

    with ThreadPoolExecutor(callers) as tasks:
        for task in [tasks.submit(read) for _ in range(2 * callers)]:
            task.result()

    assert counter.done == 24 * callers
    assert counter.most <= max(number, callers)


def test_one_caller_is_helped_on_all_cores(number: int) -> None:
    everybody = threading.Barrier(number, timeout=60)

    run([partial(_meet, everybody)] * number, threads=None, requests=4)

    assert not everybody.broken


def _meet(barrier: threading.Barrier) -> None:
    barrier.wait()


def test_a_job_that_reads_in_its_turn_is_counted_once(number: int) -> None:
    counter = Counter()

    def outer() -> None:
        run([counter.job] * 3, threads=None, requests=4)

    run([outer] * 8, threads=None, requests=4)

    assert counter.done == 24
    assert counter.most <= number


def test_a_job_that_waits_for_threads_of_its_own_ends(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cores_module, "_PATIENCE_S", 0.01)
    counter = Counter()

    def outer() -> None:
        with ThreadPoolExecutor(2) as own:
            for task in [own.submit(_read, counter) for _ in range(2)]:
                task.result()

    run([outer] * (number + 1), threads=None, requests=4)

    assert counter.done == 6 * (number + 1)
    assert cores_module.cores().idle == number


def _read(counter: Counter) -> None:
    run([counter.job] * 3, threads=None, requests=4)


@pytest.mark.parametrize("is_full", [False, True])
def test_an_interrupt_at_any_moment_leaves_no_core_and_no_lock_taken(
    monkeypatch: pytest.MonkeyPatch, *, is_full: bool
) -> None:
    monkeypatch.setattr(cores_module, "_PATIENCE_S", 0)

    def call() -> None:
        with cores.calling():
            pass

    for moment in count():
        cores = Cores(1)
        if is_full:
            cores._helpers.add(-1)
        interrupted = is_interrupted(moment, call)

        assert cores.idle == 1 - is_full, moment
        other = threading.Thread(target=cores.help_with, args=[lambda _: None])
        other.start()
        other.join(60)
        assert not other.is_alive(), moment
        call()
        if not interrupted:
            break


def test_an_error_leaves_no_core_taken(number: int) -> None:
    counter = Counter()

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            run([counter.job] * 4 + [_fail] * 4, threads=None, requests=4)

    assert cores_module.cores().idle == number


def _fail() -> None:
    raise ZeroDivisionError


def test_a_helper_leaves_when_a_caller_needs_its_core() -> None:
    cores, goes_on, helping = Cores(1), [True], threading.Event()
    arrived = threading.Event()

    def work(fits: Callable[[], bool]) -> None:
        helping.set()
        arrived.wait()
        while fits():
            time.sleep(0.0001)
        goes_on[0] = False

    helper = threading.Thread(target=cores.help_with, args=[work])
    helper.start()
    helping.wait()
    arrived.set()
    with cores.calling():
        assert not goes_on[0]
    helper.join()


@contextlib.contextmanager
def _in_a_worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Be in a child of multiprocessing."""
    import multiprocessing.process

    with monkeypatch.context() as patch:
        patch.setattr(multiprocessing.process, "parent_process", object)
        yield


def test_a_worker_process_takes_one_thread_unless_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert default_threads() == available_cores()

    with _in_a_worker(monkeypatch):
        threads: list[Any] = []
        run(
            [lambda: threads.append(threading.current_thread())] * 6,
            threads=None,
            requests=4,
        )
        ahead = list(
            read_ahead(
                [threading.current_thread] * 3, threads=default_threads(), waits=False
            )
        )

    assert {*threads, *ahead} == {threading.current_thread()}
