"""`verify` tells whether a copy still holds the pixels it was made from.

A store does not testify for itself: what its manifest and its metadata say is checked, and
only names are touched that such a store has.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any, Final

from lazydicom._array.lazy_array import LazyArray
from lazydicom._array.work.parallel import results
from lazydicom._bytes.per_process import available_cores
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._export.inputs import (
    Exportable,
    check_kinds,
    check_numbers,
    exported_levels,
)
from lazydicom._export.ome_plan import plan_pyramid
from lazydicom._export.store.compare import Difference, StoreCheck
from lazydicom._export.store.folder import Folder
from lazydicom._export.store.layout import METADATA, Position, ZarrLayout, read_layout
from lazydicom._export.store.manifest import (
    MANIFEST,
    ImageMarker,
    attributes_checksum,
    decode_manifest,
    decode_marker,
)
from lazydicom._export.store.run import Progress
from lazydicom._export.store.target import StoreLike, errors_named, open_target
from lazydicom.errors import ExportError, LimitError, redact_url

_MOST_DIFFERENCES: Final = 5_000
"""Nothing is read behind so many: all of the store is wrong."""
_MOST_CHUNK_NBYTES: Final = 1 << 30
"""What a store may ask a chunk to be in memory, where nobody allows more."""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What `verify` found."""

    url: str
    """The store."""
    number_of_chunks: int
    nbytes: int
    """Bytes of all pixels, decoded."""
    compared_with: tuple[str, ...]
    """``"manifest"``, ``"source"``, or both."""
    differences: tuple[Difference, ...]
    """One per object that differs, in the order of frames; 5,000 at most."""

    @property
    def ok(self) -> bool:
        """Whether every chunk holds what it should."""
        return not self.differences

    @property
    def first(self) -> Difference | None:
        """The difference with the lowest frame number."""
        return self.differences[0] if self.differences else None


def verify(
    store: StoreLike,
    source: Exportable | Sequence[Exportable] | None = None,
    *,
    storage_options: Mapping[str, Any] | None = None,
    workers: int | None = None,
    memory_limit: int | None = None,
    progress: Progress | None = None,
) -> VerifyReport:
    """Read a whole store and tell whether it still holds the pixels it was made from.

    Zarr reads a lost chunk as black pixels; here it is a difference, as are changed
    bytes, chunks that changed places, and pixels that decode to something else.

    Parameters
    ----------
    store : str, os.PathLike or zarr.abc.store.Store
        What `to_zarr` or `to_ome_zarr` wrote, or with `source` any Zarr v3 array.
    source : array that `to_zarr` takes, or a list of levels, optional
        Compare each pixel with it, besides the checksums of the manifest. Of an image with
        levels the finest one is compared, or each with its own.
    storage_options : mapping, optional
        Arguments of the fsspec filesystem.
    workers : int, optional
        Objects read at the same time; by default the cores.
    memory_limit : int, optional
        Bytes of a decoded chunk; by default 1 GiB. The store says how long chunks are.
    progress : callable, optional
        Called with (chunks done, chunks in all, bytes of pixels done), for each level.

    Returns
    -------
    VerifyReport
        Its `ok` says whether it is, its `first` names the first frame that differs.

    Raises
    ------
    ExportError
        If there is no complete store, it cannot be read, or there is neither a manifest
        nor a source.
    LimitError
        If a chunk takes more than `memory_limit`.
    """
    check_numbers(workers=workers, memory_limit=memory_limit)
    check_kinds(storage_options=storage_options, progress=progress)
    target = open_target(store, storage_options or {})
    arrays: Sequence[LazyArray | None] = (
        [None] if source is None else exported_levels(source, "verify")
    )
    with errors_named(target.url, "read"):
        folder = target.published()
        metadata = None if folder is None else folder.get(METADATA)
        if folder is None or metadata is None:
            unfinished = not target.staging.is_empty()
            what = (
                "The export is unfinished" if unfinished else "No Zarr store is there"
            )
            raise ExportError(what, url=target.url)
        marker = decode_marker(folder.get(MANIFEST) or b"", target.url)
        if marker is None:
            checks = {"": _make_check(folder, metadata, arrays[0], target.url)}
            differences: list[Difference] = []
        else:
            checks = _level_checks(folder, marker, arrays, target.url)
            differences = list(_wrong_group(metadata, marker))
        for prefix, check in checks.items():
            _check_memory(check.layout, memory_limit, target.url)
            wrong = _differences(check, workers, progress)
            differences += [replace(one, key=prefix + one.key) for one in wrong]
    return VerifyReport(
        url=redact_url(target.url),
        number_of_chunks=sum(one.layout.number_of_chunks for one in checks.values()),
        nbytes=sum(one.nbytes for one in checks.values()),
        compared_with=next(iter(checks.values())).compared_with,
        differences=tuple(differences),
    )


