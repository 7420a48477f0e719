"""Asking again: how often, after which wait, and when to give up.

One place decides, so the clients' own retries are switched off. A fault that stays ends in
an error within ten seconds; a transfer that is slow but goes on is left alone.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from lazydicom._bytes.remote.response import TransientError, UnreachableError
from lazydicom.errors import SourceError

T = TypeVar("T")

TRIES: Final = 6
"""Faults in one of ten requests lose one read in a million."""
LIMIT_S: Final = 9.0
"""Time that failed tries and the waits between them may take."""
_FIRST_STALL_S: Final = 1.5
_STALL_GROWTH: Final = 1.25
"""Silence leaves time for four tries: with three, one read in 40,000 was lost where every
35th request falls silent."""
_FIRST_WAIT_S: Final = 0.1
_UNREACHABLE_S: Final = 0.6
"""A server that is being restarted is waited for so long; a typo in its name, too."""


async def ask_again(attempt: Callable[[float], Awaitable[T]]) -> T:
    """Await `attempt(stall_s)` until it succeeds or time is up.

    Parameters
    ----------
    attempt : callable
        Gets the seconds after which silence counts as a stall: later tries wait longer.

    Raises
    ------
    SourceError
        The last fault, when there were too many.
    """
    spent = 0.0
    for number in range(TRIES):
        stall_s = min(_FIRST_STALL_S * _STALL_GROWTH**number, LIMIT_S - spent)
        begin = time.monotonic()
        try:
            return await attempt(stall_s)
        except TransientError as error:
            message, wish_s = error.message, error.wait_s
            hopeless = isinstance(error, UnreachableError) and spent > _UNREACHABLE_S
        wait_s = max(_FIRST_WAIT_S * 2**number * random.uniform(0.5, 1.5), wish_s)  # noqa: S311
        spent += min(time.monotonic() - begin, stall_s) + wait_s
        if spent + _FIRST_STALL_S / 2 > LIMIT_S or number + 1 == TRIES or hopeless:
            break
        await asyncio.sleep(wait_s)
    raise SourceError(f"{message}; gave up after {number + 1} tries")
