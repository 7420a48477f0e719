"""Before the first chunk: what stands there already, and whether it may be touched."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

from lazydicom._array.lazy_array import LazyArray
from lazydicom._export.store.folder import Folder, refuse_links
from lazydicom._export.store.layout import ZarrLayout
from lazydicom._export.store.manifest import (
    MANIFEST,
    ExportPlan,
    Journal,
    Manifest,
    Records,
    decode_manifest,
    label_checksum,
)
from lazydicom._export.store.target import (
    Target,
    check_nothing_begun,
    check_replaceable,
    is_being_deleted,
)
from lazydicom.errors import ExportError


@dataclass(frozen=True, slots=True)
class Known:
    """What stands there already."""

    records: Records
    finished: bool = False


def prepare(
    target: Target, plan: ExportPlan, journal: Journal, *, overwrite: bool, resume: bool
) -> Known:
    """Return what stands there already; nothing is deleted that nobody named."""
    published = target.published()
    staged_elsewhere = published is not target.staging
    look = staged_elsewhere and not overwrite
    if look and not resume:
        check_nothing_begun(target)
    unfinished = _unfinished(target, journal) if look else None
    if unfinished is not None and not _was_replaced(published, unfinished.plan, plan):
        _check_same_plan(unfinished.plan, plan, target)
        refuse_links(target.staging)
        return Known(unfinished.records)
    if published is not None and resume:
        finished = _finished_before(published, plan, target)
        target.tidy()
        return Known(finished.records, finished=True)
    if published is not None:
        check_replaceable(published, target, overwrite=overwrite)
    target.discard()
    return Known({})


def _was_replaced(
    published: Folder | None, staged: ExportPlan, plan: ExportPlan
) -> bool:
    """Return whether a crash left the store that this export has replaced already."""
    manifest = None if published is None or staged == plan else published.get(MANIFEST)
    return manifest is not None and decode_manifest(manifest, "").plan == plan


def _finished_before(published: Folder, plan: ExportPlan, target: Target) -> Manifest:
    manifest = published.get(MANIFEST)
    if manifest is None:
        check_replaceable(published, target, overwrite=True)
        message = "A store stands here that is no export of lazydicom"
        raise ExportError(message, url=target.url)
    finished = decode_manifest(manifest, target.url)
    _check_same_plan(finished.plan, plan, target)
    return finished


def _unfinished(target: Target, journal: Journal) -> Manifest | None:
    """Read what an interrupted export left: its journal, or already the manifest."""
    noted = journal.load()  # first of all, so that it is deleted with all its parts
    manifest = target.staging.get(MANIFEST)
    if manifest is None or is_being_deleted(target.staging):
        return noted
    return decode_manifest(manifest, target.staging.url)


def _check_same_plan(standing: ExportPlan, plan: ExportPlan, target: Target) -> None:
    if standing.source != plan.source:
        what = "another source, or another version of it"
    elif standing != plan:
        what = "other chunks, shards, codecs or attributes"
    else:
        return
    raise ExportError(f"The export that stands here has {what}", url=target.url)


def _frame_lengths(array: LazyArray) -> list[int]:
    """Return what a frame covers of each axis that counts frames; empty where it is 1."""
    lengths = list(array.chunk_frames(1)[: array.grid_axes])
    return lengths if max(lengths, default=1) > 1 else []


def make_plan(
    array: LazyArray, layout: ZarrLayout, labels: Mapping[str, bytes]
) -> ExportPlan:
    """Return what an export is going to write."""
    source = blake2b(repr(array.identity()).encode(), digest_size=16)
    return ExportPlan(
        source=source.hexdigest(),
        metadata=blake2b(layout.metadata, digest_size=16).hexdigest(),
        frame_axes=layout.grid_axes,
        frame_lengths=_frame_lengths(array),
        shape=list(layout.shape),
        dtype=layout.dtype.str,
        chunks=list(layout.chunks),
        shards=None if layout.shards is None else list(layout.shards),
        name=layout.name,
        labels={
            key: label_checksum(key, data)
            for key, data in {**labels, layout.metadata_key: layout.metadata}.items()
        },
    )
