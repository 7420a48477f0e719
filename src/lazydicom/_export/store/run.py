"""Writing all units with several workers, and noting each as it comes.

Workers are threads of this process, or those of a dask cluster where there is one that can: a
worker can where it reads the source and shares the place that is written with this process; a
folder of another machine, or memory, is another place.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    CancelledError,
    Executor,
    ThreadPoolExecutor,
    wait,
)
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, TypeAlias
from uuid import uuid4

from lazydicom._array.lazy_array import LazyArray
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
from lazydicom._frames.reader import read_frame
from lazydicom.errors import ExportError, LazyDicomError, warn

Progress: TypeAlias = Callable[[int, int, int], None]
"""Called with chunks done, chunks in all, bytes of pixels done."""
Job: TypeAlias = tuple[Any, ...]
"""A function and its arguments."""
Units: TypeAlias = Generator[list[WrittenUnit]]

_RETRIES: Final = 3
"""Times that a task is begun anew when it fails or its worker dies."""
_LOOK_S: Final = 2.0
"""How often is looked whether a cluster has workers, while nothing comes."""
_PATIENCE_S: Final = 30.0
"""For so long a cluster may have no worker: a new one may be on its way."""


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
        cluster: "Cluster | None" = None,
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
        with threads(workers) as executor:
            yield from finished(executor, self._jobs(self.array, known), 2 * workers)

    def _written_there(
        self, known: Records, workers: int, cluster: "Cluster"
    ) -> "Units":
        """Yield what a cluster writes; what becomes of it is an error of ours."""
        with _cluster_errors(self.folder.url), cluster.executor() as executor:
            jobs = self._jobs(cluster.share(self.array), known)
            yield from finished(executor, jobs, 2 * workers, cluster.check)

    def _jobs(self, array: Any, known: Records) -> Iterator[Job]:  # noqa: ANN401
        """Return jobs of one unit each, or of some small ones.

        The array may be a future of it.
        """
        folder = self.folder
        together_nbytes = RUN_NBYTES if folder.appends else 0  # a network wants many
        small = max(together_nbytes // self.layout.unit_nbytes, 1)
        units = self.layout.units()
        while together := list(islice(units, small)):
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


def threads(workers: int) -> ThreadPoolExecutor:
    """Return so many threads that write."""
    return ThreadPoolExecutor(workers, thread_name_prefix="lazydicom-export")


def finished(
    executor: Executor,
    jobs: Iterator[Job],
    most: int,
    check: Callable[[], None] | None = None,
) -> Generator[Any]:
    """Yield results as they come; at most so many jobs wait or run at any time."""
    waiting = {executor.submit(*job) for job in islice(jobs, most)}
    look = None if check is None else _LOOK_S
    try:
        while waiting:
            done, waiting = wait(waiting, look, return_when=FIRST_COMPLETED)
            if check is not None:
                check()
            for future in done:
                yield future.result()
            waiting |= {executor.submit(*job) for job in islice(jobs, len(done))}
    finally:
        for future in waiting:
            future.cancel()


@dataclass(slots=True)
class Cluster:
    """A dask client whose workers were tried."""

    client: Any
    """A ``distributed.Client``."""
    _last_seen: float = field(default_factory=time.monotonic)
    """When there was a worker."""

    @property
    def threads(self) -> int:
        """Threads of all workers."""
        return sum(self.client.nthreads().values())

    def share(self, array: LazyArray) -> Any:  # noqa: ANN401 (a future of distributed)
        """Make a task of an array: it goes to each worker once, and to new ones again."""
        key = f"lazydicom-array-{uuid4().hex}"
        return self.client.submit(_as_it_is, array, key=key, retries=_RETRIES)

    def check(self) -> None:
        """Raise where nobody is left to work.

        Raises
        ------
        ExportError
            If there has been no worker for a while.
        """
        if self.client.nthreads():
            self._last_seen = time.monotonic()
        elif time.monotonic() - self._last_seen > _PATIENCE_S:
            message = "No worker of the dask cluster is left; resume=True continues"
            raise ExportError(message)

    def executor(self) -> Any:  # noqa: ANN401 (distributed has few types)
        """Return an executor as those of `concurrent.futures`."""
        return self.client.get_executor(pure=False, retries=_RETRIES)


def _as_it_is(array: LazyArray) -> LazyArray:
    return array


@contextmanager
def _cluster_errors(url: str) -> Iterator[None]:
    """Make an error of ours of what becomes of workers, a scheduler or a connection.

    Raises
    ------
    ExportError
        What was written until then can be resumed.
    """
    try:
        yield
    except LazyDicomError as error:
        error.locate(url=url)
        raise
    except _lost_errors() as error:
        reason = type(error).__name__
        message = f"The dask cluster failed ({reason}); resume=True continues"
        raise ExportError(message, url=url) from error


def _lost_errors() -> tuple[type[BaseException], ...]:
    """Return what a client raises when workers, the scheduler or a connection are lost."""
    killed = sys.modules["distributed"].KilledWorker
    return (killed, CancelledError, asyncio.CancelledError, TimeoutError, RuntimeError)


def has_cluster() -> bool:
    """Return whether there is a dask client, whatever its workers can."""
    return _current_client() is not None


def find_cluster(array: LazyArray, folder: Folder) -> Cluster | None:
    """Find the current dask client, if its workers can read here and write there."""
    client = _current_client()
    if client is None or not array.images or not client.nthreads():
        return None  # an array of dask is computed there by itself
    token = f"lazydicom.probe-{uuid4().hex}"
    keys = list(client.run(_probe, array, folder, token).values())
    try:
        shared = all(folder.get(key) == key.encode() for key in keys)
    finally:
        for key in filter(None, keys):
            folder.delete(key)
    if shared and all(keys):
        return Cluster(client)
    what = "write where this process does" if all(keys) else "read the file"
    warn(f"Not all dask workers can {what}; it exports alone", url=array.images[0].url)
    return None


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


def _probe(array: LazyArray, folder: Folder, token: str) -> str:
    """Read a frame and write an object; give its name, or nothing."""
    try:
        read_frame(array.images[0].reader, 0)
    except LazyDicomError:
        return ""
    key = f"{token}-{uuid4().hex}"
    folder.put(key, key.encode())
    return key
