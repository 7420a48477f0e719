"""The same pixels from every server."""

import multiprocessing
import pickle
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import fsspec
import numpy as np
import pytest

import lazydicom
from dicom_files import make_native
from lazydicom import DicomArray
from lazydicom.errors import SourceChangedError, SourceError
from servers import SERVERS, Place, nginx

FILE = make_native(rows=96, columns=64, number_of_frames=60)
PIXELS = np.asarray(lazydicom.open_image(FILE))


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


def hash_of(array: DicomArray) -> str:
    return sha256(np.asarray(array).tobytes()).hexdigest()


def test_every_server_gives_the_same_pixels(place: Place) -> None:
    array = lazydicom.open_image(f"{place.url}/a.dcm", place.storage_options)

    assert hash_of(array) == sha256(PIXELS.tobytes()).hexdigest()
    assert np.array_equal(array[[3, 50, 7]], PIXELS[[3, 50, 7]])


def test_threads_and_new_processes_read_the_same(place: Place) -> None:
    array = lazydicom.open_image(f"{place.url}/a.dcm", place.storage_options)
    expected = hash_of(array)

    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(hash_of, [array] * 4)) == {expected}
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(hash_of, (array,)) == expected


def test_an_object_replaced_after_opening_is_an_error(place: Place) -> None:
    place.put("replaced.dcm", FILE)
    array = lazydicom.open_image(f"{place.url}/replaced.dcm", place.storage_options)
    assert np.array_equal(array[1], PIXELS[1])
    place.put("replaced.dcm", make_native(np.concatenate([PIXELS, PIXELS[:1]])))

    with pytest.raises(SourceChangedError, match="changed since it was opened"):
        array[2]


def test_an_object_that_is_not_there_is_an_error(place: Place) -> None:
    with pytest.raises(SourceError, match=r"absent\.dcm"):
        lazydicom.open_image(f"{place.url}/absent.dcm", place.storage_options)


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


def test_a_fork_reads_with_clients_of_its_own(web: Place) -> None:
    array = lazydicom.open_image(f"{web.url}/a.dcm")
    expected = hash_of(array)

    with multiprocessing.get_context("fork").Pool(2) as pool:
        hashes = pool.map_async(hash_of, [array] * 4).get(timeout=60)

    assert set(hashes) == {expected}


def test_a_slow_server_is_waited_for(web: Place) -> None:
    array = lazydicom.open_image(web.url.replace("files", "slow") + "/a.dcm")

    assert np.array_equal(array[9], PIXELS[9])


def test_a_redirect_is_followed(web: Place) -> None:
    array = lazydicom.open_image(web.url.replace("files", "redirect") + "/a.dcm")

    assert np.array_equal(array[9], PIXELS[9])


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
