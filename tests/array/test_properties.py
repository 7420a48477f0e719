"""What holds for every native layout and every index expression."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pytest
from dicom_files import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    make_native,
    stored_pixels,
)
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from index_expressions import index_expressions
from traced_memory import traced

import lazydicom
from lazydicom._array.array import DicomArray
from lazydicom._array.grid import FrameGrid, stack_grid
from lazydicom._array.selection import as_slice
from lazydicom._open.instance import stack_frames

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SYNTAXES: Final = (EXPLICIT_LITTLE, EXPLICIT_BIG, IMPLICIT_LITTLE, DEFLATED)
GRAY: Final = stored_pixels(number_of_frames=6, rows=4, columns=5)
COLOR: Final = stored_pixels(
    number_of_frames=4, rows=3, columns=2, samples_per_pixel=3, bits_allocated=8
)


@st.composite
def geometries(draw: st.DrawFn) -> dict[str, Any]:
    """Draw what an Image Pixel module may say."""
    geometry: dict[str, Any] = {
        "number_of_frames": draw(st.integers(1, 9)),
        "rows": draw(st.integers(1, 6)),
        "columns": draw(st.integers(1, 6)),
        "transfer_syntax": draw(st.sampled_from(SYNTAXES)),
    }
    keyword = draw(
        st.sampled_from(["PixelData"] * 4 + ["FloatPixelData", "DoubleFloatPixelData"])
    )
    if keyword != "PixelData":
        return geometry | {"keyword": keyword}
    bits = draw(st.sampled_from((1, 8, 16, 32, 64)))
    signed = draw(st.integers(0, 1))
    geometry |= {
        "bits_allocated": bits,
        "bits_stored": draw(st.integers(min(1 + signed, bits), bits)),
        "pixel_representation": signed,
    }
    if draw(st.booleans()):
        geometry |= {
            "samples_per_pixel": 3,
            "planar_configuration": draw(st.integers(0, 1)),
        }
    return geometry


@settings(max_examples=100)
@given(geometry=geometries(), words=st.booleans())
@example(
    geometry={
        "number_of_frames": 3, "rows": 3, "columns": 3, "bits_allocated": 8,
        "transfer_syntax": EXPLICIT_BIG,
    },
    words=True,
)  # fmt: skip
def test_every_layout_gives_back_its_pixels(
    geometry: dict[str, Any], words: bool
) -> None:
    small = geometry.get("bits_allocated", 64) <= 8
    pixels = stored_pixels(**geometry)
    file = make_native(pixels, vr="OW" if words and small else None, **geometry)

    array = lazydicom.open_image(file)

    assert array.dtype == pixels.dtype
    assert array.shape == pixels.shape
    assert np.array_equal(array, pixels)
    for k in range(len(pixels)):
        assert np.array_equal(array[k], pixels[k])
    assert np.array_equal(array[::-2], pixels[::-2])


@settings(max_examples=100)
@given(geometry=geometries(), garbage=st.binary(min_size=1, max_size=8))
def test_bits_above_bits_stored_never_come_out(
    geometry: dict[str, Any], garbage: bytes
) -> None:
    assume(geometry.get("bits_allocated", 1) > 1)
    pixels = stored_pixels(**geometry)
    unsigned = pixels.view(f"u{pixels.dtype.itemsize}")
    above = np.resize(np.frombuffer(garbage, np.uint8), pixels.nbytes)
    mask = unsigned.dtype.type((1 << geometry["bits_stored"]) - 1)
    dirty = unsigned & mask | above.view(unsigned.dtype).reshape(pixels.shape) & ~mask

    array = lazydicom.open_image(make_native(dirty.view(pixels.dtype), **geometry))

    assert np.array_equal(array, pixels)


@settings(max_examples=100)
@given(rows=st.integers(1, 5), pairs=st.integers(1, 4), frames=st.integers(1, 4))
def test_subsampled_frames_repeat_the_chrominance_of_each_pair(
    rows: int, pairs: int, frames: int
) -> None:
    stored = np.arange(frames * rows * pairs * 4, dtype=np.uint8)
    luma, cb, cr = np.split(stored.reshape(frames, rows, pairs, 4), (2, 3), axis=3)
    full = np.stack([luma, cb.repeat(2, 3), cr.repeat(2, 3)], axis=-1)
    file = make_native(
        number_of_frames=frames,
        rows=rows,
        columns=2 * pairs,
        samples_per_pixel=3,
        bits_allocated=8,
        photometric_interpretation="YBR_FULL_422",
        pixel_bytes=stored.tobytes(),
    )

    array = lazydicom.open_image(file, color="stored")

    assert np.array_equal(array, full.reshape(frames, rows, 2 * pairs, 3))


def test_subsampled_frames_have_no_bits_above_bits_stored() -> None:
    file = make_native(
        number_of_frames=1,
        rows=1,
        columns=2,
        samples_per_pixel=3,
        bits_allocated=8,
        bits_stored=7,
        photometric_interpretation="YBR_FULL_422",
        pixel_bytes=bytes([129, 2, 131, 4]),
    )

    array = lazydicom.open_image(file, color="stored")

    assert array[0].tolist() == [[[1, 3, 4], [2, 3, 4]]]


def _arrays() -> dict[str, tuple[DicomArray, NDArray[Any]]]:
    """Give arrays of every kind of grid with what they hold."""
    gray, color = (
        lazydicom.open_image(make_native(GRAY)),
        lazydicom.open_image(
            make_native(COLOR, bits_allocated=8, planar_configuration=1)
        ),
    )
    several = tuple(
        lazydicom.open_image(make_native(part)).images[0]
        for part in np.split(GRAY, (1, 4))
    )
    grid = stack_grid(2, 3)
    mixed = FrameGrid(np.array([[5, 0], [2, 2], [4, 1]]))
    dims = ("time", "z", "y", "x")
    return {
        "gray": (gray, GRAY),
        "color": (color, COLOR),
        "grid": (DicomArray(several, grid, dims), GRAY.reshape(2, 3, 4, 5)),
        "mixed": (DicomArray(several, mixed, dims), GRAY[mixed.numbers]),
    }


ARRAYS: Final = _arrays()


@pytest.mark.parametrize("kind", ARRAYS)
@settings(max_examples=60)
@given(data=st.data())
def test_every_index_expression_gives_what_numpy_gives(
    kind: str, data: st.DataObject
) -> None:
    array, values = ARRAYS[kind]
    key = data.draw(index_expressions(values.shape))

    try:
        expected = values[key]
    except IndexError:
        with pytest.raises(IndexError):
            array[key]
        return
    try:
        result = array[key]
    except IndexError as error:  # where nothing is read, NumPy does not look
        if expected.size or "out of bounds" not in str(error):
            raise
        return

    assert type(result) is type(expected)
    assert result.dtype == expected.dtype
    assert result.shape == expected.shape
    assert np.array_equal(result, expected)


@pytest.mark.parametrize("kind", ARRAYS)
@settings(max_examples=40)
@given(data=st.data(), order=st.sampled_from("CF"))
def test_every_index_expression_fills_a_preallocated_result(
    kind: str, data: st.DataObject, order: Literal["C", "F"]
) -> None:
    array, values = ARRAYS[kind]
    key = data.draw(index_expressions(values.shape))
    try:
        expected = np.asarray(values[key])
    except IndexError:
        assume(False)
    out = np.full(expected.shape, 99, values.dtype, order=order)

    try:
        result = array.read(key, out=out)
    except IndexError:  # where nothing is read, NumPy does not look
        assume(False)

    assert result is out
    assert np.array_equal(out, expected)


def test_frames_are_decoded_straight_into_a_preallocated_result() -> None:
    pixels = stored_pixels(number_of_frames=64, rows=99, columns=99)
    array = lazydicom.open_image(make_native(pixels))
    out = np.empty_like(pixels)
    array.read(..., out=out)

    _, peak = traced(lambda: array.read(..., out=out))

    assert np.array_equal(out, pixels)
    assert peak < out.nbytes / 10


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (np.empty((2, 4, 5), np.uint16), "of shape"),
        (np.empty((1, 3, 4, 5), np.uint16), "of shape"),
        (np.empty((3, 4, 5), np.int16), "of dtype"),
        (np.frombuffer(bytes(120), np.uint16).reshape(3, 4, 5), "read-only"),
    ],
)
def test_a_preallocated_result_of_another_form_is_refused(
    out: NDArray[Any], message: str
) -> None:
    array, _ = ARRAYS["gray"]

    with pytest.raises(ValueError, match=message):
        array.read(slice(3), out=out)


@pytest.mark.parametrize(
    "key",
    [
        None,
        True,
        np.False_,
        1.0,
        "x",
        [0.5],
        np.zeros(3),
        np.zeros(0),
        (..., ...),
        b"a",
        {},
    ],
)
def test_what_is_no_index_is_an_index_error(key: Any) -> None:  # noqa: ANN401
    array, _ = ARRAYS["gray"]

    with pytest.raises(IndexError):
        array[key]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.uint16, np.uint64])
def test_positions_of_a_small_type_index_a_long_axis(dtype: type[np.integer]) -> None:
    values = stored_pixels(number_of_frames=300)
    array = lazydicom.open_image(make_native(values))
    key = np.array([100, 3], dtype) * dtype(-1 if dtype is np.int8 else 1)

    assert np.array_equal(array[key], values[key])


@pytest.mark.parametrize(
    "positions", [range(-1, 2, -1), range(-1, -1, -1), range(2, 2), range(3, 0, -2)]
)
def test_a_range_as_a_slice_takes_what_the_range_names(positions: range) -> None:
    assert np.arange(5)[as_slice(positions)].tolist() == list(positions)


@pytest.mark.parametrize("key", [0, slice(0, 2), ..., (0, 0), [1, 1]])
def test_a_result_is_writeable_and_nobody_elses(key: Any) -> None:  # noqa: ANN401
    array, values = ARRAYS["gray"]

    array[key][...] = 0

    assert np.array_equal(array[key], values[key])


def test_iterating_gives_the_frames() -> None:
    array, values = ARRAYS["gray"]

    frames = list(array)

    assert len(frames) == len(array) == len(values)
    assert np.array_equal(frames, values)


@settings(max_examples=50)
@given(geometry=geometries())
def test_pickling_changes_nothing(geometry: dict[str, Any]) -> None:
    array = lazydicom.open_image(make_native(**geometry))

    again = pickle.loads(pickle.dumps(array))

    assert np.array_equal(again, array)
    assert (again.dims, again.attrs) == (array.dims, array.attrs)
    assert np.array_equal(again.images[0].index.offsets, array.images[0].index.offsets)
    assert again.images[0].header.image_pixel == array.images[0].header.image_pixel
    assert again.__dask_tokenize__()[1] == array.__dask_tokenize__()[1]


def test_a_pickled_array_of_a_file_is_small(tmp_path: Path) -> None:
    path = tmp_path / "many.dcm"
    path.write_bytes(make_native(number_of_frames=5000, rows=2, columns=2))

    array = lazydicom.open_image(path)

    assert len(pickle.dumps(array)) < 2000


def test_array_follows_the_copy_semantics_of_numpy_2() -> None:
    array, values = ARRAYS["gray"]

    assert np.array_equal(np.asarray(array), values)
    assert np.array_equal(np.array(array, copy=True), values)
    assert np.asarray(array, dtype=np.float32).dtype == np.float32
    assert np.array(array).flags.writeable
    with pytest.raises(ValueError, match="copy"):
        np.asarray(array, copy=False)


def test_an_array_has_no_copy_method_that_dask_would_call() -> None:
    assert not hasattr(ARRAYS["gray"][0], "copy")


def test_a_stack_is_the_grid_of_one_image() -> None:
    image = ARRAYS["gray"][0].images[0]

    assert np.array_equal(stack_frames(image), GRAY)
