"""What an axis or a frame is at: time, position, echo, the instance it came from."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Coordinate:
    """Values along one axis or several.

    >>> Coordinate(("z",), np.array([0.0, 2.5]), "mm").units
    'mm'
    """

    dims: tuple[str, ...]
    """The axes of `values`."""
    values: NDArray[Any]
    units: str = ""
    """Empty for numbers that only count, and for text."""

    def __len__(self) -> int:
        """Return the length of the first axis."""
        return len(self.values)

    def __array__(
        self,
        dtype: DTypeLike | None = None,
        copy: bool | None = None,  # noqa: FBT001 (NumPy's own signature)
    ) -> NDArray[Any]:
        """Return the values."""
        return np.array(self.values, dtype, copy=copy)
