"""Who follows a call by opening files opens few of them.

The budgets are what the calls take; the bars are 9, 14, 24 and 20 files. A budget is
lowered when a call takes fewer. What a first and a second call do once does not count: modules
are loaded, and data classes compile how a value is made when they make their second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dicom_files import make_native
from executed_modules import executed_modules
from series_files import write_volume

import lazydicom

if TYPE_CHECKING:
    from pathlib import Path

ONE_FRAME: Final = 8
OPEN_IMAGE: Final = 14
OPEN_SERIES: Final = 24
TO_ZARR: Final = 20


def native_file(folder: Path) -> Path:
    path = folder / "native.dcm"
    path.write_bytes(make_native())
    return path


def test_a_native_frame_is_followed_through_few_files(tmp_path: Path) -> None:
    array = lazydicom.open_image(native_file(tmp_path))
    array[0]
    assert array[1] is not None

    files = executed_modules(lambda: array[1])

    assert len(files) <= ONE_FRAME, sorted(files)


def test_opening_a_native_file_is_followed_through_few_files(tmp_path: Path) -> None:
    path = native_file(tmp_path)
    for _ in range(2):
        lazydicom.open_image(path)

    files = executed_modules(lambda: lazydicom.open_image(path))

    assert len(files) <= OPEN_IMAGE, sorted(files)


def test_opening_a_series_is_followed_through_few_files(tmp_path: Path) -> None:
    write_volume(tmp_path, planes=20)
    for _ in range(2):
        lazydicom.open_series(tmp_path)

    files = executed_modules(lambda: lazydicom.open_series(tmp_path))

    assert len(files) <= OPEN_SERIES, sorted(files)


def test_a_copy_is_followed_through_few_files(tmp_path: Path) -> None:
    array = lazydicom.open_image(native_file(tmp_path))
    for name in ("first.zarr", "second.zarr"):
        lazydicom.to_zarr(array, tmp_path / name)

    files = executed_modules(lambda: lazydicom.to_zarr(array, tmp_path / "copy.zarr"))

    assert len(files) <= TO_ZARR, sorted(files)
