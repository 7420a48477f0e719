"""Parts of a concatenation come in the order of their frames, all of them."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from dicom_files import element, make_native

import lazydicom
from lazydicom.errors import InvalidDicomError, LazyDicomWarning

UIDS = ("1.2.3.99", "1.2.3.11", "1.2.3.55")


def _write_part(
    path: Path,
    number: int,
    uid: str,
    *,
    frames: int = 4,
    total: int = 3,
    whole: str = "1.2.3.9",
    added: int = 0,
) -> Path:
    """Write a part without positions; frame k of the whole is filled with k + `added`."""
    first = 4 * number
    elements = {
        0x00080016: element(0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.7.2"),
        0x00080018: element(0x00080018, "UI", uid.encode()) if uid else None,
        0x0020000E: element(0x0020000E, "UI", b"1.2.3"),
        0x00200013: element(0x00200013, "IS", b"1"),
        0x00209161: element(0x00209161, "UI", whole.encode()),
        0x00209162: element(0x00209162, "US", (number + 1).to_bytes(2, "little")),
        0x00209163: element(0x00209163, "US", total.to_bytes(2, "little")),
        0x00209228: element(0x00209228, "UL", first.to_bytes(4, "little")),
    }
    values = added + np.arange(first, first + frames, dtype=np.uint16)
    pixels = np.tile(values[:, None, None], (1, 2, 3))
    path.write_bytes(make_native(pixels, elements=dict(elements)))
    return path


@pytest.mark.parametrize("order", [*permutations(range(3))])
@pytest.mark.parametrize("uids", [*permutations(UIDS)])
def test_parts_come_in_the_order_of_their_frames(
    tmp_path: Path, order: tuple[int, ...], uids: tuple[str, ...]
) -> None:
    parts = [_write_part(tmp_path / f"{k}.dcm", k, uids[k]) for k in range(3)]

    array = lazydicom.open_series([parts[k] for k in order])

    assert array[:, 0, 0].tolist() == list(range(12))


@pytest.mark.parametrize("lost", range(3))
def test_a_part_that_is_missing_is_an_error(tmp_path: Path, lost: int) -> None:
    for k in range(3):
        if k != lost:
            _write_part(tmp_path / f"{k}.dcm", k, UIDS[k])

    with pytest.raises(InvalidDicomError, match="of a concatenation"):
        lazydicom.open_series(tmp_path)
    with pytest.warns(LazyDicomWarning, match="of a concatenation"):
        lazydicom.open_study(tmp_path)


@pytest.mark.parametrize("twice", range(3))
def test_a_part_that_stands_twice_is_an_error(tmp_path: Path, twice: int) -> None:
    for k in range(3):
        _write_part(tmp_path / f"{k}.dcm", k, UIDS[k])
    _write_part(tmp_path / "copy.dcm", twice, "1.2.3.77")

    with pytest.raises(InvalidDicomError, match="of a concatenation"):
        lazydicom.open_series(tmp_path)


@pytest.mark.parametrize("frames", [1, 4])
@pytest.mark.parametrize("twice", range(3))
@pytest.mark.parametrize("copy", ["", "1.2.3.999", "same"])
def test_a_part_that_stands_twice_is_a_piece_beside_the_whole(
    tmp_path: Path, twice: int, copy: str, frames: int
) -> None:
    uids = UIDS if copy else ("", "", "")
    for k in range(3):
        _write_part(tmp_path / f"{k}.dcm", k, uids[k])
    uid = uids[twice] if copy == "same" else copy
    _write_part(tmp_path / "copy.dcm", twice, uid, added=100, frames=frames)

    with pytest.warns(LazyDicomWarning, match="of a concatenation"):
        pieces = lazydicom.open_study(tmp_path).values()

    copied = [100 + 4 * twice + k for k in range(frames)]
    values = [np.asarray(piece)[:, 0, 0].tolist() for piece in pieces]
    assert values == [list(range(12)), copied]


@pytest.mark.parametrize("name", ["0.dcm", "9.dcm"])
def test_which_of_two_parts_belongs_to_the_whole_does_not_depend_on_names(
    tmp_path: Path, name: str
) -> None:
    for k in range(3):
        _write_part(tmp_path / f"{k + 1}.dcm", k, UIDS[k])
    _write_part(tmp_path / name, 1, "1.2.3.05", added=100)

    with pytest.warns(LazyDicomWarning, match="of a concatenation"):
        pieces = lazydicom.open_study(tmp_path).values()

    values = [np.asarray(piece)[:, 0, 0].tolist() for piece in pieces]
    assert values == [[0, 1, 2, 3, 104, 105, 106, 107, 8, 9, 10, 11], [4, 5, 6, 7]]


@pytest.mark.parametrize("uids", [UIDS, ("", "", ""), ("1.2", "1.2", "1.2")])
def test_parts_of_two_concatenations_do_not_mix(
    tmp_path: Path, uids: tuple[str, ...]
) -> None:
    for k in range(3):
        _write_part(tmp_path / f"a{k}", k, uids[k])
        other = f"{uids[k]}.1" if uids is UIDS else uids[k]
        _write_part(tmp_path / f"b{k}", k, other, whole="1.2.3.8", added=100)

    pieces = lazydicom.open_study(tmp_path).values()

    values = sorted(np.asarray(piece)[:, 0, 0].tolist() for piece in pieces)
    assert values == [list(range(12)), list(range(100, 112))]


def test_a_part_that_is_too_short_is_an_error(tmp_path: Path) -> None:
    for k in range(3):
        _write_part(tmp_path / f"{k}.dcm", k, UIDS[k], frames=3 if k == 1 else 4)

    with pytest.raises(InvalidDicomError, match=r"Expected frame 7 .*found 8"):
        lazydicom.open_series(tmp_path)
