"""`verify` finds every way in which a copy can differ from what was copied."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from dicom_files import make_native
from zarr.storage import MemoryStore

import lazydicom
from lazydicom.errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lazydicom import DicomArray

Store = dict[str, Any]
OPTIONS: dict[str, dict[str, Any]] = {
    "chunks": {"chunks": 2},
    "shards": {"chunks": 1, "shards": 2},
    "no checksum": {"chunks": 2, "compressors": []},
    "planes cut": {"chunks": (1, 4, 5), "shards": (2, 4, 10)},
}


@pytest.fixture
def array() -> DicomArray:
    pixels = np.random.default_rng(3).integers(1, 4096, (6, 8, 10), np.uint16)
    pixels[4:] = 0
    return lazydicom.open_image(make_native(pixels))


@pytest.fixture(params=OPTIONS)
def objects(request: pytest.FixtureRequest, array: DicomArray) -> Store:
    """Give the objects of a copy whose frames 2 and 3 share a chunk or shard."""
    store: Store = {}
    lazydicom.to_zarr(array, MemoryStore(store), **OPTIONS[request.param])
    return store


def flip_a_bit(objects: Store, key: str) -> None:
    data = bytearray(objects[key].to_bytes())
    data[3] ^= 16
    put(objects, key, bytes(data))


def flip_the_last_bit(objects: Store, key: str) -> None:
    data = bytearray(objects[key].to_bytes())
    data[-1] ^= 1
    put(objects, key, bytes(data))


def delete(objects: Store, key: str) -> None:
    del objects[key]


def swap(objects: Store, key: str) -> None:
    other = "c/0/0/0"
    objects[key], objects[other] = objects[other], objects[key]


def shorten(objects: Store, key: str) -> None:
    put(objects, key, objects[key].to_bytes()[:-1])


def lengthen(objects: Store, key: str) -> None:
    put(objects, key, objects[key].to_bytes() + b"\0")


def empty(objects: Store, key: str) -> None:
    put(objects, key, b"")


def put(objects: Store, key: str, data: bytes) -> None:
    objects[key] = type(objects[key]).from_bytes(data)


DAMAGES = [flip_a_bit, flip_the_last_bit, delete, swap, shorten, lengthen, empty]


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_manifest_finds_a_damaged_chunk(
    damage: Callable[[Store, str], None], objects: Store
) -> None:
    damage(objects, "c/1/0/0")

    report = lazydicom.verify(MemoryStore(objects))

    assert not report.ok
    assert report.first is not None
    assert report.first.frame == (0 if damage is swap else 2)
    assert len(report.differences) == (2 if damage is swap else 1)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damage_on_disk_is_found_too(
    damage: Callable[[Store, str], None], objects: Store, tmp_path: Path
) -> None:
    damage(objects, "c/1/0/0")
    for key, value in objects.items():
        path = tmp_path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(value.to_bytes())

    assert not lazydicom.verify(tmp_path).ok


def test_a_lost_black_chunk_is_a_loss(objects: Store, array: DicomArray) -> None:
    delete(objects, "c/2/0/0")
    np.testing.assert_array_equal(zarr.open_array(MemoryStore(objects))[...], array)

    report = lazydicom.verify(MemoryStore(objects), array)

    assert report.first is not None
    assert (report.first.frame, report.first.reason) == (4, "the chunk is gone")


def test_the_source_names_the_frame(objects: Store, array: DicomArray) -> None:
    copy = zarr.open_array(MemoryStore(objects))
    copy[3, 7, 9] = 0

    with_source = lazydicom.verify(MemoryStore(objects), array)
    alone = lazydicom.verify(MemoryStore(objects))

    assert with_source.first is not None
    assert with_source.first.frame == 3
    assert alone.first is not None
    assert alone.first.frame in {2, 3}


@pytest.mark.parametrize("change", ["shape", "data_type", "codecs", "axes"])
def test_changed_metadata_are_found(
    change: str, objects: Store, array: DicomArray
) -> None:
    metadata = json.loads(objects["zarr.json"].to_bytes())
    if change == "shape":
        metadata["shape"][0] = 5
    elif change == "data_type":
        metadata["data_type"] = "int16"
    elif change == "axes":
        metadata["dimension_names"] = ["frame", "x", "y"]
    else:
        codecs = metadata["codecs"][0]
        if codecs["name"] == "sharding_indexed":
            codecs = codecs["configuration"]["codecs"][0]
        codecs["configuration"]["endian"] = "big"
    put(objects, "zarr.json", json.dumps(metadata).encode())

    assert not lazydicom.verify(MemoryStore(objects)).ok
    assert not lazydicom.verify(MemoryStore(objects), array).ok


def test_a_foreign_store_is_compared_with_the_source(array: DicomArray) -> None:
    store = MemoryStore()
    copy = zarr.create_array(
        store, shape=array.shape, dtype=array.dtype, chunks=(2, 8, 10)
    )
    copy[...] = np.asarray(array)

    with pytest.raises(ExportError, match="name the source to compare with"):
        lazydicom.verify(store)
    # zarr leaves out chunks that hold fill value: here their absence is a loss
    report = lazydicom.verify(store, array)

    assert report.compared_with == ("source",)
    assert [one.frame for one in report.differences] == [4]


@pytest.mark.parametrize(
    "store", ["absent.zarr", "empty.zip", "memory://verify/absent"]
)
def test_where_no_store_is_nothing_is_verified(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ExportError, match="No Zarr store is there"):
        lazydicom.verify(store)


def test_a_broken_manifest_is_an_error(objects: Store) -> None:
    put(objects, "lazydicom.json", b'{"lazydicom_manifest": 99}')

    with pytest.raises(ExportError, match="is no manifest"):
        lazydicom.verify(MemoryStore(objects))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("shape", 5),
        ("shape", [6, 8]),
        ("chunks", ["a", "b", "c"]),
        ("frame_axes", 4),
        ("frame_axes", None),
        ("labels", [1]),
        ("objects", {"c/0/0/0": [[34, 2**32, 5]]}),
        ("objects", {"c/0/0/0": [[-1, 2, 5]]}),
        ("objects", {"c/0/0/0": [[1, 2]]}),
    ],
)
def test_a_manifest_of_nonsense_is_an_error_of_ours(
    key: str, value: object, objects: Store
) -> None:
    manifest = json.loads(objects["lazydicom.json"].to_bytes())
    put(objects, "lazydicom.json", json.dumps({**manifest, key: value}).encode())

    with pytest.raises(ExportError, match="is no manifest"):
        lazydicom.verify(MemoryStore(objects))


@pytest.mark.parametrize(
    "metadata",
    [b"", b"[]", b"{}", b'{"zarr_format":3,"node_type":"array"}'],
)
@pytest.mark.parametrize("foreign", [True, False])
def test_metadata_that_zarr_does_not_read_are_an_error_of_ours(
    metadata: bytes, *, foreign: bool, objects: Store, array: DicomArray
) -> None:
    if foreign:
        del objects["lazydicom.json"]
    put(objects, "zarr.json", metadata)

    with pytest.raises(ExportError, match="describes no array"):
        lazydicom.verify(MemoryStore(objects), array if foreign else None)


@pytest.mark.filterwarnings("ignore:Array .* stored chunk shape")  # newer zarr reads it
def test_chunks_without_length_are_found(objects: Store) -> None:
    document = json.loads(objects["zarr.json"].to_bytes())
    document["chunk_grid"]["configuration"]["chunk_shape"] = [0, 8, 10]
    put(objects, "zarr.json", json.dumps(document).encode())

    with suppress(ExportError):
        assert not lazydicom.verify(MemoryStore(objects)).ok


def test_a_damaged_member_of_a_zip_is_the_frame_that_differs(
    array: DicomArray, tmp_path: Path
) -> None:
    place = tmp_path / "x.zip"
    lazydicom.to_zarr(array, place, chunks=1)
    data = bytearray(place.read_bytes())
    data[data.index(b"c/3/0/0") + 10] ^= 4
    place.write_bytes(data)

    report = lazydicom.verify(place)

    assert [one.frame for one in report.differences] == [3]


def test_a_chunk_that_cannot_be_read_is_an_error_of_ours(
    array: DicomArray, tmp_path: Path
) -> None:
    lazydicom.to_zarr(array, tmp_path / "x", chunks=1)
    chunk = tmp_path / "x" / "c" / "3" / "0" / "0"
    chunk.unlink()
    chunk.mkdir()

    with pytest.raises(ExportError, match="Could not read the store: Is a directory"):
        lazydicom.verify(tmp_path / "x")


def test_attributes_may_be_added_to_a_copy(objects: Store) -> None:
    zarr.open_array(MemoryStore(objects)).attrs["note"] = "seen"

    assert lazydicom.verify(MemoryStore(objects)).ok
