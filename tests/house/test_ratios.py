"""How benchmarks decide whether a bar is held."""

import pytest
from ratios import Seconds


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
