"""`to_zarr`: a real copy of an array as Zarr v3, chunk by chunk, all or nothing."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, Final

from zarr.abc.codec import BytesBytesCodec
from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ZstdCodec

from lazydicom._array.coordinate import Coordinate
from lazydicom._array.lazy_array import LazyArray
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._export.inputs import (
    Exportable,
    Metadata,
    PlainArray,
    check_kinds,
    check_numbers,
    exported_array,
    exported_attributes,
    source_labels,
    warn_of_burned_in_text,
)
from lazydicom._export.store.layout import METADATA, Axes, ZarrLayout, plan_layout
from lazydicom._export.store.manifest import make_plan
from lazydicom._export.store.run import (
    Copy,
    Known,
    Progress,
    find_cluster,
    plan_workers,
    prepare,
)
from lazydicom._export.store.target import (
    StoreLike,
    Target,
    check_writable,
    errors_named,
    open_target,
)
from lazydicom._views.zarr_metadata import group_objects

_COMPRESSORS: Final[Mapping[str, Callable[[], list[BytesBytesCodec]]]] = {
    "zstd": lambda: [ZstdCodec(), Crc32cCodec()],
    "blosc": lambda: [BloscCodec(cname="zstd", shuffle="bitshuffle"), Crc32cCodec()],
    "gzip": lambda: [GzipCodec(), Crc32cCodec()],
    "none": lambda: [Crc32cCodec()],
}


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What `to_zarr` did."""

    url: str
    """The store."""
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None
    number_of_chunks: int
    kept_chunks: int
    """Chunks that an interrupted export had written already."""
    nbytes: int
    """Bytes of all pixels, decoded."""
    stored_nbytes: int
    """Bytes of all chunks, as stored."""
    workers: int
    seconds: float


def to_zarr(
    array: Exportable,
    store: StoreLike,
    *,
    storage_options: Mapping[str, Any] | None = None,
    name: str | None = None,
    source: bool = False,
    chunks: Axes = None,
    shards: Axes = None,
    compressors: str | BytesBytesCodec | Sequence[BytesBytesCodec] = "zstd",
    metadata: Metadata = "technical",
    overwrite: bool = False,
    resume: bool = False,
    workers: int | None = None,
    memory_limit: int | None = None,
    progress: Progress | None = None,
) -> ExportReport:
    """Copy an array into a Zarr v3 store, with bounded memory, all or nothing.

    The store appears when it is complete. It holds a manifest, ``lazydicom.json``, with a
    checksum of each chunk, from which `verify` tells whether it still holds these pixels.

    Parameters
    ----------
    array : DicomArray, ComputedArray, dask.array.Array or xarray.DataArray
        What to copy. An array of dask or xarray is computed chunk by chunk, and has no
        headers: no ``source=True``, no ``metadata="full"``.
    store : str, os.PathLike or zarr.abc.store.Store
        A folder, a local ``.zip``, any fsspec URL, or a store object of zarr.
    storage_options : mapping, optional
        Arguments of the fsspec filesystem.
    name : str, optional
        Write a group that holds the array by this name, with its coordinates beside it:
        `xarray.open_zarr` reads all of it. Without a name the store is the array.
    source : bool
        Write the coordinates ``sop_instance_uid`` and ``frame_number`` too, so that any
        voxel names its origin; needs `name`. UIDs may identify a patient.
    chunks : int or sequence of int, optional
        Frames per chunk, or its length on each axis (-1: the whole axis). By default
        whole frames up to 1 MiB, at least one; of an array of dask its own chunks.
    shards : int or sequence of int, optional
        Frames per shard, or its length on each axis; multiples of the chunk's. By
        default every chunk is an object of its own.
    compressors : {"zstd", "blosc", "gzip", "none"} or codecs of zarr
        A name adds `crc32c`, which finds damaged chunks; codecs are taken as they are.
    metadata : {"technical", "none", "full"}
        ``"full"`` writes the whole header into the store, patient data included.
    overwrite : bool
        Replace a store that stands there, or an unfinished export.
    resume : bool
        Continue an interrupted export; the result has the same bytes.
    workers : int, optional
        Objects written at the same time, by threads of this process. By default the
        workers of the current dask client write, if there is one and they can; else as
        many threads as there are cores, and 8 over a network.
    memory_limit : int, optional
        Bytes that the export may take; fewer workers make it fit.
    progress : callable, optional
        Called with (chunks done, chunks in all, bytes of pixels done).

    Returns
    -------
    ExportReport

    Raises
    ------
    ExportError
        If something stands there already, or the store cannot be written.
    LimitError
        If `memory_limit` is too small for one chunk, or shard.
    SourceError
        If the pixels cannot be read. What was written until then can be resumed.

    Examples
    --------
    >>> import tempfile
    >>> from pydicom.data import get_testdata_file
    >>> import lazydicom
    >>> array = lazydicom.open_image(get_testdata_file("rtdose.dcm", download=False))
    >>> folder = tempfile.TemporaryDirectory()
    >>> report = lazydicom.to_zarr(array, f"{folder.name}/dose.zarr", chunks=5)
    >>> report.number_of_chunks
    3
    >>> lazydicom.verify(report.url).ok
    True
    >>> folder.cleanup()
    """
    started = time.monotonic()
    if overwrite and resume:
        raise ValueError("Expected overwrite or resume, not both")
    array = exported_array(array, "to_zarr")
    check_numbers(workers=workers, memory_limit=memory_limit)
    check_kinds(storage_options=storage_options, progress=progress, name=name)
    if isinstance(array, PlainArray) and chunks is None:
        chunks = array.chunks
    target = _writable_target(store, storage_options or {})
    warn_of_burned_in_text(array)
    origin = _origin(array, name) if source else {}
    layout = plan_layout(
        array,
        chunks=chunks,
        shards=shards,
        compressors=codecs_of(compressors),
        attributes=exported_attributes(array, metadata, name, origin),
        name=name,
    )
    labels = _labels(array, layout, origin)
    plan = make_plan(array, layout, {k: labels[k] for k in labels if k != METADATA})
    alone = workers is not None
    copy = Copy(array, layout, target.staging, progress or say_nothing)
    workers = plan_workers(
        array,
        layout,
        streams=target.streams,
        workers=workers,
        memory_limit=memory_limit,
    )
    with errors_named(target.url), target.alone() as check_alone:
        known = prepare(target, plan, copy.journal, overwrite=overwrite, resume=resume)
        if not known.finished:
            cluster = None if alone else find_cluster(array, target.staging)
            workers = workers if cluster is None else cluster.threads
            with nullcontext() if cluster else _nothing_left(copy, target, known):
                copy.run(plan, known.records, workers, cluster)
            check_alone()
            _publish(target, labels)
    return _report(copy, target, known, workers=workers, started=started)


