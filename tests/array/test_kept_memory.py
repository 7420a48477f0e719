"""Memory that a thread keeps for encoded native frames never shows in what it gives."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from dicom_files import make_native
from ratios import run_child

import lazydicom
from lazydicom._array.work import native_runs

if TYPE_CHECKING:
    from pathlib import Path

FRAMES = 7
KINDS: dict[str, dict[str, Any]] = {
    "planar": {
        "samples_per_pixel": 3,
        "planar_configuration": 1,
        "photometric_interpretation": "RGB",
    },
    "converted": {
        "samples_per_pixel": 3,
        "planar_configuration": 0,
        "photometric_interpretation": "YBR_FULL",
    },
    "bits": {"bits_allocated": 1, "bits_stored": 1},
    "twelve": {"bits_allocated": 12, "bits_stored": 12},
}


def write(path: Path, kind: str) -> Path:
    options: dict[str, Any] = {"bits_allocated": 8, **KINDS[kind]}
    bits = options["bits_allocated"] * options.get("samples_per_pixel", 1)
    length = -(-FRAMES * 10 * 12 * bits // 8)
    noise = np.random.default_rng(3).integers(0, 256, length + length % 2, np.uint8)
    path.write_bytes(
        make_native(
            pixel_bytes=noise.tobytes(),
            number_of_frames=FRAMES,
            rows=10,
            columns=12,
            **options,
        )
    )
    return path


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_runs, "_FEWEST_KEPT", 1)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("kind", KINDS)
def test_frames_that_were_given_stay_as_they_are(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / "a.dcm", kind)
    array, memory = lazydicom.open_image(path), lazydicom.open_image(path.read_bytes())
    expected = np.asarray(memory)

    frames = [array[k] for k in range(FRAMES)]
    encoded = [array.images[0].encoded_frame(k) for k in range(FRAMES)]

    assert np.array_equal(np.stack(frames), expected)
    assert encoded == [memory.images[0].encoded_frame(k) for k in range(FRAMES)]
    assert np.array_equal(array[::-1], expected[::-1])
    assert np.array_equal(array[[5, 0, 5], 2:7], expected[[5, 0, 5], 2:7])
    assert np.array_equal(np.stack(list(array)), expected)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("kind", KINDS)
def test_threads_and_files_do_not_mix(tmp_path: Path, kind: str) -> None:
    other = "planar" if kind != "planar" else "converted"
    arrays = [
        lazydicom.open_image(write(tmp_path / f"{one}.dcm", one))
        for one in (kind, other)
    ]
    expected = [[one[k] for k in range(FRAMES)] for one in arrays]
    places = [(which, k) for k in range(FRAMES) for which in (0, 1)] * 20

    with ThreadPoolExecutor(6) as pool:
        frames = list(pool.map(lambda place: arrays[place[0]][place[1]], places))

    for (which, k), frame in zip(places, frames, strict=True):
        assert np.array_equal(frame, expected[which][k])


@pytest.mark.parametrize("threads", [1, 4])
def test_parts_of_frames_of_several_files_never_mix(
    tmp_path: Path, threads: int
) -> None:
    arrays = [
        lazydicom.open_image(write(tmp_path / kind, kind))
        for kind in ("planar", "converted", "twelve")
    ]
    keys: list[Any] = [np.s_[:, 2:7, 3:9], np.s_[::2, :, 5], np.s_[[3, 0, 3], 1:9, ::3]]
    works = [(array, key) for key in keys for array in arrays]
    expected = [np.asarray(array)[key] for array, key in works]

    def read(number: int) -> bool:
        array, key = works[number % len(works)]
        kept = array.read(key, threads=threads)
        arrays[number % 3][:, 0, 0]  # decodes into the same memory
        return np.array_equal(kept, expected[number % len(works)])

    with ThreadPoolExecutor(3) as pool:
        assert all(pool.map(read, range(60)))


PAGES: str = """
import resource, sys
import lazydicom

def pages():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

array = lazydicom.open_image(sys.argv[1])
read = eval(sys.argv[2])
read()
before = pages()
read()
print(pages() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="pages of Linux")
@pytest.mark.parametrize(
    "way",
    [
        "lambda: [array[k].size for k in range(40)]",
        "lambda: [array[k].size for k in range(39, -1, -1)]",
        "lambda: [frame.size for frame in array]",
    ],
)
def test_frames_are_read_into_the_memory_of_those_let_go_of(
    tmp_path: Path, way: str
) -> None:
    path = tmp_path / "large.dcm"
    path.write_bytes(make_native(np.ones((40, 512, 512), np.uint16)))

    _, printed = run_child(PAGES, str(path), way)

    assert int(printed) < 40 * 128 // 4
