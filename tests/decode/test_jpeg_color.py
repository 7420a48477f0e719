"""What a JPEG says of its colour, what the header says, and who is right (PS3.5 8.2.1)."""

from __future__ import annotations

import subprocess
import warnings
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from colour_codestreams import (
    IDS,
    MARKERS,
    SAMPLES,
    colour_file,
    colour_jpeg,
    to_rgb,
)
from noting import noting
from pydicom import dcmread
from tools import require_program

import lazydicom
from lazydicom.errors import LazyDicomWarning

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

HEADERS: Final = ("RGB", "YBR_FULL", "YBR_FULL_422")
YCBCR: Final = ("YBR_FULL", "YBR_FULL_422")
MARKED: Final = {
    "JFIF": "YCbCr",
    "JFIF, Adobe 0": "YCbCr",
    "Adobe 1": "YCbCr",
    "Adobe 0": "RGB",
}


def expected(process: str, markers: str, ids: str, header: str) -> str:
    """Return what the samples are: the table of `_decode/codecs/jpeg_color.py`."""
    by_header = "YCbCr" if header in YCBCR else "RGB"
    if process == "lossless":
        return by_header
    by_ids = "RGB" if ids in {"R G B", "r g b"} else by_header
    return MARKED.get(markers, by_ids)


def meaning(values: NDArray[Any]) -> str:
    """Return what somebody took the samples for."""
    frame = values.reshape(SAMPLES.shape).astype(int)
    if np.abs(frame - SAMPLES).mean() < 3:
        return "RGB"
    return "YCbCr" if np.abs(frame - to_rgb(SAMPLES)).mean() < 3 else "neither"


@pytest.mark.parametrize("markers", MARKERS)
@pytest.mark.parametrize("process", ["lossy", "lossless"])
def test_markers_decide_of_lossy_samples_and_the_header_of_lossless_ones(
    process: str, markers: str
) -> None:
    for ids, header in product(IDS, HEADERS):
        file = colour_file(process, markers, ids, header)
        right = expected(process, markers, ids, header)
        with noting(ids=ids, header=header):
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                values = np.asarray(lazydicom.open_image(file))
            stored = np.asarray(lazydicom.open_image(file, color="stored"))

            assert meaning(values) == right
            assert meaning(stored) == "RGB"  # as they are
            overruled = (right == "YCbCr") != (header in YCBCR)
            assert [one.category for one in said] == [LazyDicomWarning] * overruled
            assert all(f"read as {right}" in str(one.message) for one in said)


def test_a_worker_gives_the_same_warning() -> None:
    file = colour_file("lossy", "Adobe 0", "1 2 3", "YBR_FULL")

    with pytest.warns(LazyDicomWarning, match=r"marked as RGB.*read as RGB in"):
        values = lazydicom.open_image(file, isolation="process")[0]

    assert meaning(values) == "RGB"


def test_other_kinds_of_ycbcr_stay_as_they_are_stored() -> None:
    file = colour_file("lossy", "JFIF", "1 2 3", "YBR_PARTIAL_420")

    assert meaning(np.asarray(lazydicom.open_image(file))) == "RGB"


# --- what others do, where they agree with each other ---------------------------------


@pytest.mark.parametrize("markers", MARKERS)
@pytest.mark.parametrize("ids", IDS)
def test_libjpeg_does_the_same_by_markers(markers: str, ids: str) -> None:
    import imagecodecs

    if markers in {"none", "Adobe 2"} and ids != "R G B":
        pytest.skip("libjpeg guesses YCbCr, the header says it")

    theirs = imagecodecs.jpeg8_decode(colour_jpeg("lossy", markers, ids))

    right = expected("lossy", markers, ids, "YBR_FULL")
    if markers == "Adobe 2":
        right = "YCbCr"  # with a warning of libjpeg that it does not know it
        assert expected("lossy", markers, ids, "YBR_FULL") == "RGB"
    assert meaning(theirs) == right


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("markers", ["none", "JFIF", "Adobe 1"])
@pytest.mark.filterwarnings("ignore:.*JFIF APP marker:UserWarning")
def test_pydicom_agrees_on_common_files(
    markers: str, header: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(colour_file("lossy", markers, "1 2 3", header))
    dataset = dcmread(path)
    # GDCM ignores Adobe's marker, Pillow converts twice.
    plugin = "pillow" if (markers, header) == ("Adobe 1", "RGB") else "gdcm"
    dataset.pixel_array_options(decoding_plugin=plugin)

    right = expected("lossy", markers, "1 2 3", header)

    assert meaning(dataset.pixel_array) == right


@pytest.mark.parametrize("header", ["RGB", "YBR_FULL"])
@pytest.mark.parametrize("markers", ["none", "JFIF", "Adobe 0", "Adobe 1"])
@pytest.mark.parametrize("command", ["dcmdjpeg", "gdcmconv -w"])
def test_dcmtk_and_gdcm_follow_the_header(
    command: str, markers: str, header: str, tmp_path: Path
) -> None:
    source, target = tmp_path / "a.dcm", tmp_path / "b.dcm"
    source.write_bytes(colour_file("lossy", markers, "1 2 3", header))
    program, *options = command.split()
    subprocess.run(
        [require_program(program), *options, source, target],
        check=True,
        capture_output=True,
        timeout=60,
    )

    theirs = meaning(dcmread(target).pixel_array)

    assert theirs == ("YCbCr" if header == "YBR_FULL" else "RGB")
