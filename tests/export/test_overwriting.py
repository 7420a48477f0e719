"""Overwriting: a whole store is always there where names can be exchanged; crashes resume."""

from __future__ import annotations

import shutil
import sys
import threading
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import fsspec
import numpy as np
import pytest
import zarr
from dicom_files import make_native

import lazydicom
from lazydicom._export.store import target as target_module
from lazydicom.errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lazydicom import DicomArray

EXPORTS: dict[str, Callable[..., Any]] = {
    "zarr": lazydicom.to_zarr,
    "ome": lazydicom.to_ome_zarr,
}
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="Linux exchanges names")


def array_of(value: int) -> DicomArray:
    return lazydicom.open_image(make_native(np.full((4, 8, 8), value, np.uint16)))


def value_of(place: Path | str, kind: str) -> int:
    path = f"{place}/0" if kind == "ome" else str(place)
    (value,) = np.unique(np.asarray(zarr.open_array(path, mode="r")[...]))
    return int(value)


@LINUX
@pytest.mark.parametrize("kind", EXPORTS)
def test_a_store_is_always_there_while_it_is_replaced(
    kind: str, tmp_path: Path
) -> None:
    place, failures = tmp_path / "a.zarr", []
    EXPORTS[kind](array_of(1), place)
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            if not (place / "zarr.json").exists():
                failures.append("no store")

    reading = threading.Thread(target=read)
    reading.start()
    for value in range(2, 12):
        EXPORTS[kind](array_of(value), place, overwrite=True)
    done.set()
    reading.join()

    assert not failures
    assert value_of(place, kind) == 11
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]


@pytest.mark.parametrize("kind", EXPORTS)
def test_names_that_cannot_be_exchanged_are_moved(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target_module, "_LINUX", False)
    EXPORTS[kind](array_of(1), tmp_path / "a.zarr")

    EXPORTS[kind](array_of(2), tmp_path / "a.zarr", overwrite=True)

    assert value_of(tmp_path / "a.zarr", kind) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]


def whole(kind: str, folder: Path, value: int) -> Path:
    EXPORTS[kind](array_of(value), folder / f"{kind}-{value}.zarr")
    return folder / f"{kind}-{value}.zarr"


@pytest.mark.parametrize("kind", EXPORTS)
@pytest.mark.parametrize("there", ["old", "new", "nothing"])
@pytest.mark.parametrize("beside", ["old", "new"])
def test_a_crash_around_the_exchange_resumes(
    kind: str, there: str, beside: str, tmp_path: Path
) -> None:
    if there == beside == "old" or (there, beside) == ("nothing", "old"):
        pytest.skip("no export leaves that")
    stores = {"old": whole(kind, tmp_path, 1), "new": whole(kind, tmp_path, 2)}
    place = tmp_path / "a.zarr"
    if there != "nothing":
        shutil.copytree(stores[there], place)
    shutil.copytree(stores[beside], tmp_path / "a.zarr.partial")

    EXPORTS[kind](array_of(2), place, resume=True)

    assert value_of(place, kind) == 2
    assert lazydicom.verify(place, array_of(2)).ok
    assert not (tmp_path / "a.zarr.partial").exists()


@pytest.mark.parametrize("kind", EXPORTS)
@pytest.mark.parametrize("at", ["folder", "memory", "zip"])
def test_a_crash_amid_an_overwrite_resumes(kind: str, at: str, tmp_path: Path) -> None:
    place = {
        "folder": str(tmp_path / "a.zarr"),
        "zip": str(tmp_path / "a.zip"),
        "memory": f"memory://{uuid4().hex}/a.zarr",
    }[at]
    EXPORTS[kind](array_of(1), place)

    def stop(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        EXPORTS[kind](array_of(2), place, overwrite=True, progress=stop)
    if at != "memory":
        assert lazydicom.verify(place, array_of(1)).ok
    EXPORTS[kind](array_of(2), place, resume=True)

    assert lazydicom.verify(place, array_of(2)).ok


@pytest.mark.parametrize("kind", EXPORTS)
@pytest.mark.parametrize("left", ["lazydicom.json", "c/0/0/0", "0/zarr.json"])
def test_a_crash_while_the_old_store_is_deleted_resumes(kind: str, left: str) -> None:
    place = f"memory://{uuid4().hex}/a.zarr"
    EXPORTS[kind](array_of(1), place)
    files = fsspec.filesystem("memory")
    root = place.removeprefix("memory:/")
    for name in files.find(root):
        if not name.endswith(left):
            files.rm_file(name)
    files.pipe_file(f"{root}/lazydicom.journal/000000", b"")

    EXPORTS[kind](array_of(2), place, resume=True)

    assert lazydicom.verify(place, array_of(2)).ok


def test_another_store_is_not_resumed(tmp_path: Path) -> None:
    lazydicom.to_zarr(array_of(1), tmp_path / "a")

    with pytest.raises(ExportError, match="another source"):
        lazydicom.to_zarr(array_of(2), tmp_path / "a", resume=True)

    assert value_of(tmp_path / "a", "zarr") == 1
