"""Which frame stands at each position of an array."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

HOLE: Final = -1
"""No frame stands here."""
NOT_READ: Final = -2
"""A frame may stand here, nobody asks for it."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameGrid:
    """The frame at each grid position; frames of all images are numbered in one row."""

    numbers: NDArray[np.int64]
    """Frame number per position, `-1` for a hole; any number of axes."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each grid axis."""
        return self.numbers.shape

    def digest(self) -> str:
        """Tell this grid from any other: NumPy prints only the ends of a long one."""
        from hashlib import blake2b  # deferred: OpenSSL costs 5 ms of import

        return blake2b(self.numbers.tobytes(), digest_size=16).hexdigest()

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle as a length where frames stand in their own order."""
        flat = self.numbers.reshape(-1)
        if np.array_equal(flat, np.arange(flat.size)):
            return (stack_grid, self.shape)
        return (FrameGrid, (self.numbers,))


def stack_grid(*shape: int) -> FrameGrid:
    """Let frames stand in their own order, the last axis varying fastest.

    >>> stack_grid(2, 3).numbers
    array([[0, 1, 2],
           [3, 4, 5]])
    """
    count = int(np.prod(shape))
    return FrameGrid(np.arange(count, dtype=np.int64).reshape(shape))
