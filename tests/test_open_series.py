"""Series become arrays whose axes a radiographer would name, and errors that help."""

from __future__ import annotations

import pickle
import subprocess
import warnings
import zipfile
from typing import TYPE_CHECKING, NamedTuple

import fsspec
import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lazydicom
from lazydicom.errors import InvalidDicomError, LazyDicomWarning, SourceError
from range_server import RangeServer
from series_files import write_instance, write_times_and_echoes, write_volume
from tools import require_shared_data

if TYPE_CHECKING:
    from pathlib import Path

    from lazydicom import DicomArray

SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


class Series(NamedTuple):
    """What a real series is, and why."""

    path: str
    dims: str
    shape: tuple[int, ...]
    reason: str


VOLUME = "z y x"
REAL_SERIES = [
    Series("10_series/bad_gantry_tilt", VOLUME, (4, 512, 512), "CT, tilted planes"),
    Series("10_series/bad_two_slices", VOLUME, (2, 256, 256), "MR, only two slices"),
    Series("10_series/ct_head_93slices", VOLUME, (93, 64, 64), "CT volume"),
    Series("10_series/ge_dti_classic", "b_value z y x", (2, 4, 128, 128),
           "b = 0 and 1000 in GE's private element, one direction"),
    Series("10_series/ge_fmri_4d_phantom", "time z y x", (5, 10, 64, 64),
           "Temporal Position Identifier; seconds from Trigger Time"),
    Series("10_series/ge_mr_anatomical_4slices", VOLUME, (4, 256, 256), "oblique MR"),
    Series("10_series/hitachi_mr", VOLUME, (4, 64, 64), "oblique MR, order reversed"),
    Series("10_series/jpegls_compressed", VOLUME, (4, 256, 256), "JPEG-LS"),
    Series("10_series/rle_compressed", VOLUME, (4, 256, 256), "RLE"),
    Series("10_series/mag_phase_fieldmap", "repeat z y x", (2, 16, 128, 128),
           "magnitude and field map: GE marks them nowhere, only numbers differ"),
    Series("10_series/non_isotropic", VOLUME, (4, 28, 64), "pixels of 4 × 6.4 mm"),
    Series("10_series/orientation_test", VOLUME, (3, 50, 100), "oblique CT"),
    Series("10_series/pet_per_slice_rescale", VOLUME, (67, 39, 35),
           "PET, one slope per plane"),
    Series("10_series/philips_fmri_4d_classic", "repeat z y x", (4, 2, 80, 80),
           "fMRI that lost every time but the Instance Number"),
    Series("10_series/philips_fmri_phantom", "time z y x", (3, 9, 64, 64),
           "fMRI, 2 s apart"),
    Series("10_series/private_groups_moved_by_pacs/011-0001.img", VOLUME,
           (25, 64, 64), "Enhanced ASL, one of its time points"),
    Series("10_series/private_groups_moved_by_pacs/011-0001__2.img", VOLUME,
           (25, 64, 64), "the same instance from the scanner"),
    Series("10_series/rgb_slices", "z y x sample", (4, 77, 52, 3), "colour maps"),
    Series("10_series/siemens_mosaic_fmri_vb", "time z y x", (2, 50, 80, 80),
           "mosaics of 8 × 8; the protocol says 50 slices"),
    Series("10_series/siemens_mosaic_interleave", "time z y x", (4, 36, 64, 64),
           "mosaics of 6 × 6, 3.2 s apart"),
    Series("01_native_multiframe/3000.dcm", "diffusion z y x", (13, 40, 80, 80),
           "Canon DTI: b = 0 and 12 directions"),
    Series("01_native_multiframe/DTI.dcm", "diffusion z y x", (8, 10, 80, 80),
           "Philips DTI: b = 0, the trace and 6 directions"),
    Series("01_native_multiframe/IM_0027_fMAP.dcm", "component z y x",
           (2, 32, 64, 64), "Philips field map and its magnitude"),
    Series("01_native_multiframe/T1.dcm", VOLUME, (10, 80, 80), "Enhanced MR"),
    Series("01_native_multiframe/T2_.dcm", "time z y x", (2, 10, 80, 80),
           "Temporal Position Index varies fastest"),
    Series("01_native_multiframe/cine-test.dcm", VOLUME, (8, 256, 256),
           "a stack, whatever its name; implicit VR"),
    Series("01_native_multiframe/ibsi_digital_phantom_pixelmed.dcm", VOLUME,
           (4, 4, 5), "coronal phantom without dimension indices"),
    Series("01_native_multiframe/neurolabusc+dcm_qa_xa30_In_14_DWI_dir80_PA__0001_"
           "1.3.12.2.1107.5.2.43.67093.20220711", "z y x sample", (39, 72, 72, 3),
           "Siemens colour FA map; slice times are no axis"),
    Series("01_native_multiframe/philips_enhanced_anatomical_001__IM-0001-0170-0001.dcm",
           VOLUME, (8, 256, 256), "Enhanced MR, right to left"),
    Series("01_native_multiframe/philips_enhanced_fmri_001__IM-0001-9600-0001.dcm",
           "time z y x", (4, 8, 64, 64), "Enhanced fMRI"),
    Series("01_native_multiframe/segmentations_24x38x3_multiframe__mf.dcm", VOLUME,
           (3, 38, 24), "legacy converted CT: In-Stack Position runs backwards"),
    Series("01_native_multiframe/siemens_xa10_4d_split", "time z y x",
           (4, 6, 64, 64), "one Enhanced instance per time point"),
    Series("05_encapsulated_multiframe/j2k_multifragment_series", VOLUME,
           (8, 128, 128), "JPEG 2000 in fragments"),
    Series("12_zip/pm-example-dcm.zip", VOLUME, (20, 256, 256), "ADC map in a zip"),
]  # fmt: skip


