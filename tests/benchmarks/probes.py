"""What `compare.py` and `table.py` time: small works by public names alone.

    python tests/benchmarks/probes.py FOLDER [WORD...]

does each work some times with the files of `probe_files.py`, and prints the best seconds of
each as JSON; with words, of those whose names hold one of them. The library is the one that
Python finds first, so two commits are compared by two values of PYTHONPATH.
"""

from __future__ import annotations

import json
import pickle
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

import lazydicom

if TYPE_CHECKING:
    from collections.abc import Callable

LEAST_S: Final = 0.15
"""Each work is repeated for so long, and its best time counts."""


def works(folder: Path) -> dict[str, Callable[[], Any]]:
    """Return what is timed, by name."""
    return {**reading(folder), **opening(folder), **using(folder)}


def opening(folder: Path) -> dict[str, Callable[[], Any]]:
    """Return what opens files."""

    def opener(name: str) -> Callable[[], Any]:
        return lambda: lazydicom.open_image(folder / name)

    return {
        "open_image, native": opener("small.dcm"),
        "open_image, 100 frames of JPEG": opener("encoded/JPEG.dcm"),
        "open_image, a basic table of 20,000": opener("basic.dcm"),
        "open_image, 20,000 fragments, and the last": lambda: (
            lazydicom.open_image(folder / "empty.dcm").images[0].index.offsets[-1]
        ),
        "open_image, 5,000 groups": opener("groups-False.dcm"),
        "open_image, 5,000 groups of undefined length": opener("groups-True.dcm"),
        "open_series, 400 files": lambda: lazydicom.open_series(folder / "series"),
        "open_study, 400 files": lambda: lazydicom.open_study(folder / "series"),
    }


def reading(folder: Path) -> dict[str, Callable[[], Any]]:
    """Return what reads frames."""
    small = lazydicom.open_image(folder / "small.dcm")
    large = lazydicom.open_image(folder / "large.dcm")
    planar = lazydicom.open_image(folder / "planar.dcm")
    mapped = lazydicom.open_image(folder / "large.dcm", local="mmap")
    series = lazydicom.open_series(folder / "series")
    out = np.empty(large.shape, large.dtype)

    def decoder(path: Path) -> Callable[[], Any]:
        array = lazydicom.open_image(path)
        memory = np.empty(array.shape, array.dtype)
        return lambda: array.read(..., out=memory, threads=1)

    return {
        "array[k], 64² native": lambda: small[77],
        "array[k:k+8], 64² native": lambda: small[80:88],
        "array[k, a:b, c:d], 64² native": lambda: small[77, 10:20, 10:20],
        "array[k], 512² native": lambda: large[77],
        "array[k], 512² planar RGB": lambda: planar[7],
        "array.read(..., out=), 105 MB native": lambda: large.read(..., out=out),
        "for frame in array, 105 MB native": lambda: [None for _ in large],
        "array[k].sum(), a map": lambda: np.sum(mapped[77]),
        "a pixel over 4,000 frames": lambda: small[:, 30, 30],
        "np.asarray(series), 400 files": lambda: np.asarray(series),
        **{
            f"read(..., out=), {path.stem}": decoder(path)
            for path in sorted((folder / "encoded").iterdir())
        },
    }


def using(folder: Path) -> dict[str, Callable[[], Any]]:
    """Return what makes other objects of an array."""
    small = lazydicom.open_image(folder / "small.dcm")
    large = lazydicom.open_image(folder / "large.dcm")
    jpeg = lazydicom.open_image(folder / "encoded" / "JPEG.dcm")
    series = lazydicom.open_series(folder / "series")
    chunked, target = lazydicom.to_dask(large), folder / "out.zarr"
    references = folder / "references.json"

    def copy(**options: Any) -> Callable[[], Any]:  # noqa: ANN401
        return lambda: lazydicom.to_zarr(large, target, overwrite=True, **options)

    return {
        "to_xarray(series)": lambda: lazydicom.to_xarray(series),
        "apply_modality_lut(series[0])": lambda: lazydicom.apply_modality_lut(series)[
            0
        ],
        "to_dask(array)": lambda: lazydicom.to_dask(small),
        "to_dask(array).mean()": lambda: chunked.mean().compute(scheduler="threads"),
        "to_references(JPEG)": lambda: lazydicom.to_references(
            jpeg, references, overwrite=True
        ),
        "to_zarr, a chunk per frame, 105 MB": copy(chunks=1, compressors="none"),
        "to_zarr, shards, 105 MB": copy(chunks=1, shards=50, compressors="none"),
        "to_zarr, zstd, 105 MB": copy(chunks=1),
        "pickle": lambda: pickle.loads(pickle.dumps(small)),
    }


def best_seconds(work: Callable[[], Any]) -> float:
    """Repeat a work, and return its best time."""
    work()
    best, end = float("inf"), time.perf_counter() + LEAST_S
    while True:
        start = time.perf_counter()
        work()
        now = time.perf_counter()
        best = min(best, now - start)
        if now >= end:
            return best


def main() -> None:
    """Time everything once, or what is named."""
    every, words = works(Path(sys.argv[1])), sys.argv[2:] or [""]
    wanted = (name for name in every if any(word in name for word in words))
    times = {name: best_seconds(every[name]) for name in wanted}
    print(json.dumps(times))  # noqa: T201


if __name__ == "__main__":
    main()
