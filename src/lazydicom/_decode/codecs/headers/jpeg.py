"""The header of a JPEG or JPEG-LS codestream (ISO/IEC 10918-1 annex B, 14495-1 annex C)."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from lazydicom._bytes.source import BytesLike
from lazydicom._decode.preflight import Codestream
from lazydicom.errors import DecodeError

SOF_LOSSLESS: Final = 0xC3
SOF_PROGRESSIVE: Final = 0xC2
SOF_JPEG_LS: Final = 0xF7
LOSSLESS: Final = frozenset((SOF_LOSSLESS, SOF_JPEG_LS))
"""Processes that code samples as they are, near-lossless JPEG-LS among them."""

FIRST_BYTES: Final = (b"\xff\xd8\xff",)
"""SOI and the next marker."""

_MOST_SEGMENTS: Final = 4096
"""A profile of the largest size takes 255 of them."""
_MOST_HEADERS: Final = 2048
"""Bytes that nearly every header has at most; the codestream need not be copied."""
_SOI: Final = b"\xff\xd8"
_SOS: Final = 0xDA
_EOI: Final = 0xD9
_DRI: Final = 0xDD
_LSE: Final = 0xF8
_PRESETS: Final = b"\x01"
"""The kind of LSE that presets coding parameters of JPEG-LS."""
_APP0: Final = 0xE0
_APP14: Final = 0xEE
_FRAME_HEADERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {
    SOF_JPEG_LS
}
_TABLES: Final = frozenset((0xC4, 0xDB))
"""DHT and DQT, which say nothing of a frame: encoders optimize them for each."""
_WITHOUT_LENGTH: Final = frozenset((0x01, *range(0xD0, 0xD9)))
_UNLIKE_SEGMENTS: Final = _WITHOUT_LENGTH | {_EOI, 0xFF}
"""What stands between segments: marks alone, and fill bytes."""


class JpegHeader(NamedTuple):
    """What stands before the first scan."""

    codestream: Codestream
    process: int
    """Code of the frame header: 0xC0 baseline … 0xC3 lossless, 0xF7 JPEG-LS."""
    component_ids: bytes
    jfif: bool
    adobe_transform: int | None
    """From the Adobe marker: 0 as given, 1 YCbCr; ``None`` without one."""
    scan: int
    """Offset of the first scan header."""
    largest: int
    """MAXVAL of JPEG-LS, 0 where it is not told."""
    sampling: bytes
    """Of each component: how often it is sampled, across and down, in 4 bits each."""
    restart_interval: int
    """Units between restart markers, 0 where there are none."""
    scan_header: bytes
    """The segment of the first SOS."""


class _Seen(NamedTuple):
    """A header, and the bytes that make it: those from SOI to the end of the first SOS."""

    encoded: bytes
    header: JpegHeader
    said: bytes
    """The same bytes without tables; nothing where they are framed in an odd way."""


_last: _Seen | None = None
"""The frames of a file mostly begin with the same bytes, and reading them takes 10 µs."""


def read_jpeg_header(data: BytesLike) -> JpegHeader:
    """Read the markers from SOI to the first SOS.

    Raises
    ------
    DecodeError
        If there is no such header, or it is cut.
    """
    global _last  # noqa: PLW0603 (replaced as a whole: threads never see half of it)
    seen = _last
    if seen is None or bytes(data[: len(seen.encoded)]) != seen.encoded:
        other_tables = None if seen is None else _with_other_tables(data, seen)
        seen = _last = other_tables or _read_long_header(data)
    return seen.header


def _with_other_tables(data: BytesLike, seen: _Seen) -> _Seen | None:
    """Return a header that differs from one that was read in tables alone, else ``None``."""
    head = bytes(data[:_MOST_HEADERS])
    said, scan, end = _without_tables(head)
    if not said or said != seen.said:
        return None
    return _Seen(head[:end], seen.header._replace(scan=scan), said)


def _without_tables(data: bytes) -> tuple[bytes, int, int]:
    """Return a header without tables, and where the first SOS begins and ends.

    Nothing where there is anything but whole segments with lengths.
    """
    segments, at = [], 2
    while data[:2] == _SOI and at + 4 <= len(data) and data[at] == 0xFF:
        code, end = data[at + 1], at + 2 + (data[at + 2] << 8 | data[at + 3])
        if code in _UNLIKE_SEGMENTS or not at + 4 <= end <= len(data):
            break
        if code not in _TABLES:
            segments.append(data[at:end])
        if code == _SOS:
            return b"".join(segments), at, end
        at = end
    return b"", 0, 0


def _read_long_header(data: BytesLike) -> _Seen:
    if len(data) > _MOST_HEADERS:
        try:
            return _read_header(bytes(data[:_MOST_HEADERS]))
        except DecodeError:
            pass  # it may be longer: profiles and comments are
    return _read_header(bytes(data))


def _read_header(data: bytes) -> _Seen:
    if data[:2] != _SOI:
        raise DecodeError(f"Expected SOI (FFD8), found {_print(data[:2])}")
    frame, process, components = None, 0, b""
    jfif, adobe = False, None
    at = end = largest = interval = 0
    for at, code, end in _segments(data):
        if code in _FRAME_HEADERS:
            if frame is not None:
                raise DecodeError("Expected one frame header (SOF), found two")
            frame, components = _frame_header(data[at + 4 : end])
            process = code
        elif code == _APP0:
            jfif = jfif or data.startswith(b"JFIF", at + 4, end)
        elif (
            code == _APP14 and data.startswith(b"Adobe", at + 4, end) and end > at + 15
        ):
            adobe = data[at + 15]
        elif code == _LSE and data.startswith(_PRESETS, at + 4, end):
            largest = int.from_bytes(data[at + 5 : at + 7], "big")
        elif code == _DRI:
            interval = int.from_bytes(data[at + 4 : end], "big")
    if frame is None:
        raise DecodeError("Expected a frame header (SOF) before the first scan")
    header = JpegHeader(
        frame,
        process,
        component_ids=components[::3],
        jfif=jfif,
        adobe_transform=adobe,
        scan=at,
        largest=largest,
        sampling=components[1::3],
        restart_interval=interval,
        scan_header=data[at:end],
    )
    return _Seen(data[:end], header, _without_tables(data)[0])


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield where each marker segment begins, its code and where it ends, up to SOS."""
    end = 2
    for _ in range(_MOST_SEGMENTS):
        at, code, end = _segment(data, end)
        yield at, code, end
        if code == _SOS:
            return
    raise DecodeError(f"More than {_MOST_SEGMENTS} segments before a JPEG scan")


