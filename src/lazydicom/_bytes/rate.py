"""The slowest rate at which bytes may come over a network.

Silence is a fault of its own, which is asked again; a body that goes on, drop by drop, would
keep a reader for days.
"""

import time
from dataclasses import field
from typing import Final

from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom.errors import SourceError

_FREE_S: Final = 5.0
"""So long nothing is expected: a server may think before it sends."""


@dataclass(slots=True)
class Rate:
    """The rate of one body, from now on."""

    minimum: int
    """Bytes in a second; 0 lets a body take any time."""
    _begin: float = field(default_factory=time.monotonic)

    def check(self, received: int) -> None:
        """Compare the bytes that came with those that should have.

        Raises
        ------
        SourceError
            If they come more slowly.
        """
        spent = time.monotonic() - self._begin - _FREE_S
        if spent > 0 and received < self.minimum * spent:
            message = (
                f"The body comes at less than {self.minimum} bytes/s (minimum_rate)"
            )
            raise SourceError(message)
