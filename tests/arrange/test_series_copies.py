"""Planes that are lost in one volume and stand twice in another: counts are equal."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
from series_files import write_instance
from written_series import ENHANCED_MR, at, dataset, enhanced, sequence

import lazydicom
from lazydicom.errors import InvalidDicomError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from lazydicom import DicomArray

Texts = dict[int, tuple[str, str]]

PLANES = 4
DATE = {0x00080022: ("DA", "20200101")}
NO_UID = {0x00080018: ("UI", "")}
KINDS = {
    "acquisition_time": [
        {0x00080032: ("TM", f"12000{4 * t}"), **DATE} for t in (0, 1, 2)
    ],
    "temporal_position": [{0x00200100: ("IS", str(t))} for t in (1, 2, 3)],
    "echo_time": [{0x00180081: ("DS", str(t))} for t in (5, 15, 25)],
    "b_value": [
        {0x00189087: ("FD", struct.pack("<d", t).decode("latin-1"))}
        for t in (0, 500, 1000)
    ],
    "kvp": [{0x00180060: ("DS", str(t))} for t in (80, 100, 120)],
    "flip_angle": [{0x00181314: ("DS", str(t))} for t in (10, 30, 50)],
    "inversion_time": [{0x00180082: ("DS", str(t))} for t in (100, 300, 500)],
    "frame_type": [{0x00080008: ("CS", f"ORIGINAL\\PRIMARY\\{t}")} for t in "MPR"],
    "acquisition_number": [{0x00200012: ("IS", str(t))} for t in (1, 2, 3)],
    "frame_reference_time": [{0x00541300: ("DS", str(t))} for t in (0, 1000, 2000)],
    "trigger_time": [{0x00181060: ("DS", str(t))} for t in (0, 50, 100)],
}


def write_volumes(
    folder: Path,
    kinds: list[Texts],
    counts: dict[tuple[int, int], int],
    more: Texts | None = None,
) -> None:
    """Write planes whose value is 100 for each volume; some not once, but as `counts` says."""
    number = 0
    for volume, plane in np.ndindex(len(kinds), PLANES):
        for _ in range(counts.get((volume, plane), 1)):
            number += 1
            write_instance(
                folder / f"{number:02d}.dcm",
                z=plane,
                number=number,
                value=100 * volume + plane,
                texts={**kinds[volume], **(more or {})},
            )


def volumes_of(arrays: Iterable[DicomArray]) -> list[list[int]]:
    """Return the hundreds of the values of each volume."""
    values = [np.asarray(array)[..., 0, 0] for array in arrays]
    rows = [row for one in values for row in one.reshape(-1, one.shape[-1])]
    return [sorted(set((row // 100).tolist())) for row in rows]


@pytest.mark.parametrize("lost", [0, 1, 2])
@pytest.mark.parametrize("name", KINDS)
def test_a_plane_lost_here_and_twice_there_mixes_no_volumes(
    name: str, lost: int, tmp_path: Path
) -> None:
    twice = (lost + 1) % 3
    write_volumes(tmp_path, KINDS[name], {(lost, 2): 0, (twice, 2): 2})

    with pytest.raises(InvalidDicomError, match=rf"at one place: .*, alike in {name}"):
        lazydicom.open_series(tmp_path)
    with pytest.raises(
        InvalidDicomError, match=r"2\.00 mm\), \S*dcm \(z = 2\.00 mm\),"
    ):
        lazydicom.open_series(tmp_path, on_gap="fill")
    study = lazydicom.open_study(tmp_path, on_gap="split")

    assert all(len(kinds) == 1 for kinds in volumes_of(study.values()))
    assert sum(len(np.ravel(one[..., 0, 0])) for one in study.values()) == 12


@pytest.mark.parametrize("number", [1, 2, 3])
def test_planes_taken_in_turn_that_stand_twice_are_found_by_their_time(
    number: int, tmp_path: Path
) -> None:
    files = [(t, z) for t in range(4) for z in range(PLANES) if (t, z) != (number, 1)]
    for k, (time, plane) in enumerate([*files, ((number + 1) % 4, 1)]):
        texts = {0x00080032: ("TM", f"12000{2 * time}.{2 * plane}"), **DATE}
        path, value = tmp_path / f"{k:02d}.dcm", 100 * time + plane
        write_instance(path, z=plane, number=k, value=value, texts=texts)

    with pytest.raises(InvalidDicomError, match="alike in acquisition_time"):
        lazydicom.open_series(tmp_path)
    study = lazydicom.open_study(tmp_path, on_gap="split")

    assert all(len(times) == 1 for times in volumes_of(study.values()))


def test_whole_seconds_prove_no_copies(tmp_path: Path) -> None:
    seconds = [[0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 1, 3], [1, 2, 3, 4]]
    for time, plane in np.ndindex(4, PLANES):
        texts = {0x00080032: ("TM", f"12000{seconds[plane][time]}"), **DATE}
        path, number = tmp_path / f"{time}-{plane}", 4 * time + plane
        write_instance(path, z=plane, number=number, value=100 * time, texts=texts)

    with pytest.warns(lazydicom.errors.LazyDicomWarning, match="but Instance Number"):
        array = lazydicom.open_series(tmp_path)

    assert volumes_of([array]) == [[0], [1], [2], [3]]


@pytest.mark.parametrize("more", [{}, NO_UID], ids=["uids", "no-uids"])
@pytest.mark.parametrize("twice", [(0, 2), (1, 2), (2, 0)])
def test_a_plane_that_stands_twice_is_cut_off(
    twice: tuple[int, int], more: Texts, tmp_path: Path
) -> None:
    write_volumes(tmp_path, KINDS["acquisition_time"], {twice: 2}, more)

    study = lazydicom.open_study(tmp_path, on_gap="split")

    assert [one.shape[:-2] for one in study.values()] == [(3, 4), (1,)]
    assert volumes_of(study.values()) == [[0], [1], [2], [twice[0]]]


def test_copies_of_several_volumes_are_not_one_volume(tmp_path: Path) -> None:
    write_volumes(tmp_path, KINDS["echo_time"], {(0, 1): 2, (2, 2): 2})

    study = lazydicom.open_study(tmp_path, on_gap="split")

    assert volumes_of(study.values()) == [[0], [1], [2], [0], [2]]


@pytest.mark.parametrize("name", ["echo_time", "flip_angle", "frame_type", "b_value"])
def test_a_repetition_never_mixes_what_tells_frames_apart(
    name: str, tmp_path: Path
) -> None:
    counts = {(0, 0): 2, (1, 0): 0, (1, 1): 2, (2, 1): 0, (2, 2): 2, (0, 2): 0}
    write_volumes(tmp_path, KINDS[name], counts)

    with pytest.raises(InvalidDicomError, match="Frames of one volume differ in"):
        lazydicom.open_series(tmp_path)
    study = lazydicom.open_study(tmp_path, on_gap="split")

    assert all(len(kinds) == 1 for kinds in volumes_of(study.values()))


@pytest.mark.parametrize("order", ["ABBAAB", "AABBBA", "BAABBA"])
def test_stacks_at_the_same_places_are_not_mixed(order: str, tmp_path: Path) -> None:
    planes = [order[:k].count(stack) for k, stack in enumerate(order)]
    frames = [
        dataset(
            PlanePositionSequence=at(2 * plane),
            FrameContentSequence=sequence(
                StackID=stack, InStackPositionNumber=plane + 1
            ),
        )
        for stack, plane in zip(order, planes, strict=True)
    ]
    enhanced(tmp_path, ENHANCED_MR, frames, Modality="MR")

    with pytest.raises(InvalidDicomError, match="of one volume differ in Stack ID"):
        lazydicom.open_series(tmp_path)
    study = lazydicom.open_study(tmp_path, on_gap="split")

    numbers = [sorted(np.asarray(one)[..., 0, 0].tolist()) for one in study.values()]
    whole = [[k for k, stack in enumerate(order) if stack == one] for one in "AB"]
    assert sorted(numbers) == sorted(whole)
