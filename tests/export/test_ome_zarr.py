"""OME-Zarr copies: valid, placed as the affine says, all or nothing, resumable."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from command_line import run
from dicom_files import element, make_native
from real_files import real_file
from series_files import AXIAL, write_instance, write_times_and_echoes, write_volume

import lazydicom
from lazydicom._export.levels.reduce import reduce_values
from lazydicom._export.ome_metadata import find_axes
from lazydicom.errors import (
    ExportError,
    LazyDicomError,
    LazyDicomWarning,
    UnsupportedError,
)

if TYPE_CHECKING:
    from pathlib import Path

    from lazydicom import DicomArray

WINDOW_CENTER = 0x00281050
WINDOW_WIDTH = 0x00281051
RESCALE_INTERCEPT = 0x00281052
RESCALE_SLOPE = 0x00281053


@pytest.fixture
def volume(tmp_path: Path) -> DicomArray:
    folder = tmp_path / "volume"
    folder.mkdir()
    write_volume(folder, planes=5)
    return lazydicom.open_series(folder)


def real_series(name: str) -> DicomArray:
    folder = real_file(f"shared/10_series/{name}")
    if not folder.exists():
        pytest.skip("../shared/data is absent")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LazyDicomWarning)
        return lazydicom.open_series(folder)


def attributes(store: Path | str) -> dict[str, Any]:
    return dict(zarr.open_group(str(store), mode="r").attrs)


def transforms(store: Path | str, level: int) -> tuple[list[float], list[float]]:
    (image,) = attributes(store)["ome"]["multiscales"]
    scale, translation = image["datasets"][level]["coordinateTransformations"]
    return scale["scale"], translation["translation"]


def level(store: Path | str, number: int) -> np.ndarray[Any, Any]:
    return np.asarray(zarr.open_array(f"{store}/{number}", mode="r")[...])


def test_finest_level_is_the_array(volume: DicomArray, tmp_path: Path) -> None:
    report = lazydicom.to_ome_zarr(volume, tmp_path / "out", levels=3)

    assert report.axes == ("z", "y", "x")
    assert report.shapes == ((5, 3, 4), (3, 2, 2), (2, 1, 1))
    np.testing.assert_array_equal(level(report.url, 0), volume)
    for number in range(3):
        assert lazydicom.verify(f"{report.url}/{number}").ok


def test_coarser_levels_are_means_of_the_finer_ones(
    volume: DicomArray, tmp_path: Path
) -> None:
    report = lazydicom.to_ome_zarr(volume, tmp_path / "out", levels=2)

    expected = reduce_values(np.asarray(volume), (2, 2, 2), "mean")
    np.testing.assert_array_equal(level(report.url, 1), expected)


def test_labels_keep_their_values(volume: DicomArray, tmp_path: Path) -> None:
    report = lazydicom.to_ome_zarr(volume, tmp_path / "out", levels=2, method="nearest")

    np.testing.assert_array_equal(level(report.url, 1), volume[::2, ::2, ::2])
    assert transforms(report.url, 1)[1] == transforms(report.url, 0)[1]


def test_pixels_lie_where_the_affine_says(volume: DicomArray, tmp_path: Path) -> None:
    report = lazydicom.to_ome_zarr(volume, tmp_path / "out", levels=3)

    affine = np.array(attributes(report.url)["lazydicom"]["affine"])
    np.testing.assert_array_equal(affine, volume.attrs["affine"])
    for number, shape in enumerate(report.shapes):
        scale, translation = transforms(report.url, number)
        corner = np.zeros(3), np.array(shape) - 1.0
        for index in corner:
            zyx = index * scale + translation
            # the centre of 2**number pixels of the finest level
            finest = index * 2**number + (2**number - 1) / 2
            x, y, z, _ = affine @ (*finest[::-1], 1)
            np.testing.assert_allclose(zyx, (z, y, x))


@pytest.mark.parametrize("name", ["z", "y", "x"])
def test_single_position_of_an_axis_keeps_the_step_of_the_whole(
    volume: DicomArray, tmp_path: Path, name: str
) -> None:
    part = volume.isel(**{name: slice(2, 3)})

    report = lazydicom.to_ome_zarr(part, tmp_path / "out", levels=1)

    scale, translation = transforms(report.url, 0)
    np.testing.assert_allclose(scale, volume.attrs["spacing"])
    x, y, z = part.attrs["affine"][:3, 3]
    np.testing.assert_allclose(translation, (z, y, x))


def test_oblique_corner_is_the_affine_s_after_the_rotation(tmp_path: Path) -> None:
    array = real_series("rgb_slices")
    report = lazydicom.to_ome_zarr(array, tmp_path / "out")

    scale, translation = (one[-3:] for one in transforms(report.url, 0))
    z, y, x = (np.array(array.shape[:3]) - 1) * scale + translation
    row, column = np.reshape(array.attrs["orientation"], (2, 3))
    placed = x * row + y * column + z * np.cross(row, column)

    last = (*(np.array(array.shape[:3]) - 1)[::-1], 1)
    np.testing.assert_allclose(placed, (array.attrs["affine"] @ last)[:3], atol=1e-2)


def test_tilt_that_scales_cannot_say_is_a_warning(tmp_path: Path) -> None:
    array = real_series("bad_gantry_tilt")

    with pytest.warns(LazyDicomWarning, match=r"gantry tilt of 14\.0°"):
        report = lazydicom.to_ome_zarr(array, tmp_path / "out", levels=1)

    affine = np.array(attributes(report.url)["lazydicom"]["affine"])
    np.testing.assert_array_equal(affine, array.attrs["affine"])


def test_axes_have_units_and_the_order_time_channel_space(tmp_path: Path) -> None:
    write_times_and_echoes(tmp_path, np.arange(24))
    array = lazydicom.open_series(tmp_path)

    report = lazydicom.to_ome_zarr(array, tmp_path / "out.zarr")

    (image,) = attributes(report.url)["ome"]["multiscales"]
    assert image["axes"] == [
        {"name": "t", "type": "time", "unit": "second"},
        {"name": "c", "type": "channel"},
        {"name": "z", "type": "space", "unit": "millimeter"},
        {"name": "y", "type": "space", "unit": "millimeter"},
        {"name": "x", "type": "space", "unit": "millimeter"},
    ]
    assert transforms(report.url, 0)[0] == [2.0, 1.0, 2.5, 2.0, 1.5]
    np.testing.assert_array_equal(level(report.url, 0), array)


def test_colours_become_the_channel_axis(tmp_path: Path) -> None:
    array = real_series("rgb_slices")

    report = lazydicom.to_ome_zarr(array, tmp_path / "out")

    assert report.axes == ("c", "z", "y", "x")
    stored = np.moveaxis(level(report.url, 0), 0, -1)
    np.testing.assert_array_equal(stored, array)
    channels = attributes(report.url)["ome"]["omero"]["channels"]
    assert [one["color"] for one in channels] == ["FF0000", "00FF00", "0000FF"]


def test_colours_are_as_bright_as_their_bits(tmp_path: Path) -> None:
    pixels = np.full((1, 4, 5, 3), 1023, np.uint16)
    array = lazydicom.open_image(make_native(pixels, bits_stored=10))

    report = lazydicom.to_ome_zarr(array, tmp_path / "out")

    for channel in attributes(report.url)["ome"]["omero"]["channels"]:
        assert channel["window"]["end"] == channel["window"]["max"] == 1023


def test_colours_with_alpha_are_not_taken_for_three(tmp_path: Path) -> None:
    descriptor = np.array([256, 0, 16], "<u2").tobytes()
    table = np.arange(256, dtype="<u2").tobytes()
    tags = {0x00281101 + k: ("US", descriptor) for k in range(3)}
    tags |= {0x00281201 + k: ("OW", table) for k in range(4)}
    elements = {tag: element(tag, vr, value) for tag, (vr, value) in tags.items()}
    file = make_native(
        photometric_interpretation="PALETTE COLOR",
        bits_allocated=8,
        number_of_frames=1,
        elements=dict(elements),
    )
    colours = lazydicom.apply_palette(lazydicom.open_image(file))

    report = lazydicom.to_ome_zarr(colours, tmp_path / "out")

    assert report.shapes == ((4, 4, 5),)
    assert "omero" not in attributes(report.url)["ome"]


def test_windows_count_in_stored_values(tmp_path: Path) -> None:
    texts = {
        WINDOW_CENTER: ("DS", "40"),
        WINDOW_WIDTH: ("DS", "400"),
        RESCALE_SLOPE: ("DS", "2"),
        RESCALE_INTERCEPT: ("DS", "-1000"),
    }
    for k in range(2):
        write_instance(tmp_path / f"{k}.dcm", z=k, number=k, value=k, texts=texts)
    array = lazydicom.open_series(tmp_path)

    stored = lazydicom.to_ome_zarr(array, tmp_path / "stored.zarr")
    scaled = lazydicom.to_ome_zarr(
        lazydicom.apply_modality_lut(array), tmp_path / "scaled.zarr"
    )

    def window(url: str) -> dict[str, float]:
        (channel,) = attributes(url)["ome"]["omero"]["channels"]
        return dict(channel["window"])

    limits = {"min": 0.0, "max": 65535.0}
    assert window(stored.url) == {**limits, "start": 420.0, "end": 620.0}
    limits = {"min": -1000.0, "max": 130070.0}
    assert window(scaled.url) == {**limits, "start": -160.0, "end": 240.0}
    np.testing.assert_array_equal(level(scaled.url, 0)[1], np.full((3, 4), -998.0))


def test_axes_without_a_place_are_refused() -> None:
    colour = make_native(number_of_frames=3, samples_per_pixel=3)

    with pytest.raises(UnsupportedError, match="no place for the axes frame"):
        find_axes(lazydicom.open_image(colour))


def test_single_frame_of_a_file_is_an_image(tmp_path: Path) -> None:
    array = lazydicom.open_image(make_native(number_of_frames=1, samples_per_pixel=3))

    report = lazydicom.to_ome_zarr(array, tmp_path / "out")

    assert report.axes == ("c", "y", "x")
    np.testing.assert_array_equal(level(report.url, 0), np.moveaxis(array[0], -1, 0))


def test_given_levels_are_written_as_they_are(
    volume: DicomArray, tmp_path: Path
) -> None:
    report = lazydicom.to_ome_zarr([volume, volume], tmp_path / "out")

    assert report.shapes == (volume.shape, volume.shape)
    np.testing.assert_array_equal(level(report.url, 1), volume)
    report = lazydicom.to_ome_zarr([volume, volume], tmp_path / "one", levels=1)
    assert report.shapes == (volume.shape,)


def test_given_levels_lie_where_their_coordinates_say(
    volume: DicomArray, tmp_path: Path
) -> None:
    (tmp_path / "coarse").mkdir()
    for k in range(3):
        write_instance(
            tmp_path / "coarse" / str(k), z=5.0 * k + 1.25, number=k, value=k
        )
    coarse = lazydicom.open_series(tmp_path / "coarse")

    report = lazydicom.to_ome_zarr([volume, coarse], tmp_path / "out")

    assert transforms(report.url, 0)[0] == [2.5, 2.0, 1.5]
    assert transforms(report.url, 1) == ([5.0, 2.0, 1.5], [1.25, -20.0, -10.0])


class Interrupted(Exception):  # noqa: N818 (what somebody does, no error)
    """Somebody stops the export."""


def stop_at(call: int) -> Any:  # noqa: ANN401
    seen = 0

    def progress(done: int, total: int, nbytes: int) -> None:
        nonlocal seen
        seen += 1
        if seen == call:
            raise Interrupted

    return progress


@pytest.mark.parametrize("scheme", ["local", "zip", "memory"])
@pytest.mark.parametrize("call", [1, 2, 3])
def test_interrupted_export_is_no_store_and_resumes_to_the_same_bytes(
    volume: DicomArray, tmp_path: Path, scheme: str, call: int
) -> None:
    out, whole = (
        {
            "local": str(tmp_path / name),
            "zip": str(tmp_path / f"{name}.zip"),
            "memory": f"memory://ome-{name}-{tmp_path.name}-{call}",
        }[scheme]
        for name in ("out", "whole")
    )
    options = {"levels": 3, "chunks": (1, -1, -1)}

    with pytest.raises(Interrupted):
        lazydicom.to_ome_zarr(volume, out, progress=stop_at(call), **options)  # type: ignore[arg-type]
    with pytest.raises(ExportError, match="unfinished"):
        lazydicom.to_ome_zarr(volume, out, **options)  # type: ignore[arg-type]
    if scheme == "local":
        with pytest.raises((FileNotFoundError, zarr.errors.GroupNotFoundError)):
            zarr.open_group(out, mode="r")
    elif scheme == "memory":
        assert "zarr.json" not in content(out)
    resumed = lazydicom.to_ome_zarr(volume, out, resume=True, **options)  # type: ignore[arg-type]

    assert not resumed.kept
    lazydicom.to_ome_zarr(volume, whole, **options)  # type: ignore[arg-type]
    assert content(out) == content(whole)
    again = lazydicom.to_ome_zarr(volume, out, resume=True, **options)  # type: ignore[arg-type]
    assert again.kept


def content(url: str) -> dict[str, bytes]:
    import fsspec

    if url.endswith(".zip"):
        url = f"zip://::{url}"
    mapper = fsspec.get_mapper(url)
    return {key: mapper[key] for key in mapper}


def test_resuming_another_export_is_an_error(
    volume: DicomArray, tmp_path: Path
) -> None:
    lazydicom.to_ome_zarr(volume, tmp_path / "out", levels=2)

    with pytest.raises(ExportError, match="other levels"):
        lazydicom.to_ome_zarr(volume, tmp_path / "out", levels=3, resume=True)
    with pytest.raises(ExportError, match="overwrite=True"):
        lazydicom.to_ome_zarr(volume, tmp_path / "out", levels=3)
    report = lazydicom.to_ome_zarr(volume, tmp_path / "out", levels=3, overwrite=True)

    assert len(report.shapes) == 3
    np.testing.assert_array_equal(level(report.url, 0), volume)


def test_resuming_with_other_codecs_is_an_error(
    volume: DicomArray, tmp_path: Path
) -> None:
    lazydicom.to_ome_zarr(volume, tmp_path / "out")

    with pytest.raises(ExportError, match="other levels, chunks or codecs"):
        lazydicom.to_ome_zarr(volume, tmp_path / "out", compressors="none", resume=True)


@pytest.mark.parametrize(
    "options",
    [
        {"method": "median"},
        {"compressors": "rar"},
        {"chunks": (1, 2)},
        {"chunks": (0, 3, 4)},
        {"levels": 0},
    ],
    ids=str,
)
def test_wrong_argument_leaves_nothing_behind(
    volume: DicomArray, tmp_path: Path, options: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="Expected"):
        lazydicom.to_ome_zarr(volume, tmp_path / "out", **options)

    assert [path.name for path in tmp_path.iterdir()] == ["volume"]
    lazydicom.to_ome_zarr(volume, tmp_path / "out")


def test_what_is_no_store_is_not_overwritten(
    volume: DicomArray, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all my work")

    for overwrite in (False, True):
        with pytest.raises(ExportError):
            lazydicom.to_ome_zarr(volume, tmp_path / "mine", overwrite=overwrite)

    assert (tmp_path / "mine" / "thesis.txt").read_text() == "all my work"


def test_frame_that_cannot_be_read_leaves_no_store(tmp_path: Path) -> None:
    write_volume(tmp_path, planes=3, skip=frozenset((1,)))
    with pytest.warns(match="missing"):
        array = lazydicom.open_series(
            [tmp_path / "0.dcm", tmp_path / "2.dcm", _third(tmp_path)], on_gap="fill"
        )

    with pytest.raises(LazyDicomError, match="no fill_value"):
        lazydicom.to_ome_zarr(array, tmp_path / "out.zarr")

    assert not (tmp_path / "out.zarr").exists()


def _third(folder: Path) -> Path:
    return write_instance(folder / "3.dcm", z=7.5, number=4, value=3)


def test_metadata_hold_nothing_of_a_patient(tmp_path: Path) -> None:
    name = 0x00100010
    data = make_native(elements={name: element(name, "PN", b"Doe^Jane")})

    report = lazydicom.to_ome_zarr(lazydicom.open_image(data), tmp_path / "out")

    for path in (tmp_path / "out").rglob("*.json"):
        assert "Doe" not in path.read_text()
    assert report.axes == ("c", "y", "x")


def test_uneven_times_are_not_given_a_scale(tmp_path: Path) -> None:
    for k, time in enumerate(("120000", "120001", "120009")):
        texts = {0x00080032: ("TM", time)}
        for z in range(2):
            path = tmp_path / f"{k}-{z}.dcm"
            write_instance(path, z=z, number=10 * k + z, orientation=AXIAL, texts=texts)
    array = lazydicom.open_series(tmp_path)
    assert array.dims[0] == "time"

    report = lazydicom.to_ome_zarr(array, tmp_path / "out.zarr")

    (image,) = attributes(report.url)["ome"]["multiscales"]
    assert image["axes"][0] == {"name": "t", "type": "time"}


@pytest.fixture(
    scope="module",
    params=[
        "ct_head_93slices",
        "rgb_slices",
        "mag_phase_fieldmap",
        "siemens_mosaic_fmri_vb",
    ],
)
def copied(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, np.ndarray[Any, Any]]:
    """Copy a real series, and give it in the order of OME-Zarr's axes."""
    array = real_series(request.param)
    out = tmp_path_factory.mktemp("ome") / "out.ome.zarr"
    report = lazydicom.to_ome_zarr(array, out, levels=2)
    order = [axis.position for axis in find_axes(array)]
    return report.url, np.asarray(array).transpose(order)


