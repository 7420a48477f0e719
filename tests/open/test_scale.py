"""Large headers cost their bytes, and large claims cost nothing.

Times are in `benchmarks/test_bench_opening`; here counts, which no busy machine changes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
import warm_process
from counting import open_counted
from dicom_files import element, make_native
from enhanced_files import make_enhanced

if TYPE_CHECKING:
    from pathlib import Path

FRAMES: Final = 10_000
MANY: Final = 100_000
BLOCK: Final = 1 << 16
SMALL: Final[dict[str, Any]] = {"rows": 2, "columns": 2, "bits_allocated": 8}
LARGER: Final[dict[str, Any]] = {"rows": 32, "columns": 32, "bits_allocated": 8}
"""Frames that are larger than their functional groups, as all real ones are."""
PADDING: Final = element(0xFFFCFFFC, "OB", bytes(8))

REFUSE: Final = """
import json, sys, time, warnings

warnings.simplefilter("ignore")

def peak_kib():
    status = open("/proc/self/status").read()
    return int(status.split("VmHWM:")[1].split()[0])

lazydicom.open_image(sys.argv[1])  # imports, once
before, start = peak_kib(), time.perf_counter()
try:
    allow = sys.argv[3] == "allow"
    answer = str(lazydicom.open_image(sys.argv[2], allow_truncated=allow).shape)
except lazydicom.errors.LazyDicomError as refusal:
    answer = str(refusal)
seconds = time.perf_counter() - start
print(json.dumps([answer, seconds, (peak_kib() - before) / 1024]))
"""


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize(
    "frames", [FRAMES, pytest.param(MANY, marks=pytest.mark.heavy)]
)
def test_many_functional_groups_are_stepped_over_without_being_read(
    monkeypatch: pytest.MonkeyPatch, frames: int, undefined: bool
) -> None:
    file = make_enhanced(number_of_frames=frames, undefined=undefined, **LARGER)

    array, counter = open_counted(monkeypatch, file, opening=True)

    assert array.shape == (frames, 32, 32)
    assert array.images[0].header.pixel_data.start > 300 * frames
    assert counter.reads <= 2
    assert counter.bytes_read <= 2 * BLOCK


def test_groups_that_must_be_walked_are_read_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = make_enhanced(number_of_frames=FRAMES, undefined=True, **SMALL) + PADDING

    array, counter = open_counted(monkeypatch, file, opening=True)

    assert np.array_equal(array[-1].reshape(-1), list(file[-24:-20]))
    assert counter.bytes_read <= len(file) + 2 * BLOCK
    assert counter.reads <= 20  # blocks that double up to 8 MiB


@pytest.mark.parametrize(
    ("mode", "outcome"), [("refuse", "1000000000 frames"), ("allow", "enough for 0")]
)
def test_a_billion_frames_in_a_short_file_are_refused_at_once(
    tmp_path: Path, mode: str, outcome: str
) -> None:
    good, bad = tmp_path / "good.dcm", tmp_path / "bad.dcm"
    good.write_bytes(make_native())
    bad.write_bytes(make_native(declared_frames="1000000000", pixel_bytes=bytes(16)))

    output = warm_process.run(REFUSE, good, bad, mode)

    answer, seconds, growth_mib = json.loads(output)
    assert outcome in answer
    assert growth_mib < 64
    assert seconds < 30  # 50 ms on a machine with nothing else to do
