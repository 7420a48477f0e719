"""Filling a result with pieces of frames: holes, whole frames, and parts of frames."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.grid import HOLE, FrameGrid, Tiles
from lazydicom._array.image import Decode, DicomImage
from lazydicom._bytes.deferred import deferred
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.ranges import REQUESTS
from lazydicom._bytes.source import is_distant
from lazydicom._decode.native import Region, region_of
from lazydicom._frames.index import is_distant as reader_is_distant
from lazydicom.errors import InvalidDicomError

if TYPE_CHECKING:
    import bisect

    from lazydicom._array import selection
    from lazydicom._array.pieces import Move, Pieces
    from lazydicom._array.work import distant_runs, parallel, regions
    from lazydicom._array.work.parallel import Fetch, Job
    from lazydicom._array.work.plan import ReadPlan
    from lazydicom._decode import samples
else:
    bisect = deferred("bisect")
    selection = deferred("lazydicom._array.selection")
    distant_runs = deferred("lazydicom._array.work.distant_runs")
    parallel = deferred("lazydicom._array.work.parallel")
    regions = deferred("lazydicom._array.work.regions")
    samples = deferred("lazydicom._decode.samples")

FillValue: TypeAlias = float | tuple[float, ...] | None
"""A value, or one per sample of a frame; ``None``: reading a hole is an error."""
_SHORT: Final = 16
"""NumPy takes its time before the first number."""
_ALONE: Final = 16
"""Times as much, 64 MiB, is read at once by who shares the interpreter with others."""


@dataclass(frozen=True, slots=True, eq=False)
class ImageRow:
    """Images whose frames are numbered in one row."""

    images: tuple[DicomImage, ...]
    firsts: Sequence[int]
    """Number of the first frame of each image."""

    def of(self, number: int) -> tuple[DicomImage, int]:
        """Return which image a frame belongs to, and its number there."""
        which = bisect.bisect(self.firsts, number) - 1 if len(self.firsts) > 1 else 0
        return self.images[which], number - self.firsts[which]

    def split(
        self, numbers: NDArray[np.int64]
    ) -> Iterator[tuple[DicomImage, NDArray[np.int64], slice]]:
        """Yield the runs of frames of one image: its frame numbers and where they stand."""
        if not numbers.size:
            return
        if len(self.images) == 1 and numbers.min() >= 0:
            yield self.images[0], numbers, slice(None)
            return
        firsts = np.array(self.firsts)
        which = np.searchsorted(firsts, numbers, side="right") - 1
        edges = [0, *(np.flatnonzero(np.diff(which)) + 1).tolist(), len(numbers)]
        for start, stop in pairwise(edges):
            if numbers[start] < 0:  # filled, or asked for by nobody
                continue
            own = numbers[start:stop] - firsts[which[start]]
            yield self.images[which[start]], own, slice(start, stop)


def image_row(images: tuple[DicomImage, ...]) -> ImageRow:
    """Return images with the numbers of their first frames."""
    return ImageRow(images, [0, *accumulate(len(image) for image in images[:-1])])


def frame_at(row: ImageRow, grid: FrameGrid, key: Any) -> Any:  # noqa: ANN401
    """Read one frame or a part of it, the commonest wishes, by the shortest way.

    ``None`` where there is no such place, no frame, or more to it.
    """
    keys: tuple[Any, ...] = key if type(key) is tuple else (key,)
    axes = grid.numbers.ndim
    if len(keys) < axes or not grid.is_stack_of_frames:
        return _tile_at(row, grid, keys)
    if type(key) is slice:
        return _frame_in(row, grid, key)
    place = keys[:axes]
    if type(key) is not int and not all(type(one) is int for one in place):
        return None
    try:
        number = int(grid.numbers[place])
    except IndexError:
        return None
    if number < 0:
        return None
    image, own = row.of(number)
    plane = keys[axes:]
    return _part_of(image, own, plane) if plane else image.next_frame(own)


def _frame_in(row: ImageRow, grid: FrameGrid, key: slice) -> NDArray[Any] | None:
    """Read a slice of one frame, along the only axis."""
    along = grid.numbers.ndim == 1
    if not along or len(numbers := grid.numbers[key]) != 1 or numbers[0] < 0:
        return None
    image, own = row.of(int(numbers[0]))
    return image.frame(own)[None]


def _part_of(image: DicomImage, number: int, plane: tuple[Any, ...]) -> Any:  # noqa: ANN401
    """Read integers and slices of a native frame of which no more is to be read."""
    pixel = image.format.pixel
    source, shape = image.reader.source, pixel.frame_shape
    if len(plane) > len(shape) or source is None or is_distant(source):
        return None
    positions = [range(length) for length in shape]
    for axis, one in enumerate(plane):
        if type(one) is int and -shape[axis] <= one < shape[axis]:
            start = one % shape[axis]
            positions[axis] = range(start, start + 1)
        elif type(one) is slice:
            positions[axis] = positions[axis][one]
        else:
            return None
    region = _region_of(image, tuple(map(selection.as_slice, positions)))
    if region is None:
        return None
    planes = np.empty((1, *map(len, positions)), pixel.dtype)
    offset = image.index.span(number).offset + region.skip
    regions.read_region(source, offset, planes, region, image.format)
    return planes[(0, *(0 if type(one) is int else slice(None) for one in plane))]


def _tile_at(
    row: ImageRow, grid: FrameGrid, keys: tuple[Any, ...]
) -> NDArray[Any] | None:
    """Read the whole tile that two slices name: viewers ask for those."""
    layout = grid.layout
    if not isinstance(layout, Tiles) or len(keys) != 2:
        return None
    if grid.shape or grid.crop is not None:
        return None
    down = _tile_number(keys[0], layout.tile_shape[0], layout.plane_shape[0])
    across = _tile_number(keys[1], layout.tile_shape[1], layout.plane_shape[1])
    if down < 0 or across < 0:
        return None
    number = int(grid.numbers[down, across])
    if number < 0:
        return None
    image, own = row.of(number)
    return image.frame(own)


def _tile_number(key: object, tile: int, length: int) -> int:
    """Return which row, or column, of tiles a slice names as a whole, else -1."""
    if type(key) is not slice or key.step is not None:
        return -1
    start, stop = key.start, key.stop
    if type(start) is not int or type(stop) is not int:
        return -1
    whole = 0 <= start == stop - tile and stop <= length and start % tile == 0
    return start // tile if whole else -1


def frame_alone(row: ImageRow, number: int, threads: int | None) -> NDArray[Any]:
    """Read one frame, by all threads of its codec unless fewer are asked for."""
    image, own = row.of(number)
    with samples.at_most(threads):
        return image.frame(own)


def fill_frames(
    row: ImageRow,
    numbers: NDArray[np.int64],
    box: NDArray[Any],
    *,
    fill_value: FillValue,
    threads: int | None,
    zero: bool = False,
) -> NDArray[Any]:
    """Fill `box` with the whole frames `numbers`; all may be `zero`, as holes are."""
    numbers = numbers.reshape(-1)
    out = box.reshape(numbers.size, *row.images[0].format.pixel.frame_shape)
    if _is_one_run(row, numbers, alone=threads == 1):  # no plan
        image, number = row.of(int(numbers[0]))
        if len(numbers) > 1:
            image.read_run(number, out, alone=threads == 1)
        else:
            with samples.at_most(threads):
                image.decode_into(number, out[0])
        return box
    holes = numbers == HOLE
    if holes.any() and not zero:
        out[holes] = _background(row, int(holes.sum()), fill_value, out.dtype)
    jobs: Iterator[Job | Fetch] = (
        job
        for image, own, rows in row.split(numbers)
        for job in image.jobs(own, out[rows])
    )
    if reader_is_distant(row.images[0].reader):
        jobs = distant_runs.join_runs(jobs)
    parallel.run(jobs, threads=threads, requests=REQUESTS)
    return box


def _is_one_run(row: ImageRow, numbers: NDArray[np.int64], *, alone: bool) -> bool:
    """Return whether frames are one, or neighbours in a near file that one read brings."""
    count = len(numbers)
    if count < 2 or numbers[0] < 0:
        return count == 1 and bool(numbers[0] >= 0)
    image, own = row.of(first := int(numbers[0]))
    if not image.format.in_place or reader_is_distant(image.reader):
        return False
    times = _ALONE if alone and image.format.as_stored else 1
    if count > min(times * image.frames_per_read, len(image) - own):
        return False
    if count <= _SHORT:
        return bool(numbers.tolist() == list(range(first, first + count)))
    return bool((numbers[1:] - numbers[:-1] == 1).all())


def fill_pieces(
    row: ImageRow,
    wanted: "Pieces",
    out: NDArray[Any],
    *,
    fill_value: FillValue,
    threads: int | None,
    zero: bool,
) -> None:
    """Fill `out`, of shape (planes, y, x[, sample]), with parts of frames.

    A frame is decoded once, straight into `out` where it lies there in one block.
    """
    flat = wanted.frames.reshape(-1)
    if (
        len(flat) == 1
        and flat[0] >= 0
        and _fill_one(*row.of(int(flat[0])), wanted, out)
    ):
        return
    holes = np.flatnonzero(flat == HOLE)
    if holes.size and not zero:
        color = _background(row, holes.size, fill_value, out.dtype)
        if color.ndim and wanted.samples is not None:
            color = color[np.asarray(wanted.samples.source, np.intp)]
        for target, _, _ in wanted.moves(holes):
            out[target] = color
    jobs = _alike_jobs if wanted.are_alike else _piece_jobs
    parallel.run(jobs(row, wanted, flat, out), threads=threads, requests=REQUESTS)


def _fill_one(
    image: DicomImage, number: int, wanted: "Pieces", out: NDArray[Any]
) -> bool:
    """Fill `out` with a piece of one frame, with no plan and no threads, where that is all."""
    if wanted.is_frame(0, 0):
        moves = wanted.moves(np.zeros(1, np.intp))
        _put(moves, partial(image.read_into, number), out)
        return True
    region = _region_of(image, wanted.source(0, 0, 0)) if wanted.are_alike else None
    source = image.reader.source
    if region is None or source is None or is_distant(source):
        return False
    offset = image.index.span(number).offset + region.skip
    plane = out[wanted.target(0, 0, 0)][None]
    regions.read_region(source, offset, plane, region, image.format)
    return True


def frames_of(wanted: "Pieces") -> NDArray[np.int64]:
    """Return the frames to decode, each once where several pieces are of one."""
    flat = wanted.frames.reshape(-1)
    return flat if wanted.are_alike else np.unique(flat[flat >= 0])


def plan_of(
    image: DicomImage, numbers: NDArray[np.int64], wanted: "Pieces"
) -> "ReadPlan":
    """Return what reading the pieces of one image will cost."""
    region = None
    if wanted.are_alike and not wanted.are_frames:
        region = _region_of(image, wanted.source(0, 0, 0))
    part = None if region is None else (region.skip, region.length)
    return image.plan(numbers, whole=wanted.are_frames, region=part)


def _alike_jobs(
    row: ImageRow, wanted: "Pieces", flat: NDArray[np.int64], out: NDArray[Any]
) -> "Iterator[Job | Fetch]":
    """Return the jobs that put the same part of each frame into its plane."""
    whole, index = wanted.is_frame(0, 0), wanted.source(0, 0, 0)
    target = (slice(None), wanted.rows[0].target, wanted.columns[0].target)
    for image, own, rows in row.split(flat):
        planes = out[rows][target]
        region = None if whole else _region_of(image, index)
        if region is not None:
            yield from _jobs_of_region(image, own, planes, region)
            continue
        put = _put_frame if whole and planes.flags.c_contiguous else _put_part
        yield from image.piece_jobs(own, partial(put, planes, index))


def _region_of(image: DicomImage, index: tuple[Any, ...]) -> Region | None:
    """Return the part of frames to read, ``None`` where whole frames are."""
    if image.cache is not None or image.reader.source is None:
        return None
    return region_of(image.format, index)


def _jobs_of_region(
    image: DicomImage, numbers: NDArray[np.int64], planes: NDArray[Any], region: Region
) -> "Iterator[Job | Fetch]":
    """Return the jobs that read the bytes of the same region of each frame."""
    source = image.reader.source
    assert source is not None, "of a file"
    offsets = image.index.offsets_of(numbers) + region.skip
    return regions.region_jobs(source, offsets, planes, region, image.format)


def _put_frame(
    planes: NDArray[Any], index: tuple[Any, ...], plane: int, decode: Decode
) -> None:
    del index
    decode(planes[plane])


def _put_part(
    planes: NDArray[Any], index: tuple[Any, ...], plane: int, decode: Decode
) -> None:
    planes[plane] = decode(None)[index]


def _piece_jobs(
    row: ImageRow, wanted: "Pieces", flat: NDArray[np.int64], out: NDArray[Any]
) -> "Iterator[Job | Fetch]":
    """Return the jobs that decode each frame once and put its pieces where they go."""
    read = np.flatnonzero(flat >= 0)
    if not read.size:
        return
    order = read[np.argsort(flat[read], kind="stable")]
    sorted_ = flat[order]  # `np.unique` would sort once more
    starts = [0, *(np.flatnonzero(sorted_[1:] != sorted_[:-1]) + 1).tolist()]
    numbers, moves = sorted_[starts], wanted.moves(order)
    moves_of = [moves[first:stop] for first, stop in pairwise([*starts, len(moves)])]

    def place(first: int, which: int, decode: Decode) -> None:
        _put(moves_of[first + which], decode, out)

    for image, own, rows in row.split(numbers):
        yield from image.piece_jobs(own, partial(place, rows.start or 0))


def _put(moves: "Sequence[Move]", decode: Decode, out: NDArray[Any]) -> None:
    """Put all pieces of one frame into the result."""
    if len(moves) == 1 and moves[0].whole:
        target = out[moves[0].target]
        if target.flags.c_contiguous:
            # strides of axes of length 1 may be any; codecs look at them
            decode(target.reshape(-1).reshape(target.shape))
            return
    frame = decode(None)
    for target, source, _ in moves:
        out[target] = frame[source]


def _background(
    row: ImageRow, holes: int, fill_value: FillValue, dtype: np.dtype[Any]
) -> NDArray[Any]:
    """Return the value of holes.

    Raises
    ------
    InvalidDicomError
        If there is none.
    """
    if fill_value is None:
        message = f"{holes} frames asked for are missing, no fill_value is given"
        raise InvalidDicomError(message, url=row.images[0].url)
    return np.array(fill_value, dtype)