def is_image(store: StoreLike) -> bool:
    """Return whether a store is a group of levels that `to_ome_zarr` wrote."""
    target = open_target(store, {})
    with errors_named(target.url, "read"):
        folder = target.published()
        marker = None if folder is None else folder.get(MANIFEST)
        return decode_marker(marker or b"", target.url) is not None


def _make_check(
    folder: Folder, metadata: bytes, source: LazyArray | None, url: str
) -> StoreCheck:
    """Return what a store of one array is to be compared with."""
    data = folder.get(MANIFEST)
    if data is None and source is None:
        message = f"No manifest ({MANIFEST}) is there; name the source to compare with"
        raise ExportError(message, url=url)
    if data is None:
        assert source is not None
        layout = _layout(metadata, source.grid_axes, None, url)
        return StoreCheck(folder, layout, None, source)
    manifest = decode_manifest(data, url)
    axes, name = manifest.plan.frame_axes, manifest.plan.name
    if name is not None:
        metadata = folder.get(f"{name}/{METADATA}") or b""
    return StoreCheck(folder, _layout(metadata, axes, name, url), manifest, source)


def _level_checks(
    folder: Folder,
    marker: ImageMarker,
    arrays: Sequence[LazyArray | None],
    url: str,
) -> dict[str, StoreCheck]:
    """Return what each level of an image is to be compared with."""
    checks = {}
    for number in range(marker.levels):
        level = folder.inside(str(number))
        metadata = level.get(METADATA)
        if metadata is None:
            raise ExportError(f"Level {number} is gone", url=url)
        array = arrays[number] if number < len(arrays) else None
        source = (
            None if array is None else plan_pyramid([array], 1, None).source_level(0)
        )
        check = _make_check(level, metadata, source, url)
        checks[f"{number}/"] = check
    return checks


def _wrong_group(metadata: bytes, marker: ImageMarker) -> Iterator[Difference]:
    """Check what describes axes and levels, which readers believe."""
    try:
        same = attributes_checksum(metadata) == marker.attributes
    except (ValueError, TypeError, KeyError, RecursionError):
        same = False
    if not same:
        yield Difference(METADATA, 0, (), "what it says of the levels differs")


def _layout(metadata: bytes, axes: int, name: str | None, url: str) -> ZarrLayout:
    try:
        return read_layout(metadata, axes, name)
    except Exception as error:  # zarr and each codec have errors of their own
        key = METADATA if name is None else f"{name}/{METADATA}"
        message = f"{key} describes no array: {type(error).__name__}"
        raise ExportError(message, url=url) from error


def _check_memory(layout: ZarrLayout, memory_limit: int | None, url: str) -> None:
    limit = _MOST_CHUNK_NBYTES if memory_limit is None else memory_limit
    if layout.chunk_nbytes > limit:
        message = (
            f"A chunk takes {layout.chunk_nbytes >> 20:,} MiB, allowed are "
            f"{limit >> 20:,} MiB; memory_limit= allows more"
        )
        raise LimitError(message, url=url)


def _differences(
    check: StoreCheck, workers: int | None, progress: Progress | None
) -> list[Difference]:
    """Check what describes an array, then its objects; in the order of frames."""
    wrong = check.wrong_metadata()
    others = [wrong] if wrong else _wrong_objects(check, workers, progress)
    by_key = {one.key: one for one in (*check.wrong_labels(), *others)}
    return sorted(by_key.values(), key=lambda one: one.frame)[:_MOST_DIFFERENCES]


def _wrong_objects(
    check: StoreCheck, workers: int | None, progress: Progress | None
) -> list[Difference]:
    differences: list[Difference] = []
    done, total = 0, check.layout.number_of_chunks
    threads = workers or available_cores()
    jobs = (partial(_checked, check, position) for position in check.objects())
    checked = results(jobs, threads=threads, most=2 * threads, name="lazydicom-verify")
    with closing(checked):
        for position, difference in checked:
            differences += [] if difference is None else [difference]
            done += check.layout.chunks_in_object(position)
            if progress is not None:
                progress(done, total, check.nbytes * done // total)
            if len(differences) >= _MOST_DIFFERENCES:
                break
    return differences


def _checked(
    check: StoreCheck, position: Position
) -> tuple[Position, Difference | None]:
    return position, check.wrong_object(position)
