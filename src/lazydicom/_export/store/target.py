"""All or nothing: where an export is written, and the step that makes it a store.

Stores of this machine are staged in a folder beside their place, which is renamed when it is
complete, or packed (`zipped`). Others cannot rename (`in_place`): they get ``zarr.json`` last,
and are no store before. The lock of a local store is one of the operating system, on an empty
file beside it: it goes with the process that holds it, however that ends.
"""

import ctypes
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from zarr.abc.store import Store
from zarr.storage import FsspecStore, LocalStore, ZipStore

from lazydicom._bytes.deferred import deferred
from lazydicom._bytes.local.source import open_file
from lazydicom._bytes.location import is_local, local_path
from lazydicom._bytes.quick_dataclass import dataclass
from lazydicom._export.store.folder import CLOSE_ON_EXEC, Folder, LocalFolder
from lazydicom._export.store.in_place import InPlaceTarget
from lazydicom._export.store.layout import METADATA
from lazydicom.errors import ExportError, LazyDicomError

if TYPE_CHECKING:
    from lazydicom._export.store import object_folder, zipped
else:
    object_folder = deferred("lazydicom._export.store.object_folder")
    zipped = deferred("lazydicom._export.store.zipped")

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

StoreLike: TypeAlias = str | os.PathLike[str] | Store

_NODES: Final = (METADATA, ".zarray", ".zgroup")
_STAGED: Final = ".partial"
_REPLACED: Final = ".replaced"
_FLOCK: Final = bool(fcntl)
_LINUX: Final = sys.platform == "linux"
_HERE: Final = -100
"""AT_FDCWD of Linux: names count from the current folder."""
_EXCHANGE: Final = 2
"""RENAME_EXCHANGE of ``renameat2``."""
_LOCK: Final = ".lazydicom-lock"
"""Callers have locks of their own, which are often called ``.lock``."""


class Target(Protocol):
    """Where a store will be."""

    @property
    def url(self) -> str:
        """Name of the store."""
        ...

    @property
    def name(self) -> str:
        """What it is called where people read it: no secrets."""
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
        return _open_zip_target(store)
    elif isinstance(store, FsspecStore):
        return InPlaceTarget(_folder_of(store))
    elif isinstance(store, Store):
        return InPlaceTarget(object_folder.open_store(store))
    name = os.fspath(store)
    if not is_local(name):
        if name.endswith(".zip"):
            raise ExportError("A zip is written to a local path only", url=name)
        options = dict(storage_options)
        return InPlaceTarget(object_folder.FsspecFolder(name.rstrip("/"), options))
    path = local_path(name)
    return _zip_target(path) if path.endswith(".zip") else _folder_target(path)


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
class StagedTarget:
    """A store of this machine, staged in a folder beside its place."""

    url: str
    read: Callable[[], Folder | None]
    """Returns what stands there already, ``None`` where nothing does."""
    place: Callable[[LocalFolder], None]
    """Makes the folder beside the store."""
    streams: bool = True

    @property
    def name(self) -> str:
        """The path."""
        return self.url

    @property
    def staging(self) -> LocalFolder:
        """The folder beside."""
        return LocalFolder(self.url + _STAGED)

    def alone(self) -> AbstractContextManager[Callable[[], None]]:
        """Return what holds a lock beside it."""
        return _only_export(self.url)

    def published(self) -> Folder | None:
        """Return what stands there already."""
        return self.read()

    def discard(self) -> None:
        """Delete the folder beside."""
        self.staging.clear()

    def tidy(self) -> None:
        """Delete the folder beside, and a folder that was replaced."""
        self.staging.clear()
        if Path(self.url).is_dir():
            shutil.rmtree(self.url + _REPLACED, ignore_errors=True)

    def publish(self, metadata: bytes) -> None:
        """Make the folder beside the store."""
        self.staging.put(METADATA, metadata)
        self.place(self.staging)


