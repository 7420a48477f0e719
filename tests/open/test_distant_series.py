"""Files behind a server are opened together, and are what they are on a disk."""

from __future__ import annotations

import gzip
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from dicom_files import make_native
from range_server import RangeServer
from series_files import write_instance, write_volume

import lazydicom
from lazydicom._array.work import distant_runs
from lazydicom._open.many import files as files_module
from lazydicom.errors import LazyDicomError, SourceChangedError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from range_server import Request

    from lazydicom import DicomArray


def served(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def assert_same(array: DicomArray, expected: DicomArray) -> None:
    assert (array.shape, array.dims, array.dtype) == (
        expected.shape,
        expected.dims,
        expected.dtype,
    )
    np.testing.assert_array_equal(array, expected)
    assert array.coords.keys() == expected.coords.keys()
    for name, coordinate in expected.coords.items():
        np.testing.assert_array_equal(array.coords[name].values, coordinate.values)
    for name, column in expected.frames.columns.items():
        np.testing.assert_array_equal(array.frames.columns[name], column)


@pytest.mark.parametrize("planes", [1, 7, 8, 30])
@pytest.mark.parametrize("together", [3, 8, 256])
def test_each_file_costs_one_request_and_its_pixels_one_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planes: int, together: int
) -> None:
    monkeypatch.setattr(files_module, "_FETCHED", together)
    write_volume(tmp_path, planes=planes)

    with RangeServer(served(tmp_path)) as server:
        array = lazydicom.open_series([server.url(name) for name in server.files])
        opened = len(server.requests)
        sources: list[Any] = [image.reader.source for image in array.images]
        held = [len(b"".join(source.first_block + source.head)) for source in sources]
        assert_same(array, lazydicom.open_series(tmp_path))
        read = len(server.requests)
        headers = [image.header for image in array.images]
        asked = len(server.requests)

    assert (opened, read, asked) == (planes, 2 * planes, 2 * planes)
    assert max(held) <= 600
    assert all(header.image_pixel.rows == 3 for header in headers)


def _longer(folder: Path) -> None:
    """Have texts of 80 kB: pixels begin behind what opening fetches."""
    text = dict.fromkeys((0x00184000, 0x00204000), ("LT", "x" * 40_000))
    write_instance(folder / "5.dcm", z=12.5, number=6, value=5, texts=text)


def _with_more(folder: Path) -> None:
    text = {0x00181030: ("LO", "another protocol")}
    for number in (0, 5, 11):
        path = folder / f"{number}.dcm"
        write_instance(path, z=2.5 * number, number=number + 1, value=9, texts=text)


def _first_differs(folder: Path) -> None:
    write_instance(
        folder / "0.dcm", z=0, number=1, texts={0x00080050: ("SH", "an accession")}
    )


def _long_values(folder: Path) -> None:
    for number in range(12):
        texts = {0x0008103E: ("LO", "a" * (number % 5) * 2)}
        path = folder / f"{number}.dcm"
        write_instance(
            path, z=2.5 * number, number=number + 1, value=number, texts=texts
        )


