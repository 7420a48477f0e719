"""Axes that files of our own make necessary: several columns, odd times, names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import lazydicom
from series_files import write_instance

if TYPE_CHECKING:
    from pathlib import Path


def test_no_two_axes_have_one_name(tmp_path: Path) -> None:
    for number, (position, run, plane) in enumerate(np.ndindex(2, 3, 4)):
        texts = {
            0x00200100: ("IS", str(position + 1)),
            0x00080032: ("TM", f"12{run:02d}{2 * position:02d}.{plane}"),
        }
        path = tmp_path / str(number)
        write_instance(path, z=plane, number=number, value=number, texts=texts)

    array = lazydicom.open_series(tmp_path)

    assert array.dims == ("time", "time_2", "z", "y", "x")
    assert np.array_equal(np.asarray(array)[..., 0, 0], np.arange(24).reshape(2, 3, 4))
    assert array.coords["time_2"].values.tolist() == [0, 1, 2]
