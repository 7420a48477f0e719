"""Stores of this machine, staged in a folder beside their place, by one export at a time.

A folder is renamed when it is complete; a zip is packed from it last, since a killed zip has
no directory. The lock is one of the operating system, on an empty file beside the store: it
goes with the process that holds it, however that ends.
"""

import ctypes
import os
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from zarr.storage import ZipStore

from lazydicom._export.store.folder import (
    CLOSE_ON_EXEC,
    Folder,
    LocalFolder,
    removed_after_an_error,
)
from lazydicom._export.store.layout import METADATA
from lazydicom._export.store.object_folder import open_store
from lazydicom.errors import ExportError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

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
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""No time goes into a zip, so that the same export gives the same bytes."""


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
    def staging(self) -> LocalFolder:
        """The folder beside."""
        return LocalFolder(self.url + _STAGED)

    def alone(self) -> AbstractContextManager[Callable[[], None]]:
        """Return what holds a lock beside it."""
        return only_export(self.url)

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


def folder_target(url: str) -> StagedTarget:
    """Return a folder that will be renamed."""

    def read() -> Folder | None:
        folder = LocalFolder(url)
        return None if folder.is_empty() else folder

    return StagedTarget(url, read, lambda staging: put_in_place(staging.path, url))


def zip_target(url: str) -> StagedTarget:
    """Return a zip file that will be packed."""
    path = Path(url)

    def read() -> Folder | None:
        if not path.exists():
            return None
        if not zipfile.is_zipfile(path):
            raise ExportError("Something else than a zip stands here", url=url)
        return open_store(ZipStore(path, mode="r"))

    return StagedTarget(url, read, partial(_pack_folder, path))


def open_zip_target(store: ZipStore) -> StagedTarget:
    """Return an open `ZipStore` of the caller, which cannot replace anything."""
    url = str(store.path)

    def read() -> Folder | None:
        folder = open_store(store)
        return None if folder.is_empty() else folder

    def place(staging: LocalFolder) -> None:
        if read():
            raise ExportError("A ZipStore cannot be overwritten", url=url)
        folder = open_store(store)
        for name in _names(Path(staging.path)):
            folder.put(name, staging.get(name) or b"")
        staging.clear()

    return StagedTarget(url, read, place, streams=False)  # it takes objects whole


@contextmanager
def only_export(url: str) -> Iterator[Callable[[], None]]:
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
        with suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108 (while it is held)
        os.close(descriptor)


def _held() -> None:
    """Check nothing: the system keeps a lock."""


def _take_lock(path: str, url: str) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | CLOSE_ON_EXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise ExportError("Another export writes here", url=url) from None
        except OSError:  # a file system without locks
            return descriptor
        if _is_still_there(descriptor, path):
            return descriptor
        os.close(descriptor)  # the one before us removed it meanwhile


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


def _names(folder: Path) -> list[str]:
    """Name all files, ``zarr.json`` last."""
    files = (path for path in folder.rglob("*") if path.is_file())
    names = (path.relative_to(folder).as_posix() for path in files)
    return sorted(names, key=lambda name: (name == METADATA, name))


def _pack_folder(path: Path, staging: LocalFolder) -> None:
    """Pack a folder into a zip, and rename that."""
    folder, packed = Path(staging.path), Path(f"{path}.packing")
    with removed_after_an_error(packed), packed.open("wb") as file:
        with zipfile.ZipFile(file, "w") as archive:
            for name in _names(folder):
                _pack(archive, folder, name)
        file.flush()
        os.fsync(file.fileno())
    packed.replace(path)
    staging.clear()


def _pack(archive: zipfile.ZipFile, folder: Path, name: str) -> None:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.file_size = (folder / name).stat().st_size
    info.external_attr = 0o644 << 16
    with (folder / name).open("rb") as file, archive.open(info, "w") as packed:
        shutil.copyfileobj(file, packed, 1 << 20)


def _sync_folder(path: Path) -> None:
    """Make a rename last; Windows opens no folder."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
