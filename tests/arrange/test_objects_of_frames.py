"""Frames stay with the file that they are of, whatever UIDs say or leave out."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np
import pytest
from dicom_files import element, make_native
from series_files import write_instance

import lazydicom
from lazydicom.errors import InvalidDicomError

if TYPE_CHECKING:
    from pathlib import Path

DOSE = "1.2.840.10008.5.1.4.1.1.481.2"
SHARED, OWN, NONE = ("1.2", "1.2"), ("1.2", "1.3"), ("", "")


def _write(
    path: Path,
    values: list[int],
    *,
    uid: str = "",
    number: int | None = None,
    heights: list[int] | None = None,
) -> None:
    """Write one file, each frame filled with one of the values; a dose at heights."""
    numbers = [] if number is None else [(0x00200013, "IS", str(number))]
    if heights is not None:
        offsets = "\\".join(str(z - heights[0]) for z in heights)
        numbers += [
            (0x00200032, "DS", f"0\\0\\{heights[0]}"),
            (0x00200037, "DS", "1\\0\\0\\0\\1\\0"),
            (0x3004000C, "DS", offsets),
        ]
    texts = [
        (0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.7" if heights is None else DOSE),
        (0x00080018, "UI", uid),
        (0x0020000E, "UI", "1.2.3"),
        *numbers,
    ]
    elements: dict[int, bytes | None] = {
        tag: element(tag, vr, text.encode()) if text else None
        for tag, vr, text in texts
    }
    pixels = np.repeat(np.array(values, np.uint16), 6).reshape(-1, 2, 3)
    path.write_bytes(make_native(pixels, elements=elements))


def _pieces(folder: Path) -> list[list[int]]:
    """Return the value of each frame of each piece."""
    pieces = lazydicom.open_study(folder).values()
    return [np.asarray(piece)[:, 0, 0].tolist() for piece in pieces]


@pytest.mark.parametrize("numbers", [(None, None), (1, 1), (1, 2)])
@pytest.mark.parametrize("others", [[11], [11, 12], [11, 12, 13]])
def test_files_of_several_frames_without_uid_are_arrays_by_themselves(
    tmp_path: Path, others: list[int], numbers: tuple[int | None, int | None]
) -> None:
    _write(tmp_path / "a", [1, 2], number=numbers[0])
    _write(tmp_path / "b", others, number=numbers[1])

    with pytest.raises(InvalidDicomError, match="Instances of several frames"):
        lazydicom.open_series(tmp_path)
    assert _pieces(tmp_path) == [[1, 2], others]


@pytest.mark.parametrize("order", [*permutations("abc")])
@pytest.mark.parametrize("uids", [("", "", ""), ("1.2", "", ""), ("", "1.2", "")])
def test_a_stack_has_single_frames_and_no_frames_of_files_beside_it(
    tmp_path: Path, order: tuple[str, ...], uids: tuple[str, ...]
) -> None:
    values = ([1], [2], [11, 12])
    for name, frames, uid in zip(order, values, uids, strict=True):
        _write(tmp_path / name, frames, uid=uid)

    assert sorted(map(sorted, _pieces(tmp_path))) == [[1, 2], [11, 12]]


def test_single_frames_without_uid_make_one_stack(tmp_path: Path) -> None:
    for k in range(3):
        _write(tmp_path / str(k), [k])

    assert lazydicom.open_series(tmp_path)[:, 0, 0].tolist() == [0, 1, 2]


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("uids", [SHARED, OWN, NONE])
@pytest.mark.parametrize(
    ("one", "other"), [([11], [1, 2, 3]), ([11, 12], [1, 2, 3]), ([11, 12], [1, 2])]
)
@pytest.mark.parametrize("placed", [False, True])
def test_a_piece_has_all_frames_of_a_file_or_none(
    tmp_path: Path,
    one: list[int],
    other: list[int],
    uids: tuple[str, str],
    *,
    placed: bool,
    swapped: bool,
) -> None:
    files = [other, one] if swapped else [one, other]
    for name, values, uid in zip("ab", files, uids, strict=True):
        heights = [2 * (value % 10) for value in values] if placed else None
        _write(tmp_path / name, values, uid=uid, heights=heights)

    with pytest.raises(InvalidDicomError, match=r"/a.*/b"):
        lazydicom.open_series(tmp_path)
    assert sorted(_pieces(tmp_path)) == sorted([one, other])


@pytest.mark.parametrize("uid", ["", "1.2"])
def test_a_copy_of_a_part_of_a_volume_lies_beside_it(tmp_path: Path, uid: str) -> None:
    for name, values in {"a": [0, 1], "b": [2, 3], "c": [4, 5], "d": [14, 15]}.items():
        own = uid and f"{uid}.{values[0] % 10}"
        heights = [value % 10 for value in values]
        _write(tmp_path / name, values, uid=own, heights=heights)

    assert _pieces(tmp_path) == [[0, 1, 2, 3, 4, 5], [14, 15]]


@pytest.mark.parametrize("placed", [False, True])
def test_of_three_files_with_one_uid_each_is_a_piece(
    tmp_path: Path, *, placed: bool
) -> None:
    files = [[1], [11, 12, 13], [21, 22]]
    for k, values in enumerate(files):
        heights = [value % 10 for value in values] if placed else None
        _write(tmp_path / str(k), values, uid="1.2", heights=heights)

    assert sorted(_pieces(tmp_path)) == files


@pytest.mark.filterwarnings("ignore:Nothing but Instance Number")
@pytest.mark.parametrize("numbered", [False, True])
@pytest.mark.parametrize("uids", [False, True])
@pytest.mark.parametrize("twice", [(0, 2), (1, 2), (2, 0)])
def test_a_plane_that_stands_twice_mixes_no_times(
    tmp_path: Path, twice: tuple[int, int], *, uids: bool, numbered: bool
) -> None:
    frames = sorted([*np.ndindex(3, 4), twice])
    for count, (time, plane) in enumerate(frames):
        texts = {
            0x00080018: ("UI", f"1.2.{count}" if uids else ""),
            0x00080032: ("TM", f"1200{10 + 5 * time}"),
            0x00200013: ("IS", str(count) if numbered else ""),
        }
        path, value = tmp_path / f"{count:02d}", 10 * time + plane
        write_instance(path, z=plane, number=count, value=value, texts=texts)

    with pytest.raises(InvalidDicomError, match="Several frames stand at one place"):
        lazydicom.open_series(tmp_path)
    pieces = lazydicom.open_study(tmp_path).values()
    times = [np.asarray(one)[..., 0, 0] // 10 for one in pieces]
    assert all((one == one[..., :1]).all() for one in times)
    assert sum(one.size for one in times) == len(frames)
