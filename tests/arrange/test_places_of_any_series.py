"""Whatever is lost and however it is cut: each frame stands where its file says."""

from __future__ import annotations

import math
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from written_series import DAY, plane

import lazydicom
from lazydicom.errors import LazyDicomWarning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

Facts = dict[str, Any]
AXES: Final[dict[str, tuple[str, list[Any], list[float]]]] = {
    "time": ("AcquisitionTime", [f"1200{4 * k:02d}" for k in range(4)], [0, 4, 8, 12]),
    "temporal": ("TemporalPositionIdentifier", [1, 2, 3, 4], [0, 1, 2, 3]),
    "b_value": ("DiffusionBValue", [0.0, 500.0, 1000.0], [0, 500, 1000]),
    "echo": ("EchoTime", [5.5, 12.0, 20.25], [5.5, 12, 20.25]),
}
LAYOUTS: Final[dict[str, tuple[float, float, float]]] = {
    "one": (0.0, 0.0, 0.0),
    "side by side": (100.0, 0.0, 0.0),
    "above": (0.0, 0.0, 83.0),
    "adjoining": (0.0, 0.0, 20.0),
    "half a gap": (0.0, 0.0, 12.5),
    "askew": (0.0, 35.0, 61.0),
}
"""Where the next station begins."""
GAP: Final = 5.0
LONGEST_COUNT: Final = 3


@st.composite
def frames(draw: st.DrawFn) -> list[Facts]:
    """Draw the frames of a series: one or two axes, stations, some frames lost."""
    names = draw(st.lists(st.sampled_from(list(AXES)), min_size=0, max_size=2))
    names = [name for name in AXES if name in names]
    names = [n for n in names if not (n == "temporal" and "time" in names)]
    sizes = [draw(st.integers(2, LONGEST_COUNT)) for _ in names]
    planes, stations = draw(st.integers(2, 4)), draw(st.integers(1, 3))
    layout = draw(st.sampled_from(list(LAYOUTS)))
    told = draw(st.sampled_from(["AcquisitionNumber", "StackID", "nothing"]))
    stations = 1 if layout == "one" else stations
    cells = list(np.ndindex(stations, *sizes, planes))
    lost = draw(st.sets(st.sampled_from(cells), max_size=3))
    order = draw(st.permutations(range(len(cells))))
    found = []
    for value, cell in enumerate(cells):
        station, *steps, z = cell
        step = np.array(LAYOUTS[layout]) * station
        facts: Facts = {
            "value": value,
            "station": station,
            "position": tuple((np.array([-7.5, 3.0, GAP * z]) + step).tolist()),
            "steps": dict(zip(names, steps, strict=True)),
            "attributes": {
                AXES[name][0]: AXES[name][1][k]
                for name, k in zip(names, steps, strict=True)
            },
            "number": order[value] + 1,
        }
        if told == "AcquisitionNumber":
            facts["attributes"][told] = station + 1
        if told == "StackID":
            facts["attributes"][told] = str(station + 1)
        if cell not in lost or math.prod((stations, *sizes, planes)) < 4:
            found.append(facts)
    return found


def _write(folder: Path, written: list[Facts]) -> None:
    for facts in written:
        number = {"AcquisitionDate": DAY, "InstanceNumber": facts["number"]}
        more: Any = facts["attributes"] | number
        plane(folder, facts["value"], facts["position"], **more)


def _places(array: lazydicom.DicomArray) -> Iterator[tuple[int, tuple[int, ...]]]:
    values: NDArray[Any] = np.asarray(array)[..., 0, 0]
    for index in np.ndindex(values.shape):
        yield int(values[index]), index


@settings(max_examples=25, deadline=None)
@given(written=frames())
def test_each_frame_stands_where_its_file_says(written: list[Facts]) -> None:
    by_value = {facts["value"]: facts for facts in written}
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore", LazyDicomWarning)
        _write(Path(name), written)

        pieces = list(lazydicom.open_study(name).values())

        seen = []
        for piece in pieces:
            for value, index in _places(piece):
                seen.append(value)
                _check(piece, index, by_value[value])
        assert sorted(seen) == sorted(by_value)


def _check(piece: lazydicom.DicomArray, index: tuple[int, ...], facts: Facts) -> None:
    """Compare place and coordinates of one frame with what was written."""
    where = dict(zip(piece.dims, index, strict=False))
    place = piece.attrs["affine"] @ [0, 0, where["z"], 1]
    np.testing.assert_allclose(place[:3], facts["position"], atol=1e-3)
    for name, step in facts["steps"].items():
        coordinate = piece.coords.get({"temporal": "time"}.get(name, name))
        if coordinate is None or coordinate.units == "":
            continue  # a count, or the same in the whole piece
        at = tuple(where[dim] for dim in coordinate.dims)
        if name == "time":  # counts from the first of the piece
            continue
        assert coordinate.values[at] == AXES[name][2][step]
