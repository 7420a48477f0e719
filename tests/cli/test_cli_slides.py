"""Slides on the command line; the label is shown only where it is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pytest
from click.testing import CliRunner
from pydicom.encaps import encapsulate
from pydicom.uid import UID
from slide_files import as_bytes, make_slide

from lazydicom.cli import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    slide = tmp_path / "slide"
    slide.mkdir()
    for number, matrix in enumerate(((90, 120), (45, 60))):
        level = make_slide(matrix=matrix, tile=(32, 32), level=number, sparse=True)
        (slide / f"{number}.dcm").write_bytes(level.files[0])
    label = make_slide(matrix=(20, 30), tile=(20, 30), kind="LABEL", level=9, seed=7)
    (slide / "label.dcm").write_bytes(label.files[0])
    return slide


@pytest.mark.filterwarnings("ignore")
def test_info_lists_the_images_and_levels_of_a_slide(folder: Path) -> None:
    result = CliRunner().invoke(main, ["info", str(folder)], env={"COLUMNS": "200"})

    assert result.exit_code == 0, result.output
    for words in ("90 × 120", "45 × 60", "12 of 12 of 32 × 32", "label", "0.5"):
        assert words in result.output


def test_preview_shows_no_label_unless_it_is_named(folder: Path) -> None:
    run = CliRunner().invoke
    volume = run(main, ["preview", str(folder), str(folder / "a.png")])
    refused = run(main, ["preview", str(folder / "label.dcm"), str(folder / "b.png")])
    named = run(main, ["preview", "--label", str(folder), str(folder / "c.png")])

    assert volume.exit_code == 0, volume.output
    assert refused.exit_code == 2
    assert "--label shows it" in refused.output
    assert not (folder / "b.png").exists()
    assert named.exit_code == 0, named.output
    shapes = [
        np.asarray(imagecodecs.png_decode((folder / name).read_bytes())).shape
        for name in ("a.png", "c.png")
    ]
    assert shapes == [(90, 120, 3), (20, 30, 3)]


def test_export_writes_the_levels_of_a_slide(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.ome.zarr"

    result = CliRunner().invoke(main, ["export", "--ome", str(folder), str(out)])

    assert result.exit_code == 0, result.output
    assert "3 × 90 × 120, 3 × 45 × 60" in result.output


def test_export_keeps_tiles_where_it_is_asked_to(folder: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke
    wrong = run(main, ["export", "--keep-tiles", str(folder), str(tmp_path / "a.zarr")])
    out = str(tmp_path / "out.ome.zarr")
    native = run(main, ["export", "--ome", "--keep-tiles", str(folder), out])

    assert wrong.exit_code == 2
    assert "--keep-tiles needs --ome" in wrong.output
    assert native.exit_code == 0, native.output
    assert "kept as they are in 0 of 2 levels" in native.output


def test_what_is_odd_about_all_tiles_is_said_once(tmp_path: Path) -> None:
    (dataset,) = make_slide(matrix=(40, 40), tile=(8, 8)).datasets
    tile = np.full((8, 8, 3), 99, np.uint8)
    dataset.PixelData = encapsulate([bytes(imagecodecs.jpeg8_encode(tile))] * 25)
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    dataset.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.4.50")  # RGB, it says
    (tmp_path / "a.dcm").write_bytes(as_bytes(dataset))

    result = CliRunner().invoke(
        main, ["export", "--ome", str(tmp_path / "a.dcm"), str(tmp_path / "a.zarr")]
    )

    assert result.exit_code == 0, result.output
    assert result.output.count("is marked as YCbCr") == 1


@pytest.mark.parametrize("command", ["export --ome", "preview"])
def test_why_tiles_are_no_slide_is_said_not_why_they_are_no_series(
    folder: Path, tmp_path: Path, command: str
) -> None:
    (channel,) = make_slide(matrix=(90, 120), tile=(32, 32), spacing=0.002).datasets
    channel.SOPInstanceUID = channel.file_meta.MediaStorageSOPInstanceUID = UID("1.2")
    (folder / "channel.dcm").write_bytes(as_bytes(channel))

    words = [*command.split(), str(folder), str(tmp_path / "out.png")]
    result = CliRunner().invoke(main, words)

    assert result.exit_code == 1
    assert "Expected pixels in mm of 0.0005, 0.001 as in " in result.output
    assert "--on-gap" not in result.output
