"""Opening series: folders of many files, many frames in one, and a slow server."""

from __future__ import annotations

import json
import os
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
import peers
import pydicom
import pytest
from enhanced_files import write_enhanced
from range_server import RangeServer
from ratios import Seconds, best_seconds, hold, run_child
from series_files import write_volume
from tools import require_shared_data

import lazydicom
from lazydicom._bytes.open import open_source
from lazydicom._header.columns.functional_groups import functional_group_columns
from lazydicom._header.header import read_header

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = pytest.mark.benchmark

POSITION: Final = b"\x20\x00\x32\x00DS"
"""The tag and the VR of ImagePositionPatient."""


def write_ct(folder: Path, *, planes: int, size: int) -> None:
    """Write a CT of a real header, planes in an order that names do not tell."""
    template = next(require_shared_data("10_series/bad_missing_slice").iterdir())
    dataset = pydicom.dcmread(template)
    dataset.Rows = dataset.Columns = size
    for plane in range(planes):
        dataset.InstanceNumber = plane + 1
        dataset.SOPInstanceUID = f"2.25.{plane + 1}"
        dataset.ImagePositionPatient = [-100, -100.5, round(plane * 0.625, 4)]
        dataset.PixelData = np.full((size, size), plane, np.uint16).tobytes()
        dataset.save_as(folder / f"{plane * 7919 % planes:05d}.dcm")


ROUND: Final = """
import gc, json, sys, time
from pathlib import Path
import lazydicom
from peers import pydicom_headers

ways = {"ours": lazydicom.open_series, "pydicom": pydicom_headers}
times = {}
for name, way in ways.items():
    way(Path(sys.argv[2]))
    gc.collect()
    start = time.perf_counter()
    way(Path(sys.argv[1]))
    times[name] = time.perf_counter() - start
print(json.dumps(times))
"""


def test_2000_files_open_10_times_faster_than_a_pydicom_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In processes of their own: garbage of other tests makes pydicom's a fifth faster."""
    many, few = tmp_path / "many", tmp_path / "few"
    for folder, planes in ((many, 2000), (few, 8)):
        folder.mkdir()
        write_ct(folder, planes=planes, size=16)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))

    def time_round() -> dict[str, float]:
        _, printed = run_child(ROUND, str(many), str(few))
        return dict(json.loads(printed))

    best = Seconds(time_round, 5)
    others: dict[str, Callable[[], object]] = {
        "dicomsdl": partial(peers.dicomsdl_headers, many),
        "SimpleITK": partial(peers.simpleitk_series, many),
    }
    best |= best_seconds(others, rounds=1)

    hold("open_series(2,000 CT files)", best, floor="pydicom", limit=1 / 10)


def test_500_files_become_a_volume_4_times_faster_than_with_pydicom(
    tmp_path: Path,
) -> None:
    write_ct(tmp_path, planes=500, size=512)
    os.sync()  # what is still to be written is no part of it

    def volume() -> NDArray[np.uint16]:
        return np.asarray(lazydicom.open_series(tmp_path))

    def stacked() -> NDArray[np.uint16]:
        datasets = peers.pydicom_headers(tmp_path, pixels=True)
        return np.stack([one.pixel_array for one in datasets])

    def by_hand() -> NDArray[np.uint16]:
        """Find the position in each header, sort, and read the end of each file in place."""
        places = []
        for entry in os.scandir(tmp_path):
            descriptor = os.open(entry.path, os.O_RDONLY)
            head = os.pread(descriptor, 1 << 13, 0)
            os.close(descriptor)
            start = head.index(POSITION) + 8
            text = head[start : start + head[start - 2]]
            places.append((float(text.split(b"\\")[2].strip(b" \0")), entry.path))
        out = np.empty((500, 512, 512), np.uint16)
        for plane, (_, path) in zip(out, sorted(places), strict=True):
            descriptor = os.open(path, os.O_RDONLY)
            length = os.fstat(descriptor).st_size
            os.preadv(descriptor, [plane.data.cast("B")], length - plane.nbytes)
            os.close(descriptor)
        return out

    def read_by_simpleitk() -> None:
        peers.simpleitk_image(peers.simpleitk_series(tmp_path))

    assert np.array_equal(volume(), by_hand())
    best = best_seconds(
        {"ours": volume, "a scan and preadv by hand": by_hand, "pydicom": stacked},
        rounds=7,
    )
    best |= best_seconds({"SimpleITK": read_by_simpleitk}, rounds=1)

    assert best["pydicom"] >= 4 * best["ours"]
    title = "np.asarray(open_series(500 CT files of 512²))"
    why = "1.3 wished: two threads, which begin and end within 50 ms"
    hold(title, best, floor="a scan and preadv by hand", limit=1.45, why=why)


@pytest.mark.parametrize(("frames", "limit_s"), [(10_000, 0.3), (100_000, 3.0)])
@pytest.mark.parametrize("undefined", [True, False])
def test_functional_groups_become_columns_in_time(
    tmp_path: Path, frames: int, limit_s: float, *, undefined: bool
) -> None:
    path = tmp_path / "enhanced.dcm"
    write_enhanced(
        path, undefined=undefined, number_of_frames=frames, rows=1, columns=2
    )
    header = read_header(open_source(path))

    best = best_seconds(
        {"ours": partial(functional_group_columns, header)},
        rounds=4,
        clock=time.thread_time,
    )

    length = "undefined" if undefined else "defined"
    title = f"groups of {frames:,} frames to columns, {length} length"
    floor = f"{limit_s:g} s"
    hold(title, {**best, floor: limit_s}, floor=floor, limit=1)


def test_a_slow_server_costs_little_more_than_its_latency(tmp_path: Path) -> None:
    """Waiting is shared by 16 requests; what is left is the work of client and server."""
    write_volume(tmp_path, planes=400)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    floor = len(files) / 16 * 0.02

    with RangeServer(files, latency_s=0.02) as server:
        urls = [server.url(name) for name in files]
        opening = partial(lazydicom.open_series, urls)
        best = best_seconds({"ours": opening}, rounds=3)
        work = best_seconds({"work": opening}, rounds=1, clock=time.process_time)

    waiting = "waiting of 16 at once, and the work"
    times = {**best, waiting: floor + work["work"]}
    hold("open_series(400 files, 20 ms away)", times, floor=waiting, limit=1.5)
