"""The attributes of frames as columns, what they have in common, their place beside an array.

They are read once, at opening, and kept; they do not travel into tasks.
"""

from itertools import accumulate
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.image import DicomImage
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._header.attributes import FRAME_ATTRIBUTES
from lazydicom._header.columns.column import Columns, unreadable
from lazydicom._header.values import is_shared
from lazydicom.errors import InvalidDicomError

Codes = NDArray[np.int64]
"""A number for each frame: those of one number are alike."""
_SIGNIFICANT: Final = 6
"""Decimals by which numbers are told apart."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameTable:
    """Frames, and a row of attributes for each.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> import lazydicom
    >>> path = get_testdata_file("rtdose.dcm", download=False)
    >>> table = lazydicom.open_image(path).frames
    >>> len(table), table.numbers("position")[1].tolist()
    (15, [189.43125, 199.43125, -756.87])
    """

    images: tuple[DicomImage, ...]
    image: NDArray[np.int64]
    """Which image each frame is of."""
    frame: NDArray[np.int64]
    """Its number in that image, counted from 0; of a mosaic, that of the plane."""
    columns: Columns
    """Every attribute that some frame has, a row per frame."""
    instances: Columns
    """What holds for whole instances, a row per image."""

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.image)

    def __repr__(self) -> str:
        """Name the columns."""
        names = ", ".join(self.columns)
        return f"<FrameTable of {len(self)} frames: {names}>"

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return a column of numbers, NaN where nothing is known: (frames, values)."""
        if name in self.instances:
            return self.instances[name][self.image]
        column = self.columns.get(name)
        if column is None:
            return np.full((len(self), 1), np.nan)
        if is_shared(column):
            one = np.where(np.isinf(column[:1]), np.nan, column[:1])
            return np.broadcast_to(one, column.shape)
        return np.where(np.isinf(column), np.nan, column)

    def computable(self, name: str) -> NDArray[np.float64]:
        """Return a column of numbers to compute with.

        Raises
        ------
        InvalidDicomError
            If something else than a number stands where one belongs.
        """
        column = self.columns.get(name)
        if column is not None and unreadable(column):
            rows = np.flatnonzero(np.isinf(column).any(axis=1))
            image = self.images[self.image[rows[0]]]
            tag = FRAME_ATTRIBUTES[name].paths[0][-1]
            message = f"Expected a number in {name}"
            raise InvalidDicomError(message, url=image.url, tag=tag)
        return self.numbers(name)

    def text(self, name: str) -> NDArray[np.str_]:
        """Return a column of text, empty where nothing is known."""
        if name in self.instances:
            return self.instances[name][self.image]
        column = self.columns.get(name)
        if column is None:
            return np.zeros(len(self), "U1")
        if is_shared(column):
            return np.broadcast_to(column[:1].astype(np.str_), column.shape)
        return column.astype(np.str_) if column.dtype.kind == "O" else column

    def has_text(self, name: str) -> bool:
        """Return whether a column of text says anything of any frame."""
        return bool((self.text(name) != "").any())

    def take(self, rows: NDArray[np.int64]) -> "FrameTable":
        """Return the table of some frames, and of the images that they are of."""
        if len(rows) == len(self) and np.array_equal(rows, np.arange(len(self))):
            return self
        used, image = np.unique(self.image[rows], return_inverse=True)
        images = tuple(self.images[k] for k in used)
        columns = {name: _taken(column, rows) for name, column in self.columns.items()}
        instances = {
            name: _taken(column, used) for name, column in self.instances.items()
        }
        return FrameTable(images, image, self.frame[rows], columns, instances)

    @property
    def grid_numbers(self) -> NDArray[np.int64]:
        """Number of each frame in a grid, which counts the frames of all images in a row."""
        counts = map(_numbers_of, self.images[:-1])
        firsts = np.array([0, *accumulate(counts)])
        numbers: NDArray[np.int64] = firsts[self.image] + self.frame
        return numbers

    def rows_of(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the row of each frame number of a grid, -1 where there is none."""
        own = self.grid_numbers
        rows = np.full(
            max(int(own.max(initial=-1)), int(numbers.max(initial=0))) + 2, -1
        )
        rows[own] = np.arange(len(own))
        wanted: NDArray[np.int64] = rows[numbers]  # a hole is the last: -1
        return wanted


def complete(table: FrameTable, name: str, other: NDArray[np.float64]) -> None:
    """Let other values stand where a frame has none of its own."""
    if np.isnan(other).all():
        return
    column = table.numbers(name).copy()
    if column.shape != other.shape:
        column = np.full(other.shape, np.nan)
    missing = np.isnan(column[:, 0])
    column[missing] = other[missing]
    table.columns[name] = column


def coded(values: NDArray[Any]) -> Codes:
    """Count the distinct rows in their order; no value is the first one."""
    if values.dtype.kind == "f":
        values = np.nan_to_num(np.round(values, _SIGNIFICANT), nan=-np.inf) + 0.0
    axis = 0 if values.ndim == 2 else None
    if values.ndim == 2 and values.shape[1] == 1:
        values, axis = values[:, 0], None
    codes = np.unique(values, axis=axis, return_inverse=True)[1]
    return codes.reshape(-1).astype(np.int64)


def in_turn(texts: NDArray[np.str_]) -> Codes:
    """Count the distinct texts in the order in which they come."""
    first, codes = np.unique(texts, return_index=True, return_inverse=True)[1:]
    place = np.argsort(np.argsort(first))
    return np.asarray(place[codes.reshape(-1)], np.int64)


def combine(*codes: Codes) -> Codes:
    """Count the distinct combinations."""
    together = codes[0]
    for one in codes[1:]:
        together = coded((together * (int(one.max()) + 1) + one)[:, None])
    return together


def determined(cells: Codes, codes: Codes) -> bool:
    """Return whether `codes` is the same for all frames of a cell."""
    return int(combine(cells, codes).max()) == int(cells.max())


def count_objects(uids: NDArray[np.str_]) -> NDArray[np.int64]:
    """Return the number of the object of each image; one without UID is an object alone.

    >>> count_objects(np.array(["1.2.7", "", "1.2.5", "", "1.2.7"])).tolist()
    [6, 1, 5, 3, 6]
    """
    known, codes = np.unique(uids, return_inverse=True)
    numbers = codes.astype(np.int64)
    if known[:1].any():  # empty sorts first
        return numbers
    unknown = np.flatnonzero(uids == "")
    numbers += len(uids) - 1
    numbers[unknown] = unknown
    return numbers


def _taken(column: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[Any]:
    if is_shared(column) and len(rows):
        return np.broadcast_to(column[:1], (len(rows), *column.shape[1:]))
    return column[rows]


def _numbers_of(image: DicomImage) -> int:
    """Return how many numbers a grid keeps for an image."""
    return len(image) * (1 if image.parts is None else image.parts.per_frame)
