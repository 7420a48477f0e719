"""`to_ome_zarr`: a copy as OME-Zarr 0.5 multiscales, all or nothing.

Every level is a copy that `to_zarr` writes, with its manifest; the group that makes them one
image comes last.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import zarr
from zarr.abc.store import Store
from zarr.storage import FsspecStore

from lazydicom._array.computed import FrameArray
from lazydicom._export.attributes import warn_of_burned_in_text, warn_of_tilt
from lazydicom._export.ome_metadata import (
    VERSION,
    OmeAxis,
    find_axes,
    given_levels,
    halving,
    multiscales,
    omero,
)
from lazydicom._export.pyramid import Level, Method, Transposed
from lazydicom._export.store.folder import LocalFolder
from lazydicom._export.store.layout import METADATA, plan_layout
from lazydicom._export.store.manifest import MANIFEST
from lazydicom._export.store.run import Progress
from lazydicom._export.store.target import (
    StoreLike,
    Target,
    check_is_zarr,
    check_nothing_begun,
    open_target,
)
from lazydicom._export.zarr import codecs_of, to_zarr
from lazydicom.errors import ExportError, UnsupportedError, redact_url

if TYPE_CHECKING:
    from lazydicom._array.array import DicomArray
    from lazydicom._export.ome_metadata import Placed

_SMALLEST_PLANE: Final = 256
"""Levels are added until rows and columns are at most so many."""
_CHUNK_BYTES: Final = 1 << 20
_TILE: Final = 1024
"""Rows and columns of a chunk where a plane has more than twice as many."""


@dataclass(frozen=True, slots=True)
class OmeReport:
    """What `to_ome_zarr` did."""

    url: str
    """The store."""
    axes: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    """Of each level, the finest first."""
    kept: bool
    """The store was there already, and whole."""
    seconds: float


def to_ome_zarr(
    array_or_levels: FrameArray | Sequence[FrameArray],
    store: StoreLike,
    *,
    storage_options: Mapping[str, Any] | None = None,
    levels: int | None = None,
    method: Method | None = None,
    chunks: Sequence[int] | None = None,
    compressors: str = "zstd",
    overwrite: bool = False,
    resume: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> OmeReport:
    """Copy an array into an OME-Zarr 0.5 image with levels of less and less resolution.

    Axes come in the order time, channel, z, y, x. Scale and translation are those of the
    coordinates, in millimeters and seconds. OME-Zarr knows no rotation: positions count
    along the axes of the image, and ``attributes["lazydicom"]["affine"]`` leads to the patient.

    Parameters
    ----------
    array_or_levels : DicomArray, ComputedArray, or a list of them
        An array, of which coarser levels are made, or levels that are there already, the
        finest first.
    store : str or os.PathLike
        A folder, a local ``.zip`` or any fsspec URL.
    storage_options : mapping, optional
        Arguments of the fsspec filesystem.
    levels : int, optional
        How many, at most; by default until a plane has 256 rows and columns at most.
    method : {"mean", "nearest"}, optional
        What becomes of the values that a coarser one stands for; by default the mean, and
        the nearest for segmentations.
    chunks : sequence of int, optional
        Lengths on each axis of the copy, -1 for a whole one; by default planes up to 1 MiB.
    compressors : {"zstd", "blosc", "gzip", "none"}
        As in `to_zarr`.
    overwrite, resume, workers, progress
        As in `to_zarr`; `progress` is called for each level.

    Returns
    -------
    OmeReport

    Raises
    ------
    UnsupportedError
        If there are more axes than OME-Zarr has places for.
    ExportError
        If something stands there already, or the store cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pydicom.data import get_testdata_file
    >>> import lazydicom
    >>> array = lazydicom.open_series(get_testdata_file("rtdose.dcm", download=False))
    >>> folder = tempfile.TemporaryDirectory()
    >>> report = lazydicom.to_ome_zarr(array, f"{folder.name}/dose.ome.zarr", levels=2)
    >>> report.axes, report.shapes
    (('z', 'y', 'x'), ((15, 10, 10), (8, 5, 5)))
    >>> lazydicom.verify(f"{report.url}/0").ok
    True
    >>> folder.cleanup()
    """
    started = time.monotonic()
    if overwrite and resume:
        raise ValueError("Expected overwrite or resume, not both")
    pyramid = _plan(array_or_levels, levels, method)
    target = open_target(_located(store), storage_options or {})
    write = _Writing(pyramid, target, dict(storage_options or {}))
    _check_layout(write.level(0), chunks, compressors)
    marker = _marker(pyramid, chunks, compressors)
    warn_of_burned_in_text(pyramid.arrays[0])
    warn_of_tilt(pyramid.arrays[0])
    with target.alone():
        kept = _prepare(target, marker, overwrite=overwrite, resume=resume)
        if not kept:
            for number in range(len(pyramid.factors)):
                level = write.level(number)
                to_zarr(
                    cast("DicomArray", level),
                    write.url(number),
                    storage_options=storage_options,
                    chunks=_chunks(level) if chunks is None else chunks,
                    compressors=compressors,
                    metadata="none",
                    resume=True,
                    workers=workers,
                    progress=progress,
                )
            target.publish(pyramid.metadata())
    return OmeReport(
        url=redact_url(target.url),
        axes=tuple(axis.name for axis in pyramid.axes),
        shapes=pyramid.shapes(),
        kept=kept,
        seconds=time.monotonic() - started,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Pyramid:
    """What will be written."""

    arrays: tuple[FrameArray, ...]
    """One, or one for each level."""
    axes: list[OmeAxis]
    factors: list[tuple[int, ...]]
    """Pixels of level 0 in one of each level; where levels are given, nothing but ones."""
    method: Method

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
        if self.given:
            return tuple(tuple(a.shape[axis] for axis in order) for a in self.arrays)
        full = [self.arrays[0].shape[axis] for axis in order]
        return tuple(
            tuple(-(-n // factor) for n, factor in zip(full, factors, strict=True))
            for factors in self.factors
        )

    def metadata(self) -> bytes:
        """Write the ``zarr.json`` of the group."""
        array = self.arrays[0]
        levels: list[Placed] = [(self.axes, factors) for factors in self.factors]
        if self.given:
            levels = given_levels(self.arrays)
        ome: dict[str, Any] = {
            "version": VERSION,
            "multiscales": [multiscales(levels, self.method)],
        }
        channels = omero(array, self.axes)
        if channels is not None:
            ome["omero"] = channels
        attributes: dict[str, Any] = {"ome": ome}
        if "affine" in array.attrs:
            affine = np.asarray(array.attrs["affine"]).tolist()
            attributes["lazydicom"] = {"affine": affine}
        group = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
        return json.dumps(group, indent=2, allow_nan=False).encode()

    def digest(self) -> str:
        """Tell these pixels and levels from any other."""
        digest = blake2b(self.metadata(), digest_size=16)
        for array in self.arrays:
            digest.update(repr(array.identity()).encode())
        return digest.hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class _Writing:
    """Levels on their way into the staging place of a store."""

    pyramid: _Pyramid
    target: Target
    storage_options: dict[str, Any]

    def url(self, number: int) -> str:
        """Name the place of a level."""
        staging = self.target.staging
        folder = staging.path if isinstance(staging, LocalFolder) else staging.url
        return f"{folder}/{number}"

    def _store(self, number: int) -> str | FsspecStore:
        """Return the store of a level; newer zarr keeps ``memory://`` for its own."""
        url = self.url(number)
        if isinstance(self.target.staging, LocalFolder):
            return url
        options = dict(self.storage_options or {})
        return FsspecStore.from_url(url, storage_options=options, read_only=True)

    def level(self, number: int) -> Level:
        """Return a level, read from the one before it."""
        pyramid = self.pyramid
        names = tuple(axis.name for axis in pyramid.axes)
        if number == 0 or pyramid.given:
            array = pyramid.arrays[number if pyramid.given else 0]
            below = Transposed(array, pyramid.order())
            return Level(array, below, names, (1,) * len(names), pyramid.method)
        pairs = zip(pyramid.factors[number], pyramid.factors[number - 1], strict=True)
        steps = tuple(own // before for own, before in pairs)
        finer = zarr.open_array(self._store(number - 1), mode="r")
        return Level(pyramid.arrays[0], finer, names, steps, pyramid.method)


def _plan(
    array_or_levels: FrameArray | Sequence[FrameArray],
    levels: int | None,
    method: Method | None,
) -> _Pyramid:
    """Decide on axes and levels.

    Raises
    ------
    ValueError
        If there is no level, those given have not the same axes, or nobody knows the method.
    """
    if levels is not None and levels < 1:
        raise ValueError(f"Expected 1 level or more, found {levels}")
    if method not in {None, "mean", "nearest"}:
        raise ValueError(f"Expected the method mean or nearest, found {method!r}")
    if isinstance(array_or_levels, FrameArray):
        arrays: tuple[FrameArray, ...] = (array_or_levels,)
    else:
        arrays = tuple(array_or_levels)[:levels]
    if len({(array.dims, array.dtype) for array in arrays}) != 1:
        raise ValueError("Expected levels of the same axes and type")
    axes = find_axes(arrays[0])
    if [axis.name for axis in axes[-2:]] != ["y", "x"]:
        message = f"Expected planes of y and x, found {arrays[0].dims}"
        raise UnsupportedError(message, url=arrays[0].images[0].url)
    if method is None:
        labels = arrays[0].attrs.get("modality") == "SEG"
        method = "nearest" if labels else "mean"
    if len(arrays) > 1:
        factors = [(1,) * len(axes)] * len(arrays)
    else:
        factors = _factors(arrays[0], axes, levels)
    return _Pyramid(arrays, axes, factors, method)


def _check_layout(level: Level, chunks: Sequence[int] | None, compressors: str) -> None:
    """Refuse chunks and compressors before anything stands in the store."""
    plan_layout(
        cast("DicomArray", level),
        chunks=_chunks(level) if chunks is None else chunks,
        shards=None,
        compressors=codecs_of(compressors),
        attributes={},
    )


def _marker(pyramid: _Pyramid, chunks: Sequence[int] | None, compressors: str) -> bytes:
    """Tell this export from any other, to whoever resumes it."""
    plan = {
        "source": pyramid.digest(),
        "chunks": chunks and [*chunks],
        "compressors": repr(compressors),
    }
    return json.dumps({"lazydicom_multiscales": plan}).encode()


def _factors(
    array: FrameArray, axes: Sequence[OmeAxis], levels: int | None
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


def _chunks(level: Level) -> tuple[int, ...]:
    """Return all samples of a pixel to one chunk, and as many planes as are 1 MiB."""
    *outer, rows, columns = level.shape
    plane = rows * columns * level.dtype.itemsize
    samples = level.array.shape[-1] if level.array.dims[-1] == "sample" else 1
    tile = [n if n <= 2 * _TILE else _TILE for n in (rows, columns)]
    lengths = [1] * len(outer)
    for place, name in enumerate(level.dims[:-2]):
        if name == "c" and samples > 1:
            lengths[place] = samples
        elif name == "z":
            lengths[place] = min(
                max(_CHUNK_BYTES // (plane * samples), 1), outer[place]
            )
    return (*lengths, *tile)


def _located(store: StoreLike) -> StoreLike:
    """Refuse store objects: every level has a name of its own."""
    if isinstance(store, Store):
        message = f"Expected a path or a URL, found {type(store).__name__}"
        raise TypeError(message)
    return store


def _prepare(target: Target, marker: bytes, *, overwrite: bool, resume: bool) -> bool:
    """Look at what stands there, and tell whether it is this export, finished."""
    published = target.published()
    finished = published is not None and published.get(METADATA) is not None
    if published is not None and not (overwrite or (resume and finished)):
        message = "Something stands here already; overwrite=True replaces a store"
        raise ExportError(message, url=target.url)
    if published is not None and overwrite:
        check_is_zarr(published, target)
    if published is not None and resume:
        _check_same(published.get(MANIFEST), marker, target)
        return True
    if not (overwrite or resume):
        check_nothing_begun(target)
    begun = target.staging.get(MANIFEST)
    if begun is not None and not overwrite:
        _check_same(begun, marker, target)
        return False
    target.discard()
    target.staging.put(MANIFEST, marker)
    return False


def _check_same(found: bytes | None, marker: bytes, target: Target) -> None:
    if found != marker:
        differences = "another source, or other levels, chunks or codecs"
        message = f"The export that stands here has {differences}"
        raise ExportError(message, url=target.url)
