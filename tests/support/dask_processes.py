"""A scheduler and workers of dask, each in a process that has loaded lazydicom already."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, NamedTuple

import warm_process
from servers import free_port, wait_for_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.context import ForkServerProcess
    from pathlib import Path

LIMIT_S = 100
DASK = """
import os, sys
os.dup2(1, 2)
from dask.__main__ import main
main()
"""


class Worker(NamedTuple):
    process: ForkServerProcess
    address: str

    def end(self) -> int | None:
        """Wait for the end of a worker that was killed; return what it says."""
        self.process.join(LIMIT_S)
        return self.process.exitcode


@contextlib.contextmanager
def dask(command: str, port: int, *options: str) -> Iterator[ForkServerProcess]:
    """Run `dask worker` or `dask scheduler` until the block ends."""
    common = ["--host", "127.0.0.1", "--no-dashboard"]
    child, stdout = warm_process.start(DASK, command, *common, *options)
    threading.Thread(target=stdout.read, daemon=True).start()  # what it tells
    try:
        wait_for_port(port, child.is_alive)
        yield child
    finally:
        child.kill()
        child.join()
        stdout.close()


@contextlib.contextmanager
def worker(scheduler: str, folder: Path, threads: int = 1) -> Iterator[Worker]:
    """Run a worker in a process of its own."""
    port = free_port()
    options = ["--no-nanny", "--worker-port", str(port), "--nthreads", str(threads)]
    options += ["--memory-limit", "512MiB", "--local-directory", str(folder)]
    with dask("worker", port, scheduler, *options) as process:
        yield Worker(process, f"tcp://127.0.0.1:{port}")


@contextlib.contextmanager
def scheduler() -> Iterator[str]:
    """Run a scheduler in a process of its own; yield its address."""
    port = free_port()
    with dask("scheduler", port, "--port", str(port)):
        yield f"tcp://127.0.0.1:{port}"
