"""JPEG and JPEG-LS without end marker: read on request, if no pixel lacks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import imagecodecs
import numpy as np
import pytest
from codec_frames import CASES, KINDS, decode, format_of, make_frame
from encapsulated_files import make_encapsulated
from noting import noting

import lazydicom
from lazydicom._decode.frame import decode_frame
from lazydicom.errors import DecodeError, LazyDicomWarning

if TYPE_CHECKING:
    from codec_frames import Frame
    from encapsulated_files import Table

    from lazydicom._decode.format import Isolation

JPEG: Final = "1.2.840.10008.1.2.4."
FAMILY: Final = [
    case
    for case in CASES
    if case.split()[0].removeprefix(JPEG) in {"50", "51", "57", "70", "80", "81"}
]


def allowed(case: str) -> Frame:
    frame = make_frame(case)
    return replace(frame, format=replace(frame.format, allow_truncated=True))


@pytest.mark.parametrize("case", FAMILY)
def test_a_frame_without_end_marker_is_read_where_that_is_allowed(case: str) -> None:
    frame = allowed(case)
    whole = decode(frame.data, frame.format)
    for behind in (b"", b"\0", b"\xff", b"\xff\0"):
        data = frame.data[:-2] + behind
        with noting(behind=behind):
            out = np.full_like(whole, 77)
            odd = decode_frame(data, 0, frame.format, out)

            assert np.array_equal(out, whole)
            assert any("FFD9" in one for one in odd)
            with pytest.raises(DecodeError, match="FFD9"):
                decode(data, replace(frame.format, allow_truncated=False))


@pytest.mark.parametrize("case", FAMILY)
def test_a_frame_that_lacks_more_than_the_marker_is_an_error(case: str) -> None:
    frame = allowed(case)
    whole = decode(frame.data, frame.format)
    refused = 0
    for cut in (*range(3, 40), *range(40, len(frame.data) - 700, 311)):
        try:
            values = decode(frame.data[:-cut], frame.format)
        except DecodeError:
            refused += 1
        else:  # the last byte may have held nothing but padding
            assert cut == 3
            assert np.array_equal(values, whole)

    assert refused


@pytest.mark.parametrize("near", [0, 2])
def test_no_cut_of_small_frames_gives_other_pixels(near: int) -> None:
    kind = replace(KINDS["8 bits"], shape=(17, 23))
    format_ = replace(format_of(f"{JPEG}80", kind), allow_truncated=True)
    rng = np.random.default_rng(near)
    for _ in range(150):
        values = rng.normal(90, rng.uniform(0, 9), kind.shape).clip(0, 255)
        data = bytes(imagecodecs.jpegls_encode(values.astype(np.uint8), level=near))
        whole = decode(data, format_)
        for cut in (2, 3, 4, 5):
            try:
                back = decode(data[:-cut], format_)
            except DecodeError:
                assert cut > 2
            else:
                assert np.array_equal(back, whole)


@pytest.mark.parametrize("tail", ["50", "70", "80"])
@pytest.mark.parametrize("isolation", ["none", "process"])
def test_open_image_warns_of_it(tail: str, isolation: Isolation) -> None:
    frame = make_frame(f"{JPEG}{tail} 8 bits")
    file = make_encapsulated(
        [frame.data[:-2]],
        rows=61,
        columns=83,
        bits_allocated=8,
        transfer_syntax=f"{JPEG}{tail}",
    )
    array = lazydicom.open_image(file, allow_truncated=True, isolation=isolation)

    with pytest.warns(LazyDicomWarning, match=r"FFD9\) is missing, and no pixel is"):
        values = array[0]

    assert np.array_equal(values, decode(frame.data, frame.format))


def test_progressive_jpeg_may_lack_scans_and_is_refused() -> None:
    frame = allowed(f"{JPEG}55 8 bits")

    with pytest.raises(DecodeError, match="whether scans lack"):
        decode(frame.data[:-2], frame.format)


@pytest.mark.parametrize("table", ["basic", "empty", "extended"])
@pytest.mark.parametrize("tail", ["50", "70", "80"])
def test_each_of_several_frames_may_lack_it(tail: str, table: Table) -> None:
    frame = make_frame(f"{JPEG}{tail} 8 bits")
    stream = frame.data[:-2]
    file = make_encapsulated(
        [stream + bytes(len(stream) % 2)] * 3,
        table=table,
        rows=61,
        columns=83,
        bits_allocated=8,
        transfer_syntax=f"{JPEG}{tail}",
    )
    array = lazydicom.open_image(file, allow_truncated=True)

    with pytest.warns(LazyDicomWarning, match="no pixel is"):
        values = np.asarray(array)

    assert np.array_equal(values, [decode(frame.data, frame.format)] * 3)
