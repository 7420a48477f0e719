"""The same array on many machines: a dask cluster over TCP, pixels in S3, a worker killed."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import imagecodecs
import numpy as np
import pytest
from codestream_samples import JPEG_LS
from dask_processes import LIMIT_S, scheduler, worker
from dicom_files import make_encapsulated, make_native
from servers import moto, require_module
from zarr.storage import MemoryStore

import lazydicom
from lazydicom._export.store import cluster as cluster_module
from lazydicom._export.store import run as run_module
from lazydicom.errors import ExportError, LazyDicomWarning

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dask_processes import Worker
    from servers import Place

    from lazydicom import DicomArray

NOISE = np.random.default_rng(1).integers(0, 64, (40, 60, 70), np.uint8)
FILES = {
    "native.dcm": make_native(rows=60, columns=70, number_of_frames=40),
    "compressed.dcm": make_encapsulated(
        [bytes(imagecodecs.jpegls_encode(frame)) for frame in NOISE],
        table="empty",
        transfer_syntax=JPEG_LS,
        rows=60,
        columns=70,
        bits_allocated=8,
    ),
}


class Cluster(NamedTuple):
    client: Any
    """Of dask.distributed, which has few types."""
    workers: list[Worker]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Start a scheduler and two workers; workers are stopped before it."""
    require_module("distributed")
    from distributed import Client

    folder = tmp_path_factory.mktemp("cluster")
    with contextlib.ExitStack() as stack:
        address = stack.enter_context(scheduler())
        start = [worker(address, folder / name) for name in ("first", "second")]
        with ThreadPoolExecutor(2) as at_once:
            workers = list(at_once.map(stack.enter_context, start))
        client = stack.enter_context(
            Client(address, timeout=LIMIT_S, set_as_default=False)  # type: ignore[no-untyped-call]
        )
        client.wait_for_workers(2, timeout=LIMIT_S)
        yield Cluster(client, workers)


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with moto(tmp_path_factory.mktemp("s3")) as place:
        for name, data in FILES.items():
            place.put(name, data)
        yield place


@pytest.fixture(params=FILES)
def array(request: pytest.FixtureRequest, bucket: Place) -> DicomArray:
    return lazydicom.open_image(f"{bucket.url}/{request.param}", bucket.storage_options)


def expected(array: DicomArray) -> Any:  # noqa: ANN401 - as NumPy
    name = array.images[0].url.rpartition("/")[2]
    return np.asarray(lazydicom.open_image(FILES[name]))


def test_a_cluster_reduces_what_lies_in_s3(cluster: Cluster, array: DicomArray) -> None:
    mean = lazydicom.to_dask(array, frames_per_chunk=4).mean(axis=0)

    computed = cluster.client.compute(mean).result(timeout=LIMIT_S)

    assert np.allclose(computed, expected(array).mean(axis=0))


def test_what_travels_is_a_name_and_an_index(array: DicomArray) -> None:
    graph = dict(lazydicom.to_dask(array, frames_per_chunk=4).dask)

    assert len(pickle.dumps(array)) < 3000
    assert len(pickle.dumps(graph)) < len(graph) * 3000


def test_a_worker_copies_from_s3_to_s3(
    cluster: Cluster, array: DicomArray, bucket: Place
) -> None:
    target = array.images[0].url.replace(".dcm", ".zarr")

    copying = cluster.client.submit(
        lazydicom.to_zarr,
        array,
        target,
        storage_options=bucket.storage_options,
        chunks=4,
        pure=False,
    )

    assert copying.result(timeout=LIMIT_S).number_of_chunks == 10
    options = bucket.storage_options
    assert lazydicom.verify(target, array, storage_options=options).ok


