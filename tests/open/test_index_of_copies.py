"""A saved index goes with copies of its file, and with no file that only looks like one."""

from __future__ import annotations

import gzip
import os
import pickle
import shutil
import zipfile
from typing import TYPE_CHECKING, Any, Final

import imagecodecs
import numpy as np
import pytest
from codestream_samples import JPEG_LS
from counting import CountingSource
from dicom_files import DEFLATED, EXPLICIT_BIG, make_encapsulated, make_native
from range_server import RangeServer

import lazydicom
from lazydicom._bytes import location
from lazydicom._bytes.location import Version, is_of_content
from lazydicom._bytes.open import open_source
from lazydicom.errors import SourceChangedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIZES: Final[dict[str, Any]] = {"number_of_frames": 9, "rows": 8, "columns": 16}
NOISE: Final = np.random.default_rng(1).integers(0, 64, (9, 60, 70), np.uint8)
FILES: Final = {
    "native": make_native(**SIZES),
    "big endian": make_native(transfer_syntax=EXPLICIT_BIG, **SIZES),
    "encapsulated": make_encapsulated(
        [bytes(imagecodecs.jpegls_encode(frame)) for frame in NOISE],
        transfer_syntax=JPEG_LS,
        rows=60,
        columns=70,
        bits_allocated=8,
    ),
}


CHANGES: Final = {  # places from either end of Pixel Data
    "first byte": 0,
    "one of the first": 63,
    "last byte": -1,
    "one of the last": -64,
}


def pixel_data(path: Path) -> tuple[int, int]:
    index = lazydicom.open_image(path).images[0].index
    return index.span(0).offset, index.span(len(index) - 1).stop


def indexed(folder: Path, data: bytes) -> Path:
    """Write a file and its index."""
    path = folder / "a.dcm"
    path.write_bytes(data)
    lazydicom.save_index(path, folder / "a.index")
    return path


def replace_as_copied(path: Path, place: int) -> None:
    """Put a file there with one byte changed, of the same size and time."""
    begin, stop = pixel_data(path)
    times, data = path.stat(), bytearray(path.read_bytes())
    data[(begin if place >= 0 else stop) + place] ^= 0x10
    other = path.with_name("other")
    other.write_bytes(data)
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    other.replace(path)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    return lambda: monkeypatch.setattr(location, "THIS_MACHINE", "another")


READS: Final[dict[str, Callable[[Any], object]]] = {
    "frame": lambda array: array[4],
    "frames": lambda array: array[2:5],
    "region": lambda array: array[3:6, 2:4, 1:3],
    "all": np.asarray,
    "into": lambda array: array.read(slice(1, 4), out=np.empty_like(array[1:4])),
    "encoded": lambda array: array.images[0].encoded_frame(5),
    "elsewhere": lambda array: pickle.loads(pickle.dumps(array))[4],
    "dask": lambda array: lazydicom.to_dask(array)[4].compute(),
}


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("name", FILES)
def test_another_file_in_its_place_is_an_error_on_another_machine_too(
    tmp_path: Path, elsewhere: Callable[[], None], name: str, read: str
) -> None:
    path = indexed(tmp_path, FILES[name])
    expected = READS[read](lazydicom.open_image(path))
    elsewhere()
    array = lazydicom.open_image(path, index=tmp_path / "a.index")
    assert np.array_equal(np.asarray(READS[read](array)), np.asarray(expected))

    replace_as_copied(path, -1)
    array = lazydicom.open_image(path, index=tmp_path / "a.index")

    for _ in range(2):
        with pytest.raises(SourceChangedError, match=r"took the place"):
            READS[read](array)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", FILES)
def test_bytes_at_both_ends_are_compared(
    tmp_path: Path, elsewhere: Callable[[], None], name: str, change: str
) -> None:
    path = indexed(tmp_path, FILES[name])
    replace_as_copied(path, CHANGES[change])
    elsewhere()

    array = lazydicom.open_image(path, index=tmp_path / "a.index")

    with pytest.raises(SourceChangedError):
        array[4]


@pytest.mark.parametrize("name", FILES)
def test_here_the_inode_tells_whatever_was_changed(tmp_path: Path, name: str) -> None:
    path = indexed(tmp_path, FILES[name])
    replace_as_copied(path, 300)

    with pytest.raises(SourceChangedError, match=r"a\.index was written"):
        lazydicom.open_image(path, index=tmp_path / "a.index")


