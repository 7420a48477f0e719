"""`verify` tells whether a copy still holds the pixels it was made from."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from lazydicom._array.array import DicomArray
from lazydicom._array.parallel import available_cores
from lazydicom._export.store.compare import Difference, StoreCheck
from lazydicom._export.store.folder import Folder
from lazydicom._export.store.layout import METADATA, ZarrLayout, read_layout
from lazydicom._export.store.manifest import MANIFEST, decode_manifest
from lazydicom._export.store.run import Progress
from lazydicom._export.store.target import StoreLike, Target, open_target
from lazydicom.errors import ExportError, LazyDicomError, redact_url

_NO_ARRAY: Final = (ValueError, TypeError, KeyError, AttributeError, ArithmeticError)
"""What zarr raises on metadata that it does not understand."""


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
    """One per object that differs, in the order of frames."""

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
    source: DicomArray | None = None,
    *,
    storage_options: Mapping[str, Any] | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> VerifyReport:
    """Read a whole store and tell whether it still holds the pixels it was made from.

    Zarr reads a lost chunk as black pixels; here it is a difference, as are changed
    bytes, chunks that changed places, and pixels that decode to something else.

    Parameters
    ----------
    store : str, os.PathLike or zarr.abc.store.Store
        What `to_zarr` wrote, or with `source` any Zarr v3 array.
    source : DicomArray, optional
        Compare each pixel with it, besides the checksums of the manifest.
    storage_options : mapping, optional
        Arguments of the fsspec filesystem.
    workers : int, optional
        Objects read at the same time; by default the cores.
    progress : callable, optional
        Called with (chunks done, chunks in all, bytes of pixels done).

    Returns
    -------
    VerifyReport
        Its `ok` is the answer, its `first` names the first frame that differs.

    Raises
    ------
    ExportError
        If there is no complete store, it cannot be read, or there is neither a manifest
        nor a source.
    """
    target = open_target(store, storage_options or {})
    try:
        return _verify(target, source, workers, progress)
    except LazyDicomError:
        raise
    except OSError as error:
        message = f"Could not read the store: {error.strerror or error}"
        raise ExportError(message, url=target.url) from error


def _verify(
    target: Target,
    source: DicomArray | None,
    workers: int | None,
    progress: Progress | None,
) -> VerifyReport:
    folder = target.published()
    metadata = None if folder is None else folder.get(METADATA)
    if folder is None or metadata is None:
        unfinished = not target.staging.is_empty()
        message = "The export is unfinished" if unfinished else "No Zarr store is there"
        raise ExportError(message, url=target.url)
    check = _make_check(folder, metadata, source, target.url)
    wrong = check.wrong_metadata()
    differences = [wrong] if wrong else _run(check, workers, progress)
    found = {one.key: one for one in (*check.wrong_labels(), *differences)}
    return VerifyReport(
        url=redact_url(target.url),
        number_of_chunks=check.layout.number_of_chunks,
        nbytes=check.nbytes,
        compared_with=check.compared_with,
        differences=tuple(sorted(found.values(), key=lambda one: one.frame)),
    )


def _make_check(
    folder: Folder, metadata: bytes, source: DicomArray | None, url: str
) -> StoreCheck:
    data = folder.get(MANIFEST)
    if data is None and source is None:
        message = f"No manifest ({MANIFEST}) is there; name the source to compare with"
        raise ExportError(message, url=url)
    if data is None:
        assert source is not None
        axes = len(source.shape) - len(source.frame_shape)
        return StoreCheck(folder, _layout(metadata, axes, None, url), None, source)
    manifest = decode_manifest(data, url)
    axes, name = manifest.plan.frame_axes, manifest.plan.name
    if name is not None:
        metadata = folder.get(f"{name}/{METADATA}") or b""
    return StoreCheck(folder, _layout(metadata, axes, name, url), manifest, source)


def _layout(metadata: bytes, axes: int, name: str | None, url: str) -> ZarrLayout:
    try:
        return read_layout(metadata, axes, name)
    except _NO_ARRAY as error:
        key = METADATA if name is None else f"{name}/{METADATA}"
        message = f"{key} describes no array: {type(error).__name__}: {error}"
        raise ExportError(message, url=url) from error


def _run(
    check: StoreCheck, workers: int | None, progress: Progress | None
) -> list[Difference]:
    differences, done = [], 0
    total = check.layout.number_of_chunks
    positions = list(check.objects())
    with ThreadPoolExecutor(workers or available_cores()) as executor:
        found = executor.map(check.wrong_object, positions)
        for position, difference in zip(positions, found, strict=True):
            if difference is not None:
                differences.append(difference)
            done += sum(1 for _ in check.layout.chunks_of(position))
            if progress is not None:
                progress(done, total, check.nbytes * done // total)
    return differences