def _writable_target(store: StoreLike, storage_options: Mapping[str, Any]) -> Target:
    """Return where the copy will be, of a store that can be written."""
    check_writable(store)
    return open_target(store, storage_options)


def _publish(target: Target, labels: Mapping[str, bytes]) -> None:
    """Write what stands beside pixels, last of all what makes it a store."""
    for key, data in labels.items():
        if key != METADATA:
            target.staging.put(key, data)
    target.publish(labels[METADATA])


def _labels(
    array: LazyArray, layout: ZarrLayout, origin: Mapping[str, Coordinate]
) -> dict[str, bytes]:
    """Return what stands in the store beside pixels."""
    if layout.name is None:
        return {METADATA: layout.metadata}
    return group_objects(array, layout.name, layout.metadata, origin)


def _origin(array: LazyArray, name: str | None) -> dict[str, Coordinate]:
    if name is None:
        raise ValueError("source=True needs a name: coordinates stand in a group")
    return source_labels(array)


@contextmanager
def _nothing_left(copy: Copy, target: Target, known: Known) -> Iterator[None]:
    """Discard what is begun where an error comes before any chunk is written."""
    try:
        yield
    except BaseException:
        if not (copy.records or known.records):
            with suppress(OSError):
                target.discard()
        raise


def _report(
    copy: Copy, target: Target, known: Known, *, workers: int, started: float
) -> ExportReport:
    layout = copy.layout
    records = known.records if known.finished else copy.records
    return ExportReport(
        url=target.name,
        shape=layout.shape,
        chunks=layout.chunks,
        shards=layout.shards,
        number_of_chunks=layout.number_of_chunks,
        kept_chunks=layout.number_of_chunks if known.finished else copy.kept_chunks,
        nbytes=layout.nbytes,
        stored_nbytes=sum(one.length for chunks in records.values() for one in chunks),
        workers=workers,
        seconds=time.monotonic() - started,
    )


def codecs_of(
    compressors: str | BytesBytesCodec | Sequence[BytesBytesCodec],
) -> Sequence[BytesBytesCodec]:
    """Return the codecs of a name, or those given.

    Raises
    ------
    ValueError
        If no codec has this name.
    """
    if isinstance(compressors, BytesBytesCodec):
        return [compressors]
    if isinstance(compressors, list | tuple):
        return compressors
    if not isinstance(compressors, str) or compressors not in _COMPRESSORS:
        names = ", ".join(_COMPRESSORS)
        raise ValueError(f"Expected one of {names}, or codecs; found {compressors!r}")
    return _COMPRESSORS[compressors]()


def say_nothing(done: int, total: int, nbytes: int) -> None:
    """Report no progress."""
