"""Slides that contradict themselves, laid out at random: each is an error when it is opened."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import generate_uid
from slide_files import BROKEN_SIDES, as_bytes, make_slide, set_sides

import lazydicom
from lazydicom.errors import InvalidDicomError, LazyDicomWarning

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pydicom.dataset import Dataset

    Fault = Callable[[list[Dataset], int], object]
    """Spoils a slide at one of its frames; what it does not fit, it leaves as it is."""


def group_of(datasets: list[Dataset], frame: int) -> Dataset:
    """Return the functional group of a tile, frames of all parts counted in one row."""
    for dataset in datasets:
        if frame < dataset.NumberOfFrames:
            group: Dataset = dataset.PerFrameFunctionalGroupsSequence[frame]
            return group
        frame -= dataset.NumberOfFrames
    raise AssertionError


def positions(datasets: list[Dataset], frame: int) -> Dataset:
    """Return where a tile is said to lie."""
    place: Dataset = group_of(datasets, frame).PlanePositionSlideSequence[0]
    return place


def move(row: int, column: int) -> Fault:
    def fault(datasets: list[Dataset], frame: int) -> None:
        place = positions(datasets, frame)
        place.RowPositionInTotalImagePixelMatrix += row
        place.ColumnPositionInTotalImagePixelMatrix += column

    return fault


def put(**values: int) -> Fault:
    def fault(datasets: list[Dataset], frame: int) -> None:
        for name, value in values.items():
            setattr(positions(datasets, frame), name, value)

    return fault


def twice(datasets: list[Dataset], frame: int) -> None:
    """Put a tile where another one is, of the same path and plane."""
    frames = sum(dataset.NumberOfFrames for dataset in datasets)
    groups = [
        group
        for dataset in datasets
        for group in dataset.PerFrameFunctionalGroupsSequence
    ]
    other = groups[(frame + 1) % frames]
    groups[frame].PlanePositionSlideSequence = other.PlanePositionSlideSequence
    name = other.OpticalPathIdentificationSequence
    groups[frame].OpticalPathIdentificationSequence = name


def count(by: int) -> Fault:
    def fault(datasets: list[Dataset], frame: int) -> None:
        del frame
        last = datasets[-1]
        frame_length = len(last.PixelData) // last.NumberOfFrames
        last.NumberOfFrames += by
        last.PixelData = last.PixelData[:frame_length] * last.NumberOfFrames

    return fault


def change_part(**values: Any) -> Fault:  # noqa: ANN401 (values of elements)
    def fault(datasets: list[Dataset], frame: int) -> None:
        del frame
        for name, value in values.items():
            setattr(datasets[-1], name, value)

    return fault


def lose_part(datasets: list[Dataset], frame: int) -> None:
    del datasets[frame % len(datasets)]


def repeat_part(datasets: list[Dataset], frame: int) -> None:
    again = deepcopy(datasets[frame % len(datasets)])
    again.SOPInstanceUID = generate_uid()
    again.file_meta.MediaStorageSOPInstanceUID = again.SOPInstanceUID
    datasets.append(again)


SPARSE: dict[str, tuple[Fault, str]] = {
    "off by a row": (move(1, 0), r"Row Position \d+ is off the grid of tiles of 8"),
    "off by a column": (move(0, 5), r"Column Position \d+ is off the grid .* of 6"),
    "before the first": (
        put(RowPositionInTotalImagePixelMatrix=-7),
        "Row Position -7 is beyond the 20",
    ),
    "at 0": (
        put(ColumnPositionInTotalImagePixelMatrix=0),
        "Column Position 0 is beyond the 18",
    ),
    "behind the last": (
        put(RowPositionInTotalImagePixelMatrix=25),
        "Row Position 25 is beyond the 20",
    ),
    "far away": (
        put(ColumnPositionInTotalImagePixelMatrix=2**31 - 1),
        "Column Position 2147483647 is beyond the 18",
    ),
    "twice": (twice, r"Two tiles in row \d, column \d.*frame \d+ of .* and frame \d+"),
}
FULL: dict[str, tuple[Fault, str]] = {
    "fewer": (count(-1), r"Expected \d+ tiles.* found \d+, frame \d+"),
    "more": (count(1), r"Expected \d+ tiles.* found \d+, frame \d+"),
    "no rows": (change_part(TotalPixelMatrixRows=0), r"found 0×18, frame 0"),
    "no columns": (change_part(TotalPixelMatrixColumns=0), r"found 20×0, frame 0"),
}
PARTS: dict[str, tuple[Fault, str]] = {
    "a part is missing": (lose_part, r"Expected (frame \d+|3 parts) .*found \d"),
    "a part stands twice": (repeat_part, r"Frame \d+ of a concatenation stands in two"),
    "parts overlap": (
        change_part(ConcatenationFrameOffsetNumber=5),
        "Frame 5 of a concatenation stands in two parts",
    ),
    "other tiles": (
        change_part(Rows=4, Columns=12),
        "Expected tiles of 8×6.*found 4×12",
    ),
    "other samples": (
        change_part(
            SamplesPerPixel=1,
            PhotometricInterpretation="MONOCHROME2",
            NumberOfFrames=3,
        ),
        "Expected tiles of 8×6, 3 samples.*found 8×6, 1 samples",
    ),
    "other order": (
        change_part(DimensionOrganizationType="TILED_SPARSE"),
        "organized as in .*frame 0",
    ),
}
ANY_OF = {
    **{f"sparse: {name}": (True, *one) for name, one in SPARSE.items()},
    **{f"full: {name}": (False, *one) for name, one in FULL.items()},
    **{f"parts: {name}": (False, *one) for name, one in PARTS.items()},
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ANY_OF)
@settings(max_examples=4, deadline=None)
@given(data=st.data())
def test_a_fault_anywhere_in_a_slide_is_an_error_that_names_both_numbers(
    name: str, data: st.DataObject
) -> None:
    sparse, fault, message = ANY_OF[name]
    paths, planes = data.draw(st.integers(1, 2)), data.draw(st.integers(1, 2))
    in_parts = name.startswith("parts")
    slide = make_slide(
        matrix=(20, 18),
        tile=(8, 6),
        paths=paths,
        planes=planes,
        sparse=sparse,
        shuffled=sparse and data.draw(st.booleans()),
        cuts=(3, 6) if in_parts or data.draw(st.booleans()) else (),
    )
    datasets = slide.datasets
    lazydicom.open_slide(slide.files, fill_value=0)
    fault(datasets, data.draw(st.integers(0, 8)))

    with pytest.raises(InvalidDicomError, match=message) as caught:
        lazydicom.open_slide(data.draw(st.permutations(slide.files)))
    assert caught.value.url == "<bytes>"


@pytest.mark.parametrize("wrong", ["row", "column", "path", "plane"])
@pytest.mark.parametrize("cuts", [(), (5, 9)])
@pytest.mark.parametrize("frame", [0, 6, 15])
def test_functional_groups_that_contradict_the_order_are_an_error(
    frame: int, cuts: tuple[int, ...], wrong: str
) -> None:
    layout: dict[str, Any] = {"matrix": (16, 12), "tile": (8, 6), "planes": 2}
    layout |= {"paths": 2, "cuts": cuts, "samples": 1}
    full, sparse = make_slide(**layout), make_slide(**layout, sparse=True)
    for dataset, told in zip(full.datasets, sparse.datasets, strict=True):
        groups = told.PerFrameFunctionalGroupsSequence
        dataset.PerFrameFunctionalGroupsSequence = groups
    lazydicom.open_slide(full.files)  # as long as they agree
    group = group_of(full.datasets, frame)
    place = group.PlanePositionSlideSequence[0]
    if wrong == "path":
        name = group.OpticalPathIdentificationSequence[0]
        name.OpticalPathIdentifier = "21"[int(name.OpticalPathIdentifier) - 1 :][:1]
    elif wrong == "plane":
        place.ZOffsetInSlideCoordinateSystem = 1 + place.ZOffsetInSlideCoordinateSystem
    else:
        name = f"{wrong.capitalize()}PositionInTotalImagePixelMatrix"
        length = {"row": 8, "column": 6}[wrong]
        setattr(place, name, 2 + length - getattr(place, name))

    with pytest.raises(InvalidDicomError, match=r"than the functional groups: .*, not"):
        lazydicom.open_slide(full.files)


def test_the_file_is_named(tmp_path: Path) -> None:
    slide = make_slide(matrix=(40, 50), tile=(8, 6), cuts=(10, 20))
    repeat_part(slide.datasets, 1)
    for number, dataset in enumerate(slide.datasets):
        (tmp_path / f"{number}.dcm").write_bytes(as_bytes(dataset))

    with pytest.raises(InvalidDicomError) as caught:
        lazydicom.open_slide(tmp_path)
    assert {"1.dcm", "3.dcm"} <= set(str(caught.value).replace("/", " ").split())


def _turned(directions: list[float]) -> list[bytes]:
    slide = make_slide(matrix=(8, 9), tile=(4, 4), spacing=0.001)
    slide.datasets[0].ImageOrientationSlide = directions
    return slide.files


@pytest.mark.parametrize(
    ("directions", "units"),
    [
        ([2, 0, 0, 0, 2, 0], [1, 0, 0, 0, 1, 0]),
        ([0, -0.5, 0, -3, 0, 0], [0, -1, 0, -1, 0, 0]),
        ([3, 4, 0, -4, 3, 0], [0.6, 0.8, 0, -0.8, 0.6, 0]),
    ],
)
def test_directions_of_a_slide_are_made_unit_vectors_with_a_warning(
    directions: list[float], units: list[float]
) -> None:
    with pytest.warns(LazyDicomWarning, match="are no unit vectors, made so"):
        (level,) = lazydicom.open_slide(_turned(directions))

    np.testing.assert_allclose(level.attrs["orientation"], units)
    affine = level.attrs["affine"]
    np.testing.assert_allclose(affine[:3, 0], 0.002 * np.array(units[:3]))
    np.testing.assert_allclose(affine[:3, 1], 0.001 * np.array(units[3:]))


@pytest.mark.parametrize(
    "directions", [[0] * 6, [1, 0, 0, 1, 0, 0], [0, -2, 0, 0, 1, 0]]
)
def test_directions_of_a_slide_that_span_no_plane_give_no_affine(
    directions: list[float],
) -> None:
    with pytest.warns(LazyDicomWarning, match="span no plane: no affine is known"):
        (level,) = lazydicom.open_slide(_turned(directions))

    assert "affine" not in level.attrs
    assert level.coords["x"].values[:2].tolist() == [0, 0.002]


@pytest.mark.parametrize(
    "directions", [[1, 0, 0, 0.5, 0.8660254, 0], [2, 0, 0, 1, 9, 0]]
)
def test_a_skewed_slide_is_an_error(directions: list[float]) -> None:
    with pytest.raises(InvalidDicomError, match="degrees apart, expected 90"):
        lazydicom.open_slide(_turned(directions))


@pytest.mark.parametrize("memory", [False, True])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize(("rows", "columns", "found"), BROKEN_SIDES)
def test_a_slide_without_a_whole_matrix_is_an_error(
    rows: int | None, columns: int | None, found: str, *, sparse: bool, memory: bool
) -> None:
    slide = make_slide(matrix=(8, 9), tile=(4, 4), sparse=sparse)
    dataset = slide.datasets[0]
    set_sides(dataset, rows, columns)

    with pytest.raises(InvalidDicomError, match=f"total pixel matrix, found {found}"):
        lazydicom.open_slide(dataset if memory else as_bytes(dataset))
