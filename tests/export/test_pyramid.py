"""What becomes of the values that a coarser one stands for."""

import numpy as np
import pytest

from lazydicom._export.levels.reduce import reduce_values


@pytest.mark.parametrize("shape", [(4, 6), (5, 7), (1, 3)])
def test_mean_at_the_edge_is_of_what_is_there(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(0).integers(0, 1000, shape)

    reduced = reduce_values(values, (2, 2), "mean")

    for i, j in np.ndindex(reduced.shape):
        block = values[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        assert reduced[i, j] == np.rint(block.mean())


@pytest.mark.parametrize(
    "dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]
)
def test_mean_of_extreme_values_is_as_extreme(dtype: str) -> None:
    limits = np.finfo(dtype) if dtype[0] == "f" else np.iinfo(dtype)
    for value in (limits.min, limits.max):
        reduced = reduce_values(np.full((3, 5), value, dtype), (2, 2), "mean")

        assert reduced.dtype == np.dtype(dtype)
        np.testing.assert_allclose(reduced.astype(float), float(value), rtol=1e-15)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4"])
def test_integer_means_are_the_nearest_ones_and_even_in_the_middle(dtype: str) -> None:
    random, limits = np.random.default_rng(7), np.iinfo(dtype)
    ends = np.array([limits.min, limits.max, 0, 1, 2, 3], dtype)

    for _ in range(40):
        axes = random.integers(1, 4)
        shape = tuple(random.integers(1, 6, axes).tolist())
        factors = tuple(random.integers(1, 3, axes).tolist())
        values = random.choice(ends, shape)

        reduced = reduce_values(values, factors, "mean")

        for place in np.ndindex(reduced.shape):
            block = values[
                tuple(
                    slice(i * n, (i + 1) * n)
                    for i, n in zip(place, factors, strict=True)
                )
            ]
            assert reduced[place] == np.rint(block.astype(np.float64).mean())
