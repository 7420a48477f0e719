"""What another process says of the pixels that it read."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lazydicom import DicomArray


def hash_of(array: DicomArray) -> str:
    return sha256(np.asarray(array).tobytes()).hexdigest()
