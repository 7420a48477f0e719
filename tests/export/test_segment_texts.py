"""Labels, descriptions and tracking ids are free text: nothing writes them unasked."""

from __future__ import annotations

import logging
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from segmentation_files import (
    make_ct,
    make_segments,
    stored_as,
    write_segmentation,
)

import lazydicom

if TYPE_CHECKING:
    from pathlib import Path

CANARIES = (b"Label ", b"tracking ")


@pytest.fixture(params=["BINARY", "LABELMAP"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    truth = make_segments()
    pixels = stored_as(request.param, truth)
    made = tmp_path / "seg.dcm"
    write_segmentation(made, make_ct(), pixels, request.param)
    assert all(canary in made.read_bytes() for canary in CANARIES)
    return made


@pytest.mark.parametrize("combine", [None, "labelmap"])
def test_no_copy_and_no_message_has_the_texts_of_segments(
    path: Path,
    combine: Any,  # noqa: ANN401
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    folder = path.parent / "out"
    seg = lazydicom.open_segmentation(path, labels=True, combine=combine)

    lazydicom.to_zarr(seg, folder / "a.zarr")
    lazydicom.to_zarr(seg, folder / "b.zarr", name="seg")
    lazydicom.to_zarr(lazydicom.to_xarray(seg), folder / "c.zarr", name="seg")
    lazydicom.to_ome_zarr(seg, folder / "d.zarr")
    with pytest.raises(KeyError) as unknown:
        lazydicom.open_segmentation(path, segments=9)

    written = [file.read_bytes() for file in folder.rglob("*") if file.is_file()]
    tokens = lazydicom.to_dask(seg).name, seg.identity()
    said = [repr(seg), str(unknown.value), caplog.text, str(tokens)]
    assert len(written) > 8
    assert not any(
        canary in text
        for canary in CANARIES
        for text in (*written, *(one.encode() for one in said))
    )


def test_a_task_carries_no_tracking_ids(path: Path) -> None:
    seg = lazydicom.open_segmentation(path)

    data = pickle.dumps(lazydicom.to_dask(seg))

    assert not any(canary in data for canary in CANARIES)
