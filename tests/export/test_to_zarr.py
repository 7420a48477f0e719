"""`to_zarr`: what is read back, by zarr itself, is what was in the file."""

from __future__ import annotations

import resource
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from counting import open_counted
from dicom_files import make_native
from hypothesis import given, settings
from hypothesis import strategies as st
from kinds_of_files import FILES
from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ZstdCodec
from zarr.codecs.numcodecs import LZ4
from zarr.storage import LocalStore, MemoryStore, ZipStore

import lazydicom
from lazydicom._array.grid import FrameGrid
from lazydicom.errors import ExportError, LimitError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from zarr.abc.codec import BytesBytesCodec
    from zarr.abc.store import Store

CODECS: dict[str, Sequence[BytesBytesCodec]] = {
    "none": [],
    "zstd": [ZstdCodec(level=5, checksum=True)],
    "zstd, crc32c": [ZstdCodec(), Crc32cCodec()],
    "gzip": [GzipCodec(level=2)],
    "blosc": [BloscCodec(typesize=2, cname="lz4", shuffle="shuffle")],
    "crc32c inside": [Crc32cCodec(), ZstdCodec()],
    "crc32c twice": [Crc32cCodec(), Crc32cCodec()],
}


def stored(store: dict[str, Any]) -> dict[str, bytes]:
    """Give all objects; of gzip's header, which holds the time, the first bytes only."""
    objects = {key: value.to_bytes() for key, value in store.items()}
    return {
        key: data[:4] + data[10:] if data.startswith(b"\x1f\x8b") else data
        for key, data in objects.items()
    }


@pytest.mark.parametrize("shards", [None, 4], ids=["chunks", "shards"])
@pytest.mark.parametrize("name", FILES)
def test_zarr_reads_back_the_pixels(name: str, shards: int | None) -> None:
    array = lazydicom.open_image(FILES[name])
    store = MemoryStore()

    report = lazydicom.to_zarr(array, store, chunks=2, shards=shards)

    copy = zarr.open_array(store, mode="r")
    np.testing.assert_array_equal(copy[...], np.asarray(array))
    assert copy.dtype == array.dtype
    assert copy.metadata.to_dict()["dimension_names"] == array.dims
    assert report.nbytes == array.nbytes


@settings(max_examples=50)
@given(data=st.data())
def test_any_chunks_and_shards_are_read_back(data: st.DataObject) -> None:
    lengths = data.draw(st.tuples(*[st.integers(1, 7)] * 3))
    chunks = [data.draw(st.integers(1, n + 2)) for n in lengths]
    times = [data.draw(st.integers(1, 3)) for _ in lengths]
    chunks = [min(c, n) for c, n in zip(chunks, lengths, strict=True)]
    shards = [c * t for c, t in zip(chunks, times, strict=True)]
    frames, rows, columns = lengths
    file = make_native(number_of_frames=frames, rows=rows, columns=columns)
    array, store = lazydicom.open_image(file), MemoryStore()
    fits = all(
        s <= n or s == c for s, c, n in zip(shards, chunks, lengths, strict=True)
    )

    lazydicom.to_zarr(array, store, chunks=chunks, shards=shards if fits else None)

    np.testing.assert_array_equal(zarr.open_array(store)[...], np.asarray(array))
    assert lazydicom.verify(store, array).ok


