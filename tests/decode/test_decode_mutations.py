"""Mutated codestreams kill no process that decodes in another one."""

from __future__ import annotations

import pytest
from mutations import FAMILIES, run_campaign

ALLOWED = {"refused", "decoded", "same", "worker lost"}


@pytest.mark.parametrize("family", FAMILIES)
def test_mutations_are_refused_or_decode_and_kill_nothing(family: str) -> None:
    outcomes = run_campaign(family, 300, "process")

    assert sum(outcomes.values()) == 300
    assert set(outcomes) <= ALLOWED


@pytest.mark.heavy
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("family", FAMILIES)
def test_twenty_thousand_mutations_kill_nothing(family: str) -> None:
    outcomes = run_campaign(family, 20_000, "process")

    assert sum(outcomes.values()) == 20_000
    assert set(outcomes) <= ALLOWED