def _folder_target(url: str) -> StagedTarget:
    """Return a folder that will be renamed."""

    def read() -> Folder | None:
        folder = LocalFolder(url)
        return None if folder.is_empty() else folder

    return StagedTarget(url, read, lambda staging: put_in_place(staging.path, url))


def _zip_target(url: str) -> StagedTarget:
    """Return a zip file that will be packed."""
    path = Path(url)
    return StagedTarget(
        url, partial(zipped.zip_folder, path), partial(zipped.pack_folder, path)
    )


def _open_zip_target(store: ZipStore) -> StagedTarget:
    """Return an open `ZipStore` of the caller."""
    read, place = partial(zipped.open_folder, store), partial(zipped.put_into, store)
    return StagedTarget(str(store.path), read, place, streams=False)  # objects whole


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


def _folder_of(store: FsspecStore) -> "object_folder.FsspecFolder":
    """Reach the filesystem of a store without its event loop."""
    filesystem = getattr(store.fs, "sync_fs", store.fs)  # zarr wraps what is not async
    options = {**filesystem.storage_options, "asynchronous": False}
    return object_folder.FsspecFolder(filesystem.unstrip_protocol(store.path), options)


@contextmanager
def _only_export(url: str) -> Iterator[Callable[[], None]]:
    """Keep the lock of a local store for the length of a block.

    Raises
    ------
    ExportError
        If another export holds it.
    """
    path = url + _LOCK
    os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
    if not _FLOCK:
        with _lock_of_windows(path, url):
            yield _held
        return
    descriptor = _take_lock(path, url)
    try:
        yield _held
    finally:
        try:
            with suppress(FileNotFoundError):
                os.unlink(path)  # noqa: PTH108 (while it is held)
        finally:  # an interrupt comes here, too, and what stays open stays locked
            os.close(descriptor)


def _held() -> None:
    """Check nothing: the system keeps a lock."""


def _take_lock(path: str, url: str) -> int:
    while True:
        descriptor = open_file(path, os.O_RDWR | os.O_CREAT | CLOSE_ON_EXEC, 0o666)
        try:
            if _is_locked(descriptor, path, url):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_locked(descriptor: int, path: str, url: str) -> bool:
    """Lock a file; return whether the one before us did not remove it meanwhile."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ExportError("Another export writes here", url=url) from None
    except OSError:  # a file system without locks
        return True
    return _is_still_there(descriptor, path)


@contextmanager
def _lock_of_windows(path: str, url: str) -> Iterator[None]:
    """Hold a lock where there is no `fcntl`."""
    from filelock import FileLock, Timeout

    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise ExportError("Another export writes here", url=url) from None
    try:
        yield
    finally:
        lock.release()
        with suppress(OSError):  # another export may have it already
            os.unlink(path)  # noqa: PTH108


def _is_still_there(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))  # noqa: PTH116
    except FileNotFoundError:
        return False


def put_in_place(staged: str, place: str) -> None:
    """Rename a folder to the name of one that it replaces, in one step where that can be."""
    new, path, aside = Path(staged), Path(place), Path(place + _REPLACED)
    shutil.rmtree(aside, ignore_errors=True)
    if _exchanged(new, path):
        new.rename(aside)
    else:
        _move_aside(path, aside)
        new.replace(path)
    _sync_folder(path.parent)
    shutil.rmtree(aside, ignore_errors=True)


def _exchanged(first: Path, second: Path) -> bool:
    """Exchange two names at once, so that there is always a whole store; Linux can.

    Where it cannot, or there is no second one, nothing has happened.
    """
    rename = getattr(ctypes.CDLL(None), "renameat2", None) if _LINUX else None
    if rename is None:
        return False
    names = (os.fsencode(first), os.fsencode(second))
    failed = rename(_HERE, names[0], _HERE, names[1], _EXCHANGE)
    return not failed


def _move_aside(path: Path, aside: Path) -> None:
    """Make room for a folder that is about to be renamed."""
    if path.exists() and any(path.iterdir()):
        path.rename(aside)


def _sync_folder(path: Path) -> None:
    """Make a rename last; Windows opens no folder."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = open_file(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
