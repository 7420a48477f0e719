"""What stands in the headers of codestreams, and what is refused before decoding."""

from __future__ import annotations

import re
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING, Final

import imagecodecs
import numpy as np
import pytest
from codec_frames import (
    CASES,
    KINDS,
    SYNTAXES,
    Kind,
    decode,
    format_of,
    make_frame,
    make_pixels,
)
from hypothesis import given
from hypothesis import strategies as st
from noting import noting
from PIL import Image
from tiled_codestreams import tiles_of_htj2k, tiles_of_jpeg_2000

from lazydicom._decode.codecs.headers.jpeg import read_jpeg_header
from lazydicom._decode.codecs.headers.jpeg_2000 import read_jpeg_2000_header
from lazydicom._decode.codecs.headers.jpeg_xl import read_jpeg_xl_header
from lazydicom._decode.codecs.registry import CODECS
from lazydicom._decode.preflight import Codestream
from lazydicom.errors import DecodeError, LazyDicomError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

JPEG: Final = "1.2.840.10008.1.2.4."


def _codec(uid: str) -> str | None:
    return format_of(uid, KINDS["8 bits"]).transfer_syntax.codec


@given(st.binary(max_size=200), st.sampled_from(sorted(CODECS)))
def test_any_bytes_pass_or_are_refused_with_our_error(data: bytes, codec: str) -> None:
    uid = next(s.uid for s in SYNTAXES if _codec(s.uid) == codec)
    for start in (b"", b"\xff\xd8", b"\xff\x4f\xff\x51", b"\xff\x0a"):
        try:
            CODECS[codec].preflight(start + data, format_of(uid, KINDS["8 bits"]))
        except LazyDicomError:
            continue


@given(
    rows=st.integers(1, 700),
    columns=st.integers(1, 700),
    samples=st.sampled_from([1, 3]),
    bits=st.sampled_from([8, 10, 12, 16]),
    container=st.booleans(),
)
def test_the_header_of_jpeg_xl_is_read_as_libjxl_writes_it(
    rows: int, columns: int, samples: int, bits: int, container: bool
) -> None:
    shape = (rows, columns, samples)[: 2 if samples == 1 else 3]
    values = np.zeros(shape, np.uint8 if bits == 8 else np.uint16)
    data = imagecodecs.jpegxl_encode(
        values, lossless=True, bitspersample=bits, usecontainer=container, effort=1
    )

    found = read_jpeg_xl_header(bytes(data))

    assert found.codestream == Codestream(rows, columns, samples, bits)
    assert not found.decodes_to_rgb


@pytest.mark.parametrize("cut", [1, 3, 20, 63])
def test_the_header_of_jpeg_xl_may_stand_in_several_boxes(cut: int) -> None:
    frame = make_frame(f"{JPEG}110 8 bits")
    boxed = bytes.fromhex("0000000c 4a584c20 0d0a870a 00000014 66747970 6a786c20")
    boxed += bytes.fromhex("00000000 6a786c20")
    parts = [frame.data[:cut], frame.data[cut:70], frame.data[70:]]
    for number, part in enumerate(parts):
        number |= (part is parts[-1]) << 31  # noqa: PLW2901 (says that it is the last)
        boxed += (12 + len(part)).to_bytes(4, "big") + b"jxlp"
        boxed += number.to_bytes(4, "big") + part

    assert read_jpeg_xl_header(boxed) == read_jpeg_xl_header(frame.data)
    assert np.array_equal(decode(boxed, frame.format), frame.values)


@pytest.mark.parametrize("signed", [False, True])
def test_the_header_of_jpeg_2000_tells_size_sign_and_kind_of_blocks(
    signed: bool,
) -> None:
    values = np.zeros((7, 9), np.int16 if signed else np.uint16)
    part_1 = imagecodecs.jpeg2k_encode(
        values, level=0, codecformat="j2k", bitspersample=12
    )
    part_15 = imagecodecs.htj2k_encode(values, reversible=True)

    one = read_jpeg_2000_header(bytes(part_1))
    two = read_jpeg_2000_header(bytes(part_15))

    assert one.codestream == Codestream(7, 9, 1, 12)
    assert two.codestream == Codestream(7, 9, 1, 16)
    assert (one.signed, one.high_throughput) == (signed, False)
    assert (two.signed, two.high_throughput) == (signed, True)


def test_the_header_of_jpeg_is_found_behind_fill_bytes_and_comments() -> None:
    data = bytes(imagecodecs.jpeg8_encode(np.zeros((7, 9), np.uint8)))
    comment = b"\xff\xff\xff\xfe\x00\x06\xff\xd9\xff\xc0"

    header = read_jpeg_header(data[:2] + comment + data[2:])

    assert header.codestream == Codestream(7, 9, 1, 8)


