"""What exports take: lazy arrays, and arrays of dask and xarray, behind which are no files."""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.coordinate import Coordinate
from lazydicom._array.fill import FillValue
from lazydicom._array.image import DicomImage
from lazydicom._array.lazy_array import LazyArray, check_lazy
from lazydicom._array.work.plan import ReadPlan, sum_plans


class Indexable(Protocol):
    """What arrays of dask and xarray have."""

    @property
    def shape(self) -> Any:  # noqa: ANN401 (dask knows NaN)
        """Length of each axis."""
        ...

    @property
    def dtype(self) -> Any:  # noqa: ANN401
        """Type of the values."""
        ...

    def __getitem__(self, key: Any, /) -> Any:  # noqa: ANN401
        """Select a region."""
        ...


Exportable: TypeAlias = LazyArray | Indexable
"""What exports take; anything else is a `TypeError`."""

_MORE: Final = ", or an array of dask or xarray"
_KINDS: Final = "iuf"
_EXPECTED: Final = {
    "storage_options": "a mapping",
    "progress": "a function",
    "name": "text",
}


@dataclass(frozen=True, eq=False)
class PlainArray:
    """An array of dask or xarray, with what exports ask of an array."""

    values: Any
    dims: tuple[str, ...]
    token: str
    """What dask calls these values: the same for the same computation."""
    chunks: tuple[int, ...]
    """What is computed at once."""
    coords: Mapping[str, Coordinate] = field(default_factory=dict)
    attrs: Mapping[str, Any] = field(default_factory=dict)
    images: tuple[DicomImage, ...] = ()
    fill_value: FillValue = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return tuple(map(int, self.values.shape))

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values, in native byte order."""
        dtype: np.dtype[Any] = np.dtype(self.values.dtype)
        return dtype.newbyteorder("=")

    @property
    def nbytes(self) -> int:
        """Bytes of all values."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def grid_axes(self) -> int:
        """Axes before rows and columns."""
        return self.ndim - 2 - (self.dims[-1] == "sample")

    def chunk_frames(self, frames: int) -> tuple[int, ...]:
        """Return the lengths of a chunk of so many planes."""
        plane = self.shape[self.grid_axes :]
        if not self.grid_axes:
            return plane
        *outer, last = self.shape[: self.grid_axes]
        return (*(1 for _ in outer), min(frames, max(last, 1)), *plane)

    def read(self, key: Any, *, threads: int | None = None) -> NDArray[Any]:  # noqa: ANN401
        """Compute a region, with the scheduler of dask that is current."""
        del threads
        return np.asarray(self.values[key]).astype(self.dtype, copy=False)

    def plan(self, key: Any = ...) -> ReadPlan:  # noqa: ANN401
        """Return nothing: who computes the values knows what is read."""
        del key
        return sum_plans(())

    def identity(self) -> tuple[object, ...]:
        """Return what tells these values from any other."""
        return ("dask", self.token, self.dims, self.shape, self.dtype.str)


def exported_array(values: object, taker: str) -> LazyArray:
    """Return what an export reads.

    Raises
    ------
    TypeError
        If it is no array, or one of something else than numbers.
    ValueError
        If it has no rows and columns, or nobody knows how many.
    """
    dask, xarray = sys.modules.get("dask.array"), sys.modules.get("xarray")
    if dask is not None and isinstance(values, dask.Array):
        dims = (*(f"axis_{k}" for k in range(values.ndim - 2)), "y", "x")
        return _checked(values, dims[: values.ndim], values, {}, {})
    if xarray is not None and isinstance(values, xarray.DataArray):
        coords = {
            str(name): Coordinate(
                tuple(map(str, one.dims)), one.values, str(one.attrs.get("units", ""))
            )
            for name, one in values.coords.items()
            if one.ndim and one.dtype.kind in _KINDS
        }
        lazy = values.chunk().data if values.chunks is None else values.data
        return _checked(
            values, tuple(map(str, values.dims)), lazy, coords, dict(values.attrs)
        )
    return check_lazy(values, taker, more=_MORE)


def check_numbers(**numbers: int | None) -> None:
    """Refuse what is no number of 1 or more, by the name of the argument.

    Raises
    ------
    TypeError
        If it is no integer.
    ValueError
        If it is less than 1.
    """
    for name, number in numbers.items():
        if number is None:
            continue
        if isinstance(number, bool) or not isinstance(number, int | np.integer):
            kind = type(number).__name__
            raise TypeError(f"Expected {name} of 1 or more, found {kind}")
        if number < 1:
            raise ValueError(f"Expected {name} of 1 or more, found {number}")


def check_kinds(
    *,
    storage_options: object = None,
    progress: object = None,
    name: object = None,
) -> None:
    """Refuse arguments of another kind, by their name.

    Raises
    ------
    TypeError
        If one is of another kind.
    """
    kinds = (
        ("storage_options", storage_options, isinstance(storage_options, Mapping)),
        ("progress", progress, callable(progress)),
        ("name", name, isinstance(name, str)),
    )
    for argument, value, fits in kinds:
        if value is not None and not fits:
            expected = _EXPECTED[argument]
            kind = type(value).__name__
            raise TypeError(f"Expected {argument}: {expected}, found {kind}")


def exported_levels(
    values: Exportable | Sequence[Exportable], taker: str
) -> Sequence[LazyArray]:
    """Return the levels of an image, or the one array that is given."""
    if isinstance(values, list | tuple) and values:
        return [exported_array(one, taker) for one in values]
    return [exported_array(values, taker)]


def _checked(
    values: Any,  # noqa: ANN401 (of dask or xarray, which have few types)
    dims: tuple[str, ...],
    lazy: Any,  # noqa: ANN401 (of dask)
    coords: Mapping[str, Coordinate],
    attrs: Mapping[str, Any],
) -> PlainArray:
    if values.dtype.kind not in _KINDS:
        raise TypeError(f"Expected integers or floats, found {values.dtype}")
    least = 3 if dims[-1:] == ("sample",) else 2
    if values.ndim < least or not all(map(math.isfinite, lazy.shape)):
        message = f"Expected rows and columns of known number, found {lazy.shape}"
        raise ValueError(message)
    chunks = tuple(map(max, lazy.chunks)) if 0 not in lazy.shape else lazy.shape
    return PlainArray(values, dims, str(lazy.name), chunks, coords, attrs)
