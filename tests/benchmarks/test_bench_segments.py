"""Segmentations: 104 segments on a CT of 300 planes, beside highdicom in the same run."""

from __future__ import annotations

import copy
import json
import os
import time
import warnings
from typing import TYPE_CHECKING, NamedTuple

import highdicom as hd
import numpy as np
import pytest
from ratios import Seconds, best_seconds, hold, run_child, say
from segmentation_files import make_ct, write_ct, write_segmentation

import lazydicom

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom import Dataset

pytestmark = pytest.mark.benchmark

SHAPE = (300, 512, 512)
SPACING = (1.5, 0.8, 0.8)
NUMBERS = range(1, 105)
PLANE_BITS = 512 * 512
CHILD = """
import json, sys, time
import lazydicom, pydicom
lazydicom.open_segmentation, lazydicom.open_series
def resident(key):
    for line in open("/proc/self/status"):
        if line.startswith(key):
            return int(line.split()[1]) * 1024
like = {"like": lazydicom.open_series(sys.argv[2])} if len(sys.argv) > 2 else {}
combine = {"combine": "labelmap"} if like else {}
before, start = resident("VmRSS"), time.perf_counter()
seg = lazydicom.open_segmentation(sys.argv[1], **like, **combine)
if like:
    values = seg[...]
print(json.dumps([time.perf_counter() - start, resident("VmHWM") - before]))
"""
"""The first call in a process, imports excluded: seconds, and bytes that memory grows by."""


class Case(NamedTuple):
    """A segmentation in two forms, and the truth."""

    binary: Path
    label_map: Path
    ct: Path
    truth: NDArray[np.uint8]
    sources: tuple[str, ...]
    """SOP Instance UIDs of the CT in the order of its planes."""


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("segments")
    ct, truth = make_ct(SHAPE, spacing=SPACING), ellipsoids()
    label_map, binary = folder / "label_map.dcm", folder / "binary.dcm"
    write_segmentation(label_map, ct, truth, "LABELMAP", NUMBERS)
    first = np.zeros(SHAPE, np.uint8)
    first[0, 0, : len(NUMBERS)] = NUMBERS
    template = write_segmentation(folder / "first.dcm", ct, first, "BINARY", NUMBERS)
    write_binary(binary, template, ct, truth)
    uids = tuple(str(plane.SOPInstanceUID) for plane in ct)
    return Case(binary, label_map, write_ct(folder / "ct", ct), truth, uids)


def ellipsoids() -> NDArray[np.uint8]:
    """Make a label map; the lower number yields nothing to a higher one."""
    random = np.random.default_rng(0)
    labels = np.zeros(SHAPE, np.uint8)
    axes = np.ogrid[tuple(map(slice, SHAPE))]
    for number in reversed(NUMBERS):
        centre = random.uniform(0.1, 0.9, 3) * SHAPE
        radius = random.uniform(0.03, 0.15, 3) * SHAPE
        low = np.maximum(centre - radius, 0).astype(int)
        high = np.minimum(centre + radius + 1, SHAPE).astype(int)
        box = tuple(map(slice, low.tolist(), high.tolist()))
        steps = [
            (
                axis[
                    tuple(
                        box[k] if axis.shape[k] > 1 else slice(None) for k in range(3)
                    )
                ]
                - centre[d]
            )
            / radius[d]
            for d, axis in enumerate(axes)
        ]
        labels[box][steps[0] ** 2 + steps[1] ** 2 + steps[2] ** 2 <= 1] = number
    return labels


def write_binary(
    path: Path, template: Dataset, ct: Sequence[Dataset], truth: NDArray[np.uint8]
) -> None:
    """Write a frame for each segment and plane; highdicom takes half a minute for it."""
    pattern = template.PerFrameFunctionalGroupsSequence[0]
    items, packed = [], []
    for number in NUMBERS:
        planes = truth == number
        for z in np.flatnonzero(planes.any(axis=(1, 2))).tolist():
            items.append(frame_item(pattern, number, z, ct[z]))
            packed.append(np.packbits(planes[z].reshape(-1), bitorder="little"))
    template.PerFrameFunctionalGroupsSequence = items
    template.NumberOfFrames = len(items)
    template.PixelData = np.concatenate(packed).tobytes()
    template.save_as(path)


def frame_item(pattern: Dataset, number: int, z: int, plane: Dataset) -> Dataset:
    item = copy.deepcopy(pattern)
    item.SegmentIdentificationSequence[0].ReferencedSegmentNumber = number
    item.PlanePositionSequence[0].ImagePositionPatient = plane.ImagePositionPatient
    item.FrameContentSequence[0].DimensionIndexValues = [number, z + 1]
    source = item.DerivationImageSequence[0].SourceImageSequence[0]
    source.ReferencedSOPInstanceUID = plane.SOPInstanceUID
    return item


@pytest.fixture(scope="module")
def peer(case: Case) -> tuple[hd.seg.Segmentation, float]:
    """Return what highdicom opens, and how long that takes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = time.perf_counter()
        seg = hd.seg.segread(case.binary)
        return seg, time.perf_counter() - start


@pytest.fixture(scope="module")
def seg(case: Case) -> lazydicom.DicomArray:
    opened = lazydicom.open_segmentation(case.binary)
    assert isinstance(opened, lazydicom.DicomArray)
    return opened


def middle(seg: lazydicom.DicomArray) -> int:
    """Return the place of the segment whose number of frames is the median."""
    return int(np.argsort((seg.grid.numbers >= 0).sum(axis=1))[len(NUMBERS) // 2])


def test_opening_takes_a_twentieth_of_the_time_and_little_memory(
    case: Case, peer: tuple[hd.seg.Segmentation, float]
) -> None:
    """Guards 0.05 × of highdicom's time, in the first call too, and 100 MB."""
    first, grown = json.loads(run_child(CHILD, str(case.binary))[1])
    best = best_seconds(
        {"ours": lambda: lazydicom.open_segmentation(case.binary)}, rounds=5
    )

    say(f"memory grows by {grown / 1e6:.0f} MB")
    assert grown <= 100e6
    title = "open 104 segments, BINARY"
    for name, seconds in {title: best["ours"], f"{title}, first call": first}.items():
        times = {"ours": seconds, "highdicom": peer[1]}
        hold(name, times, floor="highdicom", limit=0.05)


