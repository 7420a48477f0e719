"""Running independent jobs on all cores, or on one thread inside somebody else's task."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeAlias

Job: TypeAlias = Callable[[], None]


def run(jobs: Iterable[Job], *, threads: int) -> None:
    """Run all jobs; the first error ends it."""
    waiting = list(jobs)
    if threads == 1 or len(waiting) == 1:
        for job in waiting:
            job()
        return
    for _ in _pool(threads, os.getpid()).map(_call, waiting):
        pass


def available_cores() -> int:
    """Count the cores that this process may use."""
    return (
        len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else (os.cpu_count() or 1)
    )


@cache
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """Keep one pool per process: a fork inherits no threads."""
    return ThreadPoolExecutor(threads, thread_name_prefix=f"lazydicom-{process}")


def _call(job: Job) -> None:
    job()
