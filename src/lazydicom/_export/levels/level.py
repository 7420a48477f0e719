"""The levels of a pyramid as arrays that are computed when they are read.

Level 0 is the array with its axes in the order of OME-Zarr; every other one is made of the
level before. Memory never holds more than a chunk's worth of what is read.
"""

import math
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.array import DicomArray
from lazydicom._array.coordinate import Coordinate
from lazydicom._array.fill import FillValue
from lazydicom._array.image import DicomImage
from lazydicom._array.lazy_array import LazyArray
from lazydicom._array.work.plan import ReadPlan, sum_plans
from lazydicom._bytes.cached import cached
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._export.levels.reduce import Method, reduce_values
from lazydicom._views.zarr_codec import JpegCodec


class Readable(Protocol):
    """What a level is computed from: an array of zarr, or one of ours."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        ...

    def __getitem__(self, key: Any, /) -> Any:  # noqa: ANN401 (NumPy's own signature)
        """Read a region."""
        ...


@dataclass(frozen=True, eq=False)
class Level:
    """One level as an array without labels."""

    array: LazyArray
    """Whose pixels they are."""
    below: "Readable | Transposed | Level"
    """What it is read from."""
    dims: tuple[str, ...]
    factors: tuple[int, ...]
    """How many values of `below` become one, along each axis."""
    method: Method
    coords: Mapping[str, Coordinate] = field(default_factory=dict)
    attrs: Mapping[str, Any] = field(default_factory=dict)
    fill_value: FillValue = None
    tile_codec: JpegCodec | None = None
    """What decodes a tile of the file, where tiles are kept as they are."""

    @cached
    def shape(self) -> tuple[int, ...]:
        """Length of each axis; a remainder makes a value of its own."""
        pairs = zip(self.below.shape, self.factors, strict=True)
        return tuple(-(-length // factor) for length, factor in pairs)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values of every level."""
        return self.array.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of all values."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def images(self) -> tuple[DicomImage, ...]:
        """Where the pixels come from."""
        return self.array.images

    @property
    def grid_axes(self) -> int:
        """All axes where frames are tiles of a plane, else those before rows and columns."""
        rows = self.array.dims.index("y")
        return self.ndim if rows < self.array.grid_axes else self.ndim - 2

    def chunk_frames(self, frames: int) -> tuple[int, ...]:
        """Return the lengths of a chunk of so many planes, or of tiles of them."""
        *outer, rows, columns = self.shape
        if self.grid_axes == self.ndim:
            own = dict(
                zip(self.array.dims, self.array.chunk_frames(frames), strict=True)
            )
            rows, columns = min(own["y"], rows), min(own["x"], columns)
        elif outer:
            return (*(1 for _ in outer[1:]), min(frames, outer[-1]), rows, columns)
        return (*(1 for _ in outer), rows, columns)

    @property
    def tile_order(self) -> tuple[int, ...]:
        """The axes as they lie in a tile: samples come last."""
        axes = range(self.ndim)
        return tuple(sorted(axes, key=lambda axis: self.own_axis(axis) == "sample"))

    def own_axis(self, axis: int) -> str:
        """Return what an axis is called in the array."""
        below = self.below
        return self.array.dims[
            below.order[axis] if isinstance(below, Transposed) else axis
        ]

    def encoded_tile(self, chunk: tuple[int, ...]) -> bytes:
        """Read the tile that a chunk is; chunks are tiles, side by side in a plane."""
        array = self.array
        assert isinstance(array, DicomArray), "of files"
        places = {self.own_axis(axis): one for axis, one in enumerate(chunk)}
        inner = [name for name in array.dims if name != "sample"]
        number = array.grid.numbers[tuple(places.get(name, 0) for name in inner)]
        image, own = array.image_of(int(number))
        return image.encoded_frame(own)

    def identity(self) -> tuple[object, ...]:
        """Return what tells these values from any other."""
        return (self.array.identity(), self.dims, self.shape, self.method)

    def plan(self, key: Any = ...) -> ReadPlan:  # noqa: ANN401
        """Return nothing: levels are read to be written."""
        del key
        return sum_plans(())

    def read(self, key: Any, *, threads: int | None = None) -> Any:  # noqa: ANN401
        """Read a region; slices of the first axes are enough."""
        region = [part.indices(n) for part, n in zip(key, self.shape, strict=False)]
        region += [(0, length, 1) for length in self.shape[len(region) :]]
        below = tuple(
            slice(start * factor, min(stop * factor, length))
            for (start, stop, _), factor, length in zip(
                region, self.factors, self.below.shape, strict=True
            )
        )
        if isinstance(self.below, Transposed | Level):
            values = self.below.read(below, threads=threads)
        else:
            values = np.asarray(self.below[below])
        return reduce_values(values, self.factors, self.method)


@dataclass(frozen=True, slots=True, eq=False)
class Transposed:
    """An array with its axes in another order, those of length 1 in or left out."""

    array: LazyArray
    order: tuple[int, ...]
    """Axis of the array behind each axis here."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return tuple(self.array.shape[axis] for axis in self.order)

    def read(self, key: tuple[slice, ...], *, threads: int | None) -> NDArray[Any]:
        """Read a region."""
        by_axis = dict(zip(self.order, key, strict=True))
        left_out = [a for a in range(self.array.ndim) if a not in by_axis]
        own = tuple(by_axis.get(axis, slice(None)) for axis in range(self.array.ndim))
        values = self.array.read(own, threads=threads)
        whole: NDArray[Any] = values.transpose(*left_out, *self.order)
        return whole.reshape(whole.shape[len(left_out) :])
