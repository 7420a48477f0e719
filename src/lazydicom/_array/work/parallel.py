"""Running independent jobs on all cores, or on one thread inside somebody else's task."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

from lazydicom._bytes.per_process import per_process
from lazydicom._bytes.ranges import MAX_BLOCK, MOST_REQUESTS, REQUESTS

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

Job: TypeAlias = Callable[[], None]
T = TypeVar("T")


class Fetch(NamedTuple):
    """A job that waits for bytes, and gives the jobs that make something of them."""

    read: Callable[[], Sequence[Job]]
    nbytes: int = MAX_BLOCK
    """What it will hold until these are done; of small ones more are begun at once."""


def run(jobs: Iterable[Job | Fetch], *, threads: int | None, requests: int) -> None:
    """Run all jobs; the first error ends it.

    Parameters
    ----------
    jobs : iterable
        Independent of each other; fetches are begun in their order, and asked for as
        others end.
    threads : int, optional
        Threads that compute, by default one per core.
    requests : int
        Fetches of blocks under way at once: they wait, so cores say nothing about their
        number. Of small ones as many as hold the same bytes, up to `MOST_REQUESTS`.
    """
    waiting: list[Job] = []
    fetches = _fetches(jobs, waiting)
    first = next(fetches, None)
    if first is not None:
        _run_fetches(first, fetches, threads=threads, requests=requests)
    _run_jobs(waiting, threads=threads)


def _fetches(
    jobs: Iterable[Job | Fetch], others: list[Job]
) -> Generator[Fetch, None, None]:
    """Return the fetches one by one: some are only known once others came to their end."""
    try:
        for job in jobs:
            if isinstance(job, Fetch):
                yield job
            else:
                others.append(job)
    finally:  # it may have to let go of fetches that wait for each other
        if isinstance(jobs, Generator):
            jobs.close()


def _run_jobs(waiting: Sequence[Job], *, threads: int | None) -> None:
    """Work off a queue with helpers; to wake a thread for each job would cost more."""
    if len(waiting) < 2 or threads == 1:
        for job in waiting:
            job()
        return
    queue = deque(waiting)
    helpers = min(threads or available_cores(), len(queue)) - 1
    pool = _computing()
    running = [pool.submit(_work_off, queue) for _ in range(helpers)]
    try:
        _work_off(queue)
    finally:
        begun = _let_end(running)
    for future in begun:
        future.result()


def _work_off(queue: deque[Job]) -> None:
    """Do jobs until none is left, or one fails."""
    try:
        while (job := _next(queue)) is not None:
            job()
    except BaseException:
        queue.clear()
        raise


def _next(queue: deque[Job]) -> Job | None:
    try:
        return queue.popleft()
    except IndexError:
        return None


def _run_fetches(
    first: Fetch,
    fetches: Generator[Fetch, None, None],
    *,
    threads: int | None,
    requests: int,
) -> None:
    """Use what came while the rest is under way; no more than `requests` blocks are held."""
    from concurrent.futures import FIRST_COMPLETED, wait

    pool, ahead = _fetching(), chain([first], fetches)
    most, most_bytes = max(requests, MOST_REQUESTS), requests * MAX_BLOCK
    running: dict[Future[Sequence[Job]], int] = {}

    def begin() -> None:
        held = sum(running.values())
        while len(running) < most and (not running or held < most_bytes):
            fetch = next(ahead, None)
            if fetch is None:
                return
            running[pool.submit(fetch.read)] = fetch.nbytes
            held += fetch.nbytes

    try:
        begin()
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                _run_jobs(future.result(), threads=threads)
                del running[future]
                begin()
    finally:
        fetches.close()
        _let_end(running)


def _let_end(running: "Iterable[Future[T]]") -> "list[Future[T]]":
    """Wait for those who have begun: they write the result, which is the caller's afterwards.

    Ctrl-C while waiting changes nothing about that, unless it comes twice.
    """
    from concurrent.futures import wait

    begun = [future for future in running if not future.cancel()]
    try:
        wait(begun)
    except KeyboardInterrupt:
        wait(begun)
        raise
    return begun


def read_ahead(
    jobs: Iterable[Callable[[], T]], *, threads: int, waits: bool
) -> Iterator[T]:
    """Return the results of jobs in order, with as many under way as there are threads.

    Jobs that mostly wait for a network have threads of their own.
    """
    pool = _ahead() if waits else _computing()
    waiting: deque[Future[T]] = deque()
    try:
        for job in jobs:
            waiting.append(pool.submit(job))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def growing(length: int, first: int, later: int) -> Iterator[tuple[int, int]]:
    """Yield start and length of parts, of which the first one is shorter.

    Over a network it comes soon, and later ones are worth many requests.

    >>> list(growing(12, 2, later=5))
    [(0, 2), (2, 5), (7, 5)]
    """
    start, step = 0, first
    while start < length:
        yield start, step
        start, step = start + step, later


def available_cores() -> int:
    """Count the cores that this process may use."""
    return (
        len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else (os.cpu_count() or 1)
    )


@per_process
def _computing() -> "ThreadPoolExecutor":
    from concurrent.futures import ThreadPoolExecutor  # deferred: 5 ms with its log

    return ThreadPoolExecutor(available_cores(), thread_name_prefix="lazydicom-job")


@per_process
def _ahead() -> "ThreadPoolExecutor":
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(REQUESTS, thread_name_prefix="lazydicom-ahead")


@per_process
def _fetching() -> "ThreadPoolExecutor":
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(MOST_REQUESTS, thread_name_prefix="lazydicom-fetch")
