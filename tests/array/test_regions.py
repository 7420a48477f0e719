"""A region of native frames costs its rows, and holds the values that NumPy gives."""

from __future__ import annotations

import os
import pickle
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from counting import open_counted
from dicom_files import EXPLICIT_BIG, make_native, stored_pixels
from hypothesis import given, settings
from hypothesis import strategies as st
from noting import noting
from range_server import RangeServer

import lazydicom
from lazydicom.errors import SourceChangedError

if TYPE_CHECKING:
    from pathlib import Path

PLANE: dict[str, Any] = {"rows": 9, "columns": 11, "number_of_frames": 12}
LAYOUTS: dict[str, dict[str, Any]] = {
    "16 bits": {},
    "12 of 16 bits, signed": {"bits_stored": 12, "pixel_representation": 1},
    "big endian": {"transfer_syntax": EXPLICIT_BIG},
    "8 bits": {"bits_allocated": 8},
    "32 bits": {"bits_allocated": 32},
    "RGB": {"bits_allocated": 8, "samples_per_pixel": 3},
    "RGB by plane": {
        "bits_allocated": 8,
        "samples_per_pixel": 3,
        "planar_configuration": 1,
    },
    "1 bit": {"bits_allocated": 1},
}
FILES = {name: make_native(**PLANE, **more) for name, more in LAYOUTS.items()}


def axis(length: int) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.integers(-length, length - 1),
        st.slices(length),
        st.lists(st.integers(0, length - 1), min_size=1, max_size=4),
    )


@pytest.mark.parametrize("layout", LAYOUTS)
@given(frames=st.slices(12), rows=axis(9), columns=axis(11), samples=axis(3))
@settings(max_examples=60)
def test_a_region_holds_what_numpy_gives(
    layout: str,
    frames: slice,
    rows: Any,  # noqa: ANN401
    columns: Any,  # noqa: ANN401
    samples: Any,  # noqa: ANN401
) -> None:
    array = lazydicom.open_image(FILES[layout])
    pixels = stored_pixels(**PLANE, **LAYOUTS[layout])
    key = (frames, rows, columns, samples)[: array.ndim]
    if sum(isinstance(one, list) for one in key) > 1:
        key = (frames, rows)

    assert np.array_equal(array[key], pixels[key])


REGIONS: list[Any] = [
    (slice(None), 4, 5),
    (slice(None), slice(2, 5), slice(3, 7)),
    (slice(3, 9), slice(6, 2, -2), slice(None)),
    (slice(None), slice(2, 6, 3), slice(8, 1, -3)),
    (slice(None), [1, 4], slice(2, 4)),
]


