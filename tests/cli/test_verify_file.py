"""`lazydicom verify FILE` holds the offset table against the fragments."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pytest
from codestream_samples import JPEG_LS
from command_line import run
from dicom_files import make_encapsulated, make_native

from lazydicom._frames import encapsulated

if TYPE_CHECKING:
    from pathlib import Path

NOISE = np.random.default_rng(1).integers(0, 64, (5, 40, 50), np.uint8)
FRAMES = [bytes(imagecodecs.jpegls_encode(frame)) for frame in NOISE]
STEPS = [8 + len(frame) + len(frame) % 2 for frame in FRAMES]
OFFSETS = list(accumulate(STEPS, initial=0))[:-1]


def write(tmp_path: Path, **changes: object) -> Path:
    path = tmp_path / "a.dcm"
    shape = {"rows": 40, "columns": 50, "bits_allocated": 8}
    path.write_bytes(
        make_encapsulated(FRAMES, transfer_syntax=JPEG_LS, **shape, **changes)  # type: ignore[arg-type]
    )
    return path


@pytest.fixture(autouse=True)
def _believing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encapsulated, "_LARGEST_PROOF", 0)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("basic", "the Basic Offset Table is right"),
        ("extended", "the Extended Offset Table is right"),
        ("empty", "without an offset table that fits"),
    ],
)
def test_a_right_table_is_said_to_be_right(
    table: str, said: str, tmp_path: Path
) -> None:
    result = run("verify", write(tmp_path, table=table))

    assert result.exit_code == 0
    assert result.stdout.endswith(f"a.dcm: 5 frames decoded, {said}\n")


def test_a_table_that_names_other_frames_is_found_out(tmp_path: Path) -> None:
    offsets = [0, OFFSETS[1] + 2, *OFFSETS[2:]]

    result = run("verify", write(tmp_path, offsets=offsets))

    assert "Basic Offset Table does not fit" in result.stderr
    assert result.stdout.endswith(
        "5 frames decoded, without an offset table that fits\n"
    )


def test_a_native_file_and_one_without_a_suffix_are_files(tmp_path: Path) -> None:
    path = tmp_path / "IM0001"
    path.write_bytes(make_native(number_of_frames=1))

    result = run("verify", path)

    assert result.stdout.endswith("IM0001: 1 frame decoded, not compressed\n")
