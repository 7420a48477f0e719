"""Running independent jobs on all cores, or on one thread inside somebody else's task."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

from lazydicom._array.work.cores import available_cores, cores, default_threads
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
        Threads that compute, by default one per core that is idle.
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
    if not waiting:
        return
    with cores().calling():
        helpers = min(threads or default_threads(), len(waiting)) - 1
        helpers = min(helpers, cores().idle)
        if helpers < 1:
            for job in waiting:
                job()
            return
        _work_with(helpers, deque(waiting))


def _work_with(helpers: int, queue: deque[Job]) -> None:
    """Work off a queue on this thread and on others, as long as cores are idle for them."""
    pool, help_with = computing_pool(), cores().help_with
    work = partial(_work_off, queue)
    running = [pool.submit(help_with, work) for _ in range(helpers)]
    try:
        _work_off(queue, _always)
    finally:
        begun = _let_end(running)
    for future in begun:
        future.result()


def _work_off(queue: deque[Job], goes_on: Callable[[], bool]) -> None:
    """Do jobs until none is left, one fails, or somebody else needs the core."""
    try:
        while goes_on() and (job := next_of(queue)) is not None:
            job()
    except BaseException:
        queue.clear()
        raise


def _always() -> bool:
    return True


def next_of(queue: deque[T]) -> T | None:
    """Take the first of a queue that several take from, ``None`` where it is empty."""
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


@per_process
def memory_of_threads() -> threading.local:
    """Keep what each thread reads large frames into, which are decoded at once."""
    return threading.local()


@per_process
def computing_pool() -> "ThreadPoolExecutor":
    """Return threads that compute, one per core."""
    from concurrent.futures import ThreadPoolExecutor  # deferred: 5 ms with its log

    return ThreadPoolExecutor(available_cores(), thread_name_prefix="lazydicom-job")


@per_process
def ahead_pool() -> "ThreadPoolExecutor":
    """Return threads that mostly wait for a network."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(REQUESTS, thread_name_prefix="lazydicom-ahead")


@per_process
def _fetching() -> "ThreadPoolExecutor":
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(MOST_REQUESTS, thread_name_prefix="lazydicom-fetch")
