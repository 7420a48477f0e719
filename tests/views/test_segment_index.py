"""Segments are selected by number, and by label where the caller asked for labels."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest
import xarray as xr
from segmentation_files import (
    make_ct,
    make_segments,
    stored_as,
    write_ct,
    write_segmentation,
)

import lazydicom
from lazydicom._views.segment_index import index_by_label

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TRUTH = make_segments()


@pytest.fixture(scope="module", params=["BINARY", "LABELMAP"])
def path(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    pixels = stored_as(request.param, TRUTH)
    made = tmp_path_factory.mktemp("segments") / "a.dcm"
    write_segmentation(made, make_ct(), pixels, request.param)
    return made


@pytest.fixture(scope="module")
def seg(path: Path) -> xr.DataArray:
    return lazydicom.to_xarray(lazydicom.open_segmentation(path, labels=True))


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("Label 2", TRUTH[1]),
        (2, TRUTH[1]),
        (["Label 3", "Label 1"], TRUTH[[2, 0]]),
        (["Label 3", 1], TRUTH[[2, 0]]),
        (np.array(["Label 3"]), TRUTH[[2]]),
        (slice(1, 2), TRUTH[:2]),
    ],
)
def test_a_segment_is_selected_by_its_label(
    seg: xr.DataArray, key: object, expected: np.ndarray
) -> None:
    assert np.array_equal(seg.sel(segment=key), expected)


@pytest.mark.parametrize(
    "way",
    [
        lambda seg: pickle.loads(pickle.dumps(seg)),
        lambda seg: seg.copy(deep=True),
        lambda seg: seg.isel(z=slice(None), segment=[2, 1]),
        lambda seg: seg.chunk({"z": 2}),
        lambda seg: seg > 0,
        lambda seg: seg * seg.isel(segment=0, drop=True) + seg,
        lambda seg: seg.to_dataset(name="a").a,
        lambda seg: seg.transpose("z", "segment", "y", "x"),
        lambda seg: seg.mean("x"),
        lambda seg: seg.rename("other"),
    ],
)
def test_labels_survive_what_keeps_the_segments(
    seg: xr.DataArray, way: Callable[[xr.DataArray], xr.DataArray]
) -> None:
    other = way(seg)

    assert int(other.sel(segment="Label 2").segment) == 2


def test_a_label_that_no_segment_has_or_two_is_an_error(
    seg: xr.DataArray,
) -> None:
    twice = xr.concat([seg, seg.assign_coords(segment=[7, 8, 9])], "segment")
    same = index_by_label(twice.set_xindex("segment"))

    with pytest.raises(KeyError, match="0 segments are 'Liver'"):
        seg.sel(segment="Liver")
    with pytest.raises(KeyError, match="2 segments are 'Label 1'"):
        same.sel(segment="Label 1")


def test_without_being_asked_for_labels_are_no_coordinate(path: Path) -> None:
    seg = lazydicom.to_xarray(lazydicom.open_segmentation(path))

    assert "label" not in seg.coords
    with pytest.raises(KeyError):
        seg.sel(segment="Label 1")


def test_labels_can_be_an_index_of_their_own(seg: xr.DataArray) -> None:
    by_label = seg.set_xindex("label")

    assert np.array_equal(by_label.sel(label="Label 3"), TRUTH[2])


def test_an_image_is_masked_by_a_segment_in_one_line(
    path: Path, tmp_path: Path
) -> None:
    series = lazydicom.open_series(write_ct(tmp_path / "ct", make_ct()))
    ct = lazydicom.to_xarray(series)
    on_ct = lazydicom.to_xarray(
        lazydicom.open_segmentation(path, like=series, labels=True)
    )

    masked = ct.where(on_ct.sel(segment=3))
    by_label = ct.where(on_ct.sel(segment="Label 3"))

    assert np.array_equal(np.isfinite(masked), TRUTH[2])
    assert np.array_equal(masked.to_numpy()[TRUTH[2]], series[...][TRUTH[2]])
    assert np.array_equal(by_label, masked, equal_nan=True)


@pytest.mark.parametrize("labels", [False, True])
def test_the_segments_of_one_voxel_are_an_array_of_their_own(
    path: Path, *, labels: bool
) -> None:
    seg = lazydicom.open_segmentation(path, labels=labels)

    view = lazydicom.to_xarray(seg.isel(z=1, y=2, x=3))

    assert view.dims == ("segment",)
    np.testing.assert_array_equal(view.values, TRUTH[:, 1, 2, 3])
    assert int(view.sel(segment=2)) == TRUTH[1, 1, 2, 3]
    if labels:
        assert int(view.sel(segment="Label 2")) == TRUTH[1, 1, 2, 3]
