"""pydicom reads back what the makers of files wrote."""

from __future__ import annotations

from io import BytesIO
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest
from dicom_files import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    RLE,
    make_encapsulated,
    make_native,
    stored_pixels,
)
from encapsulated_files import split
from pydicom import dcmread
from pydicom.encaps import generate_frames, parse_basic_offsets
from pydicom.uid import UID

if TYPE_CHECKING:
    from encapsulated_files import Table
    from pixel_layout import Keyword
    from pydicom import Dataset

NATIVE = (EXPLICIT_LITTLE, EXPLICIT_BIG, IMPLICIT_LITTLE, DEFLATED)


def read(file: bytes, *, force: bool = False) -> Dataset:
    return dcmread(BytesIO(file), force=force)


@pytest.mark.parametrize(
    ("transfer_syntax", "bits", "signed", "vr"),
    [*product(NATIVE, (8, 16, 32, 64), (0, 1), (None, "OW"))],
)
def test_gray_pixels_are_read_back(
    transfer_syntax: str, bits: int, signed: int, vr: str | None
) -> None:
    file = make_native(
        transfer_syntax=transfer_syntax,
        bits_allocated=bits,
        pixel_representation=signed,
        vr=vr,
        rows=3,
    )

    pixels = read(file).pixel_array

    expected = stored_pixels(bits_allocated=bits, pixel_representation=signed, rows=3)
    assert pixels.dtype.newbyteorder("=") == expected.dtype
    assert np.array_equal(pixels, expected)


@pytest.mark.parametrize(
    ("transfer_syntax", "bits", "planar"), [*product(NATIVE, (8, 16), (0, 1))]
)
def test_color_pixels_are_read_back(
    transfer_syntax: str, bits: int, planar: int
) -> None:
    file = make_native(
        transfer_syntax=transfer_syntax,
        bits_allocated=bits,
        samples_per_pixel=3,
        planar_configuration=planar,
    )

    expected = stored_pixels(bits_allocated=bits, samples_per_pixel=3)
    assert np.array_equal(read(file).pixel_array, expected)


@pytest.mark.parametrize("transfer_syntax", NATIVE)
def test_bits_are_packed_without_gaps_between_frames(transfer_syntax: str) -> None:
    pixels = stored_pixels(bits_allocated=1, rows=3, number_of_frames=8)

    file = make_native(pixels, bits_allocated=1, transfer_syntax=transfer_syntax)

    value = read(file).PixelData
    bits = np.unpackbits(np.frombuffer(value, np.uint8), bitorder="little")
    assert len(value) == 15 + 1
    assert np.array_equal(bits[:120].reshape(pixels.shape), pixels)


@pytest.mark.parametrize("transfer_syntax", NATIVE)
@pytest.mark.parametrize("keyword", ["FloatPixelData", "DoubleFloatPixelData"])
def test_float_pixels_are_read_back(transfer_syntax: str, keyword: Keyword) -> None:
    file = make_native(transfer_syntax=transfer_syntax, keyword=keyword)

    expected = stored_pixels(keyword=keyword)
    assert expected.dtype.kind == "f"
    assert np.array_equal(read(file).pixel_array, expected)


@pytest.mark.parametrize("bits_stored", [1, 7, 12, 16])
@pytest.mark.parametrize("signed", [0, 1])
def test_the_pattern_fills_the_stored_bits(bits_stored: int, signed: int) -> None:
    pixels = stored_pixels(
        bits_stored=bits_stored, pixel_representation=signed, rows=200, columns=300
    )

    assert pixels.max() == 2 ** (bits_stored - signed) - 1
    assert pixels.min() == (-(2 ** (bits_stored - 1)) if signed else 0)


def test_given_pixels_set_the_geometry() -> None:
    pixels = np.arange(24, dtype=np.int16).reshape(2, 3, 4) - 12

    file = make_native(pixels, pixel_representation=1)

    assert np.array_equal(read(file).pixel_array, pixels)


def test_subsampled_bytes_are_written_as_they_stand() -> None:
    file = make_native(
        rows=2,
        columns=4,
        number_of_frames=1,
        samples_per_pixel=3,
        bits_allocated=8,
        photometric_interpretation="YBR_FULL_422",
        pixel_bytes=bytes(range(16)),
    )

    dataset = read(file)

    dataset.pixel_array_options(raw=True)
    assert dataset.PixelData == bytes(range(16))
    assert dataset.pixel_array[0, :, 0].tolist() == [0, 1, 4, 5]


def test_preamble_and_file_meta_can_be_left_out() -> None:
    file = make_native(preamble=False, file_meta=False, transfer_syntax=IMPLICIT_LITTLE)

    dataset = read(file, force=True)

    dataset.file_meta.TransferSyntaxUID = UID(IMPLICIT_LITTLE)
    assert np.array_equal(dataset.pixel_array, stored_pixels())


def test_number_of_frames_says_what_it_is_told() -> None:
    assert read(make_native()).NumberOfFrames == 3
    assert read(make_native(declared_frames="7")).NumberOfFrames == 7
    assert "NumberOfFrames" not in read(make_native(declared_frames=None))


@pytest.mark.parametrize("table", ["basic", "empty", "extended"])
def test_encoded_frames_are_read_back(table: Table) -> None:
    compressed = read(make_native())
    compressed.compress(RLE, encoding_plugin="pydicom")
    frames = [*generate_frames(compressed.PixelData, number_of_frames=3)]

    file = make_encapsulated(frames, table=table)

    assert np.array_equal(read(file).pixel_array, stored_pixels())


@pytest.mark.parametrize("fragments", [1, 2, 5])
def test_the_basic_table_finds_frames_of_many_fragments(fragments: int) -> None:
    frames = [b"frame number 0", b"frame 1", b"the last frame"]

    file = make_encapsulated(frames, fragments_per_frame=fragments)

    dataset = read(file)
    found = generate_frames(dataset.PixelData, number_of_frames=3)
    assert [frame.rstrip(b"\0") for frame in found] == frames
    assert len(parse_basic_offsets(dataset.PixelData)) == 3


def test_wrong_offsets_go_into_the_table() -> None:
    file = make_encapsulated([b"ab", b"cd"], offsets=[10, 4])

    assert parse_basic_offsets(read(file).PixelData) == [10, 4]


def test_fragments_join_to_their_frame() -> None:
    frame = bytes(range(99))

    for count in (1, 2, 3, 60):
        assert b"".join(split(frame, count)) == frame
