"""What `compare.py` and `table.py` time: small works by public names alone.

    python tests/benchmarks/probes.py FOLDER

makes the files where the folder is new, does each work some times, and prints the best
seconds of each as JSON. The library is the one that Python finds first, so two commits are
compared by two values of PYTHONPATH.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import imagecodecs
import numpy as np
from dicom_files import make_native
from encapsulated_files import make_encapsulated
from series_files import write_volume

import lazydicom

if TYPE_CHECKING:
    from collections.abc import Callable

UIDS: Final = {
    "jpeg": "1.2.840.10008.1.2.4.50",
    "jls": "1.2.840.10008.1.2.4.80",
    "j2k": "1.2.840.10008.1.2.4.90",
}
LEAST_S: Final = 0.15
"""Each work is repeated for so long, and its best time counts."""


def make_files(folder: Path) -> None:
    """Write what the works read."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    small = random.integers(0, 4096, (4000, 64, 64), np.uint16)
    large = random.integers(0, 4096, (200, 512, 512), np.uint16)
    (folder / "small.dcm").write_bytes(make_native(small))
    (folder / "large.dcm").write_bytes(make_native(large))
    smooth = np.add.outer(np.arange(256), np.arange(256)).astype(np.uint16) * 7
    streams = {
        "jpeg": imagecodecs.jpeg8_encode((smooth >> 4).astype(np.uint8)),
        "jls": imagecodecs.jpegls_encode(smooth),
        "j2k": imagecodecs.jpeg2k_encode(smooth, codecformat="j2k"),
    }
    for name, stream in streams.items():
        file = make_encapsulated(
            [bytes(stream)] * 300,
            rows=256,
            columns=256,
            bits_allocated=8 if name == "jpeg" else 16,
            transfer_syntax=UIDS[name],
        )
        (folder / f"{name}.dcm").write_bytes(file)
    (folder / "series").mkdir()
    write_volume(folder / "series", planes=400)


def works(folder: Path) -> dict[str, Callable[[], Any]]:
    """Return what is timed, by name."""
    small = lazydicom.open_image(folder / "small.dcm")
    large = lazydicom.open_image(folder / "large.dcm")
    out = np.empty(large.shape, large.dtype)
    encoded = {n: lazydicom.open_image(folder / f"{n}.dcm") for n in UIDS}
    series = lazydicom.open_series(folder / "series")
    chunked = lazydicom.to_dask(large)
    return {
        "open_image, native": lambda: lazydicom.open_image(folder / "small.dcm"),
        "open_image, with an offset table": lambda: lazydicom.open_image(
            folder / "jpeg.dcm"
        ),
        "array[k], 64² native": lambda: small[77],
        "array[k:k+8], 64² native": lambda: small[80:88],
        "array[k, a:b, c:d], 64² native": lambda: small[77, 10:20, 10:20],
        "array[k], 512² native": lambda: large[77],
        "array.read(..., out=), 105 MB native": lambda: large.read(..., out=out),
        "for frame in array, 105 MB native": lambda: [None for _ in large],
        "a pixel over 4,000 frames": lambda: small[:, 30, 30],
        "array[k], JPEG": lambda: encoded["jpeg"][77],
        "array[k], JPEG-LS": lambda: encoded["jls"][77],
        "array[:20], JPEG 2000": lambda: encoded["j2k"][:20],
        "open_series, 400 files": lambda: lazydicom.open_series(folder / "series"),
        "np.asarray(series), 400 files": lambda: np.asarray(series),
        "to_xarray(series)": lambda: lazydicom.to_xarray(series),
        "to_dask(array)": lambda: lazydicom.to_dask(small),
        "to_dask(array).mean()": lambda: chunked.mean().compute(scheduler="threads"),
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
    """Time everything once."""
    folder = Path(sys.argv[1])
    if not folder.exists():
        make_files(folder)
    times = {name: best_seconds(work) for name, work in works(folder).items()}
    print(json.dumps(times))  # noqa: T201


if __name__ == "__main__":
    main()
