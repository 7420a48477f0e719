"""The header of a JPEG 2000 codestream (ISO/IEC 15444-1 annex A, 15444-15 annex A)."""

import struct
from typing import Final, NamedTuple

from lazydicom._bytes.source import BytesLike
from lazydicom._decode.preflight import END_OF_IMAGE, Codestream, check_least, find_last
from lazydicom.errors import DecodeError, UnsupportedError

_SOC_SIZ: Final = b"\xff\x4f\xff\x51"
_JP2_SIGNATURE: Final = b"\x00\x00\x00\x0cjP  "
FIRST_BYTES: Final = (_SOC_SIZ, _JP2_SIGNATURE)
"""SOC and SIZ, or a JP2 file."""
_SIZ: Final = struct.Struct(">HH8IH")
_SOT: Final = b"\xff\x90"
_SOT_LENGTH: Final = 12
_SOT_PLACE: Final = struct.Struct(">HIBB")
"""Tile, length, number of this tile-part, and how many there are: 0 where it is not told."""
_SOD: Final = b"\xff\x93"
_ONE_TILE_PART: Final = struct.Struct(">2s4xIBB2s")
"""SOT, its length, number and count, and what follows it."""
_END_OF_SEGMENTS: Final = (_SOT, _SOD, END_OF_IMAGE)
_COD: Final = b"\xff\x52"
_TRANSFORM: Final = {_COD: 13, b"\xff\x53": 10}
"""Where COD and COC tell the wavelet transform: 1 is the reversible one."""
_QCC: Final = b"\xff\x5d"
_QUANTIZATION: Final = (b"\xff\x5c", _QCC)
_SCALAR: Final = frozenset((1, 2))
"""Styles of quantization other than none."""
_SUBSAMPLED: Final = frozenset(((2, 1), (2, 2), (1, 2)))
"""Steps of chrominance, across and down."""
_MOST_BIT_PLANES: Final = 30
_MOST_TILES: Final = 65535


class Jpeg2000Header(NamedTuple):
    """What the SIZ marker segment says, and some of what others say."""

    codestream: Codestream
    signed: bool
    high_throughput: bool
    """Whether blocks are coded as Part 15 has it."""
    part_2: bool
    """Whether extensions of Part 2 are used."""
    tiles: int
    start: int
    """Offset of SOC: a JP2 file may be wrapped around the codestream."""
    quantized: bool = False
    """Whether coefficients are; segments behind SIZ tell, as they do the rest."""
    mixed: bool = False
    """Whether components are transformed into each other."""
    reversible: bool = True
    """Whether the wavelet transform of all components is."""
    subsampled: bool = False
    """Whether chrominance is coded in fewer samples."""
    layers: int = 1
    """Quality layers, as COD of the main header tells."""


def read_jpeg_2000_header(data: BytesLike) -> Jpeg2000Header:
    """Read SOC and SIZ.

    Raises
    ------
    DecodeError
        If they are not there, or contradict themselves.
    UnsupportedError
        If components differ in size, sign or precision.
    """
    boxed = data[: len(_JP2_SIGNATURE)] == _JP2_SIGNATURE
    start = bytes(data).find(_SOC_SIZ) if boxed else 0
    if start < 0 or data[start : start + 4] != _SOC_SIZ:
        beginning = data[:4].hex().upper() or "nothing"
        raise DecodeError(f"Expected SOC and SIZ (FF4F FF51), found {beginning}")
    at = start + 4
    if len(data) < at + _SIZ.size + 3:
        raise DecodeError("The codestream is cut in SIZ")
    length, extensions, *grid, samples = _SIZ.unpack_from(data, at)
    components = bytes(data[at + _SIZ.size : at + length])
    if length != _SIZ.size + 3 * samples or len(components) != 3 * samples:
        raise DecodeError(f"SIZ has {length} bytes for {samples} components")
    tiles = _count_tiles(*grid)
    subsampled = _are_subsampled(components)
    alike = components == components[:3] * samples and components[1:3] == b"\x01\x01"
    if not alike and not subsampled:
        raise UnsupportedError("Components of unlike size, sign or precision")
    columns, rows = grid[0] - grid[2], grid[1] - grid[3]
    found_frame = Codestream(rows, columns, samples, (components[0] & 0x7F) + 1)
    return Jpeg2000Header(
        found_frame,
        signed=bool(components[0] & 0x80),
        high_throughput=bool(extensions & 0x4000),
        part_2=bool(extensions & 0x8000),
        tiles=tiles,
        start=start,
        subsampled=subsampled,
    )


def _are_subsampled(components: bytes) -> bool:
    """Return whether there are luminance and two smaller planes of chrominance."""
    luma, *chroma = (components[at : at + 3] for at in range(0, len(components), 3))
    if len(chroma) != 2 or chroma[0] != chroma[1] or luma[1:] != b"\x01\x01":
        return False
    return chroma[0][:1] == luma[:1] and tuple(chroma[0][1:]) in _SUBSAMPLED


def read_main_segments(
    data: BytesLike, header: Jpeg2000Header
) -> tuple[int, Jpeg2000Header]:
    """Return where the first tile-part begins, and what the segments before it say.

    Raises
    ------
    DecodeError
        If one runs past the end, or quantization is beyond what a decoder holds in 32 bits.
    """
    length_of_siz = int.from_bytes(data[header.start + 4 : header.start + 6], "big")
    return _step_over_segments(data, header.start + 4 + length_of_siz, header)


