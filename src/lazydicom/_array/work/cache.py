"""A bounded memory of decoded frames, for viewers that scrub back and forth."""

import threading
from collections import OrderedDict
from typing import Any

from numpy.typing import NDArray

from lazydicom._bytes.per_process import per_process


class FrameCache:
    """The frames used last, up to a number of bytes.

    It gives and takes copies, so that nobody can write into it. Any number of threads may
    use it; pickled, it travels empty.

    >>> import numpy as np
    >>> cache = FrameCache(max_bytes=8)
    >>> for number in range(3):
    ...     cache.put(number, np.full(4, number, np.uint8))
    >>> cache.get(0) is None, cache.get(2)
    (True, array([2, 2, 2, 2], dtype=uint8))
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.nbytes = 0
        self._frames: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._lock = per_process(threading.Lock)

    def get(self, number: int) -> NDArray[Any] | None:
        """Return a copy of a frame, ``None`` where it is not kept."""
        with self._lock():
            frame = self._frames.get(number)
            if frame is None:
                return None
            self._frames.move_to_end(number)
        return frame.copy()

    def put(self, number: int, frame: NDArray[Any]) -> None:
        """Keep a copy of a frame, and let go of those not used for longest."""
        if frame.nbytes > self.max_bytes:
            return
        with self._lock():
            if number in self._frames:
                return
            self._frames[number] = frame.copy()
            self.nbytes += frame.nbytes
            while self.nbytes > self.max_bytes:
                _, oldest = self._frames.popitem(last=False)
                self.nbytes -= oldest.nbytes

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle as a size: frames are decoded anew."""
        return (FrameCache, (self.max_bytes,))
