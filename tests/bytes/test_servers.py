"""The same pixels from every server."""

import multiprocessing
import pickle
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from io import BytesIO
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

import dask_processes
import fsspec
import numpy as np
import pytest
import warm_process
from dicom_files import make_native
from hashes import hash_of
from instance_uids import uids
from numpy.typing import NDArray
from orthanc import orthanc
from servers import SERVERS, Place, nginx, require_module

import lazydicom
from lazydicom import DicomArray
from lazydicom.errors import SourceChangedError, SourceError

FILE = make_native(rows=96, columns=64, number_of_frames=60)
PIXELS = np.asarray(lazydicom.open_image(FILE))
LIMIT_S = 600
"""No promise: it ends what hangs."""


@pytest.fixture(scope="module", params=sorted(SERVERS))
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp(request.param)
    with SERVERS[request.param](folder) as running:
        running.put("a.dcm", FILE)
        yield running


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with nginx(tmp_path_factory.mktemp("web")) as running:
        running.put("a.dcm", FILE)
        yield running


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Start a scheduler and a worker, processes that talk over TCP."""
    require_module("distributed")
    from distributed import Client

    with (
        dask_processes.scheduler() as address,
        dask_processes.worker(address, tmp_path_factory.mktemp("worker")),
        Client(address, set_as_default=False) as client,  # type: ignore[no-untyped-call]
    ):
        client.wait_for_workers(1)
        yield client


def test_every_server_gives_the_same_pixels(place: Place) -> None:
    array = lazydicom.open_image(f"{place.url}/a.dcm", place.storage_options)

    assert hash_of(array) == sha256(PIXELS.tobytes()).hexdigest()
    assert np.array_equal(array[[3, 50, 7]], PIXELS[[3, 50, 7]])


@pytest.mark.timeout(LIMIT_S)
def test_threads_and_processes_of_any_kind_read_the_same(
    place: Place,
    cluster: Any,  # noqa: ANN401 (of dask.distributed)
) -> None:
    array = lazydicom.open_image(f"{place.url}/a.dcm", place.storage_options)

    check_hashes(array, cluster, warm_process.context())


@pytest.mark.timeout(LIMIT_S)
def test_they_read_the_same_from_orthanc(
    tmp_path: Path,
    cluster: Any,  # noqa: ANN401
) -> None:
    with orthanc(tmp_path) as server:
        server.put(make_native(PIXELS, elements=uids("1.1")))

        array = lazydicom.open_image(server.url("1.1"))
        check_hashes(array, cluster, warm_process.context())


def check_hashes(
    array: DicomArray,
    cluster: Any,  # noqa: ANN401
    processes: BaseContext,
) -> None:
    """Read in threads, forks, processes that inherit no client, and on a cluster."""
    expected = sha256(PIXELS.tobytes()).hexdigest()

    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(hash_of, [array] * 4)) == {expected}
    for context in (multiprocessing.get_context("fork"), processes):
        with context.Pool(2) as pool:
            hashes = pool.map_async(hash_of, [array] * 4).get(timeout=LIMIT_S)
        assert set(hashes) == {expected}, context
    frames = cluster.compute(lazydicom.to_dask(array, frames_per_chunk=9))
    assert sha256(frames.result(timeout=LIMIT_S).tobytes()).hexdigest() == expected


@pytest.mark.parametrize(
    "other",
    [np.flip(PIXELS), np.concatenate([PIXELS, PIXELS[:1]])],
    ids=["same", "longer"],
)
def test_an_object_replaced_after_opening_is_an_error(
    place: Place, other: NDArray[Any]
) -> None:
    place.put("replaced.dcm", FILE)
    array = lazydicom.open_image(f"{place.url}/replaced.dcm", place.storage_options)
    assert np.array_equal(array[1], PIXELS[1])
    place.put("replaced.dcm", make_native(other))

    with pytest.raises(SourceChangedError, match="changed since it was opened"):
        array[2]
    with pytest.raises(SourceChangedError, match="changed since it was opened"):
        np.asarray(array)


def test_an_object_that_is_not_there_is_an_error(place: Place) -> None:
    with pytest.raises(SourceError, match=r"absent\.dcm"):
        lazydicom.open_image(f"{place.url}/absent.dcm", place.storage_options)


@pytest.mark.parametrize(
    "place", sorted(SERVERS.keys() - {"nginx", "webdav"}), indirect=True
)
def test_a_folder_of_a_server_that_lists_is_a_series(place: Place) -> None:
    place.put("series/1.dcm", make_native(PIXELS[:1]))
    place.put("series/2.dcm", make_native(PIXELS[1:2]))

    for folder in ("series", "series/", "series/*.dcm"):
        url = f"{place.url}/{folder}"
        study = lazydicom.open_study(url, place.storage_options)
        urls = {image.url for array in study.values() for image in array.images}
        assert urls == {f"{place.url}/series/{number}.dcm" for number in (1, 2)}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_member_of_a_zip_file_is_read_inside_it(place: Place, method: int) -> None:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        archive.writestr("folder/a.dcm", FILE)
    place.put("packed.zip", packed.getvalue())
    protocol = place.url.partition(":")[0]

    url = f"zip://folder/a.dcm::{place.url}/packed.zip"
    array = lazydicom.open_image(url, {protocol: place.storage_options})

    assert np.array_equal(array[[5, 6]], PIXELS[[5, 6]])
    assert hash_of(pickle.loads(pickle.dumps(array))) == hash_of(array)


def test_simplecache_keeps_a_copy(place: Place, tmp_path: Path) -> None:
    protocol = place.url.partition(":")[0]
    options = {
        "simplecache": {"cache_storage": str(tmp_path)},
        protocol: place.storage_options,
    }

    array = lazydicom.open_image(f"simplecache::{place.url}/a.dcm", options)

    assert np.array_equal(array[[5, 6]], PIXELS[[5, 6]])


def test_memory_gives_the_same_pixels() -> None:
    fsspec.filesystem("memory").pipe_file("/same.dcm", FILE)

    array = lazydicom.open_image("memory://same.dcm")

    assert np.array_equal(array[10:20], PIXELS[10:20])


def test_a_slow_server_is_waited_for(web: Place) -> None:
    array = lazydicom.open_image(web.url.replace("files", "slow") + "/a.dcm")

    assert np.array_equal(array[9], PIXELS[9])


def test_a_redirect_is_followed(web: Place) -> None:
    array = lazydicom.open_image(web.url.replace("files", "redirect") + "/a.dcm")

    assert np.array_equal(array[9], PIXELS[9])


@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize(
    ("folder", "reason"),
    [
        ("norange", "ignores Range"),
        ("503", "gave up"),
        ("401", "credentials"),
        ("login", "a login"),
    ],
)
def test_a_server_that_cannot_serve_is_an_error(
    web: Place, folder: str, reason: str
) -> None:
    with pytest.raises(SourceError, match=reason):
        lazydicom.open_image(web.url.replace("files", folder) + "/a.dcm")
