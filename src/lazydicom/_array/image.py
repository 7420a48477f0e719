"""One SOP Instance: its header, where its frames lie, and what decodes them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.grid import FrameGrid, Parts
from lazydicom._bytes.cached import cached
from lazydicom._bytes.deferred import deferred
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._bytes.source import BytesLike
from lazydicom._decode.format import FrameFormat, memory_for
from lazydicom._decode.native import frame_of_bits
from lazydicom._frames import reader as readers
from lazydicom._frames.index import (
    FrameIndex,
    FrameReader,
    NativeReader,
    frame_runs,
    is_distant,
    is_lending,
)
from lazydicom._header.header import Header
from lazydicom.errors import LazyDicomError, UnsupportedError, redact_url, warn

if TYPE_CHECKING:
    from lazydicom._array import pieces
    from lazydicom._array.work import (
        cores,
        distant_runs,
        in_order,
        lent_frames,
        native_runs,
        parallel,
    )
    from lazydicom._array.work import plan as read_plan
    from lazydicom._array.work.cache import FrameCache
    from lazydicom._decode import frame as codecs
    from lazydicom._decode import samples
    from lazydicom._frames.fragment_stream import StreamRead
else:
    pieces = deferred("lazydicom._array.pieces")
    cores = deferred("lazydicom._array.work.cores")
    distant_runs = deferred("lazydicom._array.work.distant_runs")
    in_order = deferred("lazydicom._array.work.in_order")
    lent_frames = deferred("lazydicom._array.work.lent_frames")
    native_runs = deferred("lazydicom._array.work.native_runs")
    parallel = deferred("lazydicom._array.work.parallel")
    read_plan = deferred("lazydicom._array.work.plan")
    codecs = deferred("lazydicom._decode.frame")
    samples = deferred("lazydicom._decode.samples")

Decode: TypeAlias = Callable[[NDArray[Any] | None], NDArray[Any]]
"""Decodes a frame into a C-contiguous array of its shape, or into one of its own."""
_Place: TypeAlias = Callable[[int, Decode], None]
_Use: TypeAlias = Callable[[int, BytesLike], None]
"""Makes something of an encoded frame; gets its place among those that are read, and it."""
_BLOCK_BYTES: Final = 1 << 22
"""4 MiB: what is read stays in the cache until its spare bits are cleared."""


@dataclass(frozen=True, eq=False)
class DicomImage:
    """One SOP Instance: gives single frames, decoded or encoded.

    It pickles as the name of its source and its index; the header is read again where
    somebody asks for it.
    """

    reader: FrameReader
    """Where encoded frames come from."""
    format: FrameFormat
    """How they are encoded."""
    load_header: Callable[[], Header] = field(repr=False)
    cache: "FrameCache | None" = field(default=None, repr=False)
    """Decoded frames to give again, where the caller wants that."""
    parts: Parts | None = field(default=None, repr=False)
    """How a frame holds several planes, where it does."""
    planes_per_frame: int = field(default=1, repr=False)
    """Planes in a frame; the last places of `parts` may be empty."""

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.reader)

    def __repr__(self) -> str:
        """Return name, frames and transfer syntax; never an attribute of a patient."""
        syntax = self.format.transfer_syntax.name
        return f"<DicomImage {redact_url(self.url)}: {len(self)} frames, {syntax}>"

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle without the header."""
        more = (self.cache, self.parts, self.planes_per_frame)
        return (DicomImage, (self.reader, self.format, self.load_header, *more))

    @property
    def url(self) -> str:
        """Name of the file."""
        return self.reader.url

    @property
    def number_of_planes(self) -> int:
        """Planes in all frames."""
        return len(self) * self.planes_per_frame

    @property
    def plane_shape(self) -> tuple[int, ...]:
        """Rows and columns of a plane, and samples for colour."""
        shape = self.format.pixel.frame_shape
        return shape if self.parts is None else (*self.parts.part_shape, *shape[2:])

    @cached
    def header(self) -> Header:
        """The header, read again after unpickling."""
        return self.load_header()

    @property
    def index(self) -> FrameIndex:
        """Offset and length of every frame.

        Raises
        ------
        UnsupportedError
            If the frames are no byte ranges of a file.
        """
        index = readers.frame_index(self.reader)
        if index is None:
            raise UnsupportedError("Frames have no byte offsets here", url=self.url)
        return index

    def identity(self) -> tuple[object, ...]:
        """Return what only these pixels have: the file's version and how it is decoded."""
        return (*self.reader.version(), self.format.identity)

    def frame(self, number: int) -> NDArray[Any]:
        """Read and decode one frame.

        Parameters
        ----------
        number : int
            Frame number, counted from 0.

        Returns
        -------
        ndarray, shape (rows, columns) or (rows, columns, samples)
            Stored values in native byte order. With ``local="mmap"`` a read-only view of
            the file where its bytes are the values.

        Raises
        ------
        LazyDicomError
            If the frame cannot be read or decoded; never anything but its pixels.
        """
        if self.cache is None:
            return self._frame(number)
        frame = self.cache.get(number)
        if frame is None:
            frame = self._frame(number)
            self.cache.put(number, frame)
        return frame

    def next_frame(self, number: int) -> NDArray[Any]:
        """Return one frame, which may follow the one that was asked for before."""
        if self.cache is not None:
            return self.frame(number)
        lent = self.lent
        if lent is not None:
            return lent.frame(number)
        if number and self.format.in_place:
            frame = in_order.take_frame(self, self.reader, self.format, number)
            if frame is not None:
                return frame
        return self._frame(number)

    def neighbours(self, grid: FrameGrid) -> Iterator[NDArray[Any]] | None:
        """Return the frames of a grid, ``None`` where they are no neighbours in a file."""
        return in_order.iterate(self.reader, self.format, grid)

    def _frame(self, number: int) -> NDArray[Any]:
        lent, pixel = self.lent, self.format.pixel
        if lent is not None:
            return lent.frame(number)
        if self.format.is_bits:
            return frame_of_bits(self._read_many([number])[0], number, pixel)
        shape, plain = pixel.frame_shape, self.format.in_place
        out = np.empty(shape, pixel.dtype) if plain else memory_for(shape, self.format)
        self.decode_into(number, out)
        return out

    @cached
    def lent(self) -> "lent_frames.LentFrames | None":
        """All frames as views of the file, where the caller asked for such."""
        wished = self.format.as_stored and is_lending(self.reader)
        return lent_frames.lend_frames(self.reader, self.format) if wished else None

    def encoded_frame(self, number: int) -> bytes:
        """Read the bytes of one frame as they are stored; native: those it touches."""
        return bytes(readers.read_frame(self.reader, number))

    def decode_into(self, number: int, out: NDArray[Any]) -> None:
        """Read and decode one frame into `out`, C-contiguous, of the frame's shape."""
        if self.format.in_place:
            self.read_run(number, out[None])
            return
        (data,) = self._read_many([number])
        if not samples.is_worth_threads(out):
            self.decode(number, data, out)
            return
        with samples.codec_threads(cores.threads_alone()):
            self.decode(number, data, out)

    def jobs(
        self, numbers: NDArray[np.int64], out: NDArray[Any]
    ) -> Iterator["parallel.Job | parallel.Fetch"]:
        """Return the jobs that fill `out[i]` with frame `numbers[i]`.

        Native frames that follow each other are read together, some MiB at a time; over
        a network all neighbours are.
        """
        if is_distant(self.reader):
            yield from self._fetches_of_frames(numbers.tolist(), out)
            return
        if not self.format.in_place:
            wanted: list[int] = numbers.tolist()
            for rows in self._together(wanted):
                yield partial(self._decode_together, wanted, rows, out)
            return
        for start, stop in frame_runs(numbers, self.frames_per_read):
            yield partial(self.read_run, int(numbers[start]), out[start:stop])

    def piece_jobs(
        self, numbers: NDArray[np.int64], place: _Place
    ) -> Iterator["parallel.Job | parallel.Fetch"]:
        """Return the jobs that call `place(i, decode)` for each frame `numbers[i]`."""
        wanted: list[int] = numbers.tolist()
        if is_distant(self.reader):
            use = self._putting(wanted, range(len(wanted)), place)
            yield from self.fetches(wanted, use)
        elif self.format.in_place or self.cache is not None:
            for row, number in enumerate(wanted):
                yield partial(place, row, partial(self.read_into, number))
        else:
            for rows in self._together(wanted):
                own = [wanted[row] for row in rows]
                use = self._putting(own, rows, place)
                yield partial(self._read_in_turn, own, use)

    def _putting(
        self, numbers: Sequence[int], rows: Sequence[int], place: _Place
    ) -> _Use:
        def decode(number: int, data: BytesLike, out: NDArray[Any] | None) -> Any:  # noqa: ANN401
            out = native_runs.memory_of_frame(self.format) if out is None else out
            self.decode(number, data, out)
            return out

        return lambda which, data: place(
            rows[which], partial(decode, numbers[which], data)
        )

    def read_into(self, number: int, out: NDArray[Any] | None) -> NDArray[Any]:
        """Read one frame into `out`, or into an array of its own."""
        if out is None:
            return self.frame(number)
        if self.cache is None:
            self.decode_into(number, out)
        else:
            out[...] = self.frame(number)
        return out

    def plan(
        self,
        numbers: NDArray[np.int64],
        *,
        whole: bool,
        region: tuple[int, int] | None = None,
    ) -> "read_plan.ReadPlan":
        """Return what reading frames will cost.

        A cache of decoded frames is not asked.

        Parameters
        ----------
        numbers : ndarray of int64
            The frames.
        whole : bool
            As `jobs` reads them, not parts of them.
        region : tuple of int, optional
            Bytes before and in the part that is read of each.
        """
        per_read = self.frames_per_read if whole else 1
        return read_plan.plan_frames(
            self.reader, self.format, numbers, per_read=per_read, region=region
        )

    def _together(self, numbers: Sequence[int]) -> list[list[int]]:
        frame_nbytes = self.format.pixel.frame_nbytes
        return readers.together(self.reader, numbers, frame_nbytes=frame_nbytes)

    @property
    def frames_per_read(self) -> int:
        """Native frames that are read at once."""
        return max(_BLOCK_BYTES // self.format.pixel.frame_nbytes, 1)

    def fetches(self, numbers: Sequence[int], use: _Use) -> Iterator["parallel.Fetch"]:
        """Return the fetches of frames; `use(i, data)` gets the encoded `numbers[i]`."""
        streaming = range(0)
        streamed = readers.stream(self.reader, numbers)
        if streamed is not None:
            rows_of = pieces.places_of(numbers)
            for read in streamed.reads():
                yield parallel.Fetch(partial(self._fetch_streamed, read, rows_of, use))
            streaming = streamed.given()
        left = [row for row, number in enumerate(numbers) if number not in streaming]
        wanted, size = [numbers[row] for row in left], self.format.pixel.frame_nbytes
        groups = readers.batches(self.reader, wanted, frame_nbytes=size) if left else ()
        for places, nbytes in groups:
            rows = [left[place] for place in places]
            yield parallel.Fetch(partial(self._fetch, numbers, rows, use), nbytes)

    def decode(self, number: int, data: BytesLike, out: NDArray[Any]) -> None:
        """Decode an encoded frame, which was read just now, into `out`."""
        try:
            odd = codecs.decode_frame(data, number, self.format, out)
        except LazyDicomError as error:
            spans = self.reader.spans([number])
            offset = spans[0].offset if spans else None
            raise error.locate(url=self.url, frame=number, offset=offset) from None
        for one in odd:
            warn(one, url=self.url)

    def _decode_together(
        self, numbers: Sequence[int], rows: Sequence[int], out: NDArray[Any]
    ) -> None:
        wanted = [numbers[row] for row in rows]

        def use(place: int, data: BytesLike) -> None:
            self.decode(wanted[place], data, out[rows[place]])

        self._read_in_turn(wanted, use)

    def _fetches_of_frames(
        self, numbers: Sequence[int], out: NDArray[Any]
    ) -> Iterator["parallel.Fetch"]:
        def use(row: int, data: BytesLike) -> None:
            self.decode(numbers[row], data, out[row])

        def fetch(rows: Sequence[int]) -> "parallel.Fetch":
            read = partial(self._fetch, numbers, rows, use)
            return parallel.Fetch(read, out[0].nbytes * len(rows))

        if not self.format.in_place:
            yield from self.fetches(numbers, use)
        elif isinstance(self.reader, NativeReader):
            fetches, reader = distant_runs.native_fetches, self.reader
            yield from fetches(reader, self.format, numbers, out, fetch)
        else:
            yield from map(fetch, self._together(numbers))

    def _fetch(
        self, numbers: Sequence[int], rows: Sequence[int], use: _Use
    ) -> "list[parallel.Job]":
        read = self._read_many([numbers[row] for row in rows])
        return [partial(use, *one) for one in zip(rows, read, strict=True)]

    def _fetch_streamed(
        self, read: "StreamRead", rows_of: Mapping[int, Sequence[int]], use: _Use
    ) -> "list[parallel.Job]":
        try:
            pairs = read()
        except LazyDicomError as error:
            raise error.locate(url=self.url) from None
        return [
            partial(use, row, data)
            for number, data in pairs
            for row in rows_of.get(number, ())
        ]

    def _read_many(self, wanted: Sequence[int]) -> list[BytesLike]:
        try:
            return native_runs.read_briefly(self.reader, self.format, wanted)
        except LazyDicomError as error:
            raise error.locate(url=self.url, frame=wanted[0]) from None

    def _read_in_turn(self, wanted: Sequence[int], use: _Use) -> None:
        """Call `use(place, data)` with each encoded frame before others are read."""
        try:
            native_runs.read_in_turn(self.reader, self.format, wanted, use)
        except LazyDicomError as error:
            raise error.locate(url=self.url, frame=wanted[0]) from None

    def read_run(self, first: int, out: NDArray[Any], *, alone: bool = False) -> None:
        """Read native frames that follow each other, whose bytes are their values."""
        native_runs.read_neighbours(self.reader, self.format, first, out, alone=alone)
