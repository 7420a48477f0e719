"""The one optical path and the one focal plane of a level, as its files state them.

A level of one path or one plane has no axis for it, and no coordinate: whoever lays levels on
each other asks here (PS3.3 sections C.8.12.5 and C.8.12.6).
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from lazydicom._arrange.slides.facts import SlideFacts, read_facts
from lazydicom._array.coordinate import SAME_HEIGHT
from lazydicom._array.image import DicomImage


def path_of(images: Iterable[DicomImage]) -> str | None:
    """Return the optical path of all tiles; ``None`` where none is named, or several."""
    names: set[str] = set()
    for image in images:
        facts = read_facts(image)
        names |= set(facts.paths) if len(facts.paths) == 1 else _used_paths(facts)
    names.discard("")
    return names.pop() if len(names) == 1 else None


def height_of(images: Iterable[DicomImage]) -> float | None:
    """Return the height of all tiles in mm; ``None`` where none is stated, or several."""
    heights = np.concatenate([_heights(read_facts(image)) for image in images])
    known = heights[np.isfinite(heights)]
    if not known.size or np.ptp(known) > SAME_HEIGHT:
        return None
    return float(known[0])


def _used_paths(facts: SlideFacts) -> set[str]:
    """Return those that tiles name; that of a sequence of several need not be used."""
    column = facts.columns().get("optical_path")
    return set(facts.paths) if column is None else set(np.unique(column.astype(str)))


def _heights(facts: SlideFacts) -> NDArray[np.float64]:
    """Return Z Offset, which is in µm, in mm; that of the matrix where tiles are counted."""
    if facts.is_full and facts.states_height and facts.origin is not None:
        return np.array([facts.origin[2]])
    column = facts.columns().get("slide_z")
    if column is None:
        return np.zeros(0)
    return np.asarray(column[:, 0], np.float64) / 1000
