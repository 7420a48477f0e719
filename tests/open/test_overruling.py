"""A caller who knows better than the file says so: colour and transfer syntax."""

from __future__ import annotations

import pickle
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from codec_frames import make_frame
from colour_codestreams import SAMPLES, colour_file, to_rgb
from dicom_files import IMPLICIT_LITTLE, file_meta, make_native, stored_pixels
from encapsulated_files import make_encapsulated
from pydicom import dcmread

import lazydicom
from lazydicom.errors import InvalidDicomError, UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path

    from lazydicom._decode.format import Isolation
    from lazydicom._open.instance import OpenKeywords

JPEG: Final = "1.2.840.10008.1.2.4."


@pytest.mark.parametrize("isolation", ["none", "process"])
@pytest.mark.parametrize("markers", ["none", "JFIF", "Adobe 0", "Adobe 1"])
@pytest.mark.parametrize("header", ["RGB", "YBR_FULL"])
@pytest.mark.parametrize("process", ["lossy", "lossless"])
def test_the_callers_colour_counts_whatever_else_is_said(
    process: str, header: str, markers: str, isolation: Isolation
) -> None:
    file = colour_file(process, markers, "1 2 3", header)

    for word, right in (("RGB", SAMPLES), ("YBR_FULL", to_rgb(SAMPLES))):
        array = lazydicom.open_image(
            file, photometric_interpretation=word, isolation=isolation
        )

        assert np.abs(array[0] - right.astype(float)).mean() < 3
        assert array.attrs["photometric_interpretation"] == "RGB"
        assert array.attrs["declared_photometric_interpretation"] == header


def test_native_pixels_follow_the_caller_too() -> None:
    pixels = stored_pixels(samples_per_pixel=3, bits_allocated=8)
    file = make_native(
        samples_per_pixel=3, bits_allocated=8, photometric_interpretation="YBR_FULL"
    )

    array = lazydicom.open_image(file, photometric_interpretation="RGB")

    assert np.array_equal(np.asarray(array), pixels)
    assert np.array_equal(np.asarray(pickle.loads(pickle.dumps(array))), pixels)


@pytest.mark.parametrize("declared", ["1.2.3.4.5", f"{JPEG}70", "1.2.840.10008.1.2.5"])
@pytest.mark.parametrize("source", ["bytes", "local", "Dataset"])
def test_the_callers_transfer_syntax_counts(
    source: str, declared: str, tmp_path: Path
) -> None:
    frame = make_frame(f"{JPEG}80 8 bits")
    file = make_encapsulated(
        [frame.data] * 2,
        rows=61,
        columns=83,
        bits_allocated=8,
        transfer_syntax=declared,
    )
    (tmp_path / "a.dcm").write_bytes(file)
    given: Any = {
        "bytes": file,
        "local": tmp_path / "a.dcm",
        "Dataset": dcmread(BytesIO(file)),
    }[source]

    array = lazydicom.open_image(given, transfer_syntax=f"{JPEG}80")

    assert np.array_equal(np.asarray(array), [frame.values] * 2)
    assert array.attrs["transfer_syntax"] == f"{JPEG}80"
    assert array.attrs["declared_transfer_syntax"] == declared
    again = pickle.loads(pickle.dumps(array))
    assert np.array_equal(again[1], frame.values)
    assert again.images[0].header.transfer_syntax.uid == f"{JPEG}80"


def test_pixels_of_another_byte_order_are_read_as_the_caller_says() -> None:
    file = make_native(
        transfer_syntax=IMPLICIT_LITTLE,
        file_meta=file_meta(IMPLICIT_LITTLE),
        pixel_bytes=stored_pixels().astype(">u2").tobytes(),
    )

    array = lazydicom.open_image(file, transfer_syntax="1.2.840.113619.5.2")

    assert np.array_equal(np.asarray(array), stored_pixels())


def test_series_take_the_callers_word() -> None:
    files = [colour_file("lossy", "JFIF", "1 2 3", "RGB")]

    array = lazydicom.open_series(files, photometric_interpretation="RGB")

    assert (
        np.abs(np.asarray(array).reshape(SAMPLES.shape) - SAMPLES.astype(int)).mean()
        < 3
    )


@pytest.mark.parametrize(
    "word",
    [
        {"photometric_interpretation": "rgb"},
        {"photometric_interpretation": ""},
        {"transfer_syntax": "JPEG"},
        {"transfer_syntax": "1.2.3"},
        {"transfer_syntax": f"{JPEG}80", "cache": True},
    ],
)
def test_words_that_mean_nothing_are_refused(word: OpenKeywords) -> None:
    with pytest.raises(ValueError, match=r"must be|An index holds"):
        lazydicom.open_image(make_native(), **word)


def test_a_word_that_the_pixels_contradict_is_an_error() -> None:
    with pytest.raises(InvalidDicomError, match="samples_per_pixel"):
        lazydicom.open_image(make_native(), photometric_interpretation="YBR_FULL")


def test_without_a_word_an_unknown_syntax_stays_unknown() -> None:
    frame = make_frame(f"{JPEG}80 8 bits")
    file = make_encapsulated(
        [frame.data], rows=61, columns=83, bits_allocated=8, transfer_syntax="1.2.3.4.5"
    )

    with pytest.raises(UnsupportedError, match=r"1\.2\.3\.4\.5"):
        lazydicom.open_image(file)