def open_quietly(path: Path, **options: object) -> DicomArray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LazyDicomWarning)
        return lazydicom.open_series(path, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("series", REAL_SERIES, ids=lambda one: one.path[:60])
def test_real_series_open_to_the_axes_a_radiographer_would_name(series: Series) -> None:
    array = open_quietly(require_shared_data(series.path))

    assert (array.dims, array.shape) == (tuple(series.dims.split()), series.shape)


@pytest.mark.parametrize(
    "series",
    [one for one in REAL_SERIES if "zip" not in one.path and "mosaic" not in one.path],
    ids=lambda one: one.path[:60],
)
def test_every_frame_is_the_one_of_its_position(series: Series) -> None:
    array = open_quietly(require_shared_data(series.path))
    values = np.asarray(array).reshape(-1, *array.frame_shape)
    datasets = [pydicom.dcmread(image.url) for image in array.images]
    frames = [
        (d, k)
        for d, i in zip(datasets, array.images, strict=True)
        for k in range(len(i))
    ]
    z = np.broadcast_to(np.arange(array.grid.shape[-1]), array.grid.shape).reshape(-1)

    for number, plane, value in zip(
        array.grid.numbers.reshape(-1), z, values, strict=True
    ):
        dataset, frame = frames[number]
        pixels = dataset.pixel_array.reshape(-1, *array.frame_shape)[frame]
        np.testing.assert_array_equal(value, pixels)
        expected = position_of(dataset, frame)
        np.testing.assert_allclose(
            (array.attrs["affine"] @ [0, 0, plane, 1])[:3], expected, atol=0.02
        )


def position_of(dataset: pydicom.Dataset, frame: int) -> list[float]:
    if "PerFrameFunctionalGroupsSequence" not in dataset:
        return list(dataset.ImagePositionPatient)
    groups = dataset.PerFrameFunctionalGroupsSequence[frame]
    if "PlanePositionSequence" not in groups:
        groups = dataset.SharedFunctionalGroupsSequence[0]
    return list(groups.PlanePositionSequence[0].ImagePositionPatient)


# --- independent readers ---------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["bad_two_slices", "ct_head_93slices", "ge_mr_anatomical_4slices", "hitachi_mr",
     "rle_compressed", "jpegls_compressed", "orientation_test"],
)  # fmt: skip
def test_volumes_equal_those_of_simpleitk(name: str) -> None:
    sitk = pytest.importorskip("SimpleITK")
    folder = require_shared_data("10_series", name)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    image = reader.Execute()
    array = lazydicom.open_series(folder)
    affine = array.attrs["affine"]

    theirs = sitk.GetArrayFromImage(image)
    origin, spacing = np.array(image.GetOrigin()), np.array(image.GetSpacing())
    direction = np.array(image.GetDirection()).reshape(3, 3) * spacing
    dataset = pydicom.dcmread(array.images[0].url, stop_before_pixels=True)
    slope, intercept = (
        float(dataset.get("RescaleSlope", 1)),
        float(dataset.get("RescaleIntercept", 0)),
    )
    if not np.allclose(origin, affine[:3, 3], atol=1e-3):  # from the other end
        theirs = theirs[::-1]
        origin = origin + direction[:, 2] * (len(theirs) - 1)
        direction[:, 2] *= -1

    np.testing.assert_allclose(np.asarray(array) * slope + intercept, theirs, rtol=1e-6)
    np.testing.assert_allclose(affine[:3, 3], origin, atol=1e-3)
    np.testing.assert_allclose(affine[:3, :3], direction, atol=2e-3)


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("10_series/ct_head_93slices", {}),
        ("10_series/hitachi_mr", {}),
        ("10_series/ge_fmri_4d_phantom", {}),
        ("10_series/philips_fmri_phantom", {}),
        ("10_series/siemens_mosaic_fmri_vb", {}),
        ("10_series/siemens_mosaic_interleave", {}),
        ("01_native_multiframe/siemens_xa10_4d_split", {}),
    ],
)  # fmt: skip
def test_voxels_and_affine_equal_those_of_dcm2niix(
    path: str, options: dict[str, str], tmp_path: Path
) -> None:
    nibabel = pytest.importorskip("nibabel")
    program = pytest.importorskip("dcm2niix").bin
    folder = require_shared_data(path)
    command = [
        program,
        "-z",
        "n",
        "-b",
        "n",
        "-f",
        "out",
        "-o",
        str(tmp_path),
        str(folder),
    ]
    subprocess.run(command, check=True, capture_output=True)
    image = nibabel.load(next(tmp_path.glob("*.nii")))
    array = open_quietly(folder, **options)

    theirs = image.dataobj.get_unscaled().T  # t, z, y, x
    to_theirs = (
        np.linalg.inv(image.affine) @ np.diag([-1, -1, 1, 1]) @ array.attrs["affine"]
    )
    assert np.allclose(np.abs(np.diag(to_theirs)), 1, atol=1e-3), "LPS is RAS turned"
    flips = tuple(
        slice(None, None, -1 if one < 0 else 1) for one in np.diag(to_theirs)[2::-1]
    )
    turned = theirs[(..., *flips)]
    np.testing.assert_array_equal(
        np.asarray(array), turned[..., : array.shape[-3], :, :]
    )
    corner = to_theirs @ [0, 0, 0, 1]
    sizes = np.array(image.shape[:3])
    expected = [
        0 if one > 0 else n - 1
        for one, n in zip(np.diag(to_theirs), sizes, strict=False)
    ]
    np.testing.assert_allclose(corner[:3], expected, atol=2e-2)


