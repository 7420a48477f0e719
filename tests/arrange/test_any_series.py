"""Any series that is a full grid comes back as it was written; one that is none is an error."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from written_series import DAY, corner, plane

import lazydicom
from lazydicom.errors import InvalidDicomError

KEYWORDS: Final[dict[str, tuple[str, list[Any], list[float]]]] = {
    "time": ("AcquisitionTime", [f"1200{4 * k:02d}" for k in range(3)], [0, 4, 8]),
    "b_value": ("DiffusionBValue", [0.0, 500.0, 1000.0], [0, 500, 1000]),
    "echo": ("EchoTime", [5.5, 12.0, 20.25], [5.5, 12, 20.25]),
    "flip_angle": ("FlipAngle", [2.0, 10.0, 15.0], [2, 10, 15]),
}
"""Axes in their order: the attribute, its values in files, and the coordinate."""
STATION_MM: Final = 400.0


@dataclass(frozen=True)
class Series:
    """What is written."""

    axes: dict[str, int]
    planes: int
    gap: float
    stations: int
    jitter: float
    """Largest error of a position in mm."""
    seed: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one station."""
        return (*self.axes.values(), self.planes)

    def write(self, folder: Path, *, without: int = -1) -> None:
        """Write the frames in any order; one may be missing."""
        rng = np.random.default_rng(self.seed)
        places = list(np.ndindex(self.stations, *self.shape))
        for number, row in enumerate(rng.permutation(len(places)).tolist()):
            if row == without:
                continue
            station, *steps, z = places[row]
            more: Any = {
                KEYWORDS[name][0]: KEYWORDS[name][1][step]
                for name, step in zip(self.axes, steps, strict=True)
            }
            jitter = self.jitter * rng.uniform(-1, 1)
            position = (STATION_MM * station, -7.5, self.gap * z + jitter)
            more |= {"AcquisitionDate": DAY, "InstanceNumber": number + 1}
            plane(folder, row, position, **more)


@st.composite
def series(draw: st.DrawFn, *, stations: int = 1) -> Series:
    """Draw a series of one to three axes besides z, of at most 54 files."""
    names = draw(st.lists(st.sampled_from(list(KEYWORDS)), min_size=1, max_size=3))
    chosen = [name for name in KEYWORDS if name in names]
    axes = {name: draw(st.integers(2, 3)) for name in chosen}
    planes = draw(st.integers(2, max(2, min(5, 54 // math.prod(axes.values())))))
    return Series(
        axes,
        planes,
        draw(st.sampled_from([0.9, 2.5, 4.0])),
        stations,
        draw(st.sampled_from([0.0, 1e-6, 1e-5])),
        draw(st.integers(0, 2**16)),
    )


def _check(array: lazydicom.DicomArray, written: Series, first: int) -> None:
    assert array.dims == (*written.axes, "z", "y", "x")
    expected = first + np.arange(math.prod(written.shape)).reshape(written.shape)
    np.testing.assert_array_equal(corner(array), expected)
    for name, length in written.axes.items():
        values = KEYWORDS[name][2][:length]
        np.testing.assert_allclose(array.coords[name].values, values)
    heights = written.gap * np.arange(written.planes)
    np.testing.assert_allclose(array.coords["z"].values, heights, atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(written=series())
def test_a_full_grid_comes_back_as_it_was_written(written: Series) -> None:
    with tempfile.TemporaryDirectory() as name:
        written.write(Path(name))

        _check(lazydicom.open_series(name), written, 0)


@settings(max_examples=10, deadline=None)
@given(written=series(stations=2))
def test_stations_are_arrays_of_their_own(written: Series) -> None:
    with tempfile.TemporaryDirectory() as name:
        written.write(Path(name))

        with pytest.raises(InvalidDicomError):
            lazydicom.open_series(name)
        study = lazydicom.open_study(name)

        arrays = sorted(study.values(), key=lambda array: int(np.asarray(array).min()))
        assert len(arrays) == 2
        for station, array in enumerate(arrays):
            _check(array, written, station * math.prod(written.shape))
            x = array.attrs["affine"][0, 3]
            assert x == pytest.approx(STATION_MM * station)


@settings(max_examples=25, deadline=None)
@given(written=series(), data=st.data())
def test_a_hole_is_an_error_or_a_hole_and_nothing_else(
    written: Series, data: st.DataObject
) -> None:
    size = math.prod(written.shape)
    missing = data.draw(st.integers(0, size - 1))
    with tempfile.TemporaryDirectory() as name:
        written.write(Path(name), without=missing)

        with pytest.raises(InvalidDicomError):
            lazydicom.open_series(name)
        pieces = lazydicom.open_study(name)

        values = [np.asarray(array)[..., 0, 0].ravel() for array in pieces.values()]
        found = np.sort(np.concatenate(values)).tolist()
        assert found == [k for k in range(size) if k != missing]
