"""A member of a zip file is read where it lies."""

from __future__ import annotations

import pickle
import zipfile
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from dicom_files import DEFLATED, element, make_native
from range_server import RangeServer
from series_files import write_volume

import lazydicom
from lazydicom._bytes.containers import zip as zip_module
from lazydicom._bytes.containers.inflate import _spills
from lazydicom.errors import (
    LazyDicomError,
    LimitError,
    SourceChangedError,
    SourceError,
    UnsupportedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILE = make_native(rows=256, columns=256, number_of_frames=20)
PIXELS = np.asarray(lazydicom.open_image(FILE))


def packed(method: int = zipfile.ZIP_STORED, name: str = "study/a.dcm") -> bytes:
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w", method) as file:
        file.writestr("readme.txt", "other things " * 100)
        file.writestr(name, FILE)
    return archive.getvalue()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_member_of_a_local_zip_file_opens(tmp_path: Path, method: int) -> None:
    path = tmp_path / "b.zip"
    path.write_bytes(packed(method))

    array = lazydicom.open_image(f"zip://study/a.dcm::{path}")

    assert np.array_equal(array[3:9], PIXELS[3:9])


def test_a_stored_frame_far_away_costs_its_bytes() -> None:
    with RangeServer({"b.zip": packed()}) as server:
        array = lazydicom.open_image(f"zip://study/a.dcm::{server.url('b.zip')}")
        server.forget()

        frame = array[7]

        assert np.array_equal(frame, PIXELS[7])
        assert server.bytes_sent == frame.nbytes


def test_opening_a_member_far_away_takes_three_requests() -> None:
    with RangeServer({"b.zip": packed()}) as server:
        lazydicom.open_image(f"zip://study/a.dcm::{server.url('b.zip')}")

        assert len(server.requests) == 3  # version, directory, header and first bytes
        assert server.bytes_sent <= 200_000


def test_reads_inside_a_zip_file_are_checked() -> None:
    with RangeServer({"b.zip": packed()}) as server:
        array = lazydicom.open_image(f"zip://study/a.dcm::{server.url('b.zip')}")

        server.fault = lambda _: "other-range"
        with pytest.raises(SourceError, match="Expected bytes"):
            array[3]
        server.fault = lambda _: None
        server.files["b.zip"] = packed(name="study/b.dcm")
        with pytest.raises(SourceChangedError):
            array[3]


def test_a_fault_while_the_directory_is_read_is_named() -> None:
    with RangeServer({"b.zip": packed()}) as server:
        server.fault = lambda q: "401" if q.offset else None

        with pytest.raises(SourceError, match="credentials"):
            lazydicom.open_image(f"zip://study/a.dcm::{server.url('b.zip')}")


def test_a_zip_file_inside_a_zip_file_opens(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as outer:
        outer.writestr("b.zip", packed(zipfile.ZIP_DEFLATED))

    url = f"zip://study/a.dcm::zip://b.zip::{tmp_path / 'outer.zip'}"

    assert np.array_equal(lazydicom.open_image(url)[2], PIXELS[2])


@pytest.mark.timeout(20)
def test_a_deflated_file_in_a_deflated_member_opens_wherever_it_travels(
    tmp_path: Path,
) -> None:
    path = tmp_path / "b.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.dcm", make_native(PIXELS, transfer_syntax=DEFLATED))
    url = f"zip://a.dcm::{path}"
    lazydicom.save_index(url, tmp_path / "a.index")
    travelled = pickle.loads(pickle.dumps(lazydicom.open_image(url)))
    _spills.forget()

    assert np.array_equal(travelled[7], PIXELS[7])
    _spills.forget()
    by_index = lazydicom.open_image(url, index=tmp_path / "a.index")
    assert np.array_equal(by_index[7], PIXELS[7])


def test_what_is_no_member_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "b.zip").write_bytes(packed())
    (tmp_path / "a.dcm").write_bytes(FILE)
    (tmp_path / "c.zip").write_bytes(packed(zipfile.ZIP_BZIP2))

    later = bytearray(packed())
    later[later.index(b"PK\1\2") + 6] = 255  # version needed to extract
    (tmp_path / "d.zip").write_bytes(later)

    with pytest.raises(SourceError, match="no such member"):
        lazydicom.open_image(f"zip://absent.dcm::{tmp_path / 'b.zip'}")
    with pytest.raises(SourceError, match="Expected a zip file"):
        lazydicom.open_image(f"zip://a.dcm::{tmp_path / 'a.dcm'}")
    with pytest.raises(UnsupportedError, match="Compression 12"):
        lazydicom.open_image(f"zip://study/a.dcm::{tmp_path / 'c.zip'}")
    with pytest.raises(UnsupportedError, match=r"version 25\.5"):
        lazydicom.open_image(f"zip://study/a.dcm::{tmp_path / 'd.zip'}")


