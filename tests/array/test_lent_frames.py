"""Frames of a memory map are views, parts of them are copies, and both ask for the file."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from dicom_files import make_native, stored_pixels

import lazydicom
from lazydicom.errors import LazyDicomError, SourceChangedError

if TYPE_CHECKING:
    from pathlib import Path

GEOMETRY: Final[dict[str, Any]] = {"number_of_frames": 20, "rows": 8, "columns": 6}
KEYS: Final = {
    "a run": slice(3, 9),
    "all": ...,
    "every third": slice(1, None, 3),
    "backwards": slice(None, None, -1),
    "backwards to the first": slice(7, None, -7),
    "none": slice(5, 5),
    "one": slice(4, 5),
    "a region": (slice(2, 18), slice(1, 5), slice(2, 4)),
    "a region backwards": (slice(18, 2, -4), slice(5, None, -2), slice(None, None, -1)),
    "a pixel": (slice(None), 3, 4),
    "a frame": 7,
    "the last": -1,
    "a list": [3, 1, 2, 2, 19],
    "an even list": [2, 4, 6, 8],
    "one frame many times": [5, 5, 5],
    "lists": (slice(4, 9), [0, 3, 3], [1, 2, 0]),
    "a mask": np.arange(20) % 3 == 1,
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.dcm"
    path.write_bytes(make_native(**GEOMETRY))
    return path


@pytest.fixture
def pixels() -> np.ndarray:
    return stored_pixels(**GEOMETRY)


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("threads", [1, None])
def test_an_expression_means_what_it_means_in_numpy(
    path: Path,
    pixels: np.ndarray,
    key: Any,  # noqa: ANN401
    threads: int | None,
) -> None:
    array = lazydicom.open_image(path, local="mmap")

    read = array.read(key, threads=threads)

    assert np.array_equal(read, pixels[key])
    if len(pixels[key]) != 1 and not isinstance(key, int):  # no view of one frame
        assert read.flags.writeable
    part = array.isel(frame=slice(2, None, 3), y=slice(1, None))
    assert np.array_equal(part.read(slice(1, 4), threads=threads), pixels[5:14:3, 1:])


@pytest.mark.parametrize(
    "options",
    [
        {"bits_stored": 12},
        {"bits_allocated": 8, "columns": 5, "rows": 3},
        {"bits_allocated": 8, "samples_per_pixel": 3},
        {"bits_allocated": 8, "samples_per_pixel": 3, "planar_configuration": 1},
        {"bits_allocated": 1},
        {"pixel_representation": 1},
        {"bits_allocated": 32},
    ],
)
def test_every_layout_is_what_a_read_gives(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(make_native(**{**GEOMETRY, **options}))
    array, read = lazydicom.open_image(path, local="mmap"), lazydicom.open_image(path)

    assert np.array_equal(np.stack([array[k] for k in range(20)]), read.read(...))
    for key in (slice(2, 9), (slice(2, 9), slice(1, 3), slice(2, 4))):
        assert np.array_equal(array.read(key, threads=1), read.read(key))


@pytest.mark.parametrize("change", ["cut", "grown", "replaced", "gone"])
@pytest.mark.parametrize("key", [slice(3, 9), (slice(3, 9), slice(1, 3)), 5])
def test_a_file_that_changed_is_an_error(
    path: Path,
    change: str,
    key: Any,  # noqa: ANN401
) -> None:
    array = lazydicom.open_image(path, local="mmap")
    array.read(key, threads=1)

    if change == "replaced":
        other = path.with_name("other.dcm")
        other.write_bytes(path.read_bytes())
        other.replace(path)
    elif change == "gone":
        path.unlink()
    else:
        os.truncate(path, 1000 if change == "cut" else 100_000)

    with pytest.raises(SourceChangedError):
        array.read(key, threads=1)
    with pytest.raises(SourceChangedError):
        array[6]


@pytest.mark.parametrize("number", [-1, 20, 25])
def test_a_view_of_no_frame_is_an_error(path: Path, number: int) -> None:
    array = lazydicom.open_image(path, local="mmap")
    assert not array[3].flags.writeable

    with pytest.raises(LazyDicomError):
        array.images[0].frame(number)


def test_a_view_outlives_its_array(path: Path, pixels: np.ndarray) -> None:
    array = lazydicom.open_image(path, local="mmap")
    view = array[7]
    del array
    gc.collect()

    assert np.array_equal(view, pixels[7])
