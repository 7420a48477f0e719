"""A store does not testify for itself: what is mutated is an error of ours, at once."""

from __future__ import annotations

import json
import shutil
import sys
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any

import numcodecs
import numpy as np
import pytest
from dicom_files import make_native
from json_mutations import mutated
from zarr.buffer import default_buffer_prototype
from zarr.storage import MemoryStore

import lazydicom
from lazydicom._views.references.plan import plan_references
from lazydicom.errors import ExportError, InvalidDicomError, LazyDicomError, LimitError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lazydicom import DicomArray

Store = dict[str, Any]
BUFFER = default_buffer_prototype().buffer
MUTATIONS = 40
"""Of each document; as often as you like by hand."""


@pytest.fixture(scope="module")
def array() -> DicomArray:
    pixels = np.random.default_rng(3).integers(1, 4096, (6, 8, 10), np.uint16)
    return lazydicom.open_image(make_native(pixels))


def copy_of(array: DicomArray, **options: Any) -> Store:  # noqa: ANN401
    store: Store = {}
    lazydicom.to_zarr(array, MemoryStore(store), **options)
    return store


def interrupted(array: DicomArray) -> Store:
    store: Store = {}

    def stop(*_: int) -> None:
        raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        lazydicom.to_zarr(array, MemoryStore(store), chunks=2, workers=1, progress=stop)
    return store


def changed(store: Store, key: str, data: bytes) -> MemoryStore:
    return MemoryStore({**store, key: BUFFER.from_bytes(data)})


@pytest.mark.parametrize(
    "options",
    [{"chunks": 2}, {"chunks": 1, "shards": 2}, {"chunks": 2, "name": "pixels"}],
    ids=["plain", "shards", "named"],
)
@pytest.mark.parametrize("compared", [False, True], ids=["manifest", "source"])
def test_mutated_stores_are_verified_or_refused(
    options: dict[str, Any], compared: bool, array: DicomArray
) -> None:
    store, random = copy_of(array, **options), Random(7)

    for key in [key for key in store if key.endswith(".json")]:
        for _ in range(MUTATIONS):
            data = mutated(store[key].to_bytes(), random)
            with suppress(LazyDicomError):
                lazydicom.verify(changed(store, key, data), array if compared else None)


def test_mutated_manifests_and_journals_are_continued_or_refused(
    array: DicomArray,
) -> None:
    finished, begun, random = copy_of(array, chunks=2), interrupted(array), Random(7)

    for store, key in (
        (finished, "lazydicom.json"),
        (begun, "lazydicom.journal/000000"),
    ):
        first, *others = store[key].to_bytes().split(b"\n")
        for _ in range(MUTATIONS):
            data = b"\n".join([mutated(first, random), *others])
            with suppress(LazyDicomError):
                lazydicom.to_zarr(
                    array, changed(store, key, data), chunks=2, resume=True
                )


@pytest.mark.parametrize("number", range(4))
def test_lines_of_a_journal_that_nobody_writes_do_not_count(
    number: int, array: DicomArray
) -> None:
    store = interrupted(array)
    key = "lazydicom.journal/000000"
    lines = (
        b'{"c/0/0/0":[[12,-1,0]]}',
        b'{"../c/0/0/0":[[1,2,3]]}',
        b'{"c/0/0/0":[[1,true,3]]}',
        b"[" * 100_000,
    )
    data = store[key].to_bytes() + lines[number] + b"\n"

    continued = changed(store, key, data)
    lazydicom.to_zarr(array, continued, chunks=2, resume=True)

    assert lazydicom.verify(continued, array).ok


def a_codec(array: DicomArray) -> tuple[dict[str, Any], bytes]:
    plan = plan_references(array, community=False)
    assert plan.codec is not None
    data = array.images[0].encoded_frame(0)
    return dict(plan.codec), bytes(data)


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], bytes]:
    pixels = np.random.default_rng(3).integers(0, 4096, (1, 8, 10), np.uint16)
    path = tmp_path_factory.mktemp("codec") / "a.dcm"
    path.write_bytes(make_native(pixels, bits_stored=12))
    return a_codec(lazydicom.open_image(path))


def test_mutated_configurations_decode_or_are_refused(
    codec: tuple[dict[str, Any], bytes],
) -> None:
    config, data = codec
    random = Random(7)

    for _ in range(10 * MUTATIONS):
        text = mutated(json.dumps(config).encode(), random)
        with suppress(ValueError, RecursionError):
            found = json.loads(text)
            if isinstance(found, dict) and found.get("id") == config["id"]:
                with suppress(LazyDicomError):
                    numcodecs.get_codec(dict(found)).decode(data)


@pytest.mark.parametrize(
    "change",
    [
        {"transfer_syntax": "1.2.3"},
        {"transfer_syntax": ["1.2.840.10008.1.2.1"]},
        {"color": "red"},
        {"swapped_pairs": 0},
        {"frames": 0},
        {"frames": True},
        {"believed": None},
        {"pixel": {}},
        {"pixel": None},
    ],
    ids=str,
)
def test_a_configuration_that_nobody_writes_is_refused(
    change: dict[str, Any], codec: tuple[dict[str, Any], bytes]
) -> None:
    with pytest.raises(InvalidDicomError, match=next(iter(change))):
        numcodecs.get_codec({**codec[0], **change})


