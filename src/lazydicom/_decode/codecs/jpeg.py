"""JPEG: baseline, extended, progressive and lossless (PS3.5 section 8.2.1, annex A.4.1)."""

import re
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lazydicom._bytes.source import BytesLike
from lazydicom._decode.codec import Codec, Elsewhere, is_plain
from lazydicom._decode.codecs.headers.jpeg import (
    FIRST_BYTES,
    SOF_LOSSLESS,
    SOF_PROGRESSIVE,
    JpegHeader,
    read_jpeg_header,
)
from lazydicom._decode.codecs.jpeg_color import holds_ybr, overruled
from lazydicom._decode.format import FrameFormat
from lazydicom._decode.preflight import (
    END_OF_IMAGE,
    check_codestream,
    check_end,
    check_least,
    find_last,
)
from lazydicom._decode.samples import call_codec, decode_samples, fit_bits, to_rgb
from lazydicom.errors import DecodeError, UnsupportedError

_Decode: TypeAlias = Callable[[BytesLike, NDArray[Any]], None]

_HUFFMAN: Final = frozenset((0xC0, 0xC1, SOF_PROGRESSIVE, SOF_LOSSLESS))
_START_OF_SCAN: Final = b"\xff\xda"
_SCAN: Final = re.compile(rb"\xff\xda\x00[\x06-\x0c]([\x01-\x04])")
"""A scan header, as far as the number of its components."""
_RESTART: Final = re.compile(rb"\xff([\xd0-\xd7])")
_COUNTED: Final = bytes(range(0xD0, 0xD8))
"""Codes of restart markers, in their order."""
_MORE_DATA: Final = bytes(range(64))
"""Anything but a marker, to stand between the last pixel and EOI."""
_MOST_SCANS: Final = 128
"""Each scan of a progressive codestream costs a pass over the whole frame."""


def decode_jpeg(
    data: BytesLike, header: JpegHeader, format_: FrameFormat, out: NDArray[Any]
) -> None:
    """Decode one frame of any Huffman-coded, sequential or progressive process."""
    import imagecodecs

    color = holds_ybr(header, format_) and format_.color == "rgb"
    lossless = header.process == SOF_LOSSLESS  # libjpeg converts no lossless colour
    options: dict[str, Any] = {}
    marked = header.jfif or header.adobe_transform == 1
    as_marked = color and marked and not lossless  # libjpeg does it, 4 % faster
    if format_.pixel.samples_per_pixel > 1 and not as_marked:
        space = _components(header, format_)
        options = {"colorspace": space, "outcolorspace": "rgb"}
    bits = header.codestream.bits
    decode: _Decode = partial(
        decode_samples, imagecodecs.jpeg8_decode, bits=bits, **options
    )
    decode(data, out)
    if _may_be_made_up(data, header, out):
        _check_pixels(decode, data, header, out)
    # Bits that the codestream lacks are zeros and no sign, as in every other reader.
    wide = max(bits, format_.pixel.bits_stored)
    fit_bits(
        out, 8 * out.itemsize if lossless else wide, format_.pixel, lossy=not lossless
    )
    if color and lossless:
        to_rgb(out)


def _components(header: JpegHeader, format_: FrameFormat) -> str:
    """Return what libjpeg is told that components are.

    It is always told: without markers it takes RGB for YCbCr. "rgb" to "rgb" is no
    conversion, whatever the components are.
    """
    color = holds_ybr(header, format_) and format_.color == "rgb"
    return "ycbcr" if color and header.process != SOF_LOSSLESS else "rgb"


def decode_told(
    data: BytesLike, colorspace: str | None, outcolorspace: str | None
) -> NDArray[Any]:
    """Decode a codestream whose colours are told by others, as a store of tiles does.

    Raises
    ------
    DecodeError
        If it does not decode, or is cut.
    """
    import imagecodecs

    check_end(data, read_jpeg_header(data).scan, "EOI")
    spaces = {"colorspace": colorspace, "outcolorspace": outcolorspace}
    values: NDArray[Any] = call_codec(imagecodecs.jpeg8_decode, data, **spaces)
    return values


def _may_be_made_up(data: BytesLike, header: JpegHeader, out: NDArray[Any]) -> bool:
    """Return whether EOI may have come before the last pixel.

    Then libjpeg goes on in medium grey, without an error. What one of several scans lacks
    need not show there.
    """
    if header.process == SOF_PROGRESSIVE or not _has_one_scan(data, header):
        return True
    grey = 1 << header.codestream.bits - 1
    last = out[-1, -1:].ravel().tolist()
    # Negative where DICOM has a sign that JPEG has not.
    return last.count(grey) + last.count(-grey) == len(last)


def _has_one_scan(data: BytesLike, header: JpegHeader) -> bool:
    """Return whether the first scan of a sequential codestream has all components."""
    return data[header.scan + 4] == header.codestream.samples


def _check_pixels(
    decode: _Decode, data: BytesLike, header: JpegHeader, out: NDArray[Any]
) -> None:
    """Refuse pixels that come from no data: more data before EOI would change them.

    Behind the last pixel libjpeg steps over whatever stands there.
    """
    end = find_last(data, END_OF_IMAGE, header.scan)
    longer = np.empty_like(out)
    decode(bytes(data[:end]) + _MORE_DATA + END_OF_IMAGE, longer)
    if not np.array_equal(out, longer):
        raise DecodeError("Expected data of all pixels before EOI (FFD9): it is cut")


