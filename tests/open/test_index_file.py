"""A saved index: the same array, without a byte of pixel data, or an error that says why."""

from __future__ import annotations

import json
import os
import pickle
import random
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from struct import Struct
from typing import TYPE_CHECKING, Any, BinaryIO

import imagecodecs
import numpy as np
import pytest
from codestream_samples import JPEG_LS
from command_line import run
from counting import CountingSource
from dicom_files import DEFLATED, EXPLICIT_BIG, element, make_encapsulated, make_native
from range_server import RangeServer

import lazydicom
from lazydicom._bytes.open import open_source
from lazydicom._open import index_file
from lazydicom._open.index_file import read_index, read_instance, write_index
from lazydicom._open.index_record import from_record
from lazydicom.errors import (
    ExportError,
    InvalidDicomError,
    LazyDicomError,
    LazyDicomWarning,
    LimitError,
    SourceChangedError,
    SourceError,
    UnsupportedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from encapsulated_files import Table

ROW = Struct("<16sQQQ")
CANARY = b"Canary^Patient"
ELEMENTS = {
    0x00100010: element(0x00100010, "PN", CANARY),
    0x0020000D: element(0x0020000D, "UI", b"1.2.999.1234567"),
    0x00280030: element(0x00280030, "DS", b"0.5\\0.25"),
}
PLANE: dict[str, Any] = {"rows": 60, "columns": 70, "number_of_frames": 20}


def compressed(table: Table) -> bytes:
    noise = np.random.default_rng(1).integers(0, 64, (20, 60, 70), np.uint8)
    frames = [bytes(imagecodecs.jpegls_encode(frame)) for frame in noise]
    return make_encapsulated(
        frames,
        table=table,
        elements=ELEMENTS,
        transfer_syntax=JPEG_LS,
        rows=60,
        columns=70,
        bits_allocated=8,
    )


FILES = {
    "16 bits": make_native(**PLANE, elements=ELEMENTS),
    "big endian bytes in words": make_native(
        **PLANE, transfer_syntax=EXPLICIT_BIG, bits_allocated=8, vr="OW"
    ),
    "1 bit inside bytes": make_native(
        rows=3, columns=7, number_of_frames=30, bits_allocated=1
    ),
    "YBR": make_native(
        **PLANE,
        samples_per_pixel=3,
        bits_allocated=8,
        photometric_interpretation="YBR_FULL",
    ),
    "deflated": make_native(**PLANE, transfer_syntax=DEFLATED),
    "basic": compressed("basic"),
    "extended": compressed("extended"),
    "empty": compressed("empty"),
}


@pytest.fixture(params=FILES)
def data(request: pytest.FixtureRequest) -> bytes:
    return FILES[request.param]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "a.dcm"
    made.write_bytes(FILES["empty"])
    return made


@pytest.fixture
def index(path: Path, tmp_path: Path) -> Path:
    lazydicom.save_index(path, tmp_path / "a.index")
    return tmp_path / "a.index"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def cached(cache: Path) -> list[Path]:
    return sorted(one for one in cache.rglob("*") if one.is_file())


# --- the same array -----------------------------------------------------------


def test_an_array_opened_by_an_index_is_the_same(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(data)
    lazydicom.save_index(tmp_path / "a.dcm", tmp_path / "a.index")
    expected = lazydicom.open_image(tmp_path / "a.dcm")

    array = lazydicom.open_image(tmp_path / "a.dcm", index=tmp_path / "a.index")

    assert np.array_equal(array, expected)
    assert (array.dims, array.dtype) == (expected.dims, expected.dtype)
    assert array.attrs == expected.attrs
    assert array.__dask_tokenize__()[1] == expected.__dask_tokenize__()[1]
    assert array.images[0].index.origin == expected.images[0].index.origin
    assert np.array_equal(pickle.loads(pickle.dumps(array))[3], expected[3])
    assert array.images[0].header.dataset == expected.images[0].header.dataset


def test_bytes_can_be_indexed_too(tmp_path: Path) -> None:
    data = FILES["empty"]
    lazydicom.save_index(data, tmp_path / "a.index")

    array = lazydicom.open_image(data, index=tmp_path / "a.index")

    assert np.array_equal(array, lazydicom.open_image(data))


def test_colour_is_as_the_caller_wants_it_now(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(FILES["YBR"])
    lazydicom.save_index(tmp_path / "a.dcm", tmp_path / "a.index")
    stored = lazydicom.open_image(tmp_path / "a.dcm", color="stored")

    array = lazydicom.open_image(
        tmp_path / "a.dcm", index=tmp_path / "a.index", color="stored"
    )

    assert np.array_equal(array, stored)
    assert array.attrs == stored.attrs


def test_warnings_of_the_first_opening_are_repeated(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(
        make_native(number_of_frames=3, declared_frames="2")
    )
    with pytest.warns(LazyDicomWarning, match="3 frames are stored"):
        lazydicom.save_index(tmp_path / "a.dcm", tmp_path / "a.index")

    with pytest.warns(LazyDicomWarning, match="3 frames are stored"):
        lazydicom.open_image(tmp_path / "a.dcm", index=tmp_path / "a.index")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_member_of_a_zip_file_is_known_however_its_path_is_written(
    method: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, index = tmp_path / "study.zip", tmp_path / "a.index"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("a.dcm", FILES["empty"])
    lazydicom.save_index(path, index)
    monkeypatch.chdir(tmp_path)
    expected = lazydicom.open_image(FILES["empty"])

    for written in (path, "study.zip", f"./{path.name}", path.as_uri()):
        array = lazydicom.open_image(f"zip://a.dcm::{written}", index=index)

        assert array.images[0].url == f"zip://a.dcm::{path}"
        assert np.array_equal(array, expected)


# --- what it costs ------------------------------------------------------------


def test_opening_by_an_index_reads_nothing_of_a_local_file(
    path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = CountingSource(open_source(path))
    monkeypatch.setattr("lazydicom._open.indexed.open_source", lambda *_, **__: counter)

    array = lazydicom.open_image(path, index=index)

    assert counter.reads == 0
    array[7]
    assert counter.reads == 1


@pytest.mark.parametrize("name", ["16 bits", "basic", "extended", "empty"])
@pytest.mark.parametrize("way", ["index", "cache"])
def test_a_second_opening_far_away_asks_for_one_byte_of_the_preamble(
    name: str, way: str, tmp_path: Path
) -> None:
    with RangeServer({"a.dcm": FILES[name]}) as server:
        url = server.url("a.dcm")
        options: dict[str, Any] = {"cache": True}
        if way == "index":
            lazydicom.save_index(url, tmp_path / "a.index")
            options = {"index": tmp_path / "a.index"}
        else:
            lazydicom.open_image(url, cache=True)
        server.forget()

        array = lazydicom.open_image(url, **options)

        assert [(one.offset, one.length) for one in server.requests] == [(0, 1)]
        server.forget()
        frame = array[7]
        assert len(server.requests) == 1
        assert server.bytes_sent == array.images[0].index.lengths[7]
        assert np.array_equal(frame, lazydicom.open_image(FILES[name])[7])


# --- stale and foreign --------------------------------------------------------


def test_a_file_that_changed_is_an_error_that_names_both(
    path: Path, index: Path
) -> None:
    path.write_bytes(FILES["empty"] + b"\0\0")

    with pytest.raises(SourceChangedError, match=r"a\.index was written.*a\.dcm"):
        lazydicom.open_image(path, index=index)


def test_a_file_rewritten_with_the_same_length_is_an_error(
    path: Path, index: Path
) -> None:
    os.utime(path, ns=(0, 0))

    with pytest.raises(SourceChangedError):
        lazydicom.open_image(path, index=index)


def test_an_object_replaced_on_a_server_is_an_error(tmp_path: Path) -> None:
    with RangeServer({"a.dcm": FILES["16 bits"]}) as server:
        lazydicom.save_index(server.url("a.dcm"), tmp_path / "a.index")
        server.files["a.dcm"] = FILES["16 bits"][:-1] + b"\xee"

        with pytest.raises(SourceChangedError, match=r"a\.index"):
            lazydicom.open_image(server.url("a.dcm"), index=tmp_path / "a.index")


def test_an_index_of_other_files_is_an_error_that_names_both(
    index: Path, tmp_path: Path
) -> None:
    other = tmp_path / "b.dcm"
    other.write_bytes(FILES["empty"])

    with pytest.raises(InvalidDicomError, match=r"a\.index is an index of.*b\.dcm"):
        lazydicom.open_image(other, index=index)


@pytest.mark.parametrize(
    "damage", [b"", b"no zip", b"PK\x05\x06" + bytes(18)], ids=["empty", "text", "zip"]
)
def test_what_is_no_index_is_an_error(
    damage: bytes, path: Path, tmp_path: Path
) -> None:
    (tmp_path / "x.index").write_bytes(damage)

    with pytest.raises(InvalidDicomError, match=r"x\.index"):
        lazydicom.open_image(path, index=tmp_path / "x.index")


@pytest.mark.parametrize("cut", range(0, 100, 7))
def test_a_cut_index_is_an_error(cut: int, path: Path, index: Path) -> None:
    whole = index.read_bytes()
    index.write_bytes(whole[: len(whole) * cut // 100])

    with pytest.raises(InvalidDicomError):
        lazydicom.open_image(path, index=index)


def unpacked(index: Path) -> tuple[dict[str, Any], bytes]:
    """Give the record of an index of one instance, and the lengths of its frames."""
    with zipfile.ZipFile(index) as archive:
        _, offset, length, more = ROW.unpack(archive.read("directory"))
        data = archive.read("records")[offset:]
    lengths = data[length : length + more]
    record: dict[str, Any] = json.loads(zlib.decompress(data[:length]))
    return record, zlib.decompress(lengths) if lengths else b""


def record(index: Path) -> dict[str, Any]:
    return unpacked(index)[0]


def altered(
    index: Path,
    *,
    lengths: bytes | None = None,
    text: bytes | None = None,
    **changes: Any,  # noqa: ANN401
) -> None:
    """Write the record anew, its checksums right."""
    one, stored = unpacked(index)
    packed = zlib.compress(text or json.dumps(one | changes).encode())
    column = stored if lengths is None else lengths
    tail = zlib.compress(column) if column else b""
    with zipfile.ZipFile(index) as archive:
        about = json.loads(archive.read("index.json"))
        key = archive.read("directory")[:16]
    about["version"] = changes.get("version_of_format", 2)
    with zipfile.ZipFile(index, "w") as archive:
        archive.writestr("records", packed + tail)
        archive.writestr("directory", ROW.pack(key, 0, len(packed), len(tail)))
        archive.writestr("index.json", json.dumps(about))


@pytest.mark.parametrize(
    "changes",
    [
        {"frames": 19},
        {"frames": 0},
        {"origin": "guess"},
        {"items": None},
        {"pixel": {}},
        {"transfer_syntax": "1.2"},
        {"version_of_format": 1},
        {"version_of_format": 3},
        {"stride": [0, -1, 8]},
        {"size": 1e999},
        {"frames": 2**63},
        {"swapped_pairs": 1},
        {"proven": None},
        {"version": {}},
        {"version": [[], {}]},
        {"size": 600},
        {"ends": None},
        {"ends": [0, 1]},
        {"ends": [0, 1, "00"]},
        {"ends": [1.5, 2.5, "00"]},
        {"node": {}},
        {"node": [1, 2, 3, 4]},
        {"node": ["here", 1, 2]},
    ],
    ids=str,
)
def test_a_record_that_contradicts_itself_is_an_error(
    changes: dict[str, Any], path: Path, index: Path
) -> None:
    altered(index, **changes)

    with pytest.raises(InvalidDicomError, match=r"a\.index"):
        lazydicom.open_image(path, index=index)


@pytest.mark.parametrize(
    "changes",
    [
        {"stride": [400, 4199 * 16, 8]},
        {"stride": [400, 4200 * 16, 16]},
        {"stride": [400.5, 4200 * 16, 8]},
        {"stride": [2**63, 4200 * 16, 8]},
        {"stride": [10_000, 4200 * 16, 8]},
        {"stride": None},
        {"frames": 19},
        {"frames": True},
        {"swapped_pairs": True},
    ],
    ids=str,
)
def test_native_frames_that_contradict_the_record_are_an_error(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    path, index = tmp_path / "a.dcm", tmp_path / "a.index"
    path.write_bytes(FILES["16 bits"])
    lazydicom.save_index(path, index)
    altered(index, **changes)

    with pytest.raises(InvalidDicomError, match=r"a\.index"):
        lazydicom.open_image(path, index=index)


@pytest.mark.parametrize(
    ("name", "value"),
    [("pixel_keyword", "x"), ("rows", True), ("rows", 1.5), ("columns", None)],
)
def test_an_image_pixel_of_other_kinds_is_an_error(
    name: str, value: object, path: Path, index: Path
) -> None:
    altered(index, pixel=record(index)["pixel"] | {name: value})

    with pytest.raises(InvalidDicomError, match=r"a\.index"):
        lazydicom.open_image(path, index=index)


def test_whatever_byte_is_damaged_an_index_is_right_or_an_error(
    path: Path, index: Path
) -> None:
    whole, expected = index.read_bytes(), np.asarray(lazydicom.open_image(path))
    chance = random.Random(3)

    for at in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[at] ^= chance.randrange(1, 256)
        index.write_bytes(damaged)
        try:
            array = lazydicom.open_image(path, index=index)
        except (InvalidDicomError, LimitError):
            continue
        assert np.array_equal(array, expected)


@pytest.mark.parametrize("name", ["16 bits", "empty", "1 bit inside bytes"])
def test_whatever_a_record_says_an_index_opens_or_is_an_error_of_ours(
    name: str, tmp_path: Path
) -> None:
    path, index = tmp_path / "a.dcm", tmp_path / "a.index"
    path.write_bytes(FILES[name])
    lazydicom.save_index(path, index)
    whole, text = index.read_bytes(), json.dumps(record(index)).encode()
    chance = random.Random(7)

    for _ in range(250):
        damaged = bytearray(text)
        for _ in range(chance.choice((1, 1, 2, 5))):
            place = chance.randrange(len(damaged))
            damaged[place : place + 1] = bytes([chance.choice(b'0199-.eE"[]{},:tfn')])
        index.write_bytes(whole)
        altered(index, text=bytes(damaged))
        try:
            array = lazydicom.open_image(path, index=index)[:]
        except LazyDicomError:
            continue
        assert array.size


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_index_that_is_compressed_otherwise_is_an_error(
    method: int, path: Path, index: Path
) -> None:
    with zipfile.ZipFile(index) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(index, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)

    with pytest.raises(InvalidDicomError, match=r"a\.index"):
        lazydicom.open_image(path, index=index)


@pytest.mark.parametrize("member", ["index.json", "a record"])
def test_json_that_is_nested_too_deep_is_an_error(
    member: str, path: Path, index: Path
) -> None:
    deep = b"[" * 100_000
    if member == "a record":
        altered(index, text=deep)
    else:
        with zipfile.ZipFile(index, "w") as archive:
            archive.writestr("index.json", deep)

    with pytest.raises(InvalidDicomError, match=r"a\.index"):
        lazydicom.open_image(path, index=index)


@pytest.mark.parametrize(
    "lengths",
    [b"", b"\1", bytes(19), bytes(21), bytes(60), bytes(8 * 20 + 1), b"\xff" * 160],
    ids=len,
)
def test_lengths_that_are_not_those_of_the_frames_are_an_error(
    lengths: bytes, path: Path, index: Path
) -> None:
    altered(index, lengths=lengths)

    with pytest.raises((InvalidDicomError, LimitError), match=r"a\.index"):
        lazydicom.open_image(path, index=index)


def test_a_record_that_inflates_without_end_is_refused(path: Path, index: Path) -> None:
    altered(index, text=b" " * (1 << 25) + b"{}")

    with pytest.raises(LimitError, match=r"longer than .* in .*a\.index"):
        lazydicom.open_image(path, index=index)


def test_one_instance_is_read_without_the_others(
    tmp_path: Path, index: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (saved,) = read_index(index).values()
    many = [replace(saved, name=f"{number:032x}") for number in range(3000)]
    write_index(tmp_path / "many.index", [*many, saved])
    parsed: list[object] = []
    reads: list[int] = []
    read_at = index_file._read_at

    def note_record(record: dict[str, Any], read: Callable[[int], bytes]) -> object:
        parsed.append(record)
        return from_record(record, read)

    def note_read(file: BinaryIO, offset: int, length: int) -> bytes:
        reads.append(length)
        return read_at(file, offset, length)

    monkeypatch.setattr(index_file, "from_record", note_record)
    monkeypatch.setattr(index_file, "_read_at", note_read)

    array = lazydicom.open_image(path, index=tmp_path / "many.index")

    assert array.shape == (20, 60, 70)
    assert len(parsed) == 1
    assert sum(reads) < 4096  # a dozen rows of the directory, and one record


def test_an_index_of_many_gives_each_its_own(study: Path, tmp_path: Path) -> None:
    lazydicom.save_index(study, tmp_path / "study.index")

    found = read_index(tmp_path / "study.index")

    assert len(found) == len(FILES)
    for name, saved in found.items():
        one = read_instance(tmp_path / "study.index", name)
        assert one is not None
        assert (one.name, one.size) == (saved.name, saved.size)
    assert read_instance(tmp_path / "study.index", "f" * 32) is None


def test_a_server_that_tells_no_version_gives_no_index(tmp_path: Path) -> None:
    with RangeServer({"a.dcm": FILES["16 bits"]}) as server:
        server.fault = lambda _: "no-etag"

        with pytest.raises(SourceError, match="neither an etag nor a date"):
            lazydicom.save_index(server.url("a.dcm"), tmp_path / "a.index")


def test_without_a_version_nothing_is_cached(cache: Path) -> None:
    with RangeServer({"a.dcm": FILES["16 bits"]}) as server:
        server.fault = lambda _: "no-etag"

        array = lazydicom.open_image(server.url("a.dcm"), cache=True)

        assert np.array_equal(array, lazydicom.open_image(FILES["16 bits"]))
    assert cached(cache) == []


def test_colour_without_a_conversion_is_refused_by_an_index_too(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(
        make_native(samples_per_pixel=3, photometric_interpretation="YBR_FULL")
    )
    lazydicom.save_index(path, tmp_path / "a.index")

    stored = lazydicom.open_image(path, index=tmp_path / "a.index", color="stored")

    assert np.array_equal(stored, lazydicom.open_image(path, color="stored"))
    with pytest.raises(UnsupportedError, match="not converted"):
        lazydicom.open_image(path, index=tmp_path / "a.index")


def test_an_option_that_is_none_of_its_choices_is_an_error(
    path: Path, index: Path
) -> None:
    with pytest.raises(ValueError, match="color must be"):
        lazydicom.open_image(path, index=index, color="RGB")  # type: ignore[arg-type]


def test_an_index_does_not_go_with_frames_that_are_not_declared(path: Path) -> None:
    with pytest.raises(ValueError, match="declares"):
        lazydicom.open_image(path, cache=True, on_extra_frames="keep")


# --- where it is written ------------------------------------------------------


@pytest.mark.parametrize("other", ["itself", "a zip file", "a folder", "text"])
def test_an_index_replaces_nothing_else(path: Path, tmp_path: Path, other: str) -> None:
    place = path if other == "itself" else tmp_path / "other"
    if other == "a folder":
        place.mkdir()
    elif other == "text":
        place.write_text("dear diary")
    elif other == "a zip file":
        with zipfile.ZipFile(place, "w") as archive:
            archive.writestr("photo", b"of the dog")
    before = None if place.is_dir() else place.read_bytes()

    with pytest.raises(ExportError, match="stands here; it is not overwritten"):
        lazydicom.save_index(path, place)

    assert before is None or place.read_bytes() == before


@pytest.mark.parametrize("older", ["an index", "an empty file"])
def test_an_older_index_is_replaced(path: Path, index: Path, older: str) -> None:
    if older == "an empty file":
        index.write_bytes(b"")

    assert lazydicom.save_index(path, index) == 1
    assert len(read_index(index)) == 1


def test_an_index_that_cannot_be_written_is_an_error_that_names_it(
    path: Path, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match=r"No such file.* in .*/absent/a\.index$"):
        lazydicom.save_index(path, tmp_path / "absent" / "a.index")


# --- privacy ------------------------------------------------------------------


def test_an_index_holds_nothing_of_a_patient_and_no_path(tmp_path: Path) -> None:
    folder = tmp_path / "Doe_Jane"
    folder.mkdir()
    (folder / "a.dcm").write_bytes(FILES["16 bits"])
    lazydicom.save_index(folder / "a.dcm", tmp_path / "a.index")

    with zipfile.ZipFile(tmp_path / "a.index") as archive:
        members = b"".join(archive.read(name) for name in archive.namelist())
    text = members + json.dumps(record(tmp_path / "a.index")).encode()

    for canary in (CANARY, b"Doe_Jane", b"1.2.999"):
        assert canary not in text
    assert b"0.25" in text


# --- the cache ----------------------------------------------------------------


def test_the_cache_is_filled_and_used(
    path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = np.asarray(lazydicom.open_image(path, cache=True))
    (kept,) = cached(cache)
    before = kept.stat().st_mtime_ns
    monkeypatch.delattr("lazydicom._open.indexed.open_instance")

    array = lazydicom.open_image(path, cache=True)

    assert np.array_equal(array, expected)
    assert kept.stat().st_mtime_ns == before


def test_a_stale_cache_is_replaced(path: Path, cache: Path) -> None:
    lazydicom.open_image(path, cache=True)
    path.write_bytes(FILES["16 bits"])

    array = lazydicom.open_image(path, cache=True)

    assert np.array_equal(array, lazydicom.open_image(path))
    (kept,) = cached(cache)
    (saved,) = read_index(kept).values()
    assert saved.size == len(FILES["16 bits"])


def test_a_damaged_cache_is_replaced(path: Path, cache: Path) -> None:
    lazydicom.open_image(path, cache=True)
    (kept,) = cached(cache)
    kept.write_bytes(b"damage")

    lazydicom.open_image(path, cache=True)

    assert len(read_index(kept)) == 1


def test_a_cache_with_a_damaged_byte_is_replaced(path: Path, cache: Path) -> None:
    lazydicom.open_image(path, cache=True)
    (kept,) = cached(cache)
    damaged = bytearray(kept.read_bytes())
    with zipfile.ZipFile(kept) as archive:
        first = archive.infolist()[0]
    damaged[first.header_offset + 30 + len(first.filename)] ^= 0xFF
    kept.write_bytes(damaged)

    array = lazydicom.open_image(path, cache=True)

    assert np.array_equal(array, lazydicom.open_image(path))
    assert len(read_index(kept)) == 1


def test_a_cache_that_may_not_be_read_is_left_aside(
    path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lazydicom.open_image(path, cache=True)
    (kept,) = cached(cache)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.exists", refuse)
    monkeypatch.setattr("zipfile.ZipFile", refuse)

    with pytest.warns(LazyDicomWarning, match="could not be cached: Permission"):
        array = lazydicom.open_image(path, cache=True)

    assert array.shape == (20, 60, 70)
    monkeypatch.undo()
    assert len(read_index(kept)) == 1


def test_without_the_wish_nothing_is_cached(path: Path, cache: Path) -> None:
    lazydicom.open_image(path)

    assert cached(cache) == []


def test_a_cache_that_cannot_be_written_is_a_warning(path: Path, cache: Path) -> None:
    cache.write_text("not a folder")

    with pytest.warns(LazyDicomWarning, match="could not be cached"):
        array = lazydicom.open_image(path, cache=True)

    assert array.shape == (20, 60, 70)


def test_readers_see_a_whole_index_while_others_write(path: Path, index: Path) -> None:
    instances = list(read_index(index).values())

    def write_and_read(_: int) -> int:
        write_index(index, instances)
        return len(read_index(index))

    with ThreadPoolExecutor(8) as pool:
        counts = set(pool.map(write_and_read, range(100)))

    assert counts == {1}
    assert sorted(one.name for one in path.parent.iterdir()) == ["a.dcm", "a.index"]


# --- a study ------------------------------------------------------------------


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "study"
    folder.mkdir()
    for number, data in enumerate(FILES.values()):
        (folder / f"{number}.dcm").write_bytes(data)
    (folder / "notes.txt").write_text("no image")
    return folder


def test_one_index_serves_a_whole_folder(study: Path, tmp_path: Path) -> None:
    result = run("index", study, "-o", tmp_path / "study.index")

    assert result.stdout.startswith(f"{tmp_path / 'study.index'}: {len(FILES)} files, ")
    for file in study.glob("*.dcm"):
        array = lazydicom.open_image(file, index=tmp_path / "study.index")
        assert np.array_equal(array, lazydicom.open_image(file))


def test_a_file_that_was_named_must_be_an_image(study: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidDicomError, match=r"notes\.txt"):
        lazydicom.save_index(study / "notes.txt", tmp_path / "study.index")

    assert not (tmp_path / "study.index").exists()


def test_the_command_writes_one_file(path: Path, tmp_path: Path) -> None:
    result = run("index", path, "-o", tmp_path / "a.index")

    assert result.exit_code == 0
    assert ": 1 file, " in result.stdout


def test_an_index_that_is_not_there_is_a_missing_file(path: Path) -> None:
    for opener in (lazydicom.open_image, lazydicom.open_series, lazydicom.open_study):
        with pytest.raises(FileNotFoundError, match="No index") as error:
            opener(path, index=path.with_name("absent.index"))

        assert isinstance(error.value, lazydicom.errors.SourceError)
