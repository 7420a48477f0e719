"""Native transfer syntaxes beyond the four of the standard."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from dicom_files import IMPLICIT_LITTLE, file_meta, make_native, stored_pixels
from pydicom import dcmread
from routes import by_json

import lazydicom

if TYPE_CHECKING:
    from pathlib import Path

GE: Final = "1.2.840.113619.5.2"
"""Implicit VR little endian, but the pixels are big endian."""
PAPYRUS: Final = "1.2.840.10008.1.20"
KINDS: Final[dict[str, dict[str, Any]]] = {
    "8 bits": {"bits_allocated": 8},
    "16 bits": {},
    "12 bits": {"bits_stored": 12},
    "12 bits, signed": {"bits_stored": 12, "pixel_representation": 1},
    "32 bits": {"bits_allocated": 32},
    "colour": {"samples_per_pixel": 3, "bits_allocated": 8},
    "colour by plane, 16 bits": {"samples_per_pixel": 3, "planar_configuration": 1},
}


def make(uid: str, kind: str) -> bytes:
    pixels = stored_pixels(**KINDS[kind])
    laid = np.moveaxis(pixels, -1, 1) if "plane" in kind else pixels
    order = laid.dtype.newbyteorder(">" if uid == GE else "<")
    return make_native(
        transfer_syntax=IMPLICIT_LITTLE,
        file_meta=file_meta(uid),
        pixel_bytes=laid.astype(order).tobytes(),
        **KINDS[kind],
    )


@pytest.mark.filterwarnings("ignore:Expected explicit VR:UserWarning:pydicom")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("uid", [GE, PAPYRUS])
def test_pixels_come_out_in_their_order(uid: str, kind: str, tmp_path: Path) -> None:
    file, pixels = make(uid, kind), stored_pixels(**KINDS[kind])
    (tmp_path / "a.dcm").write_bytes(file)
    dataset = dcmread(BytesIO(file))

    for source in (file, tmp_path / "a.dcm", dataset):
        array = lazydicom.open_image(source)

        assert array.dtype == pixels.dtype
        assert np.array_equal(np.asarray(array), pixels)
        assert np.array_equal(array[1, 1:3, 2:4], pixels[1, 1:3, 2:4])
    mapped = lazydicom.open_image(tmp_path / "a.dcm", local="mmap")
    assert np.array_equal(mapped[2], pixels[2])


@pytest.mark.parametrize("kind", ["16 bits", "12 bits, signed"])
def test_references_tell_the_order_of_pixels(kind: str, tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(make(GE, kind))
    array = lazydicom.open_image(tmp_path / "a.dcm")

    assert np.array_equal(by_json(array, tmp_path), stored_pixels(**KINDS[kind]))
