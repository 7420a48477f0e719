"""Shards are read and written some slabs at a time, through one memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from counting import open_counted
from dicom_files import make_native
from kinds_of_files import FILES
from zarr.storage import LocalStore, MemoryStore

import lazydicom
from lazydicom._export.store import objects

if TYPE_CHECKING:
    from pathlib import Path

VALUES = np.random.default_rng(3).integers(0, 4096, (23, 12, 10), np.uint16)
FRAME_NBYTES = 12 * 10 * 2
LAYOUTS: dict[str, dict[str, Any]] = {
    "a frame a chunk": {"chunks": 1, "shards": 10},
    "frames that do not fill a chunk": {"chunks": 3, "shards": 12},
    "parts of planes": {"chunks": (2, 5, 10), "shards": (8, 10, 10)},
    "parts of planes, several objects": {"chunks": (3, 4, 3), "shards": (9, 8, 6)},
    "all in one": {"chunks": 1, "shards": -1},
    "no shards": {"chunks": 2},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("nbytes", "compressors"), [(1, "zstd"), (5 * FRAME_NBYTES + 7, "none")]
)
def test_each_chunk_holds_its_own_pixels_however_many_slabs_are_read_at_once(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    layout: str,
    nbytes: int,
    compressors: str,
) -> None:
    monkeypatch.setattr(objects, "RUN_NBYTES", nbytes)
    array = lazydicom.open_image(make_native(VALUES))

    for store in (tmp_path / "folder", MemoryStore()):
        options = {**LAYOUTS[layout], "compressors": compressors, "workers": 2}
        report = lazydicom.to_zarr(array, store, **options)

        assert lazydicom.verify(store, array).ok
        copy: Any = zarr.open_array(store, mode="r")
        assert np.array_equal(copy[:], VALUES)
        assert report.kept_chunks == 0


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_frame_is_stored_through_one_memory(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(objects, "RUN_NBYTES", 1)
    array = lazydicom.open_image(FILES[name])
    store = MemoryStore()

    lazydicom.to_zarr(array, store, chunks=1, shards=-1, compressors="none")

    copy: Any = zarr.open_array(store, mode="r")
    assert np.array_equal(copy[:], np.asarray(array))


@pytest.mark.parametrize("local", ["pread", "mmap"])
@pytest.mark.parametrize("hole", [False, True])
def test_holes_and_maps_leave_nothing_of_the_slab_before(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    local: Any,  # noqa: ANN401
    *,
    hole: bool,
) -> None:
    monkeypatch.setattr(objects, "RUN_NBYTES", 2 * FRAME_NBYTES)
    path, store = tmp_path / "a.dcm", LocalStore(tmp_path / "copy")
    path.write_bytes(make_native(VALUES))
    array, expected = lazydicom.open_image(path, local=local), VALUES.copy()
    if hole:
        array.grid.numbers[[3, 4, 17]] = -1
        expected[[3, 4, 17]] = 0
        object.__setattr__(array, "fill_value", 0)

    lazydicom.to_zarr(array, store, chunks=1, shards=9, compressors="none")

    copy: Any = zarr.open_array(store, mode="r")
    assert np.array_equal(copy[:], expected)


def test_small_frames_of_a_shard_are_read_together(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    array, counter = open_counted(monkeypatch, make_native(VALUES))

    lazydicom.to_zarr(array, tmp_path / "copy", chunks=1, shards=20, workers=1)

    assert counter.reads == 2, "one for each shard"
