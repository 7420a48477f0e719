"""Native neighbours are read through one opening, and checked as any read is."""

from __future__ import annotations

import os
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from dicom_files import make_native
from noting import noting

import lazydicom
from lazydicom._array import image as images
from lazydicom.errors import LazyDicomError, SourceChangedError

if TYPE_CHECKING:
    from pathlib import Path

FRAMES = 11


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 4096, (FRAMES, 6, 7), np.uint16)


@pytest.fixture
def path(tmp_path: Path, pixels: np.ndarray) -> Path:
    path = tmp_path / "a.dcm"
    path.write_bytes(make_native(pixels))
    return path


@pytest.mark.parametrize("threads", [None, 1, 2, 5])
def test_neighbours_are_those_of_the_file(
    path: Path, pixels: np.ndarray, threads: int | None
) -> None:
    for start, count in product((0, 1, 4), range(1, 8)):
        array, key = lazydicom.open_image(path), slice(start, start + count)
        out = np.full((count, 6, 7), 9999, np.uint16)

        with noting(start=start, count=count):
            assert array.read(key, out=out, threads=threads) is out
            assert np.array_equal(out, pixels[key])
            assert np.array_equal(array.read(key, threads=threads), pixels[key])


@pytest.mark.parametrize("bits_stored", [9, 12, 16])
@pytest.mark.parametrize("signed", [0, 1])
def test_unused_bits_are_cleared_in_every_part(
    tmp_path: Path, bits_stored: int, signed: int
) -> None:
    noise = np.random.default_rng(6).integers(0, 1 << 16, (FRAMES, 6, 7), np.uint16)
    path = tmp_path / "a.dcm"
    path.write_bytes(
        make_native(
            pixel_bytes=noise.tobytes(),
            number_of_frames=FRAMES,
            rows=6,
            columns=7,
            bits_stored=bits_stored,
            pixel_representation=signed,
        )
    )
    array = lazydicom.open_image(path)

    together = array.read(slice(1, 10))

    assert np.array_equal(together, np.stack([array[k] for k in range(1, 10)]))


@pytest.mark.parametrize("local", ["pread", "mmap"])
def test_frames_in_another_order_are_no_neighbours(
    path: Path, pixels: np.ndarray, local: str
) -> None:
    array = lazydicom.open_image(path, local=local)  # type: ignore[arg-type]

    for key in ([0, 1, 3], [2, 1, 0], [4, 5, 6], slice(8, 2, -1), slice(0, 9, 2)):
        assert np.array_equal(array.read(key), pixels[key])


@pytest.mark.parametrize("length", [0, 100, 700])
def test_a_file_that_was_cut_is_an_error(path: Path, length: int) -> None:
    array = lazydicom.open_image(path)
    os.truncate(path, length)

    with pytest.raises(SourceChangedError, match="changed"):
        array.read(slice(2, 8))


def test_a_file_that_was_replaced_is_an_error(path: Path, tmp_path: Path) -> None:
    array = lazydicom.open_image(path)
    other = tmp_path / "other"
    other.write_bytes(path.read_bytes())
    other.replace(path)

    with pytest.raises(LazyDicomError, match="changed"):
        array.read(slice(2, 8))


@pytest.mark.parametrize("count", [2, 5, 9])
def test_a_read_of_neighbours_opens_the_file_once(
    path: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = lazydicom.open_image(path)
    opened: list[str] = []
    really = os.open

    def counting(name: str, *arguments: int) -> int:
        opened.append(name)
        return really(name, *arguments)

    monkeypatch.setattr(os, "open", counting)
    array.read(slice(0, count))

    assert opened == [str(path)]


@pytest.mark.skipif(not hasattr(os, "preadv"), reason="no preadv")
@pytest.mark.parametrize(
    ("bits_stored", "threads", "expected"),
    [(16, 1, [9]), (16, 2, [2, 2, 2, 2, 1]), (12, 1, [2, 2, 2, 2, 1])],
)
def test_one_thread_reads_at_once_what_needs_no_change(
    path: Path,
    pixels: np.ndarray,
    *,
    bits_stored: int,
    threads: int,
    expected: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path.write_bytes(make_native(pixels, bits_stored=bits_stored))
    array, length = lazydicom.open_image(path), pixels[0].nbytes
    monkeypatch.setattr(images, "_BLOCK_BYTES", 2 * length)
    counts: list[int] = []
    really = os.preadv

    def counted(descriptor: int, buffers: Any, offset: int) -> int:  # noqa: ANN401
        counts.append(really(descriptor, buffers, offset))
        return counts[-1]

    monkeypatch.setattr(os, "preadv", counted)
    read = array.read(slice(2, 11), threads=threads)

    assert np.array_equal(read, pixels[2:11])
    assert sorted(counts) == sorted(n * length for n in expected)
    os.truncate(path, 700)
    with pytest.raises(SourceChangedError, match="changed"):
        array.read(slice(2, 11), threads=threads)


@pytest.mark.parametrize("offset", [0, 2])
@pytest.mark.parametrize("step", [None, 1, 2, -1])
def test_slices_into_memory_of_the_caller_are_those_of_numpy(
    tmp_path: Path, offset: int, step: int | None
) -> None:
    pixels = np.random.default_rng(5).integers(0, 1 << 16, (9, 5, 7), np.uint16)
    path = tmp_path / "a.dcm"
    path.write_bytes(make_native(pixels))
    array = lazydicom.open_image(path).isel(frame=slice(offset, None))
    places = [None, *range(-10, 11, 2)]

    for start, stop in product(places, places):
        expected = pixels[offset:][start:stop:step]
        out = np.zeros(expected.shape, np.uint16)
        assert array.read(slice(start, stop, step), out=out) is out
        assert np.array_equal(out, expected), (start, stop)
        wide = np.zeros((len(expected), 5, 9), np.uint16)
        array.read(slice(start, stop, step), out=wide[..., 1:8])
        assert np.array_equal(wide[..., 1:8], expected), (start, stop)
        assert not wide[..., [0, 8]].any()


@pytest.mark.parametrize(
    "out",
    [
        np.zeros((3, 5, 7), np.uint16),
        np.zeros((2, 5, 7), np.int16),
        np.zeros((2, 35), np.uint16),
        np.broadcast_to(np.zeros((), np.uint16), (2, 5, 7)),
    ],
    ids=["too long", "another type", "another shape", "read-only"],
)
def test_memory_that_does_not_fit_a_slice_is_refused(
    tmp_path: Path, out: np.ndarray
) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(make_native(np.ones((9, 5, 7), np.uint16)))

    with pytest.raises(ValueError, match="Expected out"):
        lazydicom.open_image(path).read(slice(3, 5), out=out)
    assert not out.any()


@pytest.mark.parametrize(
    "part",
    [
        {"frame": 2},
        {"frame": 2, "y": slice(1, 3)},
        {"frame": 2, "y": 1},
        {"frame": slice(2, 9, 2)},
        {"frame": slice(None, None, -1)},
        {"y": 3},
        {"x": slice(1, 6)},
    ],
    ids=str,
)
def test_parts_of_an_array_are_read_along_their_first_axis(
    path: Path, pixels: np.ndarray, part: dict[str, int | slice]
) -> None:
    array = lazydicom.open_image(path).isel(**part)
    expected = pixels[
        tuple(part.get(name, slice(None)) for name in ("frame", "y", "x"))
    ]

    assert np.array_equal(list(array), expected)
    for key in (slice(None), slice(1, 3), slice(None, None, -1)):
        out = np.zeros_like(expected[key])
        assert array.read(key, out=out) is out
        assert np.array_equal(out, expected[key])