def test_jpeg_with_two_frame_headers_is_refused() -> None:
    data = bytes(imagecodecs.jpeg8_encode(np.zeros((7, 9), np.uint8)))
    at = data.index(b"\xff\xc0")
    segment = data[at : at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")]

    with pytest.raises(DecodeError, match="found two"):
        read_jpeg_header(data[:at] + segment + data[at:])


def test_a_header_is_not_taken_for_the_one_before() -> None:
    small = bytes(imagecodecs.jpeg8_encode(np.zeros((7, 9), np.uint8)))
    large = bytes(imagecodecs.jpeg8_encode(np.zeros((7, 10), np.uint8)))
    scan = read_jpeg_header(small).scan

    headers = [read_jpeg_header(data).codestream for data in (small, large, small)]

    assert [header.columns for header in headers] == [9, 10, 9]
    for length in (0, 2, scan, scan + 3):
        with pytest.raises(DecodeError):
            read_jpeg_header(small[:length])


def test_an_end_marker_in_a_comment_does_not_end_a_cut_codestream() -> None:
    frame = make_frame(f"{JPEG}50 8 bits")
    comment = b"\xff\xfe\x00\x04\xff\xd9"
    data = frame.data[:2] + comment + frame.data[2:-300]

    with pytest.raises(DecodeError, match="it is cut"):
        decode(data, frame.format)


@pytest.mark.parametrize(
    "case", [c for c in CASES if _codec(c.split()[0]) == "jpeg" and "small" not in c]
)
def test_jpeg_that_ends_before_its_last_pixel_is_refused(case: str) -> None:
    frame = make_frame(case)
    scan = read_jpeg_header(frame.data).scan
    for percent in (40, 60, 90):  # of progressive scans: none whole
        stop = scan + 20 + (len(frame.data) - scan - 20) * percent // 100
        with (
            noting(percent=percent),
            pytest.raises(DecodeError, match=r"it is cut|does not decode"),
        ):
            decode(frame.data[:stop] + b"\xff\xd9", frame.format)


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("kind", ["8 bits", "12 in 16 bits", "RGB", "8 bits, signed"])
def test_jpeg_that_ends_in_medium_grey_is_whole(kind: str, *, lossless: bool) -> None:
    shape = make_pixels(KINDS[kind]).shape
    bits = KINDS[kind].bits_stored
    grey = np.full(shape, 1 << bits - 1, np.uint8 if bits == 8 else np.uint16)
    space = "rgb" if len(shape) == 3 else None
    data = imagecodecs.jpeg8_encode(
        grey,
        lossless=lossless,
        bitspersample=bits,
        colorspace=space,
        outcolorspace=space,
    )
    uid = f"{JPEG}70" if lossless else f"{JPEG}51"

    for padding in (b"", b"\0"):
        back = decode(bytes(data) + padding, format_of(uid, KINDS[kind]))

        assert np.array_equal(back, grey.view(back.dtype))


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("blocks", [1, 4, 11])
@pytest.mark.parametrize("kind", ["8 bits", "RGB", "RGB, odd and small"])
def test_jpeg_that_lacks_a_restart_interval_is_refused(
    kind: str, blocks: int, subsampling: int
) -> None:
    file = BytesIO()
    Image.fromarray(make_pixels(KINDS[kind])).save(
        file, "JPEG", restart_marker_blocks=blocks, subsampling=subsampling
    )
    data = file.getvalue()
    starts = [at.start() for at in re.finditer(rb"\xff[\xd0-\xd7]", data)]
    format_ = format_of(f"{JPEG}50", KINDS[kind])

    assert np.array_equal(decode(data, format_), imagecodecs.jpeg8_decode(data))
    for lost in (1, 8):  # after eight the same number comes again
        for first, behind in zip(starts, starts[lost:], strict=False):
            with pytest.raises(DecodeError, match="restart markers in their order"):
                decode(data[:first] + data[behind:], format_)


@pytest.mark.parametrize("process", [0xC5, 0xC9, 0xCB])
def test_hierarchical_and_arithmetic_jpeg_has_no_decoder(process: int) -> None:
    frame = make_frame(f"{JPEG}50 8 bits")
    data = frame.data.replace(b"\xff\xc0", bytes([0xFF, process]))

    with pytest.raises(UnsupportedError, match=f"SOF{process - 0xC0}"):
        decode(data, frame.format)


def test_a_progressive_codestream_with_a_thousand_scans_is_refused() -> None:
    frame = make_frame(f"{JPEG}53 8 bits")
    at = frame.data.rindex(b"\xff\xda")
    last = frame.data[at:-2]

    with pytest.raises(DecodeError, match="scans"):
        decode(frame.data[:at] + last * 1000 + b"\xff\xd9", frame.format)


def test_jpeg_in_a_file_of_jpeg_ls_is_refused() -> None:
    frame = make_frame(f"{JPEG}50 8 bits")

    with pytest.raises(DecodeError, match=r"Expected a JPEG-LS .*FFC0"):
        decode(frame.data, format_of(f"{JPEG}80", KINDS["8 bits"]))


@pytest.mark.parametrize("planes", [(0, 1, 2), (0, 2), (0, 1), (0,)])
def test_jpeg_that_lacks_a_component_is_refused(planes: tuple[int, ...]) -> None:
    values = make_pixels(KINDS["RGB"])
    gray = [bytes(imagecodecs.jpeg8_encode(values[..., n].copy())) for n in range(3)]
    scans = [plane.index(b"\xff\xda") for plane in gray]
    frame = gray[0].index(b"\xff\xc0")
    three = b"\x00\x11\x08" + gray[0][frame + 5 : frame + 9] + b"\x03"
    three += b"".join(bytes([plane + 1, 0x11, 0]) for plane in range(3))
    head = gray[0][:frame] + b"\xff\xc0" + three + gray[0][frame + 13 : scans[0]]
    data = head
    for plane in planes:
        scan = gray[plane][scans[plane] : -2]
        data += scan[:5] + bytes([plane + 1]) + scan[6:]
    data += b"\xff\xd9"
    format_ = format_of(f"{JPEG}50", KINDS["RGB"])

    if planes == (0, 1, 2):
        stored = replace(format_, color="stored")
        expected = [imagecodecs.jpeg8_decode(plane) for plane in gray]
        assert np.array_equal(decode(data, stored), np.stack(expected, axis=-1))
    else:
        with pytest.raises(DecodeError, match="Expected a scan of component 0"):
            decode(data, format_)


def test_jpeg_ls_of_fewer_values_than_its_bits_hold_has_no_decoder() -> None:
    frame = make_frame(f"{JPEG}80 8 bits")
    scan = frame.data.index(b"\xff\xda")
    presets = bytes.fromhex("fff8 000d 01 00fe 0003 0007 0015 0040")

    with pytest.raises(UnsupportedError, match="values up to 254"):
        decode(frame.data[:scan] + presets + frame.data[scan:], frame.format)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (0, 1)])
