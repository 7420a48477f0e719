"""All or nothing: where an export is written, and the step that makes it a store.

Stores of this machine are staged beside their place (`staged`). Other stores cannot rename:
they get ``zarr.json`` last, and are no store before.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from zarr.abc.store import Store
from zarr.storage import FsspecStore, LocalStore, ZipStore

from lazydicom._bytes.location import is_local, local_path
from lazydicom._export.store.folder import Folder
from lazydicom._export.store.layout import METADATA
from lazydicom._export.store.lease import only_export_into
from lazydicom._export.store.manifest import JOURNAL, MANIFEST
from lazydicom._export.store.object_folder import FsspecFolder, open_store
from lazydicom._export.store.staged import folder_target, open_zip_target, zip_target
from lazydicom.errors import ExportError, LazyDicomError

StoreLike: TypeAlias = str | os.PathLike[str] | Store

_BEGUN: Final = f"{JOURNAL}/000000"
"""An export writes this one before all others, and deletes it after them."""
_NODES: Final = (METADATA, ".zarray", ".zgroup")


class Target(Protocol):
    """Where a store will be."""

    @property
    def url(self) -> str:
        """Name of the store."""
        ...

    @property
    def staging(self) -> Folder:
        """Where it is written."""
        ...

    @property
    def streams(self) -> bool:
        """Whether objects need no memory on their way."""
        ...

    def alone(self) -> AbstractContextManager[Callable[[], None]]:
        """Keep other exports away; yield what checks that none has taken over."""
        ...

    def published(self) -> Folder | None:
        """Return what stands there already, ``None`` where nothing does."""
        ...

    def discard(self) -> None:
        """Empty the staging place."""
        ...

    def tidy(self) -> None:
        """Delete what a kill may have left beside a finished store."""
        ...

    def publish(self, metadata: bytes) -> None:
        """Make what is staged the store; it replaces the one that stands there."""
        ...


def open_target(store: StoreLike, storage_options: Mapping[str, Any]) -> Target:
    """Return where and how a store is written.

    Raises
    ------
    TypeError
        If it is none.
    """
    if not isinstance(store, str | os.PathLike | Store):
        kind = type(store).__name__
        raise TypeError(f"Expected store: a path, a URL or a store of zarr, not {kind}")
    if isinstance(store, LocalStore):
        store = str(store.root)
    elif isinstance(store, ZipStore):
        return open_zip_target(store)
    elif isinstance(store, FsspecStore):
        return InPlaceTarget(_folder_of(store))
    elif isinstance(store, Store):
        return InPlaceTarget(open_store(store))
    name = os.fspath(store)
    if not is_local(name):
        if name.endswith(".zip"):
            raise ExportError("A zip is written to a local path only", url=name)
        return InPlaceTarget(FsspecFolder(name.rstrip("/"), dict(storage_options)))
    path = local_path(name)
    return zip_target(path) if path.endswith(".zip") else folder_target(path)


def check_writable(store: StoreLike) -> None:
    """Refuse a store that its owner opened for reading.

    Raises
    ------
    ExportError
        If it is one.
    """
    if isinstance(store, Store) and store.read_only:
        raise ExportError("The store is opened for reading only", url=str(store))


@dataclass(frozen=True, slots=True)
class InPlaceTarget:
    """A store that cannot rename: it is written where it will be."""

    staging: Folder

    @property
    def url(self) -> str:
        """Name of the store."""
        return self.staging.url

    @property
    def streams(self) -> bool:
        """Whether the folder appends."""
        return self.staging.appends

    def alone(self) -> AbstractContextManager[Callable[[], None]]:
        """Show a token: such a store has no locks."""
        return only_export_into(self.staging)

    def published(self) -> Folder | None:
        """Return what is there, unless it is an unfinished export of ours."""
        if self.staging.get(METADATA) is None and self._is_unfinished():
            return None
        return None if self.staging.is_empty() else self.staging

    def discard(self) -> None:
        """Delete everything: an unfinished export until all of it is gone."""
        if not self.staging.is_empty():
            self.staging.put(_BEGUN, b"")
            self.staging.delete(METADATA)
            self.staging.clear(last=_BEGUN)

    def tidy(self) -> None:
        """Nothing is beside."""

    def publish(self, metadata: bytes) -> None:
        """Write what makes it a store."""
        self.staging.put(METADATA, metadata)

    def _is_unfinished(self) -> bool:
        return any(self.staging.size(key) is not None for key in (_BEGUN, MANIFEST))


def is_being_deleted(folder: Folder) -> bool:
    """Return whether a crash left a part of what an export was about to replace."""
    return folder.size(_BEGUN) == 0


def check_nothing_begun(target: Target) -> None:
    """Refuse a staging place where anything lies: it may be an export, or somebody's.

    Raises
    ------
    ExportError
        If it is not empty.
    """
    if not target.staging.is_empty():
        message = (
            "An unfinished export stands here; resume=True continues it, "
            "overwrite=True begins anew"
        )
        raise ExportError(message, url=target.url)


def check_replaceable(published: Folder, target: Target, *, overwrite: bool) -> None:
    """Refuse to replace a store unasked, and anything else even if it is asked for.

    Raises
    ------
    ExportError
        If it is no Zarr array or group, or nobody said that it may be replaced.
    """
    if all(published.size(name) is None for name in _NODES):
        is_file = is_local(target.url) and Path(target.url).is_file()
        what = "A file" if is_file else "Something else than a Zarr store"
        message = f"{what} stands here; it is not overwritten"
        raise ExportError(message, url=target.url)
    if not overwrite:
        message = "A store stands here already; overwrite=True replaces it"
        raise ExportError(message, url=target.url)


@contextmanager
def errors_named(url: str, doing: str = "write", what: str = "store") -> Iterator[None]:
    """Raise errors of the system as those of the store.

    Raises
    ------
    ExportError
        With the system's reason.
    """
    try:
        yield
    except LazyDicomError:
        raise
    except OSError as error:
        reason = error.strerror or f"{type(error).__name__}: {error}"
        raise ExportError(f"Could not {doing} the {what}: {reason}", url=url) from error


def _folder_of(store: FsspecStore) -> FsspecFolder:
    """Reach the filesystem of a store without its event loop."""
    filesystem = getattr(store.fs, "sync_fs", store.fs)  # zarr wraps what is not async
    options = {**filesystem.storage_options, "asynchronous": False}
    return FsspecFolder(filesystem.unstrip_protocol(store.path), options)
