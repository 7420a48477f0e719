"""What exports and views take: lazy arrays, arrays of dask and xarray, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import pytest
import xarray as xr
import zarr
from dicom_files import make_native

import lazydicom
from lazydicom.errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lazydicom import DicomArray

PIXELS = np.random.default_rng(3).integers(1, 4096, (6, 8, 10), np.uint16)


@pytest.fixture
def array() -> DicomArray:
    return lazydicom.open_image(make_native(PIXELS))


def labelled() -> xr.DataArray:
    coords = {"z": ("z", np.arange(6) * 2.5, {"units": "mm"}), "kind": "CT"}
    attrs = {"modality": "CT", "patient_name": "Canary"}
    return xr.DataArray(PIXELS, dims=("z", "y", "x"), coords=coords, attrs=attrs)


PLAIN: dict[str, Callable[[], Any]] = {
    "dask": lambda: da.from_array(PIXELS, (2, 8, 10)),
    "dask, cut planes": lambda: da.from_array(PIXELS, (3, 4, 10)),
    "dask, uneven": lambda: da.from_array(PIXELS, ((1, 3, 2), 8, (7, 3))),
    "dask, big endian": lambda: da.from_array(PIXELS.astype(">u2"), (2, 8, 10)),
    "xarray": labelled,
    "xarray of dask": lambda: labelled().chunk({"z": 4}),
}


@pytest.mark.parametrize("name", [None, "pixels"])
@pytest.mark.parametrize("make", PLAIN.values(), ids=PLAIN)
def test_arrays_of_dask_and_xarray_are_copied(
    make: Callable[[], Any], name: str | None, tmp_path: Path
) -> None:
    report = lazydicom.to_zarr(make(), tmp_path / "a.zarr", name=name)

    stored: Any = zarr.open(report.url, mode="r")
    stored = stored if name is None else stored[name]
    np.testing.assert_array_equal(stored[...], PIXELS)
    assert lazydicom.verify(report.url, make()).ok
    assert b"Canary" not in b"".join(
        path.read_bytes() for path in (tmp_path / "a.zarr").rglob("*") if path.is_file()
    )


def test_a_chunk_of_dask_is_a_chunk_of_the_copy(tmp_path: Path) -> None:
    computed = []

    def note(block: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        computed.append(block.shape)
        return block

    values = da.from_array(PIXELS, (2, 8, 10)).map_blocks(note, meta=PIXELS[:0])

    report = lazydicom.to_zarr(values, tmp_path / "a.zarr")

    assert report.chunks == (2, 8, 10)
    assert computed == 3 * [(2, 8, 10)]


def test_coordinates_of_xarray_go_along(tmp_path: Path) -> None:
    lazydicom.to_zarr(labelled(), tmp_path / "a.zarr", name="pixels")

    copy = xr.open_zarr(tmp_path / "a.zarr", consolidated=True)["pixels"]

    np.testing.assert_array_equal(copy["z"], np.arange(6) * 2.5)
    assert copy["z"].attrs["units"] == "mm"
    assert copy.attrs == {"modality": "CT"}


@pytest.mark.parametrize("make", PLAIN.values(), ids=PLAIN)
def test_arrays_of_dask_and_xarray_become_images_with_levels(
    make: Callable[[], Any], tmp_path: Path
) -> None:
    report = lazydicom.to_ome_zarr(make(), tmp_path / "a.zarr", levels=2)

    finest = zarr.open_array(f"{report.url}/0", mode="r")
    np.testing.assert_array_equal(finest[...], PIXELS)
    assert lazydicom.verify(report.url, make()).ok


@pytest.mark.parametrize(
    "values",
    [
        da.from_array(PIXELS[0], (8, 10)),
        xr.DataArray(PIXELS[0], dims=("y", "x")),
        xr.DataArray(PIXELS[0, ..., None] + np.arange(3), dims=("y", "x", "sample")),
    ],
    ids=["dask", "xarray", "colour"],
)
def test_one_plane_is_copied(values: Any, tmp_path: Path) -> None:  # noqa: ANN401
    lazydicom.to_zarr(values, tmp_path / "a.zarr")
    lazydicom.to_ome_zarr(values, tmp_path / "b.zarr")

    assert lazydicom.verify(tmp_path / "a.zarr", values).ok
    assert lazydicom.verify(tmp_path / "b.zarr", values).ok


def test_an_export_of_dask_continues_with_the_same_values_only(tmp_path: Path) -> None:
    def stop(*_: int) -> None:
        raise KeyboardInterrupt

    values = da.from_array(PIXELS, (2, 8, 10))
    with pytest.raises(KeyboardInterrupt):
        lazydicom.to_zarr(values, tmp_path / "a", progress=stop, workers=1)

    with pytest.raises(ExportError, match="another source"):
        lazydicom.to_zarr(values + 1, tmp_path / "a", resume=True)
    report = lazydicom.to_zarr(values, tmp_path / "a", resume=True)
    assert report.kept_chunks > 0
    assert lazydicom.verify(tmp_path / "a", values).ok


def test_without_files_there_are_no_origins_and_headers(tmp_path: Path) -> None:
    values = da.from_array(PIXELS, (2, 8, 10))

    with pytest.raises(ValueError, match="frames of files"):
        lazydicom.to_zarr(values, tmp_path / "a", name="pixels", source=True)
    with pytest.raises(ValueError, match="metadata='full' needs"):
        lazydicom.to_zarr(values, tmp_path / "a", metadata="full")
    with pytest.raises(TypeError, match="to_references takes arrays of files"):
        lazydicom.to_references(values, tmp_path / "a.json")
    assert not any(tmp_path.iterdir())


TAKERS: dict[str, Callable[..., Any]] = {
    "to_zarr": lazydicom.to_zarr,
    "to_ome_zarr": lazydicom.to_ome_zarr,
    "to_references": lambda values, place: lazydicom.to_references(
        values, f"{place}.json"
    ),
    "to_dask": lambda values, _: lazydicom.to_dask(values),
    "to_xarray": lambda values, _: lazydicom.to_xarray(values),
    "ZarrStore": lambda values, _: lazydicom.ZarrStore(values),
}
OTHERS: dict[str, Any] = {
    "path": "folder",
    "bytes": b"DICM",
    "numpy": PIXELS,
    "study": {"1-CT": None},
    "nothing": None,
    "number": 7,
}


@pytest.mark.parametrize("taker", TAKERS)
@pytest.mark.parametrize("values", OTHERS.values(), ids=OTHERS)
def test_anything_else_is_a_type_error_that_says_what_is_taken(
    taker: str,
    values: Any,  # noqa: ANN401
    tmp_path: Path,
) -> None:
    with pytest.raises(TypeError, match=f"{taker} takes"):
        TAKERS[taker](values, tmp_path / "a")

    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("taker", TAKERS)
def test_a_list_of_arrays_is_named(
    taker: str, array: DicomArray, tmp_path: Path
) -> None:
    if taker in {"to_ome_zarr", "to_xarray"}:
        pytest.skip("it takes a list of levels")

    with pytest.raises(TypeError, match=f"{taker} takes"):
        TAKERS[taker]([array], tmp_path / "a")


@pytest.mark.parametrize(
    ("values", "error"),
    [
        (da.ones((4, 8, 8), dtype=bool), TypeError),
        (da.ones((4, 8, 8), dtype="complex64"), TypeError),
        (da.ones(4, dtype="u1"), ValueError),
        (da.ones((4, 4), dtype="u1")[da.ones(4) > 0], ValueError),
        (xr.DataArray(["a", "b"]), TypeError),
        (xr.DataArray(np.zeros((4, 3), "u1"), dims=("x", "sample")), ValueError),
    ],
    ids=["bool", "complex", "one axis", "unknown length", "text", "one row"],
)
def test_arrays_that_are_no_images_are_refused(
    values: Any,  # noqa: ANN401
    error: type[Exception],
    tmp_path: Path,
) -> None:
    with pytest.raises(error, match="Expected"):
        lazydicom.to_zarr(values, tmp_path / "a")

    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("taker", ["to_zarr", "to_ome_zarr", "to_references", "verify"])
def test_an_unknown_keyword_is_a_type_error(
    taker: str, array: DicomArray, tmp_path: Path
) -> None:
    function = getattr(lazydicom, taker)

    with pytest.raises(TypeError, match="chunkz"):
        function(array, tmp_path / "a.json", chunkz=1)


EVERY = ("to_zarr", "to_ome_zarr", "verify")


@pytest.mark.parametrize(
    ("takers", "options", "error"),
    [
        (EVERY, {"workers": 0}, ValueError),
        (EVERY, {"workers": -1}, ValueError),
        (EVERY, {"workers": "2"}, TypeError),
        (EVERY, {"workers": True}, TypeError),
        (EVERY, {"progress": 3}, TypeError),
        ((*EVERY, "to_references"), {"storage_options": "key"}, TypeError),
        (("to_zarr", "verify"), {"memory_limit": "1G"}, TypeError),
        (("to_zarr", "verify"), {"memory_limit": 0}, ValueError),
        (("to_zarr", "to_references"), {"name": 3}, TypeError),
        (("to_zarr", "to_ome_zarr"), {"chunks": "x"}, ValueError),
        (("to_zarr",), {"shards": (0, 1, 1)}, ValueError),
        (("to_ome_zarr",), {"levels": "2"}, TypeError),
        (("to_ome_zarr",), {"levels": 0}, ValueError),
        (("to_ome_zarr",), {"method": "median"}, ValueError),
        (("to_zarr",), {"metadata": "all"}, ValueError),
    ],
    ids=str,
)
def test_an_error_names_the_argument(
    takers: tuple[str, ...],
    options: dict[str, Any],
    error: type[Exception],
    array: DicomArray,
    tmp_path: Path,
) -> None:
    place = tmp_path / "a.json"

    for taker in takers:
        first, second = (place, array) if taker == "verify" else (array, place)
        with pytest.raises(error, match=f"Expected.*{next(iter(options))}"):
            getattr(lazydicom, taker)(first, second, **options)

    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("store", [None, 7, b"a.zarr", PIXELS])
def test_what_is_no_store_is_a_type_error(
    store: Any,  # noqa: ANN401
    array: DicomArray,
) -> None:
    with pytest.raises(TypeError, match="Expected store: a path, a URL or a store"):
        lazydicom.to_zarr(array, store)
    with pytest.raises(TypeError, match="Expected store: a path, a URL or a store"):
        lazydicom.verify(store)


@pytest.mark.parametrize("compressors", ["lz4", None, 3, {"zstd"}])
def test_codecs_that_nobody_knows_are_named(
    compressors: Any,  # noqa: ANN401
    array: DicomArray,
    tmp_path: Path,
) -> None:
    with pytest.raises(ValueError, match="Expected one of zstd, blosc, gzip, none"):
        lazydicom.to_zarr(array, tmp_path / "a", compressors=compressors)


def test_an_unknown_option_of_a_filesystem_is_named(array: DicomArray) -> None:
    options = {"keyy": "x", "endpoint_url": "http://127.0.0.1:9"}

    with pytest.raises(ExportError, match=r"storage_options has what .* 'keyy'"):
        lazydicom.to_zarr(array, "s3://bucket/a.zarr", storage_options=options)
