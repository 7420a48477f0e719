"""What the caller chooses is what he gets: a series, a piece, a way to treat gaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from series_files import write_instance, write_volume

import lazydicom
from lazydicom.errors import InvalidDicomError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_piece_that_is_not_there_is_no_other_piece(tmp_path: Path) -> None:
    write_volume(tmp_path)

    with pytest.raises(
        InvalidDicomError, match=r"none is '3-MR-7'.*'3-MR' \(4, 3, 4\)"
    ):
        lazydicom.open_series(tmp_path, series="3-MR-7")


def test_a_number_of_two_series_chooses_none_of_them(tmp_path: Path) -> None:
    write_volume(tmp_path)
    write_instance(tmp_path / "other", z=0, number=1, series="1.9.3")

    for number in (3, "3"):
        with pytest.raises(InvalidDicomError, match=r"2 series, 2 are '?3'?; choose"):
            lazydicom.open_series(tmp_path, series=number)
    assert lazydicom.open_series(tmp_path, series="3-MR~2").shape == (1, 3, 4)
    assert lazydicom.open_series(tmp_path, series="1.2.3").shape == (4, 3, 4)


def test_a_key_chooses_its_own_series_not_a_piece_of_another(tmp_path: Path) -> None:
    write_volume(tmp_path)
    without_modality = {0x00080060: ("CS", "")}
    for k in range(2):
        path = tmp_path / f"other{k}"
        write_instance(path, z=k, number=k, series="1.1.3", texts=without_modality)

    assert lazydicom.open_series(tmp_path, series="3-MR").shape == (4, 3, 4)
    assert lazydicom.open_series(tmp_path, series="3").shape == (2, 3, 4)


def test_a_word_that_is_no_choice_does_not_fill(tmp_path: Path) -> None:
    write_volume(tmp_path, skip=frozenset({1}))

    for opens in (lazydicom.open_series, lazydicom.open_study):
        with pytest.raises(ValueError, match="must be 'error', 'fill' or 'split'"):
            opens(tmp_path, on_gap="Fill", fill_value=0)  # type: ignore[arg-type]
