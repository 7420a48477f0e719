"""Regions of a slide, from many threads and processes, are those of one thread."""

from __future__ import annotations

import hashlib
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest
from slide_files import make_slide

import lazydicom

if TYPE_CHECKING:
    from pathlib import Path

    from lazydicom import DicomArray

SIDE = 40
PROCESSES = 4


def digest(level: DicomArray, corner: tuple[int, int]) -> str:
    y, x = corner
    return hashlib.sha256(level[y : y + SIDE, x : x + SIDE].tobytes()).hexdigest()


def digests(level: DicomArray, corners: list[tuple[int, int]]) -> list[str]:
    return [digest(level, corner) for corner in corners]


@pytest.fixture(params=[250, pytest.param(1000, marks=pytest.mark.heavy)])
def corners(request: pytest.FixtureRequest) -> list[tuple[int, int]]:
    found = np.random.default_rng(0).integers(0, 200, (request.param, 2))
    return [(int(y), int(x)) for y, x in found]


@pytest.mark.parametrize("layout", [{}, {"sparse": True, "keep": 0.6, "cuts": (9, 20)}])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_regions_from_threads_and_processes_are_the_same(
    layout: dict[str, object], corners: list[tuple[int, int]], tmp_path: Path
) -> None:
    slide = make_slide(matrix=(240, 230), tile=(32, 32), coding="JPEG-LS", **layout)  # type: ignore[arg-type]
    for number, file in enumerate(slide.files):
        (tmp_path / f"{number}.dcm").write_bytes(file)
    (level,) = lazydicom.open_slide(tmp_path, fill_value=0)
    truth = np.squeeze(slide.truth)
    expected = [
        hashlib.sha256(truth[y : y + SIDE, x : x + SIDE].tobytes()).hexdigest()
        for y, x in corners
    ]

    with ThreadPoolExecutor(8) as pool:
        by_threads = list(pool.map(partial(digest, level), corners))
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(PROCESSES, mp_context=fork) as pool:
        shares = [corners[k::PROCESSES] for k in range(PROCESSES)]
        by_processes = list(pool.map(partial(digests, level), shares))

    assert by_threads == expected
    assert by_processes == [expected[k::PROCESSES] for k in range(PROCESSES)]
