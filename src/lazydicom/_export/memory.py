"""How many units may be written at once within a memory limit."""

from typing import Final

from lazydicom._array.grid import chunk_nbytes
from lazydicom._array.lazy_array import LazyArray
from lazydicom._array.work.cores import available_cores
from lazydicom._export.levels.bricks import Bricks
from lazydicom._export.store.layout import RUN_NBYTES, ZarrLayout
from lazydicom.errors import LimitError

DEFAULT_LIMIT: Final = 256 << 20
_FIXED: Final = 24 << 20
"""Threads, their stacks and heaps, and what libraries allocate once."""
_PER_CHUNK: Final = 300
"""The record of a chunk, in memory and in the manifest."""
_NETWORK_WORKERS: Final = 8


def plan_workers(
    array: LazyArray,
    layout: ZarrLayout,
    *,
    streams: bool,
    workers: int | None,
    memory_limit: int | None,
    bricks: Bricks | None = None,
) -> int:
    """Choose the number of workers that fits.

    Parameters
    ----------
    array : LazyArray
        What is read.
    layout : ZarrLayout
        Where it goes.
    streams : bool
        Whether objects need no memory while they are written.
    workers : int, optional
        At most so many; by default the cores, and more for a network.
    memory_limit : int, optional
        Bytes; by default 256 MiB, or what one worker needs.
    bricks : Bricks, optional
        What is made of the array besides, where it is a level of a pyramid.

    Raises
    ------
    LimitError
        If one worker needs more than `memory_limit`.
    """
    most = workers or (
        available_cores() if streams else max(available_cores(), _NETWORK_WORKERS)
    )
    fixed = _FIXED + _PER_CHUNK * layout.number_of_chunks
    each = unit_nbytes(array, layout, streams=streams)
    if bricks is not None:
        fixed += bricks.nbytes_behind
        each += 2 * bricks.slab_nbytes + bricks.nbytes  # sums are twice as wide
    limit = DEFAULT_LIMIT if memory_limit is None else memory_limit
    fits = (limit - fixed) // each
    if fits < 1 and memory_limit is not None:
        message = (
            f"Writing chunks of {layout.chunks} takes {(fixed + each) >> 20} MiB, "
            f"allowed are {memory_limit >> 20} MiB: choose smaller chunks or shards"
        )
        raise LimitError(message)
    return max(min(most, fits), 1)


def unit_nbytes(array: LazyArray, layout: ZarrLayout, *, streams: bool) -> int:
    """Bytes that one worker holds at most: two slabs, a frame in the making, a chunk.

    Small units are read together: their run takes the place of the slabs.
    """
    frame = chunk_nbytes(array)
    chunk = layout.chunk_nbytes
    compressed = {codec["name"] for codec in layout.compressors} - {"crc32c"}
    slabs = 2  # one is written while the next is read
    held = max(slabs * layout.slab_nbytes, RUN_NBYTES if streams else 0)
    held += frame * _frames_in_the_making(array)
    held += chunk * (1 + 3 * bool(compressed)) + (4 << 20)
    if not streams:
        held += 2 * layout.unit_nbytes
    return held


def _frames_in_the_making(array: LazyArray) -> int:
    """Count the frames' worth of memory that decoding one takes; J2K has 32 bits."""
    if all(image.format.in_place for image in array.images):
        return 0
    native = all(image.format.transfer_syntax.native for image in array.images)
    return 4 if native else 8