def test_copy_is_valid(copied: tuple[str, np.ndarray[Any, Any]]) -> None:
    from ome_zarr_models import v05 as models

    url, _ = copied

    image = models.Image.from_zarr(zarr.open_group(url, mode="r"))

    assert len(image.attributes.ome.multiscales[0].datasets) == 2


def test_ome_zarr_reads_the_copy(copied: tuple[str, np.ndarray[Any, Any]]) -> None:
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    url, expected = copied

    (node, *_) = Reader(parse_url(url))()

    np.testing.assert_array_equal(np.asarray(node.data[0]), expected)


def test_ngff_zarr_reads_the_copy(copied: tuple[str, np.ndarray[Any, Any]]) -> None:
    import ngff_zarr

    url, expected = copied

    image = ngff_zarr.from_ngff_zarr(url).images[0]

    np.testing.assert_array_equal(np.asarray(image.data), expected)
    scale, translation = transforms(url, 0)
    assert list(image.scale.values()) == scale
    assert list(image.translation.values()) == translation


def test_command_exports_a_series(tmp_path: Path) -> None:
    (tmp_path / "series").mkdir()
    write_volume(tmp_path / "series")
    out = tmp_path / "out.ome.zarr"

    result = run("export", "--ome", tmp_path / "series", out)

    assert result.exit_code == 0
    assert "OME-Zarr (z y x) of 4 × 3 × 4" in result.stdout
    assert level(out, 0)[:, 0, 0].tolist() == [0, 1, 2, 3]
    assert run("export", "--ome", "--chunks", "2", tmp_path, out).exit_code == 2


def test_zarr_json_of_the_group_is_plain_json(
    volume: DicomArray, tmp_path: Path
) -> None:
    report = lazydicom.to_ome_zarr(volume, tmp_path / "out")

    group = json.loads((tmp_path / "out" / "zarr.json").read_text())

    assert group["attributes"]["ome"]["version"] == "0.5"
    assert report.url == str(tmp_path / "out")


def test_nothing_in_a_staging_place_is_deleted_unasked(
    volume: DicomArray, tmp_path: Path
) -> None:
    mine = tmp_path / "x.partial" / "mine"
    mine.parent.mkdir()
    mine.write_text("keep")

    with pytest.raises(ExportError, match="unfinished"):
        lazydicom.to_ome_zarr(volume, tmp_path / "x")
    assert mine.read_text() == "keep"

    lazydicom.to_ome_zarr(volume, tmp_path / "x", overwrite=True)

    assert not mine.exists()
