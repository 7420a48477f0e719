"""How benchmarks decide whether a bar is held."""

import os
from functools import partial

import pytest
import quiet
from ratios import Seconds, best_seconds

FIND_ALONE = quiet._find_alone


@pytest.fixture(autouse=True)
def _on_a_machine_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet, "_find_alone", lambda _: True)


def timed(*ratios: float, rounds: int) -> Seconds:
    """Return rounds in which ours takes as many times as long as the floor."""
    following = iter(ratios)
    return Seconds(lambda: {"ours": next(following), "floor": 1.0}, rounds)


@pytest.mark.parametrize("clear", [(1.0, 1.0, 1.0), (2.0, 2.0, 2.0)])
def test_rounds_that_agree_are_enough(clear: tuple[float, ...]) -> None:
    best = timed(*clear, rounds=3)
    best.settle("ours", "floor", 1.5)
    assert len(best.rounds) == 3


@pytest.mark.parametrize(("other", "median"), [(1.0, 1.0), (2.0, 2.0)])
def test_rounds_that_do_not_agree_are_followed_by_others_and_all_count(
    other: float, median: float
) -> None:
    best = timed(2.0, 1.0, 1.0 if other == 2.0 else 2.0, *[other] * 9, rounds=3)
    best.settle("ours", "floor", 1.5)
    assert 3 < len(best.rounds) < 12
    assert best.ratio("ours", "floor") == median


def test_rounds_that_never_agree_end() -> None:
    best = timed(*[1.0, 2.0] * 6, rounds=3)
    best.settle("ours", "floor", 1.5)
    assert len(best.rounds) == 12


@pytest.mark.parametrize(
    ("alone", "ratios"),
    [([True, False, True, True], [9.0, 2.0]), ([False, False, True, True], [2.0])],
    ids=["shared after it: timed again", "shared before it: waited for"],
)
def test_a_round_counts_where_cores_are_alone_before_and_after_it(
    alone: list[bool], ratios: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(alone)
    monkeypatch.setattr(quiet, "_spent", {True: 0, False: 0})
    monkeypatch.setattr(quiet, "_find_alone", lambda _: next(answers))
    assert timed(*ratios, rounds=1).ratio("ours", "floor") == 2.0
    assert next(answers, None) is None


def test_every_round_counts_where_too_much_was_timed_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quiet, "_spent", {True: quiet._MOST_S, False: quiet._MOST_S})
    monkeypatch.setattr(quiet, "_find_alone", lambda _: False)
    assert len(timed(2.0, 3.0, rounds=2).rounds) == 2


def test_each_other_round_goes_backwards() -> None:
    seen: list[str] = []
    ways = {name: partial(seen.append, name) for name in ("ours", "floor")}
    best_seconds(ways, rounds=2)
    assert seen == ["floor", "ours", "ours", "floor"]


def test_a_thread_goes_to_the_core_that_is_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int | None] = []

    def is_alone(core: int | None = None) -> bool:
        asked.append(core)
        return core in {1, None}

    monkeypatch.setattr(quiet, "_is_alone", is_alone)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    monkeypatch.setattr(os, "sched_setaffinity", lambda *_: None)
    monkeypatch.setattr(quiet, "_find_alone", FIND_ALONE)
    assert quiet.undisturbed(lambda: 7, one_core=True) == 7
    assert asked == [0, 1, None]
