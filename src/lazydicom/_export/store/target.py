"""All or nothing: where an export is staged, and the step that makes it a store.

A folder of this machine is written beside its place and renamed. A zip is staged in a
folder and packed last, since a killed zip has no directory. Other stores cannot rename:
they get ``zarr.json`` last, and are no store before.
"""

import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from zarr.abc.store import Store
from zarr.storage import FsspecStore, LocalStore, ZipStore

from lazydicom._export.store.folder import Folder, LocalFolder
from lazydicom._export.store.layout import METADATA
from lazydicom._export.store.lock import only_export
from lazydicom._export.store.manifest import JOURNAL, MANIFEST
from lazydicom._export.store.object_folder import FsspecFolder, open_store
from lazydicom.errors import ExportError

StoreLike: TypeAlias = str | os.PathLike[str] | Store

_STAGED: Final = ".partial"
_REPLACED: Final = ".replaced"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""No time goes into a zip, so that the same export gives the same bytes."""
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

    def alone(self) -> AbstractContextManager[None]:
        """Let no other export write here meanwhile, as far as that can be."""
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
    """Find out what a store is."""
    if isinstance(store, LocalStore):
        store = str(store.root)
    elif isinstance(store, ZipStore):
        return ZipObjectTarget(store)
    elif isinstance(store, FsspecStore):
        return InPlaceTarget(_folder_of(store))
    elif isinstance(store, Store):
        return InPlaceTarget(open_store(store))
    name = os.fspath(store)
    if "://" in name and not name.startswith("file://"):
        if name.endswith(".zip"):
            raise ExportError("A zip is written to a local path only", url=name)
        return InPlaceTarget(FsspecFolder(name.rstrip("/"), dict(storage_options)))
    path = str(Path(name.removeprefix("file://")).expanduser().absolute())
    return ZipTarget(path) if path.endswith(".zip") else LocalTarget(path)


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
class LocalTarget:
    """A folder of this machine, staged beside its place."""

    url: str
    streams: bool = True

    @property
    def staging(self) -> LocalFolder:
        """The folder beside."""
        return LocalFolder(self.url + _STAGED)

    def alone(self) -> AbstractContextManager[None]:
        """Hold a lock beside it."""
        return only_export(self.url)

    def published(self) -> Folder | None:
        """Return the folder if there is anything in it."""
        folder = LocalFolder(self.url)
        return None if folder.is_empty() else folder

    def discard(self) -> None:
        """Delete the folder beside."""
        self.staging.clear()

    def tidy(self) -> None:
        """Delete the folder beside, and the one that was replaced."""
        self.staging.clear()
        shutil.rmtree(self.url + _REPLACED, ignore_errors=True)

    def publish(self, metadata: bytes) -> None:
        """Rename the folder."""
        self.staging.put(METADATA, metadata)
        with _replaced(Path(self.url), Path(self.url + _REPLACED)):
            Path(self.staging.path).replace(self.url)
        _sync_folder(Path(self.url).parent)


@dataclass(frozen=True, slots=True)
class ZipTarget:
    """A zip file of this machine, staged in a folder beside it."""

    url: str
    streams: bool = True

    @property
    def staging(self) -> LocalFolder:
        """The folder beside."""
        return LocalFolder(self.url + _STAGED)

    def alone(self) -> AbstractContextManager[None]:
        """Hold a lock beside it."""
        return only_export(self.url)

    def published(self) -> Folder | None:
        """Return the content of the zip."""
        path = Path(self.url)
        if not path.exists():
            return None
        if not zipfile.is_zipfile(path):
            raise ExportError("Something else than a zip stands here", url=self.url)
        return open_store(ZipStore(path, mode="r"))

    def discard(self) -> None:
        """Delete the folder beside."""
        self.staging.clear()

    def tidy(self) -> None:
        """Delete the folder beside."""
        self.staging.clear()

    def publish(self, metadata: bytes) -> None:
        """Pack the folder, and rename the zip."""
        self.staging.put(METADATA, metadata)
        packed = Path(self.url + ".packing")
        with packed.open("wb") as file:
            with zipfile.ZipFile(file, "w") as archive:
                for name in _names(Path(self.staging.path)):
                    _pack(archive, Path(self.staging.path), name)
            file.flush()
            os.fsync(file.fileno())
        packed.replace(self.url)
        self.staging.clear()


@dataclass(frozen=True, slots=True)
class ZipObjectTarget:
    """An open `ZipStore` of the caller, staged in a folder beside its file."""

    store: ZipStore
    streams: bool = False
    """A `ZipStore` takes objects whole."""

    @property
    def url(self) -> str:
        """Path of the zip."""
        return str(self.store.path)

    @property
    def staging(self) -> LocalFolder:
        """The folder beside."""
        return LocalFolder(self.url + _STAGED)

    def alone(self) -> AbstractContextManager[None]:
        """Hold a lock beside it."""
        return only_export(self.url)

    def published(self) -> Folder | None:
        """Return the content of the zip."""
        folder = open_store(self.store)
        return None if folder.is_empty() else folder

    def discard(self) -> None:
        """Delete the folder beside."""
        self.staging.clear()

    def tidy(self) -> None:
        """Delete the folder beside."""
        self.staging.clear()

    def publish(self, metadata: bytes) -> None:
        """Pack the folder into the store, which cannot replace anything."""
        if self.published():
            raise ExportError("A ZipStore cannot be overwritten", url=self.url)
        self.staging.put(METADATA, metadata)
        folder = open_store(self.store)
        for name in _names(Path(self.staging.path)):
            folder.put(name, self.staging.get(name) or b"")
        self.staging.clear()


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

    def alone(self) -> AbstractContextManager[None]:
        """Hold nothing: such a store has no locks."""
        return nullcontext()

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


def check_is_zarr(folder: Folder, target: Target) -> None:
    """Refuse to replace what is neither a Zarr array nor a group.

    Raises
    ------
    ExportError
        If it is something else.
    """
    if all(folder.size(name) is None for name in _NODES):
        message = "Something else than a Zarr store stands here; it is not overwritten"
        raise ExportError(message, url=target.url)


def _folder_of(store: FsspecStore) -> FsspecFolder:
    """Reach the filesystem of a store without its event loop."""
    filesystem = getattr(store.fs, "sync_fs", store.fs)  # zarr wraps what is not async
    options = {**filesystem.storage_options, "asynchronous": False}
    return FsspecFolder(filesystem.unstrip_protocol(store.path), options)


@contextmanager
def _replaced(path: Path, aside: Path) -> Iterator[None]:
    """Move a folder aside while another takes its place."""
    shutil.rmtree(aside, ignore_errors=True)
    moved = path.exists() and any(path.iterdir())
    if moved:
        path.rename(aside)
    yield
    shutil.rmtree(aside, ignore_errors=True)


def _names(folder: Path) -> list[str]:
    """Name all files, ``zarr.json`` last."""
    files = (path for path in folder.rglob("*") if path.is_file())
    names = (path.relative_to(folder).as_posix() for path in files)
    return sorted(names, key=lambda name: (name == METADATA, name))


def _pack(archive: zipfile.ZipFile, folder: Path, name: str) -> None:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.file_size = (folder / name).stat().st_size
    info.external_attr = 0o644 << 16
    with (folder / name).open("rb") as file, archive.open(info, "w") as packed:
        shutil.copyfileobj(file, packed, 1 << 20)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
