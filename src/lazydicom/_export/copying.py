"""Writing all units with several workers, and noting each as it comes."""

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TypeAlias

from lazydicom._array import DicomArray
from lazydicom._export.folder import Folder
from lazydicom._export.layout import ZarrLayout
from lazydicom._export.manifest import (
    MANIFEST,
    ExportPlan,
    Journal,
    Manifest,
    Records,
    count_chunks,
)
from lazydicom._export.writing import WrittenUnit, unit_records, write_unit

Progress: TypeAlias = Callable[[int, int, int], None]
"""Called with chunks done, chunks in all, bytes of pixels done."""


@dataclass(slots=True)
class Copy:
    """An export under way."""

    array: DicomArray
    layout: ZarrLayout
    folder: Folder
    progress: Progress
    journal: Journal = field(init=False)
    records: Records = field(default_factory=dict)
    kept_chunks: int = 0

    def __post_init__(self) -> None:
        self.journal = Journal(self.folder)

    def run(self, plan: ExportPlan, known: Records, workers: int) -> None:
        """Write all units, then the manifest."""
        self.journal.begin(plan, known)
        try:
            with _executor(workers) as executor:
                for written in _finished(executor, self._jobs(known), 2 * workers):
                    self._note(written)
        finally:
            self.journal.flush()
        assert count_chunks(self.records.values()) == self.layout.number_of_chunks
        self.folder.put(MANIFEST, Manifest(plan, self.records).encode())
        self.journal.remove()

    def _jobs(self, known: Records) -> Iterator[Callable[[], WrittenUnit]]:
        array, layout, folder = self.array, self.layout, self.folder
        for unit in layout.units():
            found = unit_records(layout, unit, known)
            yield partial(write_unit, array, layout, folder, unit, found)

    def _note(self, written: WrittenUnit) -> None:
        self.records |= written.records
        chunks = count_chunks(written.records.values())
        if written.kept:
            self.kept_chunks += chunks
        else:
            self.journal.add(written.records)
        done, total = count_chunks(self.records.values()), self.layout.number_of_chunks
        self.progress(done, total, self.array.nbytes * done // total)


def _executor(workers: int) -> Executor:
    return ThreadPoolExecutor(workers, thread_name_prefix="lazydicom-export")


def _finished(
    executor: Executor, jobs: Iterator[Callable[[], WrittenUnit]], most: int
) -> Iterator[WrittenUnit]:
    """Give results as they come; at most so many jobs wait or run at any time."""
    waiting = {executor.submit(job) for job in islice(jobs, most)}
    try:
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
            waiting |= {executor.submit(job) for job in islice(jobs, len(done))}
    finally:
        for future in waiting:
            future.cancel()