def _segment(data: bytes, at: int) -> tuple[int, int, int]:
    """Return where the marker segment at `at` begins, its code and where it ends."""
    try:
        if data[at] != 0xFF:
            message = f"Expected a marker, found {_print(data[at : at + 2])}"
            raise DecodeError(message)
        while data[at + 1] == 0xFF:  # fill bytes
            at += 1
        code = data[at + 1]
        if code in _WITHOUT_LENGTH:
            return at, code, at + 2
        end = at + 2 + (data[at + 2] << 8 | data[at + 3])
    except IndexError:
        code, end = _EOI, at
    if code == _EOI or end < at + 4 or end > len(data):
        raise DecodeError(f"The JPEG header is cut at byte {at} of the codestream")
    return at, code, end


def _frame_header(segment: bytes) -> tuple[Codestream, bytes]:
    if len(segment) < 6 or len(segment) < 6 + 3 * segment[5]:
        raise DecodeError(f"The frame header (SOF) has {len(segment)} bytes: too few")
    rows = int.from_bytes(segment[1:3], "big")
    columns = int.from_bytes(segment[3:5], "big")
    codestream = Codestream(rows, columns, segment[5], segment[0])
    return codestream, segment[6 : 6 + 3 * segment[5]]


def _print(found: bytes) -> str:
    return found.hex().upper() or "nothing"
