"""What is decided once for frames that begin alike is never taken for others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest
from codec_frames import decode, make_frame

from lazydicom.errors import DecodeError, LazyDicomError

if TYPE_CHECKING:
    from lazydicom._decode.format import FrameFormat

JPEG: Final = "1.2.840.10008.1.2.4."


@pytest.mark.parametrize(
    "case",
    [
        f"{JPEG}50 RGB",
        f"{JPEG}51 12 in 16 bits",
        f"{JPEG}70 12 in 16 bits, signed",
        f"{JPEG}80 12 in 16 bits",
        f"{JPEG}90 12 in 16 bits",
        f"{JPEG}201 12 in 16 bits",
        "1.2.840.10008.1.2.5 12 in 16 bits",
    ],
)
def test_what_was_decided_for_one_file_is_not_taken_for_another(case: str) -> None:
    frame = make_frame(case)
    right, pixel = decode(frame.data, frame.format), frame.format.pixel
    unlike = [
        replace(frame.format, pixel=replace(pixel, rows=pixel.rows + 1)),
        replace(frame.format, pixel=replace(pixel, samples_per_pixel=2)),
        replace(frame.format, pixel=replace(pixel, bits_stored=7)),
        replace(frame.format, max_frame_bytes=10),
        replace(frame.format, color="stored"),
    ]
    alone = [_decoded(frame.data, format_) for format_ in unlike]

    for format_, expected in zip(unlike, alone, strict=True):
        assert np.array_equal(decode(frame.data, frame.format), right)
        assert _decoded(frame.data, format_) == expected

    assert [isinstance(one, str) for one in alone[:2]] == [True, True]
    assert isinstance(alone[3], str)
    assert alone[2] != alone[4]


def _decoded(data: bytes, format_: FrameFormat) -> object:
    """Return values as bytes, or the text of the error."""
    try:
        return decode(data, format_).tobytes()
    except LazyDicomError as error:
        return str(error)


@pytest.mark.parametrize("uid", [f"{JPEG}90", f"{JPEG}201"])
def test_segments_behind_a_main_header_seen_before_are_read(uid: str) -> None:
    frame = make_frame(f"{uid} 12 in 16 bits")
    data, sot = frame.data, frame.data.index(b"\xff\x90")
    comment = b"\xff\x64\x00\x06\x00\x01ab"
    longer = data[:sot] + comment + data[sot:]
    cut = data[:sot] + b"\xff\x52\x00\x00" + data[sot:]

    for codestream in (data, longer, data):
        assert np.array_equal(decode(codestream, frame.format), frame.values)
        with pytest.raises(DecodeError, match="Expected a marker segment"):
            decode(cut, frame.format)
        with pytest.raises(DecodeError):
            decode(data[: sot + 20], frame.format)
