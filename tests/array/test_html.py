"""What a notebook shows of an array."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pytest
from codestream_samples import JPEG
from command_line import write_file
from counting import open_counted
from dicom_files import element, make_encapsulated, make_native
from range_server import RangeServer
from series_files import write_volume
from tools import require_shared_data

import lazydicom
from lazydicom.errors import LazyDicomWarning

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def picture_of(html: str) -> NDArray[np.uint8]:
    found = re.search(r'src="data:image/png;base64,([^"]+)"', html)
    assert found, html
    return np.asarray(imagecodecs.png_decode(base64.b64decode(found[1])))


def test_it_tells_axes_values_chunks_and_place(tmp_path: Path) -> None:
    write_volume(tmp_path)

    html = lazydicom.open_series(tmp_path)._repr_html_()

    for words in (
        "z: 4, y: 3, x: 4",
        "uint16, 96 B once decoded",
        "4, each a frame of 24 B",
        "z [mm], y [mm], x [mm]",
        "Explicit VR Little Endian",
        f"{tmp_path}/0.dcm and 3 more",
        "At z 2",
    ):
        assert words in html


def test_it_shows_the_middle_frame_and_reads_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pixels = np.zeros((5, 300, 200), np.uint16)
    pixels[2] = np.arange(200)
    array, counter = open_counted(monkeypatch, make_native(pixels))
    repr(array)
    assert counter.reads == 0

    picture = picture_of(array._repr_html_())

    assert (counter.reads, counter.bytes_read) == (1, pixels[0].nbytes)
    assert picture.shape == (100, 67)  # averaged down to at most 128 pixels
    assert (picture == picture[0]).all()
    assert (np.diff(picture[0].astype(int)) >= 0).all()
    assert (picture[0, 0], picture[0, -1]) == (0, 255)


def test_it_shows_colour_as_it_is_and_the_lowest_value_white_where_told() -> None:
    color = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(1, 4, 5, 3)
    grey = np.arange(20, dtype=np.uint16).reshape(1, 4, 5)
    inverse = {0x00280004: element(0x00280004, "CS", b"MONOCHROME1")}

    shown = lazydicom.open_image(make_native(color, bits_allocated=8))._repr_html_()
    white = lazydicom.open_image(make_native(grey, elements=inverse))._repr_html_()

    assert np.array_equal(picture_of(shown), color[0])
    assert picture_of(white)[0, 0] == 255


def test_it_shows_the_least_and_the_greatest_numbers_side_by_side() -> None:
    limits = np.finfo(np.float64)
    pixels = np.resize([limits.min, limits.max], (1, 300, 256))
    file = make_native(
        pixel_bytes=pixels.tobytes(),
        number_of_frames=1,
        rows=300,
        columns=256,
        keyword="DoubleFloatPixelData",
        bits_allocated=64,
    )
    small = make_native(
        pixel_bytes=pixels[:, :4, :6].tobytes(),
        number_of_frames=1,
        rows=4,
        columns=6,
        keyword="DoubleFloatPixelData",
        bits_allocated=64,
    )

    averaged = picture_of(lazydicom.open_image(file)._repr_html_())
    whole = picture_of(lazydicom.open_image(small)._repr_html_())

    assert averaged.shape == (100, 86)
    assert (whole[:, ::2] == 0).all()
    assert (whole[:, 1::2] == 255).all()


def test_names_are_escaped_and_a_patient_is_not_there(tmp_path: Path) -> None:
    path = write_file(tmp_path).rename(tmp_path / "<script>alert('&')<b>.dcm")

    html = lazydicom.open_image(path)._repr_html_()

    assert "<script>" not in html
    assert "&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;b&gt;.dcm" in html
    assert "Canary" not in html


def test_a_frame_that_does_not_decode_is_told_in_words() -> None:
    file = make_encapsulated([b"\xff\xd8\xff nothing \xff\xd9"], transfer_syntax=JPEG)

    html = lazydicom.open_image(file)._repr_html_()

    assert "<img" not in html
    assert "DecodeError: " in html


def test_a_hole_in_the_middle_is_told_in_words(tmp_path: Path) -> None:
    write_volume(tmp_path, skip=frozenset({2}))

    with pytest.warns(LazyDicomWarning):
        array = lazydicom.open_series(tmp_path, on_gap="fill")

    assert "There is no frame at z 2" in array._repr_html_()


def test_a_mosaic_is_not_read_for_one_of_its_tiles() -> None:
    folder = require_shared_data("10_series/siemens_mosaic_interleave")

    html = lazydicom.open_series(folder)._repr_html_()

    assert "<img" not in html
    assert "takes more than itself to read" in html


def test_a_frame_that_is_far_away_is_not_fetched_to_be_shown() -> None:
    data = make_native(np.zeros((5, 30, 20), np.uint16))
    with RangeServer({"a.dcm": data}) as server:
        array = lazydicom.open_image(server.url("a.dcm"))
        asked = len(server.requests)

        html = array._repr_html_()

        assert len(server.requests) == asked
    assert "<img" not in html
    assert "is far away: it is read when it is asked for" in html
