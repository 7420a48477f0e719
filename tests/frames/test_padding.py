"""Native frames that are padded one by one, and a last frame that is cut short."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from dicom_files import EXPLICIT_BIG, make_native, stored_pixels
from range_server import RangeServer

import lazydicom
from lazydicom.errors import InvalidDicomError, LazyDicomWarning, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

Pack = "Callable[[NDArray[Any]], bytes]"


def bits_to_bytes(frame: NDArray[Any]) -> bytes:
    return np.packbits(frame.ravel(), bitorder="little").tobytes()


def to_even(data: bytes) -> bytes:
    return data + bytes(len(data) % 2)


def swapped(data: bytes) -> bytes:
    return np.frombuffer(data, ">u2").astype("<u2").tobytes()


LAYOUTS: dict[str, tuple[dict[str, Any], Callable[[NDArray[Any]], bytes], str]] = {
    "1 bit to bytes": ({"bits_allocated": 1}, bits_to_bytes, "byte"),
    "1 bit to words": (
        {"bits_allocated": 1, "rows": 6},
        lambda frame: to_even(bits_to_bytes(frame)),
        "word",
    ),
    "8 bits of odd length": (
        {"bits_allocated": 8},
        lambda frame: to_even(frame.tobytes()),
        "word",
    ),
    "RGB by plane": (
        {"bits_allocated": 8, "samples_per_pixel": 3, "planar_configuration": 1},
        lambda frame: to_even(np.moveaxis(frame, -1, 0).tobytes()),
        "word",
    ),
    "8 bits in big-endian words": (
        {"bits_allocated": 8, "transfer_syntax": EXPLICIT_BIG},
        lambda frame: swapped(to_even(frame.tobytes())),
        "word",
    ),
}
SMALL: dict[str, Any] = {"rows": 3, "columns": 3, "number_of_frames": 7}


def made(layout: str) -> tuple[bytes, NDArray[Any]]:
    changes, pack, _ = LAYOUTS[layout]
    geometry = SMALL | changes
    pixels = stored_pixels(**geometry)
    data = b"".join(pack(frame) for frame in pixels)
    vr = "OW" if "words" in layout and "big" in layout else None
    return make_native(pixel_bytes=to_even(data), vr=vr, **geometry), pixels


@pytest.mark.parametrize("layout", LAYOUTS)
def test_frames_that_are_padded_one_by_one_are_recognised(layout: str) -> None:
    file, pixels = made(layout)

    with pytest.warns(LazyDicomWarning, match="padded to a (byte|word); frame_padding"):
        array = lazydicom.open_image(file)

    assert np.array_equal(array, pixels)
    assert np.array_equal(array[4], pixels[4])
    assert np.array_equal(array[2:6, 1:, 2], pixels[2:6, 1:, 2])
    assert np.array_equal(pickle.loads(pickle.dumps(array))[5], pixels[5])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_caller_may_say_that_frames_are_padded(layout: str) -> None:
    file, pixels = made(layout)

    array = lazydicom.open_image(file, frame_padding=LAYOUTS[layout][2])  # type: ignore[arg-type]

    assert np.array_equal(array, pixels)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_caller_may_say_that_they_are_not(layout: str) -> None:
    file, _ = made(layout)

    with pytest.warns(LazyDicomWarning, match="excess padding|frames are stored"):
        array = lazydicom.open_image(file, frame_padding="none")

    assert len(array) == 7
    assert not array.images[0].format.padded


@pytest.mark.parametrize("layout", LAYOUTS)
def test_padding_that_is_not_zero_is_none(layout: str) -> None:
    file, _ = made(layout)
    start = lazydicom.open_image(file, frame_padding="none").images[0].index.offsets[0]
    length = len(LAYOUTS[layout][1](stored_pixels(**SMALL | LAYOUTS[layout][0])[0]))
    damaged = bytearray(file)
    place = int(start) + 3 * length - (2 if "big" in layout else 1)
    damaged[place] |= 0x80

    array = lazydicom.open_image(bytes(damaged))

    assert not array.images[0].format.padded


pytestmark = pytest.mark.filterwarnings(
    "ignore:.*(excess padding|frames are stored|ends inside)"
)


@pytest.mark.filterwarnings("ignore:Each frame is padded")
def test_padded_frames_are_the_same_far_away_in_an_index_and_mapped(
    tmp_path: Path,
) -> None:
    file, pixels = made("8 bits of odd length")
    path, index = tmp_path / "a.dcm", tmp_path / "a.index"
    path.write_bytes(file)
    lazydicom.save_index(path, index)

    with RangeServer({"a.dcm": file}) as server:
        assert np.array_equal(lazydicom.open_image(server.url("a.dcm")), pixels)
    for options in ({"index": index}, {"local": "mmap"}):
        array = lazydicom.open_image(path, **options)
        assert np.array_equal(array, pixels)
        assert np.array_equal(array[3], pixels[3])
    with pytest.raises(UnsupportedError, match="padded one by one"):
        lazydicom.to_references(lazydicom.open_image(path), tmp_path / "a.json")


# --- a last frame that is cut short --------------------------------------------


@pytest.mark.parametrize(
    ("geometry", "value", "lacking"),
    [
        ({"bits_allocated": 8}, 7, 5),
        ({"bits_allocated": 16}, 300, 3),
        ({"bits_allocated": 16, "transfer_syntax": EXPLICIT_BIG}, 300, 3),
        ({"bits_allocated": 16, "pixel_representation": 1}, -5, 3),
        ({"bits_allocated": 32}, 70_000, 2),
    ],
    ids=["8", "16", "big endian", "signed", "32"],
)
@pytest.mark.parametrize("frames", [1, 3])
def test_a_frame_cut_short_is_filled_with_the_value_of_the_caller(
    frames: int, geometry: dict[str, Any], value: int, lacking: int, tmp_path: Path
) -> None:
    geometry = {"rows": 4, "columns": 4, "number_of_frames": frames} | geometry
    pixels = stored_pixels(**geometry)
    file = make_native(**geometry)[:-5]
    expected = pixels.copy()
    expected[-1].ravel()[16 - lacking :] = value
    (tmp_path / "a.dcm").write_bytes(file)

    for source in (file, tmp_path / "a.dcm"):
        with pytest.warns(LazyDicomWarning, match=f"stands for {lacking} values"):
            array = lazydicom.open_image(source, fill_truncated=value)

        assert np.array_equal(array, expected)
        assert np.array_equal(array[frames - 1, 3], expected[frames - 1, 3])
        assert np.array_equal(pickle.loads(pickle.dumps(array)), expected)


def test_one_short_frame_is_an_error_that_names_the_option() -> None:
    file = make_native(rows=4, columns=4, number_of_frames=1)[:-2]

    for options in ({}, {"allow_truncated": True}):
        with pytest.raises(InvalidDicomError, match=r"enough for 0, fill_truncated="):
            lazydicom.open_image(file, **options)  # type: ignore[arg-type]


def test_frames_that_lack_as_a_whole_are_not_made_up() -> None:
    geometry: dict[str, Any] = {"rows": 4, "columns": 4, "number_of_frames": 5}
    file = make_native(**geometry)[: -2 * 32 - 4]

    with pytest.warns(LazyDicomWarning, match="stands for 2 values"):
        array = lazydicom.open_image(file, fill_truncated=0)

    assert array.shape == (3, 4, 4)


@pytest.mark.filterwarnings("ignore:.*fill_truncated stands for")
@pytest.mark.parametrize("value", [-1, 256, 1.5])
def test_a_value_that_the_pixels_cannot_hold_is_refused(value: float) -> None:
    file = make_native(rows=4, columns=4, number_of_frames=1, bits_allocated=8)[:-2]

    with pytest.raises(
        ValueError, match="fill_truncated is no unsigned number of 8 bits"
    ):
        lazydicom.open_image(file, fill_truncated=value)


def test_a_whole_file_is_not_filled() -> None:
    file = make_native(rows=4, columns=4)

    array = lazydicom.open_image(file, fill_truncated=9)

    assert np.array_equal(array, lazydicom.open_image(file))
