"""Scans of a JPEG codestream: whether any of it lacks (ISO/IEC 10918-1 annex B.2).

Decoders make up what a scan, or a restart interval, would have told.
"""

import re
from functools import lru_cache
from typing import Final

from lazydicom._bytes.source import BytesLike
from lazydicom._decode.codecs.headers.jpeg import (
    SOF_LOSSLESS,
    SOF_PROGRESSIVE,
    JpegHeader,
)
from lazydicom._decode.preflight import check_least
from lazydicom.errors import DecodeError

_START_OF_SCAN: Final = b"\xff\xda"
_SCAN: Final = re.compile(rb"\xff\xda\x00[\x06-\x0c]([\x01-\x04])")
"""A scan header, as far as the number of its components."""
_RESTART: Final = re.compile(rb"\xff([\xd0-\xd7])")
_COUNTED: Final = bytes(range(0xD0, 0xD8))
"""Codes of restart markers, in their order."""
_MOST_SCANS: Final = 128
"""Each scan of a progressive codestream costs a pass over the whole frame."""


def check_scans(data: BytesLike, header: JpegHeader) -> None:
    """Check that neither a scan nor a restart interval lacks, nor are there too many."""
    _check_components(data, header)
    _check_restarts(data, header)
    if header.process == SOF_PROGRESSIVE:
        scans = bytes(data).count(_START_OF_SCAN, header.scan)
        if scans > _MOST_SCANS:
            raise DecodeError(f"Expected at most {_MOST_SCANS} scans, found {scans}")


def has_one_scan(data: BytesLike, header: JpegHeader) -> bool:
    """Return whether the first scan of a sequential codestream has all components."""
    return data[header.scan + 4] == header.codestream.samples


@lru_cache(maxsize=16)
def least_bytes(header: JpegHeader) -> int:
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


def _check_components(data: BytesLike, header: JpegHeader) -> None:
    """Check that each component has a scan: without one libjpeg makes it grey."""
    if has_one_scan(data, header):
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
    if not has_one_scan(data, header):
        return  # they are counted anew in each scan
    expected = -(-_units(header) // header.restart_interval) - 1
    restarts = b"".join(_RESTART.findall(data, header.scan))
    check_least(len(data) - header.scan, 3 * expected, "restart intervals")
    counted = (_COUNTED * (expected // 8 + 1))[:expected]
    if restarts[:expected] != counted or len(restarts) > expected + 1:
        raise DecodeError(
            f"Expected {expected} restart markers in their order, found {len(restarts)}"
        )


def _units(header: JpegHeader) -> int:
    """Count the units of a scan of all components, which restart intervals are of."""
    rows, columns, samples, _ = header.codestream
    sampling = header.sampling if samples > 1 else b"\x11"
    edge = 1 if header.process == SOF_LOSSLESS else 8
    across = edge * max(1, *(one >> 4 for one in sampling))
    down = edge * max(1, *(one & 15 for one in sampling))
    return -(-rows // down) * -(-columns // across)