def preflight_jpeg(data: BytesLike, format_: FrameFormat) -> JpegHeader:
    """Check a codestream before libjpeg decodes it."""
    header = read_jpeg_header(data)
    if header.process not in _HUFFMAN:
        raise UnsupportedError(
            f"JPEG process SOF{header.process - 0xC0} has no decoder"
        )
    check_codestream(header.codestream, format_.pixel)
    check_least(len(data) - header.scan, _least_bytes(header), "JPEG scans")
    check_end(data, header.scan, "EOI")
    _check_components(data, header)
    _check_restarts(data, header)
    if header.process == SOF_PROGRESSIVE:
        scans = bytes(data).count(_START_OF_SCAN, header.scan)
        if scans > _MOST_SCANS:
            raise DecodeError(f"Expected at most {_MOST_SCANS} scans, found {scans}")
    return header


def _check_components(data: BytesLike, header: JpegHeader) -> None:
    """Check that each component has a scan: without one libjpeg makes it grey."""
    if _has_one_scan(data, header):
        return
    scanned = set[int]()
    for scan in _SCAN.finditer(data, header.scan):
        scanned.update(data[scan.end() : scan.end() + 2 * scan[1][0] : 2])
    lacking = bytes(set(header.component_ids) - scanned)
    if lacking:
        raise DecodeError(
            f"Expected a scan of component {lacking.hex(' ')}, found none"
        )


def _check_restarts(data: BytesLike, header: JpegHeader) -> None:
    """Check that no restart interval lacks: what follows would take its place.

    They are counted from 0 to 7, over and over; one at the end does no harm.
    """
    if not header.restart_interval or header.process == SOF_PROGRESSIVE:
        return
    if not _has_one_scan(data, header):
        return  # they are counted anew in each scan
    expected = -(-_units(header) // header.restart_interval) - 1
    restarts = b"".join(_RESTART.findall(data, header.scan))
    check_least(len(data) - header.scan, 3 * expected, "restart intervals")
    counted = (_COUNTED * (expected // 8 + 1))[:expected]
    if restarts[:expected] != counted or len(restarts) > expected + 1:
        raise DecodeError(
            f"Expected {expected} restart markers in their order, found {len(restarts)}"
        )


@lru_cache(maxsize=16)
def _least_bytes(header: JpegHeader) -> int:
    """Return how many bytes the scans of such a frame have at the very least.

    A bit for each sample (lossless), for the first coefficient of each block (progressive),
    two for each block (a coefficient, and the end of the block).
    """
    rows, columns, samples, _ = header.codestream
    sampling = [(one >> 4 or 1, one & 15 or 1) for one in header.sampling[:samples]]
    widest, highest = (max(one) for one in zip(*sampling, strict=True))
    edge = 1 if header.process == SOF_LOSSLESS else 8
    units: int = sum(
        -(-columns * across // widest // edge) * -(-rows * down // highest // edge)
        for across, down in sampling
    )
    bits = 1 if header.process in {SOF_LOSSLESS, SOF_PROGRESSIVE} else 2
    return units * bits // 8


def _units(header: JpegHeader) -> int:
    """Count the units of a scan of all components, which restart intervals are of."""
    rows, columns, samples, _ = header.codestream
    sampling = header.sampling if samples > 1 else b"\x11"
    edge = 1 if header.process == SOF_LOSSLESS else 8
    across = edge * max(1, *(one >> 4 for one in sampling))
    down = edge * max(1, *(one & 15 for one in sampling))
    return -(-rows // down) * -(-columns // across)


def _elsewhere(data: BytesLike, format_: FrameFormat) -> Elsewhere | None:
    header = preflight_jpeg(data, format_)
    config = {"id": "imagecodecs_jpeg"}
    if _is_plain_color(header, format_):
        space = _components(header, format_)
        config |= {"colorspace_jpeg": space, "colorspace_data": "rgb"}
    elif not is_plain(header.codestream.bits, format_):
        return None
    prefix = 0 if header.restart_interval else header.scan  # an interval may be missing
    return Elsewhere(config, prefix)


def _is_plain_color(header: JpegHeader, format_: FrameFormat) -> bool:
    """Return whether samples of three colours come out as we give them, bit by bit."""
    pixel = format_.pixel
    bytes_alone = header.codestream.bits == pixel.bits_stored == 8
    lossy = header.process != SOF_LOSSLESS
    return (
        pixel.samples_per_pixel == 3
        and pixel.dtype == np.uint8
        and bytes_alone
        and lossy
    )


JPEG: Final = Codec(
    "jpeg",
    preflight_jpeg,
    decode_jpeg,
    first_bytes=FIRST_BYTES,
    ends_with_marker=True,
    probe=b"\xfe" * 64,  # libjpeg reads zeros behind the end
    oddities=overruled,
    elsewhere=_elsewhere,
    media_types={"image/jpeg": "1.2.840.10008.1.2.4.70"},
)
