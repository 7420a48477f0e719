"""Processes that have loaded lazydicom already: forked by a server that did only that.

A fresh interpreter spends two seconds on it. For tests of what a process of its own does to
files, memory and signals; what is loaded, and when, is seen in a fresh one alone.

>>> run("import sys; print(sys.argv[1], lazydicom.__name__)", "a").strip()
'a lazydicom'
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import traceback
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

import lazydicom

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkServerContext, ForkServerProcess
    from typing import TextIO

_OTHERS: Final = (
    "dask.array",
    "distributed.cli.dask_scheduler",
    "distributed.cli.dask_worker",
    "fsspec.implementations.memory",
    "xarray",
    "zarr.storage",
)


class Child(NamedTuple):
    process: ForkServerProcess
    stdout: TextIO

    def read(self) -> str:
        """Wait for its end; return what it printed."""
        with self.stdout:
            printed = self.stdout.read()
        self.process.join()
        return printed


def start(code: str, *arguments: object) -> Child:
    """Start to run code, as `python -c` would."""
    receiving, sending = multiprocessing.Pipe(duplex=False)
    words = tuple(map(str, arguments))
    process = context().Process(target=_run, args=(code, words, sending), daemon=True)
    process.start()
    sending.close()
    output = os.fdopen(os.dup(receiving.fileno()))
    receiving.close()
    return Child(process, output)


def run(code: str, *arguments: object) -> str:
    """Run code to its end; return what it printed."""
    child = start(code, *arguments)
    printed = child.read()
    assert child.process.exitcode == 0, printed
    return printed


@cache
def context() -> ForkServerContext:
    """Return the server: it loads what defines our public names, and the others."""
    server = multiprocessing.get_context("forkserver")
    public = (getattr(lazydicom, name) for name in dir(lazydicom))
    ours = {getattr(value, "__module__", "lazydicom") for value in public}
    server.set_forkserver_preload([*_OTHERS, *sorted(ours)])
    return server


def _run(code: str, words: tuple[str, ...], stdout: Connection) -> None:
    os.dup2(stdout.fileno(), 1)
    stdout.close()
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.argv = ["-c", *words]
    try:
        exec(code, {"__name__": "__main__", "lazydicom": lazydicom})  # noqa: S102
    except BaseException:
        traceback.print_exc(file=sys.stdout)
        raise
    finally:
        sys.stdout.flush()
