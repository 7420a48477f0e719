"""One export: what stands there already, then all units by several workers, each noted.

Workers are threads of this process, as many as the memory allows, or those of a dask cluster
where there is one that can (`cluster`).
"""

import sys
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, wait
from contextlib import closing, contextmanager
from dataclasses import field
from functools import partial
from itertools import islice
from typing import Any, Final, TypeAlias

from lazydicom._array.grid import chunk_nbytes
from lazydicom._array.lazy_array import LazyArray
from lazydicom._array.work.parallel import results
from lazydicom._bytes.per_process import available_cores
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._export.store.cluster import Cluster, cluster_errors, tried_cluster
from lazydicom._export.store.folder import Folder, refuse_links
from lazydicom._export.store.in_place import is_being_deleted
from lazydicom._export.store.layout import RUN_NBYTES, ZarrLayout
from lazydicom._export.store.manifest import (
    MANIFEST,
    ExportPlan,
    Journal,
    Manifest,
    Records,
    count_chunks,
    decode_manifest,
)
from lazydicom._export.store.objects import WrittenUnit, unit_records, write_units
from lazydicom._export.store.target import (
    Target,
    check_nothing_begun,
    check_replaceable,
)
from lazydicom.errors import ExportError, LimitError

Progress: TypeAlias = Callable[[int, int, int], None]
"""Called with chunks done, chunks in all, bytes of pixels done."""
Job: TypeAlias = tuple[Any, ...]
"""A function and its arguments."""
Units: TypeAlias = Generator[list[WrittenUnit]]

_DEFAULT_LIMIT: Final = 256 << 20
_FIXED: Final = 24 << 20
"""Threads, their stacks and heaps, and what libraries allocate once."""
_PER_CHUNK: Final = 300
"""The record of a chunk, in memory and in the manifest."""
_SHARES: Final = 8
"""Of what is left, a job takes no more than this part."""
_NETWORK_WORKERS: Final = 8
_LOOK_S: Final = 2.0
"""How often is looked whether a cluster has workers, while nothing comes."""


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


