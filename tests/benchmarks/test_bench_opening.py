"""Opening files whose header is far larger than most files."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest
from dicom_files import element, make_native
from enhanced_files import make_enhanced
from ratios import best_seconds, hold

import lazydicom
from lazydicom.errors import LazyDicomError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.benchmark

GROUPS: Final[dict[str, Any]] = {
    "number_of_frames": 100_000,
    "rows": 2,
    "columns": 2,
    "bits_allocated": 8,
}
PADDING: Final = element(0xFFFCFFFC, "OB", bytes(8))


def test_100_000_groups_of_undefined_length_open_in_two_seconds(
    tmp_path: Path,
) -> None:
    path = tmp_path / "undefined.dcm"
    path.write_bytes(make_enhanced(undefined=True, **GROUPS) + PADDING)

    best = best_seconds({"ours": partial(lazydicom.open_image, path)}, rounds=5)

    title = "open 100,000 groups of undefined length"
    hold(title, {**best, "2 s": 2}, floor="2 s", limit=1)


def test_100_000_groups_of_defined_length_open_in_5_ms(tmp_path: Path) -> None:
    path = tmp_path / "defined.dcm"
    path.write_bytes(make_enhanced(undefined=False, **GROUPS))

    best = best_seconds({"ours": partial(lazydicom.open_image, path)}, rounds=20)

    title = "open 100,000 groups of defined length"
    hold(title, {**best, "5 ms": 0.005}, floor="5 ms", limit=1)


def test_a_billion_frames_in_a_short_file_are_refused_in_50_ms(tmp_path: Path) -> None:
    path = tmp_path / "bad.dcm"
    path.write_bytes(make_native(declared_frames="1000000000", pixel_bytes=bytes(16)))

    def refuse() -> None:
        with pytest.raises(LazyDicomError):
            lazydicom.open_image(path)

    best = best_seconds({"ours": refuse}, rounds=20)

    title = "refuse a billion frames in a short file"
    hold(title, {**best, "50 ms": 0.05}, floor="50 ms", limit=1)
