"""The header of a JPEG XL codestream (ISO/IEC 18181-1 annex D, 18181-2 clause 9)."""

from typing import Final, NamedTuple

from lazydicom._bytes.source import BytesLike
from lazydicom._decode.preflight import Codestream
from lazydicom.errors import DecodeError, UnsupportedError

_SIGNATURE: Final = b"\xff\x0a"
_CONTAINER: Final = b"\x00\x00\x00\x0cJXL \r\n\x87\n"
FIRST_BYTES: Final = (_SIGNATURE, _CONTAINER[:8])
_HEADER_BYTES: Final = 64
_CODESTREAM: Final = {b"jxlc": 0, b"jxlp": 4}
"""Boxes that hold it, and how many bytes stand before it there."""
_RATIOS: Final = ((1, 1), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_SIZES: Final = ((1, 9), (1, 13), (1, 18), (1, 30))
_ENUMS: Final = ((0, 0), (1, 0), (2, 4), (18, 6))
_GRAY: Final = 1


class JpegXlHeader(NamedTuple):
    """What a codestream says of itself, and the boxes around it."""

    codestream: Codestream
    decodes_to_rgb: bool
    """Whether colour comes out as RGB: it is XYB, or that of a recompressed JPEG."""


class _Seen(NamedTuple):
    """A header, and the bytes of a codestream without boxes that make it."""

    encoded: bytes
    header: JpegXlHeader


_last: _Seen | None = None
"""The frames of a file mostly begin alike, and reading bit by bit takes 15 µs."""


class BitReader:
    """A cursor over the bits of a short header.

    >>> bits = BitReader(bytes([0b_101_1]))
    >>> bits.read(1), bits.read(3)
    (1, 5)
    """

    def __init__(self, data: bytes) -> None:
        self._left = int.from_bytes(data, "little")
        self.spare = 8 * len(data)
        """Bits that are left; negative when more were read than there are."""

    def read(self, count: int) -> int:
        """Read one number."""
        value = self._left & ((1 << count) - 1)
        self._left >>= count
        self.spare -= count
        return value

    def choose(self, *kinds: tuple[int, int]) -> int:
        """Read a number whose kind, an offset and a count of bits, is told by 2 bits."""
        offset, count = kinds[self.read(2)]
        return offset + self.read(count)


def read_jpeg_xl_header(data: BytesLike) -> JpegXlHeader:
    """Read size, precision, number of colours and how they are coded.

    Raises
    ------
    DecodeError
        If there is no such header, or it is cut.
    UnsupportedError
        If it speaks of an animation, of floating-point or of extra channels.
    """
    global _last  # noqa: PLW0603 (replaced as a whole: threads never see half of it)
    seen = _last
    if seen is not None and data[: len(seen.encoded)] == seen.encoded:
        return seen.header
    codestream, recompressed = _unbox(data)
    if codestream[:2] != _SIGNATURE:
        beginning = data[:12].hex().upper() or "nothing"
        raise DecodeError(f"Expected a JPEG XL signature (FF0A), found {beginning}")
    bits = BitReader(codestream[2:])
    rows, columns = _size(bits)
    precision, samples, xyb = _metadata(bits)
    if bits.spare < 0:
        raise DecodeError("The JPEG XL header is cut")
    frame = Codestream(rows, columns, samples, precision)
    header = JpegXlHeader(frame, decodes_to_rgb=xyb or recompressed)
    if data[:2] == _SIGNATURE:  # no other bit was looked at
        _last = _Seen(codestream[: len(codestream) - bits.spare // 8], header)
    return header


def _unbox(data: BytesLike) -> tuple[bytes, bool]:
    """Return the first bytes of the codestream, and whether a JPEG can be made of it.

    A container has it in a box (jxlc), or in several (jxlp, each with a number before).
    """
    if data[: len(_CONTAINER)] != _CONTAINER:
        return bytes(data[:_HEADER_BYTES]), False
    codestream, recompressed, at = b"", False, 0
    while at + 8 <= len(data) and len(codestream) < _HEADER_BYTES:
        length = int.from_bytes(data[at : at + 4], "big")
        kind, body = bytes(data[at + 4 : at + 8]), at + 8
        if length == 1:
            length, body = int.from_bytes(data[body : body + 8], "big"), body + 8
        stop = at + length if length else len(data)  # 0: up to the end
        if stop < body:
            break
        if kind in _CODESTREAM:
            start = body + _CODESTREAM[kind]
            codestream += bytes(data[start : min(stop, start + _HEADER_BYTES)])
        recompressed = recompressed or kind == b"jbrd"
        at = stop
    if not codestream:
        raise DecodeError("Expected a box with a codestream (jxlc), found none")
    return codestream, recompressed


def _size(bits: BitReader) -> tuple[int, int]:
    small = bits.read(1)
    rows = 8 * (bits.read(5) + 1) if small else bits.choose(*_SIZES)
    ratio = bits.read(3)
    if ratio:
        across, down = _RATIOS[ratio]
        return rows, rows * across // down
    return rows, 8 * (bits.read(5) + 1) if small else bits.choose(*_SIZES)


def _metadata(bits: BitReader) -> tuple[int, int, bool]:
    """Read bits per sample, the number of colours and whether they are XYB (table D.2)."""
    if bits.read(1):  # all is as by default: 8 bits, sRGB
        return 8, 3, True
    if bits.read(1):  # extra fields
        if bits.read(3):
            raise UnsupportedError("JPEG XL with an orientation has no decoder")
        if bits.read(1) | bits.read(1) | bits.read(1):
            raise UnsupportedError("JPEG XL with a preview or animation has no decoder")
    if bits.read(1):
        raise UnsupportedError("JPEG XL with floating-point samples has no decoder")
    precision = bits.choose((8, 0), (10, 0), (12, 0), (1, 6))
    bits.read(1)  # whether 16-bit buffers suffice
    if bits.choose((0, 0), (1, 0), (2, 4), (1, 12)):
        raise UnsupportedError("JPEG XL with extra channels has no decoder")
    xyb = bool(bits.read(1))
    if bits.read(1):  # colour encoding as by default: sRGB
        return precision, 3, xyb
    bits.read(1)  # whether an ICC profile follows
    return precision, 1 if bits.choose(*_ENUMS) == _GRAY else 3, xyb