@dataclass(slots=True)
class Copy:
    """An export under way."""

    array: LazyArray
    layout: ZarrLayout
    folder: Folder
    progress: Progress
    journal: Journal = field(init=False)
    records: Records = field(default_factory=dict)
    kept_chunks: int = 0
    _done: int = 0

    def __post_init__(self) -> None:
        self.journal = Journal(self.folder)

    def run(
        self,
        plan: ExportPlan,
        known: Records,
        workers: int,
        cluster: Cluster | None = None,
    ) -> None:
        """Write all units, then the manifest."""
        units = (
            self._written_here(known, workers)
            if cluster is None
            else self._written_there(known, workers, cluster)
        )
        with self.noting(plan, known), closing(units):
            for job in units:
                self._note(job)
        self.finish(plan)

    @contextmanager
    def noting(self, plan: ExportPlan, known: Records) -> Iterator[None]:
        """Keep the journal while objects are written, whatever ends that."""
        self.journal.begin(plan, known)
        try:
            yield
        finally:
            self.journal.flush()

    def finish(self, plan: ExportPlan) -> None:
        """Write the manifest: all objects are there."""
        assert count_chunks(self.records.values()) == self.layout.number_of_chunks
        self.folder.put(MANIFEST, Manifest(plan, self.records).encode())
        self.journal.remove()

    def note(self, unit: WrittenUnit) -> None:
        """Note what came of a unit, and tell of it."""
        self._note([unit])

    def _written_here(self, known: Records, workers: int) -> "Units":
        yield from written(self._jobs(self.array, known), workers, 2 * workers)

    def _written_there(self, known: Records, workers: int, cluster: Cluster) -> "Units":
        """Yield what a cluster writes; what becomes of it is an error of ours."""
        with cluster_errors(self.folder.url), cluster.executor() as executor:
            jobs = self._jobs(cluster.share(self.array), known)
            yield from _finished(executor, jobs, 2 * workers, cluster.check)

    def _jobs(self, array: Any, known: Records) -> Iterator[Job]:  # noqa: ANN401
        """Return jobs of one unit each, or of some small ones.

        The array may be a future of it.
        """
        folder = self.folder
        together_nbytes = RUN_NBYTES if folder.appends else 0  # a network wants many
        most = max(together_nbytes // self.layout.unit_nbytes, 1)
        units = self.layout.units()
        for length in shares(self.layout.number_of_units, most):
            together = list(islice(units, length))
            records = [unit_records(self.layout, unit, known) for unit in together]
            yield write_units, array, self.layout, folder, together, records

    def _note(self, job: list[WrittenUnit]) -> None:
        fresh: Records = {}
        for unit in job:
            chunks = count_chunks(unit.records.values())
            self._done += chunks
            self.kept_chunks += chunks * unit.kept
            fresh |= {} if unit.kept else unit.records
            self.records |= unit.records
        if fresh:
            self.journal.add(fresh)
        total = self.layout.number_of_chunks
        self.progress(self._done, total, self.layout.nbytes * self._done // total)


def shares(total: int, most: int) -> Iterator[int]:
    """Cut small units into jobs, the last ones small: no worker waits long for another.

    >>> list(shares(30, most=3))
    [3, 3, 3, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    """
    least, left = max(most // _SHARES, 1), total
    while left:
        share = min(max(min(most, left // _SHARES), least), left)
        yield share
        left -= share


def plan_workers(
    array: LazyArray,
    layout: ZarrLayout,
    *,
    streams: bool,
    workers: int | None,
    memory_limit: int | None,
    behind_nbytes: int = 0,
    each_nbytes: int = 0,
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
    behind_nbytes : int
        Bytes that are held besides, whoever works.
    each_nbytes : int
        Bytes that each worker holds besides.

    Raises
    ------
    LimitError
        If one worker needs more than `memory_limit`.
    """
    most = workers or (
        available_cores() if streams else max(available_cores(), _NETWORK_WORKERS)
    )
    fixed = _FIXED + _PER_CHUNK * layout.number_of_chunks + behind_nbytes
    each = _unit_nbytes(array, layout, streams=streams) + each_nbytes
    limit = _DEFAULT_LIMIT if memory_limit is None else memory_limit
    fits = (limit - fixed) // each
    if fits < 1 and memory_limit is not None:
        message = (
            f"Writing chunks of {layout.chunks} takes {(fixed + each) >> 20} MiB, "
            f"allowed are {memory_limit >> 20} MiB: choose smaller chunks or shards"
        )
        raise LimitError(message)
    return max(min(most, fits), 1)


def _unit_nbytes(array: LazyArray, layout: ZarrLayout, *, streams: bool) -> int:
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


def written(jobs: Iterator[Job], workers: int, most: int) -> Generator[Any]:
    """Yield results as they come; at most so many jobs wait or run at any time."""
    calls = (partial(job[0], *job[1:]) for job in jobs)
    return results(calls, threads=workers, most=most, name="lazydicom-export")


def _finished(
    executor: Executor, jobs: Iterator[Job], most: int, check: Callable[[], None]
) -> Generator[Any]:
    """Yield results of a cluster as they come; `check` raises where none will come."""
    waiting = {executor.submit(*job) for job in islice(jobs, most)}
    try:
        while waiting:
            done, waiting = wait(waiting, _LOOK_S, return_when=FIRST_COMPLETED)
            check()
            for future in done:
                yield future.result()
            waiting |= {executor.submit(*job) for job in islice(jobs, len(done))}
    finally:
        for future in waiting:
            future.cancel()


def has_cluster() -> bool:
    """Return whether there is a dask client, whatever its workers can."""
    return _current_client() is not None


def find_cluster(array: LazyArray, folder: Folder) -> Cluster | None:
    """Find the current dask client, if its workers can read here and write there."""
    client = _current_client()
    return None if client is None else tried_cluster(client, array, folder)


def _current_client() -> Any:  # noqa: ANN401
    """Return the client of this process, ``None`` inside of a worker's task."""
    distributed = sys.modules.get("distributed")
    if distributed is None:  # whoever made a client has imported it
        return None
    try:
        distributed.get_worker()
    except ValueError:
        pass
    else:
        return None
    try:
        return distributed.Client.current()
    except ValueError:
        return None
