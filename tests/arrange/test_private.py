"""What vendors say in private elements stands where the public attribute is absent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from written_series import corner, plane

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
