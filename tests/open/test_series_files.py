"""Where series come from: folders, patterns, lists, zip files, URLs, DICOMDIR."""

from __future__ import annotations

import errno
import os
import warnings
import zipfile
from typing import TYPE_CHECKING, Any

import fsspec
import numpy as np
import pydicom
import pytest
from range_server import RangeServer
from real_series import REAL_SERIES
from series_files import write_instance, write_volume
from tools import require_shared_data

import lazydicom
from lazydicom.errors import (
    InvalidDicomError,
    LazyDicomWarning,
    LimitError,
    SourceError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from real_series import Series


def test_folder_pattern_list_zip_and_url_give_the_same_array(tmp_path: Path) -> None:
    folder = tmp_path / "series"
    folder.mkdir()
    write_volume(folder, planes=12)
    (folder / "!first.txt").write_text("no image")
    with zipfile.ZipFile(tmp_path / "series.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"deep/{path.name}")
    memory = fsspec.filesystem("memory")
    for path in folder.glob("*.dcm"):
        memory.pipe(f"/lazydicom-series/{path.name}", path.read_bytes())
    expected = np.asarray(lazydicom.open_series(folder))

    for urls in (
        str(folder / "*.dcm"),
        sorted(folder.glob("*.dcm"), reverse=True),
        [path.read_bytes() for path in folder.glob("*.dcm")],
        tmp_path / "series.zip",
        f"zip://**::{tmp_path / 'series.zip'}",
        f"file://{folder}",
        "memory://lazydicom-series",
        "memory://lazydicom-series/*.dcm",
    ):
        np.testing.assert_array_equal(np.asarray(lazydicom.open_series(urls)), expected)


def test_a_broken_file_in_a_folder_is_an_error(tmp_path: Path) -> None:
    write_volume(tmp_path)
    whole = (tmp_path / "2.dcm").read_bytes()
    (tmp_path / "2.dcm").write_bytes(whole[: len(whole) - 200])

    with pytest.raises(InvalidDicomError, match=r"2\.dcm"):
        lazydicom.open_series(tmp_path)


@pytest.mark.parametrize("left", [b"", bytes(4000), b"cut before the prefix"])
def test_what_is_left_of_a_failed_copy_is_a_warning(
    tmp_path: Path, left: bytes
) -> None:
    write_volume(tmp_path)
    (tmp_path / "3.dcm").write_bytes(left)
    (tmp_path / "._2.dcm").write_bytes(b"of another system")

    with pytest.warns(LazyDicomWarning, match=r"Passed over.*/3\.dcm") as caught:
        array = lazydicom.open_series(tmp_path)

    assert array.shape[0] == 3
    assert len(caught) == 1


@pytest.mark.parametrize("left", [b"", b"no zip file at all" * 9])
def test_a_broken_zip_file_is_named(tmp_path: Path, left: bytes) -> None:
    (tmp_path / "series.zip").write_bytes(left)

    with pytest.raises(SourceError, match=r"Could not open.*series\.zip"):
        lazydicom.open_series(tmp_path / "series.zip")


def test_a_bucket_that_cannot_be_listed_shows_no_secret() -> None:
    with pytest.raises(SourceError, match=r"Could not (open|list)") as caught:
        lazydicom.open_series("s3://key:secret@bucket/folder/")

    assert "secret" not in str(caught.value)


def test_a_folder_that_cannot_be_listed_is_not_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "closed").mkdir()
    write_volume(tmp_path)
    scandir = os.scandir

    def refuse(path: str) -> Iterator[os.DirEntry[str]]:
        if path.endswith("closed"):  # root may list anything
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)

    with pytest.raises(SourceError, match=r"Permission denied in .*/closed"):
        lazydicom.open_series(tmp_path)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no files"):
        lazydicom.open_series(tmp_path)


def test_a_dicomdir_stands_for_the_files_it_refers_to() -> None:
    path = pydicom.data.get_testdata_file("DICOMDIR", download=False)
    assert path is not None

    study = lazydicom.open_study(path)

    assert sum(len(array.images) for array in study.values()) > 20
    assert all(array.shape[-2] > 0 for array in study.values())


@pytest.mark.parametrize("file_id", ["..\\secret", "/etc\\passwd", "C:\\x", "a\\\0b"])
def test_a_dicomdir_never_leads_out_of_its_folder(tmp_path: Path, file_id: str) -> None:
    write_dicomdir(tmp_path / "DICOMDIR", file_id)

    with pytest.raises(InvalidDicomError):
        lazydicom.open_series(tmp_path / "DICOMDIR")


def test_a_dicomdir_follows_no_link_out_of_its_folder(tmp_path: Path) -> None:
    inside = tmp_path / "disk"
    inside.mkdir()
    write_instance(tmp_path / "outside", z=0, number=1)
    (inside / "LINK").symlink_to(tmp_path / "outside")
    write_dicomdir(inside / "DICOMDIR", "LINK")

    with pytest.raises(InvalidDicomError, match="outside"):
        lazydicom.open_series(inside / "DICOMDIR")


