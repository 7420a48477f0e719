"""`to_ome_zarr`: a copy as OME-Zarr 0.5 multiscales, all or nothing.

Every level is a copy that `to_zarr` writes, with its manifest; the group that makes them one
image comes last.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import zarr
from zarr.abc.store import Store
from zarr.storage import FsspecStore

from lazydicom._array.lazy_array import LazyArray
from lazydicom._array.work.parallel import apart
from lazydicom._bytes.per_process import available_cores
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._export.inputs import (
    Exportable,
    check_kinds,
    check_numbers,
    exported_levels,
    warn_of_burned_in_text,
    warn_of_tilt,
)
from lazydicom._export.levels.bricks import plan_bricks
from lazydicom._export.levels.level import Level
from lazydicom._export.levels.one_pass import write_levels
from lazydicom._export.levels.reduce import Method
from lazydicom._export.levels.tiles import tile_codec
from lazydicom._export.ome_labels import LabelledImage, as_labels, open_labelled
from lazydicom._export.ome_plan import Pyramid, default_chunks, marker_of, plan_pyramid
from lazydicom._export.store.folder import LocalFolder
from lazydicom._export.store.in_place import is_being_deleted
from lazydicom._export.store.layout import METADATA, ZarrLayout, plan_layout
from lazydicom._export.store.manifest import MANIFEST
from lazydicom._export.store.run import Progress, has_cluster, plan_workers
from lazydicom._export.store.target import (
    StoreLike,
    Target,
    check_nothing_begun,
    check_replaceable,
    errors_named,
    open_target,
)
from lazydicom._export.zarr import codecs_of, say_nothing, to_zarr
from lazydicom.errors import ExportError, redact_url


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
    tiles_kept: tuple[bool, ...]
    """Of each level, whether its chunks are tiles of the file as they are."""
    seconds: float


def to_ome_zarr(
    array_or_levels: Exportable | Sequence[Exportable],
    store: StoreLike,
    *,
    into: str | os.PathLike[str] | None = None,
    label_texts: bool = False,
    storage_options: Mapping[str, Any] | None = None,
    levels: int | None = None,
    method: Method | None = None,
    chunks: Sequence[int] | None = None,
    compressors: str = "zstd",
    transcode: bool = True,
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
    array_or_levels : DicomArray, ComputedArray, dask.array.Array, xarray.DataArray, or a list
        An array, of which coarser levels are made, or levels that are there already, the
        finest first.
    store : str or os.PathLike
        A folder, a local ``.zip`` or any fsspec URL; with `into`, the name of the labels.
    into : str or os.PathLike, optional
        An OME-Zarr image on which the array lies voxel by voxel: it becomes labels of that
        image, with colours and numbers of its segments.
    label_texts : bool
        Write the labels of segments too. They are free text.
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
    transcode : bool
        ``False`` keeps the tiles of given levels as they are, each a chunk, where all are
        there and JPEG of 8 bits; other levels are decoded. ``tiles_kept`` says which.
    overwrite, resume, workers, progress
        As in `to_zarr`; `progress` is called for each level.

    Returns
    -------
    OmeReport

    Raises
    ------
    UnsupportedError
        If there are more axes than OME-Zarr has places for, or labels are no integers.
    ExportError
        If labels do not lie on the image, something stands there already, or the store
        cannot be written.

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
    >>> lazydicom.verify(report.url).ok
    True
    >>> folder.cleanup()
    """
    started = time.monotonic()
    if overwrite and resume:
        raise ValueError("Expected overwrite or resume, not both")
    arrays = exported_levels(array_or_levels, "to_ome_zarr")
    check_numbers(levels=levels, workers=workers)
    check_kinds(storage_options=storage_options, progress=progress)
    if chunks is not None and not transcode:
        raise ValueError("Expected no chunks with transcode=False: they are tiles")
    image = None if into is None else open_labelled(into, storage_options or {})
    pyramid = _planned(arrays, levels, method, image, label_texts=label_texts)
    if not transcode:
        pyramid = replace(pyramid, tile_codecs=tuple(map(tile_codec, pyramid.arrays)))
    target = _target(store, image, storage_options or {})
    write = _Writing(pyramid, target, dict(storage_options or {}))
    _layout(write.level(0), chunks, compressors)  # refused before anything is there
    marker = marker_of(pyramid, chunks, compressors)
    settings = _Settings(chunks, compressors, workers, progress)
    warn_of_burned_in_text(pyramid.arrays[0])
    warn_of_tilt(pyramid.arrays[0])
    with (
        _adding(image, target),
        errors_named(target.url),
        target.alone() as check_alone,
    ):
        kept = _prepare(target, marker, overwrite=overwrite, resume=resume)
        if not kept:
            with write.nothing_left():
                number = 0
                while number < len(pyramid.factors):
                    number += write.some(number, settings)
            check_alone()
            target.publish(pyramid.metadata())
    seconds = time.monotonic() - started
    return _report(pyramid, target, kept=kept, seconds=seconds)


def _report(
    pyramid: Pyramid, target: Target, *, kept: bool, seconds: float
) -> OmeReport:
    return OmeReport(
        url=redact_url(target.url),
        axes=tuple(axis.name for axis in pyramid.axes),
        shapes=pyramid.shapes(),
        kept=kept,
        tiles_kept=pyramid.tiles_kept(),
        seconds=seconds,
    )


