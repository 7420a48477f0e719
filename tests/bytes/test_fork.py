"""A process that forks, and reads on beside its children."""

from __future__ import annotations

import gc
import multiprocessing
import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest
from dicom_files import make_native
from range_server import RangeServer

import lazydicom

if TYPE_CHECKING:
    from lazydicom import DicomArray

PIXELS = np.arange(200 * 128 * 128, dtype=np.uint16).reshape(200, 128, 128)
FILE = make_native(PIXELS)
SPREAD = list(range(0, 200, 9))
"""Frames far enough from each other for a request each."""


def sum_of_frame(pickled: bytes) -> int:
    array: DicomArray = pickle.loads(pickled)
    total = int(array[5].sum())
    gc.collect()  # what was inherited from the parent is closed
    return total


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize(
    "protocol",
    [
        "http",
        "s3",
        pytest.param("gs", marks=pytest.mark.heavy),
        pytest.param("abfs", marks=pytest.mark.heavy),
    ],
)
def test_connections_go_on_after_children_were_forked(protocol: str) -> None:
    places = ("a.dcm", "bucket/a.dcm", "container/a.dcm")
    with RangeServer(dict.fromkeys(places, FILE), latency_s=0.01) as server:
        url, options = server.open_by(protocol, "a.dcm")
        pickled = pickle.dumps(lazydicom.open_image(url, options))
        pickle.loads(pickled)[SPREAD]  # as many connections are open now

        with multiprocessing.get_context("fork").Pool(2) as pool:
            sums = pool.map(sum_of_frame, [pickled] * 4)
        array = pickle.loads(pickled)
        server.forget()
        frames = array[SPREAD]

    assert set(sums) == {int(PIXELS[5].sum())}
    np.testing.assert_array_equal(frames, PIXELS[SPREAD])
    assert len(server.requests) == array.plan(SPREAD).requests, "none is asked again"
