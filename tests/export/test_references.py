"""References say where the bytes lie, name a codec that is right, and tell nothing else."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import sysconfig
import time
import warnings
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
import imagecodecs
import numpy as np
import pytest
import zarr
from codec_files import codec_file
from codec_frames import CASES, make_frame
from command_line import run
from dicom_files import (
    EXPLICIT_BIG,
    element,
    make_encapsulated,
    make_native,
    stored_pixels,
)
from hypothesis import given
from hypothesis import strategies as st
from numcodecs.registry import get_codec
from PIL import Image
from pydicom._dicom_dict import DicomDictionary
from routes import COPIES_AND_VIEWS, by_json, by_parquet
from series_files import write_volume
from slide_files import make_slide
from tiled_codestreams import tiles_of_htj2k, tiles_of_jpeg_2000

import lazydicom
from lazydicom._array.coordinate import Coordinate
from lazydicom._array.grid import FrameGrid
from lazydicom._header.values import TECHNICAL_ATTRIBUTES
from lazydicom._views.references.plan import plan_references
from lazydicom._views.zarr_codec import CODEC_ID
from lazydicom.errors import DecodeError, ExportError, LazyDicomError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from encapsulated_files import Table
    from numpy.typing import NDArray
    from slide_files import Coding

    from lazydicom import DicomArray

J2K = "1.2.840.10008.1.2.4.90"
SOT = b"\xff\x90\0\x0a"
"""A tile-part begins with it."""
RLE = "1.2.840.10008.1.2.5"
TEXT_VRS = frozenset(
    ("AE", "DA", "DT", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT")
)


def write(folder: Path, file: bytes, name: str = "a.dcm") -> DicomArray:
    path = folder / name
    path.write_bytes(file)
    return lazydicom.open_image(path)


def j2k_file(frames: list[bytes], **geometry: Any) -> bytes:  # noqa: ANN401
    return make_encapsulated(
        frames, rows=61, columns=83, bits_allocated=8, transfer_syntax=J2K, **geometry
    )


@pytest.mark.parametrize(
    ("case", "codec"),
    [
        (f"{J2K} 8 bits", "imagecodecs_jpeg2k"),
        (f"{J2K} 12 in 16 bits, signed", "imagecodecs_jpeg2k"),
        (f"{J2K} RGB", "imagecodecs_jpeg2k"),
        (f"{J2K} 8 in 16 bits", CODEC_ID),
        ("1.2.840.10008.1.2.4.201 16 bits", "imagecodecs_htj2k"),
        ("1.2.840.10008.1.2.4.80 16 bits", "imagecodecs_jpegls"),
        ("1.2.840.10008.1.2.4.80 16 bits, signed", CODEC_ID),
        ("1.2.840.10008.1.2.4.50 8 bits", "imagecodecs_jpeg"),
        ("1.2.840.10008.1.2.4.50 RGB", "imagecodecs_jpeg"),
        ("1.2.840.10008.1.2.4.70 16 bits", "imagecodecs_jpeg"),
        (f"{RLE} 16 bits, signed", "imagecodecs_dicomrle"),
        (f"{RLE} 12 in 16 bits", CODEC_ID),
        (f"{RLE} RGB", CODEC_ID),
    ],
)
def test_codecs_that_others_know_are_named_where_they_are_exact(
    case: str, codec: str, tmp_path: Path
) -> None:
    array = write(tmp_path, codec_file(case))

    report = lazydicom.to_references(array, tmp_path / "a.json")

    assert report.codec == codec
    assert report.needs_lazydicom == (codec == CODEC_ID)


def packages_without_lazydicom(folder: Path) -> Path:
    """Link whatever is installed beside lazydicom, as where it is not installed."""
    folder.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if "lazydicom" not in path.name and "pydicom" not in path.name:
            (folder / path.name).symlink_to(path)
    return folder


@pytest.mark.filterwarnings("ignore:The codestream is marked as YCbCr")
def test_a_reader_without_lazydicom_gets_the_same_pixels(tmp_path: Path) -> None:
    cases = [case for case in CASES if "111" not in case]
    files = {f"{n}": codec_file(case) for n, case in enumerate(cases)}
    files["gray"] = make_native()
    files["big"] = make_native(transfer_syntax=EXPLICIT_BIG, bits_allocated=32)
    files["odd"] = make_native(bits_allocated=8, rows=3, columns=5)
    expected = {}
    for name, file in files.items():
        array = write(tmp_path, file, f"{name}.dcm")
        report = lazydicom.to_references(array, tmp_path / f"{name}.json")
        if not report.needs_lazydicom:
            values = np.asarray(array)
            expected[name] = values.astype(values.dtype.newbyteorder("<")).tobytes()

    script = """
