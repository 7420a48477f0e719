"""`decoder="pydicom"` uses the plugins that pydicom finds, after our own checks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from codec_frames import KINDS, decode, encode_rle, format_of, make_frame
from pydicom.data import get_testdata_file
from ratios import run_child

import lazydicom
from lazydicom.errors import DecodeError, UnsupportedError

if TYPE_CHECKING:
    from codec_frames import Frame

FILES = (
    "MR_small_RLE.dcm",
    "SC_rgb_rle_16bit_2frame.dcm",
    "J2K_pixelrep_mismatch.dcm",
    "JPEGLSNearLossless_16.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
    "examples_jpeg2k.dcm",
)


def with_plugins(case: str) -> Frame:
    frame = make_frame(case)
    return replace(frame, format=replace(frame.format, decoder="pydicom"))


@pytest.mark.parametrize("name", FILES)
def test_plugins_give_what_imagecodecs_gives(name: str) -> None:
    path = get_testdata_file(name, download=False)
    assert isinstance(path, str)

    plugins = np.asarray(lazydicom.open_image(path, decoder="pydicom"))

    ours = np.asarray(lazydicom.open_image(path))
    assert plugins.dtype == ours.dtype
    assert np.abs(plugins.astype(np.int64) - ours).max() <= ("jpeg_dcmtk" in name)


def test_stored_colour_stays_with_plugins() -> None:
    path = get_testdata_file("SC_rgb_jpeg_dcmtk.dcm", download=False)
    assert isinstance(path, str)

    plugins = lazydicom.open_image(path, decoder="pydicom", color="stored")

    ours = lazydicom.open_image(path, color="stored")
    assert np.array_equal(np.asarray(plugins), np.asarray(ours))


@pytest.mark.parametrize("syntax", ["5", "4.50", "4.80", "4.90", "4.201"])
def test_planar_configuration_says_nothing_of_a_codestream(syntax: str) -> None:
    uid = f"1.2.840.10008.1.2.{syntax}"
    data = make_frame(f"{uid} RGB").data
    stored = replace(format_of(uid, KINDS["RGB"], "YBR_FULL"), color="stored")
    planar = replace(stored.pixel, planar_configuration=1)

    values = decode(data, replace(stored, pixel=planar, decoder="pydicom"))

    assert np.array_equal(values, decode(data, stored))


def test_plugins_see_only_what_passed_the_preflight() -> None:
    frame = with_plugins("1.2.840.10008.1.2.4.70 12 in 16 bits")

    with pytest.raises(DecodeError, match="it is cut"):
        decode(frame.data[: len(frame.data) // 2], frame.format)


def test_what_plugins_raise_is_a_decode_error() -> None:
    frame = with_plugins("1.2.840.10008.1.2.5 16 bits")
    short = encode_rle(frame.values[:-1], KINDS["16 bits"])

    with pytest.raises(DecodeError, match="No plugin of pydicom"):
        decode(short, frame.format)


def test_a_syntax_that_pydicom_does_not_know_is_unsupported() -> None:
    frame = with_plugins("1.2.840.10008.1.2.4.110 8 bits")

    with pytest.raises(UnsupportedError, match="pydicom"):
        decode(frame.data, frame.format)


def test_plugins_work_in_a_worker_process() -> None:
    frame = with_plugins("1.2.840.10008.1.2.5 12 in 16 bits")
    format_ = replace(frame.format, isolation="process")

    assert np.array_equal(decode(frame.data, format_), frame.values)


def test_decoding_without_plugins_imports_no_pydicom_and_opening_no_imagecodecs() -> (
    None
):
    path = get_testdata_file("MR_small_jp2klossless.dcm", download=False)
    code = (
        "import sys, lazydicom\n"
        "array = lazydicom.open_image(sys.argv[1])\n"
        "assert 'imagecodecs' not in sys.modules\n"
        "array[0]\n"
        "assert 'imagecodecs' in sys.modules\n"
        "assert 'pydicom.pixels' not in sys.modules\n"
    )

    run_child(code, str(path))
