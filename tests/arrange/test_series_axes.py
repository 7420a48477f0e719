"""Axes that files of our own make necessary: several columns, odd times, names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest
from dicom_files import element, make_native
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from series_files import write_instance
from traced_memory import traced

import lazydicom
from lazydicom.errors import LazyDicomWarning

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("tag", "vr", "usual", "odd"),
    [
        (0x00080008, "CS", "ORIGINAL\\M", "ORIGINAL \\ M"),
        (0x00080008, "CS", "ORIGINAL\\M", " ORIGINAL\\M "),
        (0x00281053, "DS", "2", " +2.0 "),
        (0x00280030, "DS", "2\\1.5", "2 \\ 1.5"),
        (0x00080032, "TM", "120000", "12:00:00"),
    ],
)
def test_padding_and_spelling_of_one_file_tell_it_from_no_other(
    tmp_path: Path, tag: int, vr: str, usual: str, odd: str
) -> None:
    for k in range(24):
        path, text = tmp_path / f"{k:02d}", odd if k == 20 else usual
        texts = {0x00181060: ("DS", str(k // 12)), tag: (vr, text)}
        write_instance(path, z=k % 12, number=k, value=k, texts=texts)

    together = lazydicom.open_series(tmp_path)
    alone = lazydicom.open_series(tmp_path, local="mmap")

    assert together.dims == alone.dims == ("time", "z", "y", "x")
    assert np.asarray(together)[..., 0, 0].reshape(-1).tolist() == list(range(24))
    assert set(together.coords) == set(alone.coords)


def test_a_number_that_is_none_counts_as_none_among_many_files(tmp_path: Path) -> None:
    for k in range(12):
        texts = {0x00200100: ("IS", "1.5" if k in {7, 8} else "1")}
        write_instance(tmp_path / f"{k:02d}", z=k, number=k, value=k, texts=texts)

    for local in ("pread", "mmap"):
        with pytest.warns(LazyDicomWarning, match="VR IS"):
            array = lazydicom.open_series(tmp_path, local=local)
        assert np.asarray(array)[:, 0, 0].tolist() == list(range(12))


@pytest.mark.parametrize(
    ("clocks", "dates"),
    [
        (("235958", "000000", "000002"), ("", "", "")),
        (("235958", "000000", "000002"), ("20200101", "20200102", "20200102")),
        (("120000", "120002", "120004"), ("20200101", "", "20200101")),
        (("120000", "120002", "120004"), ("", "2020", "2020.01.01")),
        (("120000", "120002", "12:00:04"), ("2020.01.01", "20200101", "20200101")),
    ],
)
def test_times_go_on_after_midnight_and_where_a_date_is_missing(
    tmp_path: Path, clocks: tuple[str, ...], dates: tuple[str, ...]
) -> None:
    for time, plane in np.ndindex(3, 4):
        texts = {0x00080032: ("TM", clocks[time]), 0x00080022: ("DA", dates[time])}
        number = 4 * time + plane
        path = tmp_path / str(number)
        write_instance(path, z=plane, number=11 - number, value=time, texts=texts)

    array = lazydicom.open_series(tmp_path)

    assert array.coords["time"].values.tolist() == [0, 2, 4]
    assert array[:, 0, 0, 0].tolist() == [0, 1, 2]


def test_no_two_axes_have_one_name(tmp_path: Path) -> None:
    for number, (position, run, plane) in enumerate(np.ndindex(2, 3, 4)):
        texts = {
            0x00200100: ("IS", str(position + 1)),
            0x00080032: ("TM", f"12{run:02d}{2 * position:02d}.{plane}"),
        }
        path = tmp_path / str(number)
        write_instance(path, z=plane, number=number, value=number, texts=texts)

    array = lazydicom.open_series(tmp_path)

    assert array.dims == ("time", "time_2", "z", "y", "x")
    assert np.array_equal(np.asarray(array)[..., 0, 0], np.arange(24).reshape(2, 3, 4))
    assert array.coords["time_2"].values.tolist() == [0, 1, 2]


def test_pieces_of_one_number_are_told_apart_by_no_name(tmp_path: Path) -> None:
    for names in ("ab", "ba"):
        folder = tmp_path / names
        folder.mkdir()
        for k in range(2):
            uid = {0x00080018: ("UI", f"1.2.{k}")}
            turned = ((1.0, 0.0, 0.0, 0.0, 1.0, 0.0), (0.0, 1.0, 0.0, 0.0, 0.0, -1.0))
            write_instance(
                folder / names[k],
                z=0,
                number=1,
                value=k,
                orientation=turned[k],
                texts=uid,
            )

        pieces = lazydicom.open_study(folder)

        assert [piece[0, 0, 0] for piece in pieces.values()] == [0, 1]


def test_what_differs_between_files_is_a_coordinate(tmp_path: Path) -> None:
    for k in range(3):
        thickness = {0x00180050: ("DS", str(5 - k // 2)), 0x00180080: ("DS", str(k))}
        path = tmp_path / str(2 - k)
        write_instance(path, z=k, number=k, value=k, texts=thickness)

    array = lazydicom.open_series(tmp_path)

    assert array.coords["slice_thickness"].values.tolist() == [5, 5, 4]
    assert "slice_thickness" not in array.attrs
    assert array.attrs["repetition_time"] == 0, "of the first plane, whatever its name"


@given(
    lost=st.sets(st.integers(0, 19), max_size=5),
    tells=st.sampled_from(["clock", "temporal position"]),
)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_frames_are_lost_no_volume_mixes_two_times(
    lost: set[int], tells: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("series")
    for number in set(range(20)) - lost:
        time, plane = divmod(number, 5)
        clock = {0x00080032: ("TM", f"12000{2 * time}")}
        position = {0x00200100: ("IS", str(time + 1))}
        texts = clock if tells == "clock" else position
        path = folder / str(number)
        write_instance(path, z=plane, number=number, value=time, texts=texts)

    pieces = lazydicom.open_study(folder)

    found = 0
    for piece in pieces.values():
        times = np.asarray(piece)[..., 0, 0].reshape(-1, piece.grid.shape[-1])
        assert (times == times[:, :1]).all()
        found += times.size
    assert found == 20 - len(lost)


def test_a_folder_becomes_a_volume_in_the_memory_of_the_volume(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(write_instance(tmp_path / "0", z=0, number=0))
    dataset.Rows = dataset.Columns = 256
    dataset.PixelData = np.full((256, 256), 7, np.uint16).tobytes()
    for k in range(64):
        dataset.ImagePositionPatient = [0, 0, k]
        dataset.save_as(tmp_path / str(7 * k % 64))
    lazydicom.open_series(tmp_path)

    volume, peak = traced(lambda: np.asarray(lazydicom.open_series(tmp_path)))

    assert (volume.shape, int(volume.sum())) == ((64, 256, 256), 7 * volume.size)
    assert peak < 1.3 * volume.nbytes


@pytest.mark.parametrize("offsets", [[0, 2.5, 5], [-20, -17.5, -15], [0, -2.5, -5]])
def test_planes_of_a_dose_lie_at_their_offsets(
    tmp_path: Path, offsets: list[float]
) -> None:
    path = pydicom.data.get_testdata_file("rtdose.dcm", download=False)
    dose = pydicom.dcmread(str(path))
    dose.NumberOfFrames, dose.GridFrameOffsetVector = 3, offsets
    if offsets[0]:
        dose.ImagePositionPatient[2] = offsets[0]  # they are absolute
    dose.PixelData = np.repeat(np.arange(3, dtype=np.uint32), 100).tobytes()
    dose.save_as(tmp_path / "dose")

    array = lazydicom.open_series(tmp_path)

    first = float(dose.ImagePositionPatient[2])
    heights = [first + offset - offsets[0] for offset in offsets]
    z, planes = array.coords["z"].values.tolist(), array[:, 0, 0].tolist()
    assert sorted(zip(planes, z, strict=True)) == list(enumerate(heights))


AXIAL, FLIPPED, SAGITTAL = (
    [1.0, 0, 0, 0, 1, 0],
    [1.0, 0, 0, 0, -1, 0],
    [0.0, 1, 0, 0, 0, -1],
)


def _dose_in_memory(
    offsets: list[float], orientation: list[float], z: float
) -> pydicom.Dataset:
    path = pydicom.data.get_testdata_file("rtdose.dcm", download=False)
    dose = pydicom.dcmread(str(path))
    dose.NumberOfFrames, dose.GridFrameOffsetVector = len(offsets), offsets
    dose.ImagePositionPatient, dose.ImageOrientationPatient = [5, 6, z], orientation
    count = len(offsets)
    dose.PixelData = np.repeat(np.arange(count, dtype=np.uint32), 100).tobytes()
    return dose


@pytest.mark.parametrize(
    ("first", "orientation", "z"),
    [
        (0, AXIAL, -20),
        (0, FLIPPED, -20),
        (0, SAGITTAL, -20),
        (0, SAGITTAL, 0),
        (-20, AXIAL, -20),
        (-20.004, AXIAL, -20),
        (0, AXIAL, 0),
        (-20, [-1, 0, 0, 0, -1, 0], -20),
    ],
)
def test_offsets_of_a_dose_from_its_first_plane_or_as_z_need_no_word(
    first: float, orientation: list[float], z: float
) -> None:
    offsets = [first, first + 2, first + 4]

    array = lazydicom.open_series(_dose_in_memory(offsets, orientation, z))

    normal = np.cross(orientation[:3], orientation[3:])
    affine = array.attrs["affine"]
    np.testing.assert_allclose(affine[:3, 3], [5, 6, z])
    np.testing.assert_allclose(affine[:3, 2], 2 * normal)


@pytest.mark.parametrize(
    ("first", "orientation"),
    [(5, AXIAL), (-20.5, AXIAL), (-20, FLIPPED), (-20, SAGITTAL), (5, SAGITTAL)],
)
def test_offsets_of_a_dose_that_are_neither_are_taken_for_distances_with_a_warning(
    first: float, orientation: list[float]
) -> None:
    offsets = [first, first + 2, first + 4]

    with pytest.warns(LazyDicomWarning, match="neither with 0 nor"):
        array = lazydicom.open_series(_dose_in_memory(offsets, orientation, -20))

    normal = np.cross(orientation[:3], orientation[3:])
    affine = array.attrs["affine"]
    np.testing.assert_allclose(affine[:3, 3], [5, 6, -20])
    np.testing.assert_allclose(affine[:3, 2], 2 * normal)


def test_one_plane_of_a_dose_lies_at_its_position_whatever_its_offset() -> None:
    array = lazydicom.open_series(_dose_in_memory([7], AXIAL, -20))

    assert array.coords["z"].values.tolist() == [-20]


def test_offsets_of_a_dose_are_mm_along_a_unit_normal() -> None:
    with pytest.warns(LazyDicomWarning, match="no unit vectors"):
        array = lazydicom.open_series(_dose_in_memory([0, 3], [2, 0, 0, 0, 2, 0], -20))

    assert array.coords["z"].values.tolist() == [-20, -17]


def test_ge_adds_a_flag_to_b_values(tmp_path: Path) -> None:
    for number, (b_value, plane) in enumerate(np.ndindex(2, 3)):
        texts = {
            0x00430010: ("LO", "GEMS_PARM_01"),
            0x00431039: ("IS", f"{1_000_000_000 + 800 * b_value}\\8\\0\\0"),
        }
        path = tmp_path / str(number)
        write_instance(path, z=plane, number=number, value=number, texts=texts)

    array = lazydicom.open_series(tmp_path)

    assert array.dims == ("b_value", "z", "y", "x")
    assert array.coords["b_value"].values.tolist() == [0, 800]
    assert array[:, 0, 0, 0].tolist() == [0, 3]


@pytest.mark.parametrize("tag", [0x00181060, 0x00541300])
def test_milliseconds_of_the_files_are_seconds_of_the_array(
    tmp_path: Path, tag: int
) -> None:
    for number, (time, plane) in enumerate(np.ndindex(3, 2)):
        texts = {tag: ("DS", str(100 + 2000 * time))}
        write_instance(tmp_path / str(number), z=plane, number=number, texts=texts)

    time = lazydicom.open_series(tmp_path).coords["time"]

    assert (time.values.tolist(), time.units) == ([0, 2, 4], "s")


def test_a_cine_counts_seconds_by_its_frame_time() -> None:
    frame_time = {0x00181063: element(0x00181063, "DS", b"40")}
    cine = make_native(number_of_frames=3, elements=frame_time)

    time = lazydicom.open_series(cine).coords["time"]

    np.testing.assert_allclose(time.values, [0, 0.04, 0.08])
    assert time.units == "s"


def test_a_hole_comes_from_no_instance(tmp_path: Path) -> None:
    for k in (0, 2, 3):
        write_instance(tmp_path / str(k), z=k, number=k)

    with pytest.warns(LazyDicomWarning, match="missing"):
        array = lazydicom.open_series(tmp_path, on_gap="fill", source=True)

    assert array.coords["frame_number"].values.tolist() == [0, -1, 0, 0]
    uids = array.coords["sop_instance_uid"].values.tolist()
    assert uids == ["1.2.3.0", "", "1.2.3.2", "1.2.3.3"]
