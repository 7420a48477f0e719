"""Workers of a dask cluster write the objects, where there is one that can.

A worker can where it reads the source and shares the place that is written with this
process: a folder of another machine, or memory, is another place.
"""

import sys
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from lazydicom._array.lazy_array import LazyArray
from lazydicom._export.store.folder import Folder
from lazydicom._frames.reader import read_frame
from lazydicom.errors import LazyDicomError, warn

_RETRIES: Final = 3
"""Times that a task is begun anew when its worker dies."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A dask client whose workers were tried."""

    client: Any
    """A ``distributed.Client``."""

    @property
    def threads(self) -> int:
        """Threads of all workers."""
        return sum(self.client.nthreads().values())

    def share(self, array: LazyArray) -> Any:  # noqa: ANN401 (a future of distributed)
        """Send name and index of an array once, instead of with each task."""
        return self.client.scatter(array, broadcast=True, hash=False)

    def executor(self) -> Any:  # noqa: ANN401 (distributed has few types)
        """Return an executor as those of `concurrent.futures`."""
        return self.client.get_executor(pure=False, retries=_RETRIES)


def find_cluster(array: LazyArray, folder: Folder) -> Cluster | None:
    """Find the current dask client, if its workers can read here and write there."""
    client = _current_client()
    if client is None or not client.nthreads():
        return None
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
