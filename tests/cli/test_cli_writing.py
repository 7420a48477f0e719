"""The commands that write: `preview`, `export` and `demo`."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import imagecodecs
import numpy as np
import pydicom
import pytest
import zarr
from command_line import run, run_process, write_file
from dicom_files import make_native, stored_pixels
from pydicom.pixels.processing import apply_color_lut
from series_files import write_volume

from lazydicom._cli.demo_file import made_frame, write_enhanced


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_file(tmp_path)


# --- preview ------------------------------------------------------------------


def read_png(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(imagecodecs.png_decode(path.read_bytes()), np.uint8)


@pytest.mark.parametrize(
    ("frames", "width", "height"), [(1, 80, 64), (4, 160, 128), (10, 320, 192)]
)
def test_preview_sets_the_frames_side_by_side(
    path: Path, frames: int, width: int, height: int
) -> None:
    out = path.with_suffix(".png")

    result = run("preview", path, out, "--frames", frames, "--tile", 84)

    assert result.exit_code == 0
    assert read_png(out).shape == (height, width)  # 4 × 5 pixels, magnified by 16
    assert f"{width} × {height}" in result.stdout


def test_preview_makes_the_folder_of_its_picture(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "pictures" / "of today" / "sheet.png"

    result = run("preview", path, out)

    assert result.exit_code == 0
    assert read_png(out).size > 0


def test_preview_averages_large_frames_down(tmp_path: Path) -> None:
    path, out = tmp_path / "large.dcm", tmp_path / "large.png"
    pixels = np.zeros((2, 50, 70), np.uint16)
    pixels[1] = 1000
    path.write_bytes(make_native(pixels))

    run("preview", path, out, "--tile", 20)

    sheet = read_png(out)
    assert sheet.shape == (13, 36)
    assert (sheet[:, :18] == 0).all()
    assert (sheet[:, 18:] == 255).all()


def test_preview_leaves_colour_alone(tmp_path: Path) -> None:
    path, out = tmp_path / "colour.dcm", tmp_path / "colour.png"
    pixels = stored_pixels(
        number_of_frames=1, rows=16, columns=16, samples_per_pixel=3, bits_allocated=8
    )
    made = make_native(pixels, bits_allocated=8)
    path.write_bytes(made)

    run("preview", path, out, "--tile", 16)

    assert np.array_equal(read_png(out), pixels[0])


def test_preview_shows_the_lowest_value_white_where_the_file_says_so(
    tmp_path: Path,
) -> None:
    path, out = tmp_path / "inverse.dcm", tmp_path / "inverse.png"
    pixels = np.zeros((1, 16, 16), np.uint16)
    pixels[0, 0] = 100
    path.write_bytes(make_native(pixels, photometric_interpretation="MONOCHROME1"))

    run("preview", path, out, "--tile", 16)

    assert (read_png(out)[0] == 0).all()
    assert (read_png(out)[1:] == 255).all()


def test_preview_shows_indices_in_the_colours_of_their_palette(tmp_path: Path) -> None:
    path = pydicom.data.get_testdata_file("examples_palette.dcm", download=False)
    assert path is not None
    dataset = pydicom.dcmread(path)
    colours = apply_color_lut(dataset.pixel_array, dataset)
    del dataset.RedPaletteColorLookupTableData
    dataset.save_as(tmp_path / "bare.dcm")

    run("preview", path, tmp_path / "palette.png", "--tile", 4096)
    run("preview", tmp_path / "bare.dcm", tmp_path / "bare.png", "--tile", 4096)

    shown = read_png(tmp_path / "palette.png")
    size = colours.shape[:2]
    zoom = shown.shape[0] // size[0]
    near = shown[::zoom, ::zoom].astype(int) - colours // 256
    assert np.abs(near).max() < 8, "percentiles may stretch them"
    assert read_png(tmp_path / "bare.png").ndim == 2, "no palette: as they are stored"


@pytest.mark.parametrize("values", [np.nan, np.inf, 0.0, 7.0, (np.inf, -np.inf)])
def test_preview_of_values_without_a_range_is_black(
    tmp_path: Path, values: float | tuple[float, float]
) -> None:
    path, out = tmp_path / "flat.dcm", tmp_path / "flat.png"
    pixels = np.full((32, 16), np.resize(values, 16), "<f4")
    path.write_bytes(
        make_native(
            pixel_bytes=pixels.tobytes(),
            number_of_frames=1,
            rows=32,
            columns=16,
            keyword="FloatPixelData",
            bits_allocated=32,
        )
    )

    result = run("preview", path, out, "--tile", 16)

    assert result.stderr == ""
    assert (read_png(out) == 0).all()


def test_preview_replaces_nothing_but_a_png(path: Path) -> None:
    before = path.read_bytes()

    result = run("preview", path, path)

    assert result.exit_code == 2
    assert "ends in .png" in result.stderr
    assert path.read_bytes() == before


# --- export -------------------------------------------------------------------


def read_zarr(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint16]]:
    stored: Any = zarr.open_array(path, mode="r")
    return np.asarray(stored[...])


def test_export_copies_the_pixels(path: Path) -> None:
    out = path.with_suffix(".zarr")

    result = run("export", path, out)

    expected = stored_pixels(number_of_frames=10, rows=4, columns=5)
    assert result.exit_code == 0
    assert np.array_equal(read_zarr(out), expected)
    assert "400 bytes of pixels" in result.stdout


def test_export_passes_its_options_on(path: Path) -> None:
    out = path.with_suffix(".zarr")

    run("export", path, out, "--chunks", 2, "--shards", "4,4,5", "--codec", "none")

    stored: Any = zarr.open_array(out, mode="r")
    assert stored.chunks == (2, 4, 5)
    assert stored.shards == (4, 4, 5)


def test_export_is_quiet_where_nobody_looks_on(path: Path) -> None:
    done = run_process("export", path, "out.zarr", cwd=path.parent)

    assert done.returncode == 0
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_export_shows_its_progress_on_a_terminal(path: Path) -> None:
    terminal, its_end = os.openpty()
    words = [sys.executable, "-m", "lazydicom", "export", str(path), "out.zarr"]

    with subprocess.Popen(
        words, cwd=path.parent, stdout=subprocess.DEVNULL, stderr=its_end
    ) as process:
        process.wait(100)
        shown = os.read(terminal, 1 << 20).decode()
    os.close(its_end)
    os.close(terminal)

    assert process.returncode == 0
    assert "Exporting" in shown
    assert "400/400 bytes" in shown


def test_export_replaces_a_store_only_when_told(path: Path) -> None:
    out = path.with_suffix(".zarr")
    run("export", path, out)

    again = run("export", path, out)
    replaced = run("export", path, out, "--overwrite")

    assert again.exit_code == 1
    assert again.stderr.startswith("Error: ")
    assert replaced.exit_code == 0


@pytest.mark.parametrize(
    "words",
    [
        ("--chunks", "a"),
        ("--memory", "1X"),
        ("--memory", "many"),
        ("--workers", "0"),
        ("--overwrite", "--resume"),
    ],
    ids=" ".join,
)
def test_export_refuses_words_that_say_nothing(
    path: Path, words: tuple[str, ...]
) -> None:
    result = run("export", path, path.with_suffix(".zarr"), *words)

    assert result.exit_code == 2
    assert not path.with_suffix(".zarr").exists()


@pytest.mark.parametrize(
    ("option", "wrong"),
    [
        ("--chunks", "0"),
        ("--chunks", "4,-2,4"),
        ("--shards", "many"),
        ("--memory", "0"),
        ("--memory", "1Q"),
        ("--memory", "inf"),
    ],
)
def test_a_number_that_makes_no_sense_is_a_usage_error(
    path: Path, option: str, wrong: str
) -> None:
    result = run("export", path, path.with_suffix(".zarr"), option, wrong)

    assert result.exit_code == 2
    assert f"Invalid value for '{option}': Expected" in result.stderr
    assert wrong in result.stderr


def test_errors_name_the_options_of_the_command(path: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "series", path.with_suffix(".zarr")
    folder.mkdir()
    write_volume(folder, planes=5, skip=frozenset({2}))
    run("export", path, out)

    again = run("export", path, out)
    gap = run("export", folder, tmp_path / "gap.zarr")
    pieces = run("export", folder, tmp_path / "gap.zarr", "--on-gap", "split")

    assert "--overwrite replaces it" in again.stderr
    assert "Choose --on-gap 'fill' or 'split'" in gap.stderr
    assert "choose one with --series: '3-MR-1'" in pieces.stderr


def test_a_series_with_a_hole_is_exported_as_the_caller_chooses(tmp_path: Path) -> None:
    folder, out = tmp_path / "series", tmp_path / "out.zarr"
    folder.mkdir()
    write_volume(folder, planes=5, skip=frozenset({2}))
    options = ("--on-gap", "fill", "--fill-value", "7")

    exported = run("export", folder, out, *options)
    verified = run("verify", out, folder, *options)
    piece = ("--on-gap", "split", "--series", "3-MR-2")
    run("export", folder, tmp_path / "piece.zarr", *piece)

    assert (exported.exit_code, verified.exit_code) == (0, 0)
    stored = np.asarray(zarr.open_array(out, mode="r"))
    assert stored[:, 0, 0].tolist() == [0, 1, 7, 3, 4]
    stored = np.asarray(zarr.open_array(tmp_path / "piece.zarr", mode="r"))
    assert stored[:, 0, 0].tolist() == [3, 4]


# --- demo ---------------------------------------------------------------------


def test_the_demonstration_shows_every_step_and_leaves_nothing(tmp_path: Path) -> None:
    done = run_process("demo", "--frames", 20, cwd=tmp_path, TMPDIR=str(tmp_path))

    assert done.returncode == 0, done.stderr
    for words in (
        "RT Dose Storage",
        "The copy holds the same pixels in all 15 frames.",
        "Enhanced MR Image Storage",
        "20 × 512 × 512 (frame, y, x)",
        "mean of all frames by dask",
        "The copy holds the same pixels in all 20 frames.",
        "What was read is what was written.",
    ):
        assert words in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_demonstration_says_what_room_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Usage = NamedTuple("Usage", [("free", int)])  # noqa: UP014 (one line)
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(10**6))

    result = run("demo")

    assert result.exit_code == 1
    assert "needs 2.2 GB" in result.stderr
    assert "1.0 MB are free" in result.stderr


def test_the_file_of_the_demonstration_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "enhanced.dcm"
    write_enhanced(path, frames=3)

    dataset = pydicom.dcmread(path)

    assert dataset.NumberOfFrames == 3
    assert len(dataset.PerFrameFunctionalGroupsSequence) == 3
    for number in range(3):
        assert np.array_equal(dataset.pixel_array[number], made_frame(number))
