"""Which levels an OME-Zarr image will have: their axes, factors, chunks, and metadata."""

import json
from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lazydicom._array.lazy_array import LazyArray, whole_frame_lengths
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._export.inputs import url_of
from lazydicom._export.levels.alike import check_alike
from lazydicom._export.levels.level import Level, Transposed
from lazydicom._export.levels.reduce import Method
from lazydicom._export.ome_metadata import (
    VERSION,
    OmeAxis,
    find_axes,
    given_levels,
    halving,
    multiscales,
    omero,
)
from lazydicom._export.store.manifest import ImageMarker, attributes_checksum
from lazydicom._views.zarr_codec import JpegCodec
from lazydicom.errors import UnsupportedError

if TYPE_CHECKING:
    from lazydicom._export.ome_metadata import Placed

_SMALLEST_PLANE: Final = 256
"""Levels are added until rows and columns are at most so many."""
_CHUNK_BYTES: Final = 1 << 20
_TILE: Final = 1024
"""Rows and columns of a chunk where a plane has more than twice as many."""


@dataclass(frozen=True, slots=True, eq=False)
class Pyramid:
    """What will be written."""

    arrays: tuple[LazyArray, ...]
    """One, or one for each level."""
    axes: list[OmeAxis]
    factors: list[tuple[int, ...]]
    """Pixels of level 0 in one of each level; where several levels are given, ones, and
    behind them the pixels of the last of them."""
    method: Method
    tile_codecs: tuple[JpegCodec | None, ...] = ()
    """Of each array what decodes its tiles, where they are kept as they are."""
    label: dict[str, Any] | None = None
    """What ``image-label`` says, where the values are labels of another image."""

    @property
    def given(self) -> bool:
        """Whether levels are there already."""
        return len(self.arrays) > 1

    def order(self) -> tuple[int, ...]:
        """Axis of the array behind each axis of the copy."""
        return tuple(axis.position for axis in self.axes)

    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of each level."""
        order = self.order()
        finer = self.arrays[:-1]
        finer_shapes = tuple(tuple(a.shape[axis] for axis in order) for a in finer)
        full = [self.arrays[-1].shape[axis] for axis in order]
        return finer_shapes + tuple(
            tuple(-(-n // factor) for n, factor in zip(full, factors, strict=True))
            for factors in self.factors[len(finer) :]
        )

    def source_level(self, number: int) -> Level:
        """Return a level that is read from an array as it is."""
        array = self.arrays[number if self.given else 0]
        names = tuple(axis.name for axis in self.axes)
        below = Transposed(array, self.order())
        codec = self.tile_codecs[number] if self.tile_codecs else None
        ones = (1,) * len(names)
        return Level(array, below, names, ones, self.method, tile_codec=codec)

    def tiles_kept(self) -> tuple[bool, ...]:
        """Return of each level whether its chunks are tiles of the file."""
        kept = [codec is not None for codec in self.tile_codecs]
        return (*kept, *(False,) * (len(self.factors) - len(kept)))

    def metadata(self) -> bytes:
        """Write the ``zarr.json`` of the group."""
        array = self.arrays[0]
        levels: list[Placed] = [(self.axes, factors) for factors in self.factors]
        if self.given:
            levels = [self._kept(level) for level in given_levels(self.arrays)]
            levels += _coarser(levels[-1], self.factors[len(self.arrays) :])
        ome: dict[str, Any] = {
            "version": VERSION,
            "multiscales": [multiscales(levels, self.method)],
        }
        channels = omero(array, self.axes) if self.label is None else None
        if channels is not None:
            ome["omero"] = channels
        if self.label is not None:
            ome["image-label"] = self.label
        attributes: dict[str, Any] = {"ome": ome}
        if "affine" in array.attrs:
            affine = np.asarray(array.attrs["affine"]).tolist()
            attributes["lazydicom"] = {"affine": affine}
        group = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
        return json.dumps(group, indent=2, allow_nan=False).encode()

    def _kept(self, level: "Placed") -> "Placed":
        """Return a level without the axes that are left out."""
        names = {axis.name for axis in self.axes}
        pairs = [pair for pair in zip(*level, strict=True) if pair[0].name in names]
        return [axis for axis, _ in pairs], [factor for _, factor in pairs]

    def digest(self) -> str:
        """Return what tells these pixels and levels from any other."""
        digest = blake2b(self.metadata(), digest_size=16)
        for array in self.arrays:
            digest.update(repr(array.identity()).encode())
        return digest.hexdigest()


def marker_of(
    pyramid: Pyramid, chunks: Sequence[int] | None, compressors: str
) -> bytes:
    """Return what tells this export from any other, for whoever resumes it."""
    codecs = repr(compressors)
    if pyramid.tile_codecs:
        codecs = f"tiles, {codecs}"
    marker = ImageMarker(
        source=pyramid.digest(),
        levels=len(pyramid.factors),
        attributes=attributes_checksum(pyramid.metadata()),
        chunks=None if chunks is None else [int(length) for length in chunks],
        compressors=codecs,
    )
    return marker.encode()


def plan_pyramid(
    arrays: Sequence[LazyArray],
    levels: int | None,
    method: Method | None,
) -> Pyramid:
    """Decide on axes and levels.

    Raises
    ------
    ValueError
        If there is no level, those given have not the same axes, or nobody knows the method.
    UnsupportedError
        If those given do not hold the same channels, times or focal planes.
    """
    if levels is not None and levels < 1:
        raise ValueError(f"Expected 1 level or more, found {levels}")
    if method not in {None, "mean", "nearest"}:
        raise ValueError(f"Expected the method mean or nearest, found {method!r}")
    arrays = tuple(arrays)[:levels] if len(arrays) > 1 else tuple(arrays)
    _check_axes(arrays)
    check_alike(arrays)
    axes = find_axes(arrays[0])
    if [axis.name for axis in axes[-2:]] != ["y", "x"]:
        message = f"Expected planes of y and x, found {arrays[0].dims}"
        raise UnsupportedError(message, url=url_of(arrays[0]))
    if method is None:
        labels = arrays[0].attrs.get("modality") == "SEG"
        method = "nearest" if labels else "mean"
    finer = [(1,) * len(axes)] * (len(arrays) - 1)
    left = None if levels is None else levels - len(finer)
    factors = finer + _factors(arrays[-1], find_axes(arrays[-1]), left)
    return Pyramid(arrays, axes, factors, method)


def _check_axes(arrays: Sequence[LazyArray]) -> None:
    if not arrays:
        raise ValueError("Expected levels of the same axes and type, found none")
    kinds = [f"{array.dims} of {array.dtype}" for array in arrays]
    for number, kind in enumerate(kinds):
        if kind != kinds[0]:
            differ = f"level {number} has {kind}, level 0 {kinds[0]}"
            raise ValueError(f"Expected levels of the same axes and type: {differ}")


def _coarser(last: "Placed", factors: Sequence[tuple[int, ...]]) -> "list[Placed]":
    """Place levels that are made of the last one that is given."""
    axes, own = last
    return [
        (axes, [one * factor for one, factor in zip(own, step, strict=True)])
        for step in factors
    ]


def _factors(
    array: LazyArray, axes: Sequence[OmeAxis], levels: int | None
) -> list[tuple[int, ...]]:
    """Halve until planes are small."""
    full = [array.shape[axis.position] for axis in axes]
    factors = [(1,) * len(axes)]
    while True:
        shape = [-(-n // done) for n, done in zip(full, factors[-1], strict=True)]
        small = max(shape[-2:]) <= _SMALLEST_PLANE if levels is None else False
        step = halving(axes, shape, factors[-1])
        if small or len(factors) == levels or max(step) == 1:
            return factors
        pairs = zip(factors[-1], step, strict=True)
        factors.append(tuple(done * one for done, one in pairs))


def default_chunks(level: Level) -> tuple[int, ...]:
    """Return all samples of a pixel to one chunk, and as many planes as are 1 MiB.

    Large planes are cut; where they are tiles already, between these.
    """
    if level.tile_codec is not None:
        return _tile_lengths(level)
    *outer, rows, columns = level.shape
    plane = rows * columns * level.dtype.itemsize
    samples = level.array.shape[-1] if level.array.dims[-1] == "sample" else 1
    units = level.chunk_frames(1)[-2:]
    tile = [
        n if n <= 2 * _TILE else max(_TILE // unit, 1) * unit if unit < n else _TILE
        for n, unit in zip((rows, columns), units, strict=True)
    ]
    lengths = [1] * len(outer)
    for place, name in enumerate(level.dims[:-2]):
        if name == "c" and samples > 1:
            lengths[place] = samples
        elif name == "z":
            lengths[place] = min(
                max(_CHUNK_BYTES // (plane * samples), 1), outer[place]
            )
    return (*lengths, *tile)


def _tile_lengths(level: Level) -> tuple[int, ...]:
    """Return the lengths of a chunk that is a tile: larger than a level that is one tile."""
    own = whole_frame_lengths(level.array)
    return tuple(own[level.own_axis(axis)] for axis in range(level.ndim))
