"""pydicom reads back the Enhanced files that the benchmarks are made of."""

from __future__ import annotations

from io import BytesIO
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from dicom_files import EXPLICIT_LITTLE, IMPLICIT_LITTLE, stored_pixels
from enhanced_files import make_enhanced, per_frame_groups, write_enhanced
from pydicom import dcmread

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("transfer_syntax", [EXPLICIT_LITTLE, IMPLICIT_LITTLE])
def test_functional_groups_are_read_back(transfer_syntax: str, undefined: bool) -> None:
    file = make_enhanced(
        number_of_frames=30, undefined=undefined, transfer_syntax=transfer_syntax
    )

    dataset = dcmread(BytesIO(file))

    groups = dataset.PerFrameFunctionalGroupsSequence
    assert [len(group) for group in groups] == [8] * 30
    assert [group.FrameContentSequence[0].DimensionIndexValues for group in groups] == [
        [1, k] for k in range(1, 31)
    ]
    assert [
        group.PlanePositionSequence[0].ImagePositionPatient for group in groups
    ] == [[-100, -120.5, k / 2] for k in range(30)]
    assert len(dataset.SharedFunctionalGroupsSequence) == 1
    assert np.array_equal(dataset.pixel_array, stored_pixels(number_of_frames=30))


def test_per_frame_groups_are_made_fast() -> None:
    start = perf_counter()
    groups = per_frame_groups(100_000, undefined=True)
    elapsed_s = perf_counter() - start

    assert len(groups) > 100_000 * 500
    assert elapsed_s < 50


def test_large_files_are_written_frame_by_frame(tmp_path: Path) -> None:
    def frame(number: int) -> NDArray[Any]:
        return np.full((4, 5), number, np.uint16)

    size = write_enhanced(tmp_path / "large.dcm", frame=frame, number_of_frames=7)

    pixels = dcmread(tmp_path / "large.dcm").pixel_array
    assert size == (tmp_path / "large.dcm").stat().st_size
    assert np.array_equal(pixels, np.stack([frame(k) for k in range(7)]))


def test_a_file_without_frames_takes_no_room(tmp_path: Path) -> None:
    path = tmp_path / "sparse.dcm"

    write_enhanced(path, number_of_frames=2000, rows=512, columns=512)

    assert path.stat().st_size > 2000 * 512 * 512 * 2
    assert path.stat().st_blocks * 512 < 4_000_000
