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
    path: Path, number: int, uid: str, *, frames: int = 4, total: int = 3
) -> Path:
    """Write a part without positions; frame k of the whole is filled with k."""
    first = 4 * number
    elements = {
        0x00080016: element(0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.7.2"),
        0x00080018: element(0x00080018, "UI", uid.encode()),
        0x0020000E: element(0x0020000E, "UI", b"1.2.3"),
        0x00200013: element(0x00200013, "IS", b"1"),
        0x00209161: element(0x00209161, "UI", b"1.2.3.9"),
        0x00209162: element(0x00209162, "US", (number + 1).to_bytes(2, "little")),
        0x00209163: element(0x00209163, "US", total.to_bytes(2, "little")),
        0x00209228: element(0x00209228, "UL", first.to_bytes(4, "little")),
    }
    values = np.arange(first, first + frames, dtype=np.uint16)
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


def test_a_part_that_is_too_short_is_an_error(tmp_path: Path) -> None:
    for k in range(3):
        _write_part(tmp_path / f"{k}.dcm", k, UIDS[k], frames=3 if k == 1 else 4)

    with pytest.raises(InvalidDicomError, match=r"Expected frame 7 .*found 8"):
        lazydicom.open_series(tmp_path)
