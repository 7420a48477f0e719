"""Jobs run at once, and none of them outlives the call."""

from __future__ import annotations

import time
from threading import Event
from typing import TYPE_CHECKING

import pytest

from lazydicom._parallel import Fetch, run

if TYPE_CHECKING:
    from lazydicom._parallel import Job


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