@settings(max_examples=30)
@given(data=st.data())
def test_any_chunks_of_a_grid_are_read_back_from_a_folder(data: st.DataObject) -> None:
    """A disk takes small units by the run, which no store in memory does."""
    times, heights = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 5)))
    file = make_native(number_of_frames=times * heights, rows=3, columns=2)
    stack = lazydicom.open_image(file)
    numbers = np.array(data.draw(st.permutations(range(len(stack)))))
    grid = FrameGrid(numbers.reshape(times, heights))
    array = replace(stack, grid=grid, dims=("time", "z", "y", "x"))
    chunks = [data.draw(st.integers(1, n)) for n in array.shape]
    whole = [data.draw(st.booleans()) for _ in chunks]
    pairs = zip(chunks, array.shape, whole, strict=True)
    shards = [-(-n // c) * c if all_ else c for c, n, all_ in pairs]

    with TemporaryDirectory() as folder:
        sharded = data.draw(st.sampled_from([None, shards]))
        lazydicom.to_zarr(array, f"{folder}/x", chunks=chunks, shards=sharded)

        copy = zarr.open_array(f"{folder}/x", mode="r")
        np.testing.assert_array_equal(copy[...], np.asarray(array))
        assert lazydicom.verify(f"{folder}/x", array).ok


def test_small_units_are_read_by_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.dcm").write_bytes(make_native(number_of_frames=100))
    array, counter = open_counted(monkeypatch, tmp_path / "a.dcm")

    lazydicom.to_zarr(array, tmp_path / "x", chunks=1)

    assert counter.reads == 1
    assert len(list((tmp_path / "x" / "c").iterdir())) == 100


@pytest.mark.parametrize("shape", [(1, 6, 5), (2, 3, 2)], ids=["whole", "cut"])
@pytest.mark.parametrize("name", CODECS)
def test_chunks_have_the_bytes_that_zarr_writes(
    name: str, shape: tuple[int, ...]
) -> None:
    array = lazydicom.open_image(FILES["gray"])
    ours: dict[str, Any] = {}
    theirs: dict[str, Any] = {}

    lazydicom.to_zarr(
        array,
        MemoryStore(ours),
        chunks=shape,
        compressors=CODECS[name],
        metadata="none",
    )

    expected = zarr.create_array(
        MemoryStore(theirs),
        shape=array.shape,
        dtype=array.dtype,
        chunks=shape,
        compressors=CODECS[name],
        fill_value=0,
        dimension_names=array.dims,
        config={"write_empty_chunks": True},
    )
    expected[...] = np.asarray(array)
    assert {**stored(theirs), "lazydicom.json": b""} == {
        **stored(ours),
        "lazydicom.json": b"",
    }


@pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr")
def test_a_codec_that_only_zarr_knows_is_left_to_zarr() -> None:
    array, store = lazydicom.open_image(FILES["gray"]), MemoryStore()

    lazydicom.to_zarr(array, store, compressors=[LZ4(), Crc32cCodec()])

    np.testing.assert_array_equal(zarr.open_array(store)[...], np.asarray(array))
    assert lazydicom.verify(store, array).ok


@pytest.mark.parametrize("name", ["out.zarr", "out.zip"])
def test_the_store_is_all_that_is_left(name: str, tmp_path: Path) -> None:
    array = lazydicom.open_image(FILES["gray"])

    report = lazydicom.to_zarr(array, tmp_path / name, chunks=1)

    assert [path.name for path in tmp_path.iterdir()] == [name]
    if name == "out.zarr":
        objects = {path.name for path in (tmp_path / name).iterdir()}
        assert objects == {"c", "lazydicom.json", "zarr.json"}
    assert report.number_of_chunks == 7
    store = ZipStore(tmp_path / name) if name.endswith("zip") else tmp_path / name
    np.testing.assert_array_equal(zarr.open_array(store)[...], np.asarray(array))


@pytest.mark.parametrize("kind", ["local", "zip", "fsspec"])
def test_stores_of_zarr_are_written(kind: str, tmp_path: Path) -> None:
    array = lazydicom.open_image(FILES["gray"])
    makers: dict[str, Callable[[], Store]] = {
        "local": lambda: LocalStore(tmp_path / "x"),
        "zip": lambda: ZipStore(tmp_path / "x.zip", mode="w"),
        "fsspec": lambda: zarr.storage.FsspecStore.from_url("memory://stores/x"),
    }
    store = makers[kind]()

    lazydicom.to_zarr(array, store, overwrite=kind == "fsspec")

    np.testing.assert_array_equal(zarr.open_array(store)[...], np.asarray(array))
    store.close()


@pytest.mark.parametrize("kind", ["local", "zip", "fsspec", "memory", "view"])
def test_a_store_opened_for_reading_is_left_alone(kind: str, tmp_path: Path) -> None:
    old, new = (lazydicom.open_image(FILES[name]) for name in ("gray", "bits"))
    objects: dict[str, Any] = {}
    lazydicom.to_zarr(old, tmp_path / "x")
    lazydicom.to_zarr(old, tmp_path / "x.zip")
    lazydicom.to_zarr(old, MemoryStore(objects))
    url = f"file://{tmp_path}/x"
    makers: dict[str, Callable[[], Store]] = {
        "local": lambda: LocalStore(tmp_path / "x", read_only=True),
        "zip": lambda: ZipStore(tmp_path / "x.zip", mode="r"),
        "fsspec": lambda: zarr.storage.FsspecStore.from_url(url, read_only=True),
        "memory": lambda: MemoryStore(objects, read_only=True),
        "view": lambda: lazydicom.ZarrStore(old),
    }
    store = makers[kind]()

    with pytest.raises(ExportError, match="for reading only"):
        lazydicom.to_zarr(new, store, overwrite=True)

    assert lazydicom.verify(store, old).ok


def test_a_url_is_written() -> None:
    array = lazydicom.open_image(FILES["gray"])

    lazydicom.to_zarr(array, "memory://to_zarr/x", chunks=2, shards=4, overwrite=True)

    copy = zarr.open_array("memory://to_zarr/x", mode="r")
    np.testing.assert_array_equal(copy[...], np.asarray(array))
    assert lazydicom.verify("memory://to_zarr/x").ok


def test_chunks_of_a_plane_are_not_all_open_at_once(tmp_path: Path) -> None:
    array = lazydicom.open_image(make_native(number_of_frames=2, rows=64, columns=64))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use = sum(1 for _ in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (in_use + 40, hard))

    try:
        lazydicom.to_zarr(array, tmp_path / "x", chunks=(1, 8, 8))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert lazydicom.verify(tmp_path / "x", array).ok


def test_every_chunk_is_written_so_that_absence_means_loss(tmp_path: Path) -> None:
    black: NDArray[np.uint16] = np.zeros((3, 4, 4), np.uint16)

    lazydicom.to_zarr(
        lazydicom.open_image(make_native(black)), tmp_path / "x", chunks=1
    )

    assert (
        len([path for path in (tmp_path / "x" / "c").rglob("*") if path.is_file()]) == 3
    )


def test_damage_is_found_when_zarr_reads(tmp_path: Path) -> None:
    lazydicom.to_zarr(
        lazydicom.open_image(FILES["gray"]), tmp_path / "x", compressors="none"
    )
    chunk = next(path for path in (tmp_path / "x" / "c").rglob("*") if path.is_file())
    data = bytearray(chunk.read_bytes())
    data[0] ^= 1
    chunk.write_bytes(data)

    with pytest.raises(ValueError, match="checksum do not match"):
        zarr.open_array(tmp_path / "x")[...]


def test_progress_tells_what_is_done() -> None:
    calls: list[tuple[int, int, int]] = []
    array = lazydicom.open_image(FILES["gray"])

    lazydicom.to_zarr(
        array, MemoryStore(), chunks=2, progress=lambda *call: calls.append(call)
    )

    assert calls[-1] == (4, 4, array.nbytes)
    assert calls == sorted(calls)


def test_a_finished_store_object_is_neither_replaced_nor_written_again() -> None:
    array, store = lazydicom.open_image(FILES["gray"]), MemoryStore()
    lazydicom.to_zarr(array, store)

    with pytest.raises(ExportError, match="overwrite=True replaces it"):
        lazydicom.to_zarr(array, store)
    report = lazydicom.to_zarr(array, store, resume=True)
    lazydicom.to_zarr(array, store, overwrite=True, chunks=1)

    assert report.kept_chunks == report.number_of_chunks
    assert lazydicom.verify(store, array).number_of_chunks == 7


@pytest.mark.parametrize("there", ["store", "file", "folder"])
def test_nothing_is_replaced_unless_asked(there: str, tmp_path: Path) -> None:
    array, place = lazydicom.open_image(FILES["gray"]), tmp_path / "x"
    if there == "store":
        lazydicom.to_zarr(array, place)
    elif there == "folder":
        place.mkdir()
        (place / "thesis.txt").write_text("mine")
    else:
        place.write_text("mine")

    with pytest.raises(ExportError, match="stands here"):
        lazydicom.to_zarr(array, place)
    if there != "store":
        with pytest.raises(ExportError, match="is not overwritten"):
            lazydicom.to_zarr(array, place, overwrite=True)


def test_what_stands_in_the_staging_place_is_not_deleted_unasked(
    tmp_path: Path,
) -> None:
    array, mine = lazydicom.open_image(FILES["gray"]), tmp_path / "x.partial" / "mine"
    mine.parent.mkdir()
    mine.write_text("thesis")

    with pytest.raises(ExportError, match="An unfinished export stands here"):
        lazydicom.to_zarr(array, tmp_path / "x")

    assert mine.read_text() == "thesis"


def test_overwriting_replaces_the_store(tmp_path: Path) -> None:
    first, second = (lazydicom.open_image(FILES[name]) for name in ("gray", "bits"))
    lazydicom.to_zarr(first, tmp_path / "x", chunks=1)

    lazydicom.to_zarr(second, tmp_path / "x", overwrite=True)

    assert lazydicom.verify(tmp_path / "x", second).ok
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chunks": 0}, "Expected chunks for 3 axes"),
        ({"shards": 0}, "Expected shards"),
        ({"chunks": (1, 2)}, "Expected chunks for 3 axes"),
        ({"chunks": 2.0}, "Expected chunks for 3 axes"),
        ({"chunks": (2, None, None)}, "Expected chunks for 3 axes"),
        ({"chunks": "auto"}, "Expected chunks for 3 axes"),
        ({"name": "zarr.json"}, "means something in a store"),
        ({"name": "lazydicom.json"}, "means something in a store"),
        ({"name": "a\0b"}, "Expected a plain name"),
        ({"name": "frame_number", "source": True}, "'frame_number' is a coordinate"),
        ({"chunks": 2, "shards": 3}, "shards of whole chunks"),
        ({"compressors": "zip"}, "Expected one of zstd"),
        ({"metadata": "some"}, "Expected metadata"),
        ({"overwrite": True, "resume": True}, "not both"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        lazydicom.to_zarr(lazydicom.open_image(FILES["gray"]), MemoryStore(), **options)


def test_lengths_may_be_numbers_of_numpy() -> None:
    array = lazydicom.open_image(FILES["gray"])

    frames: dict[str, Any] = {"chunks": np.int64(2), "shards": np.int8(4)}
    lengths: dict[str, Any] = {"chunks": np.array([2, 3, -1])}

    one = lazydicom.to_zarr(array, MemoryStore(), **frames)
    all_ = lazydicom.to_zarr(array, MemoryStore(), **lengths)

    assert (one.chunks, one.shards) == ((2, 6, 5), (4, 6, 5))
    assert all_.chunks == (2, 3, 5)


def test_a_lock_of_the_caller_is_left_alone(tmp_path: Path) -> None:
    array, lock = lazydicom.open_image(FILES["gray"]), tmp_path / "x.lock"
    lock.write_text("mine")

    lazydicom.to_zarr(array, tmp_path / "x")

    assert lock.read_text() == "mine"


def test_a_limit_too_small_for_a_shard_in_memory_is_refused(tmp_path: Path) -> None:
    array = lazydicom.open_image(
        make_native(number_of_frames=64, rows=512, columns=512)
    )
    options: dict[str, Any] = {"chunks": 1, "shards": 64, "memory_limit": 64 << 20}

    lazydicom.to_zarr(array, tmp_path / "path.zip", **options)
    for store in (ZipStore(tmp_path / "x.zip", mode="w"), MemoryStore()):
        with pytest.raises(LimitError, match="choose smaller chunks or shards"):
            lazydicom.to_zarr(array, store, **options)


def test_a_limit_too_small_for_a_chunk_is_refused_at_once(tmp_path: Path) -> None:
    array = lazydicom.open_image(FILES["gray"])

    with pytest.raises(LimitError, match=r"takes \d+ MiB, allowed are 1 MiB"):
        lazydicom.to_zarr(array, tmp_path / "x", memory_limit=1 << 20)

    assert not list(tmp_path.iterdir())
