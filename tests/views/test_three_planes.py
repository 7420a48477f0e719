"""Three planes of a volume, however it was scanned."""

from __future__ import annotations

from itertools import permutations, product
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pytest
from command_line import run
from dicom_files import element, make_native
from series_files import write_volume

import lazydicom
from lazydicom._array.show.picture import resize
from lazydicom._views.pictures import three_planes
from lazydicom.errors import UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SIDE = 9
TURNS = [
    (axes, signs)
    for axes in permutations(range(3))
    for signs in product((1, -1), repeat=2)
]
"""Patient axes (left, back, head) of slices, rows and columns; whither rows and columns go."""


def patient() -> NDArray[np.uint16]:
    """Make values by (x, y, z): they grow to the left, more so to the back and the head."""
    x, y, z = np.indices((SIDE, SIDE, SIDE))
    return np.asarray(x + 10 * y + 100 * z, np.uint16)


def write_scan(
    folder: Path,
    axes: tuple[int, ...],
    signs: tuple[int, ...],
    step: float = 2.0,
    slopes: bool = False,
) -> None:
    """Write the patient as a scanner does whose slices, rows and columns lie like this."""
    _, row_axis, column_axis = axes
    across, down = np.zeros((2, 3))  # from column to column, from row to row
    across[column_axis], down[row_axis] = signs[1], signs[0]
    normal = np.cross(across, down)
    values = patient().transpose(axes)[:, :: signs[0], :: signs[1]]
    if normal[axes[0]] < 0:
        values = values[::-1]
    center = np.zeros(3)
    for k, plane in enumerate(values):
        corner = center + normal * step * k - (across + down) * 2.0 * (SIDE // 2)
        slope = k + 1 if slopes else 1
        texts = {
            0x00080016: ("UI", "1.2.840.10008.5.1.4.1.1.2"),
            0x00080018: ("UI", f"1.2.3.{k + 1}"),
            0x00080060: ("CS", "CT"),
            0x0020000E: ("UI", "1.2.3"),
            0x00200032: ("DS", "\\".join(map(str, corner))),
            0x00200037: ("DS", "\\".join(map(str, (*across, *down)))),
            0x00280030: ("DS", "2\\2"),
            0x00281052: ("DS", "0"),
            0x00281053: ("DS", f"{slope}"),
        }
        elements = {t: element(t, vr, v.encode()) for t, (vr, v) in texts.items()}
        pixels = (plane[None] // slope).astype(np.uint16)
        (folder / f"{k}.dcm").write_bytes(make_native(pixels, elements=dict(elements)))


@pytest.mark.parametrize(("axes", "signs"), TURNS)
def test_every_way_to_scan_gives_the_same_picture(
    tmp_path: Path, axes: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    write_scan(tmp_path, axes, signs)

    picture = three_planes(lazydicom.open_series(tmp_path), tile=SIDE)

    axial, coronal, sagittal = np.split(picture.astype(int), 3, axis=1)
    assert picture.shape == (SIDE, 3 * SIDE)
    for plane in (axial, coronal):  # the left of the patient is on the right
        assert (np.diff(plane, axis=1) >= 0).all()
        assert (plane[:, 0] < plane[:, -1]).all()
    assert (np.diff(sagittal, axis=1) >= 0).all()  # the back is on the right
    assert axial[0, 0] < axial[-1, 0]  # and down
    for plane in (coronal, sagittal):  # the head is up
        assert (plane[0] > plane[-1]).all()


def test_planes_have_the_proportions_of_the_patient(tmp_path: Path) -> None:
    write_scan(tmp_path, (2, 1, 0), (1, 1), step=4.0)  # 36 mm high, 18 mm wide

    picture = three_planes(lazydicom.open_series(tmp_path), tile=40)

    assert picture.shape == (40, 3 * 20)
    assert not picture[:10, :20].any()  # the axial plane is half as high: black above


def test_values_of_different_slopes_are_shown_as_they_are_meant(tmp_path: Path) -> None:
    write_scan(tmp_path, (2, 1, 0), (1, 1), slopes=True)
    out = tmp_path / "planes.png"

    result = run("preview", tmp_path, out, "--tile", "16")

    picture = imagecodecs.png_decode(out.read_bytes())
    assert result.exit_code == 0
    coronal = np.split(picture.astype(int), 3, axis=1)[1]
    assert (np.diff(coronal[:, 8]) <= 0).all()


def test_preview_of_a_folder_without_a_volume_is_a_contact_sheet(
    tmp_path: Path,
) -> None:
    write_volume(tmp_path, planes=1)
    out = tmp_path / "sheet.png"

    result = run("preview", tmp_path, out, "--tile", "16")
    refused = run("preview", "--planes", tmp_path / "0.dcm", out)

    assert result.exit_code == 0
    assert imagecodecs.png_decode(out.read_bytes()).shape == (12, 16)
    assert refused.exit_code == 1
    assert "Three planes need an array with z, y and x" in refused.stderr


def test_what_is_no_volume_is_refused() -> None:
    array = lazydicom.open_image(make_native())

    with pytest.raises(UnsupportedError, match="z, y and x, and an affine"):
        three_planes(array, tile=16)


def test_resizing_keeps_the_mean_of_a_ramp() -> None:
    ramp = np.arange(8.0).reshape(1, 8).repeat(3, axis=0)

    assert resize(ramp, 6, 16).mean() == pytest.approx(ramp.mean())
    assert resize(ramp, 2, 4).mean() == pytest.approx(ramp.mean())
