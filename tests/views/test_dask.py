"""The dask view: names that tell values apart, and are the same everywhere."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from dicom_files import element, make_native

import lazydicom
from lazydicom._array.grid import FrameGrid

if TYPE_CHECKING:
    from pathlib import Path

NAMES = """
import sys, lazydicom
from lazydicom import apply_modality_lut, apply_voi_lut, open_image, to_dask
array = open_image(sys.argv[1])
print(to_dask(array).name)
print(to_dask(apply_modality_lut(array)).name)
print(to_dask(apply_voi_lut(array, window=(40, 400))).name)
print(apply_voi_lut(to_dask(array), window=(40, 400), like=array).name)
"""
RESCALE = {
    0x00281052: element(0x00281052, "DS", b"-1024"),
    0x00281053: element(0x00281053, "DS", b"2"),
}


def test_names_are_the_same_in_every_process(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(make_native(elements=dict(RESCALE)))

    names = names_of(path)
    command = [sys.executable, "-c", NAMES, str(path)]
    theirs = subprocess.check_output(command, text=True).split()

    assert names == theirs
    assert len(set(names)) == 4


def names_of(path: Path) -> list[str]:
    array = lazydicom.open_image(path)
    values, window = lazydicom.to_dask(array), (40, 400)
    views = [
        array,
        lazydicom.apply_modality_lut(array),
        lazydicom.apply_voi_lut(array, window=window),
    ]
    names = [lazydicom.to_dask(view).name for view in views]
    return [*names, lazydicom.apply_voi_lut(values, window=window, like=array).name]


def test_grids_that_differ_in_their_middle_have_other_names() -> None:
    array = lazydicom.open_image(make_native(number_of_frames=3000))
    numbers = array.grid.numbers.copy()
    numbers[[1500, 1501]] = numbers[[1501, 1500]]
    swapped = replace(array, grid=FrameGrid(numbers))

    both = [lazydicom.to_dask(one) for one in (array, swapped)]

    assert both[0].name != both[1].name
    difference = (both[0] - both[1]).any(axis=(1, 2)).compute()
    assert np.flatnonzero(difference).tolist() == [1500, 1501]


def test_functions_that_differ_in_their_middle_have_other_names() -> None:
    array = lazydicom.open_image(
        make_native(number_of_frames=3000, elements=dict(RESCALE))
    )
    scaled = lazydicom.apply_modality_lut(array)
    slopes = np.ones((3000, 1, 1))
    names = []
    for middle in (1.0, 5.0):
        slopes[1500] = middle
        function = replace(scaled.function, parameters=(slopes.copy(), np.array(0.0)))

        names.append(lazydicom.to_dask(replace(scaled, function=function)).name)

    assert names[0] != names[1]


def test_values_of_no_frame_are_none() -> None:
    values = lazydicom.to_dask(lazydicom.open_image(make_native()))

    keys: tuple[Any, ...] = (slice(0, 0), (slice(None), slice(2, 2)), ([],))
    for key in keys:
        assert values[key].compute().size == 0
