"""`LabelMap`: an array of segments, each 0 or 1, read as one plane of segment numbers."""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.array import DicomArray
from lazydicom._array.coordinate import Coordinate
from lazydicom._array.frame_table import FrameTable
from lazydicom._array.grid import FrameGrid
from lazydicom._array.image import DicomImage
from lazydicom._array.lazy_array import NumpyLike
from lazydicom._array.selection import Positions, as_slice, is_whole, select
from lazydicom._array.work.parallel import run
from lazydicom._array.work.plan import ReadPlan, sum_plans
from lazydicom._bytes.cached import cached
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.ranges import REQUESTS
from lazydicom._frames.index import is_distant
from lazydicom.errors import InvalidDicomError

OnOverlap: TypeAlias = Literal["error", "first", "last"]

_MOST_AT_ONCE: Final = 1 << 25
"""Bytes of segments that a thread holds: 32 MiB."""


@dataclass(frozen=True, eq=False)
class LabelMap(NumpyLike):
    """The number of the segment at each voxel, 0 where there is none.

    Views take it as they take a `DicomArray`.
    """

    source: DicomArray
    """Segments as 0 and 1, the first axis counts them by number."""
    numbers: NDArray[np.int64]
    """Segment numbers along the first axis of the source, rising."""
    on_overlap: OnOverlap = "error"

    @property
    def dims(self) -> tuple[str, ...]:
        """Name of each axis."""
        return self.source.dims[1:]

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return self.source.shape[1:]

    @cached
    def dtype(self) -> np.dtype[Any]:
        """The smallest unsigned type that holds the numbers."""
        return np.min_scalar_type(int(self.numbers.max(initial=0)))

    @property
    def images(self) -> tuple[DicomImage, ...]:
        """The instances whose frames are read."""
        return self.source.images

    @property
    def grid(self) -> FrameGrid:
        """Which frame of the first segment stands where."""
        return FrameGrid(
            self.source.grid.numbers[0],
            self.source.grid.layout,
            self.source.grid.crop,
        )

    @property
    def frames(self) -> FrameTable:
        """The attributes of frames of the source."""
        return self.source.frames

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Lengths of the axes behind those of the grid."""
        return self.source.frame_shape

    @property
    def grid_axes(self) -> int:
        """Leading axes along which frames stand."""
        return self.source.grid_axes - 1

    @property
    def coords(self) -> Mapping[str, Coordinate]:
        """Coordinates of what is left of the axes."""
        return {
            name: one
            for name, one in self.source.coords.items()
            if "segment" not in one.dims
        }

    @property
    def attrs(self) -> Mapping[str, Any]:
        """Technical attributes of the source."""
        return {**self.source.attrs, "bits_stored": 8 * self.dtype.itemsize}

    @property
    def fill_value(self) -> int:
        """What stands where there is no segment."""
        return 0

    def chunk_frames(self, frames: int) -> tuple[int, ...]:
        """Return the lengths of a chunk of so many whole planes."""
        one = self.source.chunk_frames(frames)[1:]
        return one if self.source.grid_axes > 2 else (min(frames, len(self)), *one[1:])

    def __repr__(self) -> str:
        """Return shape, type and where it comes from."""
        pairs = zip(self.dims, self.shape, strict=True)
        axes = ", ".join(f"{dim}: {length}" for dim, length in pairs)
        return f"<LabelMap ({axes}) {self.dtype} of {self.source!r}>"

    def identity(self) -> tuple[object, ...]:
        """Return what tells these values from others: in every process the same text."""
        numbers = tuple(self.numbers.tolist())
        return ("lazydicom-labels", self.source.identity(), numbers, self.on_overlap)

    def read(self, key: Any, *, threads: int | None = None) -> Any:  # noqa: ANN401
        """Read what an index expression touches; see `DicomArray.read`.

        Raises
        ------
        InvalidDicomError
            If two segments hold one voxel, and the caller chose neither.
        """
        selection = select(key, self.shape)
        box = np.zeros(selection.box_shape, self.dtype)
        if box.size:
            planes, *plane = selection.positions
            jobs = (
                partial(self._fill_plane, int(z), tuple(plane), box[k])
                for k, z in enumerate(planes)
            )
            run(jobs, threads=threads, requests=REQUESTS)
        return box[selection.in_box]

    def plan(self, key: Any = ...) -> ReadPlan:  # noqa: ANN401
        """Return what `read` of an index expression will cost; see `DicomArray.plan`."""
        planes, *plane = select(key, self.shape).positions
        inside = tuple(map(as_slice, plane))
        return sum_plans(
            self.source.plan((self._present(int(z)), slice(z, z + 1), *inside))
            for z in map(int, planes)
        )

    def isel(self, **positions: int | slice) -> "LabelMap":
        """Return a smaller lazy array; see `DicomArray.isel`.

        Raises
        ------
        TypeError
            If a key is an integer: a plane of labels keeps its axis.
        """
        if any(isinstance(one, int) for one in positions.values()):
            raise TypeError("Expected slices of a label map, which keep its axes")
        return LabelMap(self.source.isel(**positions), self.numbers, self.on_overlap)

    def _present(self, z: int) -> NDArray[np.int64]:
        """Return the segments of which there is a frame in a plane."""
        numbers = self.source.grid.numbers[:, z]
        return np.flatnonzero((numbers.reshape(len(numbers), -1) >= 0).any(axis=1))

    def _fill_plane(
        self, z: int, plane: tuple[Positions, ...], out: NDArray[Any]
    ) -> None:
        """Put all segments of a plane into one; the order of segments decides, nothing else."""
        present = self._present(z)
        order = present[::-1] if self.on_overlap == "first" else present
        may_overlap, held = self.on_overlap != "error", 0
        for segment, mask in self._masks(order.tolist(), z, plane):
            number = out.dtype.type(self.numbers[segment])
            if may_overlap:
                np.copyto(out, number, where=mask)
                continue
            # three times as fast as a masked copy
            out |= np.multiply(mask.view(np.uint8), number, dtype=out.dtype)
            held += int(np.count_nonzero(mask))
        if not may_overlap and held > np.count_nonzero(out):
            raise self._overlap(z, plane)

    def _masks(
        self, segments: Sequence[int], z: int, plane: tuple[Positions, ...]
    ) -> Iterator[tuple[int, NDArray[np.bool_]]]:
        """Yield where each segment is in a plane: whole frames one by one, parts together."""
        source = self.source
        whole = source.grid.is_stack_of_frames and is_whole(plane, source.shape[2:])
        if whole and not any(is_distant(image.reader) for image in source.images):
            for segment in segments:
                yield segment, self._as_mask(source[segment, z])
            return
        at_once = max(_MOST_AT_ONCE // max(math.prod(map(len, plane)), 1), 1)
        for start in range(0, len(segments), at_once):
            some = segments[start : start + at_once]
            masks = source.read(_key(some, z, plane), threads=1)[:, 0]
            yield from zip(some, self._as_mask(masks), strict=True)

    def _as_mask(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Return where values are not 0; bits are 0 or 1, bytes of odd files may be more."""
        if all(image.format.pixel.bits_allocated == 1 for image in self.images):
            return values.view(np.bool_)
        return values.astype(np.bool_)

    def _overlap(self, z: int, plane: tuple[Positions, ...]) -> InvalidDicomError:
        """Return an error that names two segments and the voxel that both hold."""
        counts = np.zeros(tuple(map(len, plane)), np.int64)
        for _, mask in self._masks(self._present(z).tolist(), z, plane):
            counts += mask
        where = np.argwhere(counts > 1)[0].tolist()
        y, x = (int(one[k]) for one, k in zip(plane, where, strict=True))
        present = self._present(z)
        held = present[self.source.read((present, z, y, x)) > 0]
        first, second = self.numbers[held[:2]].tolist()
        message = (
            f"Segments {first} and {second} both hold the voxel (z, y, x) = ({z}, {y}, {x});"
            ' on_overlap="first" or "last" takes one of them'
        )
        return InvalidDicomError(message, url=self.images[0].url)


def _key(
    segments: Sequence[int], z: int, plane: tuple[Positions, ...]
) -> tuple[Any, ...]:
    """Return the index expression of some segments in a plane; it keeps every axis."""
    some = np.array(segments, np.int64)
    if all(isinstance(one, range) for one in plane):
        return (some, slice(z, z + 1), *map(as_slice, plane))
    return np.ix_(some, np.array([z]), *(np.asarray(one, np.intp) for one in plane))
