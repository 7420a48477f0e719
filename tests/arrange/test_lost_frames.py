"""Frames that are lost are named by the clock that proves it; no volume mixes times."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from written_series import corner, plane

import lazydicom
from lazydicom.errors import InvalidDicomError, LazyDicomWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    Delay = Callable[[int, int], float]

EVEN, UNEVEN = [0.0, 2, 4, 6, 8], [0.0, 2, 5.5, 7, 12]
DELAYS: Final[dict[str, Delay]] = {
    "none": lambda _k, _planes: 0.0,
    "at the start": lambda k, _planes: 0.05 * k,
    "spread": lambda k, planes: 1.4 * k / planes,
    "interleaved": lambda k, planes: 1.0 * (k // 2 + k % 2 * (planes + 1) / 2) / planes,
    "backwards": lambda k, planes: 1.4 * (planes - 1 - k) / planes,
}
LOST: Final = {
    "one of each": {(1, 0), (2, 1)},
    "the first of one": {(0, 0), (2, 1)},
    "the last of one": {(4, 0), (1, 1)},
    "two of one": {(1, 0), (3, 0), (2, 1)},
    "of one alone": {(2, 1)},
}


def _clock(seconds: float) -> str:
    return f"12{int(seconds) // 60:02d}{seconds % 60:07.4f}"


def _write(
    folder: Path,
    times: list[float],
    planes: int,
    delay: Delay,
    lost: Iterable[tuple[int, int]],
    *,
    name: str = "AcquisitionTime",
    **more: Any,  # noqa: ANN401
) -> None:
    gone = set(lost)
    for t, k in np.ndindex(len(times), planes):
        if (t, k) not in gone:
            own = {name: _clock(times[t] + delay(k, planes)), **more}
            number = 1 + planes * t + k
            plane(folder, 10 * t + k, (0, 0, 3.0 * k), InstanceNumber=number, **own)


@pytest.mark.parametrize("times", [EVEN, UNEVEN], ids=["even", "uneven"])
@pytest.mark.parametrize("delay", DELAYS)
@pytest.mark.parametrize("lost", LOST)
def test_times_that_two_planes_lack_are_named(
    tmp_path: Path, times: list[float], delay: str, lost: str
) -> None:
    _write(tmp_path, times, 2, DELAYS[delay], LOST[lost])

    count = len(LOST[lost])
    with pytest.raises(InvalidDicomError, match=f"{count} of 10 frames") as told:
        lazydicom.open_series(tmp_path)

    for t, k in LOST[lost]:
        assert f"time {t} z = {3.0 * k:.2f} mm" in str(told.value)


def test_of_four_times_two_planes_may_lack_another_each(tmp_path: Path) -> None:
    _write(tmp_path, EVEN[:4], 2, DELAYS["at the start"], LOST["one of each"])

    with pytest.raises(InvalidDicomError, match="2 of 8 frames are missing: time 1 z"):
        lazydicom.open_series(tmp_path)
    with pytest.warns(LazyDicomWarning, match="2 of 8"):
        array = lazydicom.open_series(tmp_path, on_gap="fill", fill_value=99)

    assert corner(array) == [[0, 1], [99, 11], [20, 99], [30, 31]]


@pytest.mark.parametrize("name", ["AcquisitionTime", "ContentTime"])
def test_a_clock_proves_it_whatever_column_the_axis_came_from(
    tmp_path: Path, name: str
) -> None:
    lost = LOST["one of each"]
    for t, k in np.ndindex(5, 2):
        if (t, k) not in lost:
            rank = sum((u, k) not in lost for u in range(t))
            seconds = _clock(UNEVEN[t] + 0.1 * k)
            more: Any = {name: seconds, "TriggerTime": 100 * rank + 7 * k}
            plane(tmp_path, 10 * t + k, (0, 0, 3.0 * k), **more)

    with pytest.raises(InvalidDicomError, match="2 of 10 frames are missing: time 1 z"):
        lazydicom.open_series(tmp_path)


@pytest.mark.parametrize("times", [EVEN, UNEVEN], ids=["even", "uneven"])
@pytest.mark.parametrize("delay", DELAYS)
@pytest.mark.parametrize("planes", [2, 5])
def test_times_of_slices_are_no_lost_frames(
    tmp_path: Path, times: list[float], delay: str, planes: int
) -> None:
    _write(tmp_path, times, planes, DELAYS[delay], ())

    array = lazydicom.open_series(tmp_path)

    assert array.dims == ("time", "z", "y", "x")
    assert corner(array) == np.add.outer(10 * np.arange(5), np.arange(planes)).tolist()


@pytest.mark.parametrize("late", [30.0, 11.9])
def test_gated_planes_have_clocks_of_their_own(tmp_path: Path, late: float) -> None:
    for t, k in np.ndindex(4, 3):
        beats = t * (1 + 0.2 * k) + late * k
        more: Any = {"AcquisitionTime": _clock(beats), "TriggerTime": 40 * t + 3 * k}
        plane(tmp_path, 10 * t + k, (0, 0, 8.0 * k), **more)

    array = lazydicom.open_series(tmp_path)

    assert corner(array) == np.add.outer(10 * np.arange(4), np.arange(3)).tolist()


@given(
    gaps=st.lists(st.sampled_from([2.0, 2.5, 3.3, 4.6]), min_size=4, max_size=7),
    planes=st.integers(2, 5),
    delay=st.sampled_from(sorted(DELAYS)),
    data=st.data(),
)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_whatever_is_lost_no_volume_mixes_times(
    gaps: list[float],
    planes: int,
    delay: str,
    data: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("series")
    times = np.concatenate([[0], np.cumsum(gaps)]).tolist()
    cells = [(t, k) for t in range(len(times)) for k in range(1, planes)]
    lost = data.draw(st.sets(st.sampled_from(cells), max_size=planes))
    _write(folder, times, planes, DELAYS[delay], lost)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LazyDicomWarning)
        array = lazydicom.open_series(folder, on_gap="fill", fill_value=999)

    expected = np.add.outer(10 * np.arange(len(times)), np.arange(planes))
    for place in lost:
        expected[place] = 999
    assert corner(array) == expected.tolist()


@pytest.mark.parametrize("stopped", [1, 3, 5])
@pytest.mark.parametrize("times", [3, 5])
def test_a_scan_that_was_stopped_lacks_its_last_frames(
    tmp_path: Path, stopped: int, times: int
) -> None:
    for t, k in np.ndindex(times, 6):
        if t < times - 1 or k < stopped:
            clock: Any = {"AcquisitionTime": _clock(3 * t + 0.5 * k)}
            plane(tmp_path, 10 * t + k, (0, 0, 3.0 * k), **clock)

    with pytest.warns(LazyDicomWarning, match=f"{6 - stopped} of {6 * times} frames"):
        array = lazydicom.open_series(tmp_path, on_gap="fill", fill_value=999)

    expected = np.add.outer(10 * np.arange(times), np.arange(6))
    expected[-1, stopped:] = 999
    assert corner(array) == expected.tolist()


@pytest.mark.parametrize("times", [4, 6])
def test_instance_numbers_alone_tell_what_each_plane_lacks(
    tmp_path: Path, times: int
) -> None:
    lost = {(1, 0), (2, 1), (0, 2)}
    for t, k in np.ndindex(times, 3):
        if (t, k) not in lost:
            number: Any = {"InstanceNumber": 1 + 3 * t + k}
            plane(tmp_path, 10 * t + k, (0, 0, 3.0 * k), **number)

    with pytest.raises(InvalidDicomError, match=f"3 of {3 * times} frames are missing"):
        lazydicom.open_series(tmp_path)


@pytest.mark.parametrize("lost", [(1, 2), (0, 0), (2, 3)])
def test_volumes_that_moved_may_lack_a_frame(
    tmp_path: Path, lost: tuple[int, int]
) -> None:
    for t, k in np.ndindex(3, 4):
        if (t, k) != lost:
            place = (0.1 * t, 0.05 * t, 3.0 * k + 0.07 * t)
            more: Any = {"AcquisitionNumber": t + 1, "AcquisitionTime": _clock(2 * t)}
            plane(tmp_path, 10 * t + k, place, **more)

    with pytest.raises(InvalidDicomError, match=f"1 of 12 frames.*time {lost[0]}"):
        lazydicom.open_series(tmp_path)
    pieces = [corner(piece) for piece in lazydicom.open_study(tmp_path).values()]

    for piece in pieces:
        volumes = np.atleast_2d(piece) // 10
        assert (np.ptp(volumes, axis=1) == 0).all()
