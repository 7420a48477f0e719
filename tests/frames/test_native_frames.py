"""How many frames native Pixel Data holds, and reading them from many threads."""

from __future__ import annotations

import random
import struct
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from dicom_files import EXPLICIT_BIG, make_native, stored_pixels

import lazydicom
from lazydicom.errors import InvalidDicomError, LazyDicomWarning, LimitError

if TYPE_CHECKING:
    from pathlib import Path

SMALL: Final[dict[str, Any]] = {"rows": 3, "columns": 3, "number_of_frames": 5}
LAYOUTS: Final[dict[str, dict[str, Any]]] = {
    "16 bits": {},
    "8 bits of odd length": {"bits_allocated": 8},
    "8 bits in big-endian words": {
        "bits_allocated": 8,
        "transfer_syntax": EXPLICIT_BIG,
    },
    "1 bit": {"bits_allocated": 1},
    "1 bit in big-endian words": {"bits_allocated": 1, "transfer_syntax": EXPLICIT_BIG},
    "RGB by plane": {
        "bits_allocated": 8,
        "samples_per_pixel": 3,
        "planar_configuration": 1,
    },
}


def made(layout: str, **changes: Any) -> tuple[bytes, Any]:  # noqa: ANN401
    geometry = SMALL | LAYOUTS[layout]
    words = "words" in layout
    file = make_native(vr="OW" if words else None, **changes, **geometry)
    return file, stored_pixels(**geometry)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.filterwarnings("ignore::lazydicom.errors.LazyDicomWarning")
def test_a_file_cut_anywhere_has_its_complete_frames(layout: str) -> None:
    file, pixels = made(layout)
    start = int(lazydicom.open_image(file).images[0].index.offsets[0])

    counts = []
    for stop in range(start, len(file) + 1):
        try:
            array = lazydicom.open_image(file[:stop], allow_truncated=True)
        except InvalidDicomError:  # not one frame is complete
            counts.append(0)
            continue
        frames = np.asarray(array)
        assert np.array_equal(frames, pixels[: len(frames)])
        counts.append(len(frames))

    assert counts == sorted(counts)
    # a word of 16 bits completes two frames of 9 bits
    words_of_bits = layout == "1 bit in big-endian words"
    assert set(counts) == ({0, 1, 3, 5} if words_of_bits else set(range(6)))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("declared", ["1", "2", "3"])
def test_frames_behind_the_declared_ones_are_left_out_or_kept(
    layout: str, declared: str
) -> None:
    file, pixels = made(layout, declared_frames=declared)

    with pytest.warns(LazyDicomWarning, match=rf"\b5\b.*\b{declared}\b"):
        declared_ones = lazydicom.open_image(file)
    with pytest.warns(LazyDicomWarning, match=rf"\b5\b.*\b{declared}\b"):
        all_of_them = lazydicom.open_image(file, on_extra_frames="keep")

    assert np.array_equal(declared_ones, pixels[: int(declared)])
    assert np.array_equal(all_of_them[:5], pixels)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_fewer_frames_than_declared_are_an_error_with_both_numbers(layout: str) -> None:
    file, _ = made(layout, declared_frames="60")

    with pytest.raises(InvalidDicomError, match=r"\b60 frames.*for \d+, .*7FE0,0010"):
        lazydicom.open_image(file)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("local", ["pread", "mmap"])
def test_many_threads_read_the_frames_that_one_thread_reads(
    tmp_path: Path,
    layout: str,
    local: Any,  # noqa: ANN401
) -> None:
    path = tmp_path / "some.dcm"
    file, pixels = made(layout)
    path.write_bytes(file)
    array = lazydicom.open_image(path, local=local)
    numbers = random.Random(0).choices(range(5), k=400)

    with ThreadPoolExecutor(8) as pool:
        frames = list(pool.map(array.__getitem__, numbers))

    assert all(
        np.array_equal(frame, pixels[k])
        for k, frame in zip(numbers, frames, strict=True)
    )


def test_pixel_data_that_says_it_is_longer_than_the_file_is_refused() -> None:
    file, pixels = made("16 bits")
    at = file.index(b"\xe0\x7f\x10\x00OW") + 8
    longer = file[:at] + struct.pack("<I", pixels.nbytes + 100) + file[at + 4 :]

    with pytest.raises(InvalidDicomError, match="ends inside Pixel Data"):
        lazydicom.open_image(longer)
    assert np.array_equal(lazydicom.open_image(longer, allow_truncated=True), pixels)


def test_a_frame_larger_than_allowed_is_refused_at_open() -> None:
    data = make_native(rows=4, columns=5, bits_allocated=16)

    with pytest.raises(LimitError, match=r"max_frame_bytes.*0028,0010.* at byte"):
        lazydicom.open_image(data, max_frame_bytes=39)

    assert lazydicom.open_image(data, max_frame_bytes=40).shape == (3, 4, 5)
