"""What vendors say in private elements stands where the public attribute is absent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pydicom
import pytest
from tools import require_shared_data
from written_series import corner, plane, sequence

import lazydicom

if TYPE_CHECKING:
    from pathlib import Path

GE: Final = "GEMS_PARM_01"
PHILIPS, PHILIPS_MR = "Philips Imaging DD 001", "Philips MR Imaging DD 001"
UIH: Final = "Image Private Header"
DIRECTIONS: Final = [(0.0, 0, 0), (1.0, 0, 0), (0.0, 1, 0), (0.0, 0.6, 0.8)]
Private = list[tuple[int, str, int, str, object]]


def _write(folder: Path, volumes: list[Private], planes: int = 3, **more: Any) -> None:  # noqa: ANN401
    for v, private in enumerate(volumes):
        for k in range(planes):
            number = 1 + planes * v + k
            own: Any = {"private": private, "InstanceNumber": number, **more}
            plane(folder, 10 * v + k, (0, 0, 3.0 * k), **own)


@pytest.mark.parametrize("kinds", [(0, 1), (2, 3), (0, 1, 2, 3)])
@pytest.mark.parametrize("planes", [2, 6])
def test_components_of_ge_are_an_axis(
    tmp_path: Path, kinds: tuple[int, ...], planes: int
) -> None:
    _write(tmp_path, [[(0x43, GE, 0x2F, "SS", kind)] for kind in kinds], planes)

    array = lazydicom.open_series(tmp_path)

    words = np.array(["MAGNITUDE", "PHASE", "REAL", "IMAGINARY"])[list(kinds)]
    assert array.dims == ("component", "z", "y", "x")
    names = array.coords["component"].values.tolist()
    assert sorted(names) == sorted(words.tolist())
    for volume, word in enumerate(words):
        expected = [10 * volume + k for k in range(planes)]
        assert corner(array)[names.index(word)] == expected


def test_numbers_of_somebody_else_are_no_components(tmp_path: Path) -> None:
    _write(tmp_path, [[(0x43, "SOMEBODY", 0x2F, "SS", kind)] for kind in (0, 1)])

    with pytest.warns(lazydicom.errors.LazyDicomWarning, match="Instance Number"):
        array = lazydicom.open_series(tmp_path)

    assert array.dims[0] == "repeat"


@pytest.mark.parametrize("planes", [2, 5])
def test_directions_of_philips_are_an_axis(tmp_path: Path, planes: int) -> None:
    volumes: list[Private] = [
        [
            (0x2001, PHILIPS, 0x03, "FL", 1000.0 if any(direction) else 0.0),
            *((0x2005, PHILIPS_MR, 0xB0 + k, "FL", direction[k]) for k in range(3)),
        ]
        for direction in DIRECTIONS
    ]
    _write(tmp_path, volumes, planes)

    array = lazydicom.open_series(tmp_path)

    assert array.dims == ("diffusion", "z", "y", "x")
    which = [one[0] // 10 for one in corner(array)]
    assert sorted(which) == [0, 1, 2, 3]
    for position, volume in enumerate(which):
        found = [array.coords[f"diffusion_{a}"].values[position] for a in "xyz"]
        expected = DIRECTIONS[volume] if volume else [np.nan] * 3
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert array.coords["b_value"].values[position] == (1000 if volume else 0)


@pytest.mark.parametrize("planes", [2, 6])
def test_b_values_of_united_imaging_are_an_axis(tmp_path: Path, planes: int) -> None:
    b_values = [0.0, 800.0, 1500.0]
    _write(tmp_path, [[(0x65, UIH, 0x09, "FD", b)] for b in b_values], planes)

    array = lazydicom.open_series(tmp_path)

    assert array.dims[0] == "b_value"
    assert array.coords["b_value"].values.tolist() == b_values


@pytest.mark.parametrize("kept", ["both", "CSA header", "element"])
def test_tiles_of_a_mosaic_have_their_times(kept: str) -> None:
    folder = require_shared_data("10_series/siemens_mosaic_interleave")
    datasets = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
    times = np.array(datasets[0][0x19, 0x1029].value) / 1000
    for ds in datasets:
        if kept == "CSA header":
            del ds[0x19, 0x1029]
        elif kept == "element":
            ds[0x29, 0x1010].value = b"SV10" + bytes(76)

    array = lazydicom.open_series(datasets)

    told = array.coords["slice_time"]
    assert (told.dims[-1], told.units) == ("z", "s")
    tiles = times[: array.shape[1]]
    expected = tiles if array[0, 0].sum() == _first_tile(datasets[0]) else tiles[::-1]
    first = told.values.reshape(-1, array.shape[1])[0]
    np.testing.assert_allclose(first, expected, atol=5e-3)
    assert array.attrs["in_plane_phase_encoding_direction"] == "COL"
    assert ("phase_encoding_positive" in array.attrs) == (kept != "element")


def _first_tile(ds: pydicom.Dataset) -> int:
    return int(ds.pixel_array[:64, :64].sum())


@pytest.mark.parametrize("slopes", [(0.02, 0.02), (0.02, 0.05)])
@pytest.mark.parametrize("count", [3, 12])
def test_scale_slope_of_philips_gives_values_of_the_scanner(
    tmp_path: Path, slopes: tuple[float, float], count: int
) -> None:
    for k in range(count):
        own: Any = {
            "private": [(0x2005, PHILIPS_MR, 0x0E, "FL", slopes[k % 2])],
            "RescaleSlope": 2.5,
            "RescaleIntercept": -10,
        }
        plane(tmp_path, 100 + k, (0, 0, 3.0 * k), **own)

    array = lazydicom.open_series(tmp_path)
    values = lazydicom.apply_real_world_values(array)

    scale = np.array([np.float32(slopes[k % 2]) for k in range(count)])
    expected = ((100 + np.arange(count)) * 2.5 - 10) / (2.5 * scale)
    np.testing.assert_allclose(values[:, 0, 0], expected)


def test_a_mapping_of_the_standard_holds_against_scale_slope(tmp_path: Path) -> None:
    mapping = sequence(RealWorldValueSlope=3.0, RealWorldValueIntercept=1.0)
    own: Any = {
        "private": [(0x2005, PHILIPS_MR, 0x0E, "FL", 0.02)],
        "RescaleSlope": 2.5,
        "RescaleIntercept": -10,
        "RealWorldValueMappingSequence": mapping,
    }
    plane(tmp_path, 100, (0, 0, 0), **own)

    values = lazydicom.apply_real_world_values(lazydicom.open_series(tmp_path))

    assert values[0, 0, 0] == 301


@pytest.mark.parametrize("echoes", [2, 4])
def test_numbers_of_echoes_are_an_axis_where_times_are_not(
    tmp_path: Path, echoes: int
) -> None:
    for e, k in np.ndindex(echoes, 3):
        own: Any = {"EchoNumbers": e + 1, "InstanceNumber": 1 + 3 * e + k}
        plane(tmp_path, 10 * e + k, (0, 0, 3.0 * k), **own)

    array = lazydicom.open_series(tmp_path)

    assert array.dims[0] == "echo"
    assert array.coords["echo"].values.tolist() == list(range(1, echoes + 1))
    assert corner(array) == np.add.outer(10 * np.arange(echoes), np.arange(3)).tolist()
