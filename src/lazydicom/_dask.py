"""The dask view: one task per chunk of whole frames.

A slice or an integer that dask pushes down into a chunk reaches the array itself, so that
it reads and decodes only the frames that it names.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import dask.array as da
import numpy as np

from lazydicom._array import DicomArray

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CHUNK_BYTES: Final = 1 << 25
"""32 MiB: per-frame overhead falls from 40 to 2 microseconds, two chunks fit a cache."""
_SMALL_INDEX: Final = 1 << 10
"""Frames up to which an index of offsets may stand in every task."""


@dataclass(frozen=True, slots=True, eq=False)
class ChunkReader:
    """What dask's tasks carry: the array, read on the thread that asks.

    dask has threads of its own, so the array must not start more.
    """

    array: DicomArray

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return self.array.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.array.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored values."""
        return self.array.dtype

    def __getitem__(self, key: Any) -> Any:  # noqa: ANN401 (NumPy's own signature)
        """Read a chunk, or the part of it that was pushed down."""
        return self.array.read(key, threads=1)

    def __dask_tokenize__(self) -> tuple[object, ...]:
        """Name these values the same in every process."""
        return self.array.__dask_tokenize__()


def to_dask(
    array: DicomArray, frames_per_chunk: int | Literal["auto"] = "auto"
) -> da.Array:
    """View an array as a dask array; nothing is read.

    Parameters
    ----------
    array : DicomArray
        What `open_image` and its kin give.
    frames_per_chunk : int or "auto"
        Whole frames per chunk along the last grid axis. ``"auto"`` groups them to about
        32 MiB; 1 gives one frame per chunk.

    Returns
    -------
    dask.array.Array
        Of the same shape and dtype, with a name that depends on the file's version.

    Notes
    -----
    An integer or a slice directly on the result decodes only the frames it names,
    whatever the chunk size. Behind any other operation, and with lists, whole chunks
    are decoded.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> import lazydicom
    >>> path = get_testdata_file("rtdose.dcm", download=False)
    >>> values = lazydicom.to_dask(lazydicom.open_image(path), frames_per_chunk=4)
    >>> values.chunks
    ((4, 4, 4, 3), (10,), (10,))
    >>> int(values[7].max().compute()) == int(values.max(axis=(1, 2))[7].compute())
    True
    """
    meta: NDArray[Any] = np.empty((0,) * array.ndim, array.dtype)
    reader = ChunkReader(array)
    return da.from_array(  # type: ignore[no-any-return, no-untyped-call]
        reader,
        chunks=frame_chunks(array, frames_per_chunk),
        asarray=False,
        lock=False,
        inline_array=_is_small(array),
        meta=meta,
    )


def frame_chunks(
    array: DicomArray, frames_per_chunk: int | Literal["auto"]
) -> tuple[int, ...]:
    """Give the chunk length of each axis: some frames, whole ones.

    Raises
    ------
    ValueError
        If `frames_per_chunk` is less than 1.
    """
    plane = array.frame_shape
    frame_nbytes = math.prod(plane) * array.dtype.itemsize
    grouped = max(_CHUNK_BYTES // frame_nbytes, 1)
    frames = grouped if frames_per_chunk == "auto" else frames_per_chunk
    if frames < 1:
        message = f"frames_per_chunk must be 1 or more, not {frames}"
        raise ValueError(message)
    *outer, last = array.grid.shape
    return (*(1 for _ in outer), min(frames, max(last, 1)), *plane)


def _is_small(array: DicomArray) -> bool:
    """Tell whether every task may carry the array, which lets dask push slices down faster.

    Native indexes are a start and a stride; others are 16 bytes per frame.
    """
    return len(array.images) == 1 and (
        array.images[0].format.transfer_syntax.native
        or len(array.images[0]) <= _SMALL_INDEX
    )
