"""Times as they are written become seconds, or no time at all."""

from __future__ import annotations

import math

import pytest

from lazydicom._header.columns.column import seconds_of

NOON = 1577880000.0
"""2020-01-01 12:00 UTC."""


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("20200101120000", NOON),
        ("2020010112", NOON),
        (" 20200101120000.25 ", NOON + 0.25),
        ("20200101120000.", NOON),
        ("20200101120000+0130", NOON - 5400),
        ("20200101120000.5-0500", NOON + 18000.5),
    ],
)
def test_a_time_is_seconds_since_1970(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "202", "noon", "20201301", "20200101120000.1e5", "20200101120000.8\\0",
     "20200101120000.5_5", "2020010112²", "20200101120000.²", "0000", "9" * 30],
)  # fmt: skip
def test_what_is_no_time_is_none(text: str) -> None:
    assert math.isnan(seconds_of(text))