def test_jpeg_ls_planes_are_those_of_the_frame_header_or_refused(
    order: tuple[int, ...],
) -> None:
    values = make_pixels(KINDS["RGB"])
    rgb = bytes(imagecodecs.jpegls_encode(values))
    data = rgb[: rgb.index(b"\xff\xda")]
    for plane in order:
        scan = bytes(imagecodecs.jpegls_encode(values[..., plane].copy()))
        begin = scan.index(b"\xff\xda")
        data += scan[begin : begin + 5] + bytes([plane + 1]) + scan[begin + 6 : -2]
    data += b"\xff\xd9"

    if order == (0, 1, 2):
        back = decode(data, format_of(f"{JPEG}80", KINDS["RGB"]))
        assert np.array_equal(back, values)
    else:
        with pytest.raises(UnsupportedError, match="planes in the order"):
            decode(data, format_of(f"{JPEG}80", KINDS["RGB"]))


def test_jpeg_2000_with_extensions_of_part_2_has_no_decoder() -> None:
    frame = make_frame(f"{JPEG}92 8 bits")
    data = bytearray(frame.data)
    data[6] |= 0x80  # Rsiz

    with pytest.raises(UnsupportedError, match="Part 2"):
        decode(bytes(data), frame.format)


def test_jpeg_2000_of_more_bits_than_openjpeg_holds_has_no_decoder() -> None:
    values = make_pixels(KINDS["32 bits"])
    data = imagecodecs.jpeg2k_encode(
        values, level=0, codecformat="j2k", bitspersample=25
    )

    with pytest.raises(UnsupportedError, match="25 bits"):
        decode(bytes(data), format_of(f"{JPEG}90", KINDS["32 bits"]))


