"""Grids of United Imaging become the planes that they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.sequence import Sequence
from written_series import DAY, MR, dataset, write

import lazydicom
from lazydicom.errors import LazyDicomWarning

if TYPE_CHECKING:
    from pathlib import Path

OWNER = "Image Private Header"
TILE = 4


def _grid(
    folder: Path,
    positions: list[list[float]],
    *,
    first: int = 0,
    owner: str = OWNER,
    told: bool = True,
    clocks: tuple[str, ...] = (),
    **more: Any,  # noqa: ANN401
) -> None:
    """Write one grid of tiles of 4×4 pixels; tile k is filled with `first + k`."""
    planes = len(positions)
    across = int(np.ceil(np.sqrt(planes)))
    values = np.zeros(across**2, np.uint16)
    values[:planes] = first + np.arange(planes)
    pixels = values.reshape(across, across).repeat(TILE, 0).repeat(TILE, 1)
    items = Sequence(dataset(ImagePositionPatient=one) for one in positions)
    for item, clock in zip(items, clocks, strict=False):
        item.AcquisitionTime = clock
    private: list[tuple[int, str, int, str, object]] = [
        (0x65, owner, 0x51, "SQ", items)
    ]
    if told:
        private.append((0x65, owner, 0x50, "DS", str(planes)))
    path = write(
        folder,
        MR,
        0,
        private=private,
        ImageType=["ORIGINAL", "PRIMARY", "M", "VFRAME"],
        ImagePositionPatient=positions[0],
        ImageOrientationPatient=[1.0, 0, 0, 0, 1, 0],
        PixelSpacing=[2, 2],
        AcquisitionDate=DAY,
        **more,
    )
    ds = dcmread(path)
    ds.Rows = ds.Columns = across * TILE
    ds.PixelData = pixels.tobytes()
    ds.save_as(path)


@pytest.mark.parametrize("planes", [2, 4, 5, 9])
@pytest.mark.parametrize("step", [3.0, -3.0])
def test_a_grid_is_a_volume(tmp_path: Path, planes: int, step: float) -> None:
    positions = [[-10.0, 5.0, 7 + step * k] for k in range(planes)]
    _grid(tmp_path, positions)

    array = lazydicom.open_series(tmp_path)

    order = np.arange(planes)[:: 1 if step > 0 else -1]
    assert array.dims == ("z", "y", "x")
    assert array.shape == (planes, TILE, TILE)
    np.testing.assert_array_equal(np.asarray(array)[:, 0, 0], order)
    np.testing.assert_array_equal(np.asarray(array)[:, -1, -1], order)
    np.testing.assert_allclose(
        array.attrs["affine"][:3, 3], positions[int(order[0])], atol=1e-6
    )
    assert array.attrs["spacing"] == pytest.approx([3, 2, 2])


@pytest.mark.parametrize("times", [2, 12])
def test_grids_of_several_times_are_an_axis(tmp_path: Path, times: int) -> None:
    positions = [[0.0, 0.0, 3.0 * k] for k in range(4)]
    for t in range(times):
        clock = f"1200{2 * t:02d}"
        _grid(
            tmp_path,
            positions,
            first=10 * t,
            AcquisitionTime=clock,
            InstanceNumber=t + 1,
        )

    array = lazydicom.open_series(tmp_path)

    assert array.dims == ("time", "z", "y", "x")
    expected = np.add.outer(10 * np.arange(times), np.arange(4))
    np.testing.assert_array_equal(np.asarray(array)[..., 0, 0], expected)
    assert array.coords["time"].values.tolist() == (2.0 * np.arange(times)).tolist()


@pytest.mark.parametrize("odd", [{"owner": "SOMEBODY"}, {"told": False}])
def test_a_grid_that_nobody_explains_stays_one_plane(
    tmp_path: Path, odd: dict[str, Any]
) -> None:
    _grid(tmp_path, [[0.0, 0.0, 3.0 * k] for k in range(4)], **odd)

    with pytest.warns(LazyDicomWarning, match="number of tiles"):
        array = lazydicom.open_series(tmp_path)

    assert array.shape == (1, 2 * TILE, 2 * TILE)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 1, 3)])
def test_planes_of_a_grid_have_their_times(
    tmp_path: Path, order: tuple[int, ...]
) -> None:
    clocks = tuple(f"120000.{250 * k:03d}" for k in order)
    _grid(tmp_path, [[0.0, 0, 3.0 * k] for k in range(4)], clocks=clocks)

    told = lazydicom.open_series(tmp_path).coords["slice_time"]

    assert told.units == "s"
    assert told.values.tolist() == [0.25 * k for k in order]
