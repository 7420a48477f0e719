"""A DICOM array as a Zarr store: the same pixels, every chunk there, nothing written."""

from __future__ import annotations

import asyncio
import pickle
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import dask.array as da
import fsspec
import numpy as np
import pytest
import xarray as xr
import zarr
from codec_files import codec_file
from codec_frames import CASES_OF, KINDS, make_frame
from counting import open_counted
from dicom_files import element, make_encapsulated, make_native
from hypothesis import given
from hypothesis import strategies as st
from kinds_of_files import FILES
from noting import noting
from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.buffer import cpu, default_buffer_prototype
from zarr.testing.store import StoreTests

import lazydicom
from lazydicom import ZarrStore
from lazydicom._array.coordinate import Coordinate
from lazydicom._array.grid import FrameGrid
from lazydicom.errors import DecodeError, InvalidDicomError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine
    from pathlib import Path

    from numpy.typing import NDArray
    from zarr.abc.buffer import Buffer
    from zarr.abc.store import ByteRequest

    from lazydicom import DicomArray

T = TypeVar("T")
PROTOTYPE = default_buffer_prototype()
CANARIES = {
    0x00080018: element(0x00080018, "UI", b"CANARY"),
    0x00080060: element(0x00080060, "CS", b"CT"),
    0x00081030: element(0x00081030, "LO", b"CANARY"),
    0x00100010: element(0x00100010, "PN", b"CANARY"),
}
SEVEN = make_native(number_of_frames=7, rows=6, columns=5)