def is_one_tile_part(data: BytesLike, at: int, header: Jpeg2000Header) -> bool:
    """Return whether a codestream ends with its only tile-part, which has no segments.

    Nearly all do; then there is nothing more in it to look at. See `check_tile_parts`.
    """
    if header.tiles != 1 or len(data) < at + _ONE_TILE_PART.size:
        return False
    sot, length, _, parts, sod = _ONE_TILE_PART.unpack_from(data, at)
    end = at + length
    return (
        sot == _SOT
        and sod == _SOD
        and parts <= 1
        and length >= _ONE_TILE_PART.size
        and data[end : end + 2] == END_OF_IMAGE
    )


def check_tile_parts(
    data: BytesLike, at: int, header: Jpeg2000Header
) -> Jpeg2000Header:
    """Follow the lengths of tile-parts from byte `at` on to EOC.

    Returns
    -------
    Jpeg2000Header
        The same, with what the segments of tile-parts say.

    Raises
    ------
    DecodeError
        If one runs past the end, or EOC does not follow the last one: it is cut. If one is
        missing: decoders give a tile without any as zeros. Also if quantization is beyond
        what a decoder holds in 32 bits.
    """
    _check_packets(data, header, header.tiles)
    seen: dict[int, int] = {}
    declared: dict[int, int] = {}
    while data[at : at + 2] == _SOT and len(data) >= at + _SOT_LENGTH:
        tile, length, _, parts = _SOT_PLACE.unpack_from(data, at + 4)
        seen[tile] = seen.get(tile, 0) + 1
        declared[tile] = max(declared.get(tile, 0), parts, 1)
        body, header = _step_over_segments(data, at + _SOT_LENGTH, header)
        _check_packets(data, header, 1)
        if length == 0:  # the last one, up to EOC
            at = max(find_last(data, END_OF_IMAGE, body), 0)
        elif at + length < body or at + length > len(data):
            raise DecodeError(f"A tile-part at byte {at} of the codestream is cut")
        else:
            at += length
    if data[at : at + 2] != END_OF_IMAGE:
        text = data[at : at + 2].hex().upper() or "nothing"
        raise DecodeError(f"Expected EOC (FFD9) behind the tile-parts, found {text}")
    if not (header.reversible or header.quantized):  # OpenJPH crashes of it
        raise DecodeError("Expected quantization for the irreversible transform")
    lacks = any(seen[tile] < parts for tile, parts in declared.items())
    if len(seen) != header.tiles or lacks:
        expected = max(sum(declared.values()), header.tiles)
        raise DecodeError(
            f"Expected {expected} tile-parts of {header.tiles} tiles, found"
            f" {sum(seen.values())} of {len(seen)}"
        )
    return header


def _step_over_segments(
    data: BytesLike, at: int, header: Jpeg2000Header
) -> tuple[int, Jpeg2000Header]:
    """Return where the segments from `at` on end: at SOT, or at the data behind SOD.

    And the header, with what they say.
    """
    while (marker := bytes(data[at : at + 2])) not in _END_OF_SEGMENTS:
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if marker[:1] != b"\xff" or length < 2:
            marker_text = marker.hex().upper() or "nothing"
            raise DecodeError(
                f"Expected a marker segment at byte {at}, found {marker_text}"
            )
        if marker in _QUANTIZATION:
            component = 1 if marker == _QCC else 0
            steps = bytes(data[at + 4 + component : at + 2 + length])
            if steps and steps[0] & 0x1F in _SCALAR:
                _check_bit_planes(steps, header)
                header = header._replace(quantized=True)
        elif marker == _COD:
            layers = int.from_bytes(data[at + 6 : at + 8], "big")
            mixed = data[at + 8 : at + 9] == b"\x01"
            header = header._replace(mixed=mixed, layers=layers)
        if (place := at + _TRANSFORM.get(marker, 0)) > at:
            reversible = header.reversible and data[place : place + 1] == b"\x01"
            header = header._replace(reversible=reversible)
        at += 2 + length
    return at, header


def _check_packets(data: BytesLike, header: Jpeg2000Header, tiles: int) -> None:
    """Refuse more layers and tiles than there are bytes: each packet has its header."""
    packets = header.layers * header.codestream.samples * tiles
    check_least(len(data), packets, "JPEG 2000 packets")


def _check_bit_planes(steps: bytes, header: Jpeg2000Header) -> None:
    """Refuse steps of the irreversible transform with which OpenJPH crashes.

    Its blocks hold 30 bit-planes; guard bits and exponent say how many there are.
    """
    planes = (steps[0] >> 5) + (max(steps[1::2], default=0) >> 3) - 1
    if header.high_throughput and planes > _MOST_BIT_PLANES:
        raise DecodeError(
            f"Expected at most {_MOST_BIT_PLANES} bit-planes, found {planes}"
        )


def _count_tiles(  # noqa: PLR0917 (as they stand in SIZ)
    right: int,
    bottom: int,
    left: int,
    top: int,
    width: int,
    height: int,
    tile_left: int,
    tile_top: int,
) -> int:
    if left >= right or top >= bottom or not width or not height:
        raise DecodeError(f"SIZ has no area: {right - left} × {bottom - top}")
    if tile_left > left or tile_top > top:
        raise DecodeError("SIZ has its first tile behind the image")
    across = -(-(right - tile_left) // width)
    tiles = across * -(-(bottom - tile_top) // height)
    if tiles > _MOST_TILES:
        raise DecodeError(f"Expected at most {_MOST_TILES} tiles, found {tiles}")
    return tiles
