"""File objects, packed files, and archives of them are sources as any other."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import threading
import zipfile
from typing import TYPE_CHECKING, Any

import fsspec
import numpy as np
import pytest
import xarray
from dicom_files import DEFLATED, make_native
from range_server import RangeServer
from series_files import write_volume

import lazydicom
from lazydicom.errors import LazyDicomError, LimitError, SourceError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PIXELS = np.arange(6 * 64 * 64, dtype=np.uint16).reshape(6, 64, 64)
FILE = make_native(PIXELS)


class RawPart(io.RawIOBase):
    """A raw file that gives some bytes at a time."""

    def __init__(self, data: bytes) -> None:
        self.file = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def read(self, size: int = -1) -> bytes:
        return self.file.read(min(size, 999))


def in_memory(path: Path) -> str:
    name = f"/objects/{path.name}"
    fsspec.filesystem("memory").pipe_file(name, path.read_bytes())
    return f"memory:/{name}"


def upath(name: Any) -> Any:  # noqa: ANN401
    return pytest.importorskip("upath").UPath(name)


OBJECTS: dict[str, Callable[[Path], Any]] = {
    "BytesIO": lambda path: io.BytesIO(path.read_bytes()),
    "open file": lambda path: path.open("rb"),
    "unbuffered": lambda path: path.open("rb", buffering=0),
    "some at a time": lambda path: RawPart(path.read_bytes()),
    "gzip file": lambda path: gzip.GzipFile(
        fileobj=io.BytesIO(gzip.compress(path.read_bytes()))
    ),
    "OpenFile": fsspec.open,
    "file of fsspec": lambda path: fsspec.open(path).open(),
    "OpenFile far away": lambda path: fsspec.open(in_memory(path)),
    "file far away": lambda path: fsspec.open(in_memory(path)).open(),
    "UPath": upath,
    "UPath far away": lambda path: upath(in_memory(path)),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.dcm"
    path.write_bytes(FILE)
    return path


@pytest.mark.parametrize("kind", OBJECTS)
def test_a_file_object_is_read_by_position(path: Path, kind: str) -> None:
    file = OBJECTS[kind](path)

    array = lazydicom.open_image(file)

    assert np.array_equal(array[3], PIXELS[3])
    assert np.array_equal(array[1:5, 3:9], PIXELS[1:5, 3:9])
    assert np.array_equal(lazydicom.open_image(file), PIXELS)
    travelled = pickle.loads(pickle.dumps(array))
    assert np.array_equal(travelled[2], PIXELS[2])
    if hasattr(file, "close"):
        file.close()


@pytest.mark.parametrize("kind", ["BytesIO", "open file", "OpenFile", "UPath far away"])
def test_a_file_object_opens_by_every_opener(path: Path, kind: str) -> None:
    file = OBJECTS[kind](path)

    series = lazydicom.open_series([file])
    study = lazydicom.open_study(file)
    dataset = xarray.open_dataset(file, engine="lazydicom")

    assert np.array_equal(np.squeeze(series), PIXELS)
    assert len(study) == 1
    assert next(iter(dataset.data_vars.values())).size == PIXELS.size
    dataset.close()
    if hasattr(file, "close"):
        file.close()


def test_a_folder_far_away_opens_by_its_path(tmp_path: Path) -> None:
    write_volume(tmp_path)
    filesystem = fsspec.filesystem("memory")
    for path in tmp_path.iterdir():
        filesystem.pipe_file(f"/upath/ct/{path.name}", path.read_bytes())

    series = lazydicom.open_series(upath("memory://upath/ct"))

    assert series.shape[0] == 4
    filesystem.rm("/upath", recursive=True)


def test_the_cursor_of_a_file_object_stays_where_it_was(path: Path) -> None:
    with path.open("rb") as file:
        file.seek(77)
        np.asarray(lazydicom.open_image(file))

        assert file.tell() == 77


def test_threads_take_turns_with_one_file_object(path: Path) -> None:
    file = io.BytesIO(FILE)
    arrays = [lazydicom.open_image(file) for _ in range(2)]
    wrong: list[int] = []

    def read(array: lazydicom.DicomArray) -> None:
        for k in range(200):
            if not np.array_equal(array[k % 6], PIXELS[k % 6]):
                wrong.append(k)  # noqa: PERF401

    threads = [threading.Thread(target=read, args=(array,)) for array in arrays * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_a_file_object_that_is_none_is_told(path: Path) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    with pytest.raises(TypeError, match="can seek"):
        lazydicom.open_image(Pipe(FILE))
    with pytest.raises(TypeError, match="text"), path.open("r") as text:
        lazydicom.open_image(text)  # type: ignore[arg-type]
    closed = io.BytesIO(FILE)
    closed.close()
    with pytest.raises(SourceError, match="closed file"):
        lazydicom.open_image(closed)
    file = io.BytesIO(FILE)
    array = lazydicom.open_image(file)
    file.close()
    with pytest.raises(SourceError, match="file object"):
        array[3]


def test_a_file_object_that_is_cut_is_an_error() -> None:
    file = io.BytesIO(FILE)
    array = lazydicom.open_image(file)
    file.truncate(2000)

    with pytest.raises(SourceError, match="too early"):
        array[5]


@pytest.mark.parametrize("kind", ["native", "deflated"])
@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("where", ["path", "bytes", "http", "zip", "file object"])
def test_a_gzip_file_opens(tmp_path: Path, kind: str, parts: int, where: str) -> None:
    file = FILE if kind == "native" else make_native(PIXELS, transfer_syntax=DEFLATED)
    step = len(file) // parts + 1
    packed = [gzip.compress(file[at : at + step]) for at in range(0, len(file), step)]
    data = b"".join(packed) + bytes(512 if parts > 1 else 0)
    path = tmp_path / "a.dcm.gz"
    path.write_bytes(data)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.dcm.gz", data)

    with RangeServer({"a.dcm.gz": data}) as server:
        names: dict[str, Any] = {
            "path": path,
            "bytes": data,
            "http": server.url("a.dcm.gz"),
            "zip": f"zip://a.dcm.gz::{tmp_path / 'a.zip'}",
            "file object": path.open("rb"),
        }
        array = lazydicom.open_image(names[where])

        assert np.array_equal(array, PIXELS)
    names["file object"].close()


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_gzip_file_is_an_error(tmp_path: Path, damage: str) -> None:
    data = bytearray(gzip.compress(FILE))
    if damage == "cut":
        data = data[: len(data) // 2]
    else:
        data[-6] ^= 1  # of the checksum
    (tmp_path / "a.dcm.gz").write_bytes(data)

    with pytest.raises(SourceError, match="gzip file"):
        lazydicom.open_image(tmp_path / "a.dcm.gz")


def test_what_is_named_gz_and_is_none_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.dcm.gz").write_bytes(FILE)

    assert np.array_equal(lazydicom.open_image(tmp_path / "a.dcm.gz"), PIXELS)


def test_a_gzip_bomb_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.dcm.gz").write_bytes(gzip.compress(bytes(1 << 27)))

    with pytest.raises(LimitError, match="larger than"):
        lazydicom.open_image(tmp_path / "a.dcm.gz")


@pytest.mark.parametrize("name", ["ct.tar", "ct.tar.gz", "ct.tgz"])
@pytest.mark.parametrize("style", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_members_of_a_tar_file_open(tmp_path: Path, name: str, style: int) -> None:
    folder = tmp_path / "ct"
    folder.mkdir()
    write_volume(folder)
    mode: Any = "w" if name.endswith(".tar") else "w:gz"
    long = f"{'x' * 120}/3.dcm"  # more than a header has room for
    with tarfile.open(tmp_path / name, mode, format=style) as archive:
        for k in range(3):
            archive.add(folder / f"{k}.dcm", f"ct/{k}.dcm")
        archive.add(folder / "3.dcm", long)
        link = tarfile.TarInfo("ct/link.dcm")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)

    series = lazydicom.open_series(tmp_path / name)
    image = lazydicom.open_image(f"tar://{long}::{tmp_path / name}")
    part = lazydicom.open_series(f"tar://ct/*.dcm::{tmp_path / name}")

    expected = lazydicom.open_series(folder)
    assert np.array_equal(series, expected)
    assert np.array_equal(image[0], expected[3])
    assert part.shape[0] == 3
    with pytest.raises(FileNotFoundError, match="no such member"):
        lazydicom.open_image(f"tar://ct/9.dcm::{tmp_path / name}")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_archive_in_an_archive_opens(tmp_path: Path, method: int) -> None:
    folder = tmp_path / "ct"
    folder.mkdir()
    write_volume(folder)
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w") as archive:
        archive.add(folder, "ct")
    with zipfile.ZipFile(tmp_path / "outer.zip", "w", method) as outer:
        outer.writestr("ct.tar", inner.getvalue())

    series = lazydicom.open_series(f"tar://::zip://ct.tar::{tmp_path / 'outer.zip'}")

    assert np.array_equal(series, lazydicom.open_series(folder))


@pytest.mark.parametrize("content", [b"", b"no tar file" * 99, FILE, bytes(1024)])
def test_what_is_no_tar_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(content)

    with pytest.raises(LazyDicomError, match=r"a\.tar"):
        lazydicom.open_series(tmp_path / "a.tar")


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_what_a_member_is_packed_by_is_named(tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        archive.writestr("a.dcm", FILE)
    name = {zipfile.ZIP_LZMA: "LZMA", zipfile.ZIP_BZIP2: "bzip2"}[method]

    with pytest.raises(UnsupportedError, match=rf"{name}.*zip://a\.dcm"):
        lazydicom.open_image(f"zip://a.dcm::{tmp_path / 'a.zip'}")


def test_an_encrypted_member_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.dcm", FILE)
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)

    with pytest.raises(UnsupportedError, match=r"encrypted in zip://a\.dcm"):
        lazydicom.open_image(f"zip://a.dcm::{path}")


@pytest.mark.parametrize("pack", [bz2.compress, lzma.compress])
def test_other_packers_are_no_dicom(tmp_path: Path, pack: Any) -> None:  # noqa: ANN401
    (tmp_path / "a.dcm").write_bytes(pack(FILE))

    with pytest.raises(LazyDicomError):
        lazydicom.open_image(tmp_path / "a.dcm")


def test_a_gzip_file_of_many_members_of_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.dcm.gz").write_bytes(gzip.compress(b"", mtime=0) * 5000)

    with pytest.raises(LimitError, match=r"1001 members and 0 bytes.*a\.dcm\.gz"):
        lazydicom.open_image(tmp_path / "a.dcm.gz")
