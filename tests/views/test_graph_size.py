"""What a dask graph carries over the wire."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest
from dask.base import optimize
from dicom_files import make_encapsulated, make_native
from enhanced_files import write_enhanced

import lazydicom
from lazydicom._array.computed import ComputedArray, FrameFunction
from lazydicom._array.coordinate import Coordinate
from lazydicom._views.lut.kernels import rescale

if TYPE_CHECKING:
    from pathlib import Path

FRAMES: Final = 100_000
MOST: Final = 3_000_000


@pytest.mark.parametrize("frames_per_chunk", ["auto", 64])
def test_the_graph_of_100_000_compressed_frames_stays_small(
    tmp_path: Path, frames_per_chunk: int
) -> None:
    path = tmp_path / "many.dcm"
    frame = b"\xff\xd8\xff\xdb" + bytes(10) + b"\xff\xd9"
    path.write_bytes(
        make_encapsulated(
            [frame] * FRAMES,
            rows=512,
            columns=512,
            bits_allocated=8,
            transfer_syntax="1.2.840.10008.1.2.4.50",
        )
    )

    values = lazydicom.to_dask(
        lazydicom.open_image(path), frames_per_chunk=frames_per_chunk
    )
    (as_run,) = optimize(values)

    assert len(pickle.dumps(dict(values.dask))) <= MOST
    # A scheduler sends tasks one by one: what they share is sent as often.
    assert sum(len(pickle.dumps(task)) for task in values.dask.values()) <= MOST
    assert sum(len(pickle.dumps(task)) for task in as_run.dask.values()) <= MOST


def test_labels_and_numbers_of_each_frame_do_not_travel_with_each_task(
    tmp_path: Path,
) -> None:
    path = tmp_path / "labelled.dcm"
    write_enhanced(path, number_of_frames=20_000, rows=4, columns=5)
    array = lazydicom.open_image(path)
    z = Coordinate(("frame",), np.arange(20_000.0), "mm")
    labelled = replace(array, coords={"z": z}, attrs={"slopes": z.values})
    slopes = np.arange(20_000.0).reshape(-1, 1, 1)
    function = FrameFunction(
        rescale, (slopes, np.array(0.0)), np.dtype(np.float64), "Modality LUT"
    )

    for one in (labelled, ComputedArray(labelled, function)):
        values = lazydicom.to_dask(one, frames_per_chunk=64)

        assert sum(len(pickle.dumps(task)) for task in values.dask.values()) <= MOST
        assert values.sum().compute() == 0


@pytest.mark.parametrize("frames_per_chunk", [1, 3])
def test_a_graph_of_many_small_chunks_carries_their_lengths_alone(
    tmp_path: Path, frames_per_chunk: int
) -> None:
    frames = 200_000
    path = tmp_path / "small.dcm"
    path.write_bytes(
        make_native(
            pixel_bytes=np.arange(frames, dtype="<u4").tobytes(),
            number_of_frames=frames,
            rows=2,
            columns=2,
            bits_allocated=8,
        )
    )
    array = lazydicom.open_image(path)
    values = lazydicom.to_dask(array, frames_per_chunk=frames_per_chunk)

    pickled = pickle.dumps(values.dask)
    again = pickle.loads(pickle.dumps(values))

    assert len(pickled) <= 2.1 * frames / frames_per_chunk + 10_000
    assert again.name == values.name
    assert np.array_equal(again[123_456:123_460].compute(), array[123_456:123_460])
    assert np.array_equal(again[-1].compute(), array[-1])
