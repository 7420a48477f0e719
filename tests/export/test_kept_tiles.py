"""OME-Zarr copies that keep the JPEG tiles of a slide: same pixels, same bytes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
import zarr
from pydicom.encaps import encapsulate
from pydicom.uid import UID
from slide_files import as_bytes, make_slide

import lazydicom
from lazydicom.errors import ExportError, UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

    from lazydicom import DicomArray

JPEG = UID("1.2.840.10008.1.2.4.50")
YCBCR = {"colorspace_jpeg": "ycbcr", "colorspace_data": "rgb"}
RGB = {"colorspace_jpeg": "rgb", "colorspace_data": "rgb"}
COLOURS: dict[str, tuple[dict[str, Any], str, dict[str, str] | None]] = {
    "JFIF": ({"subsampling": "444"}, "YBR_FULL_422", YCBCR),
    "JFIF, subsampled": ({"subsampling": "420"}, "YBR_FULL_422", YCBCR),
    "Adobe, RGB": ({"colorspace": "rgb", "outcolorspace": "rgb"}, "RGB", RGB),
    "intensities": ({}, "MONOCHROME2", None),
}
"""How tiles are encoded, what the header says, and what the store has to say."""


def jpeg_level(
    matrix: tuple[int, int] = (100, 130),
    *,
    colours: str = "JFIF",
    others: str | None = None,
    level: int = 0,
    **layout: Any,  # noqa: ANN401 (of `make_slide`)
) -> Dataset:
    """Make a level of JPEG tiles; every other one in another way, if that is given."""
    samples = 1 if colours == "intensities" else 3
    layout = {"tile": (32, 48), "samples": samples, **layout}
    (dataset,) = make_slide(matrix=matrix, level=level, **layout).datasets
    depth = f"<u{dataset.BitsAllocated // 8}"
    shape = (-1, dataset.Rows, dataset.Columns, *((3,) if samples == 3 else ()))
    pixels = np.frombuffer(dataset.PixelData, depth)
    pixels = pixels[: dataset.NumberOfFrames * int(np.prod(shape[1:]))].reshape(shape)
    ways = [COLOURS[colours][0], COLOURS[others or colours][0]]
    frames = [encoded(one, ways[k % 2]) for k, one in enumerate(pixels)]
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PhotometricInterpretation = COLOURS[colours][1]
    dataset.PixelData, dataset.file_meta.TransferSyntaxUID = encapsulate(frames), JPEG
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    return dataset


def encoded(pixels: NDArray[Any], way: dict[str, Any]) -> bytes:
    return bytes(imagecodecs.jpeg8_encode(pixels.astype(np.uint8), level=90, **way))


def open_levels(*datasets: Dataset, **options: Any) -> list[DicomArray]:  # noqa: ANN401
    return lazydicom.open_slide([as_bytes(one) for one in datasets], **options)


def in_ome_order(level: DicomArray) -> NDArray[Any]:
    values = np.asarray(level)
    return np.moveaxis(values, -1, 0) if level.dims[-1] == "sample" else values


def codecs(store: Path, number: int = 0) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        (store / f"{number}/zarr.json").read_text()
    )["codecs"]
    return found


@pytest.mark.parametrize("colours", COLOURS)
def test_tiles_that_are_kept_are_the_bytes_of_the_file_and_give_its_pixels(
    colours: str, tmp_path: Path
) -> None:
    levels = open_levels(
        jpeg_level((100, 130), colours=colours),
        jpeg_level((50, 65), colours=colours, level=1),
        jpeg_level((25, 33), colours=colours, level=2),  # smaller than a tile
    )

    report = lazydicom.to_ome_zarr(levels, tmp_path / "a.zarr", transcode=False)

    assert report.tiles_kept == (True, True, True)
    for number, level in enumerate(levels):
        copy = zarr.open_array(tmp_path / f"a.zarr/{number}", mode="r")
        assert np.array_equal(copy[...], in_ome_order(level))
    place = "0/0" if colours == "intensities" else "0/0/0"
    stored = (tmp_path / f"a.zarr/0/c/{place}").read_bytes()
    assert stored == levels[0].images[0].encoded_frame(0)
    *_, last = codecs(tmp_path / "a.zarr")
    assert last["name"] == "imagecodecs_jpeg"
    assert last.get("configuration") == COLOURS[colours][2]
    assert lazydicom.verify(tmp_path / "a.zarr", levels).ok


def test_paths_and_planes_of_tiles_are_kept(tmp_path: Path) -> None:
    (level,) = open_levels(jpeg_level(colours="intensities", paths=2, planes=3))

    report = lazydicom.to_ome_zarr([level], tmp_path / "a.zarr", transcode=False)

    copy = zarr.open_array(tmp_path / "a.zarr/0", mode="r")
    assert report.tiles_kept == (True,)
    assert report.axes == ("c", "z", "y", "x")
    assert np.array_equal(copy[...], np.asarray(level))


def test_coarse_levels_are_made_of_tiles_that_are_kept(tmp_path: Path) -> None:
    levels = open_levels(jpeg_level((520, 300)))
    lazydicom.to_ome_zarr(levels, tmp_path / "a.zarr", transcode=False)
    lazydicom.to_ome_zarr(levels, tmp_path / "b.zarr")

    for number in range(3):
        kept = zarr.open_array(tmp_path / f"a.zarr/{number}", mode="r")
        encoded_anew = zarr.open_array(tmp_path / f"b.zarr/{number}", mode="r")
        assert np.array_equal(kept[...], encoded_anew[...])


@pytest.mark.parametrize(
    "level",
    [
        lambda: open_levels(jpeg_level(sparse=True, keep=0.7), fill_value=0),
        lambda: open_levels(jpeg_level(colours="JFIF", others="Adobe, RGB")),
        lambda: [open_levels(jpeg_level())[0].isel(y=slice(1, 99))],
        lambda: open_levels(jpeg_level(), decoder="pydicom"),
        lambda: lazydicom.open_slide(
            make_slide(matrix=(60, 70), tile=(32, 32), coding="JPEG-LS").files
        ),
        lambda: lazydicom.open_slide(make_slide(matrix=(60, 70), tile=(32, 32)).files),
    ],
    ids=["holes", "two kinds of colour", "a part", "plugins", "JPEG-LS", "native"],
)
@pytest.mark.filterwarnings("ignore:.*is marked as")
def test_other_levels_are_decoded(level: Any, tmp_path: Path) -> None:  # noqa: ANN401
    levels = level()

    report = lazydicom.to_ome_zarr(levels, tmp_path / "a.zarr", transcode=False)

    assert report.tiles_kept == (False,)
    assert codecs(tmp_path / "a.zarr")[0]["name"] == "bytes"
    copy = zarr.open_array(tmp_path / "a.zarr/0", mode="r")
    assert np.array_equal(copy[...], in_ome_order(levels[0]))


def test_a_tile_that_is_cut_is_an_error_and_no_store(tmp_path: Path) -> None:
    dataset = jpeg_level()
    dataset.PixelData = dataset.PixelData.replace(b"\xff\xd9", b"\xff\x00", 1)
    levels = open_levels(dataset)

    with pytest.raises(lazydicom.errors.DecodeError, match="frame"):
        lazydicom.to_ome_zarr(levels, tmp_path / "a.zarr", transcode=False)
    assert not (tmp_path / "a.zarr").exists()


def test_chunks_cannot_be_chosen_where_they_are_tiles(tmp_path: Path) -> None:
    levels = open_levels(jpeg_level())

    with pytest.raises(ValueError, match="chunks"):
        lazydicom.to_ome_zarr(
            levels, tmp_path / "a.zarr", transcode=False, chunks=(3, 32, 48)
        )


def test_an_export_of_tiles_is_continued_by_the_same_alone(tmp_path: Path) -> None:
    levels = open_levels(jpeg_level())
    lazydicom.to_ome_zarr(levels, tmp_path / "a.zarr", transcode=False)

    again = lazydicom.to_ome_zarr(
        levels, tmp_path / "a.zarr", transcode=False, resume=True
    )

    assert again.kept
    with pytest.raises(ExportError):
        lazydicom.to_ome_zarr(levels, tmp_path / "a.zarr", resume=True)


def test_a_tile_that_changed_is_found(tmp_path: Path) -> None:
    levels = open_levels(jpeg_level())
    lazydicom.to_ome_zarr(levels, tmp_path / "a.zarr", transcode=False)
    place = tmp_path / "a.zarr/0/c/0/1/1"
    tile = bytearray(place.read_bytes())
    tile[-9] ^= 1
    place.write_bytes(tile)

    assert not lazydicom.verify(tmp_path / "a.zarr").ok


def test_imagecodecs_alone_reads_what_is_kept(tmp_path: Path) -> None:
    theirs = pytest.importorskip("imagecodecs.zarr")
    levels = open_levels(jpeg_level())
    lazydicom.to_ome_zarr(levels, tmp_path / "a.zarr", transcode=False)
    chunk = (tmp_path / "a.zarr/0/c/0/1/1").read_bytes()

    codec = theirs.Jpeg.from_dict(codecs(tmp_path / "a.zarr")[-1])

    assert codec.colorspace_jpeg == "ycbcr"
    values = imagecodecs.jpeg8_decode(
        chunk, colorspace=codec.colorspace_jpeg, outcolorspace=codec.colorspace_data
    )
    assert np.array_equal(values, levels[0][32:64, 48:96])


def test_what_else_imagecodecs_may_configure_is_refused() -> None:
    from lazydicom._views.zarr_codec import JpegCodec

    config = {"name": "imagecodecs_jpeg", "configuration": {"tables": "AAAA"}}
    with pytest.raises(UnsupportedError, match="tables"):
        JpegCodec.from_dict(config)
