"""What varies names the axis, and what is no axis is a coordinate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydicom.sequence import Sequence
from written_series import (
    DAY,
    ENHANCED_CT,
    ENHANCED_MR,
    at,
    corner,
    dataset,
    enhanced,
    plane,
    sequence,
)

import lazydicom

if TYPE_CHECKING:
    from pathlib import Path

SIEMENS = (0x19, "SIEMENS MR HEADER", 0x0C, "IS")
GE = (0x43, "GEMS_PARM_01", 0x39, "IS")


def _write_weightings(folder: Path, b_values: tuple[int, ...], vendor: str) -> None:
    for t, b in enumerate(b_values):
        for k in range(3):
            more: dict[str, Any] = {"InstanceNumber": 1 + 3 * t + k}
            if vendor == "siemens":
                more["Manufacturer"] = "SIEMENS"
                more["private"] = [(*SIEMENS, str(b))]
                more["AcquisitionNumber"] = t + 1
                more["AcquisitionDate"] = DAY
                more["AcquisitionTime"] = f"1200{3 * t:02d}"
            elif vendor == "ge":
                more["Manufacturer"] = "GE MEDICAL SYSTEMS"
                more["private"] = [(*GE, [b, 8, 0, 0])]
                more["AcquisitionNumber"] = 1
            else:
                more["DiffusionBValue"] = float(b)
            plane(folder, 10 * t + k, (0, 0, 3.0 * k), **more)


@pytest.mark.parametrize("vendor", ["siemens", "ge", "standard"])
@pytest.mark.parametrize(
    "b_values",
    [
        (0, 1000, 1000, 1000),
        (0, 1000, 1000, 2000, 2000, 2000),
        (0, 0, 1000, 1000, 1000),
        (1000, 0, 1000, 1000, 1000, 0),
        (0, 500, 500, 500, 500, 500, 500, 500),
    ],
)
@pytest.mark.filterwarnings("ignore::lazydicom.errors.LazyDicomWarning")
def test_unbalanced_b_values_are_one_axis(
    tmp_path: Path, vendor: str, b_values: tuple[int, ...]
) -> None:
    _write_weightings(tmp_path, b_values, vendor)

    array = lazydicom.open_series(tmp_path)

    assert array.dims[:2] == ("diffusion", "z")
    volumes = len(b_values)
    assert corner(array) == np.add.outer(10 * np.arange(volumes), [0, 1, 2]).tolist()
    np.testing.assert_array_equal(array.coords["b_value"], b_values)
    assert array.coords["b_value"].units == "s/mm2"


def test_magnitude_volumes_and_one_derived_map_are_one_axis(tmp_path: Path) -> None:
    kinds = ["M"] * 4 + ["P"]
    for t, kind in enumerate(kinds):
        for k in range(3):
            plane(
                tmp_path,
                10 * t + k,
                (0, 0, 3.0 * k),
                ImageType=["ORIGINAL", "PRIMARY", kind],
                InstanceNumber=1 + 3 * t + k,
                AcquisitionDate=DAY,
                AcquisitionTime=f"12000{t}",
            )

    array = lazydicom.open_series(tmp_path)

    assert array.dims[:2] == ("time", "z")
    assert corner(array) == np.add.outer(10 * np.arange(5), [0, 1, 2]).tolist()
    assert array.coords["component"].values.tolist() == kinds


def test_a_time_that_does_not_hold_along_another_axis_is_two_dimensional(
    tmp_path: Path,
) -> None:
    for t, b in enumerate((0, 0, 1000, 1000)):
        for k in range(2):
            plane(
                tmp_path,
                10 * t + k,
                (0, 0, 3.0 * k),
                DiffusionBValue=float(b),
                InstanceNumber=1 + 2 * t + k,
                AcquisitionNumber=t + 1,
                AcquisitionDate=DAY,
                AcquisitionTime=f"1200{3 * t:02d}",
            )

    array = lazydicom.open_series(tmp_path)

    assert array.dims[:2] == ("time", "b_value")
    assert array.coords["time"].values.tolist() == [0, 1]
    assert array.coords["time"].units == ""
    assert array.coords["acquisition_time"].dims == ("time", "b_value")
    assert array.coords["acquisition_time"].values.tolist() == [[0, 6], [3, 9]]


def test_the_time_of_every_plane_is_a_coordinate(tmp_path: Path) -> None:
    order = [0, 3, 1, 4, 2]
    for t in range(2):
        for k in range(5):
            seconds = 2 * t + 0.4 * order[k]
            more = {"AcquisitionTime": f"1200{seconds:04.1f}", "AcquisitionDate": DAY}
            plane(tmp_path, 10 * t + k, (0, 0, 3.0 * k), **more)

    array = lazydicom.open_series(tmp_path)

    expected = np.add.outer([0, 2], 0.4 * np.array(order))
    assert array.coords["acquisition_time"].dims == ("time", "z")
    np.testing.assert_allclose(array.coords["acquisition_time"], expected)


@pytest.mark.parametrize("words", [("TE1", "TE2"), ("ECHO1", "ECHO2")])
def test_a_physical_value_names_the_axis(
    tmp_path: Path, words: tuple[str, str]
) -> None:
    for t in range(2):
        for e in range(2):
            for k in range(2):
                plane(
                    tmp_path,
                    100 * e + 10 * t + k,
                    (0, 0, 3.0 * k),
                    EchoTime=(20, 37.83)[e],
                    ImageType=["ORIGINAL", "PRIMARY", "M", words[e]],
                    InstanceNumber=1 + 4 * t + 2 * e + k,
                    AcquisitionNumber=t + 1,
                    AcquisitionDate=DAY,
                    AcquisitionTime=f"12000{2 * t}",
                )

    array = lazydicom.open_series(tmp_path)

    assert array.dims[:3] == ("time", "echo", "z")
    assert array.coords["echo"].values.tolist() == [20, 37.83]
    assert corner(array) == [
        [[0, 1], [100, 101]],
        [[10, 11], [110, 111]],
    ]


def test_inversion_times_of_slices_are_a_coordinate(tmp_path: Path) -> None:
    for t in range(3):
        for k in range(2):
            plane(
                tmp_path,
                10 * t + k,
                (0, 0, 10.0 * k),
                InversionTime=(100, 180, 1100)[t] + 7 * k,
                InstanceNumber=1 + t + 3 * k,
                AcquisitionDate=DAY,
                AcquisitionTime=f"12{k:02d}{t:02d}",
            )

    with pytest.warns(lazydicom.errors.LazyDicomWarning, match="inversion_time"):
        array = lazydicom.open_series(tmp_path)

    assert array.coords["inversion_time"].dims == ("time", "z")
    assert array.coords["inversion_time"].values.tolist() == [
        [100, 107],
        [180, 187],
        [1100, 1107],
    ]


@pytest.mark.parametrize(
    ("keyword", "name", "units"),
    [
        ("FlipAngle", "flip_angle", "deg"),
        ("RepetitionTime", "repetition_time", "ms"),
        ("Exposure", "exposure", "mAs"),
        ("XRayTubeCurrent", "x_ray_tube_current", "mA"),
        ("KVP", "kvp", "kV"),
    ],
)
def test_what_varies_from_slice_to_slice_is_a_coordinate(
    tmp_path: Path, keyword: str, name: str, units: str
) -> None:
    for k in range(4):
        plane(tmp_path, k, (0, 0, 2.0 * k), **{keyword: 100 + 5 * k})

    coordinate = lazydicom.open_series(tmp_path).coords[name]

    assert (coordinate.dims, coordinate.units) == (("z",), units)
    assert coordinate.values.tolist() == [100, 105, 110, 115]


@pytest.mark.parametrize("indexed", [True, False])
def test_flip_angles_of_an_enhanced_file_name_the_axis(
    tmp_path: Path, *, indexed: bool
) -> None:
    frames = [
        dataset(
            PlanePositionSequence=at(2 * z),
            FrameContentSequence=sequence(DimensionIndexValues=[z + 1, k + 1]),
            MRTimingAndRelatedParametersSequence=sequence(
                FlipAngle=(2.0, 5.0, 15.0)[k]
            ),
        )
        for k in range(3)
        for z in range(2)
    ]
    indices = [(0x00209057, 0x00209111), (0x00181314, 0x00189112)]
    enhanced(tmp_path, ENHANCED_MR, frames, indices=indices if indexed else [])

    array = lazydicom.open_series(tmp_path)

    assert array.dims[:2] == ("flip_angle", "z")
    assert array.coords["flip_angle"].values.tolist() == [2, 5, 15]
    assert corner(array) == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize("order", ["phases", "planes"])
def test_respiratory_phases_name_the_axis(tmp_path: Path, order: str) -> None:
    places = [(k, z) for k in range(3) for z in range(2)]
    if order == "planes":
        places.sort(key=lambda place: place[1])
    frames = [
        dataset(
            PlanePositionSequence=at(2 * z),
            RespiratorySynchronizationSequence=Sequence(
                [dataset(NominalPercentageOfRespiratoryPhase=25.0 * k)]
            ),
        )
        for k, z in places
    ]
    enhanced(tmp_path, ENHANCED_CT, frames, Modality="CT")

    array = lazydicom.open_series(tmp_path)

    assert array.dims[:2] == ("respiratory_phase", "z")
    assert array.coords["respiratory_phase"].values.tolist() == [0, 25, 50]
    expected = [[places.index((k, z)) for z in range(2)] for k in range(3)]
    assert corner(array) == expected


@pytest.mark.parametrize("volumes", [2, 3, 5])
def test_the_order_of_frames_is_the_last_resort(tmp_path: Path, volumes: int) -> None:
    frames = [
        dataset(PlanePositionSequence=at(2 * z))
        for _ in range(volumes)
        for z in range(3)
    ]
    enhanced(tmp_path, ENHANCED_CT, frames, Modality="CT")

    with pytest.warns(lazydicom.errors.LazyDicomWarning, match="frames of one plane"):
        array = lazydicom.open_series(tmp_path)

    assert array.dims[:2] == ("repeat", "z")
    assert corner(array) == np.arange(3 * volumes).reshape(volumes, 3).tolist()