def wait(task: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(task)


def get(store: ZarrStore, key: str, byte_range: ByteRequest | None = None) -> bytes:
    found = wait(store.get(key, PROTOTYPE, byte_range))
    assert found is not None
    return found.to_bytes()


def listed(names: AsyncIterator[str]) -> list[str]:
    async def collect() -> list[str]:
        return [name async for name in names]

    return wait(collect())


def with_hole(fill_value: float | None) -> DicomArray:
    array = lazydicom.open_image(SEVEN)
    numbers = np.array([[0, 1, 2, 3], [4, -1, 5, 6]])
    dims = ("time", "z", "y", "x")
    return replace(array, grid=FrameGrid(numbers), dims=dims, fill_value=fill_value)


@pytest.mark.parametrize("frames", ["auto", 1, 2])
@pytest.mark.parametrize("name", FILES)
def test_zarr_dask_and_xarray_read_the_pixels(
    name: str, frames: int | Literal["auto"]
) -> None:
    array = lazydicom.open_image(FILES[name])
    expected = np.asarray(array)

    root = ZarrStore(array, frames_per_chunk=frames)
    group = ZarrStore(array, frames_per_chunk=frames, name="pixels")

    view = zarr.open_array(root, mode="r")
    assert view.dtype == array.dtype
    np.testing.assert_array_equal(view[...], expected)
    np.testing.assert_array_equal(da.from_zarr(root).compute(), expected)
    np.testing.assert_array_equal(xr.open_zarr(group)["pixels"].values, expected)


@pytest.mark.filterwarnings("ignore::lazydicom.errors.LazyDicomWarning")  # of colour
@pytest.mark.parametrize("uid", CASES_OF)
def test_zarr_reads_compressed_pixels(uid: str) -> None:
    for case in CASES_OF[uid]:
        with noting(case=case):
            array = lazydicom.open_image(codec_file(case))

            view = zarr.open_array(ZarrStore(array, frames_per_chunk=2), mode="r")

            np.testing.assert_array_equal(view[...], np.asarray(array))


@pytest.mark.skipif(
    not hasattr(zarr.core.codec_pipeline, "FusedCodecPipeline"),
    reason="this zarr has one pipeline only",
)
def test_the_fused_pipeline_reads_the_pixels() -> None:
    array = lazydicom.open_image(SEVEN)
    pipeline = "zarr.core.codec_pipeline.FusedCodecPipeline"

    with zarr.config.set({"codec_pipeline.path": pipeline}):
        view = zarr.open_array(ZarrStore(array, frames_per_chunk=2), mode="r")
        values = view[...]

    np.testing.assert_array_equal(values, np.asarray(array))


def test_metadata_names_axes_and_technical_attributes_only() -> None:
    array = lazydicom.open_image(make_native(elements=CANARIES))

    store = ZarrStore(array, name="pixels")

    keys = listed(store.list())
    assert not any(b"CANARY" in get(store, key) for key in keys)
    found = zarr.open_group(store, mode="r")["pixels"]
    assert found.metadata.to_dict()["dimension_names"] == ("frame", "y", "x")
    assert found.attrs["modality"] == "CT"


def test_numeric_coordinates_stand_beside_the_array() -> None:
    coords = {
        "frame": Coordinate(("frame",), np.linspace(0, 3, 7), "s"),
        "echo": Coordinate(("frame",), np.arange(7), "ms"),
        "sop_instance_uid": Coordinate(("frame",), np.array(["1.2.3"] * 7)),
    }
    array = replace(lazydicom.open_image(SEVEN), coords=coords)

    data = xr.open_zarr(ZarrStore(array, name="pixels"))

    assert set(data.coords) == {"frame", "echo"}
    np.testing.assert_array_equal(data["frame"], coords["frame"].values)
    assert data["echo"].dims == ("frame",)
    assert data["frame"].attrs["units"] == "s"


def test_holes_show_the_value_that_the_caller_chose() -> None:
    array = with_hole(fill_value=9)

    view = zarr.open_array(ZarrStore(array, frames_per_chunk=3), mode="r")

    assert view.fill_value == 9
    np.testing.assert_array_equal(view[1, 1], 9)
    np.testing.assert_array_equal(view[...], np.asarray(array))


def test_a_hole_without_a_value_is_an_error() -> None:
    view = zarr.open_array(ZarrStore(with_hole(None), frames_per_chunk=1), mode="r")

    view[1, 0]
    with pytest.raises(InvalidDicomError, match="no fill_value"):
        view[1, 1]


def test_a_frame_that_does_not_decode_is_an_error_and_no_fill_value() -> None:
    case = "1.2.840.10008.1.2.4.90 8 bits"
    frame, kind = make_frame(case), KINDS["8 bits"]
    file = make_encapsulated(
        [frame.data, frame.data[:100], frame.data],
        rows=kind.shape[0],
        columns=kind.shape[1],
        bits_allocated=8,
        transfer_syntax=frame.format.transfer_syntax.uid,
    )
    store = ZarrStore(lazydicom.open_image(file), frames_per_chunk=1)
    view = zarr.open_array(store, mode="r")

    np.testing.assert_array_equal(view[2], frame.values)
    with pytest.raises(DecodeError, match="frame 1"):
        view[1]


@given(
    start=st.integers(0, 150), length=st.integers(1, 150), suffix=st.integers(0, 130)
)
def test_any_part_of_a_chunk_is_that_part(start: int, length: int, suffix: int) -> None:
    store = ZarrStore(lazydicom.open_image(SEVEN), frames_per_chunk=2)
    whole = get(store, "c/3/0/0")

    assert len(whole) == 2 * 6 * 5 * 2
    assert wait(store.getsize("c/3/0/0")) == len(whole)
    span = RangeByteRequest(start, start + length)
    assert get(store, "c/3/0/0", span) == whole[start : start + length]
    assert get(store, "c/3/0/0", OffsetByteRequest(start)) == whole[start:]
    expected = whole[max(len(whole) - suffix, 0) :]
    assert get(store, "c/3/0/0", SuffixByteRequest(suffix)) == expected


@pytest.mark.parametrize(
    "key",
    [
        "c",
        "c/4/0/0",
        "c/0/0",
        "c/00/0/0",
        "c/-1/0/0",
        "c/0/0/0/0",
        "c/x/0/0",
        "foo",
        f"c/{'9' * 5000}/0/0",
    ],
)
def test_there_is_nothing_under_any_other_name(key: str) -> None:
    store = ZarrStore(lazydicom.open_image(SEVEN), frames_per_chunk=2)

    assert wait(store.get(key, PROTOTYPE)) is None
    assert not wait(store.exists(key))
    with pytest.raises(FileNotFoundError):
        wait(store.getsize(key))


def test_every_object_is_listed_at_every_level() -> None:
    store = ZarrStore(lazydicom.open_image(SEVEN), frames_per_chunk=4, name="pixels")
    keys = ["zarr.json", "pixels/zarr.json", "pixels/c/0/0/0", "pixels/c/1/0/0"]

    assert listed(store.list()) == keys
    assert listed(store.list_prefix("pixels/c/1")) == keys[3:]
    assert listed(store.list_dir("")) == ["zarr.json", "pixels"]
    assert listed(store.list_dir("pixels")) == ["zarr.json", "c"]
    assert listed(store.list_dir("pixels/c/")) == ["0", "1"]
    assert all(wait(store.exists(key)) for key in keys)
    assert all(wait(store.getsize(key)) == len(get(store, key)) for key in keys)


def test_a_store_pickles_without_pixels_or_handles(tmp_path: Path) -> None:
    path = tmp_path / "large.dcm"
    path.write_bytes(make_native(number_of_frames=99, rows=64, columns=64))
    store = ZarrStore(lazydicom.open_image(path), name="pixels")
    get(store, "pixels/c/0/0/0")

    pickled = pickle.dumps(store)

    assert len(pickled) < 20_000
    assert pickle.loads(pickled) == store
    assert pickle.loads(pickled) != ZarrStore(store.array)


def test_names_and_sizes_cost_no_read_and_a_chunk_costs_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(SEVEN)
    array, counter = open_counted(monkeypatch, path)
    store = ZarrStore(array, frames_per_chunk=2)

    for key in listed(store.list()):
        assert wait(store.exists(key))
        wait(store.getsize(key))
    zarr.open_array(store, mode="r")
    assert counter.reads == 0

    get(store, "c/1/0/0")
    assert counter.reads == 1


@pytest.mark.parametrize(
    ("part", "rows"),
    [((0, 100), 1), ((250, 251), 1), ((500, 1500), 3), ((-72, -1), 1), ((7, 7), 0)],
)
@pytest.mark.parametrize("frames", [1, 3])
def test_a_part_of_a_native_chunk_costs_its_rows(
    part: tuple[int, int],
    rows: int,
    frames: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pixels = np.random.default_rng(0).integers(0, 4096, (6, 256, 256), np.uint16)
    path = tmp_path / "a.dcm"
    path.write_bytes(make_native(pixels))
    array, counter = open_counted(monkeypatch, path)
    store = ZarrStore(array, frames_per_chunk=frames)

    data = get(store, "c/1/0/0", RangeByteRequest(*part))

    assert data == pixels[frames : 2 * frames].tobytes()[slice(*part)]
    assert counter.bytes_read <= rows * 512


def test_chunks_of_a_distant_file_are_read_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fsspec.filesystem("memory").pipe_file("/seven.dcm", SEVEN)
    array = lazydicom.open_image("memory://seven.dcm")
    store = ZarrStore(array, frames_per_chunk=1)
    together = threading.Barrier(7, timeout=20)
    read = store._read_chunk

    def read_when_all_are_there(
        position: tuple[int, ...], wanted: slice
    ) -> NDArray[np.uint8]:
        together.wait()
        return read(position, wanted)

    monkeypatch.setattr(store, "_read_chunk", read_when_all_are_there)

    view = zarr.open_array(store, mode="r")
    with zarr.config.set({"async.concurrency": 7}):
        np.testing.assert_array_equal(view[...], np.asarray(store.array))


def test_less_than_one_frame_per_chunk_is_refused() -> None:
    with pytest.raises(ValueError, match="1 or more, found 0"):
        ZarrStore(lazydicom.open_image(SEVEN), frames_per_chunk=0)


class WithoutWriting(StoreTests[ZarrStore, cpu.Buffer]):
    """Zarr's own tests, for a store whose objects are there already."""

    store_cls = ZarrStore
    buffer_cls = cpu.Buffer

    async def set(self, store: ZarrStore, key: str, value: Buffer) -> None:
        """Write nothing."""


class TestAsZarrItselfTestsStores:
    """Those of zarr's own tests that write nothing beforehand."""

    suite = WithoutWriting()  # type: ignore[abstract]

    @pytest.fixture
    def kwargs(self) -> dict[str, Any]:
        return {"array": lazydicom.open_image(SEVEN), "frames_per_chunk": 1}

    def test_type_and_equality(self, kwargs: dict[str, Any]) -> None:
        self.suite.test_store_type(ZarrStore(**kwargs))
        self.suite.test_store_eq(ZarrStore(**kwargs), kwargs)
        self.suite.test_store_supports_partial_writes(ZarrStore(**kwargs))

    def test_context_manager(self, kwargs: dict[str, Any]) -> None:
        wait(self.suite.test_store_context_manager(kwargs))

    def test_a_wrong_byte_range_and_a_missing_key(self, kwargs: dict[str, Any]) -> None:
        with pytest.raises(TypeError, match="Unexpected byte_range, got"):
            get(ZarrStore(**kwargs), "c/0/0/0", (0, 2))  # type: ignore[arg-type]
        wait(self.suite.test_getsize_raises(ZarrStore(**kwargs)))

    def test_partial_values(self, kwargs: dict[str, Any]) -> None:
        wanted = [
            ("zarr.json", RangeByteRequest(0, 1)),
            ("c/1/0/0", SuffixByteRequest(2)),
            ("c/2/0/0", OffsetByteRequest(2)),
        ]
        test = self.suite.test_get_partial_values(ZarrStore(**kwargs), wanted)  # type: ignore[arg-type]
        wait(test)

    def test_writing_is_refused(self, kwargs: dict[str, Any]) -> None:
        store, refused = ZarrStore(**kwargs), "does not support writing"

        with pytest.raises(ValueError, match=refused):
            wait(store.set("foo", cpu.Buffer.from_bytes(b"bar")))
        with pytest.raises(ValueError, match=refused):
            wait(store.delete("zarr.json"))
        with pytest.raises(NotImplementedError, match="with_read_only is not"):
            store.with_read_only(read_only=False)
        assert store.with_read_only(read_only=True).read_only
