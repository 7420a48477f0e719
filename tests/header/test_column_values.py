"""Times as they are written become seconds, or no time at all; texts become capitals."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lazydicom
from lazydicom._header.columns.column import in_capitals, seconds_of

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


@given(st.lists(st.text(max_size=6), min_size=1, max_size=5))
def test_letters_of_texts_become_capitals_and_nothing_else(texts: list[str]) -> None:
    column = np.array(texts, np.str_)

    expected = ["".join(c.upper() if c.isascii() else c for c in t) for t in column]

    assert in_capitals(column).tolist() == expected
    assert in_capitals(column[::-1, None]).tolist() == [[t] for t in expected[::-1]]


def test_no_function_is_used_that_asks_python_for_each_text() -> None:
    """NumPy loses an interrupt that comes while `str` or `bytes` is asked."""
    asks = re.compile(
        r"np\.(char|strings)\.(upper|lower|title|capitalize|swapcase|decode|encode|join)\b"
    )

    found = [
        (path.name, match[0])
        for path in Path(lazydicom.__file__).parent.rglob("*.py")
        for match in asks.finditer(path.read_text("utf-8"))
    ]

    assert not found