@pytest.mark.parametrize(
    "change",
    [
        {"rows": "8"},
        {"rows": 0},
        {"rows": 2**16},
        {"columns": -1},
        {"samples_per_pixel": 2},
        {"bits_allocated": 16.0},
        {"bits_stored": 17},
        {"pixel_keyword": "IconImage"},
        {"photometric_interpretation": "M" * 17},
        {"more": 1},
    ],
    ids=str,
)
def test_the_pixels_of_a_configuration_are_checked_like_a_header(
    change: dict[str, Any], codec: tuple[dict[str, Any], bytes]
) -> None:
    pixel = {**codec[0]["pixel"], **change}

    with pytest.raises(InvalidDicomError):
        numcodecs.get_codec({**codec[0], "pixel": pixel})


def test_a_chunk_of_a_configuration_takes_no_more_than_a_frame_may(
    codec: tuple[dict[str, Any], bytes],
) -> None:
    with pytest.raises(LimitError):
        numcodecs.get_codec({**codec[0], "frames": 2**40})


def test_who_reads_decides_what_decodes(codec: tuple[dict[str, Any], bytes]) -> None:
    config, data = codec

    made = numcodecs.get_codec({**config, "decoder": "pydicom"})

    assert made.chunk.format.decoder == "imagecodecs"
    assert "decoder" not in made.get_config()
    np.testing.assert_array_equal(
        made.decode(data), numcodecs.get_codec(dict(config)).decode(data)
    )


NAMES = (
    "/etc/hostname",
    "../secret",
    "..",
    "x/../../secret/zarr.json",
    "../zarr.json",
    "c/../../zarr.json",
    "..\\secret/zarr.json",
    "C:\\secret/zarr.json",
    "C:/zarr.json",
    "file:///etc/hostname",
    "x\0/zarr.json",
    "zarr.json\0",
    "c/0/0/1",
    "x/c/9",
    "lazydicom.journal/000000",
    "",
)


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """Give the names of all files that are opened or looked for."""
    names: list[str] = []
    on = True

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if on and event in {"open", "os.listdir", "os.scandir"} and arguments[0]:
            names.append(str(arguments[0]))

    sys.addaudithook(hook)
    yield names
    on = False


@pytest.mark.parametrize("name", NAMES)
def test_a_manifest_leads_to_no_other_files(
    name: str, array: DicomArray, opened: list[str], tmp_path: Path
) -> None:
    store = tmp_path / "stores" / "a.zarr"
    lazydicom.to_zarr(array, store)
    (tmp_path / "secret").write_text("mine")
    manifest = json.loads((store / "lazydicom.json").read_text())
    manifest["labels"][name] = 0
    (store / "lazydicom.json").write_text(json.dumps(manifest))
    opened.clear()

    with pytest.raises(ExportError, match=r"lazydicom\.json is no manifest"):
        lazydicom.verify(store)

    assert not [one for one in opened if "hostname" in one or "secret" in one]


@pytest.mark.parametrize("levels", [0, -1, 65, 2**70, True, "1", None, [1]])
def test_a_marker_of_levels_that_nobody_writes_is_refused(
    levels: object, array: DicomArray, tmp_path: Path
) -> None:
    lazydicom.to_ome_zarr(array, tmp_path / "a")
    manifest = json.loads((tmp_path / "a" / "lazydicom.json").read_text())
    manifest["lazydicom_multiscales"]["levels"] = levels
    (tmp_path / "a" / "lazydicom.json").write_text(json.dumps(manifest))

    with pytest.raises(ExportError, match="is no manifest"):
        lazydicom.verify(tmp_path / "a")


def test_a_claim_of_many_chunks_costs_nothing(array: DicomArray) -> None:
    store = copy_of(array, chunks=1)
    for key in ("zarr.json", "lazydicom.json"):
        text = store[key].to_bytes().decode()
        document = json.loads(text)
        document["shape"] = [10**15, 8, 10]
        store[key] = BUFFER.from_bytes(json.dumps(document).encode())

    report = lazydicom.verify(MemoryStore(store))

    assert len(report.differences) == 5_000


def test_a_claim_of_a_large_index_of_a_shard_costs_nothing(array: DicomArray) -> None:
    store = copy_of(array, chunks=1, shards=6)
    metadata = json.loads(store["zarr.json"].to_bytes())
    manifest = json.loads(store["lazydicom.json"].to_bytes())
    metadata["chunk_grid"]["configuration"]["chunk_shape"][0] = 10**12
    manifest["shards"][0] = 10**12
    store["zarr.json"] = BUFFER.from_bytes(json.dumps(metadata).encode())
    store["lazydicom.json"] = BUFFER.from_bytes(json.dumps(manifest).encode())

    report = lazydicom.verify(MemoryStore(store))

    assert not report.ok


@pytest.mark.parametrize("kind", ["folder", "file", "staging"])
def test_an_unfinished_export_with_a_link_in_it_is_not_continued(
    kind: str, array: DicomArray, tmp_path: Path
) -> None:
    def stop(*_: int) -> None:
        raise KeyboardInterrupt

    place, outside = tmp_path / "x.zarr", tmp_path / "outside"
    with suppress(KeyboardInterrupt):
        lazydicom.to_zarr(array, place, chunks=1, workers=1, progress=stop)
    staging = tmp_path / "x.zarr.partial"
    outside.mkdir()
    link = {"folder": staging / "c/5/0", "file": staging / "c/5/0/0"}.get(kind)
    if link is None:
        staging.rename(tmp_path / "moved")
        staging.symlink_to(tmp_path / "moved")
    else:
        shutil.rmtree(staging / "c/5", ignore_errors=True)
        link.parent.mkdir(parents=True)
        link.symlink_to(outside if kind == "folder" else outside / "written")

    with pytest.raises(ExportError, match="A link stands"):
        lazydicom.to_zarr(array, place, chunks=1, resume=True)

    assert not any(outside.iterdir())
