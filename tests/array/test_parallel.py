"""Jobs run at once, and none of them outlives the call."""

from __future__ import annotations

import signal
import time
from _thread import interrupt_main
from threading import Event, Timer, current_thread, main_thread
from typing import TYPE_CHECKING

import pytest

from lazydicom._array.work.parallel import Fetch, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lazydicom._array.work.parallel import Job


@pytest.mark.parametrize("fetched", [False, True])
def test_after_an_error_nobody_writes_any_more(*, fetched: bool) -> None:
    begun, written = Event(), []

    def slow() -> None:
        begun.set()
        time.sleep(0.1)
        written.append("by the slow one")

    def failing() -> None:
        begun.wait()
        raise ZeroDivisionError

    def fetch(job: Job) -> Job | Fetch:
        def read() -> list[Job]:
            job()
            return []

        return Fetch(read) if fetched else job

    with pytest.raises(ZeroDivisionError):
        run(map(fetch, [slow, failing]), threads=2, requests=2)

    assert written == ["by the slow one"]


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Let SIGINT interrupt, also where the suite runs in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_while_waiting_for_a_helper_leaves_nobody_who_writes() -> None:
    theirs, interrupted, written = Event(), Event(), []

    def interrupt() -> None:
        interrupt_main()
        time.sleep(0.2)
        interrupted.set()

    def job() -> None:
        if current_thread() is main_thread():
            theirs.wait()
            Timer(0.05, interrupt).start()
        else:
            theirs.set()
            interrupted.wait()
            written.append("by the helper")

    with pytest.raises(KeyboardInterrupt):
        run([job, job], threads=2, requests=2)

    assert written == ["by the helper"]