@pytest.mark.parametrize("layout", ["16 bits", "big endian", "RGB", "32 bits"])
@pytest.mark.parametrize("key", REGIONS, ids=str)
def test_only_the_bytes_from_its_first_to_its_last_pixel_are_read(
    layout: str,
    key: Any,  # noqa: ANN401
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    array, counter = open_counted(monkeypatch, FILES[layout])
    pixel = array.images[0].format.pixel
    numbers = np.arange(12 * 9 * 11).reshape(12, 9, 11)[key]
    places = [numbers[number].ravel() for number in range(len(numbers))]
    size = pixel.frame_nbytes // (9 * 11)

    array[key]

    lengths = [(int(one.max()) - int(one.min()) + 1) * size for one in places]
    assert sorted(span.length for span in counter.spans) == sorted(lengths)
    assert counter.bytes_read == array.plan(key).read_nbytes


@pytest.mark.parametrize("rows", [slice(30, 31), slice(100, 164)])
def test_far_away_it_costs_little_more_than_its_rows(rows: slice) -> None:
    pixels = np.random.default_rng(1).integers(0, 4096, (20, 512, 512), np.uint16)
    with RangeServer({"a.dcm": make_native(pixels)}) as server:
        array = lazydicom.open_image(server.url("a.dcm"))
        server.forget()

        region = array[:, rows, 40:60]

        assert np.array_equal(region, pixels[:, rows, 40:60])
        assert server.bytes_sent <= 1.2 * 20 * (rows.stop - rows.start) * 1024
        assert len(server.requests) <= 20


@pytest.mark.parametrize("local", ["pread", "mmap"])
def test_a_local_region_is_the_same_however_it_is_read(
    local: Any,  # noqa: ANN401
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(FILES["12 of 16 bits, signed"])
    pixels = stored_pixels(**PLANE, **LAYOUTS["12 of 16 bits, signed"])
    array = lazydicom.open_image(path, local=local)
    out = np.empty((12, 3, 4), array.dtype)

    assert np.array_equal(array[:, 4, 5], pixels[:, 4, 5])
    assert np.array_equal(array[[7, 2, 2], 4:6], pixels[[7, 2, 2], 4:6])
    assert np.array_equal(
        array.read((slice(None), slice(2, 5), slice(3, 7)), out=out),
        pixels[:, 2:5, 3:7],
    )
    assert np.array_equal(pickle.loads(pickle.dumps(array))[5, 1:3], pixels[5, 1:3])


MANY: dict[str, Any] = {"rows": 40, "columns": 30, "number_of_frames": 70}
KEYS: list[Any] = [
    np.s_[:, 4, 5],
    np.s_[::-1, 2:5, 3:7],
    np.s_[3:60:2, 6:2:-2],
    np.s_[[*range(0, 40, 3), *range(41, 70)], 1:3, 2],
    np.s_[::-3, [1, 20], 2:4],
    np.s_[:, 2:25, ::7],
]


@pytest.mark.parametrize("written", [False, True], ids=["leased", "being written"])
@pytest.mark.parametrize("local", ["pread", "mmap"])
@pytest.mark.parametrize("layout", ["12 of 16 bits, signed", "big endian", "RGB"])
def test_regions_of_many_frames_are_the_same_by_map_and_by_read(
    layout: str,
    local: Any,  # noqa: ANN401
    tmp_path: Path,
    *,
    written: bool,
) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(make_native(**MANY, **LAYOUTS[layout]))
    pixels = stored_pixels(**MANY, **LAYOUTS[layout])
    array = lazydicom.open_image(path, local=local)

    with path.open("r+b") if written else nullcontext():
        for key in KEYS:
            assert np.array_equal(array[key], pixels[key])


@pytest.mark.parametrize("left", [0, 300, 1500])
def test_a_file_that_was_cut_is_an_error(left: int, tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(FILES["16 bits"])
    array = lazydicom.open_image(path)
    os.truncate(path, left)

    for key in ((slice(None), 4, 5), (0, slice(1, 3)), (11, slice(1, 3), 2)):
        with pytest.raises(SourceChangedError, match=r"a\.dcm"):
            array[key]


@pytest.mark.parametrize("left", [0, 300, 150_000])
def test_many_frames_of_a_file_that_was_cut_are_an_error(
    left: int, tmp_path: Path
) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(make_native(**MANY))
    array = lazydicom.open_image(path)
    os.truncate(path, left)

    for key in KEYS:
        with pytest.raises(SourceChangedError, match=r"a\.dcm"):
            array[key]


def test_a_region_over_several_files_is_read_from_each(tmp_path: Path) -> None:
    from series_files import write_volume

    write_volume(tmp_path)
    array = lazydicom.open_series(tmp_path)

    whole = np.asarray(array)

    assert np.array_equal(array[:, 1, 2], whole[:, 1, 2])
    assert np.array_equal(array[::-1, :2, 1:3], whole[::-1, :2, 1:3])


def test_frames_that_are_kept_are_read_as_a_whole() -> None:
    array = lazydicom.open_image(FILES["16 bits"], frame_cache_bytes=1 << 20)
    pixels = stored_pixels(**PLANE)

    assert np.array_equal(array[3, 2:4, 1], pixels[3, 2:4, 1])
    assert np.array_equal(array[3, 2:4, 1], pixels[3, 2:4, 1])


ONE_FRAME: list[Any] = [
    np.s_[3, 4, 5],
    np.s_[3, -1, -30],
    np.s_[3:4],
    np.s_[-1:],
    np.s_[4:3:-1],
    np.s_[5:5],
    np.s_[3, ::-1, 3:9],
    np.s_[3, 2],
    np.s_[-1, :, 4],
    np.s_[3, ..., 1],
    np.s_[3, 5:1:-2, 9:1:-3],
    np.s_[3, 5:5, 2],
    np.s_[3, [1, 2], 2:4],
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_part_of_one_frame_is_of_the_type_and_shape_that_numpy_gives(
    layout: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(make_native(**MANY, **LAYOUTS[layout]))
    pixels = stored_pixels(**MANY, **LAYOUTS[layout])
    array = lazydicom.open_image(path)

    for key in ONE_FRAME:
        with noting(key=key):
            part = array[key]

            assert type(part) is type(pixels[key])
            assert part.dtype == array.dtype
            assert np.array_equal(part, pixels[key])
    for wrong in ((70,), (3, 40), (3, 4, 30), (3, 4, -31), (3, 4, 5, 6, 7)):
        with pytest.raises(IndexError):
            array[wrong]
