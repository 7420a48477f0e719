"""Openers say what they take, and warnings point at the line of the caller."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pydicom
import pytest
import xarray as xr
from pydicom.data import get_testdata_file
from series_files import write_volume

import lazydicom
from lazydicom.errors import LazyDicomWarning, SourceError

CT = str(get_testdata_file("CT_small.dcm", download=False))


@pytest.mark.parametrize("name", [".", "folder", Path("folder")])
def test_one_image_is_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str | Path
) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SourceError, match="folder: open_series and open_study"):
        lazydicom.open_image(name)


@pytest.mark.parametrize("many", [[CT], (CT,), {CT}, iter([CT]), []])
def test_one_image_is_no_list(many: object) -> None:
    with pytest.raises(TypeError, match="open_series and open_study take many"):
        lazydicom.open_image(cast("Any", many))


@pytest.mark.parametrize("opener", [lazydicom.open_series, lazydicom.open_study])
@pytest.mark.parametrize("odd", [5, None, {"a": CT}, [[CT]], np.zeros((3, 3))])
def test_a_series_is_of_names(opener: Callable[..., Any], odd: object) -> None:
    with pytest.raises(TypeError, match="Expected paths, URLs or bytes of files"):
        opener(odd)


@pytest.mark.parametrize(
    "opener", [lazydicom.open_image, lazydicom.open_series, lazydicom.open_study]
)
def test_an_empty_name_is_not_the_folder_one_stands_in(
    opener: Callable[..., Any],
) -> None:
    with pytest.raises(ValueError, match="empty"):
        opener("")


@pytest.mark.parametrize("odd", [CT, None, [CT], np.zeros((3, 4))])
def test_a_view_takes_an_array(odd: object) -> None:
    with pytest.raises(TypeError, match="takes what open_series"):
        lazydicom.to_xarray(cast("Any", odd))


@pytest.mark.parametrize("count", [1, 12])
def test_a_warning_points_at_the_caller(tmp_path: Path, count: int) -> None:
    write_volume(tmp_path, planes=3)
    for k in range(count):
        (tmp_path / f"empty{k}.dcm").write_bytes(b"")

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        lazydicom.open_series(tmp_path)

    assert len(caught) == count
    assert {(one.category, one.filename) for one in caught} == {
        (LazyDicomWarning, __file__)
    }


def test_a_warning_points_at_who_calls_xarray(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(CT)
    dataset.HighBit = 13
    dataset.save_as(tmp_path / "odd.dcm")

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        xr.open_dataset(tmp_path / "odd.dcm", engine=cast("Any", "lazydicom"))

    (one,) = [w for w in caught if w.category is LazyDicomWarning]
    assert one.filename == __file__
