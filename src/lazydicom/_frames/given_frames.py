"""Frames that were given while a table was only believed.

A frame that went out cannot be called back. Should the fragments show later that the table is
wrong, the same number must not stand for another frame: that is an error, once and for all.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lazydicom._frames.index import FrameIndex
from lazydicom.errors import InvalidDicomError

_NOT_GIVEN = -1


@dataclass(eq=False)
class GivenFrames:
    """Where each frame that was given began."""

    frames: int
    """How many there are."""
    offsets: NDArray[np.int64] | None = None
    """By frame; made when the first one is given."""

    def note(self, frame: int, offset: int) -> None:
        """Remember that a frame was given, and where it was read."""
        if self.offsets is None:
            self.offsets = np.full(self.frames, _NOT_GIVEN, np.int64)
        self.offsets[frame] = offset

    def check(self, index: FrameIndex) -> None:
        """Compare with what the fragments show.

        Raises
        ------
        InvalidDicomError
            If a frame that was given lies elsewhere.
        """
        if self.offsets is None:
            return
        both = min(len(index), self.frames)
        given = self.offsets[:both]
        moved = np.flatnonzero((given != _NOT_GIVEN) & (given != index.offsets[:both]))
        if len(moved):
            frame = int(moved[0])
            message = "An offset table that was believed gave another frame before"
            raise InvalidDicomError(message, offset=int(given[frame]), frame=frame)
