"""Siemens mosaics: one stored frame that holds the planes of a volume as tiles."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.image import DicomImage
from lazydicom._array.parallel import Fetch, Job
from lazydicom._array.plan import ReadPlan
from lazydicom._bytes.source import BytesLike
from lazydicom._frames.index import FrameIndex
from lazydicom._frames.reader import read_frame
from lazydicom.errors import InvalidDicomError, UnsupportedError


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class MosaicImage(DicomImage):
    """An image whose frames are the tiles of the one frame that is stored.

    However many tiles are asked for at once, that frame is read and decoded once.
    """

    mosaic: DicomImage
    """The image as it is stored."""
    tiles: int
    """How many there are; the last ones of the mosaic may be empty."""

    def __len__(self) -> int:
        """Return the number of tiles."""
        return self.tiles

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle without the header."""
        return (cut_mosaic, (self.mosaic, self.tiles))

    @property
    def index(self) -> FrameIndex:
        """Refuse: a tile is no byte range."""
        raise UnsupportedError("Tiles of a mosaic have no byte offsets", url=self.url)

    def identity(self) -> tuple[object, ...]:
        """Name the file and the way it is cut."""
        return (*self.mosaic.identity(), self.tiles)

    def frame(self, number: int) -> NDArray[Any]:
        """Read the mosaic, cut out one tile."""
        if not 0 <= number < self.tiles:
            message = f"Expected a tile below {self.tiles}, asked for {number}"
            raise InvalidDicomError(message, url=self.url, frame=number)
        return self._cut(self.mosaic.frame(0), number).copy()

    def reads_alone(self, number: int) -> bool:
        """Return whether reading a tile takes the mosaic."""
        del number
        return self.tiles == 1

    def encoded_frame(self, number: int) -> bytes:
        """Refuse: a tile is not encoded by itself."""
        message = "Tiles of a mosaic are not encoded one by one"
        raise UnsupportedError(message, url=self.url, frame=number)

    def decode_into(self, number: int, out: NDArray[Any]) -> None:
        """Read the mosaic, copy one tile."""
        out[...] = self.frame(number)

    def jobs(
        self, numbers: NDArray[np.int64], out: NDArray[Any]
    ) -> Iterator[Job | Fetch]:
        """Return the one job that fills `out[i]` with tile `numbers[i]`."""
        yield partial(self._cut_all, numbers.tolist(), out)

    def plan(self, numbers: NDArray[np.int64], *, whole: bool) -> ReadPlan:
        """Return what reading tiles costs: the one frame that holds them."""
        del whole
        return self.mosaic.plan(numbers[:1] * 0, whole=True)

    def fetches(
        self, numbers: Sequence[int], use: Callable[[int, BytesLike], None]
    ) -> Iterator[Fetch]:
        """Return the one fetch that all tiles need."""

        def read() -> list[Job]:
            data = read_frame(self.mosaic.reader, 0)
            return [partial(use, row, data) for row in range(len(numbers))]

        yield Fetch(read)

    def decode(self, number: int, data: BytesLike, out: NDArray[Any]) -> None:
        """Decode the mosaic, copy one tile."""
        pixel = self.mosaic.format.pixel
        whole = np.empty(pixel.frame_shape, pixel.dtype)
        self.mosaic.decode(0, data, whole)
        out[...] = self._cut(whole, number)

    def _cut_all(self, numbers: Sequence[int], out: NDArray[Any]) -> None:
        whole = self.mosaic.frame(0)
        for row, number in enumerate(numbers):
            out[row] = self._cut(whole, number)

    def _cut(self, whole: NDArray[Any], number: int) -> NDArray[Any]:
        rows, columns = self.format.pixel.frame_shape[:2]
        across = whole.shape[1] // columns
        top, left = number // across * rows, number % across * columns
        return whole[top : top + rows, left : left + columns]


def cut_mosaic(mosaic: DicomImage, tiles: int) -> MosaicImage:
    """Let the tiles of a mosaic be frames: a square of as many as fit.

    Raises
    ------
    InvalidDicomError
        If rows or columns are no multiple of the tiles along them.
    """
    pixel = mosaic.format.pixel
    across = math.isqrt(max(tiles, 1) - 1) + 1
    if tiles < 1 or pixel.rows % across or pixel.columns % across:
        message = (
            f"Expected a mosaic of {tiles} tiles, found {pixel.rows}×{pixel.columns}"
        )
        raise InvalidDicomError(message, url=mosaic.url)
    tile = replace(
        pixel,
        rows=pixel.rows // across,
        columns=pixel.columns // across,
        number_of_frames=tiles,
    )
    format_ = replace(mosaic.format, pixel=tile)
    image = MosaicImage(
        reader=mosaic.reader,
        format=format_,
        load_header=mosaic.load_header,
        mosaic=mosaic,
        tiles=tiles,
    )
    if "header" in vars(mosaic):
        vars(image)["header"] = mosaic.header
    return image
