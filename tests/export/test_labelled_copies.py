"""Labels of a series on every route to Zarr: axes, coordinates, the affine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import xarray as xr
import zarr
from command_line import run
from series_files import write_instance, write_times_and_echoes

import lazydicom
from lazydicom.errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lazydicom import DicomArray


@pytest.fixture
def array(tmp_path: Path) -> DicomArray:
    folder = tmp_path / "series"
    folder.mkdir()
    write_times_and_echoes(folder, np.random.default_rng(0).permutation(24))
    return lazydicom.open_series(folder)


def by_view(array: DicomArray, _: Path) -> xr.Dataset:
    data: xr.Dataset = xr.open_zarr(lazydicom.ZarrStore(array, name="pixels"))
    return data


def by_copy(array: DicomArray, folder: Path) -> xr.Dataset:
    lazydicom.to_zarr(array, folder / "copy.zarr", name="pixels")
    data: xr.Dataset = xr.open_zarr(folder / "copy.zarr")
    return data


def by_zip(array: DicomArray, folder: Path) -> xr.Dataset:
    lazydicom.to_zarr(array, folder / "copy.zip", name="pixels", shards=4, chunks=1)
    store = zarr.storage.ZipStore(folder / "copy.zip", mode="r")
    data: xr.Dataset = xr.open_zarr(store)
    return data


def by_references(array: DicomArray, folder: Path) -> xr.Dataset:
    lazydicom.to_references(array, folder / "references.json", name="pixels")
    return xr.open_dataset(
        f"reference::{folder / 'references.json'}",
        engine="zarr",
        chunks={},
        backend_kwargs={"consolidated": False},
        mask_and_scale=False,
    )


ROADS = [by_view, by_copy, by_zip, by_references]


@pytest.mark.parametrize("route", ROADS)
def test_coordinates_and_affine_travel(
    array: DicomArray, tmp_path: Path, route: Callable[[DicomArray, Path], xr.Dataset]
) -> None:
    expected = lazydicom.to_xarray(array)

    pixels = route(array, tmp_path)["pixels"]

    assert pixels.dims == ("time", "echo", "z", "y", "x")
    np.testing.assert_array_equal(pixels, np.asarray(array))
    for name in ("time", "echo", "z", "y", "x"):
        np.testing.assert_array_equal(pixels[name], expected[name])
        assert pixels[name].attrs["units"] == expected[name].attrs["units"]
    np.testing.assert_array_equal(pixels.attrs["affine"], array.attrs["affine"])
    assert pixels.attrs["spacing"] == array.attrs["spacing"]
    assert pixels.attrs["orientation"] == array.attrs["orientation"]


@pytest.mark.parametrize("route", ROADS)
def test_words_along_an_axis_travel_as_flags(
    tmp_path: Path, route: Callable[[DicomArray, Path], xr.Dataset]
) -> None:
    (tmp_path / "kinds").mkdir()
    for number in range(6):
        kind, plane = divmod(number, 3)
        texts = {0x00080008: ("CS", f"ORIGINAL\\PRIMARY\\{'MP'[kind]}")}
        path = tmp_path / "kinds" / str(number)
        write_instance(path, z=2.0 * plane, number=number + 1, texts=texts)

    component = route(lazydicom.open_series(tmp_path / "kinds"), tmp_path)["component"]

    assert component.values.tolist() == [0, 1]
    assert component.attrs["flag_meanings"] == "M P"
    assert list(component.attrs["flag_values"]) == [0, 1]


def test_a_named_copy_is_verified_with_its_labels(
    array: DicomArray, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.zarr"
    lazydicom.to_zarr(array, copy, name="pixels")
    assert lazydicom.verify(copy).ok
    assert lazydicom.verify(copy, array).ok

    values = copy / "z" / "c" / "0"
    values.write_bytes(bytes(len(values.read_bytes())))
    chunk = next(path for path in (copy / "pixels" / "c").rglob("*") if path.is_file())
    chunk.unlink()

    found = {one.key: one.reason for one in lazydicom.verify(copy).differences}
    assert found["z/c/0"] == "stored bytes differ"
    assert found[chunk.relative_to(copy).as_posix()] == "the chunk is gone"


def is_found_different(copy: Path) -> bool:
    try:
        return not lazydicom.verify(copy).ok
    except ExportError as error:
        return "describes no array" in error.message


@pytest.mark.parametrize("place", ["the array", "the group"])
@pytest.mark.parametrize("name", ["pixels", "z"])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("data_type", "int16"),
        ("dimension_names", ["x"]),
        ("codecs", [{"name": "bytes", "configuration": {"endian": "big"}}]),
        ("shape", None),
    ],
)
def test_what_describes_arrays_of_a_copy_is_verified(
    place: str,
    name: str,
    field: str,
    value: object,
    *,
    array: DicomArray,
    tmp_path: Path,
) -> None:
    copy = tmp_path / "copy.zarr"
    lazydicom.to_zarr(array, copy, name="pixels")
    file = copy / ("zarr.json" if place == "the group" else f"{name}/zarr.json")
    document = json.loads(file.read_text())
    described = document
    if place == "the group":
        described = document["consolidated_metadata"]["metadata"][name]
    described[field] = value
    if value is None:
        del described[field]
    file.write_text(json.dumps(document))

    assert is_found_different(copy)


@pytest.mark.parametrize("damage", ["coordinate", "group"])
def test_lost_metadata_of_a_copy_are_found(
    damage: str, array: DicomArray, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.zarr"
    lazydicom.to_zarr(array, copy, name="pixels")
    if damage == "coordinate":
        (copy / "z" / "zarr.json").unlink()
    else:
        (copy / "zarr.json").write_text("{}")

    (found,) = lazydicom.verify(copy).differences

    assert found.key == ("z/zarr.json" if damage == "coordinate" else "zarr.json")


@pytest.mark.filterwarnings("ignore:Object at lazydicom.json is not")
@pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not")
def test_attributes_may_be_added_and_consolidated(
    array: DicomArray, tmp_path: Path
) -> None:
    lazydicom.to_zarr(array, tmp_path / "copy.zarr", name="pixels")
    group = zarr.open_group(tmp_path / "copy.zarr", mode="r+")
    group.attrs["seen"] = True
    group["pixels"].attrs["seen"] = True
    zarr.consolidate_metadata(group.store)

    assert lazydicom.verify(tmp_path / "copy.zarr").ok


def test_a_named_copy_is_complete_last_and_resumes(
    array: DicomArray, tmp_path: Path
) -> None:
    class Stopped(Exception):  # noqa: N818
        """Ends an export in its middle."""

    def stop(done: int, *_: int) -> None:
        if done > 1:
            raise Stopped

    with pytest.raises(Stopped):
        lazydicom.to_zarr(array, tmp_path / "a", name="pixels", chunks=1, progress=stop)
    assert not (tmp_path / "a").exists()
    lazydicom.to_zarr(array, tmp_path / "a", name="pixels", chunks=1, resume=True)
    lazydicom.to_zarr(array, tmp_path / "b", name="pixels", chunks=1)

    first, second = (
        {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()}
        for root in (tmp_path / "a", tmp_path / "b")
    )
    assert first == second
    with pytest.raises(ExportError, match="other chunks, shards, codecs or attributes"):
        lazydicom.to_zarr(array, tmp_path / "a", chunks=1, resume=True)


def test_the_name_must_be_a_name(array: DicomArray, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'z' is a coordinate"):
        lazydicom.to_zarr(array, tmp_path / "copy", name="z")
    with pytest.raises(ValueError, match="Expected a plain name"):
        lazydicom.to_zarr(array, tmp_path / "copy", name="a/b")


def test_command_writes_a_group(array: DicomArray, tmp_path: Path) -> None:
    out = tmp_path / "out.zarr"

    result = run("export", tmp_path / "series", out, "--name", "pixels")

    assert result.exit_code == 0
    assert xr.open_zarr(out)["pixels"].shape == array.shape
    assert run("verify", out).exit_code == 0
    group = json.loads((out / "zarr.json").read_text())
    assert "pixels" in group["consolidated_metadata"]["metadata"]


def test_the_origin_of_each_voxel_is_written_on_request_only(
    array: DicomArray, tmp_path: Path
) -> None:
    lazydicom.to_zarr(array, tmp_path / "plain", name="pixels")
    lazydicom.to_zarr(array, tmp_path / "traced", name="pixels", source=True)
    expected = lazydicom.open_series(tmp_path / "series", source=True).coords

    plain, traced = (xr.open_zarr(tmp_path / name) for name in ("plain", "traced"))

    assert not {"sop_instance_uid", "frame_number"} & set(plain.coords)
    for name in ("sop_instance_uid", "frame_number"):
        np.testing.assert_array_equal(traced[name], expected[name].values)
        assert traced[name].dims == ("time", "echo", "z")
    assert lazydicom.verify(tmp_path / "traced").ok
    with pytest.raises(ValueError, match="needs a name"):
        lazydicom.to_zarr(array, tmp_path / "other", source=True)
