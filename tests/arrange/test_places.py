"""A place is three numbers: fields of view, spacings and passes are never mixed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from written_series import CT, DAY, MR, corner, plane

import lazydicom
from lazydicom.errors import InvalidDicomError, LazyDicomWarning

if TYPE_CHECKING:
    from pathlib import Path

CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
OBLIQUE = (0.8, 0.6, 0.0, 0.0, 0.0, -1.0)


def _origin(array: Any) -> list[float]:  # noqa: ANN401
    origin: list[float] = np.round(array.attrs["affine"][:3, 3], 3).tolist()
    return origin


def _at(axes: tuple[float, ...], right: float, along: float) -> tuple[float, ...]:
    normal = np.cross(axes[:3], axes[3:])
    return tuple((right * np.array(axes[:3]) + along * normal).tolist())


@pytest.mark.parametrize("axes", [(1, 0, 0, 0, 1, 0), CORONAL, OBLIQUE])
@pytest.mark.parametrize("numbered", [True, False])
@pytest.mark.parametrize("fields", [2, 3])
def test_fields_of_view_side_by_side_are_arrays_of_their_own(
    tmp_path: Path, axes: tuple[float, ...], *, numbered: bool, fields: int
) -> None:
    for s in range(fields):
        number = {"AcquisitionNumber": s + 1} if numbered else {}
        for k in range(3):
            place: Any = _at(axes, 100.0 * s - 80, 3.0 * k)
            more: Any = {"InstanceNumber": 1 + 3 * s + k, **number}
            plane(tmp_path, 10 * s + k, place, axes=axes, **more)

    with pytest.raises(InvalidDicomError, match=r"000\.dcm.*003\.dcm"):
        lazydicom.open_series(tmp_path)
    pieces = list(lazydicom.open_study(tmp_path).values())
    assert [corner(one) for one in pieces] == [
        [10 * s, 10 * s + 1, 10 * s + 2] for s in range(fields)
    ]
    for s, piece in enumerate(pieces):
        expected = np.round(_at(axes, 100.0 * s - 80, 0), 3) + 0.0
        assert _origin(piece) == expected.tolist()


def test_fields_of_view_that_share_some_heights_only(tmp_path: Path) -> None:
    for s in range(2):
        for k in range(4):
            z = 3.0 * k + 6.0 * s
            plane(tmp_path, 10 * s + k, (90.0 * s, 0, z), InstanceNumber=4 * s + k)

    pieces = lazydicom.open_study(tmp_path)

    assert [corner(one) for one in pieces.values()] == [[0, 1, 2, 3], [10, 11, 12, 13]]


@pytest.mark.parametrize("shift", [0.3, 0.05])
def test_volumes_that_moved_a_little_are_one_array_with_origins(
    tmp_path: Path, shift: float
) -> None:
    for t in range(3):
        for k in range(4):
            place = (shift * t, 0.0, 3.0 * k + shift * t)
            plane(
                tmp_path,
                10 * t + k,
                place,
                InstanceNumber=1 + 4 * t + k,
                AcquisitionNumber=t + 1,
                AcquisitionDate=DAY,
                AcquisitionTime=f"12000{t}",
            )

    array = lazydicom.open_series(tmp_path)

    assert array.dims[:2] == ("time", "z")
    assert corner(array) == [[10 * t + k for k in range(4)] for t in range(3)]
    assert array.coords["origin_x"].dims == ("time",)
    np.testing.assert_allclose(array.coords["origin_x"], shift * np.arange(3))
    np.testing.assert_allclose(array.coords["origin_z"], shift * np.arange(3))
    assert _origin(array) == [0, 0, 0]


@pytest.mark.parametrize("jitter", [0.002, 0.02, 0.05])
def test_a_jitter_between_times_is_no_new_plane(tmp_path: Path, jitter: float) -> None:
    for t in range(4):
        for k in range(3):
            z = 3.0 * k + jitter * ((t * 7 + k * 3) % 5 - 2) / 2
            plane(
                tmp_path,
                10 * t + k,
                (0, 0, z),
                spacing=(0.5, 0.5),
                InstanceNumber=1 + 3 * t + k,
                AcquisitionNumber=t + 1,
            )

    array = lazydicom.open_series(tmp_path)

    assert corner(array) == [[10 * t + k for k in range(3)] for t in range(4)]


@pytest.mark.parametrize("overlap", [22.5, 20.0, 2.5])
def test_two_passes_of_a_ct_are_two_volumes(tmp_path: Path, overlap: float) -> None:
    for a in range(2):
        for k in range(6):
            z = 5.0 * k + overlap * a
            more = {"AcquisitionNumber": a + 1, "InstanceNumber": 1 + k + 6 * a}
            plane(tmp_path, 10 * a + k, (0, 0, z), sop_class=CT, **more)

    pieces = lazydicom.open_study(tmp_path)

    assert [corner(one) for one in pieces.values()] == [
        [10 * a + k for k in range(6)] for a in range(2)
    ]
    with pytest.raises(InvalidDicomError, match=r"000\.dcm.*006\.dcm"):
        lazydicom.open_series(tmp_path)


def test_interleaved_acquisitions_of_mr_are_one_volume_with_a_warning(
    tmp_path: Path,
) -> None:
    for k in range(8):
        more = {"AcquisitionNumber": 1 + k % 2, "InstanceNumber": 1 + k}
        plane(tmp_path, k, (0, 0, 3.0 * k), **more)

    with pytest.warns(LazyDicomWarning, match="acquisitions alternate"):
        array = lazydicom.open_series(tmp_path)

    assert corner(array) == list(range(8))


@pytest.mark.parametrize("packages", [2, 4])
def test_acquisitions_one_above_the_other_are_one_volume(
    tmp_path: Path, packages: int
) -> None:
    for k in range(8):
        number = 1 + k // (8 // packages)
        plane(tmp_path, k, (0, 0, 3.0 * k), sop_class=CT, AcquisitionNumber=number)

    assert corner(lazydicom.open_series(tmp_path)) == list(range(8))


@pytest.mark.parametrize(
    ("heights", "lengths"),
    [
        ((0, 2.5, 5, 7.5, 10, 15, 20, 25, 30), [5, 4]),
        ((0, 5, 10, 15, 17.5, 20, 22.5), [4, 3]),
        ((0, 1, 2, 3, 5, 7, 9, 13, 17, 21), [4, 3, 3]),
    ],
)
def test_several_spacings_are_told_and_split(
    tmp_path: Path, heights: tuple[float, ...], lengths: list[int]
) -> None:
    for k, z in enumerate(heights):
        plane(tmp_path, k, (0, 0, float(z)), sop_class=CT, InstanceNumber=k + 1)

    with pytest.raises(InvalidDicomError, match="several spacings"):
        lazydicom.open_series(tmp_path)
    pieces = list(lazydicom.open_study(tmp_path).values())
    assert [len(piece) for piece in pieces] == lengths
    assert [value for piece in pieces for value in corner(piece)] == [
        *range(len(heights))
    ]


@pytest.mark.parametrize("gap", [1.25, 0.625, 3.3333, 0.7])
@pytest.mark.parametrize("decimals", [1, 2])
def test_positions_with_few_decimals_are_a_straight_line(
    tmp_path: Path, gap: float, decimals: int
) -> None:
    for k in range(20):
        z = round(-100 + gap * k, decimals)
        plane(tmp_path, k, (0, 0, z), sop_class=CT, spacing=(0.4, 0.4))

    array = lazydicom.open_series(tmp_path)

    assert corner(array) == list(range(20))
    assert abs(array.attrs["spacing"][0] - gap) < 10.0**-decimals / 10


def test_what_rounding_does_not_explain_is_an_error(tmp_path: Path) -> None:
    for k, z in enumerate((0.0, 1.2, 2.5, 3.8, 5.4, 6.2)):
        plane(tmp_path, k, (0, 0, z), sop_class=CT)

    with pytest.raises(InvalidDicomError, match=r"1\.60 mm instead of"):
        lazydicom.open_series(tmp_path)


@pytest.mark.parametrize("length", [2.0, 0.98, 0.5])
def test_directions_become_unit_vectors(tmp_path: Path, length: float) -> None:
    axes = (length, 0, 0, 0, length, 0)
    for k in range(3):
        plane(tmp_path, k, (0, 0, 2.5 * k), axes=axes)

    with pytest.warns(LazyDicomWarning, match="unit vectors"):
        array = lazydicom.open_series(tmp_path)

    columns = np.linalg.norm(array.attrs["affine"][:3, :3], axis=0)
    np.testing.assert_allclose(columns, [1, 1, 2.5])
    assert array.attrs["spacing"] == [2.5, 1.0, 1.0]
    assert array.attrs["orientation"] == [1, 0, 0, 0, 1, 0]


@pytest.mark.parametrize("degrees", [60, 80, 100])
def test_rows_and_columns_are_at_right_angles(tmp_path: Path, degrees: int) -> None:
    angle = np.radians(degrees)
    axes = (1.0, 0.0, 0.0, float(np.cos(angle)), float(np.sin(angle)), 0.0)
    for k in range(3):
        plane(tmp_path, k, (0, 0, 2.5 * k), axes=axes, sop_class=MR)

    with pytest.raises(InvalidDicomError, match="degrees apart, expected 90"):
        lazydicom.open_series(tmp_path)


@pytest.mark.parametrize("told", ["number", "pause"])
@pytest.mark.parametrize("passes", [2, 3, 5])
@pytest.mark.parametrize("start", [22.5, 24.0])
def test_passes_that_begin_between_planes_are_volumes(
    tmp_path: Path, told: str, passes: int, start: float
) -> None:
    for a in range(passes):
        for k in range(6):
            more: Any = {"AcquisitionNumber": a + 1} if told == "number" else {}
            clock = f"12{a:02d}{k:02d}"
            more |= {"AcquisitionDate": DAY, "AcquisitionTime": clock}
            place = (0, 0, 5.0 * k + start * a)
            plane(tmp_path, 10 * a + k, place, sop_class=CT, **more)

    with pytest.raises(InvalidDicomError, match=f"of {passes} volumes by"):
        lazydicom.open_series(tmp_path)
    pieces = [corner(piece) for piece in lazydicom.open_study(tmp_path).values()]

    assert pieces == [[10 * a + k for k in range(6)] for a in range(passes)]


@pytest.mark.parametrize("passes", [2, 3, 4])
@pytest.mark.parametrize("shared", [1, 3])
def test_passes_that_share_planes_are_volumes(
    tmp_path: Path, passes: int, shared: int
) -> None:
    for a in range(passes):
        for k in range(6):
            place = (0, 0, 5.0 * (k + (6 - shared) * a))
            number: Any = {"AcquisitionNumber": a + 1}
            plane(tmp_path, 10 * a + k, place, sop_class=CT, **number)

    with pytest.raises(InvalidDicomError, match=f"of {passes} volumes by Acquisition"):
        lazydicom.open_series(tmp_path)
    pieces = [corner(piece) for piece in lazydicom.open_study(tmp_path).values()]

    assert pieces == [[10 * a + k for k in range(6)] for a in range(passes)]


@pytest.mark.parametrize("lost", [(0, 2), (1, 1), (1, 3)])
@pytest.mark.parametrize("sideways", [0.0, 40.0])
def test_stacks_stay_apart_where_planes_are_lost(
    tmp_path: Path, lost: tuple[int, int], sideways: float
) -> None:
    for s in range(2):
        for k in range(5):
            if (s, k) != lost:
                place = (0.0, sideways * s, 3.0 * k + 7 * s)
                stack: Any = {"StackID": str(s + 1)}
                plane(tmp_path, 10 * s + k, place, **stack)

    with pytest.raises(InvalidDicomError, match="2 volumes by Stack ID"):
        lazydicom.open_series(tmp_path)
    pieces = [corner(piece) for piece in lazydicom.open_study(tmp_path).values()]

    assert sum(map(len, pieces)) == 9
    assert all(len({value // 10 for value in piece}) == 1 for piece in pieces)


@pytest.mark.parametrize("times", [2, 4])
def test_fields_of_view_keep_their_times(tmp_path: Path, times: int) -> None:
    for t in range(times):
        for s in range(2):
            for k in range(3):
                place = (-80.0 + 100 * s, 0.0, 3.0 * k)
                clock: Any = {"AcquisitionTime": f"1200{10 * t + 5 * s:02d}"}
                plane(tmp_path, 100 * s + 10 * t + k, place, **clock)

    pieces = [corner(piece) for piece in lazydicom.open_study(tmp_path).values()]

    volumes = np.add.outer(10 * np.arange(times), np.arange(3))
    assert sorted(pieces) == [volumes.tolist(), (100 + volumes).tolist()]
