"""A region of native frames costs its rows, and one call little more than its system calls."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
from dicom_files import make_native
from ratios import best_seconds, report

import lazydicom

if TYPE_CHECKING:
    from pathlib import Path

CALLS = 500


def test_a_pixel_over_many_frames_costs_a_small_read_each(tmp_path: Path) -> None:
    """Guards 3 × of a bare `pread` for each frame; all frames would be 30 ×."""
    pixels = np.random.default_rng(0).integers(0, 4096, (10_000, 64, 64), np.uint16)
    path = tmp_path / "many.dcm"
    path.write_bytes(make_native(pixels))
    array = lazydicom.open_image(path)
    start = int(array.images[0].index.offsets[0]) + 2 * (30 * 64 + 30)

    def bare() -> bytes:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            offsets = range(start, start + 10_000 * 8192, 8192)
            return b"".join([os.pread(descriptor, 2, offset) for offset in offsets])
        finally:
            os.close(descriptor)

    def mapped() -> object:
        place = start - 2 * (30 * 64 + 30)
        return np.memmap(path, np.uint16, "r", place, pixels.shape)[:, 30, 30].copy()

    best = best_seconds(
        {"ours": lambda: array[:, 30, 30], "bare pread": bare, "memory map": mapped},
        rounds=5,
    )

    report("a pixel of 10,000 frames of 64 × 64", best, ours="ours")
    assert best["ours"] <= 3 * best["bare pread"]


def test_one_call_costs_little_more_than_open_fstat_pread_close(tmp_path: Path) -> None:
    """Guards the ratios to the four system calls (7 µs on a quiet machine)."""
    pixels = np.random.default_rng(0).integers(0, 4096, (CALLS + 1, 64, 64), np.uint16)
    path = tmp_path / "some.dcm"
    path.write_bytes(make_native(pixels))
    array = lazydicom.open_image(path)
    start, out = int(array.images[0].index.offsets[0]), np.empty((1, 64, 64), np.uint16)

    def bare() -> None:
        for number in range(CALLS):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            os.preadv(descriptor, [out.data.cast("B")], start + 8192 * number)
            os.fstat(descriptor)
            os.close(descriptor)

    best = best_seconds(
        {
            "bare": bare,
            "array[k]": lambda: [array[k] for k in range(CALLS)],
            "array[k:k+1]": lambda: [array[k : k + 1] for k in range(CALLS)],
            "read(out=)": lambda: [
                array.read(slice(k, k + 1), out=out) for k in range(CALLS)
            ],
            "array[k, a:b, c:d]": lambda: [
                array[k, 10:20, 10:20] for k in range(CALLS)
            ],
        },
        rounds=7,
    )

    report(f"{CALLS} calls for a frame of 64 × 64", best, ours="array[k]")
    assert best["array[k]"] <= 5 * best["bare"]
    assert best["read(out=)"] <= 9 * best["bare"]
    assert best["array[k, a:b, c:d]"] <= 15 * best["bare"]