def test_volumes_equal_those_of_highdicom() -> None:
    highdicom = pytest.importorskip("highdicom")
    folder = require_shared_data("10_series/pet_per_slice_rescale")
    files = [pydicom.dcmread(path) for path in folder.iterdir()]
    volume = highdicom.get_volume_from_series(files)
    array = lazydicom.open_series(folder)

    z_y_x = np.eye(4)[[2, 1, 0, 3]]  # theirs counts planes first
    ours = array.attrs["affine"] @ z_y_x
    to_theirs = np.linalg.inv(volume.affine) @ ours
    flip = slice(None, None, -1 if to_theirs[0, 0] < 0 else 1)
    np.testing.assert_allclose(np.abs(np.diag(to_theirs)), 1)
    slopes = array.coords["rescale_slope"].values[:, None, None]
    expected = np.asarray(array) * slopes + array.attrs["rescale_intercept"]
    np.testing.assert_allclose(volume.array[flip], expected, rtol=1e-6)


# --- what does not matter --------------------------------------------------------------


@given(order=st.permutations(range(24)))
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_names_order_and_numbers_of_instances_do_not_matter(
    order: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("series")
    write_times_and_echoes(folder, np.array(order))

    array = lazydicom.open_series(folder)

    assert array.dims == ("time", "echo", "z", "y", "x")
    expected = np.arange(24).reshape(3, 2, 4)
    np.testing.assert_array_equal(np.asarray(array)[..., 0, 0], expected)
    np.testing.assert_allclose(array.coords["time"], [0, 2, 4])
    np.testing.assert_allclose(array.coords["echo"], [10, 20])
    assert array.coords["echo"].units == "ms"


# --- holes, duplicates, orientations ---------------------------------------------------


def test_a_hole_is_an_error_that_names_files_and_positions(tmp_path: Path) -> None:
    write_volume(tmp_path, skip=frozenset({1}))

    with pytest.raises(
        InvalidDicomError,
        match=r"5\.00 mm instead of 2\.50 mm.*0\.dcm \(z = 0\.00 mm\) and .*2\.dcm",
    ):
        lazydicom.open_series(tmp_path)


def test_a_hole_is_filled_with_the_value_the_caller_chose(tmp_path: Path) -> None:
    write_volume(tmp_path, skip=frozenset({1}))

    with pytest.warns(LazyDicomWarning, match="missing"):
        array = lazydicom.open_series(tmp_path, on_gap="fill", fill_value=7)

    assert np.asarray(array)[:, 0, 0].tolist() == [0, 7, 2, 3]
    assert array[1:3, 0, 0].tolist() == [7, 2]
    assert array.attrs["number_of_holes"] == 1
    np.testing.assert_allclose(array.coords["z"], [0, 2.5, 5, 7.5])
    assert pickle.loads(pickle.dumps(array))[1, 0, 0] == 7


def test_a_hole_without_fill_value_refuses_to_be_read(tmp_path: Path) -> None:
    write_volume(tmp_path, skip=frozenset({1}))
    with pytest.warns(LazyDicomWarning):
        array = lazydicom.open_series(tmp_path, on_gap="fill")

    assert array[0, 0, 0] == 0
    with pytest.raises(InvalidDicomError, match="no fill_value"):
        array[1]


def test_a_hole_splits_a_series_where_the_caller_says_so(tmp_path: Path) -> None:
    write_volume(tmp_path, planes=6, skip=frozenset({2}))

    pieces = lazydicom.open_study(tmp_path, on_gap="split")

    assert {key: piece.shape for key, piece in pieces.items()} == {
        "3-MR-1": (2, 3, 4),
        "3-MR-2": (3, 3, 4),
    }
    chosen = lazydicom.open_series(tmp_path, on_gap="split", series="3-MR-2")
    assert np.asarray(chosen)[:, 0, 0].tolist() == [3, 4, 5]


def test_a_missing_frame_of_one_time_is_named(tmp_path: Path) -> None:
    write_times_and_echoes(tmp_path, np.arange(24))
    for path in tmp_path.iterdir():  # times of planes tell no volume: name the position
        dataset = pydicom.dcmread(path)
        dataset.TemporalPositionIdentifier = int(path.name) // 8 + 1
        dataset.save_as(path)
    (tmp_path / "013").unlink()

    with pytest.raises(
        InvalidDicomError, match=r"1 of 24 frames.*time 1 echo 1 z = 2\.50 mm"
    ):
        lazydicom.open_series(tmp_path)


def test_a_duplicate_is_an_error_that_names_both_files(tmp_path: Path) -> None:
    write_volume(tmp_path)
    write_instance(tmp_path / "again.dcm", z=2.5, number=9)

    with pytest.raises(
        InvalidDicomError,
        match=r"1\.dcm \(z = 2\.50 mm\), .*again\.dcm \(z = 2\.50 mm\)",
    ):
        lazydicom.open_series(tmp_path)


def test_duplicates_split_into_a_piece_of_their_own(tmp_path: Path) -> None:
    write_volume(tmp_path)
    write_instance(tmp_path / "again.dcm", z=2.5, number=9)

    pieces = lazydicom.open_study(tmp_path)

    assert [piece.shape[0] for piece in pieces.values()] == [4, 1]


def test_uneven_gaps_are_an_error_that_filling_does_not_mend(tmp_path: Path) -> None:
    for k, z in enumerate((0.0, 2.5, 5.0, 8.7)):
        write_instance(tmp_path / str(k), z=z, number=k)

    with pytest.raises(InvalidDicomError, match="uneven"):
        lazydicom.open_series(tmp_path, on_gap="fill", fill_value=0)


def test_planes_shifted_sideways_are_an_error_or_pieces(tmp_path: Path) -> None:
    write_volume(tmp_path)
    shifted = {0x00200032: ("DS", "-10\\7\\5")}
    write_instance(tmp_path / "2.dcm", z=5, number=3, texts=shifted)

    with pytest.raises(InvalidDicomError, match="do not lie on one line"):
        lazydicom.open_series(tmp_path)
    assert len(lazydicom.open_study(tmp_path)) == 4


@pytest.mark.parametrize("position", ["", "nan\\0\\0", "1\\2"])
def test_a_frame_without_position_among_others_is_named(
    tmp_path: Path, position: str
) -> None:
    write_volume(tmp_path)
    nowhere = {0x00200032: ("DS", position)}
    write_instance(tmp_path / "lost", z=0, number=9, texts=nowhere)

    with pytest.raises(InvalidDicomError, match=r"4 frames.*1 frames.*lost"):
        lazydicom.open_series(tmp_path)


def test_an_orientation_that_spans_no_plane_gives_no_geometry(tmp_path: Path) -> None:
    write_instance(
        tmp_path / "0", z=0, number=1, texts={0x00200037: ("DS", "0\\0\\0\\0\\0\\0")}
    )

    assert lazydicom.open_series(tmp_path).dims == ("frame", "y", "x")


def test_mixed_orientations_are_named_and_split(tmp_path: Path) -> None:
    write_volume(tmp_path)
    write_instance(tmp_path / "scout", z=0, number=9, orientation=SAGITTAL)

    with pytest.raises(
        InvalidDicomError, match=r"several orientations.*4 frames.*1 frames.*scout"
    ):
        lazydicom.open_series(tmp_path)
    pieces = lazydicom.open_study(tmp_path)
    assert [piece.shape for piece in pieces.values()] == [(4, 3, 4), (1, 3, 4)]


def test_several_series_are_listed_without_anything_of_a_patient(
    tmp_path: Path,
) -> None:
    write_volume(tmp_path)
    name = {0x00100010: ("PN", "Nobody^Known")}
    write_instance(tmp_path / "other", z=0, number=1, series="1.2.77", texts=name)

    with pytest.raises(
        InvalidDicomError, match=r"2 series.*'3-MR' \(4.*'77-MR' \(1"
    ) as caught:
        lazydicom.open_series(tmp_path)

    assert "Nobody" not in str(caught.value)
    for chosen in ("3-MR", "1.2.3", 3):
        assert lazydicom.open_series(tmp_path, series=chosen).shape == (4, 3, 4)


def test_a_missing_part_of_a_concatenation_is_an_error(tmp_path: Path) -> None:
    for part in range(3):
        of_concatenation = {
            0x00209161: ("UI", "1.2.9"),
            0x00209228: ("UL", "\0\0\0\0".replace("\0", chr(part), 1)),
            0x00209163: ("US", "\x03\0"),
        }
        path = tmp_path / str(part)
        write_instance(path, z=part, number=part, value=part, texts=of_concatenation)

    assert lazydicom.open_series(tmp_path)[:, 0, 0].tolist() == [0, 1, 2]
    (tmp_path / "2").unlink()
    with pytest.raises(InvalidDicomError, match="3 parts of a concatenation, found 2"):
        lazydicom.open_series(tmp_path)
    (tmp_path / "0").unlink()
    with pytest.raises(InvalidDicomError, match="Expected frame 0"):
        lazydicom.open_series(tmp_path)


def test_a_fill_value_that_is_no_pixel_value_is_refused(tmp_path: Path) -> None:
    write_volume(tmp_path)

    for value in (-1, 0.5, 70_000, float("nan")):
        with pytest.raises(ValueError, match="fill_value"):
            lazydicom.open_series(tmp_path, fill_value=value)


def test_positions_hold_where_stack_positions_contradict_them(tmp_path: Path) -> None:
    for k in range(3):
        texts = {0x00209057: ("UL", "\1\0\0\0")}
        write_instance(tmp_path / str(k), z=5 - k, number=k, value=k, texts=texts)

    with pytest.warns(LazyDicomWarning, match="contradict"):
        array = lazydicom.open_series(tmp_path)

    assert array[:, 0, 0].tolist() == [2, 1, 0]


def test_an_unreadable_echo_time_is_left_out_but_no_position(tmp_path: Path) -> None:
    write_instance(tmp_path / "0", z=0, number=0, texts={0x00180081: ("DS", "long")})
    with pytest.warns(LazyDicomWarning, match="Expected a value of VR DS"):
        array = lazydicom.open_series(tmp_path)
    assert "echo_time" not in array.attrs

    write_instance(tmp_path / "0", z=0, number=0, texts={0x00200032: ("DS", "a\\b\\c")})
    with pytest.raises(InvalidDicomError, match=r"\(0020,0032\)"):
        lazydicom.open_series(tmp_path)


# --- labels ----------------------------------------------------------------------------


def test_source_names_the_instance_and_frame_of_every_position(tmp_path: Path) -> None:
    write_volume(tmp_path)

    plain = lazydicom.open_series(tmp_path)
    array = lazydicom.open_series(tmp_path, source=True)

    assert "sop_instance_uid" not in plain.coords
    assert "series_instance_uid" not in plain.attrs
    uids = array.coords["sop_instance_uid"]
    assert (uids.dims, uids.values.tolist()) == (
        ("z",),
        [f"1.2.3.{k}" for k in range(1, 5)],
    )
    assert array.coords["frame_number"].values.tolist() == [0, 0, 0, 0]
    assert array.attrs["series_instance_uid"] == "1.2.3"


def test_coordinates_are_positions_in_the_patient(tmp_path: Path) -> None:
    write_volume(tmp_path)

    array = lazydicom.open_series(tmp_path)

    np.testing.assert_allclose(array.coords["x"], [-10, -8.5, -7, -5.5])
    np.testing.assert_allclose(array.coords["y"], [-20, -18, -16])
    assert array.attrs["spacing"] == [2.5, 2.0, 1.5]
    np.testing.assert_allclose(
        array.attrs["affine"] @ [3, 2, 1, 1], [-5.5, -16, 2.5, 1]
    )


def test_gantry_tilt_stays_in_the_affine() -> None:
    array = lazydicom.open_series(require_shared_data("10_series/bad_gantry_tilt"))

    assert array.attrs["gantry_tilt"] == pytest.approx(14, abs=1e-6)
    np.testing.assert_allclose(array.attrs["affine"][:3, 2], [0, 0, 5], atol=1e-3)
    assert array.attrs["spacing"][0] == pytest.approx(
        5 * np.cos(np.radians(14)), abs=1e-4
    )


def test_every_plane_of_a_pet_has_its_slope() -> None:
    array = lazydicom.open_series(
        require_shared_data("10_series/pet_per_slice_rescale")
    )

    slopes = array.coords["rescale_slope"]
    assert slopes.dims == ("z",)
    dataset = pydicom.dcmread(array.images[int(array.grid.numbers[5])].url)
    assert slopes.values[5] == float(dataset.RescaleSlope)
    assert "rescale_slope" not in array.attrs


def test_without_positions_there_is_no_affine(tmp_path: Path) -> None:
    nowhere = {0x00200032: ("DS", ""), 0x00200037: ("DS", "")}
    for k in range(3):
        write_instance(tmp_path / str(k), z=0, number=3 - k, value=k, texts=nowhere)

    array = lazydicom.open_series(tmp_path)

    assert array.dims == ("frame", "y", "x")
    assert "affine" not in array.attrs
    assert array[:, 0, 0].tolist() == [2, 1, 0]


# --- files that are framed alike are opened together ----------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "ct_head_93slices",
        "pet_per_slice_rescale",
        "ge_fmri_4d_phantom",
        "philips_fmri_phantom",
        "mag_phase_fieldmap",
    ],
)
def test_files_opened_together_are_what_they_are_alone(name: str) -> None:
    folder = require_shared_data("10_series", name)
    together = open_quietly(folder, source=True)
    alone = open_quietly(folder, source=True, local="mmap")

    np.testing.assert_array_equal(np.asarray(together), np.asarray(alone))
    assert {**together.attrs, "affine": 0} == {**alone.attrs, "affine": 0}
    assert set(together.coords) == set(alone.coords)
    for key, coordinate in alone.coords.items():
        assert together.coords[key].dims == coordinate.dims
        np.testing.assert_array_equal(together.coords[key], coordinate)
    first = together.images[0]
    assert first.header.image_pixel == first.format.pixel
    assert first.index.offsets[0] == first.header.pixel_data.offset