import sys
sys.path.append(sys.argv[1])
import warnings, hashlib, importlib.metadata, importlib.util
assert importlib.util.find_spec("lazydicom") is None
assert not list(importlib.metadata.distributions(name="lazydicom"))
warnings.simplefilter("ignore")
import fsspec, zarr, imagecodecs.numcodecs
imagecodecs.numcodecs.register_codecs(verbose=False)
for name in sys.argv[3:]:
    store = fsspec.get_mapper("reference://", fo=f"{sys.argv[2]}/{name}.json")
    values = zarr.open_group(store, mode="r")["pixels"][...]
    values = values.astype(values.dtype.newbyteorder("<"))
    print(name, hashlib.sha256(values.tobytes()).hexdigest())
"""
    packages = packages_without_lazydicom(tmp_path / "packages")
    isolated = [sys.executable, "-I", "-S", "-c", script]  # -S: no .pth, so no src
    command = [*isolated, str(packages), str(tmp_path), *expected]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    found = dict(line.split() for line in printed.splitlines())
    assert found == {name: sha256(one).hexdigest() for name, one in expected.items()}
    assert len(found) > 50


@given(
    lengths=st.tuples(st.integers(1, 20), st.integers(1, 5), st.integers(1, 5)),
    bits=st.sampled_from([1, 8]),
    syntax=st.sampled_from(["1.2.840.10008.1.2.1", EXPLICIT_BIG]),
)
def test_frames_that_share_bytes_are_referred_to_together(
    tmp_path_factory: pytest.TempPathFactory,
    lengths: tuple[int, int, int],
    bits: int,
    syntax: str,
) -> None:
    geometry: dict[str, Any] = {
        **dict(zip(("number_of_frames", "rows", "columns"), lengths, strict=True)),
        "bits_allocated": bits,
        "transfer_syntax": syntax,
    }
    folder = tmp_path_factory.mktemp("bits")
    array = write(folder, make_native(**geometry))

    values = by_json(array, folder)

    np.testing.assert_array_equal(values, stored_pixels(**geometry))


@pytest.mark.parametrize("table", ["basic", "empty", "extended"])
def test_frames_of_several_fragments_keep_their_pixels(
    table: Table,
    tmp_path: Path,
) -> None:
    frame = make_frame(f"{J2K} 8 bits")
    file = j2k_file([frame.data] * 3, fragments_per_frame=3, table=table)
    array = write(tmp_path, file)

    assert plan_references(array).ours is not None
    np.testing.assert_array_equal(by_json(array, tmp_path), [frame.values] * 3)


@pytest.mark.parametrize(
    "case",
    [
        f"{J2K} 8 bits",
        "1.2.840.10008.1.2.4.201 8 bits",
        "1.2.840.10008.1.2.4.50 8 bits",
        "1.2.840.10008.1.2.4.70 8 bits",
        "1.2.840.10008.1.2.4.80 8 bits",
        f"{RLE} 8 bits",
    ],
)
@pytest.mark.parametrize("kept", [0.3, 0.7, 0.95])
def test_a_frame_that_is_cut_never_becomes_pixels(
    case: str, kept: float, tmp_path: Path
) -> None:
    frame = make_frame(case)
    cut = frame.data[: int(len(frame.data) * kept)]
    file = make_encapsulated(
        [frame.data, cut, frame.data],
        rows=61,
        columns=83,
        bits_allocated=8,
        transfer_syntax=frame.format.transfer_syntax.uid,
    )
    array = write(tmp_path, file)
    lazydicom.to_references(array, tmp_path / "a.json")
    store = fsspec.get_mapper("reference://", fo=str(tmp_path / "a.json"))
    pixels: Any = zarr.open_group(store, mode="r", zarr_format=2)["pixels"]

    np.testing.assert_array_equal(pixels[0], array[0])
    with pytest.raises((ValueError, RuntimeError)):
        pixels[1]


def _intervals_of_jpeg(values: NDArray[np.uint8]) -> bytes:
    file = BytesIO()
    Image.fromarray(values).save(file, "JPEG", restart_marker_blocks=4)
    return file.getvalue()


@pytest.mark.parametrize(
    ("encode", "syntax", "part"),
    [
        (tiles_of_jpeg_2000, "1.2.840.10008.1.2.4.90", SOT),
        (tiles_of_htj2k, "1.2.840.10008.1.2.4.201", SOT),
        (_intervals_of_jpeg, "1.2.840.10008.1.2.4.50", rb"\xff[\xd0-\xd7]"),
    ],
)
def test_a_frame_that_lacks_a_part_never_becomes_pixels(
    encode: Callable[[NDArray[np.uint8]], bytes],
    syntax: str,
    part: bytes,
    tmp_path: Path,
) -> None:
    values = make_frame(f"{J2K} 8 bits").values
    whole = encode(values)
    first, second = (found.start() for found in islice(re.finditer(part, whole), 2))
    file = make_encapsulated(
        [whole, whole[:first] + whole[second:], whole],
        rows=values.shape[0],
        columns=values.shape[1],
        bits_allocated=8,
        transfer_syntax=syntax,
    )
    array = write(tmp_path, file)
    lazydicom.to_references(array, tmp_path / "a.json")

    store = fsspec.get_mapper("reference://", fo=str(tmp_path / "a.json"))
    pixels: Any = zarr.open_group(store, mode="r", zarr_format=2)["pixels"]

    np.testing.assert_array_equal(pixels[0], array[0])
    with pytest.raises(DecodeError, match=r"tile-parts|restart markers"):
        pixels[1]


@pytest.mark.parametrize("padding", [0, 1, 2, 3, 8])
@pytest.mark.parametrize("case", [f"{RLE} 8 bits", f"{RLE} 16 bits"])
def test_rle_with_more_padding_than_imagecodecs_takes_is_read_by_our_codec(
    case: str, padding: int, tmp_path: Path
) -> None:
    frame = make_frame(case)
    rows, columns = frame.values.shape
    data = frame.data + bytes(len(frame.data) % 2)
    file = make_encapsulated(
        [data + bytes(padding)] * 3,
        rows=rows,
        columns=columns,
        bits_allocated=8 * frame.values.itemsize,
    )
    array = write(tmp_path, file)

    assert (plan_references(array).ours is not None) == (padding > 0)
    np.testing.assert_array_equal(by_json(array, tmp_path), [frame.values] * 3)


def test_one_frame_unlike_the_others_makes_all_use_our_codec(tmp_path: Path) -> None:
    plain = make_frame(f"{J2K} 8 bits")
    signed = bytes(
        imagecodecs.jpeg2k_encode(
            plain.values.view(np.int8), level=0, codecformat="j2k", reversible=True
        )
    )
    array = write(tmp_path, j2k_file([plain.data, signed, plain.data]))

    values = by_json(array, tmp_path)

    assert plan_references(array).ours is not None
    np.testing.assert_array_equal(values, np.asarray(array))


def test_files_of_one_encoding_become_one_array_with_coordinates(
    tmp_path: Path,
) -> None:
    pixels = stored_pixels(number_of_frames=2)
    first = write(tmp_path, make_native(pixels), "a.dcm")
    second = write(tmp_path, make_native(pixels + 1), "b.dcm")
    array = replace(
        first,
        images=(*first.images, *second.images),
        grid=FrameGrid(np.array([[3, 2], [1, 0]])),
        dims=("z", "time", "y", "x"),
        coords={
            "z": Coordinate(("z",), np.array([1.5, 4.5]), "mm"),
            "sop_instance_uid": Coordinate(("z",), np.array(["1.2", "1.3"])),
        },
    )

    for route in (by_json, by_parquet):
        np.testing.assert_array_equal(route(array, tmp_path), np.asarray(array))
    store = fsspec.get_mapper("reference://", fo=str(tmp_path / "references.json"))
    group = zarr.open_group(store, mode="r", zarr_format=2)
    np.testing.assert_array_equal(group["z"][...], [1.5, 4.5])  # type: ignore[index]
    assert "sop_instance_uid" not in group


def test_files_of_unlike_encoding_are_refused(tmp_path: Path) -> None:
    first = write(tmp_path, make_native(), "a.dcm")
    second = write(tmp_path, make_native(transfer_syntax=EXPLICIT_BIG), "b.dcm")
    array = replace(first, images=(*first.images, *second.images))

    with pytest.raises(UnsupportedError, match="unlike encoding"):
        lazydicom.to_references(array, tmp_path / "a.json")


def with_hole(folder: Path, fill_value: Any) -> DicomArray:  # noqa: ANN401
    array = write(folder, make_native())
    numbers = np.array([0, -1, 2])
    return replace(array, grid=FrameGrid(numbers), fill_value=fill_value)


def test_holes_are_filled_as_the_caller_said_or_refused(tmp_path: Path) -> None:
    for seven in (7, 7.0, np.int16(7)):
        filled = with_hole(tmp_path, seven)

        np.testing.assert_array_equal(by_json(filled, tmp_path), np.asarray(filled))
    with pytest.raises(UnsupportedError, match="Parquet references have no holes"):
        by_parquet(filled, tmp_path)
    with pytest.raises(UnsupportedError, match="no fill_value"):
        by_json(with_hole(tmp_path, None), tmp_path)


@pytest.mark.parametrize("coding", ["native", "JPEG-LS"])
@pytest.mark.parametrize("matrix", [(6, 7), (6, 9), (9, 6), (9, 20)])
def test_a_level_smaller_than_its_tile_is_chunks_of_whole_tiles(
    matrix: tuple[int, int], coding: Coding, tmp_path: Path
) -> None:
    slide = make_slide(matrix=matrix, tile=(8, 8), coding=coding)
    (tmp_path / "a.dcm").write_bytes(*slide.files)
    (level,) = lazydicom.open_slide(tmp_path / "a.dcm")

    assert plan_references(level).chunks == (8, 8, 3)
    for route in (by_json, by_parquet):
        np.testing.assert_array_equal(route(level, tmp_path), slide.truth[0, 0])


def test_bytes_in_memory_are_refused_with_what_to_do_instead(tmp_path: Path) -> None:
    array = lazydicom.open_image(make_native())

    with pytest.raises(UnsupportedError, match=r"no URL; to_zarr copies it"):
        lazydicom.to_references(array, tmp_path / "a.json")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "url", ["s3://key:canary@bucket/a", "https://host/a.dcm?sig=canary"]
)
def test_a_url_with_a_secret_is_refused_and_not_told(url: str, tmp_path: Path) -> None:
    array = write(tmp_path, make_native())
    reader = array.images[0].reader
    object.__setattr__(reader.source, "path", url)

    with pytest.raises(UnsupportedError, match="never hold") as error:
        lazydicom.to_references(array, tmp_path / "a.json")
    assert "canary" not in str(error.value)


def test_options_of_filesystems_are_not_written(tmp_path: Path) -> None:
    fsspec.filesystem("memory").pipe_file("/refs/a.dcm", make_native())
    options = {"canary": "canary"}
    array = lazydicom.open_image("memory://refs/a.dcm", options)

    lazydicom.to_references(array, "memory://refs/a.json", storage_options=options)

    written = fsspec.filesystem("memory").cat_file("/refs/a.json")
    assert b"canary" not in written
    assert b"memory://refs/a.dcm" in written


@pytest.mark.parametrize("table", ["basic", "empty", "extended"])
@pytest.mark.parametrize(
    ("fragments", "codec"), [(1, "imagecodecs_jpeg2k"), (2, CODEC_ID)]
)
def test_frames_of_a_distant_file_are_looked_at_too(
    table: Table, fragments: int, codec: str, tmp_path: Path
) -> None:
    frame = make_frame(f"{J2K} 8 bits")
    file = j2k_file([frame.data] * 5, table=table, fragments_per_frame=fragments)
    fsspec.filesystem("memory").pipe_file("/refs/j2k.dcm", file)
    array = lazydicom.open_image("memory://refs/j2k.dcm")

    report = lazydicom.to_references(array, tmp_path / "a.json")

    store = fsspec.get_mapper("reference://", fo=str(tmp_path / "a.json"))
    group: Any = zarr.open_group(store, mode="r", zarr_format=2)
    assert report.codec == codec
    np.testing.assert_array_equal(group["pixels"][...], [frame.values] * 5)


def test_a_large_distant_file_is_not_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lazydicom._views.references.codecs._LARGEST_LOOK", 1000)
    file = codec_file(f"{J2K} 8 bits")
    fsspec.filesystem("memory").pipe_file("/refs/large.dcm", file)
    array = lazydicom.open_image("memory://refs/large.dcm")

    report = lazydicom.to_references(array, tmp_path / "a.json")

    store = fsspec.get_mapper("reference://", fo=str(tmp_path / "a.json"))
    group: Any = zarr.open_group(store, mode="r", zarr_format=2)
    assert report.codec == CODEC_ID
    np.testing.assert_array_equal(group["pixels"][...], np.asarray(array))


@pytest.mark.filterwarnings("ignore::lazydicom.errors.LazyDicomWarning")
@pytest.mark.parametrize("largest_look", [0, 1 << 26])
@pytest.mark.parametrize("offsets", [[0, 8, 16], [0, 6, 7000], [0, 2000, 4000]])
def test_a_wrong_offset_table_never_gives_wrong_pixels(
    offsets: list[int],
    largest_look: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = "lazydicom._views.references.codecs._LARGEST_LOOK"
    monkeypatch.setattr(place, largest_look)
    frames = [make_frame(f"{J2K} 8 bits").data] * 3
    file = j2k_file(frames, offsets=offsets)
    fsspec.filesystem("memory").pipe_file("/refs/wrong.dcm", file)
    expected = np.asarray(lazydicom.open_image(file))

    array = lazydicom.open_image("memory://refs/wrong.dcm")
    lazydicom.to_references(array, tmp_path / "a.json", overwrite=True)

    store = fsspec.get_mapper("reference://", fo=str(tmp_path / "a.json"))
    group: Any = zarr.open_group(store, mode="r", zarr_format=2)
    with suppress(LazyDicomError):
        np.testing.assert_array_equal(group["pixels"][...], expected)


def canaries() -> dict[int, bytes | None]:
    """Put a canary into every element of text that the dictionary knows."""
    technical = {tag for tag, _ in TECHNICAL_ATTRIBUTES.values()}
    return {
        tag: element(tag, vr, b"canary")
        for tag, (vr, _, _, retired, _) in DicomDictionary.items()
        if vr in TEXT_VRS and not retired and tag not in technical
        if 0x0008_0001 < tag < 0x7FE0_0000
    }


def test_no_text_of_the_header_leaves_by_any_route(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    array = write(tmp_path, make_native(elements=canaries()))
    store = lazydicom.ZarrStore(array, name="pixels")

    for route in (*COPIES_AND_VIEWS.values(), by_json, by_parquet):
        route(array, tmp_path / "out")

    assert len(canaries()) > 800
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(written) > 10
    assert not any(b"canary" in path.read_bytes() for path in written)
    assert not any(b"canary" in data for data in store._objects.values())


def test_references_tell_the_version_of_their_source(tmp_path: Path) -> None:
    array = write(tmp_path, make_native())
    lazydicom.to_references(array, tmp_path / "a.json")

    references = json.loads((tmp_path / "a.json").read_text())["refs"]

    (source,) = json.loads(references[".zattrs"])["lazydicom_sources"]
    assert source["url"] == f"file://{tmp_path}/a.dcm"
    assert source["size"] == (tmp_path / "a.dcm").stat().st_size
    assert source["version"] == str((tmp_path / "a.dcm").stat().st_mtime_ns)


@pytest.mark.parametrize("name", ["a.json", "a.parq"])
def test_what_stands_there_is_replaced_only_on_request(
    name: str, tmp_path: Path
) -> None:
    array = write(tmp_path, make_native())
    lazydicom.to_references(array, tmp_path / name)

    with pytest.raises(ExportError, match="overwrite=True"):
        lazydicom.to_references(array, tmp_path / name)
    lazydicom.to_references(array, tmp_path / name, overwrite=True)


def test_another_ending_is_refused(tmp_path: Path) -> None:
    array = write(tmp_path, make_native())

    with pytest.raises(ValueError, match=r"ends in \.json, \.parq or \.parquet"):
        lazydicom.to_references(array, tmp_path / "a.zarr")


@pytest.mark.parametrize("name", ["", "a/b", ".zgroup", "z"])
def test_a_name_that_would_hide_something_is_refused(name: str, tmp_path: Path) -> None:
    coords = {"z": Coordinate(("frame",), np.arange(3))}
    array = replace(write(tmp_path, make_native()), coords=coords)

    with pytest.raises(ValueError, match="name"):
        lazydicom.to_references(array, tmp_path / "a.json", name=name)
    with pytest.raises(ValueError, match="name"):
        lazydicom.ZarrStore(array, name=name)


def test_the_command_writes_references_of_a_file_and_of_a_folder(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "series"
    folder.mkdir()
    write_volume(folder)
    file = folder / "0.dcm"

    one = run("reference", file, tmp_path / "one.json")
    many = run("reference", folder, tmp_path / "many.json", "--name", "ct")
    again = run("reference", file, tmp_path / "one.json")

    assert one.output.endswith("one.json: 1 references; reading needs no codec\n")
    assert "many.json: 4 references" in many.output
    assert again.exit_code == 1
    assert "--overwrite replaces them" in again.output
    store = fsspec.get_mapper("reference://", fo=str(tmp_path / "many.json"))
    group: Any = zarr.open_group(store, mode="r", zarr_format=2)
    expected = np.asarray(lazydicom.open_series(folder))
    np.testing.assert_array_equal(group["ct"][...], expected)


def test_our_codec_is_found_by_its_name_and_only_reads(tmp_path: Path) -> None:
    array = write(tmp_path, make_native(bits_stored=12, pixel_representation=1))
    config = plan_references(array).codec
    assert config is not None

    codec = get_codec(config)

    assert codec.get_config() == config
    frame = codec.decode(array.images[0].encoded_frame(1))
    np.testing.assert_array_equal(frame.reshape(array[1].shape), array[1])
    with pytest.raises(UnsupportedError):
        codec.encode(array[1])
    with pytest.raises(DecodeError):
        codec.decode(b"")


MANY = [10_000, pytest.param(100_000, marks=pytest.mark.heavy)]


@pytest.mark.parametrize("frames", MANY)
@pytest.mark.parametrize("name", ["a.json", "a.parq"])
def test_references_of_many_frames_are_written_in_seconds(
    name: str, frames: int, tmp_path: Path
) -> None:
    array = write(tmp_path, make_native(number_of_frames=frames))

    started = time.process_time()
    lazydicom.to_references(array, tmp_path / name)

    assert time.process_time() - started <= 20  # 1 s on a quiet machine
    np.testing.assert_array_equal(read_last(tmp_path / name), array[-1])


@pytest.mark.parametrize("number_of_frames", MANY)
@pytest.mark.parametrize("alike", [True, False])
def test_compressed_references_of_many_frames_are_written_in_seconds(
    alike: bool, number_of_frames: int, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (100, 8, 8)).astype(np.uint8)
    frames = [
        bytes(imagecodecs.jpeg8_encode(one, optimize=True))
        for one in (noise[:1] if alike else noise)
    ]
    file = make_encapsulated(
        frames * (number_of_frames // len(frames)),
        table="extended",
        rows=8,
        columns=8,
        bits_allocated=8,
        transfer_syntax="1.2.840.10008.1.2.4.50",
    )
    array = write(tmp_path, file)

    started = time.process_time()
    report = lazydicom.to_references(array, tmp_path / "a.json")

    assert time.process_time() - started <= 20  # 1 s on a quiet machine
    assert report.codec == "imagecodecs_jpeg"
    np.testing.assert_array_equal(read_last(tmp_path / "a.json"), array[-1])


def read_last(path: Path) -> NDArray[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas, about the engine that fsspec chose
        store = fsspec.get_mapper("reference://", fo=str(path), remote_protocol="file")
        pixels: Any = zarr.open_group(store, mode="r", zarr_format=2)["pixels"]
        values: NDArray[Any] = pixels[-1]
    return values


@pytest.mark.parametrize("name", ["a.json", "a.parq"])
def test_what_is_no_references_is_never_replaced(name: str, tmp_path: Path) -> None:
    array = write(tmp_path, make_native())
    mark = tmp_path / name / ".zmetadata" if name == "a.parq" else tmp_path / name
    mark.parent.mkdir(exist_ok=True)
    mark.write_text('{"mine": 1}')

    with pytest.raises(ExportError, match="Something else than references"):
        lazydicom.to_references(array, tmp_path / name, overwrite=True)

    assert mark.read_text() == '{"mine": 1}'


@pytest.mark.parametrize("name", ["a.json", "a.parq"])
def test_references_that_cannot_be_written_leave_those_that_stand_there(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = write(tmp_path, make_native())
    lazydicom.to_references(array, tmp_path / name)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ExportError, match="write the references: No space left"):
        lazydicom.to_references(array, tmp_path / name, overwrite=True)

    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before