def _target(
    store: StoreLike, image: LabelledImage | None, storage_options: Mapping[str, Any]
) -> Target:
    place = _located(store) if image is None else image.place(store)
    return open_target(place, storage_options)


def _adding(
    image: LabelledImage | None, target: Target
) -> AbstractContextManager[None]:
    return nullcontext() if image is None else image.adding(target.url)


def _planned(
    arrays: Sequence[LazyArray],
    levels: int | None,
    method: Method | None,
    image: LabelledImage | None,
    *,
    label_texts: bool,
) -> Pyramid:
    """Decide on axes and levels; labels get as many levels as their image."""
    if image is None:
        return plan_pyramid(arrays, levels, method)
    pyramid = plan_pyramid(arrays, levels or image.levels, method or "nearest")
    return as_labels(pyramid, image, texts=label_texts)


@dataclass(frozen=True, slots=True)
class _Settings:
    """How levels are written."""

    chunks: Sequence[int] | None
    compressors: str
    workers: int | None
    progress: Progress | None


@dataclass(frozen=True, slots=True, eq=False)
class _Writing:
    """Levels on their way into the staging place of a store."""

    pyramid: Pyramid
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

    @contextmanager
    def nothing_left(self) -> Iterator[None]:
        """Discard what is begun where an error comes before any chunk is written."""
        try:
            yield
        except BaseException:
            first = open_target(self.url(0), self.storage_options)
            with suppress(OSError):
                if first.published() is None and first.staging.is_empty():
                    self.target.discard()
            raise

    def some(self, number: int, settings: _Settings) -> int:
        """Write a level, and those that are made of it without reading it again.

        Returns how many; workers of a cluster write one level after the other.
        """
        levels = self._levels_from(number)
        layouts = [
            _layout(one, settings.chunks, settings.compressors) for one in levels
        ]
        most = settings.workers or available_cores()
        alone = settings.workers is not None or not has_cluster()
        bricks = plan_bricks(levels, layouts, most) if alone else None
        if bricks is None:
            self._alone(levels[0], number, settings)
            return 1
        count = len(bricks.layouts)
        targets = [
            open_target(self.url(number + k), self.storage_options)
            for k in range(count)
        ]
        workers = plan_workers(
            levels[0],
            layouts[0],
            streams=targets[0].streams,
            workers=settings.workers,
            memory_limit=None,
            behind_nbytes=bricks.nbytes_behind,
            each_nbytes=bricks.nbytes_of_worker,
        )
        progress = settings.progress or say_nothing
        write_levels(
            levels[:count], targets, bricks, workers=workers, progress=progress
        )
        return count

    def _alone(self, level: Level, number: int, settings: _Settings) -> None:
        """Write a level by itself."""
        to_zarr(
            level,
            self.url(number),
            storage_options=self.storage_options,
            chunks=default_chunks(level)
            if settings.chunks is None
            else settings.chunks,
            compressors=settings.compressors,
            metadata="none",
            resume=True,
            workers=settings.workers,
            progress=settings.progress,
        )

    def _levels_from(self, number: int) -> list[Level]:
        """Return a level and the coarser ones that are made of it."""
        levels = [self.level(number)]
        for finer in range(number, len(self.pyramid.factors) - 1):
            if finer + 1 < len(self.pyramid.arrays):
                break
            steps = self._steps(finer + 1)
            finer_level = levels[-1]
            levels.append(
                replace(finer_level, below=finer_level, factors=steps, tile_codec=None)
            )
        return levels

    def _steps(self, number: int) -> tuple[int, ...]:
        """Return how many pixels of the level before become one, along each axis."""
        pyramid = self.pyramid
        pairs = zip(pyramid.factors[number], pyramid.factors[number - 1], strict=True)
        return tuple(own // before for own, before in pairs)

    def level(self, number: int) -> Level:
        """Return a level, read from the one before it."""
        pyramid = self.pyramid
        if number < len(pyramid.arrays):
            return pyramid.source_level(number)
        names = tuple(axis.name for axis in pyramid.axes)
        finer = apart(partial(zarr.open_array, self._store(number - 1), mode="r"))
        steps = self._steps(number)
        return Level(pyramid.arrays[-1], finer, names, steps, pyramid.method)


def _layout(level: Level, chunks: Sequence[int] | None, compressors: str) -> ZarrLayout:
    """Decide how a level lies in its store."""
    return plan_layout(
        level,
        chunks=default_chunks(level) if chunks is None else chunks,
        shards=None,
        compressors=codecs_of(compressors),
        attributes={},
    )


def _located(store: StoreLike) -> StoreLike:
    """Refuse store objects: every level has a name of its own."""
    if isinstance(store, Store):
        message = f"Expected a path or a URL, found {type(store).__name__}"
        raise TypeError(message)
    return store


def _prepare(target: Target, marker: bytes, *, overwrite: bool, resume: bool) -> bool:
    """Return whether this export stands there already, finished; else make room."""
    published = target.published()
    anew = overwrite or is_being_deleted(target.staging)
    begun = None if anew else target.staging.get(MANIFEST)
    if resume and begun == marker and published is not target.staging:
        return False
    finished = published is not None and published.get(METADATA) is not None
    if published is not None and not (resume and finished):
        check_replaceable(published, target, overwrite=overwrite)
    if published is not None and resume:
        _check_same(published.get(MANIFEST), marker, target)
        target.tidy()
        return True
    if not (overwrite or resume):
        check_nothing_begun(target)
    if begun is not None:
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