def test_jpeg_2000_with_more_tiles_than_there_may_be_is_refused() -> None:
    frame = make_frame(f"{JPEG}90 8 bits")
    data = bytearray(frame.data)
    data[8:16] = (1000).to_bytes(4, "big") * 2  # the grid
    data[24:32] = (1).to_bytes(4, "big") * 2  # a tile

    with pytest.raises(DecodeError, match="1000000"):
        decode(bytes(data), frame.format)


@pytest.mark.parametrize("encode", [tiles_of_jpeg_2000, tiles_of_htj2k])
@pytest.mark.parametrize("which", [0, 1, -1])
def test_jpeg_2000_that_lacks_a_tile_is_refused(
    encode: Callable[[NDArray[np.uint8]], bytes], which: int
) -> None:
    data = encode(make_pixels(KINDS["8 bits"]))
    starts = [at.start() for at in re.finditer(b"\xff\x90\x00\x0a", data)]
    cut = starts[which]
    length = int.from_bytes(data[cut + 6 : cut + 10], "big")

    with pytest.raises(DecodeError, match=r"6 tile-parts of 6 tiles, found 5 of 5"):
        decode(
            data[:cut] + data[cut + length :],
            format_of(f"{JPEG}201", KINDS["8 bits"]),
        )


def test_jpeg_2000_that_lacks_the_last_part_of_a_tile_is_refused() -> None:
    frame = make_frame(f"{JPEG}90 8 bits")
    data = bytearray(frame.data)
    at = data.index(b"\xff\x90\x00\x0a")
    data[at + 11] = 2  # TNsot

    with pytest.raises(DecodeError, match=r"2 tile-parts of 1 tiles, found 1 of 1"):
        decode(bytes(data), frame.format)


@pytest.mark.parametrize(
    ("starts", "count"),
    [((64, 60), 2), ((60, 900), 2), ((64, 10**6), 2), ((64, 66), 2), ((64,), 1)],
)
def test_rle_segments_that_cannot_be_are_refused(
    starts: tuple[int, ...], count: int
) -> None:
    frame = make_frame("1.2.840.10008.1.2.5 16 bits")
    table = [count, *starts, *[0] * (15 - len(starts))]
    head = b"".join(number.to_bytes(4, "little") for number in table)

    with pytest.raises(DecodeError, match="RLE segments"):
        decode(head + frame.data[64:], frame.format)


@pytest.mark.parametrize(("bits", "count"), [(1, 3), (64, 24)])
def test_rle_of_pixels_that_it_cannot_hold_is_refused(bits: int, count: int) -> None:
    segments = [bytes([0, 1])] * 3  # a byte each
    starts = (64, 66, 68, *range(70, 94, 2))
    head = b"".join(n.to_bytes(4, "little") for n in (count, *starts))
    kind = Kind(f"u{max(bits // 8, 1)}", bits, bits, samples=3, shape=(4, 6))

    with pytest.raises(UnsupportedError, match=f"3 samples of {bits} bits"):
        decode(head + b"".join(segments), format_of("1.2.840.10008.1.2.5", kind))


def test_quantization_with_which_openjph_crashes_is_refused() -> None:
    frame = make_frame(f"{JPEG}203 RGB")
    data = bytearray(frame.data)
    at = data.index(b"\xff\x5c")  # QCD
    data[at + 5] = 31 << 3  # the exponent of the first subband

    with pytest.raises(DecodeError, match="at most 30 bit-planes, found 31"):
        decode(bytes(data), frame.format)


@pytest.mark.parametrize("kind", ["8 bits", "24 in 32 bits", "32 bits"])
def test_an_irreversible_transform_without_quantization_is_refused(kind: str) -> None:
    frame = make_frame(f"{JPEG}201 {kind}")
    data = bytearray(frame.data)
    data[data.index(b"\xff\x52") + 13] = 0  # COD; of 32 bits OpenJPH dies of it

    with pytest.raises(DecodeError, match="Expected quantization"):
        decode(bytes(data), frame.format)


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2.1.98", "1.2.840.10008.1.2.8.1"])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"bits_allocated": 16}, "of 16 bits"),
        ({"planar_configuration": 1}, "samples in planes"),
        ({"columns": 5}, "with 5 columns"),
    ],
)
def test_pixels_in_items_that_cannot_be_pairs_are_refused(
    uid: str, change: dict[str, int], reason: str
) -> None:
    kind = Kind("u1", 8, 8, samples=3, shape=(4, 6))
    format_ = format_of(uid, kind, "YBR_FULL_422")
    pixel = replace(format_.pixel, **change)  # type: ignore[arg-type]

    with pytest.raises(DecodeError, match=f"YBR_FULL_422 .*{reason}"):
        decode(bytes(48), replace(format_, pixel=pixel))