def stored(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def units_written(client: Any) -> int:  # noqa: ANN401
    def count(dask_scheduler: Any) -> int:  # noqa: ANN401
        prefix = dask_scheduler.task_prefixes.get("write_units")
        return 0 if prefix is None else prefix.state_counts["memory"]

    return int(client.run_on_scheduler(count))


def test_the_workers_of_the_current_client_write_a_copy(
    cluster: Cluster, array: DicomArray, bucket: Place, tmp_path: Path
) -> None:
    target = array.images[0].url.replace(".dcm", "-2.zarr")
    options = bucket.storage_options
    before = units_written(cluster.client)

    with cluster.client.as_current():
        report = lazydicom.to_zarr(array, tmp_path / "a", chunks=1, name="pixels")
        lazydicom.to_zarr(array, target, chunks=4, storage_options=options)
    alone = lazydicom.to_zarr(array, tmp_path / "b", chunks=1, name="pixels", workers=1)

    assert (report.workers, alone.workers) == (2, 1)
    assert units_written(cluster.client) - before >= 10
    assert stored(tmp_path / "a") == stored(tmp_path / "b")
    assert lazydicom.verify(target, array, storage_options=options).ok


def test_workers_that_cannot_reach_the_place_are_left_out(
    cluster: Cluster, array: DicomArray
) -> None:
    store: dict[str, Any] = {}

    with (
        cluster.client.as_current(),
        pytest.warns(LazyDicomWarning, match="write where this process does"),
    ):
        lazydicom.to_zarr(array, MemoryStore(store), chunks=4)
    assert lazydicom.verify(MemoryStore(store), array).ok


def test_the_workers_write_the_levels_of_an_ome_zarr(
    cluster: Cluster, tmp_path: Path
) -> None:
    array = lazydicom.open_image(FILES["native.dcm"])

    with cluster.client.as_current():
        lazydicom.to_ome_zarr(array, tmp_path / "a", levels=3)
    lazydicom.to_ome_zarr(array, tmp_path / "b", levels=3, workers=1)

    assert stored(tmp_path / "a") == stored(tmp_path / "b")


def test_a_worker_killed_amid_an_export_changes_nothing_but_time(
    cluster: Cluster, array: DicomArray, tmp_path: Path
) -> None:
    address = cluster.client.scheduler_info()["address"]
    with worker(address, tmp_path / "third") as victim:
        cluster.client.wait_for_workers(3, timeout=LIMIT_S)

        def kill(*_: int) -> None:
            victim.process.kill()

        with cluster.client.as_current():
            lazydicom.to_zarr(array, tmp_path / "a", chunks=1, progress=kill)
        assert victim.end() == -signal.SIGKILL
    lazydicom.to_zarr(array, tmp_path / "b", chunks=1, workers=1)

    assert stored(tmp_path / "a") == stored(tmp_path / "b")


def test_workers_killed_one_after_the_other_end_right_or_in_an_error_that_resumes(
    cluster: Cluster, bucket: Place, tmp_path: Path
) -> None:
    array = lazydicom.open_image(f"{bucket.url}/native.dcm", bucket.storage_options)
    address = cluster.client.scheduler_info()["address"]
    target, options = f"{bucket.url}/lost.zarr", bucket.storage_options
    with contextlib.ExitStack() as stack:
        victims = [
            stack.enter_context(worker(address, tmp_path / name)) for name in "cd"
        ]
        cluster.client.wait_for_workers(4, timeout=LIMIT_S)

        def kill_another(*_: int) -> None:
            if victims:
                victims.pop().process.kill()

        with cluster.client.as_current(), contextlib.suppress(ExportError):
            lazydicom.to_zarr(
                array,
                target,
                chunks=4,
                storage_options=options,
                progress=kill_another,
            )
        assert not victims
    lazydicom.to_zarr(
        array, target, chunks=4, storage_options=options, workers=1, resume=True
    )

    assert lazydicom.verify(target, array, storage_options=options).ok


def test_a_cluster_without_workers_is_an_error_that_resumes(
    bucket: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_module("distributed")
    from distributed import Client

    monkeypatch.setattr(cluster_module, "_PATIENCE_S", 0.5)
    monkeypatch.setattr(run_module, "_LOOK_S", 0.2)
    array = lazydicom.open_image(f"{bucket.url}/native.dcm", bucket.storage_options)
    target, options = f"{bucket.url}/alone.zarr", bucket.storage_options
    with contextlib.ExitStack() as stack:
        address = stack.enter_context(scheduler())
        only = stack.enter_context(worker(address, tmp_path / "w"))
        client = stack.enter_context(
            Client(address, set_as_default=False)  # type: ignore[no-untyped-call]
        )
        stack.enter_context(client.as_current())
        client.wait_for_workers(1, timeout=LIMIT_S)

        def kill(*_: int) -> None:
            only.process.kill()

        with pytest.raises(ExportError, match="resume=True continues"):
            lazydicom.to_zarr(
                array, target, chunks=4, storage_options=options, progress=kill
            )
    lazydicom.to_zarr(
        array, target, chunks=4, storage_options=options, workers=1, resume=True
    )

    assert lazydicom.verify(target, array, storage_options=options).ok


def test_a_killed_worker_changes_nothing_but_time(
    cluster: Cluster, bucket: Place, tmp_path: Path
) -> None:
    array = lazydicom.open_image(f"{bucket.url}/compressed.dcm", bucket.storage_options)
    target, victim = f"{bucket.url}/killed.zarr", cluster.workers[0]
    values: Any = lazydicom.to_dask(array, frames_per_chunk=1)
    goes_on = tmp_path / "goes on"

    def work(frames: Any) -> Any:  # noqa: ANN401
        """Return the first frames of a worker at once, others when they may go on."""
        while frames.size and "AT_WORK" in os.environ and not goes_on.exists():
            time.sleep(0.01)
        if frames.size:  # not what dask asks for the type
            os.environ["AT_WORK"] = "yes"
        return frames

    slow = values.map_blocks(work, dtype=values.dtype)
    copy = slow.to_zarr(target, storage_options=bucket.storage_options, compute=False)

    both = cluster.client.compute([copy, slow.sum()])
    wait_until_busy(cluster.client, victim)
    victim.process.kill()
    goes_on.touch()
    total = both[1].result(timeout=LIMIT_S)
    both[0].result(timeout=LIMIT_S)

    assert victim.end() == -signal.SIGKILL
    assert total == expected(array).sum()
    options = bucket.storage_options
    assert lazydicom.verify(target, array, storage_options=options).ok


def wait_until_busy(client: Any, one: Worker) -> None:  # noqa: ANN401
    """Wait until a worker has finished some tasks and is at work on more."""
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        done = client.has_what().get(one.address, ())
        if done and client.processing().get(one.address):
            return
        time.sleep(0.01)
    pytest.fail("The worker got no work")
