"""Holes, duplicates and mixed orientations: errors that help, and the caller's choices."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest
from dicom_files import element
from enhanced_files import make_enhanced
from series_files import write_instance, write_times_and_echoes, write_volume

import lazydicom
from lazydicom.errors import InvalidDicomError, LazyDicomWarning

if TYPE_CHECKING:
    from pathlib import Path


SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


def test_a_hole_is_an_error_that_names_files_and_positions(tmp_path: Path) -> None:
    write_volume(tmp_path, skip=frozenset({1}))

    with pytest.raises(
        InvalidDicomError,
        match=r"5\.00 mm instead of 2\.50 mm.*0\.dcm \(z = 0\.00 mm\) and .*2\.dcm",
    ):
        lazydicom.open_series(tmp_path)


def test_a_hole_is_filled_with_the_value_the_caller_chose(tmp_path: Path) -> None:
    write_volume(tmp_path, skip=frozenset({1}))

    with pytest.warns(LazyDicomWarning, match="missing"):
        array = lazydicom.open_series(tmp_path, on_gap="fill", fill_value=7)

    assert np.asarray(array)[:, 0, 0].tolist() == [0, 7, 2, 3]
    assert array[1:3, 0, 0].tolist() == [7, 2]
    assert array.attrs["number_of_holes"] == 1
    np.testing.assert_allclose(array.coords["z"], [0, 2.5, 5, 7.5])
    assert pickle.loads(pickle.dumps(array))[1, 0, 0] == 7


def test_a_hole_without_fill_value_refuses_to_be_read(tmp_path: Path) -> None:
    write_volume(tmp_path, skip=frozenset({1}))
    with pytest.warns(LazyDicomWarning):
        array = lazydicom.open_series(tmp_path, on_gap="fill")

    assert array[0, 0, 0] == 0
    with pytest.raises(InvalidDicomError, match="no fill_value"):
        array[1]


def test_a_hole_splits_a_series_where_the_caller_says_so(tmp_path: Path) -> None:
    write_volume(tmp_path, planes=6, skip=frozenset({2}))

    pieces = lazydicom.open_study(tmp_path, on_gap="split")

    assert {key: piece.shape for key, piece in pieces.items()} == {
        "3-MR-1": (2, 3, 4),
        "3-MR-2": (3, 3, 4),
    }
    chosen = lazydicom.open_series(tmp_path, on_gap="split", series="3-MR-2")
    assert np.asarray(chosen)[:, 0, 0].tolist() == [3, 4, 5]


def test_a_missing_frame_of_one_time_is_named(tmp_path: Path) -> None:
    write_times_and_echoes(tmp_path, np.arange(24))
    for path in tmp_path.iterdir():  # times of planes tell no volume: name the position
        dataset = pydicom.dcmread(path)
        dataset.TemporalPositionIdentifier = int(path.name) // 8 + 1
        dataset.save_as(path)
    (tmp_path / "013").unlink()

    with pytest.raises(
        InvalidDicomError, match=r"1 of 24 frames.*time 1 echo 1 z = 2\.50 mm"
    ):
        lazydicom.open_series(tmp_path)


def test_one_uid_at_two_places_is_no_copy(tmp_path: Path) -> None:
    for k in range(4):
        write_instance(tmp_path / f"{k}.dcm", z=2.5 * k, number=k, value=7)
    for path in tmp_path.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.SOPInstanceUID = "1.2.3.4"
        dataset.save_as(path)

    assert lazydicom.open_series(tmp_path).shape == (4, 3, 4)


def test_a_duplicate_is_an_error_that_names_both_files(tmp_path: Path) -> None:
    write_volume(tmp_path)
    write_instance(tmp_path / "again.dcm", z=2.5, number=9)

    with pytest.raises(
        InvalidDicomError,
        match=r"1\.dcm \(z = 2\.50 mm\), .*again\.dcm \(z = 2\.50 mm\)",
    ):
        lazydicom.open_series(tmp_path)


def test_a_copy_of_an_instance_without_position_is_an_error(tmp_path: Path) -> None:
    nowhere = {0x00200032: ("DS", "")}
    for value, (name, number) in enumerate((("a", 1), ("b", 2), ("copy of a", 1))):
        path = tmp_path / name
        write_instance(path, z=0, number=number, value=value, texts=nowhere)

    with pytest.raises(InvalidDicomError, match=r"one instance: .*/a, .*/copy of a\."):
        lazydicom.open_series(tmp_path)
    assert [one.shape[0] for one in lazydicom.open_study(tmp_path).values()] == [2, 1]


def test_duplicates_split_into_a_piece_of_their_own(tmp_path: Path) -> None:
    write_volume(tmp_path)
    write_instance(tmp_path / "again.dcm", z=2.5, number=9)

    pieces = lazydicom.open_study(tmp_path)

    assert [piece.shape[0] for piece in pieces.values()] == [4, 1]


def test_uneven_gaps_are_an_error_that_filling_does_not_mend(tmp_path: Path) -> None:
    for k, z in enumerate((0.0, 2.5, 5.0, 8.7)):
        write_instance(tmp_path / str(k), z=z, number=k)

    with pytest.raises(InvalidDicomError, match="uneven"):
        lazydicom.open_series(tmp_path, on_gap="fill", fill_value=0)


def test_a_plane_a_mile_away_is_not_reached_by_filling(tmp_path: Path) -> None:
    for k, z in enumerate((0.0, 1.0, 1e8)):
        write_instance(tmp_path / f"{k}.dcm", z=z, number=k)

    with pytest.raises(InvalidDicomError, match=r"uneven.*1\.dcm.*2\.dcm"):
        lazydicom.open_series(tmp_path, on_gap="fill", fill_value=0)
    assert [one.shape[0] for one in lazydicom.open_study(tmp_path).values()] == [2, 1]


@pytest.mark.parametrize("position", ["0\\0\\1e300", "-1e308\\0\\1e308"])
def test_a_position_that_no_patient_has_is_none(tmp_path: Path, position: str) -> None:
    write_volume(tmp_path)
    far = {0x00200032: ("DS", position)}
    write_instance(tmp_path / "far", z=0, number=9, texts=far)

    with pytest.raises(InvalidDicomError, match=r"4 frames.*1 frames.*far"):
        lazydicom.open_series(tmp_path)


@pytest.mark.parametrize("position", ["inf\\0\\0", "nan\\0\\0"])
def test_a_position_that_is_no_number_is_an_error(
    tmp_path: Path, position: str
) -> None:
    write_volume(tmp_path)
    far = {0x00200032: ("DS", position)}
    write_instance(tmp_path / "far", z=0, number=9, texts=far)

    with pytest.raises(InvalidDicomError, match=r"0020,0032.*far"):
        lazydicom.open_series(tmp_path)


def test_planes_shifted_sideways_are_an_error_or_pieces(tmp_path: Path) -> None:
    write_volume(tmp_path)
    shifted = {0x00200032: ("DS", "-10\\7\\5")}
    write_instance(tmp_path / "2.dcm", z=5, number=3, texts=shifted)

    with pytest.raises(InvalidDicomError, match="do not lie on one line"):
        lazydicom.open_series(tmp_path)
    assert len(lazydicom.open_study(tmp_path)) == 4


@pytest.mark.parametrize("position", ["", "1\\2"])
def test_a_frame_without_position_among_others_is_named(
    tmp_path: Path, position: str
) -> None:
    write_volume(tmp_path)
    nowhere = {0x00200032: ("DS", position)}
    write_instance(tmp_path / "lost", z=0, number=9, texts=nowhere)

    with pytest.raises(InvalidDicomError, match=r"4 frames.*1 frames.*lost"):
        lazydicom.open_series(tmp_path)


def test_an_orientation_that_spans_no_plane_gives_no_geometry(tmp_path: Path) -> None:
    write_instance(
        tmp_path / "0", z=0, number=1, texts={0x00200037: ("DS", "0\\0\\0\\0\\0\\0")}
    )

    assert lazydicom.open_series(tmp_path).dims == ("frame", "y", "x")


def test_mixed_orientations_are_named_and_split(tmp_path: Path) -> None:
    write_volume(tmp_path)
    write_instance(tmp_path / "scout", z=0, number=9, orientation=SAGITTAL)

    with pytest.raises(
        InvalidDicomError, match=r"several orientations.*4 frames.*1 frames.*scout"
    ):
        lazydicom.open_series(tmp_path)
    pieces = lazydicom.open_study(tmp_path)
    assert [piece.shape for piece in pieces.values()] == [(4, 3, 4), (1, 3, 4)]


def test_several_series_are_listed_without_anything_of_a_patient(
    tmp_path: Path,
) -> None:
    write_volume(tmp_path)
    name = {0x00100010: ("PN", "Nobody^Known")}
    write_instance(tmp_path / "other", z=0, number=1, series="1.2.77", texts=name)

    with pytest.raises(
        InvalidDicomError, match=r"2 series.*'3-MR' \(4.*'77-MR' \(1"
    ) as caught:
        lazydicom.open_series(tmp_path)

    assert "Nobody" not in str(caught.value)
    for chosen in ("3-MR", "1.2.3", 3):
        assert lazydicom.open_series(tmp_path, series=chosen).shape == (4, 3, 4)


def test_a_missing_part_of_a_concatenation_is_an_error(tmp_path: Path) -> None:
    for part in range(3):
        of_concatenation = {
            0x00209161: ("UI", "1.2.9"),
            0x00209228: ("UL", "\0\0\0\0".replace("\0", chr(part), 1)),
            0x00209163: ("US", "\x03\0"),
        }
        path = tmp_path / str(part)
        write_instance(path, z=part, number=part, value=part, texts=of_concatenation)

    assert lazydicom.open_series(tmp_path)[:, 0, 0].tolist() == [0, 1, 2]
    (tmp_path / "2").unlink()
    with pytest.raises(InvalidDicomError, match="3 parts of a concatenation, found 2"):
        lazydicom.open_series(tmp_path)
    (tmp_path / "0").unlink()
    with pytest.raises(InvalidDicomError, match="Expected frame 0"):
        lazydicom.open_series(tmp_path)


def test_a_fill_value_that_is_no_pixel_value_is_refused(tmp_path: Path) -> None:
    write_volume(tmp_path)

    for value in (-1, 0.5, 70_000, float("nan")):
        with pytest.raises(ValueError, match="fill_value"):
            lazydicom.open_series(tmp_path, fill_value=value)


def test_positions_hold_where_stack_positions_contradict_them(tmp_path: Path) -> None:
    for k in range(3):
        texts = {0x00209057: ("UL", "\1\0\0\0")}
        write_instance(tmp_path / str(k), z=5 - k, number=k, value=k, texts=texts)

    with pytest.warns(LazyDicomWarning, match="contradict"):
        array = lazydicom.open_series(tmp_path)

    assert array[:, 0, 0].tolist() == [2, 1, 0]


def test_positions_in_several_frames_of_reference_are_a_warning(tmp_path: Path) -> None:
    for k in range(3):
        texts = {0x00200052: ("UI", f"1.2.{k // 2}")}
        write_instance(tmp_path / str(k), z=k, number=k, value=k, texts=texts)

    with pytest.warns(LazyDicomWarning, match="one Frame of Reference, found 2"):
        array = lazydicom.open_series(tmp_path)

    assert array[:, 0, 0].tolist() == [0, 1, 2]


def test_an_unreadable_echo_time_is_left_out_but_no_position(tmp_path: Path) -> None:
    write_instance(tmp_path / "0", z=0, number=0, texts={0x00180081: ("DS", "long")})
    with pytest.warns(LazyDicomWarning, match="Expected a value of VR DS"):
        array = lazydicom.open_series(tmp_path)
    assert "echo_time" not in array.attrs

    write_instance(tmp_path / "0", z=0, number=0, texts={0x00200032: ("DS", "a\\b\\c")})
    with pytest.raises(InvalidDicomError, match=r"\(0020,0032\)"):
        lazydicom.open_series(tmp_path)


def test_frames_of_two_times_never_share_a_piece(tmp_path: Path) -> None:
    for time, plane in np.ndindex(3, 4):
        if (time, plane) != (1, 2):  # later ones of this plane must not move up
            clock = {0x00080032: ("TM", f"1200{10 + 2 * time:02d}.{plane}")}
            number = 4 * time + plane
            path = tmp_path / f"{number:02d}"
            write_instance(path, z=plane, number=number, value=time, texts=clock)

    pieces = lazydicom.open_study(tmp_path)

    for piece in pieces.values():
        times = np.asarray(piece)[..., 0, 0].reshape(piece.grid.shape)
        assert (times == times[..., :1]).all()
    assert sum(piece.grid.numbers.size for piece in pieces.values()) == 11


def test_a_series_cut_at_both_ends_mixes_no_times(tmp_path: Path) -> None:
    for number in range(
        2, 10
    ):  # of 3 × 4: every plane has two times, not the same ones
        time, plane = divmod(number, 4)
        clock = {0x00080032: ("TM", f"12000{2 * time}")}
        path = tmp_path / str(number)
        write_instance(path, z=plane, number=number, value=number, texts=clock)

    with pytest.raises(InvalidDicomError, match=r"4 of 12 frames.*time 0 z = 0"):
        lazydicom.open_series(tmp_path)
    with pytest.warns(LazyDicomWarning, match="4 of 12"):
        array = lazydicom.open_series(tmp_path, on_gap="fill", fill_value=0)
    assert array[..., 0, 0].tolist() == [[0, 0, 2, 3], [4, 5, 6, 7], [8, 9, 0, 0]]
    pieces = lazydicom.open_study(tmp_path).values()
    values = sorted(
        np.asarray(piece)[..., 0, 0].reshape(-1).tolist() for piece in pieces
    )
    assert values == [[2, 3], [4, 5, 6, 7], [8, 9]]


def test_pieces_have_no_holes_where_every_time_lacks_a_frame(tmp_path: Path) -> None:
    for time, plane in np.ndindex(3, 4):
        if plane != time:
            texts = {0x00200100: ("IS", str(time + 1))}
            number = 4 * time + plane
            path = tmp_path / f"{number:02d}"
            write_instance(path, z=plane, number=number, value=number, texts=texts)

    pieces = lazydicom.open_study(tmp_path)

    assert all("number_of_holes" not in piece.attrs for piece in pieces.values())
    values = [np.asarray(piece)[..., 0, 0].reshape(-1) for piece in pieces.values()]
    assert sorted(np.concatenate(values).tolist()) == [1, 2, 3, 4, 6, 7, 8, 9, 11]


def test_frames_of_one_instance_stay_together(tmp_path: Path) -> None:
    for k in range(3):
        pixels = np.full((4, 3, 4), k, np.uint16)
        uid = {0x00080018: element(0x00080018, "UI", f"1.2.{k}".encode())}
        (tmp_path / str(k)).write_bytes(make_enhanced(pixels, elements=uid))

    pieces = lazydicom.open_study(tmp_path)

    values = [np.asarray(piece)[:, 0, 0].tolist() for piece in pieces.values()]
    assert values == [[0] * 4, [1] * 4, [2] * 4]


def test_a_folder_with_two_copies_of_a_series_splits_into_both(tmp_path: Path) -> None:
    for copy in ("a", "b"):
        (tmp_path / copy).mkdir()
        write_volume(tmp_path / copy)
    for k in range(4):  # as many, with other pixels
        path = tmp_path / "b" / f"{k}.dcm"
        write_instance(path, z=2.5 * k, number=k + 1, value=k + 10)

    pieces = lazydicom.open_study(tmp_path)

    assert [piece.shape[0] for piece in pieces.values()] == [4, 4]


@pytest.mark.parametrize("planes", [3, 20])
def test_exact_copies_are_taken_once_with_a_warning(
    tmp_path: Path, planes: int
) -> None:
    for copy in ("a", "b", "c"):
        (tmp_path / copy).mkdir()
        write_volume(tmp_path / copy, planes=planes)

    with pytest.warns(LazyDicomWarning, match=f"{2 * planes} copies of instances"):
        array = lazydicom.open_series(tmp_path)

    assert np.asarray(array)[:, 0, 0].tolist() == list(range(planes))
