"""Schedulers of dask bring threads and processes of their own: no decoder comes on top."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import dask_processes
import imagecodecs
import numpy as np
import pytest
import zarr
from dask.base import compute
from dask.delayed import delayed
from dicom_files import make_encapsulated
from servers import require_module

import lazydicom
from lazydicom._bytes.per_process import available_cores

if TYPE_CHECKING:
    from pathlib import Path

    from lazydicom import DicomArray

JPEG_LS = "1.2.840.10008.1.2.4.80"
FRAMES = np.random.default_rng(1).integers(0, 64, (24, 200, 300), np.uint8)


@pytest.fixture
def array(tmp_path: Path) -> DicomArray:
    path = tmp_path / "frames.dcm"
    encoded = [bytes(imagecodecs.jpegls_encode(frame)) for frame in FRAMES]
    path.write_bytes(
        make_encapsulated(
            encoded, transfer_syntax=JPEG_LS, rows=200, columns=300, bits_allocated=8
        )
    )
    return lazydicom.open_image(path)


class Decoders:
    """How many threads of this process decode at once."""

    def __init__(self) -> None:
        self.lock, self.now, self.most, self.frames = threading.Lock(), 0, 0, 0
        self.decode: Any = imagecodecs.jpegls_decode

    def __call__(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401
        with self.lock:
            self.now += 1
            self.frames += 1
            self.most = max(self.most, self.now)
        time.sleep(0.001)  # so that others have their chance to be too many
        try:
            return self.decode(*args, **options)
        finally:
            with self.lock:
                self.now -= 1


@pytest.fixture
def decoders(monkeypatch: pytest.MonkeyPatch) -> Decoders:
    counted = Decoders()
    monkeypatch.setattr(imagecodecs, "jpegls_decode", counted)
    return counted


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_tasks_of_threads_decode_on_their_own(
    array: DicomArray, decoders: Decoders, workers: int
) -> None:
    values = lazydicom.to_dask(array, frames_per_chunk=4)

    total = values.sum().compute(scheduler="threads", num_workers=workers)

    assert total == FRAMES.sum()
    assert decoders.frames == 24
    assert decoders.most <= workers


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_tasks_that_read_by_themselves_take_no_more_than_the_cores(
    array: DicomArray, decoders: Decoders, workers: int
) -> None:
    read = delayed(lambda k: array[k : k + 6].sum())

    sums = compute(
        *map(read, range(0, 24, 6)), scheduler="threads", num_workers=workers
    )

    assert sum(sums) == FRAMES.sum()
    assert decoders.most <= max(available_cores(), workers)


def test_zarr_decodes_no_more_chunks_at_once_than_there_are_cores(
    array: DicomArray, decoders: Decoders
) -> None:
    store = lazydicom.ZarrStore(array, frames_per_chunk=1)

    values: Any = zarr.open_array(store, mode="r")

    assert np.array_equal(values[:], FRAMES)
    assert decoders.most <= available_cores()


def _read_counted(array: DicomArray, start: int) -> tuple[int, int, int, set[str]]:
    """Read frames in a worker: their sum, the process, its decoders, its threads."""
    decode = imagecodecs.jpegls_decode
    counted = decode if isinstance(decode, Decoders) else Decoders()
    imagecodecs.jpegls_decode = counted
    total = int(array[start : start + 6].sum())
    total += sum(int(frame.sum()) for frame in array.isel(frame=slice(0, 3)))
    own = {one.name.split("_")[0] for one in threading.enumerate()}
    return total, os.getpid(), counted.most, own


EXPECTED = 4 * int(FRAMES[:3].sum()) + int(FRAMES.sum())


def test_worker_processes_decode_on_one_thread_each(array: DicomArray) -> None:
    read = delayed(_read_counted)

    results = compute(
        *[read(array, k) for k in range(0, 24, 6)], scheduler="processes", num_workers=2
    )

    assert sum(total for total, *_ in results) == EXPECTED
    assert all(process != os.getpid() for _, process, *_ in results)
    assert {most for *_, most, _ in results} == {1}
    assert not any("lazydicom-job" in threads for *_, threads in results)


def test_tasks_of_a_cluster_take_no_more_than_its_threads(
    array: DicomArray, decoders: Decoders
) -> None:
    require_module("distributed")
    from distributed import Client, LocalCluster

    cores = available_cores()
    make: Any = LocalCluster
    local = make(
        n_workers=1,
        threads_per_worker=cores,
        processes=False,
        dashboard_address="127.0.0.1:0",
    )
    connect: Any = Client

    with local as cluster, connect(cluster) as client:
        lazily = lazydicom.to_dask(array, frames_per_chunk=4).sum().compute()
        tasks = [client.submit(_read_counted, array, k) for k in range(0, 24, 6)]
        results = client.gather(tasks)

    assert lazily == FRAMES.sum()
    assert sum(total for total, *_ in results) == EXPECTED
    assert max(most for *_, most, _ in results) <= cores
    assert decoders.most <= cores


def test_workers_of_a_cluster_take_no_more_than_their_threads(
    array: DicomArray, tmp_path: Path
) -> None:
    require_module("distributed")
    from distributed import Client

    cores = available_cores()
    with contextlib.ExitStack() as stack:
        address = stack.enter_context(dask_processes.scheduler())
        start = [
            dask_processes.worker(address, tmp_path / name, threads=cores)
            for name in ("first", "second")
        ]
        with ThreadPoolExecutor(2) as at_once:
            list(at_once.map(stack.enter_context, start))
        client = stack.enter_context(Client(address))  # type: ignore[no-untyped-call]
        client.wait_for_workers(2)
        lazily = lazydicom.to_dask(array, frames_per_chunk=4).sum().compute()
        tasks = [client.submit(_read_counted, array, k) for k in range(0, 24, 6)]
        results = client.gather(tasks)

    assert lazily == FRAMES.sum()
    assert sum(total for total, *_ in results) == EXPECTED
    assert all(process != os.getpid() for _, process, *_ in results)
    assert max(most for *_, most, _ in results) <= cores
    assert not any("lazydicom-job" in threads for *_, threads in results)
