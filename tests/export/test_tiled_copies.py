"""Copies of a plane that frames tile: read tile by tile, cropped to its extent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from dicom_files import make_native

import lazydicom
from lazydicom._array.grid import FrameGrid, Tiles

if TYPE_CHECKING:
    from pathlib import Path

    from lazydicom import DicomArray

TILES = np.random.default_rng(1).integers(0, 4000, (6, 16, 20), np.uint16)
PLANE = np.block([list(TILES[:3]), list(TILES[3:])])[:30, :55]


@pytest.fixture
def array() -> DicomArray:
    stack = lazydicom.open_image(make_native(TILES))
    grid = FrameGrid(np.arange(6).reshape(2, 3), Tiles((16, 20), (30, 55)))
    return replace(stack, grid=grid, dims=("y", "x"), coords={})


@pytest.mark.parametrize(
    ("options", "chunks"),
    [
        ({}, (30, 55)),
        ({"chunks": 1}, (16, 20)),
        ({"chunks": 4}, (30, 40)),
        ({"chunks": -1}, (30, 55)),
        ({"chunks": 1, "shards": 4}, (16, 20)),
        ({"chunks": (7, 9)}, (7, 9)),
    ],
)
def test_a_number_counts_tiles_and_lengths_count_pixels(
    options: dict[str, Any], chunks: tuple[int, ...], array: DicomArray, tmp_path: Path
) -> None:
    report = lazydicom.to_zarr(array, tmp_path / "a", **options)

    assert report.chunks == chunks
    np.testing.assert_array_equal(zarr.open_array(report.url, mode="r")[...], PLANE)
    assert lazydicom.verify(report.url, array).ok
    assert lazydicom.verify(report.url).ok


def test_a_tile_that_differs_is_named_by_its_frame(
    array: DicomArray, tmp_path: Path
) -> None:
    lazydicom.to_zarr(array, tmp_path / "a", chunks=1, compressors="none")
    path = tmp_path / "a" / "c" / "1" / "1"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")

    without, with_source = (
        lazydicom.verify(tmp_path / "a"),
        lazydicom.verify(tmp_path / "a", array),
    )

    assert [one.frame for one in without.differences] == [4]
    assert [one.frame for one in with_source.differences] == [4]


def test_levels_of_a_tiled_plane_begin_with_the_plane(
    array: DicomArray, tmp_path: Path
) -> None:
    report = lazydicom.to_ome_zarr(array, tmp_path / "a", levels=3)

    assert report.shapes == ((30, 55), (15, 28), (8, 14))
    finest = zarr.open_array(tmp_path / "a" / "0", mode="r")
    np.testing.assert_array_equal(finest[...], PLANE)
    assert lazydicom.verify(tmp_path / "a", array).ok
