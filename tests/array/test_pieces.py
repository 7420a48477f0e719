"""Planes of tiles: every region equals the whole, each tile is read and decoded once."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from index_expressions import index_expressions
from tiled_arrays import tiled_array

import lazydicom
from lazydicom._array.image import DicomImage
from lazydicom.errors import InvalidDicomError


@st.composite
def layouts(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a plane, its tiles and which of them are left out."""
    samples = draw(st.sampled_from((1, 3)))
    outer = draw(st.sampled_from(((), (1,), (2,), (2, 2))))
    fill: Any = draw(st.sampled_from((7, (1, 2, 3)))) if samples == 3 else 7
    return {
        "plane": (draw(st.integers(1, 12)), draw(st.integers(1, 12))),
        "tile": (draw(st.integers(1, 6)), draw(st.integers(1, 6))),
        "outer": outer,
        "samples": samples,
        "coding": draw(st.sampled_from(("native", "JPEG-LS"))),
        "holes": draw(st.sets(st.integers(0, 30), max_size=6)),
        "fill_value": fill,
        "seed": draw(st.integers(0, 3)),
    }


@settings(max_examples=100, deadline=None)
@given(layout=layouts(), data=st.data())
def test_every_region_of_tiles_is_that_of_the_whole(
    layout: dict[str, Any], data: st.DataObject
) -> None:
    array, truth = tiled_array(**layout)
    key = data.draw(index_expressions(truth.shape))
    try:
        expected = truth[key]
    except IndexError:
        with pytest.raises(IndexError):
            array[key]
        return
    try:
        result = array[key]
    except IndexError:  # where nothing is read, NumPy does not look
        assume(False)

    assert array.shape == truth.shape
    assert result.shape == expected.shape
    assert np.array_equal(result, expected)


@settings(max_examples=50, deadline=None)
@given(layout=layouts())
def test_tiles_iterate_pickle_and_chunk_as_the_whole(layout: dict[str, Any]) -> None:
    array, truth = tiled_array(**layout)

    assert np.array_equal(array, truth)
    assert np.array_equal(np.stack(list(array)), truth)
    assert np.array_equal(pickle.loads(pickle.dumps(array)), truth)
    assert np.array_equal(lazydicom.to_dask(array).compute(), truth)
    small = lazydicom.to_dask(array, frames_per_chunk=1)
    assert np.array_equal(small.compute(scheduler="synchronous"), truth)


@pytest.mark.parametrize("key", [np.s_[:], np.s_[5:9, 3:5], np.s_[::-2, ::3], 8])
def test_each_tile_is_decoded_once(
    key: Any,  # noqa: ANN401
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    array, truth = tiled_array(plane=(13, 11), tile=(4, 4), coding="JPEG-LS")
    decoded: list[int] = []
    decode = DicomImage.decode

    def count(self: DicomImage, number: int, *more: Any) -> None:  # noqa: ANN401
        decoded.append(number)
        decode(self, number, *more)

    monkeypatch.setattr(DicomImage, "decode", count)

    result = array[key]

    assert np.array_equal(result, truth[key])
    assert len(decoded) == len(set(decoded))
    assert len(decoded) == array.plan(key).frames


def test_only_tiles_that_are_touched_are_read() -> None:
    array, _ = tiled_array(plane=(40, 40), tile=(10, 10))

    assert array.plan(np.s_[0:10, 0:10]).frames == 1
    assert array.plan(np.s_[9:11, 9:11]).frames == 4
    assert array.plan(np.s_[35]).frames == 4
    assert array.plan(...).frames == 16


def test_a_tile_that_is_missing_is_an_error_where_no_value_is_given() -> None:
    array, truth = tiled_array(plane=(8, 8), tile=(4, 4), holes={3})

    assert np.array_equal(array[:4], truth[:4])
    with pytest.raises(InvalidDicomError, match="1 frames asked for are missing"):
        array[4:, 4:]


def test_a_tile_lands_in_a_given_result_without_another_copy() -> None:
    array, truth = tiled_array(plane=(12, 12), tile=(4, 4), coding="JPEG-LS")
    out = np.zeros((4, 4), array.dtype)

    assert array.read(np.s_[4:8, 8:12], out=out) is out
    assert np.array_equal(out, truth[4:8, 8:12])


@pytest.mark.parametrize(
    ("frames", "chunk"),
    [(1, (4, 5)), (4, (8, 10)), (7, (8, 15)), (400, (30, 31))],
)
def test_chunks_are_squares_of_whole_tiles(frames: int, chunk: tuple[int, int]) -> None:
    array, _ = tiled_array(plane=(30, 31), tile=(4, 5))

    assert array.chunk_frames(frames) == chunk
    assert array.grid_axes == 2


@settings(max_examples=100, deadline=None)
@given(layout=layouts(), data=st.data())
def test_a_whole_tile_is_read_alone_and_is_that_of_the_whole(
    layout: dict[str, Any], data: st.DataObject
) -> None:
    array, truth = tiled_array(**{**layout, "outer": ()})
    tile = layout["tile"]
    bounds = []
    for axis in range(2):
        first = data.draw(st.integers(-1, truth.shape[axis])) * tile[axis]
        length = data.draw(st.sampled_from((tile[axis], tile[axis] - 1, 0)))
        bounds.append(slice(first, first + length))
    key = tuple(bounds)

    assert array[key].shape == truth[key].shape
    assert np.array_equal(array[key], truth[key])


@pytest.mark.parametrize("stop", [None, 8.0, np.int64(8), True, "8"])
def test_whatever_ends_a_slice_means_what_it_means_to_numpy(stop: object) -> None:
    array, truth = tiled_array(plane=(16, 8), tile=(8, 8))
    key: Any = (slice(0, stop), slice(0, 8))

    try:
        expected = truth[key]
    except TypeError:
        with pytest.raises(TypeError):
            array[key]
        return
    assert np.array_equal(array[key], expected)
