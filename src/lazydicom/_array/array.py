"""`DicomArray`: images on a grid, indexed like a NumPy array, read frame by frame."""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import accumulate, pairwise, repeat
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lazydicom._array.coordinate import Coordinate
from lazydicom._array.frame_table import FrameTable
from lazydicom._array.grid import HOLE, NOT_READ, FrameGrid
from lazydicom._array.image import DicomImage
from lazydicom._array.parallel import Fetch, Job, available_cores, read_ahead, run
from lazydicom._array.plan import ReadPlan, sum_plans
from lazydicom._array.repr import array_html
from lazydicom._array.selection import Positions, Selection, as_slice, select
from lazydicom._bytes.ranges import REQUESTS
from lazydicom._bytes.source import BytesLike
from lazydicom._frames.reader import is_distant
from lazydicom.errors import InvalidDicomError, UnsupportedError

_BLOCK_BYTES: Final = 1 << 22
"""4 MiB: what iteration reads at once; freed blocks of this size are used again."""


@dataclass(frozen=True, eq=False)
class DicomArray:
    """Stored pixel values of one or many instances as a lazy array.

    Indexing follows NumPy and gives NumPy arrays; it reads and decodes exactly the frames
    that it touches, each once. The array pickles to names and frame indexes, and may be
    read from any number of threads and processes.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> import lazydicom
    >>> path = get_testdata_file("rtdose.dcm", download=False)
    >>> array = lazydicom.open_image(path)
    >>> array.dims, array.shape, array.dtype
    (('frame', 'y', 'x'), (15, 10, 10), dtype('uint32'))
    >>> array[7, 4:6, 0].shape
    (2,)
    """

    images: tuple[DicomImage, ...]
    """The instances whose frames stand in the grid."""
    grid: FrameGrid
    """Which frame stands where."""
    dims: tuple[str, ...]
    """Name of each axis."""
    coords: Mapping[str, Coordinate] = field(default_factory=dict)
    """Coordinates by name, each with its axes and its unit."""
    attrs: Mapping[str, Any] = field(default_factory=dict)
    """Technical attributes, by keyword in snake case; nothing of a patient."""
    fill_value: float | None = None
    """What stands in holes of the grid; ``None``: reading one is an error."""
    load_frames: Callable[[], FrameTable] | None = field(default=None, repr=False)
    """Returns the table of attributes, which opening has read already or reads once."""

    @property
    def frames(self) -> FrameTable:
        """The attributes of frames: positions, times, rescale …, a row per frame.

        Raises
        ------
        LazyDicomError
            If they were not needed to open, and a header contradicts the standard.
        """
        if self.load_frames is None:
            raise UnsupportedError("Nobody knows the attributes of these frames")
        return self.load_frames()

    @cached_property
    def frame_shape(self) -> tuple[int, ...]:
        """Rows and columns, and samples for colour."""
        return self.images[0].format.pixel.frame_shape

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return (*self.grid.shape, *self.frame_shape)

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored values, in native byte order."""
        return self.images[0].format.pixel.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all values once decoded."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        """Return the length of the first axis."""
        return self.shape[0]

    def __repr__(self) -> str:
        """Tell shape, type and where it lives."""
        axes = ", ".join(
            f"{d}: {n}" for d, n in zip(self.dims, self.shape, strict=True)
        )
        more = f" and {len(self.images) - 1} more" if len(self.images) > 1 else ""
        return f"<DicomArray ({axes}) {self.dtype} from {self.images[0]!r}{more}>"

    def _repr_html_(self) -> str:
        """Show shape, type, place and the middle frame, where that is one frame to read."""
        return array_html(self)

    def __getitem__(self, key: Any) -> Any:  # noqa: ANN401 (NumPy's own signature)
        """Read what an index expression of NumPy touches."""
        return self.read(key)

    def __array__(
        self,
        dtype: DTypeLike | None = None,
        copy: bool | None = None,  # noqa: FBT001 (NumPy's own signature)
    ) -> NDArray[Any]:
        """Read everything.

        Raises
        ------
        ValueError
            If ``copy=False``: the pixels are in a file.
        """
        if copy is False:
            raise ValueError("A DicomArray cannot become an array without a copy")
        values: NDArray[Any] = self.read(...)
        return values if dtype is None else values.astype(dtype, copy=False)

    def __iter__(self) -> Iterator[Any]:
        """Read along the first axis, in blocks of some MiB, two of them ahead."""
        step = max(_BLOCK_BYTES * len(self) // max(self.nbytes, 1), 1)
        reads = map(self._block, range(0, len(self), step), repeat(step))
        for block in read_ahead(reads, threads=available_cores()):
            yield from block

    def _block(self, start: int, length: int) -> "partial[NDArray[Any]]":
        """Return the reading of a block; its memory is taken here, on the thread that frees it.

        Memory freed on another thread than its own goes back to the system, and its pages
        cost as much as the copy when they are taken again.
        """
        numbers = self.grid.numbers[start : start + length]
        box: NDArray[Any] = np.empty((len(numbers), *self.shape[1:]), self.dtype)
        return partial(self._fill, numbers, None, box, threads=1)

    def identity(self) -> tuple[object, ...]:
        """Tell these values from any other, the same in every process, also as text."""
        sources = tuple(image.identity() for image in self.images)
        grid, fill = self.grid, repr(self.fill_value)
        return ("lazydicom", sources, grid.shape, grid.digest(), fill)

    def __dask_tokenize__(self) -> tuple[object, ...]:
        """Return what dask prints and hashes to name these values."""
        return self.identity()

    def read(
        self,
        key: Any,  # noqa: ANN401
        *,
        out: NDArray[Any] | None = None,
        threads: int | None = None,
    ) -> Any:  # noqa: ANN401
        """Read what an index expression touches.

        Parameters
        ----------
        key : index expression
            Integers, slices, lists, masks, integer arrays and an ellipsis, as in NumPy.
        out : ndarray, optional
            Where the values go: of the shape of the result and the dtype of this array.
            Frames are decoded straight into it where it is C-contiguous and `key` keeps
            their order. After an error its values mean nothing.
        threads : int, optional
            Threads that read and decode; by default all cores. Use 1 inside a task of
            a scheduler that has threads of its own.

        Returns
        -------
        ndarray or NumPy scalar
            What NumPy gives for the same expression on the whole array; `out` where it
            is given.

        Raises
        ------
        ValueError
            If `out` has another shape or dtype, or is read-only.

        Examples
        --------
        >>> import numpy as np
        >>> from pydicom.data import get_testdata_file
        >>> import lazydicom
        >>> array = lazydicom.open_image(get_testdata_file("rtdose.dcm", download=False))
        >>> frames = np.empty((5, *array.shape[1:]), array.dtype)
        >>> array.read(slice(5, 10), out=frames) is frames
        True
        """
        selection = select(key, self.shape)
        if out is None:
            return self._read_box(selection, threads)[selection.in_box]
        if out.dtype != self.dtype:
            raise ValueError(f"Expected out of dtype {self.dtype}, got {out.dtype}")
        if not out.flags.writeable:  # codecs in C would write all the same
            raise ValueError("Expected out to be writeable, got a read-only array")
        box = selection.box_in(out)
        if box is None:
            out[...] = self._read_box(selection, threads)[selection.in_box]
        else:
            self._fill_box(selection, box, threads)
        return out

    def plan(self, key: Any = ...) -> ReadPlan:  # noqa: ANN401
        """Return what `read` of an index expression will cost; no pixel is read.

        Where a distant file has no offset table, the frames are looked for as the read
        would do it.

        Parameters
        ----------
        key : index expression
            As in `read`; by default everything.

        Examples
        --------
        >>> from pydicom.data import get_testdata_file
        >>> import lazydicom
        >>> path = get_testdata_file("rtdose.dcm", download=False)
        >>> lazydicom.open_image(path).plan(slice(5, 10))
        <ReadPlan 5 frames: 1 request, 2.0 kB to read, 2.0 kB decoded>
        """
        selection = select(key, self.shape)
        if 0 in selection.box_shape:
            return sum_plans(())
        whole = self._is_whole(selection.positions[len(self.grid.shape) :])
        return sum_plans(
            image.plan(wanted, whole=whole)
            for image, wanted, _ in self._by_image(self._wanted(selection).reshape(-1))
        )

    def _read_box(self, selection: Selection, threads: int | None) -> NDArray[Any]:
        axes = len(self.grid.shape)
        if math.prod(selection.box_shape[:axes]) == 1:
            number = self._wanted(selection).item()
            if number >= 0 and self._is_whole(selection.positions[axes:]):
                return self._frame(number).reshape(selection.box_shape)
        box: NDArray[Any] = np.empty(selection.box_shape, self.dtype)
        return self._fill_box(selection, box, threads)

    def _fill_box(
        self, selection: Selection, box: NDArray[Any], threads: int | None
    ) -> NDArray[Any]:
        plane = selection.positions[len(self.grid.shape) :]
        part = None if self._is_whole(plane) else plane
        return self._fill(self._wanted(selection), part, box, threads=threads)

    def _fill(
        self,
        numbers: NDArray[np.int64],
        part: tuple[Positions, ...] | None,
        box: NDArray[Any],
        *,
        threads: int | None,
    ) -> NDArray[Any]:
        """Fill `box` with frames, or with the same part of each."""
        if box.size:
            flat = numbers.reshape(-1)
            out = box.reshape(flat.size, *box.shape[numbers.ndim :])
            self._fill_holes(flat == HOLE, out)
            run(self._jobs(flat, part, out), threads=threads, requests=REQUESTS)
        return box

    def _wanted(self, selection: Selection) -> NDArray[np.int64]:
        """Return the frame number at each grid position of the box.

        `NOT_READ` stands where an expression with several lists asks for nothing.
        """
        axes = len(self.grid.shape)
        if axes == 1:
            one: NDArray[np.int64] = self.grid.numbers[as_slice(selection.positions[0])]
            return one
        outer = np.ix_(*(np.asarray(p, np.intp) for p in selection.positions[:axes]))
        numbers: NDArray[np.int64] = self.grid.numbers[outer]
        in_grid = selection.by_axis[:axes]
        if sum(isinstance(key, np.ndarray) for key in in_grid) > 1:
            wanted = np.zeros(numbers.shape, dtype=bool)
            wanted[in_grid] = True
            numbers = np.where(wanted, numbers, NOT_READ)
        return numbers

    def _fill_holes(self, holes: NDArray[np.bool_], out: NDArray[Any]) -> None:
        """Let the caller's value stand where there is no frame."""
        if not holes.any():
            return
        if self.fill_value is None:
            message = (
                f"{holes.sum()} frames asked for are missing, no fill_value is given"
            )
            raise InvalidDicomError(message, url=self.images[0].url)
        out[holes] = np.array(self.fill_value, self.dtype)

    def _frame(self, number: int) -> NDArray[Any]:
        """Read one whole frame, the commonest wish, without planning."""
        image, own = self.image_of(number)
        return image.frame(own)

    def image_of(self, number: int) -> tuple[DicomImage, int]:
        """Return which image a frame number of the grid belongs to, and its number there."""
        which = bisect_right(self._first_numbers, number) - 1
        return self.images[which], number - self._first_numbers[which]

    def _jobs(
        self,
        numbers: NDArray[np.int64],
        part: tuple[Positions, ...] | None,
        out: NDArray[Any],
    ) -> Iterator[Job | Fetch]:
        """Return the jobs that fill `out[i]` with frame `numbers[i]`, or a part of it."""
        for image, wanted, rows in self._by_image(numbers):
            if part is None:
                yield from image.jobs(wanted, out[rows])
            else:
                yield from _part_jobs(image, wanted, part, out[rows])

    def _by_image(
        self, numbers: NDArray[np.int64]
    ) -> Iterator[tuple[DicomImage, NDArray[np.int64], slice]]:
        """Return the runs of frames of one image: its frame numbers and where they stand."""
        if len(self.images) == 1 and numbers.min() >= 0:
            yield self.images[0], numbers, slice(None)
            return
        firsts = np.array(self._first_numbers)
        which = np.searchsorted(firsts, numbers, side="right") - 1
        edges = [0, *(np.flatnonzero(np.diff(which)) + 1).tolist(), len(numbers)]
        for start, stop in pairwise(edges):
            if numbers[start] < 0:  # filled, or asked for by nobody
                continue
            first = firsts[which[start]]
            yield (
                self.images[which[start]],
                numbers[start:stop] - first,
                slice(start, stop),
            )

    @cached_property
    def _first_numbers(self) -> list[int]:
        """Number of the first frame of each image."""
        return [0, *accumulate(len(image) for image in self.images[:-1])]

    def _is_whole(self, plane: tuple[Positions, ...]) -> bool:
        return all(
            isinstance(positions, range) and positions == range(length)
            for positions, length in zip(plane, self.frame_shape, strict=True)
        )


def _part_jobs(
    image: DicomImage,
    numbers: NDArray[np.int64],
    plane: tuple[Positions, ...],
    out: NDArray[Any],
) -> Iterator[Job | Fetch]:
    part = np.ix_(*(np.asarray(positions, np.intp) for positions in plane))
    slices = tuple(as_slice(positions) for positions in plane)
    index = slices if all(isinstance(one, slice) for one in slices) else part
    wanted: list[int] = numbers.tolist()

    def use(row: int, data: BytesLike) -> None:
        frame = np.empty(image.format.pixel.frame_shape, out.dtype)
        image.decode(wanted[row], data, frame)
        out[row] = frame[index]

    if is_distant(image.reader):
        yield from image.fetches(wanted, use)
        return
    for row, number in enumerate(wanted):
        yield partial(_read_part, image, number, index, out[row])


def _read_part(
    image: DicomImage, number: int, part: tuple[Any, ...], out: NDArray[Any]
) -> None:
    out[...] = image.frame(number)[part]
