"""`LazyArray`: what views and exports need of an array, whatever its values come from."""

import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeGuard, runtime_checkable

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lazydicom._array.fill import FillValue
from lazydicom._array.image import DicomImage

if TYPE_CHECKING:
    from lazydicom._array.coordinate import Coordinate
    from lazydicom._array.work.plan import ReadPlan


@runtime_checkable
class LazyArray(Protocol):
    """An array that reads and decodes the frames that an index expression touches."""

    @property
    def images(self) -> tuple[DicomImage, ...]:
        """The instances whose frames are read."""
        ...

    @property
    def dims(self) -> tuple[str, ...]:
        """Name of each axis."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        ...

    @property
    def ndim(self) -> int:
        """Number of axes."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values, in native byte order."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes of all values."""
        ...

    @property
    def coords(self) -> "Mapping[str, Coordinate]":
        """Coordinates by name."""
        ...

    @property
    def attrs(self) -> Mapping[str, Any]:
        """Technical attributes."""
        ...

    @property
    def fill_value(self) -> FillValue:
        """What stands where there is no frame."""
        ...

    @property
    def grid_axes(self) -> int:
        """Leading axes along which frames stand: for tiles, those of their plane too."""
        ...

    def chunk_frames(self, frames: int) -> tuple[int, ...]:
        """Return the lengths of a chunk of so many whole frames."""
        ...

    def read(self, key: Any, *, threads: int | None = None) -> Any:  # noqa: ANN401 (NumPy's)
        """Read what an index expression of NumPy touches."""
        ...

    def plan(self, key: Any = ...) -> "ReadPlan":  # noqa: ANN401
        """Return what `read` of an index expression will cost."""
        ...

    def identity(self) -> tuple[object, ...]:
        """Return what tells these values from any other, the same in every process."""
        ...


_TELLING: Final = ("images", "grid_axes", "chunk_frames", "identity", "plan", "read")
"""What no array of another library has; `isinstance` would compute all properties."""


def check_lazy(values: object, taker: str, *, more: str = "") -> LazyArray:
    """Return an array as it is.

    Parameters
    ----------
    values : object
        What somebody gave.
    taker : str
        The function that takes it, for the message.
    more : str
        What it takes besides.

    Raises
    ------
    TypeError
        If it is something else, with advice.
    """
    if _is_lazy(values):
        return values
    kind = type(values).__name__
    message = f"{taker} takes a DicomArray or a ComputedArray{more}, not {kind}"
    if isinstance(values, str | bytes | os.PathLike):
        message += "; open_image or open_series make one of files"
    elif isinstance(values, Mapping):
        message += "; name one of its arrays: study[name]"
    elif isinstance(values, list | tuple):
        message += "; name one of them"
    raise TypeError(message)


def _is_lazy(values: object) -> TypeGuard[LazyArray]:
    return all(hasattr(values, name) for name in _TELLING)


def whole_frame_lengths(array: LazyArray) -> dict[str, int]:
    """Return the lengths of a chunk that is a whole frame, by axis.

    A tile is larger than a plane that is one tile.
    """
    pixel = array.images[0].format.pixel
    lengths = dict(zip(array.dims, array.chunk_frames(1), strict=True))
    return lengths | {"y": pixel.rows, "x": pixel.columns}


class NumpyLike:
    """What NumPy and dask ask of an array: it follows from shape, type, `read`, `identity`."""

    @property
    def ndim(self: LazyArray) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self: LazyArray) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def nbytes(self: LazyArray) -> int:
        """Bytes of all values, decoded."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __len__(self: LazyArray) -> int:
        """Return the length of the first axis."""
        return self.shape[0]

    def __getitem__(self: LazyArray, key: Any) -> Any:  # noqa: ANN401 (NumPy's own)
        """Read what an index expression of NumPy touches."""
        return self.read(key)

    def __array__(
        self: LazyArray,
        dtype: DTypeLike | None = None,
        copy: bool | None = None,  # noqa: FBT001 (NumPy's own signature)
    ) -> NDArray[Any]:
        """Read everything.

        Raises
        ------
        ValueError
            If ``copy=False``: the values are not in memory.
        """
        if copy is False:
            kind = type(self).__name__
            raise ValueError(f"A {kind} cannot become an array without a copy")
        values: NDArray[Any] = self.read(...)
        return values if dtype is None else values.astype(dtype, copy=False)

    def __dask_tokenize__(self: LazyArray) -> tuple[object, ...]:
        """Return what dask prints and hashes to name these values."""
        return self.identity()
