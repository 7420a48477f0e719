"""Finding frames: against a bare walk over item headers, and against pydicom."""

from __future__ import annotations

import os
import struct
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
import pydicom
import pytest
from pydicom.encaps import get_frame

from codestream_samples import JPEG, codestream
from encapsulated_files import make_encapsulated
from lazydicom._encapsulated_index import encapsulated_index
from lazydicom._fragment_reader import open_fragments
from lazydicom._header import read_header
from lazydicom._local_source import open_local
from ratios import best_seconds, report

if TYPE_CHECKING:
    from pathlib import Path

    from encapsulated_files import Table

pytestmark = pytest.mark.benchmark

FRAGMENTS: Final = 20_000
_HEADER: Final = struct.Struct("<HHI")


def write(folder: Path, *, table: Table, per_frame: int, length: int) -> Path:
    frames = [codestream(JPEG, bytes(length * per_frame))] * (FRAGMENTS // per_frame)
    path = folder / f"{table}-{per_frame}-{length}.dcm"
    path.write_bytes(
        make_encapsulated(
            frames, transfer_syntax=JPEG, table=table, fragments_per_frame=per_frame
        )
    )
    return path


def bare_walk(path: Path, position: int) -> int:
    """Read item headers one after the other, and nothing else."""
    descriptor = os.open(path, os.O_RDONLY)
    count = 0
    while True:
        _, element, length = _HEADER.unpack(os.pread(descriptor, 8, position))
        if element != 0xE000:
            break
        count += 1
        position += 8 + length
    os.close(descriptor)
    return count


@pytest.mark.parametrize("per_frame", [1, 2])
@pytest.mark.parametrize("length", [2_000, 20_000])
def test_indexing_without_a_table_costs_at_most_two_bare_walks(
    tmp_path: Path, per_frame: int, length: int
) -> None:
    path = write(tmp_path, table="empty", per_frame=per_frame, length=length)
    header = read_header(open_local(str(path)))

    best = best_seconds(
        {
            "ours": partial(encapsulated_index, header),
            "bare pread walk": partial(bare_walk, path, header.pixel_data.offset),
        },
        rounds=9,
    )

    report(f"{FRAGMENTS} fragments of {length}, {per_frame} a frame", best, ours="ours")
    assert best["ours"] <= 2 * best["bare pread walk"]


def test_a_table_of_20_000_frames_opens_faster_than_a_bare_walk(
    tmp_path: Path,
) -> None:
    path = write(tmp_path, table="basic", per_frame=1, length=20_000)
    start = read_header(open_local(str(path))).pixel_data.offset

    best = best_seconds(
        {
            "ours, header included": lambda: encapsulated_index(
                read_header(open_local(str(path)))
            ),
            "bare pread walk": partial(bare_walk, path, start),
        },
        rounds=9,
    )

    report(f"table of {FRAGMENTS} frames", best, ours="ours, header included")
    assert best["ours, header included"] <= best["bare pread walk"]


def test_encoded_frames_come_faster_than_from_pydicom(tmp_path: Path) -> None:
    path = write(tmp_path, table="basic", per_frame=1, length=20_000)
    header = read_header(open_local(str(path)))
    reader = open_fragments(header, allow_truncated=False, on_extra_frames="warn")
    value = pydicom.dcmread(path).PixelData
    numbers = np.random.default_rng(0).integers(0, len(reader), 200).tolist()

    best = best_seconds(
        {
            "ours, from the file": lambda: [reader.read(k) for k in numbers],
            "pydicom, from memory": lambda: [
                get_frame(value, k, number_of_frames=len(reader)) for k in numbers
            ],
        },
        rounds=3,
    )

    report("200 random encoded frames", best, ours="ours, from the file")
    assert best["ours, from the file"] < best["pydicom, from memory"]
