"""RLE as others write it: what stands behind a full plane, and before the first segment."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest
from codec_frames import KINDS, Kind, _pack, decode, format_of, make_pixels

from lazydicom.errors import DecodeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

RLE: Final = "1.2.840.10008.1.2.5"
TAILS: Final = {
    "one byte 20": b"\x20",
    "FF FF": b"\xff\xff",
    "no operation": b"\x80\x80\x80",
    "zeros": bytes(9),
    "a run that is cut": b"\x05\x01\x02",
    "a literal without end": b"\x7f" + bytes(range(60)),
    "text": b"some encoder's comment",
    "a run": b"\xf0\x07",
}


def _frame(segments: list[bytes], *, first: int = 64, gap: int = 0) -> bytes:
    starts, body = [], bytes(first - 64)
    for segment in segments:
        starts.append(64 + len(body))
        body += segment + bytes(gap)
    table = [len(segments), *starts, *[0] * (15 - len(segments))]
    return struct.pack("<16I", *table) + body


def _segments(values: NDArray[np.generic], kind: Kind) -> list[bytes]:
    octets = values.reshape(*kind.shape, -1)[..., np.newaxis].view(np.uint8)
    octets = octets.reshape(*kind.shape, kind.samples, -1)
    return [
        b"".join(_pack(row.tobytes()) for row in octets[:, :, sample, byte])
        for sample in range(kind.samples)
        for byte in reversed(range(octets.shape[-1]))
    ]


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("kind", ["8 bits", "16 bits", "12 in 16 bits, signed", "RGB"])
def test_what_stands_behind_a_full_plane_does_not_matter(kind: str, tail: str) -> None:
    values = make_pixels(KINDS[kind])
    segments = _segments(values, KINDS[kind])
    every = [segment + TAILS[tail] for segment in segments]
    last = [*segments[:-1], segments[-1] + TAILS[tail]]

    for made in (every, last):
        back = decode(_frame(made), format_of(RLE, KINDS[kind]))

        assert np.array_equal(back, values)


@pytest.mark.parametrize("excess", [1, 2, 50])
def test_a_last_run_may_be_too_long(excess: int) -> None:
    kind = Kind("u1", 8, 8, shape=(61, 83))
    values = np.full(kind.shape, 7, np.uint8)
    left = values.size
    segment = b""
    while left > 60:
        count = min(left - 60, 128)
        segment += bytes([257 - count, 7]) if count > 1 else b"\x00\x07"
        left -= count
    segment += bytes([257 - left - excess, 7])

    assert np.array_equal(decode(_frame([segment]), format_of(RLE, kind)), values)


@pytest.mark.parametrize("first", [64, 65, 66, 72, 512])
@pytest.mark.parametrize("gap", [0, 3])
@pytest.mark.parametrize("kind", ["8 bits", "16 bits", "RGB"])
def test_segments_may_begin_behind_byte_64(kind: str, gap: int, first: int) -> None:
    values = make_pixels(KINDS[kind])
    segments = _segments(values, KINDS[kind])

    back = decode(_frame(segments, first=first, gap=gap), format_of(RLE, KINDS[kind]))

    assert np.array_equal(back, values)


@pytest.mark.parametrize("tail", [b"", *TAILS.values()])
@pytest.mark.parametrize("lost", [1, 2, 40])
def test_a_plane_that_is_not_full_is_an_error(lost: int, tail: bytes) -> None:
    kind = KINDS["16 bits"]
    high, low = _segments(make_pixels(kind), kind)
    rows = low[: len(low) // 3]

    with pytest.raises(DecodeError, match="RLE segment"):
        decode(_frame([high, rows[:-lost] + tail[:1]]), format_of(RLE, kind))


@pytest.mark.parametrize("more", [1, 2, 5])
def test_whole_rows_more_are_another_image(more: int) -> None:
    kind = Kind("u1", 8, 8, shape=(20, 30))
    taller = make_pixels(Kind("u1", 8, 8, shape=(20 + more, 30)))
    segments = _segments(taller, Kind("u1", 8, 8, shape=taller.shape))

    with pytest.raises(DecodeError, match="found more"):
        decode(_frame(segments), format_of(RLE, kind))
