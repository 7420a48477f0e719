"""The page "Compute with dask" counts right: which index decodes how many frames."""

import re
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
from counting import open_counted
from dicom_files import make_native
from tools import REPOSITORY

import lazydicom

PAGE = REPOSITORY / "docs" / "how-to" / "dask.md"
FRAME_NBYTES = 64 * 64 * 2


ROW = re.compile(r"^\| (`.*`) \| (\d+)", re.MULTILINE)


def rows_of_the_page() -> list[tuple[str, int]]:
    return [
        (expression, int(frames))
        for cell, frames in ROW.findall(PAGE.read_text())
        for expression in re.findall(r"`(.*?)`", cell)
    ]


@pytest.mark.parametrize(("expression", "frames"), rows_of_the_page())
def test_an_expression_decodes_as_many_frames_as_the_page_says(
    expression: str, frames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = make_native(number_of_frames=100, rows=64, columns=64)
    array, counter = open_counted(monkeypatch, file)
    values = lazydicom.to_dask(array, frames_per_chunk=10)
    names = {"values": values, "da": da, "mask": np.arange(100) == 55}
    lazy: Any = eval(expression, names)  # noqa: S307 (written on our own page)

    with dask.config.set(scheduler="synchronous"):
        lazy.compute()

    start = int(array.images[0].index.offsets[0])
    ends = [(s.offset - start, s.stop - 1 - start) for s in counter.spans]
    touched = [last // FRAME_NBYTES - first // FRAME_NBYTES + 1 for first, last in ends]
    assert sum(touched) == frames
    assert counter.bytes_read <= frames * FRAME_NBYTES


def test_the_page_has_a_row_for_one_frame_and_one_for_all() -> None:
    counts = [frames for _, frames in rows_of_the_page()]

    assert len(counts) > 10
    assert min(counts) == 1
    assert max(counts) == 100
