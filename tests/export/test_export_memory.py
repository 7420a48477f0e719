"""An export takes the memory that its plan says, and not more for a longer file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import warm_process
from codec_frames import CASES, KINDS, make_pixels
from dicom_files import DEFLATED, EXPLICIT_BIG, make_encapsulated, make_native
from enhanced_files import write_enhanced

if TYPE_CHECKING:
    from pathlib import Path

CHILD = """
import resource, sys
source, store, options, limited = sys.argv[1], sys.argv[2], eval(sys.argv[3]), sys.argv[4]
array = lazydicom.open_image(source)
lazydicom.to_zarr(lazydicom.open_image(sys.argv[5]), store + ".warm")
def status(name):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith(name))
if limited == "yes":
    most = status("VmData") + options["memory_limit"]
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
before = status("VmRSS")
report = lazydicom.to_zarr(array, store, **options)
print(report.workers, (status("VmHWM") - before) >> 20)
"""
FRAME = 2048
"""8 MiB per frame of 16 bits."""


NATIVE: dict[str, Any] = {
    "big endian": {"transfer_syntax": EXPLICIT_BIG},
    "deflated": {"transfer_syntax": DEFLATED},
    "bits": {"bits_allocated": 1},
    "unused bits": {"bits_stored": 12, "pixel_representation": 1},
    "planes": {
        "samples_per_pixel": 3,
        "bits_allocated": 8,
        "planar_configuration": 1,
        "photometric_interpretation": "YBR_FULL",
    },
}


SLOW = [
    "1.2.840.10008.1.2.5 RGB",
    "1.2.840.10008.1.2.8.1 16 bits",
    "1.2.840.10008.1.2.4.70 16 bits",
    "1.2.840.10008.1.2.4.80 RGB",
    "1.2.840.10008.1.2.4.90 RGB",
    "1.2.840.10008.1.2.4.110 16 bits",
    "1.2.840.10008.1.2.4.201 RGB",
    "big endian",
    "bits",
    "unused bits",
]
"""Kinds of frames whose encoding and whose copy take seconds each."""


def export(
    folder: Path, frames: int, options: str, *, limited: bool
) -> tuple[int, int]:
    """Export native frames; give workers, and MiB by which the peak grew."""
    source = folder / f"{frames}.dcm"
    write_enhanced(source, number_of_frames=frames, rows=FRAME, columns=FRAME)
    return export_file(source, options, limited=limited)


def export_file(source: Path, options: str, *, limited: bool) -> tuple[int, int]:
    """Export in a process of its own."""
    small = source.with_name("small.dcm")
    write_enhanced(small, number_of_frames=2, rows=16, columns=16)
    store = source.with_name(f"{source.stem}{limited}.zarr")
    limit = "yes" if limited else "no"
    printed = warm_process.run(CHILD, source, store, options, limit, small)
    workers, grown = map(int, printed.split())
    return workers, grown


@pytest.mark.parametrize(
    "options",
    [
        "dict(memory_limit=96 << 20, workers=4)",
        "dict(memory_limit=96 << 20, workers=4, shards=16)",
        "dict(memory_limit=96 << 20, chunks=(1, 512, 512), shards=(4, 1024, 1024))",
    ],
)
def test_an_export_stays_within_its_limit(options: str, tmp_path: Path) -> None:
    _, grown = export(tmp_path, 24, options, limited=True)

    assert grown <= 96


def encoded_file(case: str, frames: int) -> bytes:
    """Make a file of large frames of a syntax, all the same one."""
    syntax, name = CASES[case]
    kind = replace(KINDS[name], shape=(FRAME, FRAME))
    part = make_pixels(replace(kind, shape=(FRAME // 8, FRAME // 8)))
    pixels = np.tile(part, (8, 8, 1) if kind.samples > 1 else (8, 8))
    return make_encapsulated(
        [syntax.encode(pixels, kind)] * frames,
        rows=FRAME,
        columns=FRAME,
        samples_per_pixel=kind.samples,
        bits_allocated=kind.bits_allocated,
        bits_stored=kind.bits_stored,
        photometric_interpretation="RGB" if kind.samples > 1 else "MONOCHROME2",
        planar_configuration=0 if kind.samples > 1 else None,
        transfer_syntax=syntax.uid,
    )


@pytest.mark.parametrize(
    "case",
    [
        "1.2.840.10008.1.2.4.50 RGB",
        "deflated",
        "planes",
        *(pytest.param(case, marks=pytest.mark.heavy) for case in SLOW),
    ],
)
def test_an_export_of_any_syntax_stays_within_its_limit(
    case: str, tmp_path: Path
) -> None:
    geometry = {"rows": FRAME, "columns": FRAME, "number_of_frames": 4}
    native, source = NATIVE.get(case), tmp_path / "source.dcm"
    made = make_native(**{**geometry, **native}) if native else encoded_file(case, 4)
    source.write_bytes(made)

    _, grown = export_file(
        source, "dict(memory_limit=200 << 20, workers=4)", limited=True
    )

    assert grown <= 200


def test_a_small_limit_takes_workers_away(tmp_path: Path) -> None:
    few, _ = export(tmp_path, 8, "dict(memory_limit=80 << 20, workers=4)", limited=True)
    many, _ = export(tmp_path, 8, "dict(workers=4)", limited=False)

    assert few < many


def test_the_peak_does_not_grow_with_the_file(tmp_path: Path) -> None:
    _, short = export(tmp_path, 12, "{}", limited=False)
    _, long = export(tmp_path, 36, "{}", limited=False)

    assert long <= short + 16


@pytest.mark.heavy
def test_the_peak_of_large_files_stays_below_300_mb(tmp_path: Path) -> None:
    _, two = export(tmp_path, 250, "{}", limited=False)
    _, four = export(tmp_path, 500, "dict(shards=25)", limited=False)

    assert two <= 286
    assert four <= 286
    assert abs(four - two) <= 64
