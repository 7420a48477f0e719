"""A total pixel matrix is a claim: a few bytes that say millions of tiles take no memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from slide_files import changed, make_slide
from traced_memory import traced

import lazydicom
from lazydicom._array.grid import MAX_PLACES, empty_places
from lazydicom.errors import LimitError

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom.dataset import Dataset

CLAIMS = [(2**32 - 1, 20), (20, 2**31), (2**23, 2**23), (2**32 - 1, 2**32 - 1)]
"""Rows and columns of matrices that nobody has."""


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("sparse", [True, False])
def test_a_matrix_that_no_slide_has_is_refused_before_it_takes_memory(
    tmp_path: Path, claim: tuple[int, int], *, sparse: bool
) -> None:
    def claimed(dataset: Dataset) -> None:
        dataset.TotalPixelMatrixRows, dataset.TotalPixelMatrixColumns = claim

    slide = make_slide(matrix=(20, 20), tile=(8, 8), sparse=sparse)
    (tmp_path / "0.dcm").write_bytes(changed(slide, claimed)[0])

    def refused() -> None:
        error = lazydicom.errors.LazyDicomError if not sparse else LimitError
        with pytest.raises(error, match="Expected"):
            lazydicom.open_slide(tmp_path)

    _, most = traced(refused)

    assert most < 16 << 20


def test_a_large_slide_of_few_tiles_opens(tmp_path: Path) -> None:
    def claimed(dataset: Dataset) -> None:
        dataset.TotalPixelMatrixRows = dataset.TotalPixelMatrixColumns = 8_000

    slide = make_slide(matrix=(20, 20), tile=(8, 8), sparse=True)
    (tmp_path / "0.dcm").write_bytes(changed(slide, claimed)[0])

    (level,) = lazydicom.open_slide(tmp_path)

    assert level.shape[:2] == (8_000, 8_000)
    assert level.attrs["missing_tiles"] == 1_000_000 - 9
    assert np.array_equal(level[:16, :16], slide.truth[0, 0, :16, :16])


def test_a_grid_has_as_many_places_as_any_object_and_no_more() -> None:
    assert empty_places((2, 3), url="x").tolist() == [[-1] * 3] * 2
    with pytest.raises(LimitError, match=f"at most {MAX_PLACES} places"):
        empty_places((1 << 12, 1 << 12, 2), url="x")
    with pytest.raises(LimitError):
        empty_places((1 << 40, 1 << 40), url="x")  # beyond any integer of NumPy
