"""Native Pixel Data of more than 4 GiB, whose 32 bits of length cannot say so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pytest
from dicom_elements import element_header
from dicom_files import make_native

import lazydicom
from lazydicom.errors import InvalidDicomError, LazyDicomWarning

if TYPE_CHECKING:
    from pathlib import Path

FRAMES: Final = 2100
SIDE: Final = 1024
FRAME: Final = SIDE * SIDE * 2
LENGTH: Final = FRAMES * FRAME


def write_sparse(
    path: Path, *, written: int, stored: int, trailing: bytes = b""
) -> None:
    """Write a file of zeros but for the last frame, which takes no room on a disk."""
    file = make_native(
        pixel_bytes=b"", number_of_frames=FRAMES, rows=SIDE, columns=SIDE
    )
    head = file[:-12] + element_header(0x7FE00010, "OW", written)
    with path.open("wb") as out:
        out.write(head)
        out.seek(len(head) + stored - 4)
        out.write(b"\1\2\3\4" + trailing)


@pytest.mark.parametrize("trailing", [b"", b"\xfc\xff\xfc\xffOB\0\0\2\0\0\0ab"])
def test_all_frames_are_there_where_the_length_wrapped(
    tmp_path: Path, trailing: bytes
) -> None:
    path = tmp_path / "large.dcm"
    write_sparse(path, written=LENGTH % (1 << 32), stored=LENGTH, trailing=trailing)

    with pytest.warns(LazyDicomWarning, match="low 32 bits"):
        array = lazydicom.open_image(path)

    assert array.shape == (FRAMES, SIDE, SIDE)
    assert np.asarray(array[-1, -1, -2:]).tolist() == [0x0201, 0x0403]
    assert not np.asarray(array[0, 0]).any()


@pytest.mark.parametrize("written", [0, 1 << 20, LENGTH % (1 << 32) + 2])
def test_another_length_is_no_wrapped_one(tmp_path: Path, written: int) -> None:
    path = tmp_path / "large.dcm"
    write_sparse(path, written=written, stored=LENGTH)

    with pytest.raises(InvalidDicomError):
        lazydicom.open_image(path)


def test_a_file_that_ends_before_has_no_wrapped_length(tmp_path: Path) -> None:
    path = tmp_path / "cut.dcm"
    write_sparse(path, written=LENGTH % (1 << 32), stored=LENGTH - FRAME)

    with pytest.raises(InvalidDicomError):
        lazydicom.open_image(path)