def test_a_file_that_differs_among_many_is_opened_by_itself(tmp_path: Path) -> None:
    write_volume(tmp_path, planes=12)
    odd = pydicom.dcmread(tmp_path / "5.dcm")
    odd.BitsStored, odd.HighBit = 12, 11
    odd.PixelData = np.full((3, 4), 0xF005, np.uint16).tobytes()
    odd.save_as(tmp_path / "5.dcm")
    extra = pydicom.dcmread(tmp_path / "7.dcm")
    extra.EchoTime = 5
    extra.save_as(tmp_path / "7.dcm")

    array = lazydicom.open_series(tmp_path)

    assert np.asarray(array)[:, 0, 0].tolist() == list(range(12))


@pytest.mark.parametrize("cut", [1, 30, 200, 350])
def test_a_short_file_among_many_is_an_error(tmp_path: Path, cut: int) -> None:
    write_volume(tmp_path, planes=12)
    path = tmp_path / "6.dcm"
    path.write_bytes(path.read_bytes()[:-cut])

    with pytest.raises(InvalidDicomError, match=r"6\.dcm"):
        lazydicom.open_series(tmp_path)


# --- where series come from ------------------------------------------------------------


def test_folder_pattern_list_zip_and_url_give_the_same_array(tmp_path: Path) -> None:
    folder = tmp_path / "series"
    folder.mkdir()
    write_volume(folder, planes=12)
    (folder / "!first.txt").write_text("no image")
    with zipfile.ZipFile(tmp_path / "series.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"deep/{path.name}")
    memory = fsspec.filesystem("memory")
    for path in folder.glob("*.dcm"):
        memory.pipe(f"/lazydicom-series/{path.name}", path.read_bytes())
    expected = np.asarray(lazydicom.open_series(folder))

    for urls in (
        str(folder / "*.dcm"),
        sorted(folder.glob("*.dcm"), reverse=True),
        [path.read_bytes() for path in folder.glob("*.dcm")],
        tmp_path / "series.zip",
        f"zip://**::{tmp_path / 'series.zip'}",
        f"file://{folder}",
        "memory://lazydicom-series",
        "memory://lazydicom-series/*.dcm",
    ):
        np.testing.assert_array_equal(np.asarray(lazydicom.open_series(urls)), expected)


def test_a_broken_file_in_a_folder_is_an_error(tmp_path: Path) -> None:
    write_volume(tmp_path)
    whole = (tmp_path / "2.dcm").read_bytes()
    (tmp_path / "2.dcm").write_bytes(whole[: len(whole) - 200])

    with pytest.raises(InvalidDicomError, match=r"2\.dcm"):
        lazydicom.open_series(tmp_path)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no files"):
        lazydicom.open_series(tmp_path)


def test_a_dicomdir_stands_for_the_files_it_refers_to() -> None:
    path = pydicom.data.get_testdata_file("DICOMDIR", download=False)
    assert path is not None

    study = lazydicom.open_study(path)

    assert sum(len(array.images) for array in study.values()) > 20
    assert all(array.shape[-2] > 0 for array in study.values())


@pytest.mark.parametrize("file_id", ["..\\secret", "/etc\\passwd", "C:\\x", "a\\\0b"])
def test_a_dicomdir_never_leads_out_of_its_folder(tmp_path: Path, file_id: str) -> None:
    write_dicomdir(tmp_path / "DICOMDIR", file_id)

    with pytest.raises(InvalidDicomError):
        lazydicom.open_series(tmp_path / "DICOMDIR")


def test_a_dicomdir_follows_no_link_out_of_its_folder(tmp_path: Path) -> None:
    inside = tmp_path / "disk"
    inside.mkdir()
    write_instance(tmp_path / "outside", z=0, number=1)
    (inside / "LINK").symlink_to(tmp_path / "outside")
    write_dicomdir(inside / "DICOMDIR", "LINK")

    with pytest.raises(InvalidDicomError, match="outside"):
        lazydicom.open_series(inside / "DICOMDIR")


def write_dicomdir(path: Path, file_id: str) -> None:
    from dicom_files import dicom_file, element, sequence

    record = element(0x00041430, "CS", b"IMAGE") + element(
        0x00041500, "CS", file_id.encode()
    )
    path.write_bytes(dicom_file(sequence(0x00041220, record)))


def test_each_distant_file_costs_one_request(tmp_path: Path) -> None:
    write_volume(tmp_path, planes=20)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    with RangeServer(files) as server:
        array = lazydicom.open_series([server.url(name) for name in files])
        opened = len(server.requests)
        values = np.asarray(array)[:, 0, 0]

    assert opened == 20
    assert values.tolist() == list(range(20))


# --- mosaics ---------------------------------------------------------------------------


def test_tiles_of_a_mosaic_cost_one_frame() -> None:
    folder = require_shared_data("10_series/siemens_mosaic_interleave")
    array = lazydicom.open_series(folder)
    stored = pydicom.dcmread(array.images[0].url).pixel_array

    tile = array[0, 7]

    np.testing.assert_array_equal(tile, stored[64:128, 64:128])
    np.testing.assert_array_equal(
        array[0, [0, 35], 5, 3:6], [stored[5, 3:6], stored[325, 323:326]]
    )
    assert (
        len(
            list(
                array.images[0].jobs(np.arange(36), np.empty((36, 64, 64), array.dtype))
            )
        )
        == 1
    )
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(array))[0, 7], tile)
