"""Segmentations become labels of an OME-Zarr image on which they lie, or nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pydicom
import pytest
import zarr
from segmentation_files import (
    identify,
    label_map,
    last,
    make_ct,
    make_segments,
    stored_as,
    write_ct,
    write_segmentation,
)
from slide_files import make_slide

import lazydicom
from lazydicom.errors import ExportError, LazyDicomError, UnsupportedError

Made: TypeAlias = tuple[Any, Any, Path]
TRUTH = make_segments()
SLIDE = (50, 70)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Make an image of OME-Zarr, the array that it was copied from, and labels."""
    ct = make_ct()
    write_ct(tmp_path / "ct", ct)
    path = tmp_path / "seg.dcm"
    write_segmentation(path, ct, last(TRUTH).astype(np.uint8), "BINARY")
    image = lazydicom.open_series(tmp_path / "ct")
    store = tmp_path / "image.ome.zarr"
    lazydicom.to_ome_zarr(image, store, levels=3)
    labels = lazydicom.open_segmentation(
        path, like=image, combine="labelmap", on_overlap="last"
    )
    return image, labels, store


def ome(store: Path) -> Any:  # noqa: ANN401
    return json.loads((store / "zarr.json").read_text())["attributes"]["ome"]


def test_labels_stand_in_the_group_of_their_image(made: Made) -> None:
    _, labels, store = made

    report = lazydicom.to_ome_zarr(labels, "organs", into=store)

    assert ome(store / "labels")["labels"] == ["organs"]
    written = store / "labels" / "organs"
    assert lazydicom.verify(report.url).ok
    assert lazydicom.verify(store).ok
    np.testing.assert_array_equal(zarr.open_array(written / "0")[...], labels[...])
    assert len(report.shapes) == 3
    coarse = zarr.open_array(written / "1")[...]
    assert set(np.unique(coarse)) <= set(np.unique(labels[...]))
    colors, shown = (ome(written)["image-label"].get(k) for k in ("colors", "source"))
    assert shown == {"image": "../../"}
    wanted = {s.number: s.rgb for s in lazydicom.segment_table(labels) if s.rgb}
    assert {
        one["label-value"]: tuple(one["rgba"][:3]) for one in colors or ()
    } == wanted
    numbers = [
        one["segment-number"] for one in ome(written)["image-label"]["properties"]
    ]
    assert numbers == [1, 2, 3]
    scales = [ome(one)["multiscales"][0]["datasets"][0] for one in (store, written)]
    assert scales[0] == scales[1]


def test_labels_are_valid_for_their_image(made: Made) -> None:
    from ome_zarr_models import v05 as models

    _, labels, store = made
    lazydicom.to_ome_zarr(labels, "organs", into=store)

    group = zarr.open_group(str(store), mode="r")
    assert models.Image.from_zarr(group).labels is not None
    models.Labels.from_zarr(zarr.open_group(str(store / "labels"), mode="r"))
    organs = zarr.open_group(str(store / "labels" / "organs"), mode="r")
    models.ImageLabel.from_zarr(organs)


def test_labels_of_segments_are_written_when_asked_for(made: Made) -> None:
    _, labels, store = made
    texts = [segment.label for segment in lazydicom.segment_table(labels)]

    lazydicom.to_ome_zarr(labels, "without", into=store)
    lazydicom.to_ome_zarr(labels, "named", into=store, label_texts=True)

    assert ome(store / "labels")["labels"] == ["without", "named"]
    for name, wanted in (("without", [None] * 3), ("named", texts)):
        properties = ome(store / "labels" / name)["image-label"]["properties"]
        assert [one.get("label") for one in properties] == wanted


@pytest.mark.parametrize("shift", ["cropped", "moved", "coarser"])
def test_labels_beside_the_image_are_refused_and_leave_nothing(
    made: Made, shift: str
) -> None:
    _, labels, store = made
    before = sorted(store.rglob("*"))
    if shift == "cropped":
        labels = labels.isel(x=slice(1, None))
    else:
        level = json.loads((store / "zarr.json").read_text())
        (dataset, *_) = level["attributes"]["ome"]["multiscales"][0]["datasets"]
        place = 1 if shift == "moved" else 0
        kind = dataset["coordinateTransformations"][place]
        kind[kind["type"]][-1] += 0.5
        (store / "zarr.json").write_text(json.dumps(level))

    with pytest.raises(
        ExportError, match=r"do not lie on the image: .* along x|x, not"
    ):
        lazydicom.to_ome_zarr(labels, "organs", into=store)

    assert sorted(store.rglob("*")) == before


def test_what_is_no_label_is_refused(made: Made, tmp_path: Path) -> None:
    image, labels, store = made
    with pytest.raises(UnsupportedError, match="combine="):
        lazydicom.to_ome_zarr(labels.source, "organs", into=store)
    with pytest.raises(UnsupportedError, match="integers"):
        lazydicom.to_ome_zarr(
            lazydicom.to_xarray(image).astype("f4"), "organs", into=store
        )
    with pytest.raises(ValueError, match="mean"):
        lazydicom.to_ome_zarr(labels, "organs", into=store, method="mean")
    with pytest.raises(ValueError, match="name of the labels"):
        lazydicom.to_ome_zarr(labels, tmp_path / "elsewhere", into=store)
    with pytest.raises(ExportError, match="found none"):
        lazydicom.to_ome_zarr(labels, "organs", into=tmp_path / "nothing")
    assert not (store / "labels").exists()


