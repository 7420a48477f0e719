"""dask over native frames, beside a hand-made reader of the same chunks; and its graphs."""

from __future__ import annotations

import os
import pickle
import time
from typing import TYPE_CHECKING, Any, Final

import dask.array as da
import numpy as np
import pytest
from dicom_files import make_native
from enhanced_files import write_enhanced
from ratios import best_seconds, hold

import lazydicom

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = pytest.mark.benchmark

SHAPE: Final = (2000, 512, 512)
LENGTH: Final = 512 * 512 * 2


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write 1.05 GB."""
    path = tmp_path_factory.mktemp("dask") / "gigabyte.dcm"
    noise = np.random.default_rng(0).integers(0, 4096, SHAPE[1:], np.uint16)
    write_enhanced(
        path,
        frame=lambda number: np.roll(noise, number),
        undefined=False,
        number_of_frames=SHAPE[0],
        rows=SHAPE[1],
        columns=SHAPE[2],
    )
    return path


class BareReader:
    """What a careful hand would write: whole frames by `preadv`, or out of a map."""

    def __init__(self, path: Path, start: int, *, mapped: bool) -> None:
        self.path, self.start = path, start
        self.map = np.memmap(path, np.uint16, "r", start, SHAPE) if mapped else None
        self.shape, self.ndim, self.dtype = SHAPE, 3, np.dtype(np.uint16)

    def __dask_tokenize__(self) -> object:
        return (str(self.path), self.map is None)

    def __getitem__(self, key: Any) -> NDArray[np.uint16]:  # noqa: ANN401
        if self.map is not None:
            return np.array(self.map[key])
        frames = range(SHAPE[0])[key[0]]
        out = np.empty((len(frames), *SHAPE[1:]), np.uint16)
        descriptor = os.open(self.path, os.O_RDONLY)
        offset = self.start + frames[0] * LENGTH
        os.preadv(descriptor, [out.data.cast("B")], offset)
        os.close(descriptor)
        return out[(slice(None), *key[1:])]


@pytest.mark.parametrize(
    ("work", "local", "limit"),
    [
        ("mean", "pread", 1.15),
        ("mean", "mmap", 1.15),
        ("ROI", "pread", 1.05),
        ("ROI", "mmap", 1.2),
    ],
)
def test_dask_costs_what_a_hand_made_reader_costs(
    path: Path,
    work: str,
    local: Any,  # noqa: ANN401
    limit: float,
) -> None:
    array = lazydicom.open_image(path, local=local)
    start = int(array.images[0].index.offsets[0])
    ours = lazydicom.to_dask(array)
    reader = BareReader(path, start, mapped=local == "mmap")
    bare = da.from_array(reader, ours.chunks, asarray=False, inline_array=True)

    def compute(values: da.Array) -> object:
        if work == "mean":
            return values.mean(axis=0).compute(scheduler="threads")
        return values[:, 100:164, 200:264].mean().compute(scheduler="threads")

    floor = "numpy.memmap" if local == "mmap" else "preadv of whole frames"
    best = best_seconds(
        {"ours": lambda: compute(ours), floor: lambda: compute(bare)}, rounds=5
    )

    place = 'with local="mmap"' if local == "mmap" else "by default"
    title = f"dask, {work} over 1.05 GB native, {place}"
    hold(title, best, floor=floor, limit=limit, why="1.05 wished; noise of its threads")


def test_the_graph_of_a_million_frames_is_made_in_a_second_and_3_mb(
    tmp_path: Path,
) -> None:
    path = tmp_path / "million.dcm"
    path.write_bytes(
        make_native(
            pixel_bytes=bytes(4_000_000),
            number_of_frames=1_000_000,
            rows=2,
            columns=2,
            bits_allocated=8,
        )
    )
    array = lazydicom.open_image(path)

    start = time.perf_counter()
    values = lazydicom.to_dask(array, frames_per_chunk=1)
    graph = pickle.dumps(values.dask)
    best = {"ours": time.perf_counter() - start, "a second": 1.0}

    assert len(graph) <= 3_000_000
    title = (
        f"the graph of 1,000,000 chunks of a frame, {len(graph) / 1e6:.2f} MB pickled"
    )
    hold(title, best, floor="a second", limit=1)
