"""Values are BitsStored bits wide, whatever the precision of the codestream is.

What is above them is no part of a value (PS3.5 section 8.1.1): encoders put signs, overlays or
zeros there, and code 16 bits where 12 are stored.
"""

from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import imagecodecs
import numpy as np
import pytest
from codec_frames import KINDS, Kind, decode, format_of
from encapsulated_files import make_encapsulated
from jpeg_ls import encode_pixel_data
from noting import noting
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID
from tools import require_program
from wide_codestreams import (
    ENCODERS,
    encode_htj2k,
    encode_jpeg_2000,
    pixels_of_bits,
)

import lazydicom

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

JPEG: Final = "1.2.840.10008.1.2.4."


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [1, 8, 9, 10, 12, 15])
@pytest.mark.parametrize("name", ENCODERS)
def test_what_stands_above_bits_stored_is_no_part_of_a_value(
    name: str, bits: int, *, signed: bool
) -> None:
    values = pixels_of_bits(bits, signed=signed)
    mask = (1 << bits) - 1
    uid, encode = ENCODERS[name]
    kind = Kind("i2" if signed else "u2", bits, 16, shape=values.shape)
    overlay = (np.indices(values.shape).sum(0) % 3 == 0).astype(np.uint16) << 15
    signs = values.astype(np.int16).view(np.uint16) & np.uint16(0xFFFF & ~mask)
    ones = np.uint16(0xFFFF & ~mask)
    above = {"zeros": np.uint16(0), "ones": ones, "overlay": overlay, "signs": signs}

    for what, spare in above.items():
        words = (values.view(np.uint16) & np.uint16(mask)) | spare
        with noting(above=what):
            back = decode(encode(words), format_of(uid, kind))

            assert np.array_equal(back, values)


@pytest.mark.parametrize("encode", [encode_jpeg_2000, encode_htj2k])
@pytest.mark.parametrize("signed", [False, True])
def test_a_sign_that_the_codestream_knows_ends_at_bits_stored_too(
    encode: Callable[[NDArray[Any]], bytes], *, signed: bool
) -> None:
    values = pixels_of_bits(12, signed=signed)
    words = (values.view(np.uint16) & 0x0FFF | 0x5000).view(np.int16)
    kind = Kind("i2" if signed else "u2", 12, 16, shape=(16, 24))
    uid = f"{JPEG}90" if encode is encode_jpeg_2000 else f"{JPEG}201"

    assert np.array_equal(decode(encode(words), format_of(uid, kind)), values)


@pytest.mark.parametrize("uid", [f"{JPEG}80", f"{JPEG}90", f"{JPEG}201"])
def test_a_codestream_of_fewer_bits_says_where_its_sign_is(uid: str) -> None:
    values = pixels_of_bits(10, signed=True)
    words = values.view(np.uint16) & 0x03FF
    data = {
        "80": lambda: encode_pixel_data(  # type: ignore[no-untyped-call]
            words.tobytes(), rows=16, columns=24, samples_per_pixel=1, bits_stored=10
        ),
        "90": lambda: imagecodecs.jpeg2k_encode(
            words, level=0, codecformat="j2k", reversible=True, bitspersample=10
        ),
        "201": lambda: imagecodecs.htj2k_encode(values, reversible=True),
    }[uid.removeprefix(JPEG)]()
    kind = Kind("i2", 14, 16, shape=(16, 24))

    assert np.array_equal(decode(bytes(data), format_of(uid, kind)), values)


@pytest.mark.parametrize("near", [1, 3])
def test_loss_beyond_the_largest_value_is_the_largest_value(near: int) -> None:
    values = np.full((16, 24), 4095, np.uint16)
    values[::2, ::3] -= near
    words = values.copy()
    words[:, 5] = 4095 + near  # as a decoder gives 4095 at the worst
    data = bytes(imagecodecs.jpegls_encode(words, level=near))
    kind = Kind("u2", 12, 16, shape=(16, 24))

    back = decode(data, format_of(f"{JPEG}81", kind))

    assert back.max() <= 4095
    assert np.abs(back.astype(int) - values).max() <= 2 * near


@pytest.mark.parametrize("name", ["JPEG-LS", "JPEG 2000"])
def test_the_plugins_of_pydicom_give_the_same_width(name: str) -> None:
    values = pixels_of_bits(12, signed=True)
    uid, encode = ENCODERS[name]
    data = encode(values.view(np.uint16) & 0x0FFF)
    format_ = format_of(uid, KINDS["12 in 16 bits, signed"])
    pixel = replace(format_.pixel, rows=16, columns=24)

    back = decode(data, replace(format_, pixel=pixel, decoder="pydicom"))

    assert np.array_equal(back, values)


@pytest.mark.parametrize("name", ["JPEG 2000", "HTJ2K"])
def test_references_name_no_codec_that_keeps_the_bits_above(
    name: str, tmp_path: Path
) -> None:
    values = pixels_of_bits(12, signed=False)
    uid, encode = ENCODERS[name]
    geometry: Any = {"transfer_syntax": uid, "rows": 16, "columns": 24}
    plain = make_encapsulated([encode(values)] * 2, bits_stored=16, **geometry)
    spare = make_encapsulated([encode(values | 0x8000)] * 2, bits_stored=12, **geometry)

    ids = {}
    for kind, file in {"plain": plain, "spare": spare}.items():
        (tmp_path / f"{kind}.dcm").write_bytes(file)
        array = lazydicom.open_image(tmp_path / f"{kind}.dcm")
        assert np.array_equal(array[1], values)
        lazydicom.to_references(array, tmp_path / f"{kind}.json")
        ids[kind] = (tmp_path / f"{kind}.json").read_text()

    assert "imagecodecs_" in ids["plain"]
    assert "imagecodecs_" not in ids["spare"]


# --- what DCMTK's own encoders write ------------------------------------------------


def _native_file(path: Path, words: NDArray[Any], bits: int, *, signed: bool) -> None:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.1")
    dataset.SOPClassUID = UID("1.2.840.10008.5.1.4.1.1.7")
    dataset.SOPInstanceUID = UID("1.2.3")
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = words.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, bits, bits - 1
    dataset.PixelRepresentation = int(signed)
    dataset.PixelData = words.tobytes()
    dataset["PixelData"].VR = "OW"
    dataset.save_as(path, enforce_file_format=True)


@pytest.mark.parametrize("bits", [8, 10, 12, 15, 16])
@pytest.mark.parametrize(
    ("signed", "above"), [(False, "zeros"), (True, "zeros"), (True, "signs")]
)
@pytest.mark.parametrize(
    "command", ["dcmcjpls", "dcmcjpls +pr", "dcmcjpeg", "dcmcrle", "gdcmconv --j2k"]
)
def test_what_other_encoders_write_comes_back_as_it_was(
    command: str, above: str, bits: int, tmp_path: Path, *, signed: bool
) -> None:
    values = pixels_of_bits(bits, signed=signed)
    words = values.view(np.uint16)
    if above == "zeros":
        words = words & np.uint16((1 << bits) - 1)
    native, target = tmp_path / "native.dcm", tmp_path / "target.dcm"
    _native_file(native, words, bits, signed=signed)
    program, *options = command.split()
    subprocess.run(
        [require_program(program), *options, native, target],
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert dcmread(target).file_meta.TransferSyntaxUID.is_encapsulated

    array = lazydicom.open_image(target)

    assert np.array_equal(array[0], values)
