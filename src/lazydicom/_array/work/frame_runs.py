"""Frame numbers in a list: where each stands, and which follow each other."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


def places_of(numbers: Sequence[int]) -> dict[int, list[int]]:
    """Return where each number stands.

    >>> places_of([5, 6, 5])
    {5: [0, 2], 6: [1]}
    """
    places: dict[int, list[int]] = {}
    for place, number in enumerate(numbers):
        places.setdefault(number, []).append(place)
    return places


def frame_runs(numbers: NDArray[np.int64], most: int) -> Iterator[tuple[int, int]]:
    """Cut a list of frame numbers where they do not follow each other.

    >>> list(frame_runs(np.array([4, 5, 6, 2]), most=2))
    [(0, 2), (2, 3), (3, 4)]
    """
    breaks = np.flatnonzero(np.diff(numbers) != 1) + 1
    edges = [0, *breaks.tolist(), len(numbers)]
    for start, stop in pairwise(edges):
        for block in range(start, stop, most):
            yield block, min(block + most, stop)