def test_labels_that_stand_there_are_replaced_only_when_asked(made: Made) -> None:
    _, labels, store = made
    lazydicom.to_ome_zarr(labels, "organs", into=store)
    with pytest.raises(ExportError, match="overwrite=True"):
        lazydicom.to_ome_zarr(labels, "organs", into=store)
    assert lazydicom.to_ome_zarr(labels, "organs", into=store, resume=True).kept
    lazydicom.to_ome_zarr(labels, "organs", into=store, overwrite=True)
    assert ome(store / "labels")["labels"] == ["organs"]


def test_labels_that_cannot_be_read_leave_nothing(made: Made) -> None:
    _, labels, store = made
    path = Path(labels.images[0].url)
    os.truncate(path, path.stat().st_size - 64)

    with pytest.raises(LazyDicomError):
        lazydicom.to_ome_zarr(labels, "organs", into=store)

    labels_group = store / "labels" / "zarr.json"
    assert not labels_group.exists()
    assert not (store / "labels" / "organs").exists()


def test_one_segment_is_a_label_of_its_own(made: Made) -> None:
    image, labels, store = made
    one = lazydicom.open_segmentation(labels.images[0].url, like=image, segments=2)

    lazydicom.to_ome_zarr(one, "two", into=store)

    written = store / "labels" / "two"
    np.testing.assert_array_equal(zarr.open_array(written / "0")[...], one[0])
    (properties,) = ome(written)["image-label"]["properties"]
    assert (properties["label-value"], properties["segment-number"]) == (1, 2)


@pytest.mark.parametrize("background", [0, 255])
def test_the_background_of_a_label_map_is_transparent(
    made: Made, tmp_path: Path, background: int
) -> None:
    image, _, store = made
    pixels = label_map(TRUTH, (1, 2, 3)).astype(np.uint8)
    write_segmentation(tmp_path / "map.dcm", make_ct(), pixels, "LABELMAP")
    dataset = pydicom.dcmread(tmp_path / "map.dcm")
    dataset.PixelPaddingValue = background
    values = np.frombuffer(dataset.PixelData, np.uint8)
    moved = np.where(values == 0, background, values)
    dataset.PixelData = moved.astype(np.uint8).tobytes()
    dataset.SegmentSequence[0].SegmentNumber = background
    dataset.save_as(tmp_path / "map.dcm")
    labels = lazydicom.open_segmentation(
        tmp_path / "map.dcm", like=image, combine="labelmap"
    )

    lazydicom.to_ome_zarr(labels, "organs", into=store)

    colors = ome(store / "labels" / "organs")["image-label"]["colors"]
    assert {"label-value": background, "rgba": [0, 0, 0, 0]} in colors
    assert sorted(one["label-value"] for one in colors) == sorted([background, 1, 2, 3])


# --- over a slide -------------------------------------------------------------


def tiled_labels(
    path: Path,
    kind: str,
    like: lazydicom.DicomArray,
    source: pydicom.Dataset,
) -> Any:  # noqa: ANN401
    """Return the label map of a tiled segmentation of a slide."""
    truth = make_segments(shape=(1, *SLIDE))
    pixels = stored_as(kind, truth).astype(np.uint8)
    write_segmentation(path, [source], pixels, kind, tile_pixel_array=True)
    return lazydicom.open_segmentation(
        path, like=like, combine="labelmap", on_overlap="last"
    )


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("squeeze", [True, False])
@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_labels_of_tiles_go_into_the_copy_of_their_slide(
    tmp_path: Path, kind: str, *, squeeze: bool, samples: int
) -> None:
    (source,) = make_slide(matrix=SLIDE, tile=(16, 16), samples=samples).datasets
    identify(source)
    (level,) = lazydicom.open_slide(source, squeeze=squeeze)
    image = level if squeeze else level.isel(path=0)
    lazydicom.to_ome_zarr(image, tmp_path / "image", levels=2)
    labels = tiled_labels(tmp_path / "tiled.dcm", kind, image, source)

    report = lazydicom.to_ome_zarr(labels, "cells", into=tmp_path / "image")

    assert report.axes == (("y", "x") if squeeze else ("z", "y", "x"))
    assert len(report.shapes) == 2
    assert lazydicom.verify(report.url).ok
    written = np.asarray(
        zarr.open_array(tmp_path / "image" / "labels" / "cells" / "0")[...]
    )
    assert written.max() == 3
    expected = np.asarray(labels[...])
    np.testing.assert_array_equal(written.reshape(expected.shape), expected)


def test_one_plane_of_labels_goes_into_a_copy_of_that_plane(made: Made) -> None:
    image, labels, store = made
    flat = store.with_name("flat.ome.zarr")
    lazydicom.to_ome_zarr(image.isel(z=2), flat)

    lazydicom.to_ome_zarr(labels.isel(z=slice(2, 3)), "organs", into=flat)

    written = zarr.open_array(flat / "labels" / "organs" / "0")[...]
    np.testing.assert_array_equal(written, labels[2])
    with pytest.raises(ExportError, match="a corner is"):
        lazydicom.to_ome_zarr(labels.isel(z=slice(3, 4)), "others", into=flat)
    with pytest.raises(ExportError, match="no axis z"):
        lazydicom.to_ome_zarr(labels, "all", into=flat)
