"""Frames that are no part of one array: other orientations, spacings or colours."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
from dicom_files import element, make_native, sequence
from series_files import write_instance

import lazydicom
from lazydicom._arrange.geometry import group_orientations
from lazydicom.errors import InvalidDicomError, LazyDicomWarning, LimitError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_message_describes_some_of_many_orientations(tmp_path: Path) -> None:
    for k in range(9):
        turned = (np.cos(k / 9), np.sin(k / 9), 0.0, -np.sin(k / 9), np.cos(k / 9), 0.0)
        write_instance(tmp_path / str(k), z=0, number=k, orientation=turned)

    with pytest.raises(
        InvalidDicomError, match=r"/4 at .*; and 4 more\. Choose"
    ) as got:
        lazydicom.open_series(tmp_path)

    assert "/5 at" not in str(got.value)


def test_mixed_pixel_spacings_are_named_and_split(tmp_path: Path) -> None:
    for k in range(4):
        text = ("2\\1.5", "2.0000001\\1.5", "3\\3", "3\\3")[k]
        spacing = {0x00280030: ("DS", text)}
        write_instance(tmp_path / f"{k}.dcm", z=2.5 * k, number=k, texts=spacing)

    with pytest.raises(
        InvalidDicomError, match=r"several .*spacings.*2\.0, 1\.5.*0\.dcm.*3\.0.*2\.dcm"
    ):
        lazydicom.open_series(tmp_path)
    pieces = lazydicom.open_study(tmp_path)
    spacings = [piece.attrs["spacing"] for piece in pieces.values()]
    assert spacings == [[2.5, 2, 1.5], [2.5, 3, 3]]


def test_black_on_white_and_white_on_black_are_named_and_split(tmp_path: Path) -> None:
    for k in range(3):
        colour = {0x00280004: ("CS", "MONOCHROME1" if k == 2 else "MONOCHROME2")}
        write_instance(tmp_path / f"{k}.dcm", z=2.5 * k, number=k, texts=colour)

    with pytest.raises(InvalidDicomError, match=r"MONOCHROME2.*MONOCHROME1.*2\.dcm"):
        lazydicom.open_series(tmp_path)
    meanings = [
        piece.attrs["photometric_interpretation"]
        for piece in lazydicom.open_study(tmp_path).values()
    ]
    assert meanings == ["MONOCHROME2", "MONOCHROME1"]


@pytest.mark.parametrize("spacing", ["0\\0", "-1\\1", "1", ""])
def test_a_pixel_without_size_gives_positions_but_no_affine(
    tmp_path: Path, spacing: str
) -> None:
    for k in range(3):
        texts = {0x00280030: ("DS", spacing)}
        write_instance(tmp_path / str(k), z=2.5 * k, number=k, texts=texts)

    array = lazydicom.open_series(tmp_path)

    assert "affine" not in array.attrs
    assert "x" not in array.coords
    assert array.coords["z"].values.tolist() == [0, 2.5, 5]


def test_very_many_orientations_are_an_error_not_a_wait() -> None:
    angles = np.linspace(0, 2 * np.pi, 5000, endpoint=False)
    rows = np.stack([np.cos(angles), np.sin(angles), np.zeros(5000)], axis=1)
    columns = np.broadcast_to([0.0, 0.0, -1.0], (5000, 3))

    with pytest.raises(LimitError, match="1000 orientations"):
        group_orientations(np.concatenate([rows, columns], axis=1))


def segmentation(*planes: tuple[float, int]) -> bytes:
    """Make an Enhanced file of planes, each at a height and of a segment."""
    shared = sequence(0x00209116, element(0x00200037, "DS", b"1\\0\\0\\0\\1\\0"))
    shared += sequence(0x00289110, element(0x00280030, "DS", b"1\\1"))
    items = [
        sequence(0x00209113, element(0x00200032, "DS", f"0\\0\\{z}".encode()))
        + sequence(0x0062000A, element(0x0062000B, "US", number.to_bytes(2, "little")))
        for z, number in planes
    ]
    groups = sequence(0x52009229, shared) + sequence(0x52009230, *items)
    return make_native(extra_before=groups, number_of_frames=len(planes))


def test_segments_that_share_no_plane_are_no_volume() -> None:
    data = segmentation((0, 1), (1, 1), (2, 2), (3, 2), (4, 2))

    with pytest.raises(InvalidDicomError, match=r"several segments.*frame 0.*frame 2"):
        lazydicom.open_series(data)
    pieces = lazydicom.open_study(data).values()
    assert [piece.coords["z"].values.tolist() for piece in pieces] == [
        [0, 1],
        [2, 3, 4],
    ]


@pytest.mark.parametrize("numbers", [(1, 3), (2, 5, 9), (7, 1)])
def test_segments_of_the_same_planes_are_an_axis_of_their_numbers(
    numbers: tuple[int, ...],
) -> None:
    planes = [(height, number) for number in numbers for height in (0.0, 1.0, 2.0)]

    array = lazydicom.open_series(segmentation(*planes))

    assert array.dims == ("segment", "z", "y", "x")
    assert array.coords["segment"].values.tolist() == sorted(numbers)


def test_planes_of_one_segment_are_a_volume() -> None:
    assert lazydicom.open_series(segmentation((0, 3), (1, 3))).dims == ("z", "y", "x")


@pytest.mark.parametrize(
    ("tag", "vr", "texts", "name"),
    [
        (0x00180081, "DS", "10 10 30 30", "echo_time"),
        (0x00180082, "DS", "0 0 0 150", "inversion_time"),
        (0x00189087, "FD", "0 1000 1000 1000", "b_value"),
        (0x00089208, "CS", "MAGNITUDE MAGNITUDE PHASE PHASE", "complex_component"),
        (
            0x00080008,
            "CS",
            "X\\Y\\M X\\Y\\M X\\Y\\P X\\Y\\P",
            "frame_type",
        ),
        (
            0x00080008,
            "CS",
            "X\\Y\\Q X\\Y\\Q X\\Y\\Q X\\Y\\X",
            "frame_type",
        ),
    ],
)
def test_planes_of_several_kinds_in_one_volume_are_a_warning(
    tag: int, vr: str, texts: str, name: str, tmp_path: Path
) -> None:
    for k, text in enumerate(texts.split()):
        value = struct.pack("<d", float(text)).decode("latin-1") if vr == "FD" else text
        kind = {tag: (vr, value)}
        write_instance(tmp_path / f"{k}.dcm", z=2.5 * k, number=k, value=k, texts=kind)

    with pytest.warns(LazyDicomWarning, match=f"one volume differ in {name}"):
        array = lazydicom.open_series(tmp_path)

    assert array.dims == ("z", "y", "x")
    assert np.asarray(array)[:, 0, 0].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("tag", "texts"),
    [
        (
            0x00080008,
            "X\\Y\\M X\\Y\\M X\\Y\\P X\\Y\\P",
        ),
        (0x00089208, "M M P P"),
    ],
)
def test_planes_of_several_kinds_have_the_kind_along_z(
    tag: int, texts: str, tmp_path: Path
) -> None:
    for k, text in enumerate(texts.split()):
        kind = {tag: ("CS", text)}
        write_instance(tmp_path / f"{k}.dcm", z=2.5 * k, number=k, texts=kind)

    with pytest.warns(LazyDicomWarning, match="one volume differ in"):
        component = lazydicom.open_series(tmp_path).coords["component"]

    assert component.dims == ("z",)
    assert component.values.tolist() == ["M", "M", "P", "P"]


def test_planes_of_several_directions_have_the_direction_along_z(
    tmp_path: Path,
) -> None:
    directions = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0.6, 0.8]])
    for k, direction in enumerate(directions):
        text = struct.pack("<3d", *direction).decode("latin-1")
        texts = {0x00189089: ("FD", text)}
        write_instance(tmp_path / f"{k}.dcm", z=2.5 * k, number=k, texts=texts)

    with pytest.warns(LazyDicomWarning, match="one volume differ in diffusion_dir"):
        coords = lazydicom.open_series(tmp_path).coords

    for name, values in zip("xyz", directions.T, strict=True):
        assert coords[f"diffusion_{name}"].dims == ("z",)
        assert coords[f"diffusion_{name}"].values.tolist() == values.tolist()


def test_planes_of_several_reference_times_have_the_time_along_z(
    tmp_path: Path,
) -> None:
    for k in range(4):
        texts = {0x00541300: ("DS", str(1000 * (k // 2)))}
        write_instance(tmp_path / f"{k}.dcm", z=2.5 * k, number=k, texts=texts)

    time = lazydicom.open_series(tmp_path).coords["frame_reference_time"]

    assert (time.dims, time.units) == (("z",), "ms")
    assert time.values.tolist() == [0, 0, 1000, 1000]
