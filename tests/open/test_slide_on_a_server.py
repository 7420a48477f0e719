"""Slides behind DICOMweb are those of files, and what threads warn of points at the caller."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest
from slide_files import make_slide
from wado_server import Answer, WadoServer, multipart

import lazydicom
from lazydicom.errors import LazyDicomWarning

if TYPE_CHECKING:
    from pydicom import Dataset


def serve(dataset: Dataset) -> WadoServer:
    """Serve the metadata and the native frames of a Dataset."""
    pixels = dataset.PixelData
    length = len(pixels) // int(dataset.NumberOfFrames)
    dataset.SOPInstanceUID = "1.9"
    described = dataset.to_json_dict()
    del described["7FE00010"]
    described["7FE00010"] = {"vr": "OB", "BulkDataURI": "x"}

    def frames(numbers: list[int]) -> Answer:
        parts = [pixels[(k - 1) * length : k * length] for k in numbers]
        return Answer(multipart(parts))

    return WadoServer(json.loads(json.dumps(described)), frames)


@pytest.mark.parametrize("sparse", [False, True])
def test_a_slide_on_a_server_is_that_of_its_file(*, sparse: bool) -> None:
    slide = make_slide(matrix=(20, 30), tile=(8, 8), samples=1, sparse=sparse)
    (expected,) = lazydicom.open_slide(slide.files)

    with serve(slide.datasets[0]) as server:
        (level,) = lazydicom.open_slide(server.url)

        assert level.shape == expected.shape
        assert np.array_equal(level[...], expected[...])


def test_a_warning_of_a_slide_on_a_server_points_at_the_caller() -> None:
    slide = make_slide(matrix=(16, 16), tile=(8, 8), samples=1)
    slide.datasets[0].HighBit = 3

    with (
        serve(slide.datasets[0]) as server,
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        lazydicom.open_slide(server.url)

    odd = [one for one in caught if one.category is LazyDicomWarning]
    assert odd
    assert {one.filename for one in odd} == {__file__}
