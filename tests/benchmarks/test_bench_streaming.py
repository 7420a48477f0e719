"""Reading 1 GB of native frames one after the other, beside bare `preadv` and a memory map."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from dicom_files import make_native
from ratios import best_seconds, hold

import lazydicom

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = pytest.mark.benchmark

FRAMES: Final = 2000
SIDE: Final = 512
LENGTH: Final = SIDE * SIDE * 2
BLOCK: Final = 8
WHY: Final = {
    "for frame in array": "1.15 wished: two threads wait for one interpreter in turn;"
    " 1.05 to 1.5 as the second core is free",
    "array[k]": "1.15 wished: each frame asks whether the file is the same, 2 µs;"
    " 1.2 to 1.8 as the second core is free",
    "read(out=)": "1.15 wished: the other thread wakes after 20 to 30 µs, Python takes 35;"
    " 1.2 to 1.65 as the second core is free",
}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write 1.05 GB."""
    path = tmp_path_factory.mktemp("stream") / "gigabyte.dcm"
    random = np.random.default_rng(0)
    path.write_bytes(
        make_native(random.integers(0, 4096, (FRAMES, SIDE, SIDE), np.uint16))
    )
    return path


def bare(path: Path, start: int, *, threads: int) -> None:
    """Read blocks into memory that is there already, the threads in turn."""
    descriptor = os.open(path, os.O_RDONLY)

    def work(first: int) -> None:
        view = np.empty((BLOCK, SIDE, SIDE), np.uint16).data.cast("B")
        for number in range(first * BLOCK, FRAMES, threads * BLOCK):
            os.preadv(descriptor, [view], start + number * LENGTH)

    helpers = [threading.Thread(target=work, args=(k,)) for k in range(1, threads)]
    for helper in helpers:
        helper.start()
    work(0)
    for helper in helpers:
        helper.join()
    os.close(descriptor)


@pytest.mark.parametrize(
    ("way", "limit"),
    [("for frame in array", 1.6), ("array[k]", 1.9), ("read(out=)", 1.75)],
)
def test_streaming_costs_little_more_than_the_better_of_two_loops_of_preadv(
    path: Path, way: str, limit: float
) -> None:
    array = lazydicom.open_image(path)
    start = int(array.images[0].index.offsets[0])
    out = np.empty((BLOCK, SIDE, SIDE), np.uint16)

    def ours() -> None:
        if way == "for frame in array":
            for _ in array:
                pass
        elif way == "array[k]":
            for number in range(FRAMES):
                array[number]
        else:
            for number in range(0, FRAMES, BLOCK):
                array.read(slice(number, number + BLOCK), out=out)

    best = best_seconds(
        {
            "ours": ours,
            "preadv, one thread": lambda: bare(path, start, threads=1),
            "preadv, two threads": lambda: bare(path, start, threads=2),
        },
        rounds=11,
    )

    one, two = "preadv, one thread", "preadv, two threads"
    floor = one if best.ratio(one, two) < 1 else two
    hold(f"{way}, 1.05 GB native", best, floor=floor, limit=limit, why=WHY[way])


def memory_map(path: Path) -> NDArray[np.uint16]:
    offset = int(lazydicom.open_image(path).images[0].index.offsets[0])
    return np.memmap(path, np.uint16, "r", offset, (FRAMES, SIDE, SIDE))


def test_a_map_that_is_copied_costs_what_numpy_takes(path: Path) -> None:
    array, mapped = lazydicom.open_image(path, local="mmap"), memory_map(path)
    out = np.empty((SIDE, SIDE), np.uint16)

    def copy_all(frames: Any) -> None:  # noqa: ANN401
        for number in range(FRAMES):
            np.copyto(out, frames[number])

    ways = {"ours": lambda: copy_all(array), "numpy.memmap": lambda: copy_all(mapped)}
    best = best_seconds(ways, rounds=7)

    title = 'array[k] with local="mmap", copied on, 1.05 GB'
    why = "1.1 wished: each view asks whether the file is the same, 2 µs"
    hold(title, best, floor="numpy.memmap", limit=1.2, why=why)


def test_a_map_that_is_summed_costs_what_numpy_takes(path: Path) -> None:
    array, mapped = lazydicom.open_image(path, local="mmap"), memory_map(path)

    best = best_seconds(
        {
            "ours": lambda: [array[k].sum() for k in range(0, FRAMES, 4)],
            "numpy.memmap": lambda: [mapped[k].sum() for k in range(0, FRAMES, 4)],
        },
        rounds=7,
    )

    title = 'array[k].sum() with local="mmap", without a copy, 262 MB'
    hold(title, best, floor="numpy.memmap", limit=1.1)
