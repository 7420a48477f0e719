"""The dask view: one task per chunk of whole frames.

A slice or an integer that dask pushes down into a chunk reaches the array itself, so that
it reads and decodes only the frames that it names.
"""

import pickle
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

import dask.array as da
import numpy as np
from dask.blockwise import Blockwise
from dask.layers import ArraySliceDep

from lazydicom._array.computed import ComputedArray, FrameArray, FrameFunction
from lazydicom._array.label_map import LabelMap
from lazydicom._array.lazy_array import check_lazy
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._views.chunks import aligned_chunks

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SMALL: Final = 1 << 14
"""Bytes up to which what differs from frame to frame may stand in every task."""


@dataclass(frozen=True, slots=True, eq=False)
class ChunkReader:
    """What dask's tasks carry: the array, read on the thread that asks.

    dask has threads of its own, so the array must not start more.
    """

    array: FrameArray

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


class ChunkSlices(ArraySliceDep):
    """What each chunk covers: it pickles as the lengths, not as the starts too."""

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle as lengths: of a million chunks they take 2 MB, and the starts 5 MB."""
        return (ChunkSlices, (self.chunks,))


def to_dask(
    array: FrameArray, frames_per_chunk: int | Literal["auto"] = "auto"
) -> da.Array:
    """View an array as a dask array; nothing is read.

    Parameters
    ----------
    array : DicomArray or ComputedArray
        What `open_image` and its kin give, or a LUT makes of it.
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
    check_lazy(array, "to_dask")
    meta: NDArray[Any] = np.empty((0,) * array.ndim, array.dtype)
    reader = ChunkReader(_without_labels(array))
    values: da.Array = da.from_array(
        reader,
        chunks=aligned_chunks(array, frames_per_chunk),
        asarray=False,
        lock=False,
        inline_array=_is_small(array),
        meta=meta,
    )
    _pickle_lengths_alone(values)
    return values


def is_dask_array(values: object) -> bool:
    """Return whether these are values of dask."""
    return isinstance(values, da.Array)


def map_frames(values: da.Array, function: FrameFunction) -> da.Array:
    """Apply a function to each chunk, with the parameters of its frames."""
    axes = tuple(range(values.ndim))
    parts: list[object] = []
    for one in function.parameters:
        chunks = tuple(
            (1,) if length == 1 else own
            for own, length in zip(values.chunks, one.shape, strict=bool(one.ndim))
        )
        parts += (da.from_array(one, chunks), axes) if one.ndim else (one[()], None)
    samples = {values.ndim: function.samples} if function.samples else {}
    return da.blockwise(  # type: ignore[no-any-return]
        function.kernel,
        (*axes, *samples),
        values,
        axes,
        *parts,
        new_axes=samples,
        dtype=function.dtype,
        meta=np.empty((0,) * (values.ndim + len(samples)), function.dtype),
    )


def _pickle_lengths_alone(values: da.Array) -> None:
    for layer in values.dask.layers.values():
        if isinstance(layer, Blockwise):
            layer.io_deps = {
                name: ChunkSlices(one.chunks) if type(one) is ArraySliceDep else one
                for name, one in layer.io_deps.items()
            }


def _without_labels(array: FrameArray) -> FrameArray:
    """Leave out what reading does not need: labels may be as long as the array."""
    if isinstance(array, ComputedArray):
        return replace(array, source=_without_labels(array.source))
    if isinstance(array, LabelMap):
        bare = replace(array.source, coords={}, attrs={})
        return replace(array, source=bare)
    return replace(array, coords={}, attrs={})


def _is_small(array: FrameArray) -> bool:
    """Return whether every task may carry the array: dask then pushes slices down faster."""
    return len(array.images) == 1 and _carried_nbytes(array) <= _SMALL


def _carried_nbytes(array: FrameArray) -> int:
    """Return the bytes of what an array of one image knows of its frames.

    Native indexes are a start and a stride; others are 16 bytes per frame.
    """
    if isinstance(array, ComputedArray):
        return len(pickle.dumps(array.function)) + _carried_nbytes(array.source)
    image = array.images[0]
    index = 0 if image.format.transfer_syntax.native else 16 * len(image)
    return index + len(pickle.dumps(array.grid))
