"""What becomes of the values that a coarser one stands for: their mean, or the nearest."""

import math
from itertools import product
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Method: TypeAlias = Literal["mean", "nearest"]


def reduce_values(
    values: NDArray[Any], factors: tuple[int, ...], method: Method
) -> NDArray[Any]:
    """Make one value of a block of them; at the edges, of those that are there.

    >>> reduce_values(np.array([[1, 3, 5], [1, 3, 7]]), (2, 2), "mean")
    array([[2, 6]])
    >>> reduce_values(np.array([[1, 3, 5], [1, 3, 7]]), (2, 2), "nearest")
    array([[1, 5]])
    """
    steps = tuple(slice(None, None, factor) for factor in factors)
    if math.prod(factors) == 1:
        return values
    if method == "nearest":
        return np.ascontiguousarray(values[steps])
    if (
        values.dtype.kind in "iu"
        and values.dtype.itemsize <= 4
        and set(factors) <= {1, 2}
    ):
        return _integer_means(values, factors).astype(values.dtype)
    return _means(values, factors).astype(values.dtype)


def _integer_means(values: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
    """Return means of blocks of 1, 2, 4 or 8 values, the even one of two as near ones.

    Most blocks are whole; those at an edge, of which a part is missing, are done apart.
    """
    odd = [axis for axis, n in enumerate(factors) if values.shape[axis] % n]
    if values.dtype.itemsize > 2 or factors[-1] != 2 or values.shape[-1] < 2:
        return _means_of_parts(values, factors)
    lengths = [-(-n // factor) for n, factor in zip(values.shape, factors, strict=True)]
    means = np.empty(lengths, values.dtype)
    even = tuple(slice(n // f * f) for n, f in zip(values.shape, factors, strict=True))
    inside = tuple(slice(n // f) for n, f in zip(values.shape, factors, strict=True))
    means[inside] = _means_of_pairs(np.ascontiguousarray(values[even]), factors)
    for axis in odd:
        before = (slice(None),) * axis
        edge = values[(*before, slice(-1, None))]
        means[(*before, slice(-1, None))] = _means_of_parts(edge, factors)
    return means


def _means_of_pairs(values: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
    """Return means of whole blocks: neighbours of a row are added as halves of one number.

    This is an operation on numbers that follow each other in memory, several times as fast as
    on every second one.
    """
    bits = 8 * values.dtype.itemsize
    pairs = values.view(f"{values.dtype.kind}{2 * values.dtype.itemsize}")
    sums = pairs << bits  # the sign of the lower half comes back with it
    sums >>= bits
    sums += pairs >> bits
    for axis, factor in enumerate(factors[:-1]):
        if factor == 2:
            before = (slice(None),) * axis
            sums = (
                sums[(*before, slice(0, None, 2))] + sums[(*before, slice(1, None, 2))]
            )
    shift = sum(factor == 2 for factor in factors)
    odd = sums >> shift
    odd &= 1  # whether the lower one of two as near ones is odd
    odd += (1 << shift >> 1) - 1
    odd += sums
    odd >>= shift
    return odd


def _means_of_parts(values: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
    """Return means of blocks of any shape, adding first, second … values of all blocks."""
    parts = _parts(values, factors)
    wide = np.int32 if values.dtype.itemsize <= 2 else np.int64
    sums = np.zeros(parts[0].shape, wide)
    for part in parts:
        sums[tuple(map(slice, part.shape))] += part
    shifts = _shifts(values.shape, factors)
    halves = (1 << shifts) >> 1
    means = sums >> shifts
    np.bitwise_and(means, 1, out=means)  # whether the one below is odd
    means += halves - (halves > 0)
    means *= halves > 0
    means += sums
    means >>= shifts
    return means


def _shifts(shape: tuple[int, ...], factors: tuple[int, ...]) -> NDArray[np.int32]:
    """Return the binary logarithm of how many values a block has; one where all are alike."""
    if not any(length % factor for length, factor in zip(shape, factors, strict=True)):
        return np.array(sum(factor == 2 for factor in factors), np.int32)
    lengths = [-(-n // factor) for n, factor in zip(shape, factors, strict=True)]
    shifts = np.zeros(lengths, np.int32)
    for axis, (n, factor) in enumerate(zip(shape, factors, strict=True)):
        whole = tuple(
            slice(n // 2) if k == axis else slice(None) for k in range(len(shape))
        )
        if factor == 2:
            shifts[whole] += 1
    return shifts


def _parts(values: NDArray[Any], factors: tuple[int, ...]) -> list[NDArray[Any]]:
    """Return the first, second … value of all blocks."""
    return [
        values[tuple(slice(at, None, n) for at, n in zip(start, factors, strict=True))]
        for start in product(*map(range, factors))
    ]


def _means(values: NDArray[Any], factors: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the means of blocks in double precision; of integers, the nearest ones."""
    parts = _parts(values, factors)
    places = [tuple(map(slice, part.shape)) for part in parts]
    counts = np.zeros(parts[0].shape, np.int64)
    for here in places:
        counts[here] += 1
    means = np.zeros(parts[0].shape, np.float64)
    for part, here in zip(parts, places, strict=True):
        means[here] += part / counts[here]  # the sum of the largest ones is infinite
    if values.dtype.kind in "iu":
        np.rint(means, out=means)
    if values.dtype.kind in "iu" and values.dtype.itemsize == 8:
        # the largest integers are no doubles: they would be rounded out of their type
        largest = np.nextafter(float(np.iinfo(values.dtype).max), 0)
        np.minimum(means, largest, out=means)
    return means
