"""Real world values by slope and intercept of each frame, with their unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
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


@pytest.mark.parametrize("odd", ["length", "differ", "some"])
def test_luts_that_contradict_are_an_error(tmp_path: Path, odd: str) -> None:
    luts = [_lut(0, [1.0, 2.0], 7 if odd == "length" else None)]
    luts += [_lut(0, [1.0, 3.0]) if odd == "differ" else luts[0]]
    for k, lut in enumerate(luts):
        place = (0, 0, 2.0 * k)
        if odd == "some" and k:
            plane(tmp_path, 1, place)
        else:
            plane(tmp_path, 1, place, RealWorldValueMappingSequence=lut)

    with pytest.raises(InvalidDicomError, match="LUT"):
        lazydicom.apply_real_world_values(lazydicom.open_series(tmp_path))
