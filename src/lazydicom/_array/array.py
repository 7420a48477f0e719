"""`DicomArray`: images on a grid, indexed like a NumPy array, read frame by frame."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from functools import partial
from itertools import chain, starmap
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.fill import (
    FillValue,
    ImageRow,
    fill_frames,
    fill_pieces,
    frame_alone,
    frame_at,
    frames_of,
    image_row,
    plan_of,
)
from lazydicom._array.grid import (
    HOLE,
    FrameGrid,
    Tiles,
    chunk_lengths,
    crop_grid,
    numbers_of,
    without_unused,
)
from lazydicom._array.image import DicomImage
from lazydicom._array.lazy_array import NumpyLike
from lazydicom._array.table_loader import FrameTableLoader
from lazydicom._bytes.cached import cached
from lazydicom._bytes.deferred import deferred
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._decode.format import memory_for
from lazydicom._frames.index import is_distant
from lazydicom.errors import UnsupportedError

if TYPE_CHECKING:
    from lazydicom._array import coordinate, pieces
    from lazydicom._array import selection as selections
    from lazydicom._array.coordinate import Coordinate
    from lazydicom._array.frame_table import FrameTable
    from lazydicom._array.selection import Selection
    from lazydicom._array.show import html
    from lazydicom._array.work import ahead, cores, native_runs
    from lazydicom._array.work import plan as read_plan
    from lazydicom._array.work.plan import ReadPlan
else:
    coordinate = deferred("lazydicom._array.coordinate")
    pieces = deferred("lazydicom._array.pieces")
    selections = deferred("lazydicom._array.selection")
    html = deferred("lazydicom._array.show.html")
    ahead = deferred("lazydicom._array.work.ahead")
    cores = deferred("lazydicom._array.work.cores")
    native_runs = deferred("lazydicom._array.work.native_runs")
    read_plan = deferred("lazydicom._array.work.plan")

_BLOCK_BYTES: Final = 1 << 21
"""2 MiB: what iteration reads at once; some of them stay in the cache until they are used."""
_FAR_BLOCKS: Final = (1 << 22, 1 << 25)
"""Over a network 4 MiB, which come soon, and from then on 32 MiB, worth many requests."""


@dataclass(frozen=True, eq=False)
class DicomArray(NumpyLike):
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
    coords: "Mapping[str, Coordinate]" = field(default_factory=dict)
    """Coordinates by name, each with its axes and its unit."""
    attrs: Mapping[str, Any] = field(default_factory=dict)
    """Technical attributes, by keyword in snake case; nothing of a patient."""
    fill_value: FillValue = None
    """What stands in holes of the grid; ``None``: reading one is an error."""
    load_frames: Callable[[], "FrameTable"] | None = field(default=None, repr=False)
    """Returns the table of attributes, which opening has read already or reads once."""

    @property
    def frames(self) -> "FrameTable":
        """The attributes of frames: positions, times, rescale …, a row per frame.

        Raises
        ------
        LazyDicomError
            If they were not needed to open, and a header contradicts the standard.
        """
        if self.load_frames is None:
            raise UnsupportedError(
                "This array keeps no attributes of its frames: open it anew for them"
            )
        return self.load_frames()

    @cached
    def frame_shape(self) -> tuple[int, ...]:
        """Lengths of the axes behind those of the grid: y, x, and samples for colour."""
        return self.grid.plane_shape(self._stored_shape)

    @property
    def _stored_shape(self) -> tuple[int, ...]:
        return self.images[0].format.pixel.frame_shape

    @cached
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return (*self.grid.shape, *self.frame_shape)

    @property
    def grid_axes(self) -> int:
        """Leading axes along which frames stand: for tiles, those of their plane too."""
        axes = len(self.grid.shape)
        if isinstance(self.grid.layout, Tiles):
            crop = self.grid.plane_crop(self._stored_shape)[:2]
            axes += sum(isinstance(one, range) for one in crop)
        return axes

    def chunk_frames(self, frames: int) -> tuple[int, ...]:
        """Return the lengths of a chunk of so many whole frames.

        A stack groups frames along its last grid axis, tiles make squares.

        >>> from pydicom.data import get_testdata_file
        >>> import lazydicom
        >>> path = get_testdata_file("rtdose.dcm", download=False)
        >>> lazydicom.open_image(path).chunk_frames(4)
        (4, 10, 10)
        """
        return chunk_lengths(self.grid, self._stored_shape, frames)

    @cached
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored values, in native byte order."""
        return self.images[0].format.pixel.dtype

    def __repr__(self) -> str:
        """Return shape, type and where it lives."""
        axes = ", ".join(
            f"{d}: {n}" for d, n in zip(self.dims, self.shape, strict=True)
        )
        more = f" and {len(self.images) - 1} more" if len(self.images) > 1 else ""
        return f"<DicomArray ({axes}) {self.dtype} from {self.images[0]!r}{more}>"

    def _repr_html_(self) -> str:
        """Show shape, type, place, and the middle frame of a local file."""
        return html.array_html(self)

    def __getitem__(self, key: Any) -> Any:  # noqa: ANN401 (NumPy's own signature)
        """Read what an index expression of NumPy touches."""
        frame = frame_at(self._row, self.grid, key)
        return self.read(key) if frame is None else frame

    def __iter__(self) -> Iterator[Any]:
        """Read along the first axis, in blocks of 1 or 2 MiB (far ones 32), some ahead."""
        frames = self.images[0].neighbours(self.grid)
        if frames is not None:
            yield from frames
            return
        least = 1 if self.grid.shape else self.chunk_frames(1)[0]
        far = is_distant(self.images[0].reader)
        first, later = _FAR_BLOCKS if far else (_BLOCK_BYTES, _BLOCK_BYTES)
        rows = len(self) / max(self.nbytes, 1)
        steps = (max(int(nbytes * rows), least) for nbytes in (first, later))
        reads = starmap(self._block, ahead.growing(len(self), *steps))
        blocks = ahead.read_ahead(reads, threads=cores.default_threads(), waits=far)
        yield from chain.from_iterable(blocks)  # which keeps none but the last

    def _block(self, start: int, length: int) -> "partial[NDArray[Any]]":
        """Return the reading of a block; its memory is taken on the thread that frees it."""
        rows = slice(start, min(start + length, len(self)))
        shape = (rows.stop - start, *self.shape[1:])
        box = self._memory(shape, zeros=False)
        if self.grid.shape and self.grid.is_stack_of_frames:
            frames, fill = self.grid.numbers[rows], self.fill_value
            return partial(
                fill_frames, self._row, frames, box, fill_value=fill, threads=1
            )
        return partial(self.read, rows, out=box, threads=1)

    def identity(self) -> tuple[object, ...]:
        """Return what tells these values from others: in every process the same text."""
        sources = tuple(image.identity() for image in self.images)
        grid, fill = self.grid, repr(self.fill_value)
        return ("lazydicom", sources, grid.shape, grid.digest(), fill)

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
            Threads that read and decode; by default as many as cores are idle, and 1 in a
            worker process of `multiprocessing`, dask or PyTorch.

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
        if out is not None and type(key) is slice and len(self.images) == 1:
            grid, one = self.grid, threads == 1
            if native_runs.read_slice(self.images[0], grid, key, out, alone=one):
                return out
        selection = selections.select(key, self.shape)
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

    def plan(self, key: Any = ...) -> "ReadPlan":  # noqa: ANN401
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
        selection = selections.select(key, self.shape)
        if 0 in selection.box_shape:
            return read_plan.sum_plans(())
        wanted = pieces.pieces(self.grid, selection, self._stored_shape)
        split = self._row.split(frames_of(wanted))
        return read_plan.sum_plans(
            plan_of(image, own, wanted) for image, own, _ in split
        )

    def isel(self, **positions: int | slice) -> "DicomArray":
        """Return a smaller lazy array: a part of each axis, with its coordinates.

        Parameters
        ----------
        **positions : int or slice
            By the name of an axis, as xarray's `isel`; an integer takes the axis away.

        Returns
        -------
        DicomArray
            Nothing is read. Affine, spacing and coordinates are those of the part.

        Examples
        --------
        >>> from pydicom.data import get_testdata_file
        >>> import lazydicom
        >>> path = get_testdata_file("rtdose.dcm", download=False)
        >>> array = lazydicom.open_image(path)
        >>> array.isel(frame=slice(5, 10), y=slice(None, None, -1), x=3).shape
        (5, 10)
        """
        keys = selections.axis_keys(positions, self.dims, self.shape)
        by_name = dict(zip(self.dims, keys, strict=True))
        grid = crop_grid(self.grid, keys, self._stored_shape)
        used, numbers = without_unused(grid, self._row.firsts)
        load_frames = self.load_frames
        if isinstance(load_frames, FrameTableLoader) and len(used) < len(self.images):
            load_frames = load_frames.take(used)
        attrs = coordinate.crop_geometry(self.attrs, by_name, self.coords)
        for name in attrs.keys() & {"number_of_holes", "missing_tiles"}:
            attrs[name] = int((numbers == HOLE).sum())
        return replace(
            self,
            images=tuple(self.images[k] for k in used),
            grid=replace(grid, numbers=numbers),
            dims=tuple(d for d in self.dims if isinstance(by_name[d], range)),
            coords=coordinate.crop_coordinates(self.coords, by_name),
            attrs=attrs,
            load_frames=load_frames,
        )

    def _read_box(self, selection: "Selection", threads: int | None) -> NDArray[Any]:
        axes, lent = len(self.grid.shape), self.images[0].lent
        if math.prod(selection.box_shape[:axes]) == 1 and self.grid.is_stack_of_frames:
            number = self.grid.numbers[tuple(p[0] for p in selection.positions[:axes])]
            if number >= 0 and selections.is_whole(
                selection.positions[axes:], self.frame_shape
            ):
                frame = frame_alone(self._row, int(number), threads)
                return frame.reshape(selection.box_shape)
        if lent is not None and threads == 1 and self.grid.is_stack_of_frames:
            numbers = numbers_of(self.grid, selection)
            part = lent.copy(numbers, selection.positions[axes:])
            if part is not None:
                return part.reshape(selection.box_shape)
        zeros = self.fill_value in (0, 0.0)  # memory that nobody touches costs nothing
        box = self._memory(selection.box_shape, zeros=zeros)
        return self._fill_box(selection, box, threads, zero=zeros)

    def _memory(self, shape: tuple[int, ...], *, zeros: bool) -> NDArray[Any]:
        """Return memory for values; where codecs write, as they like it."""
        format_ = self.images[0].format
        if zeros:
            return np.zeros(shape, self.dtype)
        if format_.transfer_syntax.native:
            return np.empty(shape, self.dtype)
        return memory_for(shape, format_)

    def _fill_box(
        self,
        selection: "Selection",
        box: NDArray[Any],
        threads: int | None,
        *,
        zero: bool = False,
    ) -> NDArray[Any]:
        if not box.size:
            return box
        row, fill, axes = self._row, self.fill_value, len(self.grid.shape)
        plane = selection.positions[axes:]
        if self.grid.is_stack_of_frames and selections.is_whole(
            plane, self.frame_shape
        ):
            numbers = numbers_of(self.grid, selection)
            fill_frames(row, numbers, box, fill_value=fill, threads=threads, zero=zero)
        else:
            wanted = pieces.pieces(self.grid, selection, self._stored_shape)
            out = box.reshape(wanted.box_shape)
            fill_pieces(row, wanted, out, fill_value=fill, threads=threads, zero=zero)
        return box

    @cached
    def _row(self) -> ImageRow:
        return image_row(self.images)

    def image_of(self, number: int) -> tuple[DicomImage, int]:
        """Return which image a frame number of the grid belongs to, and its number there."""
        return self._row.of(number)
