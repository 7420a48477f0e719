"""What is decided once for frames that begin alike is never taken for others."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest
from codec_frames import KINDS, SYNTAXES, decode, make_frame

from lazydicom._decode.codecs import jpeg, jpeg_2000, jpeg_ls, jpeg_xl
from lazydicom._decode.codecs.headers import jpeg as jpeg_header
from lazydicom._decode.codecs.headers import jpeg_xl as jpeg_xl_header
from lazydicom._decode.codecs.registry import CODECS
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
        f"{JPEG}110 12 in 16 bits",
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


SEEN: Final = (jpeg, jpeg_header, jpeg_2000, jpeg_ls, jpeg_xl, jpeg_xl_header)
"""Modules that remember what frames begin with."""


@pytest.mark.parametrize(
    "case",
    [
        f"{JPEG}50 RGB",
        f"{JPEG}50 8 bits",
        f"{JPEG}51 12 in 16 bits",
        f"{JPEG}70 12 in 16 bits",
        f"{JPEG}80 12 in 16 bits",
        f"{JPEG}80 RGB",
        f"{JPEG}90 12 in 16 bits",
        f"{JPEG}90 RGB",
        f"{JPEG}91 RGB",
        f"{JPEG}110 12 in 16 bits",
        f"{JPEG}110 RGB",
        f"{JPEG}201 12 in 16 bits",
        f"{JPEG}203 RGB",
    ],
)
def test_frames_seen_before_change_nothing_of_what_is_read(case: str) -> None:
    frame = make_frame(case)
    codec = CODECS[frame.format.transfer_syntax.codec or ""]
    random = Random(case)
    others = [frame.data, frame.data[: len(frame.data) // 2] + frame.data[-2:]]
    outcomes = set()

    def outcome(data: bytes) -> str:
        try:
            return repr(codec.preflight(data, frame.format))
        except LazyDicomError as error:
            return str(error)

    for _ in range(400):
        changed = _changed(random.choice(others), random)
        _forget()
        alone = outcome(changed)
        outcome(frame.data)
        assert outcome(changed) == alone
        assert outcome(frame.data) == outcome(memoryview(frame.data))  # type: ignore[arg-type]
        outcomes.add(alone)

    assert len(outcomes) > 5


def _forget() -> None:
    for module in SEEN:
        vars(module)["_last"] = None


def _changed(data: bytes, random: Random) -> bytes:
    """Change, cut, remove or repeat bytes, mostly of what stands before the first scan."""
    at = random.randrange(min(random.choice((12, 60, 700, len(data))), len(data)))
    length = random.choice((1, 2, 4, 18))
    match random.randrange(5):
        case 0:
            return data[:at] + random.randbytes(length) + data[at + length :]
        case 1:
            return data[:at]
        case 2:
            return data[:at] + data[at + length :]
        case 3:
            return data[:at] + data[at : at + length] + data[at:]
        case _:
            step = bytes([data[at] + random.choice((-1, 1)) & 255])
            return data[:at] + step + data[at + 1 :]


@pytest.mark.parametrize("bits", ["8 bits", "12 in 16 bits"])
def test_frames_with_huffman_tables_of_their_own_are_decided_once(
    bits: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = make_frame(f"{JPEG}70 {bits}")
    encode = next(one.encode for one in SYNTAXES if one.uid == f"{JPEG}70")
    kind = KINDS[bits]
    frames = [np.roll(frame.values // (k + 1), k, axis=1) for k in range(6)]
    streams = [encode(values, kind) for values in frames]
    assert len({stream[:60] for stream in streams}) > 2
    decode(streams[0], frame.format)
    monkeypatch.setattr(jpeg_header, "_read_long_header", None)
    monkeypatch.setattr(jpeg, "_decoding_of", None)

    for values, stream in zip(frames, streams, strict=True):
        assert np.array_equal(decode(stream, frame.format), values)


@pytest.mark.parametrize("case", [f"{JPEG}80 8 bits", f"{JPEG}110 RGB"])
def test_frames_that_begin_alike_are_decided_once(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = make_frame(case)
    decode(frame.data, frame.format)
    for module in (jpeg_ls, jpeg_xl):
        monkeypatch.setattr(module, "_decoding_of", None)

    for _ in range(3):
        assert np.array_equal(decode(frame.data, frame.format), frame.values)


@pytest.mark.parametrize("length", [2, 3, 4, 6, 7])
def test_a_scan_header_that_lacks_what_it_says_is_refused(length: int) -> None:
    frame = make_frame(f"{JPEG}80 8 bits")
    at = frame.data.index(b"\xff\xda")
    short = frame.data[: at + 2] + bytes((0, length)) + frame.data[at + 4 :]

    with pytest.raises(DecodeError, match="scan header"):
        decode(short, frame.format)