@pytest.mark.parametrize("file_id", ["%2e%2e\\SECRET", "IMAGE?a", "IMAGE#a"])
def test_a_distant_dicomdir_never_leads_out_of_its_folder(
    tmp_path: Path, file_id: str
) -> None:
    write_instance(tmp_path / "IMAGE", z=0, number=1)
    write_dicomdir(tmp_path / "DICOMDIR", file_id)
    image = (tmp_path / "IMAGE").read_bytes()
    directory = (tmp_path / "DICOMDIR").read_bytes()
    files = {"disk/DICOMDIR": directory, "disk/IMAGE": image, "SECRET": image}

    with (
        RangeServer(files) as server,
        pytest.raises(InvalidDicomError, match="outside"),
    ):
        lazydicom.open_series(server.url("disk/DICOMDIR"))


def write_dicomdir(path: Path, *file_ids: str) -> None:
    from dicom_files import dicom_file, element, sequence

    records = [
        element(0x00041430, "CS", b"IMAGE")
        + element(0x00041500, "CS", file_id.encode())
        for file_id in file_ids
    ]
    path.write_bytes(dicom_file(sequence(0x00041220, *records)))


def test_directories_that_refer_in_a_circle_are_read_once(tmp_path: Path) -> None:
    (tmp_path / "SUB").mkdir()
    write_dicomdir(tmp_path / "DICOMDIR", "DICOMDIR", "SUB\\DIRFILE", "SUB\\DIRFILE")
    write_dicomdir(tmp_path / "SUB" / "DIRFILE", "IMAGE", "DIRFILE")
    write_instance(tmp_path / "SUB" / "IMAGE", z=0, number=1)

    assert lazydicom.open_series(tmp_path / "DICOMDIR").shape == (1, 3, 4)


@pytest.mark.parametrize(
    ("what", "kind"),
    [
        (None, "NoneType"),
        (5, "int"),
        ([5], "int"),
        ([[]], "list"),
        (object(), "object"),
    ],
)
def test_what_is_no_file_is_named_by_its_type(what: object, kind: str) -> None:
    with pytest.raises(TypeError, match=f"bytes of files, found {kind}"):
        lazydicom.open_series(what)  # type: ignore[arg-type]


def test_a_folder_is_opened_by_its_file_url(tmp_path: Path) -> None:
    folder = tmp_path / "two words"
    folder.mkdir()
    write_volume(folder)

    assert lazydicom.open_series(folder.as_uri()).shape == (4, 3, 4)


def test_directories_that_go_deeper_and_deeper_are_an_error(tmp_path: Path) -> None:
    folder = tmp_path
    for _ in range(20):
        write_dicomdir(folder / "DIRFILE", "D\\DIRFILE")
        folder /= "D"
        folder.mkdir()

    with pytest.raises(LimitError, match="deeper"):
        lazydicom.open_series(tmp_path / "DIRFILE")


def test_a_list_or_directory_without_files_is_an_error(tmp_path: Path) -> None:
    write_dicomdir(tmp_path / "DICOMDIR", "")

    with pytest.raises(SourceError, match="no files"):
        lazydicom.open_series([])
    with pytest.raises(SourceError, match=r"None of 0 files is an image.*DICOMDIR"):
        lazydicom.open_series(tmp_path / "DICOMDIR")


def test_each_distant_file_costs_one_request(tmp_path: Path) -> None:
    write_volume(tmp_path, planes=20)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    with RangeServer(files) as server:
        array = lazydicom.open_series([server.url(name) for name in files])
        opened = len(server.requests)
        values = np.asarray(array)[:, 0, 0]

    assert opened == 20
    assert values.tolist() == list(range(20))


@pytest.mark.parametrize("series", [one for one in REAL_SERIES if "10_s" in one.path])
def test_datasets_in_memory_are_the_series_that_their_files_are(series: Series) -> None:
    path = require_shared_data(series.path)
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    (expected,) = series.open()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LazyDicomWarning)
        array = lazydicom.open_series(
            [pydicom.dcmread(file, force=True) for file in reversed(files)],
            on_gap=series.on_gap,
            fill_value=0,
        )

    np.testing.assert_array_equal(array, expected)
    assert array.dims == expected.dims
    assert array.coords.keys() == expected.coords.keys()
    for name, coordinate in expected.coords.items():
        np.testing.assert_array_equal(array.coords[name].values, coordinate.values)
    assert_same_attributes(array.attrs, expected.attrs)


def assert_same_attributes(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_equal(found[name], value)


def test_datasets_may_stand_beside_files(tmp_path: Path) -> None:
    write_volume(tmp_path)
    first, *others = sorted(tmp_path.iterdir())

    array = lazydicom.open_series([*others, pydicom.dcmread(first)])
    (one,) = lazydicom.open_study(pydicom.dcmread(first)).values()

    assert np.asarray(array)[:, 0, 0].tolist() == [0, 1, 2, 3]
    assert one.shape == (1, 3, 4)
