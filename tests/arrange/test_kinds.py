"""Every kind of multi-frame instance has its own words on the axes."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
from noting import noting
from pydicom.sequence import Sequence
from written_series import (
    ENHANCED_MR,
    ENHANCED_US,
    NM,
    RT_DOSE,
    US,
    at,
    corner,
    dataset,
    enhanced,
    sequence,
    write,
)

import lazydicom
from lazydicom.errors import InvalidDicomError, LazyDicomWarning

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom import Dataset

IVOCT, OPT, TOMOSYNTHESIS, RT_IMAGE = (
    f"1.2.840.10008.5.1.4.1.1.{x}" for x in ("14.1", "77.1.5.4", "13.1.3", "481.1")
)
XA, XRF, VL_ENDOSCOPIC = (
    f"1.2.840.10008.5.1.4.1.1.{x}" for x in ("12.1", "12.2", "77.1.1.1")
)
FRAME_TIME, FRAME_TIME_VECTOR = 0x00181063, 0x00181065
VECTOR = [0.0, 40, 40, 80, 40]


def _cine(folder: Path, **attributes: Any) -> Any:  # noqa: ANN401
    attributes.setdefault("Modality", "US")
    kind = attributes.pop("sop_class", US)
    write(folder, kind, range(5), frames=5, **attributes)
    return lazydicom.open_series(folder)


@pytest.mark.parametrize("kind", [US, XA, XRF, VL_ENDOSCOPIC])
@pytest.mark.parametrize(
    ("attributes", "times", "source"),
    [
        (
            {
                "FrameIncrementPointer": FRAME_TIME_VECTOR,
                "FrameTimeVector": VECTOR,
                "FrameTime": 40,
            },
            [0, 0.04, 0.08, 0.16, 0.2],
            "Frame Time Vector",
        ),
        (
            {
                "FrameIncrementPointer": FRAME_TIME,
                "FrameTimeVector": VECTOR,
                "FrameTime": 50,
            },
            [0, 0.05, 0.1, 0.15, 0.2],
            "Frame Time",
        ),
        (
            {"FrameTimeVector": VECTOR},
            [0, 0.04, 0.08, 0.16, 0.2],
            "Frame Time Vector",
        ),
        ({"FrameTime": 20}, [0, 0.02, 0.04, 0.06, 0.08], "Frame Time"),
        ({"CineRate": 25}, [0, 0.04, 0.08, 0.12, 0.16], "Cine Rate"),
        (
            {"RecommendedDisplayFrameRate": 10},
            [0, 0.1, 0.2, 0.3, 0.4],
            "Recommended Display Frame Rate",
        ),
    ],
)
def test_the_pointer_decides_what_tells_the_time(
    tmp_path: Path,
    kind: str,
    attributes: dict[str, Any],
    times: list[float],
    source: str,
) -> None:
    array = _cine(tmp_path, sop_class=kind, **attributes)

    assert array.dims[0] == "time"
    np.testing.assert_allclose(array.coords["time"], times)
    assert array.coords["time"].units == "s"
    assert array.attrs["time_source"] == source
    assert corner(array) == [0, 1, 2, 3, 4]


def test_a_vector_of_another_length_tells_nothing(tmp_path: Path) -> None:
    array = _cine(
        tmp_path,
        FrameIncrementPointer=FRAME_TIME_VECTOR,
        FrameTimeVector=[0, 40],
        FrameTime=40,
    )

    assert array.attrs["time_source"] == "Frame Time"


def test_frames_that_nothing_tells_apart_are_frames(tmp_path: Path) -> None:
    assert _cine(tmp_path).dims[0] == "frame"


def test_angles_of_xa_are_coordinates(tmp_path: Path) -> None:
    array = _cine(
        tmp_path,
        sop_class=XA,
        Modality="XA",
        FrameTime=40,
        PositionerPrimaryAngle=10,
        PositionerPrimaryAngleIncrement=[0, 1, 2, 3, 4],
    )

    angles = array.coords["positioner_primary_angle"]
    assert (angles.dims, angles.units) == (("time",), "deg")
    assert angles.values.tolist() == [10, 11, 12, 13, 14]


@pytest.mark.parametrize("stills", [0, 1, 3])
def test_cines_are_arrays_of_their_own_and_stills_a_stack(
    tmp_path: Path, stills: int
) -> None:
    for number, step in ((1, 40), (2, 20)):
        values = range(100 * number, 100 * number + 5)
        more: Any = {"FrameTime": step, "InstanceNumber": number, "Modality": "US"}
        write(tmp_path, US, values, frames=5, **more)
    for k in range(stills):
        write(tmp_path, US, 300 + k, Modality="US", InstanceNumber=3 + k)

    with pytest.raises(InvalidDicomError, match=r"000\.dcm, .*001\.dcm"):
        lazydicom.open_series(tmp_path)
    study = lazydicom.open_study(tmp_path)

    found = [corner(array) for array in study.values()]
    expected = [[100 * n + k for k in range(5)] for n in (1, 2)]
    expected += [[300 + k for k in range(stills)]] if stills else []
    assert found == expected
    for array, seconds in zip(study.values(), (0.04, 0.02), strict=False):
        np.testing.assert_allclose(array.coords["time"], seconds * np.arange(5))


@pytest.mark.parametrize("spacing", [-4.0, 4.0, 3.3])
@pytest.mark.parametrize("orientation", [[1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, -1]])
def test_reconstructed_slices_of_nm_lie_in_the_patient(
    tmp_path: Path, spacing: float, orientation: list[float]
) -> None:
    write(
        tmp_path,
        NM,
        range(4),
        frames=4,
        Modality="NM",
        ImageType=["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"],
        FrameIncrementPointer=0x00540080,
        SliceVector=[1, 2, 3, 4],
        PixelSpacing=[4, 4],
        SpacingBetweenSlices=spacing,
        DetectorInformationSequence=sequence(
            ImagePositionPatient=[-10.0, -20.0, 30.0],
            ImageOrientationPatient=[float(one) for one in orientation],
        ),
    )

    array = lazydicom.open_series(tmp_path)

    normal = np.cross(orientation[:3], orientation[3:])
    affine = array.attrs["affine"]
    assert array.dims == ("z", "y", "x")
    for k in range(4):
        position = affine @ [0, 0, corner(array).index(k), 1]
        expected = np.array([-10, -20, 30]) + k * spacing * normal
        np.testing.assert_allclose(position[:3], expected)
    assert array.attrs["spacing"] == [pytest.approx(abs(spacing)), 4, 4]


def test_vectors_of_nm_are_axes(tmp_path: Path) -> None:
    windows = Sequence(
        dataset(
            EnergyWindowRangeSequence=sequence(
                EnergyWindowLowerLimit=low, EnergyWindowUpperLimit=low + 20
            )
        )
        for low in (130, 240)
    )
    grid = [(e, d, p) for e in (1, 2) for d in (1, 2) for p in (1, 2, 3)]
    write(
        tmp_path,
        NM,
        range(12),
        frames=12,
        Modality="NM",
        FrameIncrementPointer=[0x00540010, 0x00540020, 0x00540030],
        EnergyWindowVector=[place[0] for place in grid],
        DetectorVector=[place[1] for place in grid],
        PhaseVector=[place[2] for place in grid],
        EnergyWindowInformationSequence=windows,
    )

    array = lazydicom.open_series(tmp_path)

    assert array.dims[:3] == ("energy_window", "detector", "phase")
    assert corner(array) == np.arange(12).reshape(2, 2, 3).tolist()
    lower = array.coords["energy_lower"]
    assert (lower.dims, lower.units) == (("energy_window",), "keV")
    assert lower.values.tolist() == [130, 240]


@pytest.mark.parametrize(("direction", "sign"), [("CC", 1), ("CW", -1)])
def test_views_of_a_tomography_are_angles(
    tmp_path: Path, direction: str, sign: int
) -> None:
    write(
        tmp_path,
        NM,
        range(6),
        frames=6,
        Modality="NM",
        FrameIncrementPointer=[0x00540050, 0x00540090],
        RotationVector=[1] * 6,
        AngularViewVector=[1, 2, 3, 4, 5, 6],
        RotationInformationSequence=sequence(
            StartAngle=180, AngularStep=6, RotationDirection=direction
        ),
    )

    array = lazydicom.open_series(tmp_path)

    assert array.dims[0] == "angular_view"
    angles = array.coords["angular_view"]
    assert angles.units == "deg"
    assert angles.values.tolist() == [180 + sign * 6 * k for k in range(6)]


def test_frames_of_a_dynamic_study_have_times(tmp_path: Path) -> None:
    phases = Sequence(
        dataset(
            PhaseDelay=0,
            ActualFrameDuration=duration,
            PauseBetweenFrames=0,
            NumberOfFramesInPhase=2,
        )
        for duration in (1000, 5000)
    )
    write(
        tmp_path,
        NM,
        range(4),
        frames=4,
        Modality="NM",
        FrameIncrementPointer=[0x00540030, 0x00540100],
        PhaseVector=[1, 1, 2, 2],
        TimeSliceVector=[1, 2, 1, 2],
        PhaseInformationSequence=phases,
    )

    array = lazydicom.open_series(tmp_path)

    assert array.dims[:2] == ("phase", "time_slice")
    seconds = array.coords["acquisition_time"]
    assert seconds.values.tolist() == [[0, 1], [2, 7]]


@pytest.mark.parametrize("order", ["C", "F"])
def test_volumes_of_ultrasound_have_times_and_planes(
    tmp_path: Path, order: str
) -> None:
    places = [(t, z) for t in range(2) for z in range(3)]
    if order == "F":
        places.sort(key=lambda place: place[1])
    frames = [
        dataset(
            PlanePositionVolumeSequence=sequence(
                ImagePositionVolume=[0.0, 0.0, float(z)]
            ),
            TemporalPositionSequence=sequence(TemporalPositionTimeOffset=0.5 * t),
            FrameContentSequence=sequence(DimensionIndexValues=[t + 1, z + 1]),
        )
        for t, z in places
    ]
    shared = dataset(
        PlaneOrientationVolumeSequence=sequence(
            ImageOrientationVolume=[1.0, 0, 0, 0, 1, 0]
        ),
        PixelMeasuresSequence=sequence(PixelSpacing=[0.5, 0.5]),
    )
    write(
        tmp_path,
        ENHANCED_US,
        range(6),
        frames=6,
        Modality="US",
        SharedFunctionalGroupsSequence=Sequence([shared]),
        PerFrameFunctionalGroupsSequence=Sequence(frames),
    )

    array = lazydicom.open_series(tmp_path)

    assert array.dims[:2] == ("time", "z")
    assert array.coords["time"].values.tolist() == [0, 0.5]
    expected = [[places.index((t, z)) for z in range(3)] for t in range(2)]
    assert corner(array) == expected


def _dose(
    folder: Path,
    values: list[int],
    scaling: float,
    *,
    series: int = 1,
    units: str = "GY",
) -> None:
    planes = len(values)
    write(
        folder,
        RT_DOSE,
        values,
        frames=planes,
        Modality="RTDOSE",
        SeriesInstanceUID=f"1.2.3.1.{series}",
        SeriesNumber=series,
        ImagePositionPatient=[0.0, 0, 0],
        ImageOrientationPatient=[1.0, 0, 0, 0, 1, 0],
        PixelSpacing=[2, 2],
        FrameIncrementPointer=0x3004000C,
        GridFrameOffsetVector=[0, 2, 4][:planes],
        DoseGridScaling=scaling,
        DoseUnits=units,
    )


@pytest.mark.parametrize(("units", "name"), [("GY", "Gy"), ("RELATIVE", "1")])
@pytest.mark.parametrize("scaling", [0.01, 2.5e-6])
@pytest.mark.parametrize("planes", [1, 3])
def test_a_dose_comes_in_gray(
    tmp_path: Path, units: str, name: str, scaling: float, planes: int
) -> None:
    values = np.array([100, 200, 300])[:planes]
    _dose(tmp_path, values.tolist(), scaling, units=units)

    array = lazydicom.open_series(tmp_path)
    gray = lazydicom.to_xarray(array)

    assert corner(array) == values.tolist()
    assert array.attrs["dose_grid_scaling"] == scaling
    np.testing.assert_allclose(gray.values[:, 0, 0], values * scaling)
    assert gray.attrs["units"] == name
    assert "dose_grid_scaling" not in gray.attrs
    scaled = lazydicom.apply_modality_lut(array)
    np.testing.assert_allclose(scaled[:, 0, 0], values * scaling)
    stored = lazydicom.to_xarray(array, mask_and_scale=False)
    assert stored.attrs["scale_factor"] == scaling


def _pointing(path: Path, kind: str) -> Dataset:
    """Return a dose in memory whose pointer is of a kind that pydicom keeps."""
    ds = pydicom.dcmread(path)
    if kind == "JSON":
        copy = pydicom.Dataset.from_json(ds.to_json())
        copy.file_meta = ds.file_meta
        return copy
    raw: dict[str, Any] = {
        "int": 0x3004000C,
        "JSON text": "3004000C",
        "text": "(3004,000C)",
        "list of text": ["3004,000c "],
    }
    tag = pydicom.tag.Tag(0x00280009)
    if kind in raw:
        value = raw[kind]
        if isinstance(value, list):
            value = pydicom.multival.MultiValue(str, value)
        ds[tag] = pydicom.DataElement(tag, "AT", value, already_converted=True)
    elif kind == "decoded":
        ds.decode()
    elif kind == "set":
        ds.FrameIncrementPointer = pydicom.tag.Tag(0x3004000C)
    elif kind == "keyword":
        ds.FrameIncrementPointer = "GridFrameOffsetVector"
    elif kind == "several":
        ds.FrameIncrementPointer = [0x3004000C, 0x00181063]
    return ds


@pytest.mark.parametrize(
    "kind",
    [
        *("untouched", "decoded", "set", "keyword", "several"),
        *("int", "text", "list of text", "JSON", "JSON text"),
    ],
)
def test_the_pointer_of_a_dataset_is_that_of_its_file(
    tmp_path: Path, kind: str
) -> None:
    _dose(tmp_path, [100] * 3, 0.01)
    (path,) = tmp_path.iterdir()
    expected = lazydicom.open_series(path)

    array = lazydicom.open_series(_pointing(path, kind))

    assert (array.dims, array.shape) == (expected.dims, expected.shape)
    np.testing.assert_array_equal(array.coords["z"], expected.coords["z"])


@pytest.mark.parametrize("kind", ["set", "JSON", "int", "JSON text", "text"])
def test_the_pointer_of_a_dataset_tells_the_time(tmp_path: Path, kind: str) -> None:
    _cine(tmp_path, FrameIncrementPointer=FRAME_TIME_VECTOR, FrameTimeVector=VECTOR)
    (path,) = tmp_path.iterdir()
    ds: Dataset = pydicom.dcmread(path)
    tag = pydicom.tag.Tag(0x00280009)
    value: dict[str, Any] = {"text": "(0018,1065)", "JSON text": "00181065"}
    if kind == "JSON":
        meta, ds = ds.file_meta, pydicom.Dataset.from_json(ds.to_json())
        ds.file_meta = meta
    elif kind == "set":
        ds.FrameIncrementPointer = FRAME_TIME_VECTOR
    else:
        number = value.get(kind, FRAME_TIME_VECTOR)
        ds[tag] = pydicom.DataElement(tag, "AT", number, already_converted=True)

    array = lazydicom.open_series(ds)

    assert array.dims[0] == "time"
    np.testing.assert_allclose(array.coords["time"], np.cumsum(VECTOR) / 1000)


def test_a_pointer_that_is_no_tag_points_at_nothing(tmp_path: Path) -> None:
    _dose(tmp_path, [100] * 3, 0.01)
    (path,) = tmp_path.iterdir()
    for value in ("Frame Time", "(30040,00C", 1.5, b"ab", object()):
        ds = pydicom.dcmread(path)
        tag = pydicom.tag.Tag(0x00280009)
        ds[tag] = pydicom.DataElement(tag, "AT", value, already_converted=True)

        assert lazydicom.open_series(ds).shape[0] == 3


@pytest.mark.parametrize("planes", list(itertools.permutations((1, 1, 3))))
def test_a_dose_keeps_its_scale_beside_doses_of_other_lengths(
    tmp_path: Path, planes: tuple[int, ...]
) -> None:
    for series, count in enumerate(planes):
        _dose(tmp_path, [100] * count, 0.01 * (series + 1), series=series)

    study = lazydicom.open_study(tmp_path)

    assert len(study) == len(planes)
    for series, count in enumerate(planes):
        array = study[f"{series}-RTDOSE"]
        scaled = lazydicom.apply_modality_lut(array)
        assert array.shape[0] == count
        np.testing.assert_allclose(np.unique(scaled), series + 1)
        np.testing.assert_allclose(np.unique(lazydicom.to_xarray(array)), series + 1)


def test_what_another_series_counts_names_no_axis(tmp_path: Path) -> None:
    """A column of the table of a study is there as soon as one series has it."""
    for number in range(2):
        kind = ["DERIVED", "SECONDARY", "MPR", f"KIND_{number}"]
        write(tmp_path, US, number, Modality="US", ImageType=kind)
    alone = lazydicom.open_study(tmp_path)["1-US"]
    content = Sequence([dataset(DimensionIndexValues=[1, 2])])
    frame = dataset(FrameContentSequence=content)
    write(
        tmp_path,
        ENHANCED_MR,
        7,
        frames=1,
        SeriesInstanceUID="1.2.3.1.2",
        SeriesNumber=2,
        PerFrameFunctionalGroupsSequence=Sequence([frame]),
        SharedFunctionalGroupsSequence=Sequence([dataset()]),
    )

    beside = lazydicom.open_study(tmp_path)["1-US"]

    assert beside.dims == alone.dims == ("frame", "y", "x")
    assert list(beside.coords) == list(alone.coords)


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("step", [2.0, 0.1])
def test_pullbacks_have_locations_and_times(
    tmp_path: Path, times: int, step: float
) -> None:
    places = [(t, k) for k in range(4) for t in range(times)]
    frames = [
        dataset(
            FrameContentSequence=sequence(
                FrameAcquisitionDateTime=f"2020010112{t:02d}00.{k}"
            ),
            IntravascularFrameContentSequence=sequence(
                IntravascularLongitudinalDistance=step * k
            ),
        )
        for t, k in places
    ]
    shared = dataset(PixelMeasuresSequence=sequence(PixelSpacing=[1, 1]))
    more: Any = {"SharedFunctionalGroupsSequence": Sequence([shared])}
    enhanced(tmp_path, IVOCT, frames, Modality="IVOCT", **more)

    array = lazydicom.open_series(tmp_path)

    expected = np.array([places.index((t, k)) for t, k in np.ndindex(times, 4)])
    assert array.dims[:-2] == (("time", "location") if times > 1 else ("location",))
    assert array.coords["location"].values == pytest.approx(step * np.arange(4))
    assert np.asarray(array)[..., 0, 0].ravel().tolist() == expected.tolist()


@pytest.mark.parametrize("times", [2, 5])
def test_repeated_scans_of_a_retina_are_times(tmp_path: Path, times: int) -> None:
    frames = [
        dataset(
            PlanePositionSequence=at(0.25 * k),
            FrameContentSequence=sequence(
                FrameAcquisitionDateTime=f"202001011200{t:02d}.{k}"
            ),
        )
        for k in range(3)
        for t in range(times)
    ]
    enhanced(tmp_path, OPT, frames, Modality="OPT")

    array = lazydicom.open_series(tmp_path)

    assert array.dims == ("time", "z", "y", "x")
    assert corner(array) == np.arange(3 * times).reshape(3, times).T.tolist()
    assert array.coords["z"].values.tolist() == [0, 0.25, 0.5]


def test_a_synthesised_view_is_no_plane_of_a_tomosynthesis(tmp_path: Path) -> None:
    words = ["ORIGINAL", "PRIMARY", "TOMOSYNTHESIS", "NONE"]
    frames = [
        dataset(
            PlanePositionSequence=at(k),
            XRay3DFrameTypeSequence=sequence(FrameType=words),
        )
        for k in range(3)
    ]
    view = ["DERIVED", "PRIMARY", "TOMOSYNTHESIS", "GENERATED_2D"]
    frames.append(
        dataset(
            PlanePositionSequence=at(0),
            XRay3DFrameTypeSequence=sequence(FrameType=view),
        )
    )
    enhanced(tmp_path, TOMOSYNTHESIS, frames, Modality="MG")

    with pytest.raises(InvalidDicomError, match="component"):
        lazydicom.open_series(tmp_path)
    pieces = list(lazydicom.open_study(tmp_path).values())

    assert sorted(piece.shape[-3] for piece in pieces) == [1, 3]
    values = [np.asarray(piece)[..., 0, 0].ravel().tolist() for piece in pieces]
    assert sorted(values) == [[0, 1, 2], [3]]


def test_images_of_a_linac_have_angles_and_pixels_in_mm(tmp_path: Path) -> None:
    for k in range(3):
        more: Any = {"GantryAngle": 90 * k, "ImagePlanePixelSpacing": [0.5, 0.25]}
        write(tmp_path, RT_IMAGE, k, Modality="RTIMAGE", InstanceNumber=k + 1, **more)

    array = lazydicom.open_series(tmp_path)

    angles = array.coords["gantry_angle"]
    assert (angles.dims, angles.units) == (("frame",), "deg")
    assert angles.values.tolist() == [0, 90, 180]
    assert array.coords["y"].values.tolist() == [0, 0.5, 1, 1.5]
    assert array.coords["x"].values.tolist() == [0, 0.25, 0.5, 0.75, 1]


VECTORS: dict[str, tuple[int, str]] = {
    "energy_window": (0x00540010, "EnergyWindowVector"),
    "detector": (0x00540020, "DetectorVector"),
    "phase": (0x00540030, "PhaseVector"),
    "rotation": (0x00540050, "RotationVector"),
    "rr_interval": (0x00540060, "RRIntervalVector"),
    "time_slot": (0x00540070, "TimeSlotVector"),
    "slice": (0x00540080, "SliceVector"),
    "angular_view": (0x00540090, "AngularViewVector"),
    "time_slice": (0x00540100, "TimeSliceVector"),
}


def _nuclear(folder: Path, vectors: dict[str, list[int]], **more: Any) -> None:  # noqa: ANN401
    frames = max(map(len, vectors.values()))
    pointer = [VECTORS[name][0] for name in vectors]
    own: Any = {VECTORS[name][1]: values for name, values in vectors.items()}
    own |= {"FrameIncrementPointer": pointer, **more}
    write(folder, NM, range(frames), frames=frames, Modality="NM", **own)


@pytest.mark.parametrize("first", list(VECTORS)[:-2])
def test_any_three_vectors_of_nm_are_three_axes(tmp_path: Path, first: str) -> None:
    grid = list(np.ndindex(2, 2, 3))
    behind = list(VECTORS)[list(VECTORS).index(first) + 1 :]
    for second, third in itertools.combinations(behind, 2):
        names, folder = (first, second, third), tmp_path / f"{second}-{third}"
        folder.mkdir()
        vectors = {name: [g[k] + 1 for g in grid] for k, name in enumerate(names)}
        _nuclear(folder, vectors)
        with noting(names=names):
            array = lazydicom.open_series(folder)

            assert set(array.dims) == {*names, "y", "x"}
            order = [array.dims.index(name) for name in names]
            values = np.asarray(array)[..., 0, 0].transpose(order)
            assert values.ravel().tolist() == list(range(12))


@pytest.mark.parametrize(
    ("first", "second"),
    [([1, 1, 1, 2, 2], [1, 2, 3, 1, 2]), ([1, 1, 1, 2, 2, 2], [1, 2, 3, 1, 2, 2])],
    ids=["unbalanced", "doubled"],
)
def test_vectors_that_make_no_grid_are_coordinates(
    tmp_path: Path, first: list[int], second: list[int]
) -> None:
    _nuclear(tmp_path, {"phase": first, "time_slice": second})

    array = lazydicom.open_series(tmp_path)

    assert array.dims == ("frame", "y", "x")
    assert corner(array) == list(range(len(first)))
    assert array.coords["phase"].values.tolist() == first
    assert array.coords["time_slice"].values.tolist() == second


def test_a_vector_of_another_length_is_left_out_with_a_warning(tmp_path: Path) -> None:
    _nuclear(tmp_path, {"energy_window": [1, 1, 2], "detector": [1, 2, 1, 2]})

    with pytest.warns(LazyDicomWarning, match="energy window, found 3"):
        array = lazydicom.open_series(tmp_path)

    assert array.dims == ("frame", "y", "x")
    assert array.coords["detector"].values.tolist() == [1, 2, 1, 2]


def test_vectors_that_no_pointer_names_are_axes(tmp_path: Path) -> None:
    vectors = {"energy_window": [1, 1, 2, 2], "detector": [1, 2, 1, 2]}
    _nuclear(tmp_path, vectors, FrameIncrementPointer=None)

    array = lazydicom.open_series(tmp_path)

    assert array.dims == ("energy_window", "detector", "y", "x")
    assert corner(array) == [[0, 1], [2, 3]]
