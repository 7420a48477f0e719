"""Index expressions of every kind that NumPy knows, new axes aside, for Hypothesis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class Integer:
    """Whatever stands for an integer, as NumPy and Python take it."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        """Give the integer."""
        return self.value

    def __repr__(self) -> str:
        """Show it where a test fails."""
        return f"Integer({self.value})"


INTEGERS = st.sampled_from((int, np.int64, np.int8, np.uint16, np.intp, Integer))
ARRAY_SHAPES = st.sampled_from(
    ((), (0,), (1,), (3,), (1, 3), (2, 1), (2, 3), (2, 1, 1))
)


@st.composite
def index_expressions(draw: st.DrawFn, shape: tuple[int, ...]) -> Any:  # noqa: ANN401
    """Draw one key, or a tuple of keys; few of them are out of range."""
    keys: list[Any] = []
    axis = 0
    while axis < len(shape) and draw(st.integers(0, 5)):
        key, axes = draw(_one_key(shape[axis:]))
        keys.append(key)
        axis += axes
    if draw(st.booleans()):
        keys.insert(draw(st.integers(0, len(keys))), Ellipsis)
    if draw(st.integers(0, 30)) == 30:
        keys.append(0)  # may be one too many
    alone = len(keys) == 1 and draw(st.booleans())
    return keys[0] if alone else tuple(keys)


def _one_key(rest: tuple[int, ...]) -> st.SearchStrategy[tuple[Any, int]]:
    length = rest[0]
    alone = st.one_of(
        _integers(length), _slices(length), _lists(length), _arrays(length)
    )
    return st.one_of(alone.map(lambda key: (key, 1)), _masks(rest))


def _position(length: int) -> st.SearchStrategy[int]:
    """Positions of both signs; one in many is out of range."""
    inside = st.integers(-length, length - 1)
    return st.integers(0, 60).flatmap(
        lambda n: st.sampled_from((-length - 1, length)) if n == 60 else inside
    )


def _integers(length: int) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda kind, value: kind(value),
        INTEGERS.filter(lambda kind: kind is not np.uint16),
        _position(length),
    )


def _slices(length: int) -> st.SearchStrategy[slice]:
    bound = st.none() | st.integers(-length - 2, length + 2)
    step = st.none() | st.integers(-3, 3).filter(bool)
    return st.builds(slice, bound, bound, step)


def _lists(length: int) -> st.SearchStrategy[list[int]]:
    return st.lists(_position(length), max_size=4)


@st.composite
def _arrays(draw: st.DrawFn, length: int) -> NDArray[Any]:
    shape = draw(ARRAY_SHAPES)
    count = int(np.prod(shape))
    values = draw(st.lists(_position(length), min_size=count, max_size=count))
    return np.array(values, dtype=np.int64).reshape(shape)


@st.composite
def _masks(draw: st.DrawFn, rest: Sequence[int]) -> tuple[Any, int]:
    axes = draw(st.integers(1, len(rest)))
    shape = list(rest[:axes])
    if draw(st.integers(0, 40)) == 40:
        shape[0] += 1
    count = int(np.prod(shape))
    bits = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    mask = np.array(bits).reshape(shape)
    return (mask.tolist() if axes == 1 and draw(st.booleans()) else mask), axes
