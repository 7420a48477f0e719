"""Running independent jobs on all cores, or on one thread inside somebody else's task."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TypeAlias, TypeVar

Job: TypeAlias = Callable[[], None]
T = TypeVar("T")


def run(jobs: Iterable[Job], *, threads: int | None) -> None:
    """Run all jobs, by default on all cores; the first error ends it."""
    waiting = list(jobs)
    if threads == 1 or len(waiting) == 1:
        for job in waiting:
            job()
        return
    for _ in _pool(threads or available_cores(), os.getpid()).map(_call, waiting):
        pass


def _run_fetches(fetches: Iterable[Fetch], *, threads: int, requests: int) -> None:
    """Use what came while the rest is under way; no more than `requests` is held."""
    queue = iter(fetches)
    pool = _pool(requests, os.getpid(), "fetch")
    running = {pool.submit(fetch.read) for fetch in islice(queue, requests)}
    try:
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            while done:
                _run_jobs(done.pop().result(), threads=threads)
                running |= {pool.submit(fetch.read) for fetch in islice(queue, 1)}
    finally:
        for future in running:
            future.cancel()


def read_ahead(jobs: Iterable[Callable[[], T]], *, threads: int) -> Iterator[T]:
    """Give the results of jobs in order, with as many under way as there are threads."""
    pool, waiting = _pool(threads, os.getpid()), deque[Future[T]]()
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


def available_cores() -> int:
    """Count the cores that this process may use."""
    return (
        len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else (os.cpu_count() or 1)
    )


@cache
def _pool(threads: int, process: int, purpose: str = "job") -> ThreadPoolExecutor:
    """Keep one pool per process: a fork inherits no threads."""
    name = f"lazydicom-{purpose}-{process}"
    return ThreadPoolExecutor(threads, thread_name_prefix=name)


def _call(job: Job) -> None:
    job()
