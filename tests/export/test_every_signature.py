"""Every export over one real file of each shape, type, colour and kind of Pixel Data."""

from __future__ import annotations

import warnings
from functools import cache
from itertools import islice, product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
import zarr
from command_line import run
from noting import noting
from real_files import first_of_each_series, names_of_all, real_file
from routes import read_references

import lazydicom
from lazydicom.errors import LazyDicomError, LazyDicomWarning, UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lazydicom import DicomArray

pytestmark = pytest.mark.filterwarnings(
    "ignore::lazydicom.errors.LazyDicomWarning",
    "ignore:Consolidated metadata:UserWarning",
)


FEW = pytest.mark.parametrize("count", [2, pytest.param(99, marks=pytest.mark.heavy)])
"""The command line exports as the function does: two signatures of each shape are enough."""


def open_quietly(path: Path) -> DicomArray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LazyDicomWarning)
        return lazydicom.open_image(path)


def signature(array: DicomArray) -> str:
    pixel, syntax = array.images[0].format.pixel, array.images[0].format.transfer_syntax
    words = (
        "frames" if len(array) > 1 else "frame",
        array.dtype,
        array.dims[-1],
        pixel.photometric_interpretation,
        "odd" if any(length % 2 for length in array.shape[1:3]) else "even",
        "native" if syntax.native else "encapsulated",
    )
    return "-".join(map(str, words)).replace(" ", "_")


@cache
def files() -> dict[str, Path]:
    """Find the smallest file of each signature."""
    smallest: dict[str, tuple[int, str, Path]] = {}
    for path in map(real_file, first_of_each_series(names_of_all())):
        try:
            array = open_quietly(path)
            if array.nbytes < smallest.get(signature(array), (1 << 40,))[0]:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", LazyDicomWarning)
                    array[0]  # some are made to be opened, not to be decoded
        except LazyDicomError:
            continue
        candidate = (array.nbytes, str(path), path)
        key = signature(array)
        smallest[key] = min(smallest.get(key, candidate), candidate)
    return {key: path for key, (_, _, path) in smallest.items()}


SHAPES = list(product(("frame", "frames"), ("x", "sample"), ("native", "encapsulated")))
NO_IMAGE = ("no place for the axes frame", "No volume image of a slide, found LABEL")


@pytest.fixture(params=SHAPES, ids=" ".join)
def paths(request: pytest.FixtureRequest) -> dict[str, Path]:
    """Give the files of one shape, by the signature."""
    words = {key: key.split("-") for key in files()}
    return {
        key: files()[key]
        for key, (frames, _, last, *_, kind) in sorted(words.items())
        if (frames, last, kind) == request.param
    }


@cache
def pixels(path: Path) -> NDArray[Any]:
    return np.asarray(open_quietly(path))


def test_a_zarr_copy_holds_the_pixels(paths: dict[str, Path], tmp_path: Path) -> None:
    for name, path in paths.items():
        with noting(signature=name):
            array = open_quietly(path)

            report = lazydicom.to_zarr(array, tmp_path / name, name="pixels")

            copy: Any = zarr.open_group(report.url, mode="r")["pixels"]
            np.testing.assert_array_equal(np.asarray(copy[...]), pixels(path))
            assert lazydicom.verify(report.url, array).ok


def test_the_finest_level_of_an_ome_zarr_copy_holds_the_pixels(
    paths: dict[str, Path], tmp_path: Path
) -> None:
    for name, path in paths.items():
        with noting(signature=name):
            array, copy = open_quietly(path), tmp_path / name
            if array.dims[-1] == "sample" and len(array) > 1:
                with pytest.raises(UnsupportedError, match="no place for the axes"):
                    lazydicom.to_ome_zarr(array, copy)
                assert not any(tmp_path.iterdir())
            else:
                assert_levels_hold_the_pixels(array, path, copy)


def assert_levels_hold_the_pixels(array: DicomArray, path: Path, copy: Path) -> None:
    report = lazydicom.to_ome_zarr(array, copy)

    finest = np.asarray(zarr.open_array(f"{report.url}/0", mode="r")[...])
    expected = pixels(path)
    if array.dims[-1] == "sample":
        expected = np.moveaxis(expected[0], -1, 0)
    np.testing.assert_array_equal(finest, expected.reshape(finest.shape))
    planes = 3 if array.dims[-1] == "sample" else len(array)
    assert finest.ndim == (2 if planes == 1 else 3)
    assert lazydicom.verify(report.url).ok
    assert lazydicom.verify(report.url, array).ok


def test_references_lead_to_the_pixels_or_are_refused(
    paths: dict[str, Path], tmp_path: Path
) -> None:
    for name, path in paths.items():
        array, place = open_quietly(path), tmp_path / f"{name}.json"
        with noting(signature=name):
            try:
                lazydicom.to_references(array, place)
            except UnsupportedError:
                assert not place.exists()
                syntax = array.images[0].format.transfer_syntax
                assert "deflated" in syntax.name.lower()
            else:
                np.testing.assert_array_equal(read_references(str(place)), pixels(path))


def test_a_zarr_view_holds_the_pixels(paths: dict[str, Path]) -> None:
    for name, path in paths.items():
        with noting(signature=name):
            view = zarr.open_array(lazydicom.ZarrStore(open_quietly(path)), mode="r")

            np.testing.assert_array_equal(np.asarray(view[...]), pixels(path))


def test_xarray_writes_and_reads_the_pixels(
    paths: dict[str, Path], tmp_path: Path
) -> None:
    for name, path in paths.items():
        with noting(signature=name):
            array = open_quietly(path)
            stored = lazydicom.to_xarray(array)
            stored.attrs, stored.encoding = {}, {}
            same = stored.dtype == array.dtype
            expected = pixels(path) if same else stored.values
            stored.to_dataset(name="pixels").to_zarr(tmp_path / name, zarr_format=3)

            dataset = xr.open_zarr(tmp_path / name, mask_and_scale=False)
            np.testing.assert_array_equal(dataset["pixels"].values, expected)


@FEW
def test_the_command_line_exports_and_verifies(
    paths: dict[str, Path], count: int, tmp_path: Path
) -> None:
    for name, path in islice(paths.items(), count):
        copy = tmp_path / name
        with noting(signature=name):
            exported, verified = run("export", path, copy), run("verify", copy, path)

            assert (exported.exit_code, verified.exit_code) == (0, 0), exported.output
            np.testing.assert_array_equal(
                np.asarray(zarr.open_array(copy, mode="r")[...]), pixels(path)
            )


@FEW
def test_the_command_line_exports_and_verifies_images_with_levels(
    paths: dict[str, Path], count: int, tmp_path: Path
) -> None:
    for name, path in islice(paths.items(), count):
        copy = tmp_path / name
        with noting(signature=name):
            exported = run("export", "--ome", path, copy)

            if exported.exit_code:
                assert any(reason in exported.output for reason in NO_IMAGE)
                assert not copy.exists()
            else:
                assert run("verify", copy).exit_code == 0
                assert run("verify", copy, path).exit_code == 0