@pytest.mark.parametrize("change", [_longer, _with_more, _first_differs, _long_values])
def test_files_that_differ_are_what_they_are_on_a_disk(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    write_volume(tmp_path, planes=12)
    change(tmp_path)

    with RangeServer(served(tmp_path)) as server:
        array = lazydicom.open_series([server.url(name) for name in server.files])
        opened = len(server.requests)

        assert_same(array, lazydicom.open_series(tmp_path))

    assert opened <= 12 + 2  # what lies behind the first 64 KiB is asked for


def test_packed_files_are_opened_beside_others(tmp_path: Path) -> None:
    write_volume(tmp_path, planes=12)
    expected = np.asarray(lazydicom.open_series(tmp_path))
    for number in (0, 7):
        path = tmp_path / f"{number}.dcm"
        (tmp_path / f"{number}.dcm.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()

    with RangeServer(served(tmp_path)) as server:
        array = lazydicom.open_series([server.url(name) for name in server.files])

        np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("place", [0, 3, 11])
@pytest.mark.parametrize("kind", ["missing", "forbidden", "text", "cut", "empty"])
def test_a_file_that_cannot_be_opened_is_named_and_the_others_open(
    tmp_path: Path, place: int, kind: str
) -> None:
    write_volume(tmp_path, planes=12)
    name, files = f"{place}.dcm", served(tmp_path)
    bad = {"text": b"no image", "cut": files[name][:-9], "empty": b""}
    files[name] = bad.get(kind, files[name])
    if kind == "missing":
        del files[name]

    def fault(request: Request) -> str | None:
        wrong = kind == "forbidden" and request.path.rpartition("/")[2] == name
        return "401" if wrong else None

    with RangeServer(files, fault=fault) as server:
        urls = [server.url(f"{k}.dcm") for k in range(12)]
        with pytest.raises(LazyDicomError) as caught:
            lazydicom.open_series(urls)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            array = lazydicom.open_series(
                urls, on_error="warn", on_gap="fill", fill_value=99
            )
            values = np.asarray(array)[:, 0, 0]

    assert server.url(name) == caught.value.url
    assert any(name in str(one.message) for one in said)
    expected = [99 if k == place else k for k in range(12)]
    assert values.tolist() == [k for k in expected if k != 99 or 0 < place < 11]


def test_nothing_there_is_said_once(tmp_path: Path) -> None:
    write_volume(tmp_path, planes=1)

    with RangeServer(served(tmp_path)) as server:
        urls = [server.url(f"nowhere-{k}") for k in range(300)]
        with pytest.raises(SourceError, match="404"):
            lazydicom.open_series(urls)


@pytest.mark.parametrize("place", [0, 5])
def test_a_file_that_changes_after_opening_is_an_error(
    tmp_path: Path, place: int
) -> None:
    write_volume(tmp_path, planes=12)

    with RangeServer(served(tmp_path)) as server:
        array = lazydicom.open_series([server.url(name) for name in server.files])
        name = f"{place}.dcm"
        server.files[name] = server.files[name][:-24] + b"\1" * 24

        with pytest.raises(SourceChangedError) as caught:
            np.asarray(array)

    assert caught.value.url == server.url(name)


@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize("most", [1, 5, 256])
@pytest.mark.parametrize("fault", ["503", "reset", "cut"])
def test_pixels_of_many_files_survive_a_fault(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    most: int,
    fault: str,
) -> None:
    monkeypatch.setattr(distant_runs, "_MOST_RUNS", most)
    write_volume(tmp_path, planes=12)
    failing = {f"{k}.dcm" for k in (0, 5, 11)}

    def fault_once(request: Request) -> str | None:
        name = request.path.rpartition("/")[2]
        if name not in failing or len(server.requests) <= 12:
            return None
        failing.discard(name)
        return fault

    with RangeServer(served(tmp_path), fault=fault_once) as server:
        array = lazydicom.open_series([server.url(name) for name in server.files])
        values = np.asarray(array)[:, 0, 0]
        some = array[[7, 2, 2, 9]][:, 0, 0]

    assert values.tolist() == list(range(12))
    assert some.tolist() == [7, 2, 2, 9]
    assert not failing


@pytest.mark.parametrize("protocol", ["s3", "gs", "abfs"])
def test_object_stores_open_many_at_once_too(tmp_path: Path, protocol: str) -> None:
    write_volume(tmp_path, planes=12)

    files = served(tmp_path)

    with RangeServer(
        {f"bucket/{name}": data for name, data in files.items()}
    ) as server:
        places: list[Any] = [server.open_by(protocol, name) for name in files]
        array = lazydicom.open_series([url for url, _ in places], places[0][1])
        opened = len(server.requests)

        assert_same(array, lazydicom.open_series(tmp_path))

    assert opened == 12


def test_a_folder_that_a_server_lists_is_opened_at_once(tmp_path: Path) -> None:
    write_volume(tmp_path, planes=12)
    (tmp_path / "notes.txt").write_text("no image")
    index = "".join(f'<a href="/f/{name}">x</a>' for name in served(tmp_path))
    files = {f"f/{name}": data for name, data in served(tmp_path).items()}

    with RangeServer({**files, "f/": index.encode()}) as server:
        array = lazydicom.open_series(server.url("f/"))
        urls = {image.url for image in array.images}

        assert_same(array, lazydicom.open_series(tmp_path))

    assert urls == {server.url(f"f/{k}.dcm") for k in range(12)}


def test_local_and_distant_files_make_one_series(tmp_path: Path) -> None:
    write_volume(tmp_path, planes=24)
    expected = np.asarray(lazydicom.open_series(tmp_path))

    with RangeServer(served(tmp_path)) as server:
        for far in (0, 1):
            names = [
                server.url(f"{k}.dcm") if k % 2 == far else str(tmp_path / f"{k}.dcm")
                for k in range(24)
            ]
            np.testing.assert_array_equal(lazydicom.open_series(names), expected)


def test_one_large_file_among_small_ones_is_opened(tmp_path: Path) -> None:
    write_volume(tmp_path, planes=12)
    big = make_native(number_of_frames=3, rows=300, columns=300)
    (tmp_path / "big.dcm").write_bytes(big)

    with RangeServer(served(tmp_path)) as server:
        study = lazydicom.open_study([server.url(name) for name in server.files])

    assert sorted(array.shape for array in study.values()) == [
        (3, 300, 300),
        (12, 3, 4),
    ]
