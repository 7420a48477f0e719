"""Dimensions that an object declares are axes, with their names, values and units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pydicom
import pytest
from pydicom.sequence import Sequence
from written_series import ENHANCED_CT, ENHANCED_MR, at, corner, dataset, enhanced

import lazydicom

if TYPE_CHECKING:
    from pathlib import Path

STACK: Final = (0x00209057, 0x00209111)
CASES: Final[dict[str, tuple[str, str, list[Any], str, str]]] = {
    "flip angle": (
        "MRTimingAndRelatedParametersSequence", "FlipAngle", [2.0, 5.0, 15.0],
        "flip_angle", "deg",
    ),
    "repetition time": (
        "MRTimingAndRelatedParametersSequence", "RepetitionTime", [50.0, 500.0, 900.0],
        "repetition_time", "ms",
    ),
    "energy": (
        "MultienergyCTCharacteristicsSequence", "MonoenergeticEnergyEquivalent",
        [40.0, 70.0, 140.0], "energy", "keV",
    ),
    "respiratory phase": (
        "RespiratorySynchronizationSequence", "NominalPercentageOfRespiratoryPhase",
        [0.0, 25.0, 50.0], "respiratory_phase", "%",
    ),
    "table position": (
        "CTPositionSequence", "TablePosition", [-20.0, 0.0, 20.0], "table_position",
        "mm",
    ),
    "inversion": (
        "MRModifierSequence", "InversionTimes", [100.0, 400.0, 900.0], "inversion",
        "ms",
    ),
    "echo": (
        "MREchoSequence", "EffectiveEchoTime", [10.0, 20.0, 30.0], "echo", "ms",
    ),
    "tag angle": (
        "MRModifierSequence", "TagAngleFirstAxis", [0.0, 45.0, 90.0],
        "tag_angle_first_axis", "",
    ),
}  # fmt: skip


def _write(
    folder: Path,
    group: str,
    keyword: str,
    values: list[Any],
    *,
    sop_class: str = ENHANCED_MR,
    planes: int = 2,
) -> Path:
    places = [(z, k) for k in range(len(values)) for z in range(planes)]
    np.random.default_rng(1).shuffle(places)
    frames = []
    for z, k in places:
        frame = dataset(
            PlanePositionSequence=at(2 * z),
            FrameContentSequence=Sequence(
                [dataset(DimensionIndexValues=[int(z) + 1, int(k) + 1])]
            ),
        )
        setattr(frame, group, Sequence([dataset(**{keyword: values[k]})]))
        frames.append(frame)
    tag = pydicom.datadict.tag_for_keyword
    pair = (tag(keyword) or 0, tag(group) or 0)
    path = enhanced(folder, sop_class, frames, indices=[STACK, pair])
    ds = pydicom.dcmread(path)
    order = np.array([10 * k + z for z, k in places], np.uint16)
    ds.PixelData = np.repeat(order, 20).tobytes()
    ds.save_as(path)
    return path


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("planes", [1, 3])
def test_a_declared_dimension_is_named_and_has_its_values(
    tmp_path: Path, name: str, planes: int
) -> None:
    group, keyword, values, axis, units = CASES[name]
    sop_class = ENHANCED_CT if "CT" in group else ENHANCED_MR
    _write(tmp_path, group, keyword, values, sop_class=sop_class, planes=planes)

    array = lazydicom.open_series(tmp_path)

    assert array.dims == (axis, "z", "y", "x")
    assert array.coords[axis].values.tolist() == values
    assert array.coords[axis].units == units
    assert corner(array) == np.add.outer(10 * np.arange(3), np.arange(planes)).tolist()


def test_directions_of_velocity_have_three_coordinates(tmp_path: Path) -> None:
    values = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    group, keyword = "MRVelocityEncodingSequence", "VelocityEncodingDirection"
    _write(tmp_path, group, keyword, values)

    array = lazydicom.open_series(tmp_path)

    name = "velocity_direction"
    assert array.dims == (name, "z", "y", "x")
    found = [array.coords[f"{name}_{part}"].values.tolist() for part in "xyz"]
    which = [one[0] // 10 for one in corner(array)]
    assert np.transpose(found).tolist() == [values[k] for k in which]


def test_a_text_tells_frames_apart_and_stays_home(tmp_path: Path) -> None:
    group, keyword = "OpticalPathIdentificationSequence", "OpticalPathIdentifier"
    _write(tmp_path, group, keyword, ["DOE^JANE", "B", "C"])

    array = lazydicom.open_series(tmp_path)

    assert array.dims == ("optical_path", "z", "y", "x")
    assert array.coords["optical_path"].values.tolist() == [0, 1, 2]
    assert "DOE" not in repr(array)


@pytest.mark.parametrize("where", ["file", "Dataset", "bytes"])
def test_a_dimension_is_the_same_from_a_file_and_from_memory(
    tmp_path: Path, where: str
) -> None:
    group, keyword, values, axis, _ = CASES["energy"]
    path = _write(tmp_path, group, keyword, values, sop_class=ENHANCED_CT)
    sources: dict[str, Any] = {
        "file": path,
        "Dataset": pydicom.dcmread(path),
        "bytes": path.read_bytes(),
    }

    array = lazydicom.open_series(sources[where])

    assert array.coords[axis].values.tolist() == values


def test_two_declared_dimensions_are_two_axes(tmp_path: Path) -> None:
    frames = [
        dataset(
            PlanePositionSequence=at(2 * z),
            FrameContentSequence=Sequence(
                [dataset(DimensionIndexValues=[z + 1, tr + 1, v + 1])]
            ),
            MRTimingAndRelatedParametersSequence=Sequence(
                [dataset(RepetitionTime=(50.0, 90.0)[tr])]
            ),
            MRVelocityEncodingSequence=Sequence(
                [dataset(VelocityEncodingMaximumValue=(10.0, 30.0, 90.0)[v])]
            ),
        )
        for tr in range(2)
        for v in range(3)
        for z in range(2)
    ]
    pairs = [STACK, (0x00180080, 0x00189112), (0x00189217, 0x00189197)]
    enhanced(tmp_path, ENHANCED_MR, frames, indices=pairs)

    array = lazydicom.open_series(tmp_path)

    sizes = dict(zip(array.dims, array.shape, strict=True))
    assert sizes["repetition_time"] == 2
    assert sizes["velocity_encoding_maximum_value"] == 3
    order = ("repetition_time", "velocity_encoding_maximum_value", "z")
    places = [array.dims.index(name) for name in order]
    values = np.asarray(array)[..., 0, 0].transpose(places)
    assert values.ravel().tolist() == list(range(12))
