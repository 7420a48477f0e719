"""`ComputedArray`: an array with a function on the values of each of its frames."""

import pickle
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.array import DicomArray
from lazydicom._array.coordinate import Coordinate
from lazydicom._array.fill import FillValue
from lazydicom._array.frame_table import FrameTable
from lazydicom._array.grid import FrameGrid
from lazydicom._array.image import DicomImage
from lazydicom._array.label_map import LabelMap
from lazydicom._array.lazy_array import NumpyLike
from lazydicom._array.selection import (
    Positions,
    Selection,
    as_slice,
    axis_keys,
    select,
)
from lazydicom._array.work.plan import ReadPlan
from lazydicom._bytes.cached import cached
from lazydicom._bytes.quick_dataclass import dataclass

Name: TypeAlias = Literal[
    "Modality LUT",
    "real world values",
    "VOI LUT",
    "palette",
    "ICC profile",
    "segments",
    "fractions",
]

_APPLIED: Final[Mapping[Name, frozenset[str]]] = {
    "Modality LUT": frozenset(
        ("rescale_slope", "rescale_intercept", "dose_grid_scaling")
    ),
    "real world values": frozenset(("rescale_slope", "rescale_intercept")),
    "VOI LUT": frozenset(("window_center", "window_width")),
    "palette": frozenset(),
    "ICC profile": frozenset(),
    "segments": frozenset(),
    "fractions": frozenset(),
}
"""What computed values must not carry: somebody would apply it again."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameFunction:
    """A function of values and of numbers that may differ from frame to frame."""

    kernel: Callable[..., NDArray[Any]]
    """Takes values and parameters."""
    parameters: tuple[NDArray[Any], ...]
    """Without axes where all frames have the same, else with the axes of the grid and of
    the frame, the latter of length 1."""
    dtype: np.dtype[Any]
    """What the kernel gives."""
    name: Name
    """What it is in the standard."""
    takes_all_samples: bool = False
    """Whether it needs all samples of a pixel to make one of them."""
    samples: int | None = None
    """Colours that it makes of a value; ``None``: it keeps the shape."""
    repeats: bool = False
    """Whether the first axis of the source repeats the same frames: one of them is read."""

    def at(self, key: Any, shape: tuple[int, ...]) -> "FrameFunction":  # noqa: ANN401
        """Return the function of the values that an index expression names."""
        if not any(one.ndim for one in self.parameters):
            return self
        selection = select(key, shape)
        parameters = tuple(
            _numbers_at(one, selection) if one.ndim else one for one in self.parameters
        )
        return replace(self, parameters=parameters)

    def digest(self) -> str:
        """Return what tells this function from others, the same in every process."""
        from hashlib import blake2b  # deferred: OpenSSL costs 5 ms of import

        return blake2b(pickle.dumps(self), digest_size=16).hexdigest()

    def __call__(self, values: NDArray[Any]) -> NDArray[Any]:
        """Compute the values of all frames."""
        return self.kernel(values, *self.parameters)


@dataclass(frozen=True, eq=False)
class ComputedArray(NumpyLike):
    """An array whose values are computed when they are read; it indexes like the array.

    Views take it as they take a `DicomArray`.
    """

    source: "FrameArray"
    """What is read."""
    function: FrameFunction

    @cached
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        samples = self.function.samples
        shape = self.source.shape
        return shape if samples is None else (*shape, samples)

    @property
    def dims(self) -> tuple[str, ...]:
        """Name of each axis."""
        dims = self.source.dims
        return dims if self.function.samples is None else (*dims, "sample")

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the computed values."""
        return self.function.dtype

    @property
    def images(self) -> tuple[DicomImage, ...]:
        """The instances whose frames stand in the grid."""
        return self.source.images

    @property
    def grid(self) -> FrameGrid:
        """Which frame stands where."""
        return self.source.grid

    @property
    def frames(self) -> FrameTable:
        """The attributes of frames of the source."""
        return self.source.frames

    @property
    def grid_axes(self) -> int:
        """Leading axes along which frames stand."""
        return self.source.grid_axes

    def chunk_frames(self, frames: int) -> tuple[int, ...]:
        """Return the lengths of a chunk of so many whole frames."""
        samples = self.function.samples
        if self.function.repeats:  # a chunk of many repeats costs as much as one of one
            first = min(frames, len(self))
            rest = self.source.chunk_frames(max(frames // max(first, 1), 1))[1:]
            return (max(first, 1), *rest)
        lengths = self.source.chunk_frames(frames)
        return lengths if samples is None else (*lengths, samples)

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Lengths of the axes behind those of the grid."""
        return self.shape[len(self.grid.shape) :]

    @property
    def coords(self) -> Mapping[str, Coordinate]:
        """Coordinates by name, without what is applied."""
        return self._not_applied(self.source.coords)

    @property
    def attrs(self) -> Mapping[str, Any]:
        """Technical attributes of the source, without what is applied."""
        attrs = self._not_applied(self.source.attrs)
        if self.function.name == "palette":  # of one colour, too
            attrs["photometric_interpretation"] = "RGB"
        return attrs

    def _not_applied(self, named: Mapping[str, Any]) -> dict[str, Any]:
        applied = _APPLIED[self.function.name]
        return {name: one for name, one in named.items() if name not in applied}

    @property
    def fill_value(self) -> FillValue:
        """What stands in holes of the source."""
        return self.source.fill_value

    def __repr__(self) -> str:
        """Return shape, type and where it comes from."""
        pairs = zip(self.dims, self.shape, strict=True)
        axes = ", ".join(f"{dim}: {length}" for dim, length in pairs)
        return f"<ComputedArray ({axes}) {self.dtype} of {self.source!r}>"

    def identity(self) -> tuple[object, ...]:
        """Return what tells these values from others: in every process the same text."""
        return ("lazydicom-mapped", self.source.identity(), self.function.digest())

    def read(self, key: Any, *, threads: int | None = None) -> Any:  # noqa: ANN401
        """Read and compute what an index expression touches; see `DicomArray.read`."""
        selection = select(key, self.shape)
        positions = selection.positions[: len(self.source.shape)]
        if self.function.takes_all_samples:
            positions = (*positions[:-1], range(self.source.shape[-1]))
        outer = _outer(positions)
        values = self.source.read(self._to_read(positions), threads=threads)
        box = self.function.at(outer, self.source.shape)(values)
        if self.function.samples is not None or self.function.takes_all_samples:
            box = box[..., as_slice(selection.positions[-1])]
        return box[selection.in_box]

    def plan(self, key: Any = ...) -> ReadPlan:  # noqa: ANN401
        """Return what `read` of an index expression will cost; see `DicomArray.plan`."""
        selection = select(key, self.shape)
        positions = selection.positions[: len(self.source.shape)]
        return self.source.plan(self._to_read(positions))

    def _to_read(self, positions: tuple[Positions, ...]) -> tuple[Any, ...]:
        """Return the index expression of what is read of the source."""
        if self.function.repeats:
            positions = (positions[0][:1], *positions[1:])
        return _outer(positions)

    def isel(self, **positions: int | slice) -> "ComputedArray":
        """Return a smaller lazy array; see `DicomArray.isel`."""
        keys = axis_keys(positions, self.dims, self.shape)
        if self.function.takes_all_samples and "sample" in positions:
            raise ValueError("Samples are computed together: index the result")
        own = {name: one for name, one in positions.items() if name in self.source.dims}
        source_keys = keys[: self.source.ndim]
        key = tuple(
            one if isinstance(one, int) else as_slice(one) for one in source_keys
        )
        function = self.function.at(key, self.source.shape)
        if isinstance(keys[0], int):
            function = replace(function, repeats=False)
        if self.function.samples is not None:
            function = _of_samples(function, keys[-1])
        return ComputedArray(self.source.isel(**own), function)


def _of_samples(function: FrameFunction, key: int | range) -> FrameFunction:
    """Return a function that makes some of the samples."""
    if key == range(function.samples or 0):
        return function
    index = key if isinstance(key, int) else as_slice(key)
    samples = None if isinstance(key, int) else len(key)
    kernel = partial(_take_samples, function.kernel, index)
    return replace(function, kernel=kernel, samples=samples)


def _take_samples(
    kernel: Callable[..., NDArray[Any]],
    index: Any,  # noqa: ANN401
    values: NDArray[Any],
    *parameters: NDArray[Any],
) -> NDArray[Any]:
    taken: NDArray[Any] = kernel(values, *parameters)[..., index]
    return taken


def _numbers_at(numbers: NDArray[Any], selection: Selection) -> NDArray[Any]:
    """Take what belongs to a selection; axes along which nothing differs stay short.

    As many numbers as values would be four times the memory of 16-bit pixels, or more.
    """
    short = [length == 1 for length in numbers.shape]
    positions = (
        range(1) if one else own
        for one, own in zip(short, selection.positions, strict=True)
    )
    by_axis = tuple(
        np.zeros_like(key) if one and isinstance(key, np.ndarray) else key
        for one, key in zip(short, selection.by_axis, strict=True)
    )
    box = numbers[np.ix_(*(np.asarray(one, np.intp) for one in positions))]
    taken: NDArray[Any] = box[replace(selection, by_axis=by_axis).in_box]
    return taken


FrameArray: TypeAlias = DicomArray | ComputedArray | LabelMap
"""What views take."""


def _outer(positions: tuple[Positions, ...]) -> tuple[Any, ...]:
    """Return the index expression of all these positions; it keeps every axis."""
    keys = tuple(as_slice(one) for one in positions)
    if sum(isinstance(key, np.ndarray) for key in keys) < 2:
        return keys
    return np.ix_(*(np.asarray(one, np.intp) for one in positions))