def test_a_damaged_deflated_member_is_an_error(tmp_path: Path) -> None:
    archive = bytearray(packed(zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(BytesIO(archive)) as file:
        info = file.getinfo("study/a.dcm")
    begin = info.header_offset + 30 + len(info.filename)
    found = 0
    for at in range(begin + 2000, begin + info.compress_size, info.compress_size // 40):
        bad = archive.copy()
        bad[at] ^= 4
        path = tmp_path / f"{at}.zip"
        path.write_bytes(bad)

        with pytest.raises(LazyDicomError) as raised:
            lazydicom.open_image(f"zip://study/a.dcm::{path}")
        found += "checksum" in str(raised.value)

    assert found


def packed_series(folder: Path, count: int) -> tuple[Path, Path]:
    """Write a series into a folder, and into a zip file of stored members."""
    (folder / "ct").mkdir()
    write_volume(folder / "ct", planes=count)
    with zipfile.ZipFile(folder / "ct.zip", "w") as archive:
        for path in sorted((folder / "ct").iterdir()):
            archive.write(path, path.name)
    return folder / "ct", folder / "ct.zip"


@pytest.mark.parametrize("how", ["the zip file", "a pattern", "each member"])
def test_the_directory_of_a_zip_file_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    folder, path = packed_series(tmp_path, 40)
    read: list[object] = []
    original = zipfile.ZipFile.__init__

    def count(self: zipfile.ZipFile, *args: Any, **options: Any) -> None:  # noqa: ANN401
        read.append(args)
        original(self, *args, **options)

    monkeypatch.setattr(zipfile.ZipFile, "__init__", count)
    names: dict[str, Any] = {
        "the zip file": path,
        "a pattern": f"zip://*.dcm::{path}",
        "each member": [f"zip://{k}.dcm::{path}" for k in range(40)],
    }

    array = lazydicom.open_series(names[how])

    assert len(read) == 1
    assert np.array_equal(array, lazydicom.open_series(folder))


def test_members_of_one_kind_are_opened_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, path = packed_series(tmp_path, 40)
    alone: list[object] = []
    monkeypatch.setattr("lazydicom._open.many.files.open_instance", _counting(alone))

    lazydicom.open_series(path)

    assert len(alone) == 1, "the others are read along its layout"


def _counting(calls: list[object]) -> Callable[..., object]:
    from lazydicom._open.instance import open_instance

    def call(*args: Any, **options: Any) -> object:  # noqa: ANN401
        calls.append(args)
        return open_instance(*args, **options)

    return call


def test_members_far_away_cost_few_requests(tmp_path: Path) -> None:
    _, path = packed_series(tmp_path, 200)
    with RangeServer({"ct.zip": path.read_bytes()}) as server:
        array = lazydicom.open_series(server.url("ct.zip"))
        small = len(server.requests)

        assert array.shape[0] == 200
    assert small <= 3, "two for the directory, one for all that lie together"


def test_members_far_apart_cost_a_request_each(tmp_path: Path) -> None:
    path = tmp_path / "far.zip"
    pixels = np.zeros((1, 512, 512), np.uint16)
    with zipfile.ZipFile(path, "w") as archive:
        for k in range(12):
            uid = element(0x00080018, "UI", f"1.2.{k}".encode())
            data = make_native(pixels, elements={0x00080018: uid})
            archive.writestr(f"{k}.dcm", data)
    with RangeServer({"far.zip": path.read_bytes()}) as server:
        lazydicom.open_study(server.url("far.zip"))

        assert len(server.requests) <= 2 + 12


def test_deflated_members_far_away_open(tmp_path: Path) -> None:
    folder, path = packed_series(tmp_path, 10)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for one in folder.iterdir():
            archive.write(one, one.name)
    with RangeServer({"ct.zip": path.read_bytes()}) as server:
        array = lazydicom.open_series(server.url("ct.zip"))

        assert len(server.requests) <= 3
        assert np.array_equal(array, lazydicom.open_series(folder))


def archive_of(count: int, data: bytes = b"", method: int = 0) -> bytes:
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w", method) as file:
        for number in range(count):
            file.writestr(zipfile.ZipInfo(f"{number}"), data, method, 9)
    return archive.getvalue()


def test_more_members_than_are_listed_are_a_limit_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(zip_module, "_MOST_MEMBERS", 50)
    (tmp_path / "a.zip").write_bytes(archive_of(50))

    with pytest.raises(LimitError, match=r"50 members or more.*a\.zip"):
        lazydicom.open_series(tmp_path / "a.zip")


@pytest.mark.parametrize("claim", [0xFFFF_FFFE, 0x7FFF_FFFF, 1 << 27])
def test_a_directory_that_claims_to_be_long_is_an_error(
    tmp_path: Path, claim: int
) -> None:
    data = bytearray(archive_of(3))
    data[-10:-6] = claim.to_bytes(4, "little")
    (tmp_path / "a.zip").write_bytes(data)

    with pytest.raises(LazyDicomError, match=r"a\.zip"):
        lazydicom.open_series(tmp_path / "a.zip")


def test_members_that_claim_gigabytes_together_are_refused_unopened(
    tmp_path: Path,
) -> None:
    data = archive_of(9, bytes(1 << 23), zipfile.ZIP_DEFLATED)
    (tmp_path / "a.zip").write_bytes(data)
    assert len(data) < 1 << 17

    with pytest.raises(LimitError, match=r"claim more than 250 : 1.*a\.zip"):
        lazydicom.open_series(tmp_path / "a.zip")
