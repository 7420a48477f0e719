"""Every transfer syntax gives its pixels, or an error where a part of them lacks."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import imagecodecs
import numpy as np
import pytest
from codec_frames import (
    CASES,
    CASES_OF,
    KINDS,
    SYNTAXES,
    decode,
    encode_rle,
    format_of,
    join_segments,
    make_frame,
    make_pixels,
)
from encapsulated_files import make_encapsulated
from noting import noting

import lazydicom
from lazydicom._header.transfer_syntax import TRANSFER_SYNTAXES
from lazydicom.errors import DecodeError, LimitError, UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path

LOSSLESS: Final = [case for case, (syntax, _) in CASES.items() if syntax.lossless]
LOSSY: Final = [case for case in CASES if case not in LOSSLESS]
JPEG: Final = "1.2.840.10008.1.2.4.50"
PREFIX: Final = "1.2.840.10008.1.2.4."


def test_every_transfer_syntax_with_a_decoder_has_a_case() -> None:
    decoded = {
        uid
        for uid, syntax in TRANSFER_SYNTAXES.items()
        if not syntax.native and syntax.codec != "video"
    }

    assert {syntax.uid for syntax in SYNTAXES} == decoded


@pytest.mark.parametrize("case", LOSSLESS)
def test_lossless_frames_come_back_as_they_were(case: str) -> None:
    frame = make_frame(case)

    values = decode(frame.data, frame.format)

    assert values.dtype == frame.values.dtype
    assert np.array_equal(values, frame.values)


@pytest.mark.parametrize("case", LOSSY)
def test_lossy_frames_come_back_as_nearly_as_they_were(case: str) -> None:
    frame = make_frame(case)
    tolerance = 0.03 * 2**frame.format.pixel.bits_stored

    values = decode(frame.data, frame.format)

    difference = np.abs(values.astype(np.int64) - frame.values)
    assert difference.mean() <= tolerance
    assert difference.max() <= 20 * tolerance  # chroma is subsampled


@pytest.mark.parametrize("uid", CASES_OF)
def test_padding_behind_a_codestream_changes_nothing(uid: str) -> None:
    for case in CASES_OF[uid]:
        frame = make_frame(case)
        whole = decode(frame.data, frame.format)
        for padding in (b"\0", b"\0\0\0"):
            if frame.format.transfer_syntax.codec == "uncompressed" and padding[1:]:
                continue  # its length is all that there is to check
            with noting(case=case, padding=padding):
                padded = decode(frame.data + padding, frame.format)

                assert np.array_equal(padded, whole)


@pytest.mark.parametrize("uid", CASES_OF)
def test_a_frame_that_is_cut_is_an_error(uid: str) -> None:
    for case, percent in product(CASES_OF[uid], (0, 30, 50, 90, 99)):
        frame = make_frame(case)
        cut = frame.data[: len(frame.data) * percent // 100]

        with noting(case=case, percent=percent), pytest.raises(DecodeError):
            decode(cut, frame.format)


@pytest.mark.parametrize("case", [c for c in CASES if c.endswith(("8 bits", "RGB"))])
def test_every_prefix_is_an_error_or_the_whole_frame(case: str) -> None:
    frame = make_frame(case)
    whole = decode(frame.data, frame.format)

    for stop in range(0, len(frame.data), 1 + len(frame.data) // 100):
        try:
            values = decode(frame.data[:stop], frame.format)
        except DecodeError:
            continue
        assert np.array_equal(values, whole)


@pytest.mark.parametrize("case", [c for c in CASES if c.endswith((" 8 bits", "RGB"))])
def test_a_codestream_of_another_size_is_an_error(case: str) -> None:
    frame = make_frame(case)
    for change in ({"rows": 60}, {"rows": 62}, {"columns": 82}):
        pixel = replace(frame.format.pixel, **change)  # type: ignore[arg-type]

        with noting(change=change), pytest.raises(DecodeError, match="Expected"):
            decode(frame.data, replace(frame.format, pixel=pixel))


@pytest.mark.parametrize("case", [c for c in CASES if c.endswith("RGB")])
def test_a_codestream_with_other_samples_is_an_error(case: str) -> None:
    frame = make_frame(case)
    gray = replace(
        frame.format.pixel,
        samples_per_pixel=1,
        photometric_interpretation="MONOCHROME2",
    )

    with pytest.raises(DecodeError, match="Expected"):
        decode(frame.data, replace(frame.format, pixel=gray))


@pytest.mark.parametrize("case", [c for c in CASES if c.endswith("12 in 16 bits")])
def test_a_codestream_with_more_bits_than_are_allocated_is_an_error(case: str) -> None:
    frame = make_frame(case)
    pixel = replace(frame.format.pixel, bits_allocated=8, bits_stored=8)

    with pytest.raises(DecodeError, match="Expected"):
        decode(frame.data, replace(frame.format, pixel=pixel))


def test_the_error_names_the_frame() -> None:
    frame = make_frame(f"{JPEG} 8 bits")

    with pytest.raises(DecodeError, match=r"EOI \(FFD9\).* frame 0"):
        decode(frame.data[:-2], frame.format)


def test_the_error_names_file_frame_and_the_byte_where_it_begins(
    tmp_path: Path,
) -> None:
    frame = make_frame(f"{PREFIX}80 8 bits")
    cut = frame.data[: len(frame.data) // 2 * 2 - 100]
    path = tmp_path / "cut.dcm"
    path.write_bytes(
        make_encapsulated(
            [frame.data, cut],
            rows=61,
            columns=83,
            bits_allocated=8,
            transfer_syntax=f"{PREFIX}80",
        )
    )
    array = lazydicom.open_image(path)
    begin = path.read_bytes().rindex(cut) - 8

    for key in (1, (1, slice(3, 5)), slice(0, 2)):
        with pytest.raises(
            DecodeError, match=rf"frame 1 in .*cut\.dcm at byte {begin}$"
        ):
            array.read(key)


def test_a_frame_of_more_bytes_than_allowed_is_refused() -> None:
    frame = make_frame(f"{JPEG} 8 bits")

    with pytest.raises(LimitError, match="max_frame_bytes"):
        decode(frame.data, replace(frame.format, max_frame_bytes=1000))


def test_video_says_why_it_is_not_decoded() -> None:
    format_ = format_of("1.2.840.10008.1.2.4.102", KINDS["RGB"], "YBR_FULL_422")

    with pytest.raises(UnsupportedError, match="depend on each other"):
        decode(b"", format_)


@pytest.mark.parametrize("subsampling", ["444", "422", "420"])
@pytest.mark.parametrize("photometric", ["YBR_FULL", "YBR_FULL_422"])
def test_ybr_of_jpeg_becomes_rgb_or_stays_as_stored(
    subsampling: str, photometric: str
) -> None:
    values = make_pixels(KINDS["RGB"])
    data = bytes(imagecodecs.jpeg8_encode(values, level=95, subsampling=subsampling))
    format_ = format_of(JPEG, KINDS["RGB"], photometric)

    converted = decode(data, format_)
    stored = decode(data, replace(format_, color="stored"))

    assert np.array_equal(converted, imagecodecs.jpeg8_decode(data))
    as_ybr = imagecodecs.jpeg8_decode(data, outcolorspace="ycbcr")
    assert np.array_equal(stored, as_ybr)


def test_rgb_in_jpeg_without_markers_is_not_taken_for_ybr() -> None:
    values = make_pixels(KINDS["RGB"])
    marked = bytes(
        imagecodecs.jpeg8_encode(
            values, level=95, colorspace="rgb", outcolorspace="rgb"
        )
    )
    at = marked.index(b"\xff\xee")  # APP14, and component ids "RGB"
    bare = marked[:at] + marked[at + 16 :]
    for name, number in ((b"R", 1), (b"G", 2), (b"B", 3)):
        bare = bare.replace(name + b"\x11\x00", bytes([number, 0x11, 0]))
        bare = bare.replace(name + b"\x00", bytes([number, 0]), 1)

    decoded = decode(bare, format_of(JPEG, KINDS["RGB"]))

    assert np.abs(decoded.astype(int) - values).mean() < 3


@pytest.mark.parametrize("photometric", ["YBR_FULL", "YBR_FULL_422", "XYB", "YBR_RCT"])
@pytest.mark.parametrize("coded", ["111", "112"])
@pytest.mark.parametrize("named", ["110", "111", "112"])
def test_colour_that_jpeg_xl_converts_itself_is_not_converted_again(
    coded: str, named: str, photometric: str
) -> None:
    frame = make_frame(f"{PREFIX}{coded} RGB")  # of YCbCr in JPEG, and of XYB

    back = decode(frame.data, format_of(f"{PREFIX}{named}", KINDS["RGB"], photometric))

    assert np.array_equal(back, decode(frame.data, frame.format))


@pytest.mark.parametrize(
    "uid",
    ["1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.110"],
)
def test_ybr_of_a_codec_without_colour_spaces_becomes_rgb(uid: str) -> None:
    frame = make_frame(f"{uid} RGB")
    format_ = format_of(uid, KINDS["RGB"], "YBR_FULL")

    stored = decode(frame.data, replace(format_, color="stored"))
    converted = decode(frame.data, format_)

    assert np.array_equal(stored, frame.values)
    luma, cb, cr = np.moveaxis(frame.values.astype(float), -1, 0)
    red = (luma + 1.402 * (cr - 128)).clip(0, 255)
    blue = (luma + 1.772 * (cb - 128)).clip(0, 255)
    assert np.abs(converted[..., 0] - red).max() <= 1
    assert np.abs(converted[..., 2] - blue).max() <= 1


def test_ybr_of_16_bits_is_not_converted_by_guess() -> None:
    kind = KINDS["RGB, 16 bits"]
    frame = make_frame("1.2.840.10008.1.2.5 RGB, 16 bits")

    with pytest.raises(UnsupportedError, match="stored"):
        decode(frame.data, format_of("1.2.840.10008.1.2.5", kind, "YBR_FULL"))


@pytest.mark.parametrize("signed_header", [False, True])
def test_the_sign_of_jpeg_2000_yields_to_pixel_representation(
    signed_header: bool,
) -> None:
    kind = KINDS["12 in 16 bits" if signed_header else "12 in 16 bits, signed"]
    values = make_pixels(kind)
    if signed_header:  # unsigned by DICOM, signed by the codestream
        other = (values << 4).view(np.int16) >> 4
    else:
        other = values.view(np.uint16) & 0xFFF
    data = bytes(
        imagecodecs.jpeg2k_encode(
            other, level=0, codecformat="j2k", reversible=True, bitspersample=12
        )
    )

    decoded = decode(data, format_of("1.2.840.10008.1.2.4.90", kind))

    assert np.array_equal(decoded, values)


@pytest.mark.parametrize("bits", [8, 12])
def test_bits_that_lossless_jpeg_lacks_are_zeros_and_no_sign(bits: int) -> None:
    values = np.arange(61 * 83).reshape(61, 83).astype(np.uint16) % (1 << bits)
    narrow = values.astype(np.uint8) if bits == 8 else values
    data = imagecodecs.jpeg8_encode(narrow, lossless=True, bitspersample=bits)
    pixel = replace(
        make_frame(f"{PREFIX}70 16 bits").format.pixel, pixel_representation=1
    )
    format_ = replace(format_of(f"{PREFIX}70", KINDS["16 bits"]), pixel=pixel)

    back = decode(bytes(data), format_)

    assert back.dtype == np.int16
    assert np.array_equal(back, values)  # so does pydicom


@pytest.mark.parametrize("mixed", [True, False])
@pytest.mark.parametrize("last", "123")
@pytest.mark.parametrize("kind", ["RGB", "RGB, 16 bits"])
def test_htj2k_may_leave_components_as_they_are(
    kind: str, last: str, *, mixed: bool
) -> None:
    values = make_pixels(KINDS[kind])
    data = bytes(imagecodecs.htj2k_encode(values, reversible=True, rgb=mixed))

    back = decode(data, format_of(f"{PREFIX}20{last}", KINDS[kind]))

    assert np.array_equal(back, values)


@pytest.mark.parametrize("kind", ["8 bits", "8 bits, signed", "16 bits"])
def test_loss_makes_no_white_of_black(kind: str) -> None:
    dtype = np.dtype(KINDS[kind].dtype)
    edges = np.indices((61, 83)).sum(0) // 3 % 2 == 0
    values = np.where(edges, np.iinfo(dtype).min, np.iinfo(dtype).max).astype(dtype)
    data = bytes(imagecodecs.htj2k_encode(values, 0.01, reversible=False))

    for last in "13":  # a name that promises no loss does not mend it
        back = decode(data, format_of(f"{PREFIX}20{last}", KINDS[kind]))

        assert np.abs(back.astype(int) - values).max() < np.iinfo(dtype).max // 5


def test_the_boxes_of_a_jp2_file_are_stepped_over() -> None:
    kind = KINDS["RGB"]
    values = make_pixels(kind)
    data = bytes(imagecodecs.jpeg2k_encode(values, level=0, codecformat="jp2"))
    assert data[4:8] == b"jP  "

    decoded = decode(data, format_of("1.2.840.10008.1.2.4.90", kind))

    assert np.array_equal(decoded, values)


def test_rle_with_more_padding_than_the_standard_has_gives_the_plane() -> None:
    kind = KINDS["16 bits"]
    values = make_pixels(kind)
    planes = [(values >> 8).astype(np.uint8), values.astype(np.uint8)]
    segments = [bytes(imagecodecs.packbits_encode(plane.tobytes())) for plane in planes]

    decoded = decode(
        join_segments([segment + bytes(6) for segment in segments]),
        format_of("1.2.840.10008.1.2.5", kind),
    )

    assert np.array_equal(decoded, values)


@pytest.mark.parametrize("rows", [60, 62])
def test_rle_segments_that_are_short_or_long_are_an_error(rows: int) -> None:
    kind = KINDS["16 bits"]
    other = make_pixels(replace(kind, shape=(rows, 83)))

    with pytest.raises(DecodeError, match="RLE segment"):
        decode(encode_rle(other, kind), format_of("1.2.840.10008.1.2.5", kind))


@pytest.mark.parametrize("uid", CASES_OF)
def test_any_buffer_will_do(uid: str) -> None:
    for case in CASES_OF[uid]:
        frame = make_frame(case)
        view: Any = memoryview(frame.data)

        with noting(case=case):
            values = decode(view, frame.format)

            assert np.array_equal(values, decode(frame.data, frame.format))
