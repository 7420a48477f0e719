"""A zip of this machine: packed from a folder last, since a killed zip has no directory."""

import os
import shutil
import zipfile
from pathlib import Path
from typing import Final

from zarr.storage import ZipStore

from lazydicom._export.store.folder import Folder, LocalFolder, removed_after_an_error
from lazydicom._export.store.layout import METADATA
from lazydicom._export.store.object_folder import open_store
from lazydicom.errors import ExportError

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""No time goes into a zip, so that the same export gives the same bytes."""


def zip_folder(path: Path) -> Folder | None:
    """Return what stands in a zip, ``None`` where there is none.

    Raises
    ------
    ExportError
        If something else stands there.
    """
    if not path.exists():
        return None
    if not zipfile.is_zipfile(path):
        raise ExportError("Something else than a zip stands here", url=str(path))
    return open_store(ZipStore(path, mode="r"))


def open_folder(store: ZipStore) -> Folder | None:
    """Return what stands in an open store, ``None`` where that is nothing."""
    folder = open_store(store)
    return None if folder.is_empty() else folder


def put_into(store: ZipStore, staging: LocalFolder) -> None:
    """Put a folder into an open store, which cannot replace anything.

    Raises
    ------
    ExportError
        If something stands there.
    """
    if open_folder(store):
        raise ExportError("A ZipStore cannot be overwritten", url=str(store.path))
    folder = open_store(store)
    for name in _names(Path(staging.path)):
        folder.put(name, staging.get(name) or b"")
    staging.clear()


def _names(folder: Path) -> list[str]:
    """Name all files, ``zarr.json`` last."""
    files = (path for path in folder.rglob("*") if path.is_file())
    names = (path.relative_to(folder).as_posix() for path in files)
    return sorted(names, key=lambda name: (name == METADATA, name))


def pack_folder(path: Path, staging: LocalFolder) -> None:
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
