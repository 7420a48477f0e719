"""`verify` understands an image with levels, and says what is there where it is none."""

from __future__ import annotations

import errno
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from command_line import run
from dicom_files import make_native
from zarr.storage import FsspecStore, LocalStore, ZipStore

import lazydicom
from lazydicom.errors import ExportError, LimitError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lazydicom import DicomArray


@pytest.fixture
def array() -> DicomArray:
    pixels = np.random.default_rng(3).integers(1, 4096, (3, 16, 20), np.uint16)
    return lazydicom.open_image(make_native(pixels))


@pytest.fixture
def copy(array: DicomArray, tmp_path: Path) -> Path:
    lazydicom.to_ome_zarr(array, tmp_path / "a.ome.zarr", levels=3)
    return tmp_path / "a.ome.zarr"


@pytest.mark.parametrize(
    "place",
    [
        "a.ome.zarr",
        "a.ome.zip",
        pytest.param("memory://verify_levels/a.ome.zarr", id="memory"),
    ],
)
def test_all_levels_of_an_image_are_verified(
    place: str, array: DicomArray, tmp_path: Path
) -> None:
    url = place if "://" in place else str(tmp_path / place)
    report = lazydicom.to_ome_zarr(array, url, levels=3, overwrite=True)

    found = lazydicom.verify(url, array)

    assert found.ok
    assert found.number_of_chunks == 3 * len(report.shapes)
    assert found.compared_with == ("manifest", "source")


def test_store_objects_with_levels_are_verified(
    copy: Path, array: DicomArray, tmp_path: Path
) -> None:
    lazydicom.to_ome_zarr(array, tmp_path / "a.zip", levels=2)

    assert lazydicom.verify(LocalStore(copy)).ok
    assert lazydicom.verify(ZipStore(tmp_path / "a.zip", mode="r"), array).ok
    assert lazydicom.verify(FsspecStore.from_url(f"file://{copy}")).ok


