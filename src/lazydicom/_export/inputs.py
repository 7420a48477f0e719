"""What exports take, and which of its attributes they write.

Lazy arrays are taken, and arrays of dask and xarray, behind which are no files. Attributes go
along, and where each frame came from.
"""

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.array import DicomArray
from lazydicom._array.computed import ComputedArray
from lazydicom._array.coordinate import Coordinate
from lazydicom._array.fill import FillValue
from lazydicom._array.image import DicomImage
from lazydicom._array.lazy_array import LazyArray, check_lazy
from lazydicom._array.work.plan import ReadPlan, sum_plans
from lazydicom._bytes.deferred import deferred
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._views.zarr_metadata import (
    auxiliary_names,
    check_name,
    technical_attributes,
)
from lazydicom.errors import InvalidDicomError, warn

if TYPE_CHECKING:
    from lazydicom._arrange.axes import labels as axis_labels
else:
    axis_labels = deferred("lazydicom._arrange.axes.labels")

_MORE: Final = ", or an array of dask or xarray"
_KINDS: Final = "iuf"
_EXPECTED: Final = {
    "storage_options": "a mapping",
    "progress": "a function",
    "name": "text",
}
Metadata: TypeAlias = Literal["none", "technical", "full"]


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
    if isinstance(values, DicomArray | ComputedArray):
        return values
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


def url_of(array: LazyArray) -> str:
    """Return the first file of an array, for messages; others have none."""
    return array.images[0].url if array.images else "<array>"


def warn_of_burned_in_text(array: LazyArray) -> None:
    """Warn that pixels may show a name though no attribute leaves the file."""
    if array.attrs.get("burned_in_annotation") == "YES":
        message = "Burned In Annotation is YES: pixels may show who the patient is"
        warn(message, url=url_of(array))


def warn_of_tilt(array: LazyArray) -> None:
    """Warn that planes are shifted against each other, which a scale cannot say."""
    if "gantry_tilt" in array.attrs:
        message = (
            f"Planes are shifted by a gantry tilt of {array.attrs['gantry_tilt']:.1f}°, "
            "which OME-Zarr's scale and translation leave out; the affine has it"
        )
        warn(message, url=url_of(array))


def exported_attributes(
    array: LazyArray,
    metadata: Metadata,
    name: str | None = None,
    more: Iterable[str] = (),
) -> dict[str, Any]:
    """Collect attributes as JSON has them.

    Parameters
    ----------
    array : LazyArray
        What is exported.
    metadata : {"none", "technical", "full"}
        ``"technical"`` takes the attributes of `TECHNICAL_ATTRIBUTES` that the array
        has; ``"full"`` adds the data set of each instance, in the DICOM JSON model
        (PS3.18 annex F), with all that it says about the patient.
    name : str, optional
        What the array will be called in its group, beside its coordinates.
    more : iterable of str
        Coordinates that it has besides its own.

    Raises
    ------
    ValueError
        If `metadata` is something else or not to be had, or `name` cannot be a name.
    """
    if metadata not in {"none", "technical", "full"}:
        message = f"Expected metadata 'none', 'technical' or 'full', found {metadata!r}"
        raise ValueError(message)
    if metadata == "full" and not array.images:
        raise ValueError("metadata='full' needs an array of files, which have headers")
    attributes: dict[str, Any] = {}
    if name is not None:
        check_name(array, name, more)
        others = {
            **dict.fromkeys(auxiliary_names(array).split()),
            **dict.fromkeys(more),
        }
        if others:
            attributes["coordinates"] = " ".join(others)
    if metadata != "none":
        attributes |= technical_attributes(array.attrs)
    if metadata == "full":
        attributes["dicom"] = [_dicom_json(image) for image in array.images]
    return attributes


def source_labels(array: LazyArray) -> dict[str, Coordinate]:
    """Return instance and frame of each grid position; nothing and -1 for holes.

    Raises
    ------
    ValueError
        If no frames of files stand along the axes of the array.
    """
    if isinstance(array, ComputedArray):
        return source_labels(array.source)
    if not isinstance(array, DicomArray) or array.grid_axes != len(array.grid.shape):
        raise ValueError("source=True needs an array whose planes are frames of files")
    places = array.frames.rows_of(array.grid.numbers)
    return axis_labels.origin_labels(array.frames, places, array.dims[: places.ndim])


def _dicom_json(image: DicomImage) -> dict[str, Any]:
    """Write the data set in the DICOM JSON model.

    Raises
    ------
    InvalidDicomError
        If an element holds what its VR cannot; the error does not tell what that is.
    """
    dataset, document = image.header.dataset, {}
    for tag in dataset.keys():  # noqa: SIM118 (a Dataset iterates over its elements)
        try:
            element = dataset[tag].to_json_dict(None, 0)
        except (ValueError, TypeError, AttributeError, ArithmeticError):
            message = "Expected a value that DICOM JSON can write"
            raise InvalidDicomError(message, url=image.url, tag=int(tag)) from None
        document[f"{tag:08X}"] = _without_nan(element)
    return document


def _without_nan(value: Any) -> Any:  # noqa: ANN401 (JSON)
    """Replace numbers that JSON has no word for by null."""
    if isinstance(value, dict):
        return {name: _without_nan(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