def test_a_plane_costs_little_more_than_pread_and_unpackbits(
    case: Case, seg: lazydicom.DicomArray
) -> None:
    """Guards 2 × of the floor in the work of one thread: of one segment, and of all."""
    segment, (image,) = middle(seg), seg.images
    z = int(np.flatnonzero(seg.grid.numbers[segment] >= 0)[3])
    labels = lazydicom.open_segmentation(case.binary, combine="labelmap")
    descriptor = os.open(case.binary, os.O_RDONLY)

    def bare(number: int) -> NDArray[np.uint8]:
        data = os.pread(descriptor, PLANE_BITS // 8, image.index.span(number).offset)
        bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
        return bits.reshape(SHAPE[1:])

    def bare_labels() -> NDArray[np.uint8]:
        out = np.zeros(SHAPE[1:], np.uint8)
        for place in np.flatnonzero(seg.grid.numbers[:, z] >= 0).tolist():
            mask = bare(int(seg.grid.numbers[place, z])).view(np.bool_)
            np.copyto(out, np.uint8(place + 1), where=mask)
        return out

    number = int(seg.grid.numbers[segment, z])
    assert np.array_equal(seg[segment, z], bare(number))
    assert np.array_equal(labels[z], bare_labels())
    one = best_seconds(
        {
            "ours": lambda: [seg[segment, z] for _ in range(50)],
            "pread and unpackbits": lambda: [bare(number) for _ in range(50)],
        },
        rounds=15,
        clock=time.thread_time,
    )
    every = best_seconds(
        {
            "ours": lambda: labels.read(slice(z, z + 1), threads=1),
            "pread and unpackbits": bare_labels,
        },
        rounds=30,
        clock=time.thread_time,
    )
    os.close(descriptor)

    floor = "pread and unpackbits"
    hold("a plane of a segment, 50 times", one, floor=floor, limit=2)
    hold("a plane of the label map of 104 segments", every, floor=floor, limit=2)


def test_a_segment_takes_half_of_the_time(
    case: Case, seg: lazydicom.DicomArray, peer: tuple[hd.seg.Segmentation, float]
) -> None:
    """Guards 0.5 × of highdicom's time, the first time too."""
    place = middle(seg)
    start = time.perf_counter()
    theirs = peer[0].get_volume(segment_numbers=[place + 1])
    between = time.perf_counter()
    ours = seg[place]
    stop = time.perf_counter()
    assert np.array_equal(ours, case.truth == place + 1)
    assert np.array_equal(ours, theirs.array[::-1, ..., 0])  # it counts downwards
    del ours, theirs

    best = best_seconds(
        {
            "ours": lambda: seg[place],
            "highdicom": lambda: peer[0].get_volume(segment_numbers=[place + 1]),
        },
        rounds=7,
    )

    first = {"ours": stop - between, "highdicom": between - start}
    title = "one of 104 segments, BINARY"
    hold(title, best, floor="highdicom", limit=0.5)
    hold(f"{title}, the first time", first, floor="highdicom", limit=0.5)


def test_all_segments_on_the_ct_take_seven_tenths_of_the_time(
    case: Case, peer: tuple[hd.seg.Segmentation, float]
) -> None:
    """Guards 0.7 × of highdicom's time without its opening, and 350 MB."""
    ct = lazydicom.open_series(case.ct)
    labels = lazydicom.open_segmentation(case.binary, like=ct, combine="labelmap")
    assert np.array_equal(labels[...], case.truth)

    def time_highdicom() -> float:
        start = time.perf_counter()
        peer[0].get_pixels_by_source_instance(
            source_sop_instance_uids=case.sources, combine_segments=True
        )
        return time.perf_counter() - start

    def time_read() -> dict[str, float]:
        start = time.perf_counter()
        _ = labels[...]
        seconds = time.perf_counter() - start
        return {"ours": seconds, "highdicom": time_highdicom()}

    def time_process() -> dict[str, float]:
        """Time the first call in a new process, imports and the CT excluded."""
        first, memory = json.loads(run_child(CHILD, str(case.binary), str(case.ct))[1])
        grown.append(memory)
        return {"ours": first, "highdicom": time_highdicom()}

    grown: list[int] = []
    title = "104 segments to a label map on the CT"
    hold(title, Seconds(time_read, 3), floor="highdicom", limit=0.7)
    title = f"{title}, opening included"
    hold(title, Seconds(time_process, 5), floor="highdicom", limit=0.7)
    say(f"memory grows by {max(grown) / 1e6:.0f} MB")
    assert max(grown) <= 350e6


def test_a_segment_of_a_label_map_takes_a_fifth_of_the_time(case: Case) -> None:
    """Guards 0.2 × of highdicom's time."""
    ours = lazydicom.open_segmentation(case.label_map)
    theirs = hd.seg.segread(case.label_map)
    assert np.array_equal(ours[13], case.truth == 14)

    best = best_seconds(
        {
            "ours": lambda: ours[13],
            "highdicom": lambda: theirs.get_volume(segment_numbers=[14]),
        },
        rounds=2,
    )

    hold("one of 104 segments, LABELMAP", best, floor="highdicom", limit=0.2)
