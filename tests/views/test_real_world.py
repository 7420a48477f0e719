"""Real world values by slope and intercept of each frame, with their unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
from written_series import ENHANCED_MR, at, dataset, enhanced, plane, sequence

import lazydicom
from lazydicom.errors import InvalidDicomError

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence


def _mapping(slope: float, unit: str = "ml/s", **more: object) -> Sequence:
    return sequence(
        RealWorldValueSlope=slope,
        RealWorldValueIntercept=1.0,
        MeasurementUnitsCodeSequence=sequence(
            CodeValue=unit, CodingSchemeDesignator="UCUM", CodeMeaning=unit
        ),
        **more,
    )


@pytest.mark.parametrize("count", [3, 12])
def test_each_file_has_a_mapping_of_its_own(tmp_path: Path, count: int) -> None:
    for k in range(count):
        mapping = _mapping(0.5 * (k + 1))
        place = (0, 0, 2.0 * k)
        plane(tmp_path, 10, place, RealWorldValueMappingSequence=mapping)

    array = lazydicom.apply_real_world_values(lazydicom.open_series(tmp_path))

    expected = 5.0 * np.arange(1, count + 1) + 1
    np.testing.assert_allclose(array[:, 0, 0], expected)
    assert lazydicom.to_xarray(array).attrs["units"] == "ml/s"


@pytest.mark.parametrize("shared", [True, False])
def test_frames_of_an_enhanced_file_have_mappings(
    tmp_path: Path, *, shared: bool
) -> None:
    frames: list[Dataset] = []
    for z in range(3):
        frame = dataset(PlanePositionSequence=at(z))
        slope = 2.0 if shared else 2.0 + z
        frame.RealWorldValueMappingSequence = _mapping(slope)
        frames.append(frame)
    enhanced(tmp_path, ENHANCED_MR, frames)

    array = lazydicom.apply_real_world_values(lazydicom.open_series(tmp_path))

    slopes = np.array([2.0, 2, 2] if shared else [2.0, 3, 4])
    np.testing.assert_allclose(array[:, 0, 0], slopes * [0, 1, 2] + 1)
    assert lazydicom.to_xarray(array).attrs["units"] == "ml/s"


def test_what_is_not_mapped_is_nan(tmp_path: Path) -> None:
    for k in range(4):
        mapping = _mapping(
            1.0, RealWorldValueFirstValueMapped=1, RealWorldValueLastValueMapped=2
        )
        plane(tmp_path, k, (0, 0, k), RealWorldValueMappingSequence=mapping)

    array = lazydicom.apply_real_world_values(lazydicom.open_series(tmp_path))

    np.testing.assert_array_equal(array[:, 0, 0], [np.nan, 2, 3, np.nan])


def test_a_frame_without_mapping_is_an_error(tmp_path: Path) -> None:
    for k in range(3):
        plane(tmp_path, k, (0, 0, k))

    with pytest.raises(InvalidDicomError, match="No Real World Value Mapping"):
        lazydicom.apply_real_world_values(lazydicom.open_series(tmp_path))


def test_real_world_values_are_of_stored_values(tmp_path: Path) -> None:
    plane(
        tmp_path,
        1,
        (0, 0, 0),
        RescaleSlope=2,
        RescaleIntercept=0,
        RealWorldValueMappingSequence=_mapping(3.0),
    )
    array = lazydicom.open_series(tmp_path)

    with pytest.raises(TypeError, match="for stored values"):
        lazydicom.apply_real_world_values(lazydicom.apply_modality_lut(array))


def _lut(first: int, values: list[float], last: int | None = None) -> Sequence:
    return sequence(
        RealWorldValueFirstValueMapped=first,
        RealWorldValueLastValueMapped=first + len(values) - 1 if last is None else last,
        RealWorldValueLUTData=values,
    )


@pytest.mark.parametrize("first", [0, 5, 9])
@pytest.mark.parametrize("count", [1, 3, 12])
def test_a_lut_gives_real_world_values(tmp_path: Path, first: int, count: int) -> None:
    values = [0.25, 4.0, 2.5, 100.0]
    for k in range(count):
        mapping = _lut(first, values)
        plane(tmp_path, 5 + k, (0, 0, 2.0 * k), RealWorldValueMappingSequence=mapping)

    array = lazydicom.apply_real_world_values(lazydicom.open_series(tmp_path))

    known = dict(enumerate(values, start=first))
    expected = [known.get(5 + k, np.nan) for k in range(count)]
    np.testing.assert_array_equal(array[:, 0, 0], expected)


@pytest.mark.parametrize("odd", ["length", "some"])
def test_luts_that_contradict_are_an_error(tmp_path: Path, odd: str) -> None:
    lut = _lut(0, [1.0, 2.0], 7 if odd == "length" else None)
    for k in range(2):
        place = (0, 0, 2.0 * k)
        if odd == "some" and k:
            plane(tmp_path, 1, place)
        else:
            plane(tmp_path, 1, place, RealWorldValueMappingSequence=lut)

    with pytest.raises(InvalidDicomError, match="LUT"):
        lazydicom.apply_real_world_values(lazydicom.open_series(tmp_path))


def test_each_file_has_a_lut_of_its_own_or_a_slope(tmp_path: Path) -> None:
    mappings = [_lut(0, [1.0, 2.0]), _lut(0, [1.0, 3.0]), _mapping(7.0), _lut(1, [9.0])]
    for k, mapping in enumerate(mappings):
        plane(tmp_path, 1, (0, 0, 2.0 * k), RealWorldValueMappingSequence=mapping)

    array = lazydicom.apply_real_world_values(lazydicom.open_series(tmp_path))

    assert array[:, 0, 0].tolist() == [2, 3, 8, 9]
    assert array[1:3, 0, 0].tolist() == [3, 8]
    assert array[3, 0, 0] == 9


@pytest.mark.parametrize("where", ["shared", "per frame", "both", "mixed"])
@pytest.mark.parametrize("memory", [False, True])
def test_luts_stand_in_functional_groups(
    tmp_path: Path, where: str, *, memory: bool
) -> None:
    luts = [_lut(0, [10.0 * z + k for k in range(4)]) for z in range(3)]
    frames = []
    for z in range(3):
        frame = dataset(PlanePositionSequence=at(z))
        if where == "per frame" or (where == "both" and z):
            frame.RealWorldValueMappingSequence = luts[z]
        elif where == "mixed":
            own = luts[z] if z != 1 else _mapping(2.0)
            frame.RealWorldValueMappingSequence = own
        frames.append(frame)
    path = enhanced(tmp_path, ENHANCED_MR, frames)
    ds = pydicom.dcmread(path)
    if where in {"shared", "both"}:
        shared = ds.SharedFunctionalGroupsSequence[0]
        shared.RealWorldValueMappingSequence = luts[0]
    ds.save_as(path)

    opened = lazydicom.open_series(ds if memory else path)
    array = lazydicom.apply_real_world_values(opened)

    expected = {
        "shared": [0, 1, 2],
        "per frame": [0, 11, 22],
        "both": [0, 11, 22],
        "mixed": [0, 3, 22],
    }
    assert array[:, 0, 0].tolist() == expected[where]


def test_limits_in_functional_groups_hold(tmp_path: Path) -> None:
    limits: Any = {
        "RealWorldValueFirstValueMapped": 1,
        "RealWorldValueLastValueMapped": 1,
    }
    frames = [
        dataset(
            PlanePositionSequence=at(z),
            RealWorldValueMappingSequence=_mapping(2.0, **limits),
        )
        for z in range(3)
    ]
    enhanced(tmp_path, ENHANCED_MR, frames)

    array = lazydicom.apply_real_world_values(lazydicom.open_series(tmp_path))

    np.testing.assert_array_equal(array[:, 0, 0], [np.nan, 3, np.nan])


def _limited(slope: float, first: int, last: int) -> Sequence:
    limits: dict[str, object] = {
        "RealWorldValueFirstValueMapped": first,
        "RealWorldValueLastValueMapped": last,
    }
    return _mapping(slope, "other", **limits)


@pytest.mark.parametrize("memory", [False, True])
@pytest.mark.parametrize("where", ["top", "shared", "per frame"])
@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (_mapping(2.0), _lut(0, [0.5] * 9), [1, 3, 5]),
        (_mapping(2.0), _lut(7, [0.5]), [1, 3, 5]),
        (_mapping(2.0), _limited(4.0, 1, 1), [1, 3, 5]),
        (_limited(4.0, 1, 1), _mapping(2.0), [np.nan, 5, np.nan]),
        (_limited(4.0, 0, 2), _lut(0, [0.5] * 3), [1, 5, 9]),
        (_limited(4.0, 0, 2), _lut(0, [0.5] * 4), [1, 5, 9]),
        (_lut(0, [0.5, 0.7, 0.9]), _limited(4.0, 0, 5), [0.5, 0.7, 0.9]),
        (_lut(0, [0.5, 0.7, 0.9]), _lut(1, [4.0]), [0.5, 0.7, 0.9]),
    ],
)
def test_the_first_of_several_mappings_holds(
    tmp_path: Path,
    first: Sequence,
    second: Sequence,
    expected: list[float],
    where: str,
    *,
    memory: bool,
) -> None:
    both = [*first, *second]
    frames = []
    for z in range(3):
        frame = dataset(PlanePositionSequence=at(z))
        if where == "per frame":
            frame.RealWorldValueMappingSequence = both
        frames.append(frame)
    path = enhanced(tmp_path, ENHANCED_MR, frames)
    ds = pydicom.dcmread(path)
    if where == "shared":
        ds.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence = both
    elif where == "top":
        ds.RealWorldValueMappingSequence = both
    ds.save_as(path)

    opened = lazydicom.open_series(ds if memory else path)
    array = lazydicom.apply_real_world_values(opened)

    np.testing.assert_allclose(array[:, 0, 0], expected)


@pytest.mark.parametrize("shared", [_lut(0, [9.0] * 3), _limited(4.0, 7, 9)])
def test_a_mapping_of_a_frame_has_nothing_of_the_shared_one(
    tmp_path: Path, shared: Sequence
) -> None:
    own = _mapping(2.0)
    frames = [
        dataset(PlanePositionSequence=at(z), RealWorldValueMappingSequence=own)
        for z in range(3)
    ]
    ds = pydicom.dcmread(enhanced(tmp_path, ENHANCED_MR, frames))
    ds.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence = shared

    array = lazydicom.apply_real_world_values(lazydicom.open_series(ds))

    assert array[:, 0, 0].tolist() == [1, 3, 5]
