"""Where the bytes of each chunk lie, and what makes stored values of them."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lazydicom._array.array import DicomArray
from lazydicom._array.computed import ComputedArray, FrameArray
from lazydicom._array.grid import HOLE, Parts
from lazydicom._array.image import DicomImage
from lazydicom._array.label_map import LabelMap
from lazydicom._array.lazy_array import whole_frame_lengths
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._decode.format import FrameFormat
from lazydicom._frames.reader import fragment_reader
from lazydicom._views.references.codecs import Config, community_codec
from lazydicom._views.references.urls import referable_url
from lazydicom._views.zarr_codec import CODEC_ID, ChunkFormat
from lazydicom.errors import UnsupportedError

_ITEM_HEADER = 8


@dataclass(frozen=True, slots=True, eq=False)
class ChunkReferences:
    """An array as byte ranges of files. Chunks count in C order over `counts`."""

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[Any]
    """In the byte order in which decoded chunks are."""
    ours: ChunkFormat | None
    """What our codec needs; ``None`` where the bytes, or others' codecs, will do."""
    codec: Config | None
    """The codec of a chunk for numcodecs; ``None``: its bytes are the values."""
    urls: tuple[str, ...]
    files: NDArray[np.int64]
    """The file of each chunk, by its place in `urls`; -1 for a hole."""
    offsets: NDArray[np.int64]
    lengths: NDArray[np.int64]
    fill_value: float | None
    """What stands where there is no chunk."""

    @property
    def counts(self) -> tuple[int, ...]:
        """Chunks along each axis."""
        pairs = zip(self.shape, self.chunks, strict=True)
        return tuple(-(-length // chunk) for length, chunk in pairs)


def plan_references(array: FrameArray, *, community: bool = True) -> ChunkReferences:
    """Find the bytes of every chunk.

    Parameters
    ----------
    array : DicomArray
        Of files that have URLs.
    community : bool
        Name codecs that others know, where their output is exactly ours.

    Raises
    ------
    UnsupportedError
        If there is something that references cannot say.
    """
    if isinstance(array, ComputedArray):
        message = (
            f"References lead to stored values, not behind a {array.function.name}"
        )
        raise UnsupportedError(message, url=array.images[0].url)
    if isinstance(array, LabelMap):
        message = "References lead to stored values, not to segments combined"
        raise UnsupportedError(message, url=array.images[0].url)
    fill_value = _checked_fill(array)
    urls = tuple(map(referable_url, array.images))
    format_ = _one_format(array)
    frames = _frames_together(array, format_)
    plan = ChunkReferences(
        shape=array.shape,
        chunks=_chunks(array, frames),
        dtype=array.dtype.newbyteorder("<"),
        ours=None,
        codec=None,
        urls=urls,
        fill_value=fill_value,
        **_ranges(array, frames),
    )
    if format_.transfer_syntax.native:
        return _of_native(plan, format_, frames)
    if format_.decoder != "imagecodecs":
        message = "Who reads references decodes with imagecodecs, not with pydicom"
        raise UnsupportedError(message, url=array.images[0].url)
    return _of_encapsulated(plan, array.images, format_, community=community)


def _chunks(array: DicomArray, frames: int) -> tuple[int, ...]:
    """Return the lengths of a chunk; the last one may hold fewer frames."""
    own = whole_frame_lengths(array)
    one = tuple(own[name] for name in array.dims)
    return one if frames == 1 else (frames, *one[1:])


def _of_native(
    plan: ChunkReferences, format_: FrameFormat, frames: int
) -> ChunkReferences:
    if format_.in_place and format_.pixel.bits_stored == 8 * plan.dtype.itemsize:
        little = format_.transfer_syntax.pixels_little_endian
        return plan if little else replace(plan, dtype=plan.dtype.newbyteorder(">"))
    return _with_ours(plan, ChunkFormat(format_, frames))


def _of_encapsulated(
    plan: ChunkReferences,
    images: Sequence[DicomImage],
    format_: FrameFormat,
    *,
    community: bool,
) -> ChunkReferences:
    config = _common_codec(images) if community else None
    if config is not None:
        offsets, lengths = plan.offsets + _ITEM_HEADER, plan.lengths - _ITEM_HEADER
        return replace(plan, codec=config, offsets=offsets, lengths=lengths)
    readers = [fragment_reader(image.reader) for image in images]
    proven = all(reader is not None and reader.proven for reader in readers)
    return _with_ours(plan, ChunkFormat(format_, believed=not proven))


def _with_ours(plan: ChunkReferences, ours: ChunkFormat) -> ChunkReferences:
    return replace(plan, ours=ours, codec={"id": CODEC_ID, **ours.to_json()})


def _common_codec(images: Sequence[DicomImage]) -> Config | None:
    first = community_codec(images[0])
    others = images[1:] if first is not None else ()
    return first if all(community_codec(image) == first for image in others) else None


def _checked_fill(array: DicomArray) -> float | None:
    """Return the value of holes.

    Raises
    ------
    UnsupportedError
        If chunks are no whole frames, or holes have no one value.
    """
    grid, fill_value = array.grid, array.fill_value
    reason = None
    if isinstance(grid.layout, Parts):
        reason = "Planes that share a frame have no byte offsets"
    elif grid.crop is not None:
        reason = "References name whole frames, not parts of them"
    elif not (grid.numbers == HOLE).any():
        return None if isinstance(fill_value, tuple) else fill_value
    elif fill_value is None:
        reason = "Frames are missing, and no fill_value is given"
    elif isinstance(fill_value, tuple):
        reason = "Missing frames have a colour, and references know one number"
    if reason is not None or isinstance(fill_value, tuple):
        raise UnsupportedError(str(reason), url=array.images[0].url)
    return fill_value


def _one_format(array: DicomArray) -> FrameFormat:
    """Return the format of all frames.

    Raises
    ------
    UnsupportedError
        If files are encoded in different ways: an array of Zarr has one codec.
    """
    formats = {_without_count(image.format): image for image in array.images}
    if len(formats) > 1:
        message = (
            "Files of unlike encoding, and an array of references has one codec; "
            "to_zarr copies them, ZarrStore shows them without a copy"
        )
        raise UnsupportedError(message, url=list(formats.values())[1].url)
    return next(iter(formats))


def _without_count(format_: FrameFormat) -> FrameFormat:
    return replace(format_, pixel=replace(format_.pixel, number_of_frames=1))


def _frames_together(array: DicomArray, format_: FrameFormat) -> int:
    """Count the frames after which one begins where a byte, or a pair of them, does.

    Raises
    ------
    UnsupportedError
        If frames that share a byte do not stand in the order of their file.
    """
    if not format_.transfer_syntax.native or max(map(len, array.images)) == 1:
        return 1
    unit = 16 if format_.swapped_pairs else 8
    frames = unit // math.gcd(unit, format_.pixel.frame_bits)
    numbers = array.grid.numbers
    in_order = numbers.ndim == 1 and np.array_equal(numbers, np.arange(numbers.size))
    if frames > 1 and not (in_order and len(array.images) == 1):
        message = (
            "Frames that share a byte with the next one, in another order than in the "
            "file; to_zarr copies them, ZarrStore shows them without a copy"
        )
        raise UnsupportedError(message, url=array.images[0].url)
    return frames


def _ranges(array: DicomArray, frames: int) -> dict[str, NDArray[np.int64]]:
    """Return file, offset and length of each chunk of so many frames."""
    starts = np.concatenate([image.index.offsets for image in array.images])
    stops = starts + np.concatenate([image.index.lengths for image in array.images])
    counts = [len(image) for image in array.images]
    files = np.repeat(np.arange(len(counts)), counts)
    numbers = array.grid.numbers.reshape(-1)
    first = numbers[::frames]
    last = numbers[
        np.minimum(np.arange(len(first)) * frames + frames, len(numbers)) - 1
    ]
    return {
        "files": np.where(first == HOLE, HOLE, files[first]),
        "offsets": np.where(first == HOLE, 0, starts[first]),
        "lengths": np.where(first == HOLE, 0, stops[last] - starts[first]),
    }
