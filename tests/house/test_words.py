"""Words that were given up, and how docstrings begin."""

from __future__ import annotations

import re
from typing import Final

import pytest
from tools import REPOSITORY

SOURCES: Final = sorted((REPOSITORY / "src" / "lazydicom").rglob("*.py"))

GIVEN_UP: Final = {
    "trail": r"(?i)(?<![a-z])trails?(?![a-z])",  # partial index, partial reader
    "alike files": r"alike_?files?|files_alike",  # batch headers
    "own origin": r"(?i)own_?origin",  # redirects
    "mapped array": r"(?i)mapped_?array",  # computed array
    "saved instance": r"(?i)saved_?instance",  # index record
    "question": r"(?i)(?<![a-z])questions?(?![a-z])",  # request
    "answer": r"(?i)(?<![a-z])answer(s|ed)?(?![a-z])",  # response
    "road": r"(?i)(?<![a-z])roads?(?![a-z])",  # route
    "window of a file": r"(?i)file_?window|header_?window|windowed",  # lookahead
    "Tell": r'"""Tell\b',  # Return whether …
    "Give": r'"""Give\b',  # Return …
}
"""What must not be in the source, and in a comment what is said instead."""


@pytest.mark.parametrize("word", GIVEN_UP)
def test_a_word_that_was_given_up_does_not_come_back(word: str) -> None:
    lines = [
        f"{path.name}:{number}: {line.strip()}"
        for path in SOURCES
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(GIVEN_UP[word], line)
    ]

    assert not lines, "\n".join(lines)
