"""Writing all units with several workers, and noting each as it comes."""

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeAlias

from lazydicom._array.lazy_array import LazyArray
from lazydicom._export.store.cluster import Cluster
from lazydicom._export.store.folder import Folder
from lazydicom._export.store.layout import RUN_NBYTES, ZarrLayout
from lazydicom._export.store.manifest import (
    MANIFEST,
    ExportPlan,
    Journal,
    Manifest,
    Records,
    count_chunks,
)
from lazydicom._export.store.objects import WrittenUnit, unit_records, write_units

Progress: TypeAlias = Callable[[int, int, int], None]
"""Called with chunks done, chunks in all, bytes of pixels done."""
Job: TypeAlias = tuple[Any, ...]


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
        self.journal.begin(plan, known)
        array: Any = self.array if cluster is None else cluster.share(self.array)
        try:
            with (
                _executor(workers)
                if cluster is None
                else cluster.executor() as executor
            ):
                jobs = self._jobs(array, known)
                for job in _finished(executor, jobs, 2 * workers):
                    self._note(job)
        finally:
            self.journal.flush()
        assert count_chunks(self.records.values()) == self.layout.number_of_chunks
        self.folder.put(MANIFEST, Manifest(plan, self.records).encode())
        self.journal.remove()

    def _jobs(self, array: Any, known: Records) -> Iterator[Job]:  # noqa: ANN401
        """Return jobs of one unit each, or of some small ones, as arguments of `write_units`.

        The array may be a future of it.
        """
        folder = self.folder
        together_nbytes = RUN_NBYTES if folder.appends else 0  # a network wants many
        small = max(together_nbytes // self.layout.unit_nbytes, 1)
        units = self.layout.units()
        while together := list(islice(units, small)):
            found = [unit_records(self.layout, unit, known) for unit in together]
            yield array, self.layout, folder, together, found

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
        self.progress(self._done, total, self.array.nbytes * self._done // total)


def _executor(workers: int) -> Executor:
    return ThreadPoolExecutor(workers, thread_name_prefix="lazydicom-export")


def _finished(
    executor: Executor, jobs: Iterator[Job], most: int
) -> Iterator[list[WrittenUnit]]:
    """Return results as they come; at most so many jobs wait or run at any time."""
    waiting = {executor.submit(write_units, *job) for job in islice(jobs, most)}
    try:
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
            more = islice(jobs, len(done))
            waiting |= {executor.submit(write_units, *job) for job in more}
    finally:
        for future in waiting:
            future.cancel()
