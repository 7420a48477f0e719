"""Asking a server again, without the waits in between.

How often and after which wait is as ever; only nobody waits. So a test of a fault that
stays takes as long as its requests, and says of the waits what no clock need measure.
"""

from __future__ import annotations

import asyncio
import sys
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import retrying

from lazydicom._bytes.remote import response

if TYPE_CHECKING:
    from collections.abc import Awaitable

    import pytest


def skip_waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Skip what is waited between tries; return the list that it is noted in."""
    noted: list[float] = []

    sleep = asyncio.sleep

    def pass_over(seconds: float) -> Awaitable[None]:
        asks_again = sys._getframe(1).f_code is response.ask_again.__code__
        if asks_again:
            noted.append(seconds)
        return sleep(0 if asks_again else seconds)

    monkeypatch.setattr(asyncio, "sleep", pass_over)
    # What dicomweb-client asks again with.
    clock = SimpleNamespace(time=time.time, sleep=noted.append)
    monkeypatch.setattr(retrying, "time", clock)
    return noted


def shorten_stalls(monkeypatch: pytest.MonkeyPatch, *, times: float) -> None:
    """Take silence for a stall so many times sooner."""
    first = response._FIRST_STALL_S / times
    monkeypatch.setattr(response, "_FIRST_STALL_S", first)
