"""Completeness is shown: equal counts are no proof that the same frames are there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from written_series import DAY, corner, plane

import lazydicom
from lazydicom.errors import InvalidDicomError, LazyDicomWarning

if TYPE_CHECKING:
    from pathlib import Path

DIAGONAL = frozenset({(1, 0), (2, 1), (3, 2)})
STEEP = frozenset({(4, 0), (1, 1), (2, 2)})


def _clock(name: str, time: int, k: int) -> dict[str, Any]:
    """Return what tells the time of plane `k`."""
    seconds = 2 * time + 0.25 * k
    fields: dict[str, dict[str, Any]] = {
        "trigger": {"TriggerTime": 1000 * seconds},
        "acquisition": {"AcquisitionTime": f"1200{seconds:05.2f}"},
        "date": {"AcquisitionDate": DAY, "AcquisitionTime": f"1200{seconds:05.2f}"},
        "content": {"ContentTime": f"1200{seconds:05.2f}"},
        "frame reference": {"FrameReferenceTime": 1000 * seconds},
        "temporal": {"TemporalPositionIdentifier": time + 1},
        "number": {"AcquisitionNumber": time + 1},
        "instance": {},
    }
    return fields[name]


CLOCKS = [
    "trigger", "acquisition", "date", "content", "frame reference", "temporal",
    "number", "instance",
]  # fmt: skip


def _write_times(folder: Path, clock: str, missing: frozenset[tuple[int, int]]) -> None:
    for t in range(6):
        for k in range(3):
            if (t, k) not in missing:
                number = 1 + 3 * t + k
                place = (0.0, 0.0, 3.0 * k)
                more = {"InstanceNumber": number, **_clock(clock, t, k)}
                plane(folder, 10 * t + k, place, **more)


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("missing", [DIAGONAL, STEEP])
def test_times_that_each_plane_lacks_are_named(
    tmp_path: Path, clock: str, missing: frozenset[tuple[int, int]]
) -> None:
    _write_times(tmp_path, clock, missing)

    with pytest.raises(InvalidDicomError, match="3 of 18 frames are missing") as told:
        lazydicom.open_series(tmp_path)

    for time, k in missing:
        assert f" {time} z = {3.0 * k:.2f} mm" in str(told.value)


@pytest.mark.parametrize("clock", CLOCKS)
def test_holes_stand_where_frames_are_missing(tmp_path: Path, clock: str) -> None:
    _write_times(tmp_path, clock, DIAGONAL)

    with pytest.warns(LazyDicomWarning):
        array = lazydicom.open_series(tmp_path, on_gap="fill", fill_value=999)

    expected = np.add.outer(10 * np.arange(6), np.arange(3))
    for time, k in DIAGONAL:
        expected[time, k] = 999
    assert corner(array) == expected.tolist()


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.filterwarnings("ignore::lazydicom.errors.LazyDicomWarning")
def test_no_volume_of_a_study_mixes_times(tmp_path: Path, clock: str) -> None:
    _write_times(tmp_path, clock, STEEP)

    pieces = lazydicom.open_study(tmp_path).values()

    values = [np.atleast_2d(corner(piece)) for piece in pieces]
    assert sum(one.size for one in values) == 15
    for one in values:
        assert (np.ptp(one // 10, axis=1) == 0).all() or one.shape[1] == 1


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.filterwarnings("ignore::lazydicom.errors.LazyDicomWarning")
def test_a_complete_series_is_complete_by_every_clock(
    tmp_path: Path, clock: str
) -> None:
    _write_times(tmp_path, clock, frozenset())

    array = lazydicom.open_series(tmp_path)

    assert corner(array) == np.add.outer(10 * np.arange(6), np.arange(3)).tolist()


@pytest.mark.parametrize("lost", [(0, 1), (5, 2), (3, 0)])
@pytest.mark.parametrize("clock", ["trigger", "acquisition", "temporal", "number"])
def test_one_missing_frame_is_named(
    tmp_path: Path, clock: str, lost: tuple[int, int]
) -> None:
    _write_times(tmp_path, clock, frozenset({lost}))

    name = f"1 of 18 frames are missing: time {lost[0]} z = {3 * lost[1]}"
    with pytest.raises(InvalidDicomError, match=name):
        lazydicom.open_series(tmp_path)