def _flip(copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[5] ^= 1
    (copy / name).write_bytes(data)


def _edit(copy: Path, _: str) -> None:
    group = json.loads((copy / "zarr.json").read_text())
    scales = group["attributes"]["ome"]["multiscales"][0]["datasets"]
    scales[1]["coordinateTransformations"][0]["scale"][-1] = 0.5
    (copy / "zarr.json").write_text(json.dumps(group))


@pytest.mark.parametrize(
    ("damage", "key"),
    [
        (_flip, "0/c/1/0/0"),
        (_flip, "2/c/2/0/0"),
        (lambda copy, key: (copy / key).unlink(), "1/c/0/0/0"),
        (_edit, "zarr.json"),
    ],
    ids=["finest", "coarsest", "gone", "scale"],
)
def test_what_differs_is_named_with_its_level(
    copy: Path, damage: Callable[[Path, str], None], key: str
) -> None:
    damage(copy, key)

    report = lazydicom.verify(copy)

    assert not report.ok
    assert [one.key for one in report.differences] == [key]
    assert run("verify", copy).exit_code == 1


def test_another_source_differs_in_the_finest_level(
    copy: Path, array: DicomArray
) -> None:
    other = np.asarray(array)
    other[2, 3, 4] ^= 1

    report = lazydicom.verify(copy, lazydicom.open_image(make_native(other)))

    assert [(one.key, one.frame) for one in report.differences] == [("0/c/2/0/0", 2)]


def test_given_levels_are_compared_each_with_its_own(
    array: DicomArray, tmp_path: Path
) -> None:
    half = lazydicom.open_image(make_native(np.asarray(array)[:, ::2, ::2].copy()))
    lazydicom.to_ome_zarr([array, half], tmp_path / "a.zarr")

    assert lazydicom.verify(tmp_path / "a.zarr", [array, half]).ok
    assert not lazydicom.verify(tmp_path / "a.zarr", [array, array]).ok


def test_a_level_that_is_gone_is_an_error(copy: Path) -> None:
    shutil.rmtree(copy / "1")

    with pytest.raises(ExportError, match="Level 1 is gone"):
        lazydicom.verify(copy)


def test_an_image_of_another_writer_has_no_manifest(
    copy: Path, array: DicomArray
) -> None:
    (copy / "lazydicom.json").unlink()

    with pytest.raises(ExportError, match="No manifest"):
        lazydicom.verify(copy)
    with pytest.raises(ExportError, match="describes no array"):
        lazydicom.verify(copy, array)


def test_chunks_of_a_store_take_no_more_memory_than_allowed(
    array: DicomArray, tmp_path: Path
) -> None:
    lazydicom.to_zarr(array, tmp_path / "a.zarr", chunks=1)

    assert lazydicom.verify(tmp_path / "a.zarr", memory_limit=640).ok
    with pytest.raises(LimitError, match="memory_limit="):
        lazydicom.verify(tmp_path / "a.zarr", memory_limit=639)


EXPORTS: dict[str, Callable[..., Any]] = {
    "zarr": lazydicom.to_zarr,
    "ome": lazydicom.to_ome_zarr,
}


@pytest.mark.parametrize("export", EXPORTS.values(), ids=EXPORTS)
@pytest.mark.parametrize("options", [{}, {"overwrite": True}, {"resume": True}])
def test_messages_tell_a_file_a_foreign_folder_and_a_store(
    export: Callable[..., Any],
    options: dict[str, bool],
    array: DicomArray,
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.txt").write_text("mine")
    zarr.create_array(tmp_path / "store", shape=(2,), chunks=(1,), dtype="i2")[:] = 1

    with pytest.raises(ExportError, match="A file stands here"):
        export(array, tmp_path / "file", **options)
    with pytest.raises(ExportError, match="Something else than a Zarr store"):
        export(array, tmp_path / "folder", **options)
    if options != {"overwrite": True}:
        with pytest.raises(ExportError, match=r"[Ss]tore stands here|another source"):
            export(array, tmp_path / "store", **options)


@pytest.mark.parametrize("export", EXPORTS.values(), ids=EXPORTS)
def test_an_export_that_wrote_nothing_leaves_nothing(
    export: Callable[..., Any], tmp_path: Path
) -> None:
    data = make_native(np.ones((2, 8, 8), np.uint16))
    (tmp_path / "a.dcm").write_bytes(data)
    array = lazydicom.open_image(tmp_path / "a.dcm")
    (tmp_path / "a.dcm").write_bytes(data[:-1])

    with pytest.raises(OSError, match=r"a\.dcm"):
        export(array, tmp_path / "out.zarr")

    assert [path.name for path in tmp_path.iterdir()] == ["a.dcm"]


@pytest.mark.parametrize("export", EXPORTS.values(), ids=EXPORTS)
def test_an_export_that_wrote_something_continues(
    export: Callable[..., Any], array: DicomArray, tmp_path: Path
) -> None:
    def stop(done: int, _chunks: int, _nbytes: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(array, tmp_path / "a.zarr", chunks=(1, -1, -1), progress=stop, workers=1)

    with pytest.raises(ExportError, match="resume=True continues it"):
        export(array, tmp_path / "a.zarr", chunks=(1, -1, -1))
    export(array, tmp_path / "a.zarr", chunks=(1, -1, -1), resume=True)
    assert lazydicom.verify(tmp_path / "a.zarr").ok
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]


@pytest.mark.parametrize("place", ["a.zarr", "a.zip"])
@pytest.mark.parametrize("export", EXPORTS.values(), ids=EXPORTS)
def test_a_full_disk_is_an_error_that_names_the_store_and_leaves_nothing(
    export: Callable[..., Any],
    place: str,
    array: DicomArray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "writev", full)
        with pytest.raises(ExportError, match=rf"No space left on device.*{place}"):
            export(array, tmp_path / place)

    assert not any(tmp_path.iterdir())
    export(array, tmp_path / place)
    assert lazydicom.verify(tmp_path / place, array).ok