def test_a_copy_goes_with_the_index_where_the_caller_compares_sizes(
    tmp_path: Path,
) -> None:
    path = indexed(tmp_path, FILES["native"])
    expected = np.asarray(lazydicom.open_image(path))
    shutil.copy(path, tmp_path / "b.dcm")
    os.utime(tmp_path / "b.dcm", (1, 1))
    (tmp_path / "b.dcm").replace(path)
    options: dict[str, Any] = {"index": tmp_path / "a.index", "on_change": "size"}

    array = lazydicom.open_image(path, **options)

    assert np.array_equal(array, expected)
    replace_as_copied(path, 5)
    with pytest.raises(SourceChangedError):
        lazydicom.open_image(path, **options)[4]


def test_opening_reads_nothing_and_the_first_read_two_ranges_more(
    tmp_path: Path, elsewhere: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = indexed(tmp_path, FILES["native"])
    elsewhere()
    counter = CountingSource(open_source(path))
    monkeypatch.setattr("lazydicom._open.indexed.open_source", lambda *_, **__: counter)

    array = lazydicom.open_image(path, index=tmp_path / "a.index")

    assert counter.reads == 0
    array[4]
    assert counter.bytes_read == array.images[0].index.lengths[4] + 2 * 64
    counter.spans.clear()
    array[5]
    assert counter.reads == 1


@pytest.mark.parametrize("pack", ["zip", "deflated member", "gzip", "deflated"])
def test_a_file_inside_another_is_compared_too(
    tmp_path: Path, elsewhere: Callable[[], None], pack: str
) -> None:
    def write(value: int) -> str:
        data = (
            make_native(**SIZES, transfer_syntax=DEFLATED)
            if pack == "deflated"
            else b""
        )
        data = data or FILES["native"][:-1] + bytes([value])
        if pack in {"gzip", "deflated"}:
            path = tmp_path / ("a.dcm.gz" if pack == "gzip" else "a.dcm")
            whole = gzip.compress(data, 0, mtime=0) if pack == "gzip" else data
            path.write_bytes(
                whole[:-1] + bytes([value]) if pack == "deflated" else whole
            )
            name = str(path)
        else:
            path = tmp_path / "a.zip"
            method = zipfile.ZIP_STORED if pack == "zip" else zipfile.ZIP_DEFLATED
            with zipfile.ZipFile(path, "w", method) as archive:
                archive.writestr(zipfile.ZipInfo("a.dcm"), data)
            name = f"zip://a.dcm::{path}"
        os.utime(path, (1, 1))
        return name

    name = write(0)
    lazydicom.save_index(name, tmp_path / "a.index")
    expected = np.asarray(lazydicom.open_image(name))
    elsewhere()

    array = lazydicom.open_image(name, index=tmp_path / "a.index")

    assert np.array_equal(array, expected)
    if pack in {"zip", "gzip"}:  # of the same size with another value
        write(9)
        with pytest.raises(SourceChangedError):
            lazydicom.open_image(name, index=tmp_path / "a.index")[4]


@pytest.mark.parametrize("tag", ['"9bb58f26192e4ba0"', None])
def test_bytes_far_away_come_together_with_the_first_frame(
    tmp_path: Path, tag: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_native(number_of_frames=9, rows=512, columns=512)
    monkeypatch.setattr(
        "range_server._etag", lambda _: tag or f'"65a1b0-{len(data):x}"'
    )
    with RangeServer({"a.dcm": data}) as server:
        url, options = server.url("a.dcm"), dict[str, Any](index=tmp_path / "a.index")
        lazydicom.save_index(url, options["index"])
        array = lazydicom.open_image(url, **options)
        server.forget()

        array[4]

        more = 0 if tag else 2
        assert len(server.requests) == 1 + more
        assert server.bytes_sent == 2 * 512 * 512 + more * 64
        server.files["a.dcm"] = data[:-1] + b"\xee"
        array = lazydicom.open_image(url, **options)
        if not tag:
            with pytest.raises(SourceChangedError, match="took the place"):
                array[4]


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ('"9bb58f26192e4ba00f01e2e7b136bbd8"', True),
        ('"9bb58f26192e4ba00f01e2e7b136bbd8-3"', True),
        ("1700000000123456", True),
        ('"65a1b0c2-3e8"', False),
        ('"1a2b-65A1B0C2-3E8"', False),
        ('W/"9bb58f26192e4ba00f01e2e7b136bbd8"', False),
        ("Sat, 21 Nov 2026 10:00:00 GMT", False),
        (1700000000123456, False),
    ],
)
def test_a_tag_made_of_time_and_size_proves_nothing(
    tag: str | int, expected: bool
) -> None:
    assert is_of_content(Version(1000, tag)) is expected
