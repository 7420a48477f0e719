"""Two exports into one place: one report, one error, no mixture."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import pytest
from dicom_files import make_native
from zarr.storage import MemoryStore

import lazydicom
from lazydicom._export.store import in_place as in_place_module
from lazydicom._export.store.folder import LEASE, LocalFolder
from lazydicom._export.store.in_place import only_export_into
from lazydicom._export.store.object_folder import FsspecFolder, StoreFolder
from lazydicom.errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lazydicom import DicomArray

KINDS: dict[str, Callable[[Path], Any]] = {
    "folder": lambda folder: str(folder / "a.zarr"),
    "zip": lambda folder: str(folder / "a.zip"),
    "fsspec": lambda _: f"memory://{uuid4().hex}/a.zarr",
    "store": lambda _: MemoryStore(),
}


def array_of(value: int) -> DicomArray:
    return lazydicom.open_image(make_native(np.full((40, 8, 8), value, np.uint16)))


def run_side_by_side(exports: list[Callable[[], object]]) -> list[object]:
    """Return the reports and the errors of exports that begin at once."""
    outcomes: list[object] = [None] * len(exports)
    gate = threading.Barrier(len(exports))

    def run(number: int) -> None:
        gate.wait()
        try:
            outcomes[number] = exports[number]()
        except ExportError as error:
            outcomes[number] = error

    threads = [threading.Thread(target=run, args=(k,)) for k in range(len(exports))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.mark.parametrize("attempt", [0, 1, pytest.param(2, marks=pytest.mark.heavy)])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("overwrite", [False, True])
def test_one_of_two_exports_is_whole_and_the_other_an_error(
    kind: str, overwrite: bool, attempt: int, tmp_path: Path
) -> None:
    del attempt
    place = KINDS[kind](tmp_path)
    arrays = [array_of(1), array_of(2)]
    meet = threading.Event()

    def slowly(done: int, *_: int) -> None:
        if done == 1:
            meet.wait(0.3)  # so that both are under way

    def export(array: DicomArray) -> Callable[[], object]:
        return lambda: lazydicom.to_zarr(
            array, place, chunks=1, overwrite=overwrite, workers=1, progress=slowly
        )

    outcomes = run_side_by_side([export(array) for array in arrays])

    winners = [k for k, one in enumerate(outcomes) if not isinstance(one, Exception)]
    assert winners
    last = winners[-1]
    if len(winners) == 2:  # one after the other, which overwriting allows
        assert overwrite
        assert any(lazydicom.verify(place, array).ok for array in arrays)
    else:
        assert lazydicom.verify(place, arrays[last]).ok


@pytest.mark.parametrize("kind", ["fsspec", "store"])
def test_images_with_levels_take_their_place_alone(kind: str, tmp_path: Path) -> None:
    if kind == "store":
        pytest.skip("levels need names")
    place = KINDS[kind](tmp_path)
    second: list[object] = []

    def try_another(*_: int) -> None:
        if not second:
            with pytest.raises(ExportError, match="Another export writes here") as e:
                lazydicom.to_ome_zarr(array_of(2), place, overwrite=True)
            second.append(e.value)

    lazydicom.to_ome_zarr(array_of(1), place, progress=try_another)

    assert second
    assert lazydicom.verify(place, array_of(1)).ok


@pytest.mark.parametrize("kind", ["fsspec", "store"])
def test_nothing_is_left_of_a_token(kind: str, tmp_path: Path) -> None:
    place = KINDS[kind](tmp_path)

    lazydicom.to_zarr(array_of(1), place)

    folder = FsspecFolder(place) if kind == "fsspec" else StoreFolder(place)
    assert folder.keys(LEASE) == []


def test_an_export_that_was_killed_is_known_at_once() -> None:
    folder = FsspecFolder(f"memory://{uuid4().hex}/a")
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True,
        check=True,
        text=True,
    ).stdout.strip()
    token = f"{in_place_module._MACHINE} {dead} 7".encode()
    folder.put(f"{LEASE}/dead", token)

    with only_export_into(folder):
        assert f"{LEASE}/dead" not in folder.keys(LEASE)


@pytest.mark.parametrize("token", [b"", b"x", b"a b c d", b"\xff\xff", b"vm -1 x"])
def test_a_token_that_nobody_writes_is_no_export(
    token: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_place_module, "_PATIENCE_S", 0.1)
    folder = FsspecFolder(f"memory://{uuid4().hex}/a")
    folder.put(f"{LEASE}/odd", token)

    with only_export_into(folder):
        pass


def test_an_export_of_another_machine_that_stands_still_is_taken_for_dead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(in_place_module, "_PATIENCE_S", 0.1)
    folder = FsspecFolder(f"memory://{uuid4().hex}/a")
    folder.put(f"{LEASE}/far", b"elsewhere 1 7")

    with only_export_into(folder):
        assert f"{LEASE}/far" not in folder.keys(LEASE)


def test_an_export_of_another_machine_that_goes_on_is_given_way_to() -> None:
    folder = FsspecFolder(f"memory://{uuid4().hex}/a")
    folder.put(f"{LEASE}/far", b"elsewhere 1 7")
    renewed = threading.Timer(0.3, lambda: folder.put(f"{LEASE}/far", b"elsewhere 1 8"))
    renewed.start()

    with (
        pytest.raises(ExportError, match="Another export writes here"),
        only_export_into(folder),
    ):
        pass
    renewed.join()


def test_an_export_that_was_taken_for_dead_does_not_publish() -> None:
    store: dict[str, Any] = {}
    place = MemoryStore(store)

    def take_over(*_: int) -> None:
        for key in [key for key in store if key.startswith(LEASE)]:
            del store[key]

    with pytest.raises(ExportError, match="Another export took over"):
        lazydicom.to_zarr(array_of(1), place, progress=take_over)

    assert "zarr.json" not in store


def test_a_lease_is_no_part_of_a_store(tmp_path: Path) -> None:
    for folder in (
        FsspecFolder(f"memory://{uuid4().hex}/a"),
        StoreFolder(MemoryStore()),
        LocalFolder(str(tmp_path)),
    ):
        folder.put("c/0", b"1")
        with only_export_into(folder):
            folder.clear(last="c/0")
            if not isinstance(folder, LocalFolder):
                assert len(folder.keys(LEASE)) == 1
            assert folder.is_empty()
