"""Helpers share work, and an interrupt leaves nothing of it behind."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import closing
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import pytest
from interrupts import is_interrupted

from lazydicom._array.work import parallel
from lazydicom._array.work.cores import cores
from lazydicom._array.work.parallel import Fetch, Helpers, Task, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Places:
    """Counts who is at work on other threads, and what is done."""

    def __init__(self) -> None:
        self.busy: list[int] = []
        self.done: list[int] = []

    def job(self, number: int) -> None:
        if threading.current_thread() is not threading.main_thread():
            self.busy.append(number)
            time.sleep(0.0002)
            self.busy.pop()
        else:
            time.sleep(0.0002)
        self.done.append(number)

    def fetch(self, number: int) -> Sequence[parallel.Job]:
        self.job(number)
        return [partial(self.done.append, number)]


@pytest.fixture(autouse=True)
def _three_cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(parallel, "available_cores", lambda: 3)
    monkeypatch.setattr(cores(), "_number", 3)
    return iter([None])


# one of the moments is the end of a generator, which can but tell of it
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("fetches", [False, True])
def test_after_an_interrupt_at_any_moment_nobody_works_and_all_is_as_before(
    *, fetches: bool
) -> None:
    for moment in count():
        places = Places()
        if fetches:
            jobs: list[parallel.Job | Fetch] = [
                Fetch(partial(places.fetch, number)) for number in range(5)
            ]
        else:
            jobs = [partial(places.job, number) for number in range(5)]
        act = partial(run, jobs, threads=3, requests=2)
        interrupted = is_interrupted(moment, act)

        assert not places.busy, moment
        assert cores().idle == 3, moment
        done = len(places.done)
        if not interrupted:
            break
        if moment % 20 == 0:
            act()
            assert len(places.done) - done == 10 if fetches else 5, moment

    assert done == (10 if fetches else 5)


# an interrupt in a callback of `threading` is told, not raised
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("in_order", [False, True])
def test_after_an_interrupt_at_any_moment_no_job_goes_on_and_no_thread_is_left(
    *, in_order: bool
) -> None:
    before = threading.active_count()
    for moment in count():
        places = Places()
        jobs = [partial(places.job, number) for number in range(5)]

        def act(jobs: Sequence[parallel.Job] = jobs) -> None:
            given = parallel.results(
                jobs, threads=2, most=3, name="test", in_order=in_order
            )
            with closing(given):
                list(given)

        interrupted = is_interrupted(moment, act)

        assert not places.busy, moment
        if not interrupted:
            break

    assert sorted(places.done) == list(range(5))
    most = before + 6  # `Thread.start` itself may never let go of what it began
    deadline = time.monotonic() + 20
    while threading.active_count() > most and time.monotonic() < deadline:
        time.sleep(0.001)
    assert threading.active_count() <= most


def test_results_come_in_the_order_of_jobs_where_that_is_wanted() -> None:
    waits = [0.003, 0, 0.002, 0, 0.001, 0]

    def wait(number: int) -> int:
        time.sleep(waits[number])
        return number

    jobs = [partial(wait, number) for number in range(6)]
    some = parallel.results(jobs, threads=3, most=4, name="test", in_order=True)
    others = parallel.results(jobs, threads=3, most=4, name="test")

    assert list(some) == list(range(6))
    assert sorted(others) == list(range(6))


def test_who_wants_no_more_results_takes_jobs_back_that_nobody_began() -> None:
    begun: list[int] = []
    jobs = (partial(begun.append, number) for number in range(100))

    given = parallel.results(jobs, threads=1, most=2, name="test")
    next(given)
    given.close()

    assert 1 <= len(begun) <= 3


def test_the_first_error_of_a_job_comes_out_and_the_others_end() -> None:
    jobs = [partial(int, text) for text in ("1", "no number", "2")]

    with pytest.raises(ValueError, match="no number"):
        list(parallel.results(jobs, threads=2, most=3, name="test", in_order=True))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_is_done_apart_comes_to_its_end_though_who_waits_is_interrupted() -> None:
    for moment in count():
        done: list[int] = []
        if not is_interrupted(moment, partial(parallel.apart, partial(done.append, 1))):
            break
        assert parallel.apart(partial(int, "7")) == 7

    assert done == [1]


def test_work_that_was_taken_back_is_not_done_by_anybody() -> None:
    done: list[int] = []
    task = Task(partial(done.append, 1))

    task.end()
    task.help()
    task.end()

    assert not done


def test_an_error_comes_out_once_and_its_frames_are_let_go() -> None:
    task = Task(partial(int, "no number"))

    task.help()
    task.end()

    with pytest.raises(ValueError, match="no number"):
        task.result()
    task.raise_error()


def test_no_more_threads_begin_than_are_allowed_and_none_while_one_is_idle() -> None:
    helpers, before = Helpers(3, "few"), threading.active_count()
    tasks = [Task(partial(time.sleep, 0)) for _ in range(40)]

    for task in tasks:
        assert helpers.give(task.help)
        while not task.has_ended:
            time.sleep(0.0001)
        time.sleep(0.001)
    alone = threading.active_count() - before
    for _ in range(40):
        helpers.give(partial(time.sleep, 0.001))

    assert 1 <= alone <= 3
    assert threading.active_count() - before <= 3
    helpers.end()
    assert threading.active_count() <= before


def test_where_the_system_gives_no_thread_the_caller_does_it_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    places = Places()
    monkeypatch.setattr(threading.Thread, "start", start)
    for pool in (parallel.computing_pool, parallel._fetching):
        monkeypatch.setattr(pool, "_values", [])

    run([partial(places.job, 1)] * 4, threads=3, requests=2)
    run([Fetch(partial(places.fetch, 1))] * 4, threads=3, requests=2)

    assert len(places.done) == 12


_AT_EXIT = """
import atexit, sys
from contextlib import closing
from functools import partial
from lazydicom._array.work.parallel import Fetch, run

def last():
    run([partial(sys.stdout.write, "job\\n")] * 2, threads=2, requests=2)
    fetched = partial(sys.stdout.write, "fetched\\n")
    run([Fetch(partial(tuple, [fetched]))], threads=2, requests=2)

{code}
"""


@pytest.mark.parametrize(
    "code",
    [
        "atexit.register(last)",
        "last(); atexit.register(last)",
        "atexit.register(last); last()",
    ],
)
def test_arrays_can_be_read_while_the_interpreter_ends(code: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _AT_EXIT.format(code=code)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    times = 1 + ("last()" in code)
    assert sorted(ended.stdout.split()) == ["fetched"] * times + ["job"] * 2 * times
    assert (ended.returncode, ended.stderr) == (0, "")
