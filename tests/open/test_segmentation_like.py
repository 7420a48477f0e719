"""Segmentations lie on the voxels of an image by geometry, or not at all."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import UID
from segmentation_files import (
    AXIAL,
    SHAPE,
    TILTED,
    identify,
    label_map,
    last,
    make_ct,
    make_segments,
    stored_as,
    write_binary,
    write_ct,
    write_segmentation,
)
from slide_files import make_slide

import lazydicom
from lazydicom.errors import InvalidDicomError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


TRUTH = make_segments()
NUMBERS = (1, 2, 3)


@pytest.mark.parametrize("orientation", [AXIAL, TILTED])
@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_it_lies_on_its_image_in_any_order_and_in_part(
    tmp_path: Path, kind: str, orientation: tuple[float, ...]
) -> None:
    planes = make_ct(orientation=orientation)
    pixels = stored_as(kind, TRUTH)
    write_segmentation(tmp_path / "a.dcm", planes, pixels, kind)
    ct = lazydicom.open_series(write_ct(tmp_path / "ct", planes))
    part = {"z": slice(4, 1, -1), "y": slice(1, 8), "x": slice(None, None, -1)}

    whole = lazydicom.open_segmentation(tmp_path / "a.dcm", like=ct)
    cropped = lazydicom.open_segmentation(tmp_path / "a.dcm", like=ct.isel(**part))
    labels = lazydicom.open_segmentation(
        tmp_path / "a.dcm", like=ct.isel(**part), combine="labelmap"
    )

    key = (slice(4, 1, -1), slice(1, 8), slice(None, None, -1))
    np.testing.assert_array_equal(whole[...], TRUTH)
    np.testing.assert_array_equal(cropped[...], TRUTH[(slice(None), *key)])
    np.testing.assert_array_equal(labels[...], label_map(TRUTH, NUMBERS)[key])
    np.testing.assert_array_equal(cropped.coords["z"], ct.isel(**part).coords["z"])


@pytest.mark.parametrize(
    "part",
    [
        {"z": slice(None, None, 2)},
        {"z": slice(None, None, -2), "x": slice(8, 1, -3)},
        {"z": slice(1, 6, 4), "y": slice(None, None, 2), "x": slice(3, 4)},
        {"z": slice(5, 6), "y": slice(None, None, 4)},
        {"z": slice(None, None, -1), "y": slice(7, None, -1)},
    ],
)
@pytest.mark.parametrize("combine", [None, "labelmap"])
def test_it_lies_on_every_other_plane_and_pixel_of_its_image(
    tmp_path: Path, part: dict[str, slice], combine: Literal["labelmap"] | None
) -> None:
    planes = make_ct(orientation=TILTED)
    binary = last(TRUTH).astype(np.uint8)
    write_segmentation(tmp_path / "a.dcm", planes, binary, "BINARY")
    ct = lazydicom.open_series(write_ct(tmp_path / "ct", planes)).isel(**part)

    seg = lazydicom.open_segmentation(tmp_path / "a.dcm", like=ct, combine=combine)

    key = tuple(part.get(name, slice(None)) for name in "zyx")
    expected: NDArray[Any] = TRUTH[(slice(None), *key)]
    if combine is not None:
        expected = label_map(TRUTH, NUMBERS)[key]
    assert seg.shape[-3:] == ct.shape
    np.testing.assert_array_equal(seg[...], expected)


def test_a_segmentation_of_every_other_pixel_lies_on_these(tmp_path: Path) -> None:
    coarse = make_ct((3, 5, 6), spacing=(5.0, 1.4, 1.8))
    masks = make_segments(2, (3, 5, 6))
    pixels = last(masks).astype(np.uint8)
    write_segmentation(tmp_path / "a.dcm", coarse, pixels, "BINARY", (1, 2))
    ct = lazydicom.open_series(write_ct(tmp_path / "ct", make_ct()))
    every = {"z": slice(None, None, 2), "y": slice(0, 9, 2), "x": slice(0, 11, 2)}

    seg = lazydicom.open_segmentation(tmp_path / "a.dcm", like=ct.isel(**every))

    np.testing.assert_array_equal(seg[...], masks)
    with pytest.raises(InvalidDicomError, match=r"along x are 1\.8 mm, in like= 0\.9"):
        lazydicom.open_segmentation(tmp_path / "a.dcm", like=ct)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"origin": (-20.0, -15.0, 101.0)}, r"1\.000 mm beside .* along z"),
        ({"origin": (-20.0, -15.3, 100.0)}, r"0\.300 mm beside .* along y"),
        ({"origin": (-20.02, -15.0, 100.0)}, r"0\.020 mm beside .* along x"),
        ({"spacing": (1.25, 0.7, 0.9)}, r"1\.250 mm beside .* along z"),
        ({"spacing": (2.5, 0.7, 0.91)}, r"along x are 0\.91 mm, in like= 0\.9"),
        ({"orientation": TILTED}, "turned by"),
        ({"reference": "another"}, "Another Frame of Reference"),
        ({"shape": (6, 8, 11)}, "have 8 pixels along y, those of like= 9"),
    ],
)
def test_what_does_not_lie_on_the_image_is_an_error_with_the_distance(
    tmp_path: Path, changed: dict[str, Any], reason: str
) -> None:
    planes = make_ct(**changed)
    masks = make_segments(shape=changed.get("shape", SHAPE))
    write_segmentation(
        tmp_path / "a.dcm", planes, last(masks).astype(np.uint8), "BINARY"
    )
    ct = lazydicom.open_series(write_ct(tmp_path / "ct", make_ct()))

    with pytest.raises(InvalidDicomError, match=reason):
        lazydicom.open_segmentation(tmp_path / "a.dcm", like=ct)


def test_what_lies_within_the_tolerance_is_taken(tmp_path: Path) -> None:
    planes = make_ct(origin=(-20.0, -15.0, 100.004))
    write_segmentation(
        tmp_path / "a.dcm", planes, last(TRUTH).astype(np.uint8), "BINARY"
    )
    ct = lazydicom.open_series(write_ct(tmp_path / "ct", make_ct()))

    seg = lazydicom.open_segmentation(tmp_path / "a.dcm", like=ct)

    np.testing.assert_array_equal(seg[...], TRUTH)
    with pytest.raises(InvalidDicomError, match=r"0\.004 mm"):
        lazydicom.open_segmentation(tmp_path / "a.dcm", like=ct, tolerance_mm=0.001)


def test_an_image_without_a_place_has_no_segments_on_it(tmp_path: Path) -> None:
    path = write_binary(tmp_path / "a.dcm")
    write_ct(tmp_path / "ct", make_ct())
    image = lazydicom.open_image(tmp_path / "ct" / "99.dcm")
    across = lazydicom.open_series(tmp_path / "ct").isel(y=3)

    with pytest.raises(InvalidDicomError, match="Nothing tells where like= lies"):
        lazydicom.open_segmentation(path, like=image)
    with pytest.raises(ValueError, match="like= with axes y and x"):
        lazydicom.open_segmentation(path, like=across)


@pytest.mark.parametrize("swapped", [True, False])
def test_a_frame_that_refers_to_another_plane_is_a_warning(
    tmp_path: Path, swapped: bool
) -> None:
    planes = make_ct()
    path = tmp_path / "a.dcm"
    write_segmentation(path, planes, last(TRUTH).astype(np.uint8), "BINARY")
    if swapped:
        first, second = planes[0].SOPInstanceUID, planes[1].SOPInstanceUID
        for plane, name in ((planes[0], second), (planes[1], first)):
            plane.SOPInstanceUID = plane.file_meta.MediaStorageSOPInstanceUID = name
    ct = lazydicom.open_series(write_ct(tmp_path / "ct", planes))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        seg = lazydicom.open_segmentation(path, like=ct)

    np.testing.assert_array_equal(seg[...], TRUTH)
    said = [str(one.message) for one in caught if "refer to other" in str(one.message)]
    assert len(said) == swapped
    assert all("6 of 16 frames" in one and "plane 0" in one for one in said)


@pytest.mark.parametrize(
    ("origin", "spacing", "reason"),
    [
        ((-20.0, -15.0, 101.0), 2.5, r"1\.000 mm beside the nearest .* SimpleITK"),
        ((-19.6, -15.3, 100.0), 2.5, r"0\.500 mm beside the nearest .* SimpleITK"),
        (
            (-20.0, -15.0, 100.0),
            1.25,
            r"0\.000 mm .* 1\.250 mm beside .* along z; noth",
        ),
        ((-20.0, -15.0, 102.5), 2.5, "it lies on the voxels of like= as it is"),
    ],
)
def test_a_dose_on_an_image_is_resampling_which_is_refused_with_the_distance(
    tmp_path: Path, origin: tuple[float, ...], spacing: float, reason: str
) -> None:
    write_dose(tmp_path / "dose.dcm", origin, spacing)
    ct = lazydicom.open_series(write_ct(tmp_path / "ct", make_ct()))

    with pytest.raises(InvalidDicomError, match=f"RT Dose Storage, which .*{reason}"):
        lazydicom.open_segmentation(tmp_path / "dose.dcm", like=ct)


def test_a_dose_of_another_frame_of_reference_has_no_distance(tmp_path: Path) -> None:
    write_dose(tmp_path / "dose.dcm", (-20.0, -15.0, 100.0), 2.5)
    other = make_ct(reference="another")
    ct = lazydicom.open_series(write_ct(tmp_path / "ct", other))

    with pytest.raises(InvalidDicomError, match="Another Frame of Reference") as caught:
        lazydicom.open_segmentation(tmp_path / "dose.dcm", like=ct)
    assert "0.000" not in str(caught.value)


def write_dose(path: Path, origin: tuple[float, ...], spacing: float) -> None:
    dataset = make_ct()[0]
    dataset.SOPClassUID = UID("1.2.840.10008.5.1.4.1.1.481.2")
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.Modality, dataset.NumberOfFrames = "RTDOSE", 3
    dataset.ImagePositionPatient = list(origin)
    dataset.FrameIncrementPointer = 0x3004000C
    dataset.GridFrameOffsetVector = [0, spacing, 2 * spacing]
    dataset.DoseGridScaling, dataset.DoseUnits = 0.5, "GY"
    dataset.PixelData *= 3
    dataset.save_as(path, enforce_file_format=True)


# --- over a slide -------------------------------------------------------------


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("slide") / "slide.dcm"
    (dataset,) = make_slide(matrix=(50, 70), tile=(16, 16)).datasets
    identify(dataset)
    dataset.save_as(path, enforce_file_format=True)
    return path


SLIDE_TRUTH = make_segments(shape=(1, 50, 70))
SLIDE_TRUTH[:, :, 16:32, 16:48] = False  # whole tiles are empty


@pytest.mark.parametrize("organization", ["TILED_FULL", "TILED_SPARSE"])
@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP", "FRACTIONAL"])
def test_tiles_of_segments_lie_on_a_level_of_their_slide(
    tmp_path: Path, slide: Path, kind: str, organization: str
) -> None:
    pixels = stored_as(kind, SLIDE_TRUTH)
    full = organization == "TILED_FULL"
    write_segmentation(
        tmp_path / "a.dcm",
        [pydicom.dcmread(slide)],
        pixels.astype(np.float32 if kind == "FRACTIONAL" else np.uint8),
        kind,
        tile_pixel_array=True,
        dimension_organization_type=organization if full else None,
        omit_empty_frames=not full,
        max_fractional_value=1,
    )
    (level,) = lazydicom.open_slide(slide)
    part = {"y": slice(3, 40), "x": slice(60, 10, -1)}

    seg = lazydicom.open_segmentation(tmp_path / "a.dcm", like=level)
    cropped = lazydicom.open_segmentation(tmp_path / "a.dcm", like=level.isel(**part))

    assert seg.dims == ("segment", "z", "y", "x")
    np.testing.assert_array_equal(seg[...], SLIDE_TRUTH)
    np.testing.assert_array_equal(cropped[...], SLIDE_TRUTH[..., 3:40, 60:10:-1])


def test_planes_whose_distance_nobody_tells_find_no_place(tmp_path: Path) -> None:
    pixels = last(TRUTH).astype(np.uint8)
    write_segmentation(tmp_path / "a.dcm", make_ct(), pixels, "BINARY")
    ct = lazydicom.open_series(make_ct())
    flat = ct.attrs["affine"].copy()
    flat[:3, 2] = 0  # as focal planes of a slide may have it
    unknown = replace(ct, attrs={**ct.attrs, "affine": flat})

    with pytest.raises(InvalidDicomError, match="Nothing tells how far"):
        lazydicom.open_segmentation(tmp_path / "a.dcm", like=unknown)


@pytest.mark.parametrize("plane", [0, 3, 5])
def test_one_plane_of_an_image_has_its_segments(tmp_path: Path, plane: int) -> None:
    path = write_binary(tmp_path / "a.dcm")
    alone = lazydicom.open_series([make_ct()[plane]])
    part = lazydicom.open_series(make_ct()).isel(z=slice(plane, plane + 1))

    for like in (alone, part):
        seg = lazydicom.open_segmentation(path, like=like)

        np.testing.assert_array_equal(seg[...], TRUTH[:, plane : plane + 1])


@pytest.mark.parametrize("beside", [1.0, -0.02, 2.5])
def test_one_plane_beside_one_plane_is_an_error(tmp_path: Path, beside: float) -> None:
    """Nothing tells the distance of planes, so that another plane is no next one."""
    pixels = last(TRUTH[:, :1]).astype(np.uint8)
    write_segmentation(tmp_path / "a.dcm", make_ct()[:1], pixels, "BINARY")
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    (shared,) = dataset.SharedFunctionalGroupsSequence
    if "SpacingBetweenSlices" in shared.PixelMeasuresSequence[0]:
        del shared.PixelMeasuresSequence[0].SpacingBetweenSlices
    dataset.save_as(tmp_path / "a.dcm")
    other = make_ct(origin=(-20.0, -15.0, 100.0 + beside))[:1]

    with pytest.raises(InvalidDicomError, match=f"{abs(beside):.3f} mm beside"):
        lazydicom.open_segmentation(
            tmp_path / "a.dcm", like=lazydicom.open_series(other)
        )


# --- any part -----------------------------------------------------------------


@pytest.fixture(scope="module", params=["BINARY", "LABELMAP"])
def tilted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, lazydicom.DicomArray]:
    folder = tmp_path_factory.mktemp("tilted")
    planes = make_ct(orientation=TILTED)
    pixels = stored_as(request.param, TRUTH)
    write_segmentation(folder / "a.dcm", planes, pixels, request.param)
    return folder / "a.dcm", lazydicom.open_series(write_ct(folder / "ct", planes))


def slices(length: int) -> st.SearchStrategy[slice]:
    ends = st.none() | st.integers(-length, length)
    steps = st.sampled_from([1, -1, 2, -2, 3])
    return st.builds(slice, ends, ends, steps).filter(lambda s: range(length)[s])


@settings(max_examples=25)
@given(z=slices(SHAPE[0]), y=slices(SHAPE[1]), x=slices(SHAPE[2]))
def test_any_part_of_an_image_has_its_segments(
    tilted: tuple[Path, lazydicom.DicomArray], z: slice, y: slice, x: slice
) -> None:
    path, ct = tilted
    part = ct.isel(z=z, y=y, x=x)

    seg = lazydicom.open_segmentation(path, like=part)
    again = lazydicom.open_segmentation(path, like=part.isel(z=slice(None, None, -1)))

    np.testing.assert_array_equal(seg[...], TRUTH[:, z, y, x])
    np.testing.assert_array_equal(again[...], TRUTH[:, z, y, x][:, ::-1])
