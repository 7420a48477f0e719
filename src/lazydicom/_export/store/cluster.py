"""A dask cluster that writes: where its workers can read the source and reach the store.

They can where they read the source and share the place that is written with this process; a
folder of another machine, or memory, is another place.
"""

import asyncio
import sys
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import field
from typing import Any, Final
from uuid import uuid4

from lazydicom._array.lazy_array import LazyArray
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._export.store.folder import Folder
from lazydicom._frames.reader import read_frame
from lazydicom.errors import ExportError, LazyDicomError, warn

_RETRIES: Final = 3
"""Times that a task is begun anew when it fails or its worker dies."""
_PATIENCE_S: Final = 30.0
"""For so long a cluster may have no worker: a new one may be on its way."""


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
def cluster_errors(url: str) -> Iterator[None]:
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


def tried_cluster(client: Any, array: LazyArray, folder: Folder) -> Cluster | None:  # noqa: ANN401
    """Return the cluster of a client, if its workers can read here and write there."""
    if not array.images or not client.nthreads():
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


def _probe(array: LazyArray, folder: Folder, token: str) -> str:
    """Read a frame and write an object; give its name, or nothing."""
    try:
        read_frame(array.images[0].reader, 0)
    except LazyDicomError:
        return ""
    key = f"{token}-{uuid4().hex}"
    folder.put(key, key.encode())
    return key
